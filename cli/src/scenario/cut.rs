//! Power cuts in a step: at one write of the card, or at each in turn.

use anyhow::{Context, bail};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use xuejika_card_model::nvm::{Cut, Nvm, RamNvm, Torn};
use xuejika_card_model::wallet::{EnableFlag, LogRecord};
use xuejika_emulator::{Env, VirtualCard};
use xuejika_keyscheme::legacy::{Fen, TransactionType};
use xuejika_reader::wallet::{EntryState, SoftLoadHost, WalletCard};

use super::found::Found;
use super::script::Act;
use super::world::World;
use crate::clock;

/// Where power goes in a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum CutPlan {
    /// In front of this write, counted from 0.
    At(u64),
    /// At each write in turn, whole and torn; the step is done again every time.
    Each,
}

impl<'de> Deserialize<'de> for CutPlan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Integer(at) => {
                u64::try_from(at).map(Self::At).map_err(|_| D::Error::custom("cut: is negative"))
            }
            toml::Value::String(each) if each == "each" => Ok(Self::Each),
            _ => Err(D::Error::custom("cut: expected the number of a write, or \"each\"")),
        }
    }
}

/// How a step ends that nothing interrupts, to which every interrupted one has to come.
enum Goal {
    /// The wallet before and after it.
    Wallet { old: Purse, new: Purse },
    /// How it ends for a card that has done it.
    Card { repeated: Found },
}

/// A card's wallet and what its host has booked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Purse {
    balance: Fen,
    flag: EnableFlag,
    /// The on-line counter and the off-line one.
    counters: (u16, u16),
    log: Vec<LogRecord>,
    books: Vec<u64>,
}

impl Purse {
    /// Whether a step that was interrupted may leave it so: as `new` when the host takes the step as
    /// done, otherwise as `old`. Setting a flag has no proof, and a refund sets one first.
    fn may_be_left(&self, done: bool, refund: bool, old: &Self, new: &Self) -> bool {
        if done {
            return self == new;
        }
        let stopped = Self { flag: EnableFlag::Suspended, ..old.clone() };
        self == old || (refund && *self == stopped) || (self == new && new.log == old.log)
    }
}

/// A card's memory and the host's books.
struct Before {
    memory: Vec<u8>,
    host: SoftLoadHost,
}

impl World {
    /// Does a step with power cuts.
    pub(super) fn cut(&mut self, act: &Act, plan: CutPlan) -> anyhow::Result<Found> {
        let card = act.card().context("cut: the step is about no card")?;
        match plan {
            CutPlan::At(write) => Ok(self.with_cut(act, card, Cut::before_write(write))?.0),
            CutPlan::Each => self.cut_everywhere(act, card),
        }
    }

    /// Does it with a power cut, and gives the card power again. Tells whether the step came so far.
    fn with_cut(&mut self, act: &Act, card: &str, cut: Cut) -> anyhow::Result<(Found, bool)> {
        let before = self.writes(card)?;
        self.card(card)?.channel().cut_power(cut);
        let found = self.act(act);
        let hit = self.writes(card)? - before > cut.after_writes;
        let card = self.card(card)?;
        card.channel().nvm_mut().arm(None);
        card.power_on()?;
        Ok((found?, hit))
    }

    /// Cuts power at each write in turn, and holds what became of the step against its goal.
    fn cut_everywhere(&mut self, act: &Act, card: &str) -> anyhow::Result<Found> {
        let before = self.before(card)?;
        let old = act.is_wallets().then(|| self.purse(card)).transpose()?;
        let uncut = self.act(act)?;
        if !uncut.is_done() {
            return Ok(uncut);
        }
        let goal = match old {
            Some(old) => Goal::Wallet { old, new: self.purse(card)? },
            None => Goal::Card { repeated: self.act(act)? },
        };
        let mut cuts = 0_u64;
        for write in 0.. {
            let torn = Cut { after_writes: write, after_bytes: 3, torn: Torn::Random(write + 1) };
            for cut in [Cut::before_write(write), torn] {
                self.restore(card, &before)?;
                let (found, hit) = self.with_cut(act, card, cut)?;
                if !hit {
                    return Ok(found.with("cuts", cuts));
                }
                cuts += 1;
                let missed = match &goal {
                    Goal::Wallet { old, new } => self.missed_purse(act, card, &found, old, new)?,
                    Goal::Card { repeated } => self.missed(act, repeated)?,
                };
                if let Some(missed) = missed {
                    return Ok(Found::failed("torn", format!("after {cut:?}: {missed}")));
                }
            }
        }
        bail!("a step with endless writes")
    }

    /// Does the step again: it ends well, or as for a card that has done it.
    fn missed(&mut self, act: &Act, repeated: &Found) -> anyhow::Result<Option<String>> {
        let again = self.act(act)?;
        let good = again.is_done() || again.outcome() == repeated.outcome();
        Ok((!good).then(|| format!("{}: {}", again.outcome(), again.text())))
    }

    /// The terminal has asked the card what became of the transaction (GET TRANSACTION PROVE): what
    /// it takes as done the card and the books have, and what not neither has. Done again, the step
    /// comes to the same end.
    fn missed_purse(
        &mut self,
        act: &Act,
        card: &str,
        found: &Found,
        old: &Purse,
        new: &Purse,
    ) -> anyhow::Result<Option<String>> {
        let now = self.purse(card)?;
        let known = now.may_be_left(found.is_done(), matches!(act, Act::Refund(_)), old, new);
        if !known {
            return Ok(Some(format!("{}, and the wallet is {now:?}", found.outcome())));
        }
        if !found.is_done() {
            let again = self.act(act)?;
            if !again.is_done() {
                return Ok(Some(format!("{}: {}", again.outcome(), again.text())));
            }
        }
        let end = self.purse(card)?;
        Ok((end != *new).then(|| format!("done again, the wallet is {end:?}")))
    }

    /// What a terminal reads of the wallet, with the counters and the host's books.
    fn purse(&mut self, card: &str) -> anyhow::Result<Purse> {
        let books = books(&self.host);
        let field = self.card(card)?;
        let counters = field.channel().model().purse()?;
        let mut wallet = WalletCard::select(field)?;
        Ok(Purse {
            balance: wallet.balance()?,
            flag: wallet.flag()?,
            counters: (counters.online, counters.offline),
            log: wallet.log()?,
            books,
        })
    }

    fn writes(&mut self, card: &str) -> anyhow::Result<u64> {
        Ok(self.card(card)?.channel().model().nvm().writes())
    }

    fn before(&mut self, card: &str) -> anyhow::Result<Before> {
        let memory = self.card(card)?.channel().model().nvm().bytes().to_vec();
        Ok(Before { memory, host: self.host.clone() })
    }

    fn restore(&mut self, card: &str, before: &Before) -> anyhow::Result<()> {
        let env = Env::with_rng(clock::fork(&mut self.env));
        self.host = before.host.clone();
        let card = self.card(card)?;
        *card.channel() = VirtualCard::new(RamNvm::new(before.memory.clone()), env)?;
        card.power_on()?;
        Ok(())
    }
}

/// What is open and what is final in the books, by type.
fn books(host: &SoftLoadHost) -> Vec<u64> {
    let kinds =
        [TransactionType::WalletLoad, TransactionType::Unload, TransactionType::WalletPurchase];
    let states = [EntryState::Open, EntryState::Final];
    kinds.iter().flat_map(|kind| states.map(|state| host.total(*kind, state))).collect()
}

#[cfg(test)]
mod tests {
    use xuejika_keyscheme::legacy;

    use super::*;

    fn purse(balance: u32, flag: EnableFlag, online: u16, books: [u64; 2]) -> Purse {
        let record = LogRecord {
            sequence: online,
            amount: Fen(500),
            kind: TransactionType::WalletLoad,
            terminal: legacy::TerminalId([0; 6]),
            at: legacy::Moment { date: [0; 4], time: [0; 3] },
        };
        let log = vec![record; online.into()];
        Purse { balance: Fen(balance), flag, counters: (online, 0), log, books: books.to_vec() }
    }

    #[test]
    fn a_load_is_done_by_card_and_host_or_by_neither() {
        let old = purse(0, EnableFlag::NotOpened, 0, [0, 0]);
        let new = purse(500, EnableFlag::Open, 1, [0, 500]);
        for refund in [false, true] {
            assert!(new.may_be_left(true, refund, &old, &new));
            assert!(old.may_be_left(false, refund, &old, &new));
            assert!(!old.may_be_left(true, refund, &old, &new));
            assert!(!new.may_be_left(false, refund, &old, &new));
        }
        let half = [
            Purse { flag: EnableFlag::Open, ..old.clone() },
            Purse { counters: (1, 0), ..old.clone() },
            Purse { balance: Fen(500), ..old.clone() },
            Purse { books: vec![500, 0], ..old.clone() },
            Purse { log: new.log.clone(), ..old.clone() },
            Purse { books: vec![500, 0], ..new.clone() },
        ];
        for half in half {
            for done in [false, true] {
                assert!(!half.may_be_left(done, false, &old, &new), "{half:?}");
            }
        }
    }

    #[test]
    fn a_flag_may_be_set_although_the_host_does_not_know() {
        let old = purse(500, EnableFlag::Open, 1, [0, 500]);
        let stopped = Purse { flag: EnableFlag::Suspended, ..old.clone() };
        assert!(stopped.may_be_left(false, false, &old, &stopped));
        let refunded = purse(0, EnableFlag::Closed, 2, [0, 0]);
        assert!(stopped.may_be_left(false, true, &old, &refunded));
        assert!(!stopped.may_be_left(false, false, &old, &refunded));
        assert!(!stopped.may_be_left(true, true, &old, &refunded));
    }
}
