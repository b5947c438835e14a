//! What single steps carry.

use serde::Deserialize;
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::Date;
use xuejika_card_model::desk::{FaultCause, FaultOccasion};
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::list::{Form, Kind};

use super::{full, in_use, some_text, text, yes};
use crate::wallet::Amount;

/// Something done to a card with a reader.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct AtReader {
    pub(in crate::scenario) card: String,
    pub(in crate::scenario) reader: String,
}

/// An event that carries a reason at most.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Plain {
    pub(in crate::scenario) card: String,
    pub(in crate::scenario) reader: String,
    #[serde(default, deserialize_with = "some_text")]
    pub(in crate::scenario) reason: Option<Reason>,
}

/// A pupil's data for a card.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct WithPupil {
    pub(in crate::scenario) card: String,
    pub(in crate::scenario) reader: String,
    pub(in crate::scenario) pupil: String,
    /// Whether the card is handed out.
    #[serde(default = "yes")]
    pub(in crate::scenario) issued: bool,
    /// Whether the network reaches the uploads; without it the school uploads later (操作规程 四/五).
    #[serde(default = "yes")]
    pub(in crate::scenario) online: bool,
}

/// A pupil's data for a temporary card.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Temporary {
    pub(in crate::scenario) card: String,
    pub(in crate::scenario) reader: String,
    pub(in crate::scenario) pupil: String,
    /// Whether the card is handed out.
    #[serde(default = "yes")]
    pub(in crate::scenario) issued: bool,
    /// The lost card; by default the pupil's other card, one whose loss is on the reader's lists first.
    pub(in crate::scenario) lost: Option<String>,
    /// As for other cards.
    #[serde(default = "yes")]
    pub(in crate::scenario) online: bool,
}

/// Something done to an extension sector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct InSector {
    pub(in crate::scenario) card: String,
    pub(in crate::scenario) reader: String,
    pub(in crate::scenario) sector: u8,
}

/// Something done to a wallet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct OnWallet {
    pub(in crate::scenario) card: String,
}

/// An amount into or out of a wallet, such as `"10.00"` yuan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Money {
    pub(in crate::scenario) card: String,
    #[serde(deserialize_with = "text")]
    pub(in crate::scenario) amount: Amount,
}

/// A kind of wallet transaction.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::scenario) enum Transaction {
    Load,
    Unload,
    Purchase,
}

/// A card on a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Report {
    pub(in crate::scenario) list: String,
    #[serde(deserialize_with = "text")]
    pub(in crate::scenario) kind: Kind,
    pub(in crate::scenario) card: String,
    /// By default the last day the rules allow.
    #[serde(default, deserialize_with = "some_text")]
    pub(in crate::scenario) effective: Option<Date>,
    #[serde(default, deserialize_with = "some_text")]
    pub(in crate::scenario) reason: Option<Reason>,
}

/// A fault sheet with what was found.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Sheet {
    pub(in crate::scenario) card: String,
    #[serde(deserialize_with = "text")]
    pub(in crate::scenario) unit: UnitCode,
    #[serde(default = "in_use", deserialize_with = "text")]
    pub(in crate::scenario) occasion: FaultOccasion,
    #[serde(default, deserialize_with = "some_text")]
    pub(in crate::scenario) district: Option<FaultCause>,
    #[serde(default, deserialize_with = "some_text")]
    pub(in crate::scenario) city: Option<FaultCause>,
    /// Days of their inspections, by default today.
    #[serde(default, deserialize_with = "some_text")]
    pub(in crate::scenario) district_on: Option<Date>,
    #[serde(default, deserialize_with = "some_text")]
    pub(in crate::scenario) city_on: Option<Date>,
}

/// A list on its way to a reader.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Delivery {
    pub(in crate::scenario) list: String,
    pub(in crate::scenario) reader: String,
    #[serde(default = "full", deserialize_with = "text")]
    pub(in crate::scenario) form: Form,
    /// Version a delta starts from; by default the one before.
    pub(in crate::scenario) base: Option<u32>,
    /// Unit whose key authenticates it, by default the right one.
    #[serde(default, deserialize_with = "some_text")]
    pub(in crate::scenario) signed_by: Option<UnitCode>,
    /// Whether a byte changes on the way.
    #[serde(default)]
    pub(in crate::scenario) damaged: bool,
}

/// The stock of a unit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Books {
    #[serde(deserialize_with = "text")]
    pub(in crate::scenario) unit: UnitCode,
    /// Lines of its ledger, the cells in the order of the columns.
    pub(in crate::scenario) ledger: Vec<String>,
    /// Temporary and spare cards, which may stay.
    #[serde(default)]
    pub(in crate::scenario) keep: usize,
    /// What was counted: serials and ranges.
    pub(in crate::scenario) counted: Option<Vec<String>>,
}

/// What is wrong with one row of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::scenario) enum BatchFault {
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
