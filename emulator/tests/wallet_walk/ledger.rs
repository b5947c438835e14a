//! What a wallet must hold: kept by the walk alone, from the commands that were sent and its own
//! arithmetic, never read from the card.

use super::codes::{self, Code, Keys, Number};
use super::tdes::Des;

/// The lock of a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    None,
    UntilUnblocked,
    ForGood,
}

/// What counts tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Secret {
    Load,
    Unload,
    Line,
    Unblock,
    Reload,
    Pin,
}

pub(crate) const TRIES: u8 = 3;

/// Highest balance, fen.
pub(crate) const CEILING: u32 = 100_000;

/// The proof of the last finished transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) kind: u8,
    pub(crate) counter: u16,
    pub(crate) mac: Code,
    pub(crate) tac: Code,
}

/// What survives the loss of power.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) balance: u32,
    pub(crate) online: u16,
    pub(crate) offline: u16,
    /// 00 never opened, 01 open, 02 suspended, 03 closed.
    pub(crate) flag: u8,
    pub(crate) tries: [u8; 6],
    pub(crate) pin: Vec<u8>,
    pub(crate) lock: Lock,
    pub(crate) card_blocked: bool,
    /// Newest first.
    pub(crate) log: Vec<Vec<u8>>,
    pub(crate) proof: Option<Proof>,
    pub(crate) compound: [Vec<u8>; 4],
}

impl Kept {
    pub(crate) fn tries(&self, secret: Secret) -> u8 {
        self.tries[secret as usize]
    }

    pub(crate) fn set_tries(&mut self, secret: Secret, tries: u8) {
        self.tries[secret as usize] = tries;
    }

    /// What a card keeps that the ledger does not expect, in words.
    pub(crate) fn difference(&self, expected: &Self) -> String {
        let show = |kept: &Self| {
            let Self { balance, online, offline, flag, tries, pin, lock, .. } = kept;
            [
                format!("balance {balance}"),
                format!("on-line counter {online}"),
                format!("off-line counter {offline}"),
                format!("flag {flag}"),
                format!("tries {tries:?}"),
                format!("PIN {}", hex::encode(pin)),
                format!("lock {lock:?}, card blocked {}", kept.card_blocked),
                format!("log {:?}", kept.log.iter().map(hex::encode).collect::<Vec<_>>()),
                format!("proof {:02X?}", kept.proof),
                format!("records {:?}", kept.compound.each_ref().map(hex::encode)),
            ]
        };
        let differs = show(self).into_iter().zip(show(expected)).filter(|(card, own)| card != own);
        differs.map(|(card, own)| format!("{card} on the card, {own} by the ledger; ")).collect()
    }

    fn is_locked(&self, kind: Kind) -> bool {
        kind.secret().is_some_and(|secret| self.tries(secret) == 0)
    }

    pub(super) fn spend(&mut self, secret: Secret) {
        self.tries[secret as usize] -= 1;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Load,
    Unload,
    Purchase,
    Compound,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Load, Self::Unload, Self::Purchase, Self::Compound];

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Load => 0x02,
            Self::Unload => 0x03,
            Self::Purchase => 0x06,
            Self::Compound => 0x09,
        }
    }

    /// P1 of its INITIALIZE.
    pub(crate) const fn p1(self) -> u8 {
        match self {
            Self::Load => 0x00,
            Self::Unload => 0x05,
            Self::Purchase => 0x01,
            Self::Compound => 0x03,
        }
    }

    /// Whose tries its code costs: a purchase has none, since a guess pays nobody.
    const fn secret(self) -> Option<Secret> {
        match self {
            Self::Load => Some(Secret::Load),
            Self::Unload => Some(Secret::Unload),
            Self::Purchase | Self::Compound => None,
        }
    }

    pub(crate) const fn is_off_line(self) -> bool {
        matches!(self, Self::Purchase | Self::Compound)
    }

    const fn is_online(self) -> bool {
        matches!(self, Self::Load | Self::Unload)
    }
}

/// A transaction under way.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) kind: Kind,
    pub(crate) amount: u32,
    pub(crate) terminal: [u8; 6],
    pub(crate) random: [u8; 4],
    pub(crate) cached: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Df {
    Mf,
    Wallet,
}

/// One wallet.
#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) keys: std::sync::Arc<Keys>,
    pub(crate) number: Number,
    pub(crate) kept: Kept,
    pub(crate) df: Df,
    /// Security registers of the DF and of the MF.
    pub(crate) proved: [u8; 2],
    pub(crate) pending: Option<Pending>,
    /// The random number of the last transaction.
    random: Option<[u8; 4]>,
    /// The challenge that the next command may use.
    pub(crate) challenge: Option<[u8; 8]>,
}

/// What a command must come to.
pub(crate) struct Outcome {
    /// Whether the card carries it out.
    pub(crate) done: bool,
    /// The answer of a command that is carried out, where the ledger knows it.
    pub(crate) data: Option<Vec<u8>>,
    /// What else may be kept when power goes in the middle.
    pub(crate) halfway: Vec<Kept>,
}

impl Outcome {
    pub(super) fn refused() -> Self {
        Self { done: false, data: None, halfway: Vec::new() }
    }

    fn done(data: Vec<u8>) -> Self {
        Self { done: true, data: Some(data), halfway: Vec::new() }
    }

    /// Carried out, with an answer that only the card knows.
    fn unknown() -> Self {
        Self { done: true, data: None, halfway: Vec::new() }
    }
}

impl Ledger {
    pub(crate) fn new(number: Number, kept: Kept) -> Self {
        let keys = Keys::of(number).into();
        Self {
            keys,
            number,
            kept,
            df: Df::Mf,
            proved: [0; 2],
            pending: None,
            challenge: None,
            random: None,
        }
    }

    /// Reset, or loss of power.
    pub(crate) fn reset(&mut self) {
        (self.df, self.proved, self.pending, self.challenge) = (Df::Mf, [0; 2], None, None);
    }

    /// Takes a command. What of it lies in the card's answer comes with [`Self::learn`].
    pub(crate) fn take(&mut self, apdu: &[u8]) -> Outcome {
        let challenge = self.challenge.take();
        if self.kept.card_blocked {
            self.pending = None;
            return Outcome::refused();
        }
        let header = [apdu[0], apdu[1], apdu[2], apdu[3]];
        let data = apdu.get(5..).unwrap_or_default();
        let pending = self.pending.take();
        match (header, self.df) {
            ([0x00, 0xA4, 0x00, 0x00], _) => self.select(data),
            // In the MF, the file with the identifier 05 is another one.
            ([0x00, 0x84, 0x00, 0x00], _) | ([0x00, 0xB0, 0x85, 0x00], Df::Mf) => {
                Outcome::unknown()
            }
            ([0x84, 0x16, 0x00, 0x00], _) => self.protected(apdu, challenge, Self::block_card),
            ([0x84, 0x1E, 0x00, p2], Df::Wallet) => {
                self.protected(apdu, challenge, |ledger, _| ledger.block(p2))
            }
            ([0x84, 0x18, 0x00, 0x00], Df::Wallet) => {
                self.protected(apdu, challenge, |ledger, _| ledger.unblock())
            }
            ([0x00, 0x82, 0x00, 0x01], Df::Mf) => self.authenticate(data, challenge),
            ([0x04, 0xD6, 0x85, 0x00], Df::Mf) => self.protected(apdu, challenge, |_, _| true),
            (_, Df::Mf) => Outcome::refused(),
            _ if self.kept.lock != Lock::None => Outcome::refused(),
            ([0x04, 0xD6, 0x85, 0x00], _) => self.protected(apdu, challenge, Self::set_flag),
            ([0x84, 0x24, ..], _) => self.unblock_pin(apdu, challenge),
            ([0x00, 0x82, 0x00, 0x01], _) => self.authenticate(data, challenge),
            ([0x00, 0x20, 0x00, 0x01], _) => self.verify(data),
            ([0x80, 0x5E, 0x00, 0x01], _) => self.reload_pin(data),
            ([0x80, 0x5E, 0x01, 0x01], _) => self.change_pin(data),
            _ => self.purse(header, data, pending),
        }
    }

    fn purse(&mut self, header: [u8; 4], data: &[u8], pending: Option<Pending>) -> Outcome {
        match header {
            [0x80, 0x5C, 0x00, 0x02] => {
                self.pending = pending;
                Outcome::done(self.kept.balance.to_be_bytes().into())
            }
            [0x80, 0x5A, 0x00, kind] => self.prove(kind, data, pending),
            [0x00, 0x88, p1, 0x01] => self.internal(p1, data, pending),
            [0x80, 0x50, p1, 0x02] => self.initialise(p1, data, pending),
            [0x80, 0xDC, tag, 0xC8] => self.cache(tag, data, pending),
            [0x80, 0x52, 0x00, 0x00] => self.finish(data, pending, &[Kind::Load]),
            [0x80, 0x54, 0x03, 0x00] => self.finish(data, pending, &[Kind::Unload]),
            [0x80, 0x54, 0x01, 0x00] => {
                self.finish(data, pending, &[Kind::Purchase, Kind::Compound])
            }
            [0x00, 0xB2, number, 0xC4] => {
                match self.kept.log.get(usize::from(number).wrapping_sub(1)) {
                    Some(record) => Outcome::done(record.clone()),
                    None => Outcome::refused(),
                }
            }
            [0x00, 0xB0, 0x85, 0x00] => Outcome::done(vec![self.kept.flag]),
            _ => Outcome::refused(),
        }
    }

    /// What the card's answer to a command that it carried out tells: random numbers. Checks the rest.
    pub(crate) fn learn(&mut self, apdu: &[u8], data: &[u8]) -> Result<(), String> {
        match apdu[1] {
            0x84 => {
                let mut challenge = [0; 8];
                challenge[..data.len()].copy_from_slice(data);
                self.challenge = Some(challenge);
                Ok(())
            }
            0x50 => self.begun(data),
            _ => Ok(()),
        }
    }

    fn begun(&mut self, data: &[u8]) -> Result<(), String> {
        let kept = &self.kept;
        let pending = self.pending.as_mut().expect("INITIALIZE was taken");
        let balance = kept.balance.to_be_bytes();
        let online = pending.kind.is_online();
        let counter = if online { kept.online } else { kept.offline };
        let head = [&balance[..], &counter.to_be_bytes()].concat();
        let (random, rest) = if online { (8, 12) } else { (11, 15) };
        if data.len() != rest + if online { 4 } else { 0 } || data[..6] != head {
            return Err(format!(
                "INITIALIZE answers {}, after {}",
                hex::encode(data),
                hex::encode(head)
            ));
        }
        pending.random = data[random..rest].try_into().unwrap();
        if self.random.replace(pending.random) == Some(pending.random) {
            return Err("the card repeats its random number".into());
        }
        if online {
            let session = codes::online(key_of(&self.keys, pending.kind), pending.random, counter);
            let fields: [&[u8]; 4] = [
                &balance,
                &pending.amount.to_be_bytes(),
                &[pending.kind.code()],
                &pending.terminal,
            ];
            if data[rest..] != codes::code(&session, &fields) {
                return Err("MAC1 of the card is wrong".into());
            }
        }
        Ok(())
    }

    fn select(&mut self, data: &[u8]) -> Outcome {
        match data {
            [0x3F, 0x00] => {
                self.df = Df::Mf;
                self.proved[0] = self.proved[1];
                Outcome::unknown()
            }
            [0x10, 0x01] => {
                (self.df, self.proved[0]) = (Df::Wallet, 0);
                if self.kept.lock == Lock::None { Outcome::unknown() } else { Outcome::refused() }
            }
            _ => Outcome::refused(),
        }
    }

    fn initialise(&mut self, p1: u8, data: &[u8], pending: Option<Pending>) -> Outcome {
        let kept = &self.kept;
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.p1() == p1) else {
            return Outcome::refused();
        };
        let is_free = match pending {
            None => true,
            Some(pending) => pending.kind != Kind::Compound && kind != Kind::Compound,
        };
        if data.len() != 11 || !is_free || data[0] != 1 || kept.is_locked(kind) {
            return Outcome::refused();
        }
        let amount = u32::from_be_bytes(data[1..5].try_into().unwrap());
        let counter = if kind.is_online() { kept.online } else { kept.offline };
        let (may, fits) = match kind {
            Kind::Load => {
                let total = u64::from(kept.balance) + u64::from(amount);
                (kept.flag < 2, total <= CEILING.into())
            }
            Kind::Unload => (matches!(kept.flag, 1 | 2), amount <= kept.balance),
            Kind::Purchase | Kind::Compound => (kept.flag == 1, amount <= kept.balance),
        };
        let is_proved = !kind.is_online() || self.proved[0] >= 1;
        if !(may && fits && is_proved && counter != u16::MAX) {
            return Outcome::refused();
        }
        let terminal = data[5..].try_into().unwrap();
        self.pending = Some(Pending { kind, amount, terminal, random: [0; 4], cached: Vec::new() });
        Outcome::unknown()
    }

    fn cache(&mut self, tag: u8, data: &[u8], pending: Option<Pending>) -> Outcome {
        let Some(mut pending) = pending.filter(|it| it.kind == Kind::Compound) else {
            return Outcome::refused();
        };
        let length = data.len().wrapping_sub(2);
        let fits = (1..=4).contains(&tag)
            && data.len() >= 2
            && data.len() <= 48
            && data[0] == tag
            && usize::from(data[1]) == length;
        if !fits {
            return Outcome::refused();
        }
        let mut record = data.to_vec();
        record.resize(48, 0);
        pending.cached.push((usize::from(tag) - 1, record));
        self.pending = Some(pending);
        Outcome::done(Vec::new())
    }

    fn prove(&mut self, kind: u8, data: &[u8], pending: Option<Pending>) -> Outcome {
        let matching = |proof: &Proof| proof.kind == kind && data == proof.counter.to_be_bytes();
        match self.kept.proof.filter(matching) {
            None => Outcome::refused(),
            Some(proof) => {
                self.pending = pending;
                Outcome::done([proof.mac, proof.tac].concat())
            }
        }
    }

    fn internal(&mut self, p1: u8, data: &[u8], pending: Option<Pending>) -> Outcome {
        let answer = match p1 {
            0x00 => self.keys.encrypt.ecb(data, true),
            0x02 => self.keys.mac.retail([0; 8], data).into(),
            _ => return Outcome::refused(),
        };
        self.pending = pending;
        Outcome::done(answer)
    }

    /// CREDIT or DEBIT: the end of a transaction.
    fn finish(&mut self, data: &[u8], pending: Option<Pending>, kinds: &[Kind]) -> Outcome {
        let is_ready = |it: &Pending| {
            kinds.contains(&it.kind) && (it.kind != Kind::Compound || !it.cached.is_empty())
        };
        let Some(pending) = pending.filter(is_ready) else { return Outcome::refused() };
        let head = if pending.kind.is_online() { 7 } else { 11 };
        if data.len() != head + 4 {
            return Outcome::refused();
        }
        let session = self.session(&pending, data);
        let right = codes::code(
            &session,
            &[
                &pending.amount.to_be_bytes(),
                &[pending.kind.code()],
                &pending.terminal,
                &data[head - 7..head],
            ],
        );
        let is_right = data[head..] == right;
        let mut halfway = Vec::new();
        if let Some(secret) = pending.kind.secret() {
            halfway.extend(self.attempt(secret, is_right).unwrap_or_default());
            // The try comes back together with all that the transaction changes.
            halfway.truncate(1);
        }
        if !is_right {
            return Outcome::refused();
        }
        self.proved[0] = 0;
        Outcome { halfway, ..Outcome::done(self.book(&pending, &session, &data[..head])) }
    }

    fn session(&self, pending: &Pending, data: &[u8]) -> Des {
        let key = key_of(&self.keys, pending.kind);
        if pending.kind.is_online() {
            return codes::online(key, pending.random, self.kept.online);
        }
        let terminal = u32::from_be_bytes(data[..4].try_into().unwrap());
        codes::offline(key, pending.random, self.kept.offline, terminal)
    }

    /// Books a transaction whose code was right. Gives the card's answer.
    fn book(&mut self, pending: &Pending, session: &Des, head: &[u8]) -> Vec<u8> {
        let (kept, keys) = (&mut self.kept, &self.keys);
        let (amount, kind) = (pending.amount.to_be_bytes(), pending.kind.code());
        let at = &head[head.len() - 7..];
        let before = kept.online.to_be_bytes();
        match pending.kind {
            Kind::Load => kept.balance += pending.amount,
            _ => kept.balance -= pending.amount,
        }
        let counter = if pending.kind.is_online() { &mut kept.online } else { &mut kept.offline };
        *counter += 1;
        let counter = *counter;
        let after = kept.balance.to_be_bytes();
        let online: [&[u8]; 6] = [&after, &before, &amount, &[kind], &pending.terminal, at];
        let (mac, tac) = match pending.kind {
            Kind::Load => ([0; 4], codes::code(&keys.tac, &online)),
            Kind::Unload => (codes::code(session, &online), [0; 4]),
            _ => {
                let fields: [&[u8]; 5] = [&amount, &[kind], &pending.terminal, &head[..4], at];
                (codes::code(session, &[&amount]), codes::code(&keys.tac, &fields))
            }
        };
        kept.proof = Some(Proof { kind, counter, mac, tac });
        let record = [&counter.to_be_bytes()[..], &[0; 3], &amount, &[kind], &pending.terminal, at];
        kept.log.insert(0, record.concat());
        kept.log.truncate(10);
        match (pending.kind, kept.flag) {
            (Kind::Load, 0) => kept.flag = 1,
            (Kind::Unload, 2) if kept.balance == 0 => kept.flag = 3,
            _ => {}
        }
        for (at, record) in &pending.cached {
            kept.compound[*at].clone_from(record);
        }
        match pending.kind {
            Kind::Load => tac.into(),
            Kind::Unload => mac.into(),
            _ => [tac, mac].concat(),
        }
    }
}

pub(crate) fn key_of(keys: &Keys, kind: Kind) -> &super::tdes::Tdes {
    match kind {
        Kind::Load => &keys.load,
        Kind::Unload => &keys.unload,
        Kind::Purchase | Kind::Compound => &keys.purchase,
    }
}
