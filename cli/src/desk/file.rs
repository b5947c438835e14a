//! Files of the desks, read and written: a heading and lines as CSV, or one JSON object a line.
//! Every complaint names the file, the line and the field.

use core::fmt::{self, Display};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use xuejika_card_model::desk::{CellError, Heading, Line, LineError, Numbered};

use crate::exit::{Code, Failure, Faults, Outcome};
use crate::input::{self, MAX_DATA};
use crate::output::Output;
use crate::shown::Show;
use crate::spreadsheet::{self, Csv};

/// Most faults that are told of one file.
const MAX_FAULTS: usize = 100;

/// Reads the lines of a file, `-` for stdin: JSON when its name ends so, otherwise CSV. A file without
/// lines is refused.
pub(crate) fn read<T: Line>(path: &Path) -> Outcome<Vec<Numbered<T>>> {
    let name = path.display().to_string();
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let read = || {
        let bytes = input::named(path, MAX_DATA)?;
        if is_json { from_json(&name, bytes) } else { from_csv(&name, &bytes) }
    };
    read().map_err(Failure::usage)
}

/// What a book says of the lines of a file: findings.
pub(crate) fn findings<P: Display>(path: &Path) -> impl FnOnce(Vec<LineError<P>>) -> Failure {
    let name = path.display().to_string();
    move |errors| Failure::Because(Code::Findings, faults(&name, &errors).into())
}

/// Prints records: CSV, JSON, or a line each.
pub(crate) fn print<T: Serialize + Show>(csv: bool, records: &[T], out: &Output) -> Outcome<()> {
    match csv {
        true => out.csv(Csv::of(records).map_err(Failure::device)?),
        false => records.iter().try_for_each(|record| out.report(record)),
    }
}

/// Prints lines of a desk file, as [`read`] reads them.
pub(crate) fn print_lines<T: Serialize>(lines: &[T], out: &Output) -> Outcome<()> {
    match out.is_json() {
        true => lines.iter().try_for_each(|line| out.object(line)),
        false => out.csv(Csv::of(lines).map_err(Failure::device)?),
    }
}

fn from_csv<T: Line>(name: &str, bytes: &[u8]) -> anyhow::Result<Vec<Numbered<T>>> {
    let sheet = spreadsheet::read(name, bytes)?;
    let heading = Heading::<T>::read(&sheet.heading).with_context(|| format!("{name}:1"))?;
    let lines = sheet
        .records
        .iter()
        .map(|(line, record)| heading.line(*line, &record.iter().collect::<Vec<_>>()));
    collect(name, lines)
}

fn from_json<T: Line>(name: &str, bytes: Vec<u8>) -> anyhow::Result<Vec<Numbered<T>>> {
    let text = input::utf8(bytes).with_context(|| name.to_owned())?;
    let objects = (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty());
    let objects = objects.map(|(line, text)| {
        let fields = fields(text).with_context(|| format!("{name}:{line}"))?;
        let names = fields.iter().map(|(field, _)| field.as_str());
        let heading = Heading::<T>::read(names).with_context(|| format!("{name}:{line}"))?;
        let texts: Vec<_> = fields.iter().map(|(_, text)| text.as_str()).collect();
        Ok(heading.line(line, &texts))
    });
    collect(name, objects.collect::<anyhow::Result<Vec<_>>>()?)
}

/// The fields of a JSON object in their order, also those that are there twice.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one object a line")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }

        from.deserialize_map(Fields)
    }
}

/// The fields of a JSON object as text.
fn fields(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    // It is one line of the file, whose number stands in front already.
    let wrong = |error: serde_json::Error| {
        anyhow!(error.to_string().replace(" at line 1 column ", ", at column "))
    };
    let Object(object) = serde_json::from_str(text).map_err(wrong)?;
    let field = |(field, value): (String, Value)| {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                bail!("{field}: expected text or a number")
            }
        };
        Ok((field, text))
    };
    object.into_iter().map(field).collect()
}

/// All lines, or everything that is wrong with them.
fn collect<T>(
    name: &str,
    lines: impl IntoIterator<Item = Result<Numbered<T>, Vec<LineError<CellError>>>>,
) -> anyhow::Result<Vec<Numbered<T>>> {
    let (mut read, mut errors) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            Ok(line) => read.push(line),
            Err(wrong) => errors.extend(wrong),
        }
    }
    if !errors.is_empty() {
        return Err(faults(name, &errors).into());
    }
    if read.is_empty() {
        return Err(anyhow!("{name}: has no line below the heading, expected 1 at least"));
    }
    Ok(read)
}

fn faults<P: Display>(name: &str, errors: &[LineError<P>]) -> Faults {
    let (count, s) = (errors.len(), if errors.len() == 1 { "" } else { "s" });
    let mut lines = vec![format!("{name}: {count} error{s}")];
    lines.extend(errors.iter().take(MAX_FAULTS).map(|error| format!("{name}:{error}")));
    if let Some(more) = count.checked_sub(MAX_FAULTS).filter(|more| *more > 0) {
        lines.push(format!("{name}: and {more} more"));
    }
    Faults(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::DeserializeOwned;
    use xuejika_card_model::desk::stock::{SlipLine, StockEntry};
    use xuejika_card_model::desk::{FiledApplication, RegisteredSam, ReturnedCards, SchoolHolding};

    /// CSV, JSON through the columns and JSON through serde give the lines back.
    fn goes_both_ways<T>(csv: &str)
    where
        T: Line + Serialize + DeserializeOwned + PartialEq + fmt::Debug,
    {
        let lines: Vec<Numbered<T>> = from_csv("f", csv.as_bytes()).unwrap();
        let values: Vec<_> = lines.iter().map(|line| &line.value).collect();
        let written = Csv::of(&values).unwrap().finish().unwrap();
        assert_eq!(String::from_utf8(written.clone()).unwrap(), csv);
        assert_eq!(from_csv::<T>("f", &written).unwrap(), lines);
        let json: Vec<_> = values.iter().map(|v| serde_json::to_string(v).unwrap()).collect();
        for (text, value) in json.iter().zip(&values) {
            assert_eq!(serde_json::from_str::<T>(text).unwrap(), **value);
        }
        let again = from_json::<T>("f", json.join("\n").into_bytes()).unwrap();
        assert_eq!(again.iter().map(|line| &line.value).collect::<Vec<_>>(), values);
    }

    #[test]
    fn every_kind_of_line_goes_both_ways() {
        goes_both_ways::<SchoolHolding>(
            "unit,pupils,held,ordered_back\n084012,1200,1300,\n084013,900,0,5\n",
        );
        goes_both_ways::<ReturnedCards>("unit,batch,cards,wasted\n084012,2007-09,1200,36\n");
        goes_both_ways::<StockEntry>(
            "day,movement,cards,counterpart,slip\n\
             2026-09-01,1,1100260100000014..1100260100000048,080000,J1\n\
             2026-09-02,7,1100260100000014,,\n",
        );
        goes_both_ways::<SlipLine>(
            "slip,day,from,to,movement,cards,count\n\
             J1,2026-09-01,080000,084012,6,1100260100000014..1100260100000048,4\n",
        );
        goes_both_ways::<FiledApplication>(
            "filing,application,owner,name,filed_by,day\n\
             20070001,00A1,084012,食堂,080000,2007-09-01\n",
        );
        goes_both_ways::<RegisteredSam>(
            "sam,reader,unit,handed_to,day,withdrawn\n\
             0000084012000001,R-0001,084012,080000,2007-09-01,2008-01-31\n\
             0000084012000002,R-0002,084012,080000,2007-09-01,\n",
        );
    }

    fn complaint(csv: &str) -> String {
        let error = from_csv::<SchoolHolding>("f", csv.as_bytes()).unwrap_err();
        format!("{error:#}")
    }

    #[test]
    fn complaints_name_line_and_field() {
        let heading = "unit,pupils,held";
        let expected =
            "expected a heading with unit, pupils, held (and, where needed, ordered_back)";
        for (csv, text) in [
            ("", format!("f:1: no column unit, {expected}")),
            ("084012,1,1\n", format!("f:1: no column is called \"084012\", {expected}")),
            ("unit,held\n084012,1\n", format!("f:1: no column pupils, {expected}")),
            ("unit,unit\n", "f:1: column unit is there twice".to_owned()),
            ("unit,pupils,held\n", "f: has no line below the heading".to_owned()),
        ] {
            assert!(complaint(csv).starts_with(&text), "{csv}: {}", complaint(csv));
        }
        let text = complaint(&format!("{heading}\n84012,,01\n084012,1,1\n088012,-1,1\n"));
        let lines: Vec<_> = text.split("; ").collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert_eq!(lines[0], "f: 5 errors");
        assert_eq!(lines[2], "f:2: pupils: is required");
        for (line, begin) in
            [(1, "f:2: unit: "), (3, "f:2: held: "), (4, "f:4: unit: "), (5, "f:4: pupils: \"-1\"")]
        {
            assert!(lines[line].starts_with(begin), "{text}");
        }
        // A line with a cell too few.
        let text = complaint(&format!("{heading}\n084012,1\n"));
        assert_eq!(text, "f:2: has 2 cells, expected 3 as in the heading");
    }

    #[test]
    fn an_unknown_code_is_told_with_those_there_are() {
        let csv = b"day,movement,cards\n2026-09-01,stolen,1100260100000014\n";
        let text = from_csv::<StockEntry>("f", csv).unwrap_err().to_string();
        assert!(text.contains(
            "f:2: movement: \"stolen\" is unknown, expected one of 1 (received, 领取入库)"
        ));
    }

    #[test]
    fn json_complaints_name_line_and_field() {
        let complaint = |text: &str| {
            let text = format!("{{\"unit\":\"084012\",\"pupils\":1,\"held\":1}}\n\n{text}\n");
            format!("{:#}", from_json::<SchoolHolding>("f", text.into_bytes()).unwrap_err())
        };
        let marked = "\u{FEFF}{\"unit\":\"084012\",\"pupils\":1,\"held\":1}\n".as_bytes().to_vec();
        from_json::<SchoolHolding>("f", marked).unwrap();
        let text = complaint("[1]");
        assert_eq!(text, "f:3: invalid type: sequence, expected one object a line, at column 0");
        let twice = complaint("{\"unit\":\"084012\",\"unit\":\"084013\"}");
        assert_eq!(twice, "f:3: column unit is there twice");
        assert!(complaint("{\"unit\":true}").starts_with("f:3: unit: expected text or a number"));
        assert!(complaint("{\"unit\":\"084012\"}").starts_with("f:3: no column pupils"));
        let text = complaint("{\"unit\":\"084012\",\"pupils\":1.5,\"held\":1}");
        assert!(text.contains("f:3: pupils: \"1.5\" is no whole number"), "{text}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = from_csv::<StockEntry>("f", &bytes);
            let _ = from_json::<StockEntry>("f", bytes);
        }
    }
}
