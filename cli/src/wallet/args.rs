//! The command line of `wallet`.

use core::str::FromStr;

use clap::{ArgGroup, Args, Subcommand};
use xuejika_card_model::date::{Date, Time};
use xuejika_keyscheme::legacy::{Fen, TerminalId, TransactionType, WalletRoots};
use xuejika_reader::wallet::{InDoubt, Pin};

use zeroize::Zeroizing;

use crate::args::{TargetArgs, terminal_number};
use crate::exit::{Failure, Outcome};
use crate::hex;
#[cfg(unix)]
use crate::key_verbs::SecretArg;
#[cfg(unix)]
use crate::key_verbs::source::DefaultSourceArgs;
use crate::target::Target;

/// PIN of test cards.
const TEST_PIN: &str = "123456";

const ENDING: &str = "\
Amounts (YUAN) are yuan with two decimals, such as 10.00.

The first load opens the wallet of a new card. Loads and unloads ask for the PIN; without --pin it is
the published one of test cards, 123456. Host and operator are test ones; they have the published
test keys, or the [[wallet-root]] tables of a key file (--keys FILE).

An answer that is lost is asked for again at once (GET TRANSACTION PROVE). When the card is gone by
then, the program prints the transaction and ends with 3; give it to `wallet prove --doubt` when the
same card is back.

Examples:
  xuejika wallet load --target emu:card.img --amount 10.00
  xuejika wallet purchase --target emu:card.img --amount 2.50
  xuejika wallet log --target emu:card.img";

/// `wallet`.
#[derive(Debug, Subcommand)]
#[command(after_help = ENDING)]
pub(crate) enum WalletCommand {
    /// Show the balance and whether the wallet is in use.
    Balance(WalletArgs),
    /// Show the transaction log, newest first.
    Log(WalletArgs),
    /// Open the wallet for the guardian (开通), or open it again after a refund.
    Open(WalletArgs),
    /// Load (圈存).
    #[command(after_help = ENDING)]
    Load(TransferArgs),
    /// Pay (消费).
    #[command(after_help = ENDING)]
    Purchase(PurchaseArgs),
    /// Pay and write a record with it, in one piece (复合消费).
    #[command(after_help = ENDING)]
    Capp(CappArgs),
    /// Unload (圈提).
    #[command(after_help = ENDING)]
    Unload(TransferArgs),
    /// Ask the card for the proof of a transaction, or end a doubt.
    Prove(ProveArgs),
    /// Stop the wallet (停用): no load and no purchase.
    Stop(WalletArgs),
    /// Take a stopped wallet into use again.
    Resume(WalletArgs),
    /// Stop the wallet, pay out all it holds and close it (退余额).
    #[command(after_help = ENDING)]
    Refund(RefundArgs),
}

impl WalletCommand {
    /// Name of the operation.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Balance(_) => "balance",
            Self::Log(_) => "log",
            Self::Open(_) => "open",
            Self::Load(_) => "load",
            Self::Purchase(_) => "purchase",
            Self::Capp(_) => "capp",
            Self::Unload(_) => "unload",
            Self::Prove(_) => "prove",
            Self::Stop(_) => "stop",
            Self::Resume(_) => "resume",
            Self::Refund(_) => "refund",
        }
    }

    /// What all of them take.
    pub(super) const fn wallet(&self) -> &WalletArgs {
        match self {
            Self::Balance(args)
            | Self::Log(args)
            | Self::Open(args)
            | Self::Stop(args)
            | Self::Resume(args) => args,
            Self::Load(args) | Self::Unload(args) => &args.wallet,
            Self::Purchase(args) => &args.wallet,
            Self::Capp(args) => &args.purchase.wallet,
            Self::Prove(args) => &args.wallet,
            Self::Refund(args) => &args.wallet,
        }
    }

    /// The PIN, read from where it is; that of test cards for operations that take none.
    pub(super) fn pin(&self) -> Outcome<Pin> {
        let given = match self {
            Self::Load(args) | Self::Unload(args) => Some(&args.pin),
            Self::Refund(args) => Some(&args.pin),
            _ => None,
        };
        let secret = match given {
            Some(args) => args.read()?,
            None => None,
        };
        secret.as_ref().map_or(TEST_PIN, |text| text.trim_end()).parse().map_err(Failure::usage)
    }
}

/// What all of them take.
#[derive(Debug, Args)]
pub(crate) struct WalletArgs {
    #[command(flatten)]
    pub(crate) card: TargetArgs,
    /// Date of the terminal, as 2026-09-01. By default the date in Beijing.
    #[arg(long)]
    pub(crate) date: Option<Date>,
    /// Time of day of the terminal, as 08:30:00. By default the time in Beijing.
    #[arg(long)]
    pub(crate) time: Option<Time>,
    /// Number of the terminal: 12 hexadecimal digits.
    #[arg(long, value_name = "ID", default_value = "000000000001", value_parser = terminal_number)]
    pub(crate) terminal: TerminalId,
    #[cfg(unix)]
    #[command(flatten)]
    keys: DefaultSourceArgs,
}

impl WalletArgs {
    /// The roots of host, operator and terminal.
    #[cfg(unix)]
    pub(super) fn roots(&self) -> Outcome<WalletRoots> {
        Ok(self.keys.open()?.wallet())
    }

    /// The roots of host, operator and terminal.
    #[cfg(not(unix))]
    pub(super) fn roots(&self) -> Outcome<WalletRoots> {
        Ok(WalletRoots::test())
    }
}

/// The PIN.
#[derive(Debug, Args)]
pub(crate) struct PinArgs {
    /// The PIN: a file of mode 0600, fd:N, - or prompt. By default that of test cards.
    #[cfg(unix)]
    #[arg(long, value_name = "SECRET")]
    pub(crate) pin: Option<SecretArg>,
}

impl PinArgs {
    #[cfg(unix)]
    fn read(&self) -> Outcome<Option<Zeroizing<String>>> {
        self.pin.as_ref().map(|secret| secret.text("PIN")).transpose()
    }

    #[cfg(not(unix))]
    const fn read(&self) -> Outcome<Option<Zeroizing<String>>> {
        Ok(None)
    }
}

/// `wallet load` and `wallet unload`.
#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    #[command(flatten)]
    pub(crate) wallet: WalletArgs,
    /// The amount.
    #[arg(long, value_name = "YUAN")]
    pub(crate) amount: Amount,
    #[command(flatten)]
    pub(crate) pin: PinArgs,
}

/// `wallet purchase`.
#[derive(Debug, Args)]
pub(crate) struct PurchaseArgs {
    #[command(flatten)]
    pub(crate) wallet: WalletArgs,
    /// The amount.
    #[arg(long, value_name = "YUAN")]
    pub(crate) amount: Amount,
    /// The PSAM: `test`, or a PSAM card like --target, which has a terminal number of its own.
    ///
    /// The test PSAM has no memory. It numbers its purchases by the clock and by the card's own
    /// count, so that a number never comes twice with the same card; a PSAM card counts for itself.
    #[arg(long, value_name = "T2", default_value = "test", value_parser = psam)]
    pub(crate) psam: PsamArg,
}

/// `wallet capp`.
#[derive(Debug, Args)]
pub(crate) struct CappArgs {
    #[command(flatten)]
    pub(crate) purchase: PurchaseArgs,
    /// Identifier of the record in file 0019, 1 to 4 on a test card.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) record: u8,
    /// Contents of the record, in hexadecimal; identifier and length are put in front.
    #[arg(long, value_name = "HEX", value_parser = bytes)]
    pub(crate) data: Bytes,
}

/// `wallet prove`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["sequence", "doubt"]))]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    pub(crate) wallet: WalletArgs,
    /// Transaction type, such as 02 load, 03 unload, 06 purchase, 09 compound purchase.
    #[arg(long = "type", value_name = "TT", default_value = "06", value_parser = kind)]
    kind: TransactionType,
    /// Sequence number of the transaction, as the log shows it.
    #[arg(long, value_name = "N")]
    sequence: Option<u16>,
    /// The transaction to be settled, as an interrupted command printed it.
    #[arg(long, value_name = "HEX", value_parser = doubt, conflicts_with = "kind")]
    doubt: Option<InDoubt>,
}

/// What the card is asked to prove.
#[derive(Clone, Copy, Debug)]
pub(super) enum ProveWhat<'a> {
    /// A transaction in doubt.
    Doubt(&'a InDoubt),
    /// A transaction by type and number.
    Number(TransactionType, u16),
}

impl ProveArgs {
    pub(super) fn what(&self) -> ProveWhat<'_> {
        match &self.doubt {
            Some(doubt) => ProveWhat::Doubt(doubt),
            None => ProveWhat::Number(self.kind, self.sequence.unwrap_or(0)),
        }
    }
}

/// `wallet refund`.
#[derive(Debug, Args)]
pub(crate) struct RefundArgs {
    #[command(flatten)]
    pub(crate) wallet: WalletArgs,
    #[command(flatten)]
    pub(crate) pin: PinArgs,
}

/// An amount of money, at least a fen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amount(pub(crate) Fen);

impl FromStr for Amount {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "expected yuan with two decimals, such as 10.00";
        let (yuan, fen) = text.split_once('.').ok_or(FORM)?;
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if yuan.is_empty() || fen.len() != 2 || !digits(yuan) || !digits(fen) {
            return Err(FORM);
        }
        let number = |part: &str| part.parse::<u32>().map_err(|_| "the amount is too large");
        let fen =
            number(yuan)?.checked_mul(100).and_then(|yuan| yuan.checked_add(number(fen).ok()?));
        match fen.ok_or("the amount is too large")? {
            0 => Err("the amount is zero"),
            fen => Ok(Self(Fen(fen))),
        }
    }
}

/// Bytes as one argument.
#[derive(Clone, Debug)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

/// A PSAM.
#[derive(Clone, Debug)]
pub(crate) enum PsamArg {
    /// One in software, with the keys of the command.
    Test,
    /// A card.
    Card(Target),
}

fn psam(text: &str) -> Result<PsamArg, String> {
    match text {
        "test" => Ok(PsamArg::Test),
        target => target.parse().map(PsamArg::Card),
    }
}

fn bytes(text: &str) -> Result<Bytes, String> {
    hex::parse(text).map(Bytes).map_err(|error| error.to_string())
}

fn kind(text: &str) -> Result<TransactionType, String> {
    let bytes = hex::parse(text).unwrap_or_default();
    let code = <[u8; 1]>::try_from(bytes).ok().filter(|_| text.len() == 2);
    code.and_then(|[code]| TransactionType::from_code(code))
        .ok_or_else(|| "expected a transaction type, 01 to 09".to_owned())
}

fn doubt(text: &str) -> Result<InDoubt, String> {
    let bytes = hex::parse(text).map_err(|error| error.to_string())?;
    InDoubt::parse(&bytes).ok_or_else(|| "expected what an interrupted command printed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        let fen = |text: &str| text.parse::<Amount>().map(|amount| amount.0.0);
        assert_eq!(fen("10.00"), Ok(1000));
        assert_eq!(fen("0.01"), Ok(1));
        assert_eq!(fen("007.10"), Ok(710));
        assert_eq!(fen("42949672.95"), Ok(u32::MAX));
        for text in
            ["", "10", "10.0", "10.000", ".50", "1.-1", "+1.00", "-1.00", "1,00", "1.0 ", "1e1.00"]
        {
            assert!(fen(text).unwrap_err().contains("two decimals"), "{text:?}");
        }
        for text in ["42949672.96", "99999999999999999999.00"] {
            assert!(fen(text).unwrap_err().contains("too large"), "{text:?}");
        }
        assert_eq!(fen("0.00"), Err("the amount is zero"));
    }
}
