//! The card itself: sound but at its occasion, and watching.

use core::time::Duration;
use std::thread;

use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_card_model::file::tree::{CardKind, EDUCATION_NAME};
use xuejika_card_model::nvm::{Cut, Nvm, RamNvm, Torn};

use super::{Act, Occasion, Plan, SLOWNESS, Then};
use crate::card::VirtualCard;
use crate::env::Env;
use crate::transport::{CardDied, Slot};

/// Length of a status word.
const STATUS: usize = 2;

/// INS of GET RESPONSE and GET TRANSACTION PROVE.
const GET_RESPONSE: u8 = 0xC0;
const PROVE: u8 = 0x5A;

/// What nonsense is made of.
const NONSENSE: u8 = 0xA5;

/// A card that misbehaves as planned, or not at all.
#[derive(Debug)]
pub struct Misbehaving {
    card: VirtualCard,
    /// The other card of [`Then::Other`] and [`Act::OtherCard`].
    other: VirtualCard,
    pub(super) plan: Option<Plan>,
    pub(super) seen: Seen,
    /// What both cards had done before.
    before: u32,
    steps: Vec<Step>,
    /// The last sound answer at the plan's occasion.
    last: Option<Vec<u8>>,
    gone: bool,
    slowness: Duration,
    /// Whether it is there again at once after a lost answer.
    pub(super) returns: bool,
}

/// What the card has seen of its reader.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// How often each occasion came, in the order of [`Occasion::ALL`].
    occasions: [u32; Occasion::ALL.len()],
    /// How often the card misbehaved.
    pub(super) strikes: u32,
    /// Whether a wrong answer was given, and no session has been begun since.
    wronged: bool,
    /// Whether the session went on after a wrong answer.
    pub(super) went_on: bool,
    /// Whether a command that moves money came after a wrong answer.
    pub(super) moved_on: bool,
    /// Whether the proof of a transaction was asked for after a misbehaviour.
    pub(super) asked: bool,
}

/// An exchange, as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The command; empty for a reset or a change of power.
    pub command: Vec<u8>,
    /// The response, or the answer to reset; `None` when it was lost.
    pub response: Option<Vec<u8>>,
    /// Whether the card misbehaved here.
    pub struck: bool,
}

impl Misbehaving {
    /// A card, another one for the acts that need it, and what is planned; without a plan both are
    /// sound. Neither has power.
    #[must_use]
    pub fn new(card: VirtualCard, other: VirtualCard, plan: Option<Plan>) -> Self {
        let before = done(&card).wrapping_add(done(&other));
        Self {
            card,
            other,
            plan,
            seen: Seen::default(),
            before,
            steps: Vec::new(),
            last: None,
            gone: false,
            slowness: SLOWNESS,
            returns: true,
        }
    }

    /// The same, as slow as this where it is slow.
    #[must_use]
    pub const fn slow_by(mut self, slowness: Duration) -> Self {
        self.slowness = slowness;
        self
    }

    /// The same, in a PC/SC reader, where it comes back only after a while: a reader may put off its
    /// question about a lost answer, as long as it claims nothing.
    #[must_use]
    pub const fn behind_driver(mut self) -> Self {
        self.returns = false;
        self
    }

    /// How often an occasion has come.
    #[must_use]
    pub fn occasions(&self, occasion: Occasion) -> u32 {
        self.seen.occasions.get(occasion as usize).copied().unwrap_or(0)
    }

    /// How often the card was changed: life-cycle changes and registrations, purchases, loads and
    /// unloads.
    #[must_use]
    pub fn done(&self) -> u32 {
        done(&self.card).wrapping_add(done(&self.other)).wrapping_sub(self.before)
    }

    /// What went over the wire.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// One exchange; false when no answer comes.
    fn exchange(&mut self, command: &[u8], response: &mut Vec<u8>) -> bool {
        response.clear();
        if self.gone {
            self.note(command, None, false);
            return false;
        }
        self.watch(command);
        let strikes = self.seen.strikes;
        let answered = match self.plan.filter(|plan| self.is_time(*plan, command)) {
            Some(plan) => self.strike(plan.what.act, command, response),
            None => self.honest(command, response) && self.disturb(command, response),
        };
        let struck = self.seen.strikes > strikes;
        self.note(command, answered.then(|| response.clone()), struck);
        answered
    }

    fn note(&mut self, command: &[u8], response: Option<Vec<u8>>, struck: bool) {
        self.steps.push(Step { command: command.to_vec(), response, struck });
    }

    /// Counts occasions, and what the reader does after a misbehaviour.
    fn watch(&mut self, command: &[u8]) {
        let seen = &mut self.seen;
        for (count, occasion) in seen.occasions.iter_mut().zip(Occasion::ALL) {
            *count += u32::from(occasion.fits(command));
        }
        if seen.strikes == 0 {
            return;
        }
        seen.asked |= command.get(1) == Some(&PROVE);
        if Occasion::Proof.fits(command) || matches!(command, [_, 0x50, ..]) {
            seen.wronged = false;
        }
        if seen.wronged {
            seen.went_on |= Occasion::Protected.fits(command);
            seen.moved_on |= Occasion::Debit.fits(command) || Occasion::Credit.fits(command);
        }
    }

    fn is_time(&self, Plan { what, nth }: Plan, command: &[u8]) -> bool {
        what.occasion.fits(command)
            && self.occasions(what.occasion) >= nth
            && (what.lasts() || self.seen.strikes == 0)
    }

    /// Has the card execute a command; false when power went.
    fn honest(&mut self, command: &[u8], response: &mut Vec<u8>) -> bool {
        let answered = self.card.transmit(command, response).is_ok();
        if self.plan.is_some_and(|plan| plan.what.occasion.fits(command)) {
            self.last = Some(response.clone());
        }
        answered
    }

    /// What comes of a misbehaviour later: more and more to say, and a false proof.
    fn disturb(&mut self, command: &[u8], response: &mut Vec<u8>) -> bool {
        let act = self.plan.filter(|_| self.seen.strikes > 0).map(|plan| plan.what.act);
        match (act, command) {
            (Some(Act::Endless), [_, GET_RESPONSE, ..]) => endless(response),
            // MAC and TAC.
            (Some(Act::Lose { then: Then::FalseProof, .. }), [_, PROVE, ..]) => {
                flip(response, 0);
                flip(response, 4);
            }
            _ => {}
        }
        true
    }

    /// Misbehaves; false when no answer comes.
    fn strike(&mut self, act: Act, command: &[u8], response: &mut Vec<u8>) -> bool {
        let before = self.last.clone();
        match act {
            Act::Pretend(length) => {
                response.resize(length, NONSENSE);
                response.extend_from_slice(&[0x90, 0x00]);
            }
            Act::Lose { executed, then } => {
                if executed {
                    self.card.transmit(command, response).ok();
                }
                self.lose(then);
                return false;
            }
            Act::Cut(writes) => return self.cut(writes, command, response),
            Act::OtherCard => self.ask_other(command, response),
            _ => {
                if !self.honest(command, response) {
                    return false;
                }
            }
        }
        let honest = response.clone();
        match (act, before) {
            (Act::Replay, before) => *response = before.unwrap_or(honest.clone()),
            (Act::Slow, _) => {
                thread::sleep(self.slowness);
                self.seen.strikes += 1;
                return true;
            }
            _ => falsify(act, command, response),
        }
        // What happens to be true is no lie, such as a replay with nothing before it.
        let lies = *response != honest || matches!(act, Act::Pretend(_) | Act::OtherCard);
        self.seen.strikes += u32::from(lies);
        self.seen.wronged |= lies;
        true
    }

    fn lose(&mut self, then: Then) {
        self.seen.strikes += 1;
        self.card.power_off();
        match then {
            Then::Back | Then::FalseProof => {}
            Then::Gone => self.gone = true,
            Then::Other => core::mem::swap(&mut self.card, &mut self.other),
        }
    }

    /// Power goes in a write, if the command writes so often.
    fn cut(&mut self, writes: u64, command: &[u8], response: &mut Vec<u8>) -> bool {
        self.card.cut_power(Cut {
            after_writes: writes,
            after_bytes: 1,
            torn: Torn::Random(writes),
        });
        let answered = self.card.transmit(command, response).is_ok();
        self.card.nvm_mut().arm(None);
        self.seen.strikes += u32::from(!answered);
        answered
    }

    /// The other card's answer, its education zone selected.
    fn ask_other(&mut self, command: &[u8], response: &mut Vec<u8>) {
        let name_len = u8::try_from(EDUCATION_NAME.len()).unwrap_or(0);
        let select = [&[0x00, 0xA4, 0x04, 0x00, name_len], &EDUCATION_NAME[..]].concat();
        let _ = self.other.power_on().is_ok()
            && self.other.transmit(&select, response).is_ok()
            && self.other.transmit(command, response).is_ok();
    }

    /// Power comes up, unless the card is gone.
    fn power_up(&mut self) -> bool {
        let up = !self.gone && self.card.power_on().is_ok();
        self.seen.wronged = false;
        let atr = up.then(|| self.card.atr().to_vec());
        self.note(&[], atr, false);
        up
    }
}

impl CardChannel for Misbehaving {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        if self.exchange(command, response) { Ok(()) } else { Err(ChannelError::Removed) }
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        if self.power_up() { Ok(self.card.atr().to_vec()) } else { Err(ChannelError::Removed) }
    }
}

impl Slot for Misbehaving {
    fn atr(&self) -> &[u8] {
        self.card.atr()
    }

    fn power_on(&mut self) {
        self.power_up();
    }

    fn power_off(&mut self) {
        self.card.power_off();
    }

    fn reset(&mut self) {
        self.power_up();
    }

    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), CardDied> {
        if self.exchange(command, response) { Ok(()) } else { Err(CardDied) }
    }
}

/// Changes a sound answer.
fn falsify(act: Act, command: &[u8], response: &mut Vec<u8>) {
    let status = response.split_off(response.len().saturating_sub(STATUS));
    let length = response.len();
    match act {
        Act::Flip(at) => flip(response, at),
        Act::FlipLast => flip(response, length.saturating_sub(1)),
        Act::Truncate(bytes) => response.truncate(length.saturating_sub(bytes)),
        Act::Extend => response.push(NONSENSE),
        Act::Garbage => response.fill(NONSENSE),
        Act::Reflect(from) => {
            // Behind the header and Lc.
            *response = command.get(5 + from..).unwrap_or_default().to_vec();
            response.truncate(length);
        }
        Act::Bare(_) => response.clear(),
        Act::OneByte => {
            *response = vec![0x90];
            return;
        }
        Act::Endless => return endless(response),
        _ => {}
    }
    match act {
        Act::Bare(other) | Act::Status(other) => response.extend_from_slice(&other.to_be_bytes()),
        Act::Garbage | Act::Reflect(_) => response.extend_from_slice(&[0x90, 0x00]),
        _ => response.extend_from_slice(&status),
    }
}

fn flip(response: &mut [u8], at: usize) {
    if let Some(byte) = response.get_mut(at) {
        *byte ^= 0x01;
    }
}

fn endless(response: &mut Vec<u8>) {
    response.clear();
    response.resize(256, NONSENSE);
    response.extend_from_slice(&[0x61, 0x00]);
}

/// How often a card was changed, all told, once an interrupted change is complete or undone.
fn done(card: &VirtualCard) -> u32 {
    let memory = RamNvm::new(card.model().nvm().bytes().to_vec());
    let Ok(mut card) = VirtualCard::new(memory, Env::from_seed(0)) else { return 0 };
    if card.header().kind != CardKind::Student || card.power_on().is_err() {
        return 0;
    }
    let changes = card.model().status().map_or(0, |status| u32::from(status.current.counter));
    let purse = card.model().purse();
    changes + purse.map_or(0, |purse| u32::from(purse.offline) + u32::from(purse.online))
}
