//! The manifest `batch.toml` as it is written: every value as text or number, checked by
//! [`Plan::new`](crate::plan::Plan::new). Layout project-defined.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Check, Severity};

/// What the vendor says about a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Version of the schema: 1.
    pub schema: u32,
    /// The batch itself.
    pub batch: Head,
    /// How many cards.
    pub count: Count,
    /// What the contract allows.
    #[serde(default)]
    pub limits: Limits,
    /// The keys of its cards.
    pub keys: Keys,
    /// Files of rows, in order.
    #[serde(rename = "file")]
    pub files: Vec<RowFile>,
    /// Ranges of card serials; every serial of them is in the batch.
    pub serials: Vec<Range>,
    /// Boxes (箱), in order.
    #[serde(rename = "box")]
    pub boxes: Vec<Carton>,
}

/// What all cards of a batch have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Head {
    /// Batch number (批次号), 12 digits.
    pub number: String,
    /// Vendor code (供卡方代码), 4 digits; the last two stand in the serials.
    pub vendor: String,
    /// Card profile: `cpu-aes` or `cpu-sm4`.
    pub profile: String,
    /// Version of the card profile: 1.
    pub profile_version: u32,
    /// First day of initialisation (初始化日期).
    pub initialised_from: String,
    /// Last day of initialisation.
    pub initialised_until: String,
    /// First day of the education application (教育应用启用日).
    pub valid_from: String,
    /// Last day of the education application (有效期至).
    pub valid_until: String,
    /// Initialisation sites (初始化机构), 4 hexadecimal digits each.
    pub sites: Vec<String>,
    /// First bytes of every UID, in hexadecimal.
    pub uid_prefix: String,
    /// Pattern of the ATR: hexadecimal digits, `s` for the last digits of the serial, `x` for any.
    pub atr: String,
    /// Pattern of the ATS, as for the ATR.
    pub ats: String,
}

/// How many cards a batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Count {
    /// Rows in all files.
    pub rows: u32,
    /// Cards ordered.
    pub ordered: u32,
    /// Cards made on top of the order, to replace scrap ones.
    pub spare: u32,
    /// Good cards (良品).
    pub good: u32,
    /// Scrap cards (废卡).
    pub scrap: u32,
}

/// Limits that the contract with the vendor agrees on. Nobody prescribes them for a batch; without
/// an agreement they are those that the rules name elsewhere: desks answer for more than 3 % of scrap
/// that wrong data made (操作规程 一/九(四)), and a school gets 8 % of cards on top (操作规程 三/五).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Limits {
    /// Most scrap cards, in percent of all rows.
    pub scrap_percent: u32,
    /// Most spare cards, in percent of the order.
    pub spare_percent: u32,
    /// What a batch above a limit gets.
    pub breach: Breach,
}

impl Default for Limits {
    fn default() -> Self {
        Self { scrap_percent: 3, spare_percent: 8, breach: Breach::Warning }
    }
}

impl Limits {
    /// How much a finding of this check weighs in a batch with these limits.
    #[must_use]
    pub const fn severity(&self, check: Check) -> Severity {
        match (check, self.breach) {
            (Check::CountScrap | Check::CountSpare, Breach::Error) => Severity::Error,
            _ => check.severity(),
        }
    }
}

/// What the contract says of a batch above a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breach {
    /// The batch can be accepted.
    #[default]
    Warning,
    /// The batch is refused.
    Error,
}

/// The keys of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Keys {
    /// Key-set version (密钥版本), 1 to 254.
    pub version: u32,
    /// Check value of each root, as `cmac-aes:012345`; wallet roots have `zero-block:`.
    pub root_kcv: BTreeMap<String, String>,
}

/// A file of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RowFile {
    /// Name, in the folder of the manifest.
    pub name: String,
    /// How its rows are written.
    pub format: Format,
    /// How its text is written.
    pub encoding: Encoding,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Mapping file, in the folder of the manifest, for rows of another layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// RFC 4180 with a heading; no field goes over a line end.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// Fields of fixed width; needs a mapping file.
    Fixed,
    /// A workbook (Office Open XML); names of columns in the first row of a sheet.
    Xlsx,
    /// Apache Parquet; columns by name.
    Parquet,
}

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8.
    #[serde(rename = "utf-8")]
    Utf8,
    /// GB 18030, and GBK, which is a part of it.
    #[serde(alias = "gbk")]
    Gb18030,
}

/// Consecutive card serials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Range {
    /// First serial.
    pub first: String,
    /// Last serial.
    pub last: String,
}

/// A box of cards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Carton {
    /// Name.
    pub id: String,
    /// First serial in it.
    pub first: String,
    /// Last serial in it.
    pub last: String,
    /// Cards in it.
    pub count: u32,
}
