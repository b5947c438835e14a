//! What a scenario file says: who takes part, and what happens step by step.
//!
//! A file is TOML. A field that nobody knows is an error; so is a step that does not exist.

mod body;

use core::fmt::Display;
use core::num::NonZeroU16;
use core::str::FromStr;
use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use xuejika_batch::manifest::Breach;
use xuejika_card_model::calendar::Holidays;
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::desk::{FaultOccasion, ReplacementCause, SchoolHolding};
use xuejika_card_model::ident::{CardSerial, UnitCode};
use xuejika_card_model::list::{Form, Kind};
use xuejika_card_model::record::{Profile, Term};

pub(super) use body::*;

use super::cut::CutPlan;
use super::expectation::Expectation;
use crate::districts;

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
    /// Holidays of some years in place of the published ones, as lines of a table.
    #[serde(default, deserialize_with = "holidays")]
    pub(super) holidays: Holidays,
    /// Districts beyond the built-in ones.
    #[serde(default)]
    pub(super) districts: Vec<districts::Table>,
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
    /// Whether the city has still to initialise it.
    #[serde(default)]
    pub(super) blank: bool,
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
    /// Who works with it: the office of the unit, or an application unit.
    #[serde(default)]
    pub(super) role: Role,
    /// Extension sectors lent to the application unit.
    #[serde(default)]
    pub(super) sectors: Vec<u8>,
}

/// Who works with a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Role {
    /// The card office of city, district or school.
    #[default]
    Office,
    /// An application unit (应用单位).
    Application,
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

/// What happens in a step.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Act {
    /// Present a management card, by default that of the reader.
    Unlock {
        reader: String,
        /// The reader whose management card it is.
        of: Option<String>,
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
    /// Issue a temporary card for a lost one.
    TemporaryIssue(Temporary),
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
        #[serde(default, deserialize_with = "some_text")]
        reason: Option<Reason>,
    },
    TransferIn {
        card: String,
        reader: String,
        number: String,
        #[serde(default, deserialize_with = "some_text")]
        reason: Option<Reason>,
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
        /// First byte to write.
        #[serde(default)]
        offset: u8,
        data: String,
    },
    /// Load a newer version of a key, for the city.
    LoadKey {
        card: String,
        reader: String,
        key: u8,
        version: u8,
    },
    /// Retire the old version of a key, for the city.
    RetireKey {
        card: String,
        reader: String,
        key: u8,
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
    /// What a list says, of everything or of a card.
    ShowList {
        list: String,
        card: Option<String>,
    },
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
    FaultSheet(Sheet),
    /// Allocate cards to a school (学籍卡发放与回收).
    Allocate(SchoolHolding),
    /// Look into the stock of a unit (库存).
    Stock(Books),
    /// Sign a line of the recall slip (回收单).
    RecallSlip {
        card: String,
        reader: String,
        /// School that hands the card in, by default the unit of its last event.
        #[serde(default, deserialize_with = "some_text")]
        unit: Option<UnitCode>,
        /// Whether the card passed the inspection.
        #[serde(default = "yes")]
        passed: bool,
    },
    /// Upload the personalisation (个人化信息上传).
    Upload(AtReader),
    /// Check the uploads of all schools with all lists.
    CheckUploads {},
    /// Look up a time limit.
    Deadline {
        limit: String,
        #[serde(deserialize_with = "text")]
        from: Date,
    },
    Load(Money),
    Unload(Money),
    Purchase(Money),
    /// Ask the card for the proof of a transaction, by its number in the log.
    Prove {
        card: String,
        transaction: Transaction,
        sequence: u16,
    },
    OpenWallet(OnWallet),
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
            | Self::TemporaryIssue(Temporary { card, .. })
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
            | Self::LoadKey { card, .. }
            | Self::RetireKey { card, .. }
            | Self::Load(Money { card, .. })
            | Self::Unload(Money { card, .. })
            | Self::Purchase(Money { card, .. })
            | Self::OpenWallet(OnWallet { card })
            | Self::Suspend(OnWallet { card })
            | Self::Resume(OnWallet { card })
            | Self::Refund(OnWallet { card }) => card,
            _ => return None,
        })
    }

    /// Whether it changes a wallet.
    pub(super) const fn is_wallets(&self) -> bool {
        matches!(
            self,
            Self::Load(_)
                | Self::Unload(_)
                | Self::Purchase(_)
                | Self::OpenWallet(_)
                | Self::Suspend(_)
                | Self::Resume(_)
                | Self::Refund(_)
        )
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

/// Reads a holiday table from its lines.
fn holidays<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Holidays, D::Error> {
    let lines = Vec::<String>::deserialize(deserializer)?;
    lines.join("\n").parse().map_err(|error| D::Error::custom(format!("holidays: {error}")))
}

const fn aes() -> Profile {
    Profile::CpuAes
}

const fn full() -> Form {
    Form::Full
}

const fn in_use() -> FaultOccasion {
    FaultOccasion::Use
}

const fn yes() -> bool {
    true
}
