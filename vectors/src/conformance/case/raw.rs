//! The shape of a case file.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Class, Kind};

/// A case file as it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) schema: Spanned<u32>,
    /// What the file is about.
    #[serde(rename = "title")]
    _title: String,
    /// Values all cases know.
    #[serde(default)]
    pub(super) values: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(super) fixture: Vec<Spanned<RawFixture>>,
    #[serde(default)]
    pub(super) case: Vec<Spanned<RawCase>>,
}

/// Steps that cases begin with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFixture {
    pub(super) name: String,
    pub(super) steps: Vec<Spanned<RawStep>>,
}

/// A case as it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCase {
    pub(super) id: Spanned<String>,
    pub(super) title: String,
    pub(super) title_zh: String,
    pub(super) purpose: String,
    pub(super) clause: Spanned<Vec<String>>,
    #[serde(default)]
    pub(super) requires: Vec<Spanned<String>>,
    #[serde(default = "student")]
    pub(super) card: Kind,
    pub(super) class: Class,
    #[serde(default)]
    pub(super) changes: bool,
    #[serde(default)]
    pub(super) destructive: bool,
    #[serde(default)]
    pub(super) given: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) variants: BTreeMap<String, Spanned<Vec<AxisValue>>>,
    pub(super) steps: Vec<Spanned<RawStep>>,
    #[serde(default)]
    pub(super) after: Vec<Spanned<RawStep>>,
}

const fn student() -> Kind {
    Kind::Student
}

/// A step as it stands.
pub(super) type RawStep = BTreeMap<String, Spanned<Scalar>>;

/// A value of a parameter: one text, or several parameters that go together.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum AxisValue {
    Text(Scalar),
    Row(BTreeMap<String, Scalar>),
}

/// What stands behind an `=`.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl Scalar {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}
