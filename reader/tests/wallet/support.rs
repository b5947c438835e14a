//! Cards, a terminal, a host, and a road on which answers are lost.

use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::legacy::{Fen, Moment, TerminalId};
use xuejika_reader::wallet::psam::SoftPsam;
use xuejika_reader::wallet::{
    Booked, Debited, Direction, Order, Pin, SoftLoadHost, Stopped, Terminal, WalletCard,
};

pub(crate) const SERIAL: &str = "1100070100000017";
pub(crate) const TERMINAL: TerminalId = TerminalId([0x12, 0x00, 0x80, 0x80, 0x00, 0x01]);
pub(crate) const OTHER_TERMINAL: TerminalId = TerminalId([0x12, 0x00, 0x80, 0x80, 0x00, 0x02]);
pub(crate) const AT: Moment = Moment { date: [0x20, 0x26, 0x09, 0x01], time: [0x07, 0x30, 0x00] };

pub(crate) fn pin() -> Pin {
    "123456".parse().unwrap()
}

pub(crate) fn card() -> VirtualCard {
    card_of(SERIAL)
}

pub(crate) fn card_of(serial: &str) -> VirtualCard {
    let mut card =
        VirtualCard::new(test_card::student(serial).unwrap(), Env::from_seed(3)).unwrap();
    card.power_on().unwrap();
    card
}

/// A card that holds money, and the books about it.
pub(crate) fn loaded(fen: u32) -> (VirtualCard, SoftLoadHost) {
    let (mut card, mut host) = (card(), SoftLoadHost::test());
    load(&mut card, &mut host, fen).unwrap();
    (card, host)
}

pub(crate) fn terminal(number: TerminalId) -> Terminal<SoftPsam> {
    Terminal::new(SoftPsam::test(number).unwrap()).unwrap()
}

pub(crate) fn transfer<C: CardChannel>(
    card: C,
    host: &mut SoftLoadHost,
    direction: Direction,
    fen: u32,
) -> Result<Booked, Stopped> {
    let mut wallet = WalletCard::select(card)?;
    wallet.verify(&pin())?;
    wallet.transfer(host, direction, Fen(fen), TERMINAL, AT)
}

pub(crate) fn load<C: CardChannel>(
    card: C,
    host: &mut SoftLoadHost,
    fen: u32,
) -> Result<Booked, Stopped> {
    transfer(card, host, Direction::Load, fen)
}

pub(crate) const fn order(fen: u32) -> Order<'static> {
    Order { amount: Fen(fen), at: AT, cache: &[] }
}

pub(crate) fn pay<C: CardChannel>(
    card: C,
    terminal: &mut Terminal<SoftPsam>,
    fen: u32,
) -> Result<Debited, Stopped> {
    terminal.purchase(&mut WalletCard::select(card)?, &order(fen))
}

pub(crate) fn balance(card: &mut VirtualCard) -> u32 {
    WalletCard::select(card).unwrap().balance().unwrap().0
}

/// What happens to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The command does not reach the card.
    Command,
    /// The card executes it; its answer does not arrive.
    Answer,
}

pub(crate) const LOSSES: [Loss; 2] = [Loss::Command, Loss::Answer];

/// A road to a card that breaks once.
pub(crate) struct Road<'a> {
    pub(crate) card: &'a mut VirtualCard,
    /// Exchanges so far.
    pub(crate) count: usize,
    /// The exchange that breaks, and how.
    pub(crate) breaks: Option<(usize, Loss)>,
    /// Whether the card is taken away then.
    pub(crate) gone: bool,
    taken: bool,
}

impl<'a> Road<'a> {
    pub(crate) fn sound(card: &'a mut VirtualCard) -> Self {
        Self { card, count: 0, breaks: None, gone: false, taken: false }
    }

    pub(crate) fn broken(card: &'a mut VirtualCard, at: usize, loss: Loss, gone: bool) -> Self {
        Self { card, count: 0, breaks: Some((at, loss)), gone, taken: false }
    }
}

impl CardChannel for Road<'_> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        response.clear();
        if self.taken {
            return Err(ChannelError::Removed);
        }
        let index = self.count;
        self.count += 1;
        match self.breaks {
            Some((at, loss)) if at == index => {
                if loss == Loss::Answer {
                    CardChannel::transmit(self.card, command, response)?;
                }
                response.clear();
                self.card.power_off();
                self.taken = self.gone;
                Err(ChannelError::Removed)
            }
            _ => CardChannel::transmit(self.card, command, response),
        }
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        if self.taken { Err(ChannelError::Removed) } else { CardChannel::reset(self.card) }
    }
}

/// A road on which somebody changes answers.
pub(crate) struct Meddled<'a, F> {
    pub(crate) card: &'a mut VirtualCard,
    /// Gets each command and its answer.
    pub(crate) meddle: F,
}

impl<F: FnMut(&[u8], &mut Vec<u8>)> CardChannel for Meddled<'_, F> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        CardChannel::transmit(self.card, command, response)?;
        (self.meddle)(command, response);
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        CardChannel::reset(self.card)
    }
}
