//! A card with its wallet selected, and the terminal's and the host's side of every transaction.

#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use xuejika_card_model::file::tree::{CardKind, wallet_sfi};
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::wallet::message::{
    Consent, Demand, Initialise, OnlineAnswer, PurchaseAnswer,
};
use xuejika_card_model::wallet::{
    EnableFlag, LogRecord, PurseRecord, WalletKeys, WalletSetup, store,
};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::legacy::{
    Challenge, DesKey, Fen, Load, Mac1, Moment, Purchase, PurchaseKind, Purse, TerminalId,
    TransactionType, Unload,
};

use super::{Reply, ask, power_up_with, send};

pub(crate) const TERMINAL: TerminalId = TerminalId([0x12, 0x00, 0x80, 0x80, 0x00, 0x01]);
pub(crate) const AT: Moment = Moment { date: [0x20, 0x07, 0x09, 0x01], time: [0x07, 0x30, 0x00] };
pub(crate) const TERMINAL_SEQUENCE: u32 = 0x0102_0304;

/// Randomness from a recording; zeros behind its end.
#[derive(Clone)]
pub(crate) struct Recorded(pub(crate) Vec<u8>);

impl TryRng for Recorded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        let mut rest = self.0.split_off(to.len().min(self.0.len()));
        core::mem::swap(&mut rest, &mut self.0);
        rest.resize(to.len(), 0);
        to.copy_from_slice(&rest);
        Ok(())
    }
}

impl TryCryptoRng for Recorded {}

/// Memory of a test card with this wallet.
pub(crate) fn memory_with(setup: &WalletSetup) -> Vec<u8> {
    let serial = "1100070100000017".parse().unwrap();
    let profile = xuejika_card_model::record::Profile::CpuAes;
    test_card::student_memory_with(&test_card::issuance(serial, profile).unwrap(), setup).unwrap()
}

/// The wallet of a test card.
pub(crate) fn setup() -> WalletSetup {
    let serial = "1100070100000017".parse().unwrap();
    let profile = xuejika_card_model::record::Profile::CpuAes;
    test_card::wallet(&test_card::issuance(serial, profile).unwrap())
}

/// An open wallet with this balance.
pub(crate) fn open_with(balance: u32) -> WalletSetup {
    WalletSetup { flag: EnableFlag::Open, balance: Fen(balance), ..setup() }
}

/// A card with its wallet selected, and its keys.
pub(crate) struct Wallet {
    pub(crate) card: VirtualCard,
    pub(crate) keys: WalletKeys,
}

impl Wallet {
    pub(crate) fn new(setup: &WalletSetup) -> Self {
        Self::with_env(setup, Env::from_seed(7))
    }

    /// Whose random numbers are these.
    pub(crate) fn recorded(setup: &WalletSetup, random: &[&[u8]]) -> Self {
        Self::with_env(setup, Env::with_rng(Recorded(random.concat())))
    }

    fn with_env(setup: &WalletSetup, env: Env) -> Self {
        let card = power_up_with(RamNvm::new(memory_with(setup)), env);
        let mut wallet = Self { card, keys: setup.keys.clone() };
        wallet.select();
        wallet
    }

    pub(crate) fn select(&mut self) {
        assert_eq!(self.ask("00 A4 00 00 02 10 01").sw, 0x9000);
    }

    /// Resets the card and selects the wallet again.
    pub(crate) fn again(&mut self) {
        self.card.power_on().unwrap();
        self.select();
    }

    /// As [`Self::again`], of a wallet that may be blocked.
    pub(crate) fn again_after_block(&mut self) {
        self.card.power_on().unwrap();
        let sw = self.ask("00 A4 00 00 02 10 01").sw;
        assert!(matches!(sw, 0x9000 | 0x6A81), "{sw:04X}");
    }

    pub(crate) fn ask(&mut self, hex: &str) -> Reply {
        ask(&mut self.card, hex)
    }

    pub(crate) fn send(&mut self, header: [u8; 4], data: &[u8]) -> Reply {
        let length = u8::try_from(data.len()).unwrap();
        send(&mut self.card, &[&header[..], &[length], data].concat())
    }

    pub(crate) fn purse(&self) -> PurseRecord {
        self.card.model().purse().unwrap()
    }

    pub(crate) fn balance(&self) -> u32 {
        self.purse().balance.0
    }

    pub(crate) fn flag(&self) -> EnableFlag {
        self.card.model().enable_flag().unwrap()
    }

    /// All persistent bytes but the journal.
    pub(crate) fn memory(&self) -> Vec<u8> {
        let bytes = super::memory(&self.card);
        bytes[..CardKind::Student.tree().journal].to_vec()
    }

    /// The log, newest first.
    pub(crate) fn log(&mut self) -> Vec<LogRecord> {
        let mut records = Vec::new();
        for number in 1..=u8::MAX {
            let reply = self.ask(&format!("00 B2 {number:02X} C4 17"));
            if reply.sw != 0x9000 {
                assert_eq!(reply.sw, 0x6A83);
                break;
            }
            records.push(LogRecord::parse(&reply.data).unwrap());
        }
        records
    }

    pub(crate) fn verify(&mut self) {
        assert_eq!(self.ask("00 20 00 01 03 12 34 56").sw, 0x9000);
    }

    pub(crate) fn tries(&self) -> [u8; 3] {
        let model = self.card.model();
        [
            model.wallet_key::<xuejika_keyscheme::legacy::LoadKey>(1).unwrap().tries.left(),
            model.wallet_key::<xuejika_keyscheme::legacy::PurchaseKey>(1).unwrap().tries.left(),
            model.wallet_key::<xuejika_keyscheme::legacy::UnloadKey>(1).unwrap().tries.left(),
        ]
    }

    /// INITIALIZE with P1.
    pub(crate) fn initialise(&mut self, p1: u8, amount: u32) -> Reply {
        let request = Initialise { kid: store::KID, amount: Fen(amount), terminal: TERMINAL };
        self.send([0x80, 0x50, p1, 0x02], &request.emit())
    }

    pub(crate) fn initialise_load(&mut self, amount: u32) -> Result<Consent, u16> {
        let reply = self.initialise(0x00, amount);
        let answer = OnlineAnswer::parse(&reply.data).ok_or(reply.sw)?;
        let load = Load { purse: Purse::Wallet, amount: Fen(amount), terminal: TERMINAL };
        let session = self.keys.load.session(answer.random, answer.sequence);
        assert!(session.verify(&load.mac1(answer.balance), answer.mac1).is_ok());
        Ok(Consent { at: AT, mac2: session.code(&load.mac2(AT)) })
    }

    pub(crate) fn credit(&mut self, consent: &Consent) -> Reply {
        self.send([0x80, 0x52, 0x00, 0x00], &consent.emit())
    }

    /// A whole load, the PIN in front.
    pub(crate) fn load(&mut self, amount: u32) -> Result<(), u16> {
        self.verify();
        let before = self.purse();
        let consent = self.initialise_load(amount)?;
        let reply = self.credit(&consent);
        if reply.sw != 0x9000 {
            return Err(reply.sw);
        }
        let after = Fen(before.balance.0 + amount);
        let load = Load { purse: Purse::Wallet, amount: Fen(amount), terminal: TERMINAL };
        let tac: [u8; 4] = reply.data.try_into().unwrap();
        let key = self.keys.tac.folded();
        assert!(key.verify(&load.tac(after, before.online, AT), tac.into()).is_ok());
        Ok(())
    }

    pub(crate) fn purchase_demand(
        &mut self,
        kind: PurchaseKind,
        amount: u32,
    ) -> Result<Demand, u16> {
        let p1 = if kind == PurchaseKind::Compound { 0x03 } else { 0x01 };
        let reply = self.initialise(p1, amount);
        let answer = PurchaseAnswer::parse(&reply.data).ok_or(reply.sw)?;
        let session = self.purchase_session(&answer);
        let purchase = Purchase { kind, amount: Fen(amount), terminal: TERMINAL };
        let mac1 = session.code(&purchase.mac1(AT));
        Ok(Demand { sequence: TERMINAL_SEQUENCE, at: AT, mac1 })
    }

    fn purchase_session(
        &self,
        answer: &PurchaseAnswer,
    ) -> DesKey<xuejika_keyscheme::legacy::PurchaseKey> {
        self.keys.purchase.session(answer.random, answer.sequence, TERMINAL_SEQUENCE)
    }

    pub(crate) fn debit(&mut self, demand: &Demand) -> Reply {
        self.send([0x80, 0x54, 0x01, 0x00], &demand.emit())
    }

    /// A whole simple purchase.
    pub(crate) fn pay(&mut self, amount: u32) -> Result<(), u16> {
        let demand = self.purchase_demand(PurchaseKind::Wallet, amount)?;
        let reply = self.debit(&demand);
        if reply.sw != 0x9000 {
            return Err(reply.sw);
        }
        let purchase =
            Purchase { kind: PurchaseKind::Wallet, amount: Fen(amount), terminal: TERMINAL };
        let tac: [u8; 4] = reply.data[..4].try_into().unwrap();
        let key = self.keys.tac.folded();
        assert!(key.verify(&purchase.tac(TERMINAL_SEQUENCE, AT), tac.into()).is_ok());
        Ok(())
    }

    pub(crate) fn initialise_unload(&mut self, amount: u32) -> Result<Consent, u16> {
        let reply = self.initialise(0x05, amount);
        let answer = OnlineAnswer::parse(&reply.data).ok_or(reply.sw)?;
        let unload = Unload { amount: Fen(amount), terminal: TERMINAL };
        let session = self.keys.unload.session(answer.random, answer.sequence);
        assert!(session.verify(&unload.mac1(answer.balance), answer.mac1).is_ok());
        Ok(Consent { at: AT, mac2: session.code(&unload.mac2(AT)) })
    }

    pub(crate) fn debit_unload(&mut self, consent: &Consent) -> Reply {
        self.send([0x80, 0x54, 0x03, 0x00], &consent.emit())
    }

    /// A whole unload, the PIN in front.
    pub(crate) fn unload(&mut self, amount: u32) -> Result<(), u16> {
        self.verify();
        let consent = self.initialise_unload(amount)?;
        match self.debit_unload(&consent).sw {
            0x9000 => Ok(()),
            sw => Err(sw),
        }
    }

    /// UPDATE CAPP DATA CACHE of the record with this tag.
    pub(crate) fn cache(&mut self, tag: u8, rest: &[u8]) -> Reply {
        let data = [&[tag, u8::try_from(rest.len()).unwrap()], rest].concat();
        self.send([0x80, 0xDC, tag, wallet_sfi::COMPOUND << 3], &data)
    }

    pub(crate) fn prove(&mut self, kind: TransactionType, sequence: u16) -> Reply {
        self.send([0x80, 0x5A, 0x00, kind.code()], &sequence.to_be_bytes())
    }

    /// UPDATE BINARY by the operator, under line protection.
    pub(crate) fn operate(&mut self, sfi: u8, offset: u8, data: &[u8]) -> Reply {
        let challenge: [u8; 4] = self.ask("00 84 00 00 04").data.try_into().unwrap();
        let length = u8::try_from(data.len() + 4).unwrap();
        let message = [&[0x04, 0xD6, 0x80 | sfi, offset, length], data].concat();
        let mac: [u8; 4] = self.keys.line.line_mac(&Challenge::from(challenge), &message).into();
        send(&mut self.card, &[&message[..], &mac].concat())
    }

    pub(crate) fn set_flag(&mut self, flag: EnableFlag) -> u16 {
        self.operate(wallet_sfi::CONTROL, 0, &[flag.code()]).sw
    }
}

/// A MAC with one bit wrong.
pub(crate) fn spoilt_mac1(mac: Mac1) -> Mac1 {
    let [a, b, c, d] = mac.into();
    [a, b, c, d ^ 1].into()
}

pub(crate) fn spoilt(consent: &Consent) -> Consent {
    let [a, b, c, d] = consent.mac2.into();
    Consent { mac2: [a, b, c, d ^ 1].into(), ..*consent }
}
