//! What a scenario file says: who takes part, and what happens step by step.
//!
//! A file is TOML. A field that nobody knows is an error; so is a step that does not exist.

use core::fmt::Display;
use core::num::NonZeroU16;
use core::str::FromStr;
use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use xuejika_batch::manifest::Breach;
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::desk::{FaultCause, ReplacementCause};
use xuejika_card_model::ident::{CardSerial, UnitCode};
use xuejika_card_model::list::{Form, Kind};
use xuejika_card_model::record::{Profile, Term};

use crate::wallet::Amount;

/// A scenario file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    /// What is shown.
    pub(super) title: String,
    /// Articles of the rules it comes from, such as `暂行办法 六(五)`.
    pub(super) articles: Vec<String>,
    /// The first day.
    #[serde(deserialize_with = "text")]
    pub(super) date: Date,
    #[serde(default)]
    pub(super) cards: BTreeMap<String, CardSpec>,
    #[serde(default)]
    pub(super) readers: BTreeMap<String, ReaderSpec>,
    #[serde(default)]
    pub(super) lists: BTreeMap<String, ListSpec>,
    /// Pupils as `reader personalise` takes them; `like` names one to take missing values from.
    #[serde(default)]
    pub(super) pupils: BTreeMap<String, Spanned<toml::Table>>,
    pub(super) steps: Vec<Spanned<Step>>,
}

/// A card of the stock, initialised under the test keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CardSpec {
    #[serde(deserialize_with = "text")]
    pub(super) serial: CardSerial,
    #[serde(default = "aes", deserialize_with = "text")]
    pub(super) profile: Profile,
    /// First and last day of the education application.
    #[serde(default, deserialize_with = "some_text")]
    pub(super) valid_from: Option<Date>,
    #[serde(default, deserialize_with = "some_text")]
    pub(super) valid_until: Option<Date>,
    /// Whether it comes from another key system.
    #[serde(default)]
    pub(super) foreign: bool,
}

/// A reader with its SAM, locked at the beginning.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReaderSpec {
    #[serde(deserialize_with = "text")]
    pub(super) unit: UnitCode,
    #[serde(default = "aes", deserialize_with = "text")]
    pub(super) profile: Profile,
    /// Last day of the management card that opens its SAM.
    #[serde(default, deserialize_with = "some_text")]
    pub(super) until: Option<Date>,
}

/// A loss and freeze list, empty at the beginning.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListSpec {
    #[serde(deserialize_with = "text")]
    pub(super) scope: UnitCode,
}

/// A step.
#[derive(Debug, Deserialize)]
pub(super) struct Step {
    /// From now on it is this day.
    #[serde(default, deserialize_with = "some_text")]
    pub(super) date: Option<Date>,
    /// From now on it is this time of day.
    #[serde(default, deserialize_with = "some_text")]
    pub(super) time: Option<Time>,
    /// Where power goes.
    pub(super) cut: Option<CutPlan>,
    #[serde(default)]
    pub(super) expect: Expectation,
    #[serde(flatten)]
    pub(super) act: Act,
}

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

/// How a step has to end: `"ok"` or the name of a refusal; or a table of facts, `outcome` among
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    pub(super) outcome: String,
    pub(super) facts: Vec<(String, String)>,
}

impl Default for Expectation {
    fn default() -> Self {
        Self { outcome: "ok".to_owned(), facts: Vec::new() }
    }
}

impl<'de> Deserialize<'de> for Expectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(outcome) => return Ok(Self { outcome, facts: Vec::new() }),
            toml::Value::Table(table) => table,
            _ => return Err(D::Error::custom("expect: expected a text or a table")),
        };
        let mut expectation = Self::default();
        for (name, value) in table {
            let value = plain(&value)
                .ok_or_else(|| D::Error::custom(format!("expect.{name}: is no plain value")))?;
            if name == "outcome" {
                expectation.outcome = value;
            } else {
                expectation.facts.push((name, value));
            }
        }
        Ok(expectation)
    }
}

/// A value as the text that is compared: an array is joined by commas.
pub(super) fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Datetime(date) => Some(date.to_string()),
        toml::Value::Array(values) => {
            let values: Option<Vec<_>> = values.iter().map(plain).collect();
            Some(values?.join(", "))
        }
        toml::Value::Float(_) | toml::Value::Table(_) => None,
    }
}

/// Something done to a card with a reader.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AtReader {
    pub(super) card: String,
    pub(super) reader: String,
}

/// An event that carries a reason at most.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plain {
    pub(super) card: String,
    pub(super) reader: String,
    #[serde(default, deserialize_with = "some_text")]
    pub(super) reason: Option<Reason>,
}

/// A pupil's data for a card.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithPupil {
    pub(super) card: String,
    pub(super) reader: String,
    pub(super) pupil: String,
    /// Whether the card is handed out.
    #[serde(default = "yes")]
    pub(super) issued: bool,
}

/// Something done to an extension sector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InSector {
    pub(super) card: String,
    pub(super) reader: String,
    pub(super) sector: u8,
}

/// Something done to a wallet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnWallet {
    pub(super) card: String,
}

/// An amount into or out of a wallet, such as `"10.00"` yuan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Money {
    pub(super) card: String,
    #[serde(deserialize_with = "text")]
    pub(super) amount: Amount,
}

/// A card on a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    pub(super) list: String,
    #[serde(deserialize_with = "text")]
    pub(super) kind: Kind,
    pub(super) card: String,
    /// By default the last day the rules allow.
    #[serde(default, deserialize_with = "some_text")]
    pub(super) effective: Option<Date>,
    #[serde(default, deserialize_with = "some_text")]
    pub(super) reason: Option<Reason>,
}

/// A list on its way to a reader.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivery {
    pub(super) list: String,
    pub(super) reader: String,
    #[serde(default = "full", deserialize_with = "text")]
    pub(super) form: Form,
    /// Version a delta starts from; by default the one before.
    pub(super) base: Option<u32>,
    /// Unit whose key authenticates it, by default the right one.
    #[serde(default, deserialize_with = "some_text")]
    pub(super) signed_by: Option<UnitCode>,
    /// Whether a byte changes on the way.
    #[serde(default)]
    pub(super) damaged: bool,
}

/// What is wrong with one row of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BatchFault {
    /// It is the row of the card after it.
    SerialTwice,
    /// It is not there.
    MissingRow,
    /// Another key-set version.
    KeyVersion,
    /// A key check value that is not that of the key.
    WrongKey,
    /// An issuance image with a wrong CRC.
    ImageCrc,
    /// No issuance image.
    NoImage,
}

/// What happens in a step.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Act {
    /// Present a management card, by default that of the reader's unit.
    Unlock {
        reader: String,
        #[serde(default, deserialize_with = "some_text")]
        unit: Option<UnitCode>,
        #[serde(default, deserialize_with = "some_text")]
        until: Option<Date>,
    },
    /// Switch the reader off and on.
    Restart {
        reader: String,
    },
    /// Authenticate to the card as a reader of another key system does.
    ForeignReader {
        card: String,
    },
    /// Make a card of the same data and other keys.
    Forge {
        card: String,
        of: String,
    },
    /// Take the card out of the field and put it back.
    PowerCycle {
        card: String,
    },
    /// Damage a copy of the status record, A or B.
    Damage {
        card: String,
        copy: char,
    },
    /// Send a command as it is; another status word than 9000 is the outcome.
    Apdu {
        card: String,
        send: String,
    },
    /// Check a pupil's data as the desk does.
    CheckPupil {
        pupil: String,
    },
    Personalise(WithPupil),
    TemporaryIssue(WithPupil),
    Correct(WithPupil),
    Register {
        card: String,
        reader: String,
        school_year: Option<u16>,
        #[serde(default, deserialize_with = "some_text")]
        term: Option<Term>,
    },
    Initialise(Plain),
    Freeze(Plain),
    Unfreeze(Plain),
    Cancel(Plain),
    Replace(Plain),
    Fault(Plain),
    Withdraw(Plain),
    Recall(Plain),
    Restock(Plain),
    TemporaryReturn(Plain),
    TransferOut {
        card: String,
        reader: String,
        #[serde(default, deserialize_with = "some_text")]
        to: Option<UnitCode>,
        #[serde(default)]
        promotion: bool,
    },
    TransferIn {
        card: String,
        reader: String,
        number: String,
    },
    OpenSector {
        card: String,
        reader: String,
        sector: u8,
        application: NonZeroU16,
        #[serde(deserialize_with = "text")]
        owner: UnitCode,
        /// Filing number with the city (备案号).
        filing: Option<String>,
    },
    ReclaimSector(InSector),
    ReadSector(InSector),
    WriteSector {
        card: String,
        reader: String,
        sector: u8,
        data: String,
    },
    /// Read everything on the card.
    Read(AtReader),
    /// Ask whether the card is accepted.
    Verdict {
        card: String,
        reader: String,
        /// For this application in this sector, otherwise for education in general.
        application: Option<NonZeroU16>,
        sector: Option<u8>,
        /// For a purchase.
        #[serde(default)]
        wallet: bool,
    },
    /// Export as a sector card's image, and compare.
    CompareS70(AtReader),
    /// Put a card on a list.
    Report(Report),
    /// Take a card off a list.
    Unlist {
        list: String,
        #[serde(deserialize_with = "text")]
        kind: Kind,
        card: String,
        /// Unit that asks, by default the list's.
        #[serde(default, deserialize_with = "some_text")]
        by: Option<UnitCode>,
    },
    /// Merge lists upwards.
    Merge {
        list: String,
        from: Vec<String>,
    },
    /// Take the list's part out of a wider one.
    Part {
        list: String,
        of: String,
    },
    Deliver(Delivery),
    /// Apply for a replacement (补办申请).
    ApplyReplacement {
        /// The list on which a lost card is.
        list: Option<String>,
        card: String,
        pupil: String,
        #[serde(deserialize_with = "text")]
        cause: ReplacementCause,
        /// Day of the damage.
        #[serde(default, deserialize_with = "some_text")]
        since: Option<Date>,
    },
    /// Write a fault sheet (故障卡说明单) with what district and city found.
    FaultSheet {
        card: String,
        #[serde(deserialize_with = "text")]
        unit: UnitCode,
        #[serde(default, deserialize_with = "some_text")]
        district: Option<FaultCause>,
        #[serde(default, deserialize_with = "some_text")]
        city: Option<FaultCause>,
    },
    /// Sign a line of the recall slip (回收单).
    RecallSlip(AtReader),
    /// Upload the personalisation (个人化信息上传).
    Upload(AtReader),
    /// Look up a time limit.
    Deadline {
        limit: String,
        #[serde(deserialize_with = "text")]
        from: Date,
    },
    Load(Money),
    Purchase(Money),
    /// Balance, flag and log.
    Wallet(OnWallet),
    Suspend(OnWallet),
    Resume(OnWallet),
    Refund(OnWallet),
    /// Check an initialisation batch of so many cards, some of them scrap, one of them faulty.
    CheckBatch {
        cards: u32,
        #[serde(default)]
        scrap: u32,
        #[serde(default)]
        faults: Vec<BatchFault>,
        /// What the contract says of a batch above its limits.
        #[serde(default)]
        breach: Breach,
    },
}

impl Act {
    /// Its name in a file.
    pub(super) fn name(&self) -> String {
        let debug = format!("{self:?}");
        let variant = debug.split(['(', ' ', '{']).next().unwrap_or_default();
        let mut name = String::new();
        for c in variant.chars() {
            if c.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    }

    /// The card it is about, if it is about one.
    pub(super) fn card(&self) -> Option<&str> {
        Some(match self {
            Self::ForeignReader { card }
            | Self::PowerCycle { card }
            | Self::Damage { card, .. }
            | Self::Apdu { card, .. }
            | Self::Personalise(WithPupil { card, .. })
            | Self::TemporaryIssue(WithPupil { card, .. })
            | Self::Correct(WithPupil { card, .. })
            | Self::Register { card, .. }
            | Self::Initialise(Plain { card, .. })
            | Self::Freeze(Plain { card, .. })
            | Self::Unfreeze(Plain { card, .. })
            | Self::Cancel(Plain { card, .. })
            | Self::Replace(Plain { card, .. })
            | Self::Fault(Plain { card, .. })
            | Self::Withdraw(Plain { card, .. })
            | Self::Recall(Plain { card, .. })
            | Self::Restock(Plain { card, .. })
            | Self::TemporaryReturn(Plain { card, .. })
            | Self::TransferOut { card, .. }
            | Self::TransferIn { card, .. }
            | Self::OpenSector { card, .. }
            | Self::ReclaimSector(InSector { card, .. })
            | Self::ReadSector(InSector { card, .. })
            | Self::WriteSector { card, .. }
            | Self::Load(Money { card, .. })
            | Self::Purchase(Money { card, .. })
            | Self::Suspend(OnWallet { card })
            | Self::Resume(OnWallet { card })
            | Self::Refund(OnWallet { card }) => card,
            _ => return None,
        })
    }
}

/// Reads a value from its text.
pub(super) fn text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn some_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    text(deserializer).map(Some)
}

const fn aes() -> Profile {
    Profile::CpuAes
}

const fn full() -> Form {
    Form::Full
}

const fn yes() -> bool {
    true
}
