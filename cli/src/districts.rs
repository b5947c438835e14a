//! The table of districts of a run: the built-in rows and those of a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use serde::Deserialize;
use toml::{Spanned, Value};
use xuejika_card_model::ident::{DistrictRow, Districts, UnitCode};

use crate::exit::{Failure, Outcome};
use crate::input::{self, MAX_TEXT};

/// Where further districts come from.
#[derive(Debug, Default, Args)]
pub(crate) struct DistrictArgs {
    /// Further districts, TOML: a table `[[district]]` for each, with `code`, `name` and, where
    /// known, `english`, `since` and `until`.
    #[arg(long, value_name = "FILE")]
    districts: Option<PathBuf>,
}

impl DistrictArgs {
    /// The built-in districts and those of the file.
    pub(crate) fn read(&self) -> Outcome<Districts> {
        let path = self.districts.as_deref();
        path.map_or_else(|| Ok(Districts::default()), read).map_err(Failure::usage)
    }
}

/// Refuses a unit of a district that is not in the table.
pub(crate) fn check(unit: UnitCode, districts: &Districts) -> Outcome<()> {
    if let Some(district) = unit.district_code() {
        let found = districts.find(district).with_context(|| format!("--unit {unit}"));
        found.map_err(Failure::usage)?;
    }
    Ok(())
}

/// A district as a file has it.
pub(crate) type Table = Spanned<BTreeMap<Spanned<String>, Spanned<Value>>>;

/// A file of districts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    district: Vec<Table>,
}

fn read(path: &Path) -> anyhow::Result<Districts> {
    from_toml(&path.display().to_string(), &input::text(path, MAX_TEXT)?)
}

fn from_toml(name: &str, text: &str) -> anyhow::Result<Districts> {
    let place = |at: usize| {
        let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        format!("{name}:{line}")
    };
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        anyhow!("{}: {}", place(at), error.message())
    })?;
    table(&file.district, place)
}

/// The built-in districts and these; `place` says where a byte stands.
pub(crate) fn table(
    tables: &[Table],
    place: impl Fn(usize) -> String,
) -> anyhow::Result<Districts> {
    let mut districts = Districts::default();
    for given in tables {
        let row = row(given, &place)?;
        districts.add(row).with_context(|| format!("{}: code", place(given.span().start)))?;
    }
    Ok(districts)
}

fn row(given: &Table, place: &impl Fn(usize) -> String) -> anyhow::Result<DistrictRow> {
    let (mut code, mut name, mut english) = (None, None, String::new());
    let (mut since, mut until) = (None, None);
    for (field, value) in given.get_ref() {
        let text = || value.get_ref().as_str().context("expected text");
        let at = || format!("{}: {}", place(value.span().start), field.get_ref());
        match field.get_ref().as_str() {
            "code" => code = Some(text().and_then(|text| Ok(text.parse()?)).with_context(at)?),
            "name" => name = Some(text().with_context(at)?.to_owned()),
            "english" => text().with_context(at)?.clone_into(&mut english),
            "since" => since = Some(year(value.get_ref()).with_context(at)?),
            "until" => until = Some(year(value.get_ref()).with_context(at)?),
            _ => bail!("{}: expected code, name, english, since or until", at()),
        }
    }
    let here = || place(given.span().start);
    let code = code.with_context(|| format!("{}: code: is required", here()))?;
    let name: String = name.with_context(|| format!("{}: name: is required", here()))?;
    ensure!(!name.trim().is_empty(), "{}: name: is empty", here());
    let ordered = since.is_none_or(|since| until.is_none_or(|until| since <= until));
    ensure!(ordered, "{}: until: is before since", here());
    Ok(DistrictRow { code, name, english, since, until })
}

fn year(value: &Value) -> anyhow::Result<u16> {
    let year = value.as_integer().and_then(|year| u16::try_from(year).ok());
    year.filter(|year| (1900..=2099).contains(year)).context("expected a year from 1900 to 2099")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../examples/districts.toml");

    fn complaint(text: &str) -> String {
        format!("{:#}", from_toml("f", text).unwrap_err())
    }

    #[test]
    fn the_example_adds_its_district() {
        let districts = from_toml("f", EXAMPLE).unwrap();
        let code = "20".parse().unwrap();
        assert!(Districts::default().find(code).is_err());
        assert_eq!(districts.find(code).unwrap().name, "北京经济技术开发区");
        assert!(check("204012".parse().unwrap(), &districts).is_ok());
        assert!(check("214012".parse().unwrap(), &districts).is_err());
        assert!(check(UnitCode::CITY, &districts).is_ok());
    }

    #[test]
    fn complaints_name_line_and_field() {
        let row = |fields: &str| complaint(&format!("\n[[district]]\n{fields}\n"));
        for (fields, expected) in [
            ("code = 20\nname = \"甲\"", "f:3: code: expected text"),
            ("code = \"00\"\nname = \"甲\"", "f:3: code: district 00 must be from 01 to 99"),
            ("code = \"20\"", "f:2: name: is required"),
            ("name = \"甲\"", "f:2: code: is required"),
            ("code = \"20\"\nname = \" \"", "f:2: name: is empty"),
            ("code = \"20\"\nnames = \"甲\"", "f:4: names: expected code, name, english, "),
            (
                "code = \"20\"\nname = \"甲\"\nsince = \"x\"",
                "f:5: since: expected a year from 1900 to 2099",
            ),
            (
                "code = \"20\"\nname = \"甲\"\nsince = 2015\nuntil = 2010",
                "f:2: until: is before since",
            ),
            (
                "code = \"08\"\nname = \"甲\"",
                "f:2: code: district 08 is in the table already, as 海淀区",
            ),
        ] {
            let text = row(fields);
            assert!(text.contains(expected), "{text}");
        }
        assert!(
            complaint("[[vendor]]\ncode = \"0001\"").starts_with("f:1: unknown field `vendor`")
        );
        assert!(complaint("\n[[district\n").starts_with("f:2: "));
    }
}
