//! The ways between terminals, cards and the host, on which things go wrong.

use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_card_model::nvm::{Cut, Torn};
use xuejika_keyscheme::legacy::{Challenge, LineMac, Moment};
use xuejika_reader::wallet::{
    Booking, CardNumber, Consent, HostError, LoadHost, OnlineRequest, Operator, Receipt,
    SoftLoadHost, Transaction,
};

use crate::case::Card;
use crate::memory::lost;
use crate::rng::Rng;

/// One exchange in so many goes wrong.
const TROUBLE: usize = 14;

/// How many commands of the past are kept.
const PAST: usize = 64;

/// What went wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Troubles {
    pub(crate) cuts: u64,
    pub(crate) lost: u64,
    pub(crate) twice: u64,
    pub(crate) late: u64,
    pub(crate) taken: u64,
    pub(crate) process_ends: u64,
}

impl Troubles {
    pub(crate) fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.lost += other.lost;
        self.twice += other.twice;
        self.late += other.late;
        self.taken += other.taken;
        self.process_ends += other.process_ends;
    }

    pub(crate) const fn total(&self) -> u64 {
        self.cuts + self.lost + self.twice + self.late + self.taken + self.process_ends
    }
}

/// The way to a card.
pub(super) struct Road<'a> {
    card: &'a mut Card,
    rng: Rng,
    /// Commands of the past, any of which can come again.
    past: &'a mut Vec<Vec<u8>>,
    troubles: &'a mut Troubles,
    taken: bool,
    /// Nothing goes wrong any more.
    pub(super) calm: bool,
}

impl<'a> Road<'a> {
    pub(super) const fn new(
        card: &'a mut Card,
        rng: Rng,
        past: &'a mut Vec<Vec<u8>>,
        troubles: &'a mut Troubles,
    ) -> Self {
        Self { card, rng, past, troubles, taken: false, calm: false }
    }

    /// Power goes; the process behind the card may end, and the card may be taken away.
    fn goes(&mut self) -> Result<(), ChannelError> {
        self.card.power_off();
        if self.rng.one_in(4) {
            self.troubles.process_ends += 1;
            let nvm = self.card.model().nvm();
            let left = lost(nvm.durable(), nvm.cached(), &mut self.rng);
            self.card.nvm_mut().restore(&left);
        }
        self.taken = self.rng.one_in(3);
        self.troubles.taken += u64::from(self.taken);
        Err(ChannelError::Removed)
    }

    fn deliver(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        let kept = self.past.len() < PAST;
        if kept {
            self.past.push(command.to_vec());
        } else {
            let at = self.rng.below(PAST);
            self.past[at] = command.to_vec();
        }
        CardChannel::transmit(self.card, command, response)
    }
}

impl CardChannel for Road<'_> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        response.clear();
        if self.taken {
            return Err(ChannelError::Removed);
        }
        // What moves money is disturbed more than the rest.
        let trouble = if matches!(command[1], 0x52 | 0x54) { 4 } else { TROUBLE };
        if self.calm || !self.rng.one_in(trouble) {
            return self.deliver(command, response);
        }
        match self.rng.below(6) {
            0 => {
                self.troubles.lost += 1;
                self.goes()
            }
            1 => {
                self.troubles.lost += 1;
                self.deliver(command, response)?;
                response.clear();
                self.goes()
            }
            2 => {
                self.troubles.twice += 1;
                self.deliver(command, response)?;
                self.deliver(command, response)
            }
            3 if !self.past.is_empty() => {
                self.troubles.late += 1;
                let late = self.past[self.rng.below(self.past.len())].clone();
                CardChannel::transmit(self.card, &late, response)?;
                self.deliver(command, response)
            }
            _ => {
                let cut = Cut {
                    after_writes: self.rng.below(8) as u64,
                    after_bytes: self.rng.below(64),
                    torn: Torn::Random(self.rng.next()),
                };
                self.card.nvm_mut().arm(Some(cut));
                let result = self.deliver(command, response);
                self.card.nvm_mut().arm(None);
                if result.is_err() {
                    self.troubles.cuts += 1;
                    return self.goes();
                }
                result
            }
        }
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        if self.taken { Err(ChannelError::Removed) } else { CardChannel::reset(self.card) }
    }
}

/// A message to the host that is still on its way.
pub(super) enum Held {
    Authorise(OnlineRequest, Moment),
    Confirm(Transaction, Receipt),
    Cancel(Transaction),
}

impl Held {
    /// The answer goes nowhere.
    pub(super) fn deliver(self, host: &mut SoftLoadHost) {
        let _ = match self {
            Self::Authorise(request, at) => host.authorise(&request, at).is_ok(),
            Self::Confirm(transaction, receipt) => host.confirm(&transaction, receipt).is_ok(),
            Self::Cancel(transaction) => host.cancel(&transaction).is_ok(),
        };
    }
}

/// The way to the host.
pub(super) struct Line<'a> {
    host: &'a mut SoftLoadHost,
    rng: Rng,
    held: &'a mut Vec<Held>,
    pub(super) calm: bool,
}

impl<'a> Line<'a> {
    pub(super) const fn new(host: &'a mut SoftLoadHost, rng: Rng, held: &'a mut Vec<Held>) -> Self {
        Self { host, rng, held, calm: false }
    }

    /// Sends a message that may be lost, come twice or come late, or whose answer may be lost.
    fn send<T>(
        &mut self,
        held: impl FnOnce() -> Held,
        ask: impl Fn(&mut SoftLoadHost) -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        if self.calm || !self.rng.one_in(TROUBLE / 2) {
            return ask(self.host);
        }
        match self.rng.below(4) {
            0 => Err(HostError::Unreachable),
            1 => {
                let _ = ask(self.host);
                Err(HostError::Unreachable)
            }
            2 => {
                self.held.push(held());
                Err(HostError::Unreachable)
            }
            _ => {
                let _ = ask(self.host);
                self.held.push(held());
                ask(self.host)
            }
        }
    }
}

impl LoadHost for Line<'_> {
    fn authorise(&mut self, request: &OnlineRequest, at: Moment) -> Result<Consent, HostError> {
        self.send(|| Held::Authorise(*request, at), |host| host.authorise(request, at))
    }

    fn confirm(
        &mut self,
        transaction: &Transaction,
        receipt: Receipt,
    ) -> Result<Booking, HostError> {
        let held = || Held::Confirm(*transaction, receipt);
        self.send(held, |host| host.confirm(transaction, receipt))
    }

    fn cancel(&mut self, transaction: &Transaction) -> Result<(), HostError> {
        self.send(|| Held::Cancel(*transaction), |host| host.cancel(transaction))
    }
}

impl Operator for Line<'_> {
    fn line_mac(
        &mut self,
        card: CardNumber,
        challenge: &Challenge,
        command: &[u8],
    ) -> Result<LineMac, HostError> {
        self.host.line_mac(card, challenge, command)
    }
}
