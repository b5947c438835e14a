//! A pupil from a TOML or CSV file. Every complaint names the line and the field.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use csv::StringRecord;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};
use xuejika_card_model::ident::{Districts, StudentNumber};
use xuejika_card_model::pupil::{Pupil, PupilDraft};
use xuejika_card_model::record::{FieldError, FieldErrors, Problem};

use crate::exit::{Failure, Faults, Outcome};
use crate::input::{self, MAX_DATA, MAX_TEXT};
use crate::spreadsheet::{self, Sheet};

/// The fictional pupil for those who have no file yet.
const SAMPLE: &str = include_str!("../examples/pupil.toml");

/// Which row of a CSV file.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    /// The only one.
    Only,
    /// By its number, the first below the heading being 1.
    Row(usize),
    /// By the student number.
    Number(StudentNumber),
}

/// The fictional pupil.
pub(crate) fn sample() -> Outcome<Pupil> {
    from_toml("the sample pupil", SAMPLE, &Districts::default()).map_err(Failure::usage)
}

/// Reads a pupil from a `.csv` file, or from TOML in any other file or stdin (`-`).
pub(crate) fn read(path: &Path, choice: &Choice, districts: &Districts) -> Outcome<Pupil> {
    let name = path.display().to_string();
    let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let read = || -> anyhow::Result<Pupil> {
        let most = if is_csv { MAX_DATA } else { MAX_TEXT };
        let text = input::utf8(input::named(path, most)?).with_context(|| name.clone())?;
        match (is_csv, choice) {
            (true, choice) => from_csv(&name, &text, choice, districts),
            (false, Choice::Only) => from_toml(&name, &text, districts),
            (false, _) => bail!("{name}: --row and --number choose a line of a .csv file"),
        }
    };
    read().map_err(Failure::usage)
}

/// A value as text and where it stands.
struct Given {
    field: String,
    text: String,
    line: usize,
}

fn from_toml(name: &str, text: &str, districts: &Districts) -> anyhow::Result<Pupil> {
    let line_of = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        anyhow!("{name}:{line}: {}", error.message())
    })?;
    let mut entries = Vec::new();
    for (key, value) in table.get_ref() {
        let line = line_of(key.span().start);
        let field = key.get_ref().to_string();
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
                text.get(value.span()).unwrap_or_default().to_owned()
            }
            other => bail!("{name}:{line}: {field}: is {}, expected text", other.type_str()),
        };
        entries.push(Given { field, text, line });
    }
    build(name, None, &entries, districts)
}

fn from_csv(
    name: &str,
    text: &str,
    choice: &Choice,
    districts: &Districts,
) -> anyhow::Result<Pupil> {
    let Sheet { heading, records } = spreadsheet::read(name, text.as_bytes())?;
    names(name, &heading)?;
    let mut rows = Vec::new();
    for (row, (line, record)) in (1..).zip(&records) {
        let chosen = match choice {
            Choice::Only => true,
            Choice::Row(wanted) => row == *wanted,
            Choice::Number(number) => {
                let number = number.to_string();
                heading.iter().zip(record).any(|(h, text)| h == "student_number" && text == number)
            }
        };
        if chosen {
            rows.push((*line, record));
        }
    }
    let [(line, record)] = *rows else {
        let wanted = match choice {
            Choice::Only => "choose one with --row or --number".to_owned(),
            Choice::Row(row) => format!("--row {row}"),
            Choice::Number(number) => format!("--number {number}"),
        };
        bail!("{name}: {} pupils fit, expected 1 ({wanted})", rows.len());
    };
    let line = usize::try_from(line)?;
    let entries = heading.iter().zip(record).map(|(field, text)| Given {
        field: field.to_owned(),
        text: text.to_owned(),
        line,
    });
    build(name, Some(line), &entries.collect::<Vec<_>>(), districts)
}

/// Refuses a heading with a column that no pupil has, or twice.
fn names(name: &str, heading: &StringRecord) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    for field in heading {
        known(field).map_err(|error| anyhow!("{name}:1: {error}"))?;
        ensure!(seen.insert(field), "{name}:1: {field} is given twice");
    }
    Ok(())
}

/// Refuses a field that no pupil has.
fn known(field: &str) -> serde_json::Result<()> {
    let alone = Map::from_iter([(field.to_owned(), Value::Null)]);
    serde_json::from_value::<PupilDraft>(Value::Object(alone)).map(|_| ())
}

/// Makes the pupil; `row` is where what is missing would have to stand.
fn build(
    name: &str,
    row: Option<usize>,
    entries: &[Given],
    districts: &Districts,
) -> anyhow::Result<Pupil> {
    let mut map = Map::new();
    for Given { field, text, line } in entries {
        known(field).map_err(|error| anyhow!("{name}:{line}: {error}"))?;
        map.insert(field.clone(), Value::String(text.clone()));
    }
    let draft: PupilDraft = serde_json::from_value(Value::Object(map))?;
    draft.build_with(districts).map_err(|errors| {
        let line_of = |id: &str| entries.iter().find(|e| e.field == id).map(|e| e.line).or(row);
        faults(name, &errors, line_of).into()
    })
}

/// What is wrong with a pupil's data, one line for each field.
fn faults(name: &str, errors: &FieldErrors, line_of: impl Fn(&str) -> Option<usize>) -> Faults {
    let complaint = |FieldError { field, problem }: &FieldError| {
        let line = line_of(field.id).map(|line| format!(":{line}")).unwrap_or_default();
        let way_out = match problem {
            Problem::UnknownDistrict(_) => "; --districts FILE adds rows",
            _ => "",
        };
        format!("{name}{line}: {} ({}): {problem}{way_out}", field.id, field.chinese)
    };
    let mut lines: Vec<_> = errors.iter().map(complaint).collect();
    let (count, s) = (lines.len(), if lines.len() == 1 { "" } else { "s" });
    lines.insert(0, format!("{name}: {count} error{s}"));
    Faults(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn from_toml(name: &str, text: &str) -> anyhow::Result<Pupil> {
        super::from_toml(name, text, &Districts::default())
    }

    fn from_csv(name: &str, text: &str, choice: &Choice) -> anyhow::Result<Pupil> {
        super::from_csv(name, text, choice, &Districts::default())
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = from_toml("f", &text);
            let _ = from_csv("f", &text, &Choice::Only);
        }
    }

    const CSV: &str = include_str!("../examples/pupils.csv");

    fn complaint(result: anyhow::Result<Pupil>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn the_examples_are_valid() {
        let pupil = sample().unwrap();
        assert_eq!(pupil.identity.name.text(), "张三");
        for row in 1..=3 {
            from_csv("f", CSV, &Choice::Row(row)).unwrap();
        }
        let first = from_csv("f", CSV, &Choice::Number(pupil.identity.student_number));
        assert_eq!(first.unwrap(), pupil);
    }

    #[test]
    fn toml_complaints_name_line_field_and_expectation() {
        let wrong = SAMPLE.replace("\"男\"", "\"m\"").replace("2010-05-04", "2010-05-34");
        assert!(complaint(from_toml("f", &wrong)).starts_with("f:8: "));
        let wrong = SAMPLE.replace("\"男\"", "\"m\"");
        let text = complaint(from_toml("f", &wrong));
        assert!(text.starts_with("f: 1 error; f:7: sex (性别码): \"m\""), "{text}");
        assert!(text.ends_with("1 (male, 男), 2 (female, 女), 9 (not stated, 未说明)"), "{text}");
        assert_eq!(text.matches("not stated").count(), 1, "{text}");
        let wrong = SAMPLE.replace("grade = 10", "grade = [10]");
        assert_eq!(complaint(from_toml("f", &wrong)), "f:13: grade: is array, expected text");
        let wrong = SAMPLE.replace("grade =", "grad =");
        assert!(complaint(from_toml("f", &wrong)).starts_with("f:13: unknown field `grad`"));
        let missing = SAMPLE.replace("grade = 10", "");
        assert_eq!(complaint(from_toml("f", &missing)), "f: 1 error; f: grade (年级): is required");
        assert!(complaint(from_toml("f", "\n\na = ")).starts_with("f:3: "));
        let wrong = SAMPLE.replace("0108401222903175", "0120401222903175");
        let text = complaint(from_toml("f", &wrong));
        assert!(
            text.starts_with("f: 1 error; f:5: student_number (学籍号): district 20 "),
            "{text}"
        );
        assert!(text.ends_with(" 29 延庆县; --districts FILE adds rows"), "{text}");
    }

    #[test]
    fn csv_complaints_name_line_field_and_row() {
        let wrong = CSV.replace("2010-11-23", "2010-13-23");
        let text = complaint(from_csv("f", &wrong, &Choice::Row(2)));
        assert!(text.starts_with("f: 1 error; f:3: birth_date (出生日期): "), "{text}");
        assert!(complaint(from_csv("f", CSV, &Choice::Only)).starts_with("f: 3 pupils fit"));
        assert!(complaint(from_csv("f", CSV, &Choice::Row(4))).starts_with("f: 0 pupils fit"));
        let short = format!("{CSV}1,2\n");
        let error = from_csv("f", &short, &Choice::Only).unwrap_err();
        assert_eq!(format!("{error:#}"), "f:5: has 2 cells, expected 15 as in the heading");
        let twice = CSV.replace("record_type", "student_number");
        let text = complaint(from_csv("f", &twice, &Choice::Row(1)));
        assert_eq!(text, "f:1: student_number is given twice");
        let (_, headless) = CSV.split_once('\n').unwrap();
        let text = complaint(from_csv("f", headless, &Choice::Row(1)));
        assert!(
            text.starts_with("f:1: unknown field `0108401222903175`, expected one of"),
            "{text}"
        );
    }
}
