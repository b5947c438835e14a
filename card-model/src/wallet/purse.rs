//! Purse transactions: load, purchase, compound purchase, unload, and the proof of the last one.
//!
//! INITIALIZE changes nothing and leaves a [`Pending`] value. Only the command that belongs to it
//! takes the value, and only a verified MAC ([`Verified`]) reaches the commit: balance, counter, log,
//! proof, enable flag, cached records and the restored tries in one transaction. A MAC2 of a load or an
//! unload is compared when its try is spent; the value is gone whether it was right or wrong.

use alloc::vec::Vec;

use xuejika_keyscheme::Mismatch;
use xuejika_keyscheme::legacy::{
    Code, DesKey, Fen, Load, LoadKey, Mac1, Mac2, Mac3, Moment, Purchase, PurchaseKey,
    PurchaseKind, Purse, Tac, TacKey, TerminalId, TransactionType, Unload, UnloadKey, Verified,
    WalletPurpose,
};

use crate::card::{Card, CardError, append};
use crate::file::tree::wallet_sfi;
use crate::nvm::Nvm;

use super::attempt::check_left;
use super::compound::{CachedRecord, RecordName};
use super::message::{Consent, Demand, Initialise, OnlineAnswer, PurchaseAnswer};
use super::record::{LogRecord, Proof, PurseRecord};
use super::store::{self, KID, StoredKey};
use super::{EnableFlag, MAX_BALANCE, SecurityState, WalletError};

/// A transaction between INITIALIZE and its end. Volatile: reset, an error and most other commands
/// forget it.
#[derive(Clone, Debug)]
pub enum Pending {
    /// CREDIT FOR LOAD is to follow.
    Load(PendingLoad),
    /// DEBIT FOR UNLOAD is to follow.
    Unload(PendingUnload),
    /// DEBIT FOR PURCHASE is to follow.
    Purchase(PendingPurchase),
    /// UPDATE CAPP DATA CACHE is to follow.
    Compound(PendingCompound),
    /// UPDATE CAPP DATA CACHE or DEBIT FOR CAPP PURCHASE is to follow.
    Cached(PendingPurchase),
}

impl Pending {
    /// Checks that INITIALIZE may begin another transaction: nothing replaces a compound purchase,
    /// and a compound purchase replaces nothing.
    ///
    /// # Errors
    /// Returns [`WalletError::State`].
    pub const fn check_initialise(
        pending: Option<&Self>,
        compound: bool,
    ) -> Result<(), WalletError> {
        match (pending, compound) {
            (None, _) | (Some(Self::Load(_) | Self::Unload(_) | Self::Purchase(_)), false) => {
                Ok(())
            }
            (Some(_), _) => Err(WalletError::State),
        }
    }
}

/// A load the card has agreed to.
#[derive(Clone, Debug)]
pub struct PendingLoad {
    load: Load,
    session: DesKey<LoadKey>,
}

/// An unload the card has agreed to.
#[derive(Clone, Debug)]
pub struct PendingUnload {
    unload: Unload,
    session: DesKey<UnloadKey>,
}

/// A purchase the card has agreed to; of a compound one also the records it writes.
#[derive(Clone, Debug)]
pub struct PendingPurchase {
    purchase: Purchase,
    random: [u8; 4],
    records: Vec<CachedRecord>,
}

/// A compound purchase that has no record yet and cannot be debited.
#[derive(Clone, Debug)]
pub struct PendingCompound(PendingPurchase);

/// What a finished transaction changes beside the purse record.
struct Settlement<'a> {
    after: PurseRecord,
    log: LogRecord,
    flag: Option<EnableFlag>,
    records: &'a [CachedRecord],
}

impl<N: Nvm> Card<N> {
    /// INITIALIZE FOR LOAD (圈存初始化).
    ///
    /// # Errors
    /// Returns what the card refuses: key, PIN, enable flag, counter, ceiling.
    pub fn initialise_load(
        &mut self,
        request: &Initialise,
        random: [u8; 4],
        security: SecurityState,
    ) -> Result<(OnlineAnswer, PendingLoad), CardError> {
        let allowed = [EnableFlag::NotOpened, EnableFlag::Open];
        let (key, purse) = self.ready::<LoadKey>(request, security, &allowed)?;
        next(purse.online)?;
        credited(purse.balance, request.amount)?;
        let (amount, terminal) = (request.amount, request.terminal);
        let load = Load { purse: Purse::Wallet, amount, terminal };
        let session = key.key.session(random, purse.online);
        let mac1 = session.code(&load.mac1(purse.balance));
        Ok((online_answer(&key, &purse, random, mac1), PendingLoad { load, session }))
    }

    /// CREDIT FOR LOAD (圈存). Opens a wallet that was never opened.
    ///
    /// # Errors
    /// Returns [`WalletError::Code`] for a wrong MAC2, or what a failed write gives.
    pub fn credit_load(
        &mut self,
        pending: PendingLoad,
        consent: Consent,
    ) -> Result<Tac, CardError> {
        let PendingLoad { load, session } = pending;
        let (key, before) = (self.wallet_key::<LoadKey>(KID)?, self.purse()?);
        let input = load.mac2(consent.at);
        // The try is spent first: a cut must not make guesses at free money unlimited.
        let (verified, key) =
            self.spend(key, WalletError::Code, |_| session.verify(&input, consent.mac2))?;
        let balance = credited(before.balance, load.amount)?;
        let tac = self.tac_key()?.code(&load.tac(balance, before.online, consent.at));
        let online = next(before.online)?;
        let kind = load.transaction_type();
        let proof = Some(Proof { kind, sequence: online, mac: [0; 4], tac: tac.into() });
        let after = PurseRecord { online, balance, proof, ..before };
        let flag = match self.enable_flag()? {
            EnableFlag::NotOpened => Some(EnableFlag::Open),
            _ => None,
        };
        let log = log_record(online, load.amount, kind, load.terminal, consent.at);
        self.settle(&key, verified, &Settlement { after, log, flag, records: &[] })?;
        Ok(tac)
    }

    /// INITIALIZE FOR PURCHASE (消费初始化).
    ///
    /// # Errors
    /// Returns what the card refuses: key, enable flag, counter, funds.
    pub fn initialise_purchase(
        &mut self,
        request: &Initialise,
        random: [u8; 4],
        security: SecurityState,
    ) -> Result<(PurchaseAnswer, PendingPurchase), CardError> {
        self.initialise_debit(PurchaseKind::Wallet, request, random, security)
    }

    /// INITIALIZE FOR CAPP PURCHASE (复合消费初始化).
    ///
    /// # Errors
    /// As [`Self::initialise_purchase`].
    pub fn initialise_compound(
        &mut self,
        request: &Initialise,
        random: [u8; 4],
        security: SecurityState,
    ) -> Result<(PurchaseAnswer, PendingCompound), CardError> {
        let kind = PurchaseKind::Compound;
        let (answer, pending) = self.initialise_debit(kind, request, random, security)?;
        Ok((answer, PendingCompound(pending)))
    }

    fn initialise_debit(
        &mut self,
        kind: PurchaseKind,
        request: &Initialise,
        random: [u8; 4],
        security: SecurityState,
    ) -> Result<(PurchaseAnswer, PendingPurchase), CardError> {
        let (key, purse) = self.ready::<PurchaseKey>(request, security, &[EnableFlag::Open])?;
        next(purse.offline)?;
        debited(purse.balance, request.amount)?;
        let answer = PurchaseAnswer {
            balance: purse.balance,
            sequence: purse.offline,
            overdraft: [0; 3],
            version: key.version,
            algorithm: key.algorithm,
            random,
        };
        let purchase = Purchase { kind, amount: request.amount, terminal: request.terminal };
        Ok((answer, PendingPurchase { purchase, random, records: Vec::new() }))
    }

    /// UPDATE CAPP DATA CACHE (更新复合应用数据缓存), the first one.
    ///
    /// # Errors
    /// Returns what is wrong with the record.
    pub fn cache_first(
        &self,
        PendingCompound(pending): PendingCompound,
        sfi: u8,
        name: RecordName,
        data: &[u8],
    ) -> Result<PendingPurchase, CardError> {
        self.cache(pending, sfi, name, data)
    }

    /// UPDATE CAPP DATA CACHE, another one.
    ///
    /// # Errors
    /// As [`Self::cache_first`], and [`WalletError::State`] for a simple purchase.
    pub fn cache(
        &self,
        mut pending: PendingPurchase,
        sfi: u8,
        name: RecordName,
        data: &[u8],
    ) -> Result<PendingPurchase, CardError> {
        if pending.purchase.kind != PurchaseKind::Compound {
            return Err(WalletError::State.into());
        }
        let record = self.cached_record(sfi, name, data)?;
        pending.records.retain(|other| other.offset != record.offset);
        pending.records.push(record);
        Ok(pending)
    }

    /// DEBIT FOR PURCHASE (消费) and FOR CAPP PURCHASE (复合消费).
    ///
    /// # Errors
    /// Returns [`WalletError::Code`] for a wrong MAC1, or what a failed write gives.
    pub fn debit_purchase(
        &mut self,
        pending: PendingPurchase,
        demand: Demand,
    ) -> Result<(Tac, Mac2), CardError> {
        let PendingPurchase { purchase, random, records } = pending;
        let Demand { sequence: terminal_sequence, at, mac1 } = demand;
        let (key, before) = (self.wallet_key::<PurchaseKey>(KID)?, self.purse()?);
        let session = key.key.session(random, before.offline, terminal_sequence).expand();
        let input = purchase.mac1(at);
        // No try is counted: who guesses right is not paid for it, and whoever could use the tries up
        // would take the pupil's money out of use.
        let verified = session.verify(&input, mac1).map_err(|Mismatch| WalletError::Code)?;
        let mac2: Mac2 = session.code(&purchase.mac2());
        let tac = self.tac_key()?.code(&purchase.tac(terminal_sequence, at));
        let offline = next(before.offline)?;
        let kind = purchase.transaction_type();
        let after = PurseRecord {
            offline,
            balance: debited(before.balance, purchase.amount)?,
            proof: Some(Proof { kind, sequence: offline, mac: mac2.into(), tac: tac.into() }),
            ..before
        };
        let log = log_record(offline, purchase.amount, kind, purchase.terminal, at);
        self.settle(&key, verified, &Settlement { after, log, flag: None, records: &records })?;
        Ok((tac, mac2))
    }

    /// INITIALIZE FOR UNLOAD (圈提初始化).
    ///
    /// # Errors
    /// Returns what the card refuses: key, PIN, enable flag, counter, funds.
    pub fn initialise_unload(
        &mut self,
        request: &Initialise,
        random: [u8; 4],
        security: SecurityState,
    ) -> Result<(OnlineAnswer, PendingUnload), CardError> {
        let allowed = [EnableFlag::Open, EnableFlag::Suspended];
        let (key, purse) = self.ready::<UnloadKey>(request, security, &allowed)?;
        next(purse.online)?;
        debited(purse.balance, request.amount)?;
        let unload = Unload { amount: request.amount, terminal: request.terminal };
        let session = key.key.session(random, purse.online);
        let mac1 = session.code(&unload.mac1(purse.balance));
        Ok((online_answer(&key, &purse, random, mac1), PendingUnload { unload, session }))
    }

    /// DEBIT FOR UNLOAD (圈提). Closes a suspended wallet when it takes out the last of it.
    ///
    /// # Errors
    /// Returns [`WalletError::Code`] for a wrong MAC2, or what a failed write gives.
    pub fn debit_unload(
        &mut self,
        pending: PendingUnload,
        consent: Consent,
    ) -> Result<Mac3, CardError> {
        let PendingUnload { unload, session } = pending;
        let session = session.expand();
        let (key, before) = (self.wallet_key::<UnloadKey>(KID)?, self.purse()?);
        let input = unload.mac2(consent.at);
        let (verified, key) =
            self.spend(key, WalletError::Code, |_| session.verify(&input, consent.mac2))?;
        let balance = debited(before.balance, unload.amount)?;
        let mac3: Mac3 = session.code(&unload.mac3(balance, before.online, consent.at));
        let online = next(before.online)?;
        let kind = Unload::TRANSACTION_TYPE;
        let proof = Some(Proof { kind, sequence: online, mac: mac3.into(), tac: [0; 4] });
        let after = PurseRecord { online, balance, proof, ..before };
        let flag = match self.enable_flag()? {
            EnableFlag::Suspended if balance == Fen(0) => Some(EnableFlag::Closed),
            _ => None,
        };
        let log = log_record(online, unload.amount, kind, unload.terminal, consent.at);
        self.settle(&key, verified, &Settlement { after, log, flag, records: &[] })?;
        Ok(mac3)
    }

    /// GET TRANSACTION PROVE (取交易认证): the codes of the last finished transaction, if it is of
    /// this type and has this sequence number, counted as it became.
    ///
    /// # Errors
    /// Returns [`WalletError::NoProof`] for any other.
    pub fn prove(&self, kind: TransactionType, sequence: u16) -> Result<Proof, CardError> {
        let proof = self.purse()?.proof.ok_or(WalletError::NoProof)?;
        let asked = (proof.kind, proof.sequence) == (kind, sequence);
        if asked { Ok(proof) } else { Err(WalletError::NoProof.into()) }
    }

    /// The key of an INITIALIZE command and the purse, if a transaction may begin.
    fn ready<P: WalletPurpose>(
        &mut self,
        request: &Initialise,
        security: SecurityState,
        allowed: &[EnableFlag],
    ) -> Result<(StoredKey<P>, PurseRecord), CardError> {
        let key = self.wallet_key::<P>(request.kid)?;
        if !key.access.allows(security) {
            return Err(WalletError::Access.into());
        }
        check_left(key.tries)?;
        let flag = self.enable_flag()?;
        if !allowed.contains(&flag) {
            return Err(WalletError::NotEnabled(flag).into());
        }
        Ok((key, self.purse()?))
    }

    fn tac_key(&self) -> Result<DesKey<TacKey>, CardError> {
        Ok(self.wallet_key::<TacKey>(KID)?.key.folded())
    }

    /// Makes a transaction permanent; `_verified` is what allows it.
    fn settle<P: WalletPurpose, M: Code>(
        &mut self,
        key: &StoredKey<P>,
        _verified: Verified<M>,
        settlement: &Settlement<'_>,
    ) -> Result<(), CardError> {
        let Settlement { after, log, flag, records } = settlement;
        let file = |sfi| self.wallet_file(sfi).ok_or(WalletError::Absent);
        let (purse, control) = (file(wallet_sfi::PURSE)?, file(wallet_sfi::CONTROL)?);
        let log_file = file(wallet_sfi::LOG)?;
        let base = self.store_offset()?;
        let mut txn = self.begin();
        txn.write(purse.offset, &after.emit());
        append(&mut txn, log_file, &log.emit());
        if let Some(flag) = flag {
            txn.write(control.offset, &[flag.code()]);
        }
        for record in *records {
            txn.write(record.offset, &record.bytes);
        }
        store::write_tries(&mut txn, base, key, key.tries.restored());
        Ok(txn.commit()?)
    }
}

fn online_answer<P: WalletPurpose>(
    key: &StoredKey<P>,
    purse: &PurseRecord,
    random: [u8; 4],
    mac1: Mac1,
) -> OnlineAnswer {
    OnlineAnswer {
        balance: purse.balance,
        sequence: purse.online,
        version: key.version,
        algorithm: key.algorithm,
        random,
        mac1,
    }
}

const fn log_record(
    sequence: u16,
    amount: Fen,
    kind: TransactionType,
    terminal: TerminalId,
    at: Moment,
) -> LogRecord {
    LogRecord { sequence, amount, kind, terminal, at }
}

/// The counter after a transaction. At its maximum there is none any more.
fn next(counter: u16) -> Result<u16, WalletError> {
    counter.checked_add(1).ok_or(WalletError::Counter)
}

/// The balance after a load.
fn credited(balance: Fen, amount: Fen) -> Result<Fen, WalletError> {
    let sum = balance.checked_add(amount).filter(|sum| *sum <= MAX_BALANCE);
    sum.ok_or(WalletError::Ceiling)
}

/// The balance after a payment.
fn debited(balance: Fen, amount: Fen) -> Result<Fen, WalletError> {
    balance.checked_sub(amount).ok_or(WalletError::Funds)
}
