//! What the wallet commands print. Amounts are yuan with two decimals.

use core::fmt;

use serde::Serialize;
use xuejika_card_model::wallet::{EnableFlag, LogRecord};
use xuejika_keyscheme::legacy::{Fen, Moment, TransactionType};
use xuejika_reader::wallet::{
    Booked, CardNumber, Debited, Direction, Evidence, Fate, InDoubt, Receipt, Stopped, Transaction,
    WalletError,
};

use crate::hex;
use crate::shown::{Lines, Show};

/// Balance and enable flag.
#[derive(Debug, Serialize)]
pub(super) struct BalanceReport {
    operation: &'static str,
    card: String,
    balance: String,
    wallet: &'static str,
    #[serde(skip)]
    chinese: &'static str,
}

impl BalanceReport {
    pub(super) fn new(
        operation: &'static str,
        card: CardNumber,
        balance: Fen,
        flag: EnableFlag,
    ) -> Self {
        let (card, balance) = (card.to_string(), balance.to_string());
        Self { operation, card, balance, wallet: flag.english(), chinese: flag.chinese() }
    }
}

impl fmt::Display for BalanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { card, balance, wallet, chinese, .. } = self;
        write!(f, "wallet {card}: balance 余额 {balance} yuan, {wallet} {chinese}")
    }
}

/// The transaction log.
#[derive(Debug, Serialize)]
pub(super) struct LogReport {
    operation: &'static str,
    card: String,
    balance: String,
    records: Vec<LogLine>,
}

/// A record of the log.
#[derive(Debug, Serialize)]
struct LogLine {
    #[serde(rename = "type")]
    code: String,
    name: &'static str,
    amount: String,
    sequence: u16,
    terminal: String,
    date: String,
    time: String,
    #[serde(skip)]
    chinese: &'static str,
}

impl LogReport {
    pub(super) fn new(card: CardNumber, balance: Fen, log: &[LogRecord]) -> Self {
        Self {
            operation: "log",
            card: card.to_string(),
            balance: balance.to_string(),
            records: log.iter().map(LogLine::new).collect(),
        }
    }
}

impl LogLine {
    fn new(record: &LogRecord) -> Self {
        let (name, chinese) = names(record.kind);
        let (date, time) = clock(record.at);
        Self {
            code: hex::emit(&[record.kind.code()]),
            name,
            amount: record.amount.to_string(),
            sequence: record.sequence,
            terminal: hex::emit(&record.terminal.0),
            date,
            time,
            chinese,
        }
    }
}

impl Show for LogReport {
    fn show(&self, to: &mut Lines) {
        let Self { card, balance, records, .. } = self;
        to.line(format_args!("wallet {card}: balance 余额 {balance} yuan"));
        if records.is_empty() {
            to.line("  no transaction yet");
        }
        for line in records {
            let LogLine { name, chinese, amount, sequence, terminal, date, time, code } = line;
            to.line(format_args!(
                "  {date} {time}  {amount:>10}  type {code} {name} {chinese}, \
                 number {sequence}, terminal {terminal}"
            ));
        }
    }
}

/// A transaction that was done.
#[derive(Debug, Serialize)]
pub(super) struct TransactionReport {
    operation: &'static str,
    card: String,
    amount: String,
    balance: Option<String>,
    /// As the log and GET TRANSACTION PROVE number it.
    sequence: Option<u16>,
    terminal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminal_sequence: Option<u32>,
    date: String,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac3: Option<String>,
    /// Whether the PSAM has checked the card's MAC2.
    #[serde(skip_serializing_if = "Option::is_none")]
    mac2_checked: Option<bool>,
    /// Whether the answer was lost and the card proved it.
    recovered: bool,
    #[serde(skip)]
    verb: &'static str,
}

impl TransactionReport {
    fn new(operation: &'static str, verb: &'static str, transaction: &Transaction) -> Self {
        let (date, time) = clock(transaction.at);
        Self {
            operation,
            card: transaction.card.to_string(),
            amount: transaction.amount.to_string(),
            balance: transaction.new_balance().map(|balance| balance.to_string()),
            sequence: transaction.proof_sequence(),
            terminal: hex::emit(&transaction.terminal.0),
            terminal_sequence: None,
            date,
            time,
            tac: None,
            mac3: None,
            mac2_checked: None,
            recovered: false,
            verb,
        }
    }

    pub(super) fn transferred(direction: Direction, done: &Booked) -> Self {
        let (operation, verb) = match direction {
            Direction::Load => ("load", "loaded 圈存"),
            Direction::Unload => ("unload", "unloaded 圈提"),
        };
        let code = hex::emit(&done.receipt.code());
        let (tac, mac3) = match done.receipt {
            Receipt::Tac(_) => (Some(code), None),
            Receipt::Mac3(_) => (None, Some(code)),
        };
        let report = Self::new(operation, verb, &done.transaction);
        Self { tac, mac3, recovered: done.recovered, ..report }
    }

    pub(super) fn paid(done: &Debited) -> Self {
        let (operation, verb) = match done.transaction.kind {
            TransactionType::CompoundPurchase => ("capp", "paid 复合消费"),
            _ => ("purchase", "paid 消费"),
        };
        Self {
            terminal_sequence: Some(done.transaction.terminal_sequence),
            tac: Some(hex::emit(&<[u8; 4]>::from(done.tac))),
            mac2_checked: Some(done.evidence == Evidence::Mac2),
            recovered: done.recovered,
            ..Self::new(operation, verb, &done.transaction)
        }
    }
}

impl fmt::Display for TransactionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { card, verb, amount, .. } = self;
        write!(f, "wallet {card}: {verb} {amount} yuan")?;
        if let Some(balance) = &self.balance {
            write!(f, ", balance 余额 {balance}")?;
        }
        if let Some(sequence) = self.sequence {
            write!(f, ", number {sequence}")?;
        }
        if let Some(tac) = &self.tac {
            write!(f, ", TAC {tac}")?;
        }
        if let Some(mac3) = &self.mac3 {
            write!(f, ", MAC3 {mac3}")?;
        }
        if self.mac2_checked == Some(false) {
            f.write_str(" (MAC2 not checked: the operator decides by the TAC)")?;
        }
        if self.recovered {
            f.write_str(" (its answer was lost; the card proved it)")?;
        }
        Ok(())
    }
}

/// What was paid out, and what the wallet is now.
#[derive(Debug, Serialize)]
pub(super) struct RefundReport {
    operation: &'static str,
    card: String,
    /// 0.00 when there was nothing.
    refunded: String,
    wallet: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac3: Option<String>,
    #[serde(skip)]
    chinese: &'static str,
}

impl RefundReport {
    pub(super) fn new(card: CardNumber, done: Option<&Booked>, flag: EnableFlag) -> Self {
        Self {
            operation: "refund",
            card: card.to_string(),
            refunded: done.map_or(Fen(0), |done| done.transaction.amount).to_string(),
            wallet: flag.english(),
            mac3: done.map(|done| hex::emit(&done.receipt.code())),
            chinese: flag.chinese(),
        }
    }
}

impl fmt::Display for RefundReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { card, refunded, wallet, chinese, .. } = self;
        write!(f, "wallet {card}: refunded 退余额 {refunded} yuan, {wallet} {chinese}")
    }
}

/// What the card says of a transaction.
#[derive(Debug, Serialize)]
pub(super) struct FateReport {
    operation: &'static str,
    card: String,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tac: Option<String>,
    #[serde(skip)]
    text: String,
}

impl FateReport {
    pub(super) fn new(card: CardNumber, transaction: Option<&Transaction>, fate: &Fate) -> Self {
        let amount = transaction.map(|transaction| transaction.amount.to_string());
        let (mac, tac, text) = match fate {
            Fate::Done(proof) => {
                let (mac, tac) = (hex::emit(&proof.mac), hex::emit(&<[u8; 4]>::from(proof.tac)));
                let text = format!("done 已完成, MAC {mac}, TAC {tac}");
                (Some(mac), Some(tac), text)
            }
            Fate::NotDone if transaction.is_some() => (None, None, "not done 未完成".to_owned()),
            Fate::NotDone => (None, None, "no proof of such a transaction 无此交易证明".to_owned()),
            Fate::Logged(_) => {
                let text = "done by its log 已完成; a later transaction has replaced the proof";
                (None, None, text.to_owned())
            }
        };
        let done = *fate != Fate::NotDone;
        Self { operation: "prove", card: card.to_string(), done, amount, mac, tac, text }
    }
}

impl fmt::Display for FateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wallet {}: {}", self.card, self.text)?;
        match &self.amount {
            Some(amount) => write!(f, ", {amount} yuan"),
            None => Ok(()),
        }
    }
}

/// An operation that was refused.
#[derive(Debug, Serialize)]
pub(super) struct RefusalReport {
    operation: &'static str,
    refused: String,
    /// The card's status word, where it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// The state of the wallet, where that may be the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    wallet: Option<&'static str>,
}

impl RefusalReport {
    pub(super) fn new(operation: &'static str, why: &Stopped, flag: Option<EnableFlag>) -> Self {
        let status = match why {
            Stopped::NotDone(WalletError::Refused { status, .. }) => Some(status.to_string()),
            _ => None,
        };
        let wallet = flag.map(EnableFlag::english);
        Self { operation, refused: why.to_string(), status, wallet }
    }
}

impl fmt::Display for RefusalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused: {}", self.operation, self.refused)?;
        match self.wallet {
            Some(wallet) => write!(f, "; the wallet is {wallet}"),
            None => Ok(()),
        }
    }
}

/// A transaction whose answer was lost.
#[derive(Debug, Serialize)]
pub(super) struct DoubtReport {
    operation: &'static str,
    card: String,
    amount: String,
    /// For `wallet prove --doubt`.
    in_doubt: String,
    cause: String,
}

impl DoubtReport {
    pub(super) fn new(operation: &'static str, doubt: &InDoubt, cause: &WalletError) -> Self {
        let transaction = doubt.transaction();
        Self {
            operation,
            card: transaction.card.to_string(),
            amount: transaction.amount.to_string(),
            in_doubt: hex::emit(&doubt.emit()),
            cause: cause.to_string(),
        }
    }
}

impl Show for DoubtReport {
    fn show(&self, to: &mut Lines) {
        let Self { operation, card, amount, in_doubt, cause } = self;
        to.line(format_args!("wallet {card}: {operation} of {amount} yuan is IN DOUBT: {cause}"));
        to.line(format_args!(
            "  when the card is back: xuejika wallet prove --target T --doubt {in_doubt}"
        ));
    }
}

/// Names of a transaction type.
const fn names(kind: TransactionType) -> (&'static str, &'static str) {
    match kind {
        TransactionType::PassbookLoad => ("passbook load", "存折圈存"),
        TransactionType::WalletLoad => ("load", "圈存"),
        TransactionType::Unload => ("unload", "圈提"),
        TransactionType::Cash => ("cash withdrawal", "取现"),
        TransactionType::PassbookPurchase => ("passbook purchase", "存折消费"),
        TransactionType::WalletPurchase => ("purchase", "消费"),
        TransactionType::LimitUpdate => ("limit update", "修改透支限额"),
        TransactionType::Credit => ("credit purchase", "信用消费"),
        TransactionType::CompoundPurchase => ("compound purchase", "复合消费"),
    }
}

/// Date and time as the terminal sent them; cards do not check them.
fn clock(at: Moment) -> (String, String) {
    let Moment { date: [y1, y2, month, day], time: [hour, minute, second] } = at;
    (
        format!("{y1:02X}{y2:02X}-{month:02X}-{day:02X}"),
        format!("{hour:02X}:{minute:02X}:{second:02X}"),
    )
}
