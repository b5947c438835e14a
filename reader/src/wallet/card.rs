//! A card's wallet in the field: selecting it, and what needs no key.

use alloc::vec::Vec;
use core::fmt;

use xuejika_apdu::status::Outcome;
use xuejika_apdu::{CardChannel, ChannelError, Class, Command, StatusWord};
use xuejika_card_model::file::tree::{WALLET_ALIAS, WALLET_FID, WALLET_NAME, sfi, wallet_sfi};
use xuejika_card_model::wallet::message::Initialise;
use xuejika_card_model::wallet::{EnableFlag, LogRecord, store};
use xuejika_keyscheme::legacy::{Fen, Mac2, Mac3, Purse, Tac, TerminalId, TransactionType};

use super::error::{Meaning, Stopped, WalletError};
use super::pin::Pin;
use super::transaction::{InDoubt, Transaction};
use crate::link;

/// Names under which clients look for the wallet's DF when they do not find it by identifier.
const NAMES: [&[u8]; 2] = [&WALLET_NAME, &WALLET_ALIAS];

/// P2 of purse commands: the wallet (EP).
const WALLET: u8 = Purse::Wallet.code();

/// Identifier of the MF.
const MF: [u8; 2] = [0x3F, 0x00];

/// Bytes of the public information under the MF; the card number is in front.
const PUBLIC_INFO_LEN: u32 = 0x20;

/// Bit of the balance that some cards set and every client ignores.
const BALANCE_FLAG: u32 = 1 << 31;

/// Number of the card (卡号), printed on it: 8 bytes BCD, factor of all its keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CardNumber(pub [u8; 8]);

impl fmt::Display for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardNumber({self})")
    }
}

/// A card with its wallet selected.
#[derive(Debug)]
pub struct WalletCard<C> {
    channel: C,
    number: CardNumber,
}

impl<C: CardChannel> WalletCard<C> {
    /// Reads the card number and selects the wallet, by identifier or by name.
    ///
    /// # Errors
    /// Returns [`WalletError::NoWallet`] for another kind of card.
    pub fn select(mut channel: C) -> Result<Self, WalletError> {
        let number = enter(&mut channel)?;
        Ok(Self { channel, number })
    }

    /// The card's number.
    #[must_use]
    pub const fn number(&self) -> CardNumber {
        self.number
    }

    /// The channel, given back.
    #[must_use]
    pub fn into_channel(self) -> C {
        self.channel
    }

    /// The balance (GET BALANCE).
    ///
    /// # Errors
    /// Returns a [`WalletError`].
    pub fn balance(&mut self) -> Result<Fen, WalletError> {
        let get = Command::new(Class::OWN, 0x5C, 0x00, WALLET).with_ne(4);
        let answer = self.command("GET BALANCE", &get)?;
        let bytes = answer.try_into().map_err(|_| WalletError::Malformed("GET BALANCE"))?;
        Ok(Fen(u32::from_be_bytes(bytes) & !BALANCE_FLAG))
    }

    /// The transaction log, newest first.
    ///
    /// # Errors
    /// Returns a [`WalletError`].
    pub fn log(&mut self) -> Result<Vec<LogRecord>, WalletError> {
        let mut records = Vec::new();
        for number in 1..=u8::MAX {
            let Some(record) = self.log_record(number)? else { break };
            records.push(record);
        }
        Ok(records)
    }

    /// A record of the log, 1 being the newest; `None` behind the oldest.
    fn log_record(&mut self, number: u8) -> Result<Option<LogRecord>, WalletError> {
        let read = Command::new(Class::ISO, 0xB2, number, wallet_sfi::LOG << 3 | 0x04).with_ne(256);
        let mut bytes = Vec::new();
        match self.exchange(&read, &mut bytes)? {
            StatusWord::SUCCESS => {
                let record = LogRecord::parse(&bytes);
                record.map(Some).ok_or(WalletError::Malformed("READ RECORD"))
            }
            StatusWord::RECORD_NOT_FOUND => Ok(None),
            status => Err(WalletError::refused("READ RECORD", status)),
        }
    }

    /// Whether the wallet is in use.
    ///
    /// # Errors
    /// Returns a [`WalletError`].
    pub fn flag(&mut self) -> Result<EnableFlag, WalletError> {
        let read = Command::new(Class::ISO, 0xB0, 0x80 | wallet_sfi::CONTROL, 0x00).with_ne(1);
        let answer = self.command("READ BINARY", &read)?;
        let flag = answer.first().copied().and_then(EnableFlag::from_code);
        flag.ok_or(WalletError::Malformed("READ BINARY"))
    }

    /// Presents the PIN (VERIFY). It serves one load or unload.
    ///
    /// # Errors
    /// Returns [`WalletError::Refused`], with [`Meaning::TriesLeft`] for a wrong PIN.
    pub fn verify(&mut self, pin: &Pin) -> Result<(), WalletError> {
        let verify = Command::new(Class::ISO, 0x20, 0x00, store::KID).with_data(pin.bytes());
        self.command("VERIFY", &verify).map(drop)
    }

    /// The proof of a transaction (GET TRANSACTION PROVE), by its type and the sequence number
    /// after it; `None` when the card has none.
    ///
    /// # Errors
    /// Returns a [`WalletError`].
    pub fn prove(
        &mut self,
        kind: TransactionType,
        sequence: u16,
    ) -> Result<Option<Proof>, WalletError> {
        const NAME: &str = "GET TRANSACTION PROVE";
        let sequence = sequence.to_be_bytes();
        let prove =
            Command::new(Class::OWN, 0x5A, 0x00, kind.code()).with_data(&sequence).with_ne(8);
        match self.command(NAME, &prove) {
            Ok(answer) => Proof::parse(&answer).map(Some).ok_or(WalletError::Malformed(NAME)),
            Err(error) if error.meaning() == Some(Meaning::NoProof) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finds out what became of a transaction whose answer was lost. Resets the card and selects
    /// the wallet first. Changes nothing; asking twice gives the same answer until the card makes
    /// another transaction.
    ///
    /// The card keeps one proof, that of its last transaction, under type and number. Where another
    /// terminal was in between, that number can be of another purchase; so the card's log has its
    /// say too.
    ///
    /// # Errors
    /// Returns [`WalletError::OtherCard`] for another card than the transaction's,
    /// [`WalletError::LogRolledOver`] when the log does not reach back, or what the channel gives;
    /// the doubt remains.
    pub fn ask(&mut self, doubt: &InDoubt) -> Result<Fate, WalletError> {
        let transaction = doubt.transaction();
        self.select_again()?;
        if self.number != transaction.card {
            let (expected, found) = (transaction.card, self.number);
            return Err(WalletError::OtherCard { expected, found });
        }
        // A counter at its end begins no transaction.
        let Some(sequence) = transaction.proof_sequence() else { return Ok(Fate::NotDone) };
        let proof = self.prove(transaction.kind, sequence)?;
        Ok(match (self.logged(transaction, sequence)?, proof) {
            (None, _) => Fate::NotDone,
            (Some(_), Some(proof)) => Fate::Done(proof),
            (Some(record), None) => Fate::Logged(record),
        })
    }

    /// Resets the card in the field, which may be another one by now, and selects its wallet.
    pub(super) fn select_again(&mut self) -> Result<(), WalletError> {
        self.channel.reset()?;
        self.number = enter(&mut self.channel)?;
        Ok(())
    }

    /// The log record of the transaction, if the card has made it. Only records of the
    /// transaction's own counter count.
    fn logged(
        &mut self,
        transaction: &Transaction,
        sequence: u16,
    ) -> Result<Option<LogRecord>, WalletError> {
        let counter = Counter::of(transaction.kind);
        for number in 1..=u8::MAX {
            match self.log_record(number)? {
                Some(record)
                    if Counter::of(record.kind) != counter || record.sequence > sequence => {}
                Some(record) => return Ok(transaction.is_logged_as(&record).then_some(record)),
                // Others may have pushed it out.
                None if number > LOG_RECORDS => return Err(WalletError::LogRolledOver),
                None => return Ok(None),
            }
        }
        Err(WalletError::LogRolledOver)
    }

    /// Sends a command that has to succeed and returns its response data.
    pub(super) fn command(
        &mut self,
        name: &'static str,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, WalletError> {
        Ok(link::command(&mut self.channel, name, command)?)
    }

    /// Sends the INITIALIZE command with this P1.
    pub(super) fn initialise(
        &mut self,
        name: &'static str,
        p1: u8,
        (amount, terminal): (Fen, TerminalId),
        ne: usize,
    ) -> Result<Vec<u8>, WalletError> {
        let data = Initialise { kid: store::KID, amount, terminal }.emit();
        let ne = u32::try_from(ne).unwrap_or(0);
        let initialise = Command::new(Class::OWN, 0x50, p1, WALLET).with_data(&data).with_ne(ne);
        self.command(name, &initialise)
    }

    /// Sends the command by which the card does `doubt`'s transaction. Whatever is no clear refusal
    /// and no answer of the right form leaves the doubt.
    pub(super) fn commit<const N: usize>(
        &mut self,
        name: &'static str,
        command: &Command<'_>,
        doubt: InDoubt,
    ) -> Result<[u8; N], Stopped> {
        let mut data = Vec::new();
        let cause = match self.exchange(command, &mut data) {
            Ok(StatusWord::SUCCESS) => match data.try_into() {
                Ok(answer) => return Ok(answer),
                Err(_) => WalletError::Malformed(name),
            },
            Ok(status) if is_refusal(status) => {
                return Err(WalletError::refused(name, status).into());
            }
            Ok(status) => WalletError::refused(name, status),
            Err(error) => error,
        };
        Err(Stopped::InDoubt { doubt, cause })
    }

    /// Sends a command and leaves its response data in `data`.
    pub(super) fn exchange(
        &mut self,
        command: &Command<'_>,
        data: &mut Vec<u8>,
    ) -> Result<StatusWord, WalletError> {
        let bytes = command.to_vec().map_err(|error| ChannelError::io(&error))?;
        Ok(link::exchange(&mut self.channel, &bytes, data)?)
    }
}

/// What the card says of a transaction whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The card has done it; here is the answer again.
    Done(Proof),
    /// The card has not done it.
    NotDone,
    /// The card has done it by its log, and another transaction after it has replaced the proof.
    Logged(LogRecord),
}

/// The proof of a transaction: MAC ‖ TAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// MAC2 of a purchase, MAC3 of an unload, 00000000 of a load.
    pub mac: [u8; 4],
    /// TAC of a purchase or load.
    pub tac: Tac,
}

impl Proof {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// Reads MAC (4) ‖ TAC (4); `None` for another length.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[m1, m2, m3, m4, t1, t2, t3, t4] = bytes else { return None };
        Some(Self { mac: [m1, m2, m3, m4], tac: Tac::from([t1, t2, t3, t4]) })
    }

    /// Writes the proof.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let ([m1, m2, m3, m4], [t1, t2, t3, t4]) = (self.mac, self.tac.into());
        [m1, m2, m3, m4, t1, t2, t3, t4]
    }

    /// The MAC of a purchase.
    #[must_use]
    pub fn mac2(&self) -> Mac2 {
        self.mac.into()
    }

    /// The MAC of an unload.
    #[must_use]
    pub fn mac3(&self) -> Mac3 {
        self.mac.into()
    }
}

/// Selects the wallet and gives the card's number.
fn enter<C: CardChannel>(channel: &mut C) -> Result<CardNumber, WalletError> {
    link::command(channel, "SELECT", &by_identifier(&MF))?;
    let read = Command::new(Class::ISO, 0xB0, 0x80 | sfi::PUBLIC, 0x00).with_ne(PUBLIC_INFO_LEN);
    let info = match link::command(channel, "READ BINARY", &read).map_err(WalletError::from) {
        Err(WalletError::Refused { status: StatusWord::FILE_NOT_FOUND, .. }) => {
            return Err(WalletError::NoWallet);
        }
        other => other?,
    };
    let number = info.first_chunk().ok_or(WalletError::Malformed("READ BINARY"))?;
    let names = NAMES.iter().map(|name| Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(name));
    for select in [by_identifier(&WALLET_FID.to_be_bytes())].into_iter().chain(names) {
        match link::command(channel, "SELECT", &select.with_ne(256)).map_err(WalletError::from) {
            Err(WalletError::Refused { status: StatusWord::FILE_NOT_FOUND, .. }) => {}
            other => return other.map(|_| CardNumber(*number)),
        }
    }
    Err(WalletError::NoWallet)
}

const fn by_identifier(identifier: &[u8; 2]) -> Command<'_> {
    Command::new(Class::ISO, 0xA4, 0x00, 0x00).with_data(identifier).with_ne(256)
}

/// Whether a status word other than success says that the card has changed nothing. After an error
/// of its memory, or one without diagnosis, only the proof tells; and after "wrong state", which a
/// command meets that the road to the card has delivered twice.
const fn is_refusal(status: StatusWord) -> bool {
    match status.outcome() {
        Outcome::CheckingError => {
            status.0 != StatusWord::UNKNOWN_ERROR.0 && status.0 != StatusWord::PURSE_STATE.0
        }
        Outcome::Proprietary => matches!(status.bytes(), [0x93 | 0x94, _]),
        Outcome::Normal | Outcome::Warning | Outcome::ExecutionError => false,
    }
}

/// Records the smallest log has room for.
const LOG_RECORDS: u8 = 10;

/// The card's two sequence counters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counter {
    Online,
    Offline,
}

impl Counter {
    const fn of(kind: TransactionType) -> Self {
        match kind {
            TransactionType::PassbookLoad
            | TransactionType::WalletLoad
            | TransactionType::Unload
            | TransactionType::LimitUpdate => Self::Online,
            TransactionType::Cash
            | TransactionType::PassbookPurchase
            | TransactionType::WalletPurchase
            | TransactionType::Credit
            | TransactionType::CompoundPurchase => Self::Offline,
        }
    }
}
