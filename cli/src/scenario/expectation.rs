//! How a step has to end, as a file says it.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

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
