//! `desk rare-character`.

use std::path::PathBuf;

use clap::Args;
use xuejika_card_model::date::Date;
use xuejika_card_model::desk::{CodePoint, RareCharacterSheet};
use xuejika_card_model::ident::StudentNumber;

use super::finding;
use crate::clock;
use crate::districts::DistrictArgs;
use crate::exit::Outcome;
use crate::pupil_file::{self, Choice};

/// `desk rare-character`.
#[derive(Debug, Args)]
pub(super) struct RareCharacterArgs {
    /// The pupil's data, a .toml or a .csv file.
    #[arg(long, value_name = "FILE")]
    pupil: PathBuf,
    /// Student number of the line of a .csv file.
    #[arg(long, value_name = "学籍号")]
    number: Option<StudentNumber>,
    /// How the character is written (生僻字的写法), such as 上土下口.
    #[arg(long, value_name = "TEXT")]
    writing: String,
    /// Its code point, if it has one, such as U+20BB7.
    #[arg(long, value_name = "U+N")]
    code_point: Option<CodePoint>,
    /// Whom the district asks (联系人).
    #[arg(long, value_name = "TEXT")]
    contact: String,
    /// Day of the report. By default the date in Beijing.
    #[arg(long)]
    date: Option<Date>,
    #[command(flatten)]
    districts: DistrictArgs,
}

impl RareCharacterArgs {
    pub(super) fn sheet(&self) -> Outcome<RareCharacterSheet> {
        let choice = self.number.map_or(Choice::Only, Choice::Number);
        let pupil = pupil_file::read(&self.pupil, &choice, &self.districts.read()?)?;
        let today = clock::stamp(&clock::env(None)?, self.date, None)?.0;
        let (writing, contact) = (self.writing.clone(), self.contact.clone());
        RareCharacterSheet::new(&pupil, writing, self.code_point, contact, today).map_err(finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_written_and_read() {
        let mut pupil = pupil_file::sample().unwrap();
        pupil.identity.rare_character = true;
        let on = "2026-09-10".parse().unwrap();
        let (writing, contact) = ("上土下口".to_owned(), "李老师".to_owned());
        let code_point = "U+20BB7".parse().ok();
        let made = RareCharacterSheet::new(&pupil, writing, code_point, contact, on).unwrap();
        let without = RareCharacterSheet { code_point: None, ..made.clone() };
        for sheet in [&made, &without] {
            let text = serde_json::to_string(sheet).unwrap();
            assert_eq!(&serde_json::from_str::<RareCharacterSheet>(&text).unwrap(), sheet);
        }
        let text = serde_json::to_string(&made).unwrap();
        assert!(text.contains(r#""writing":"上土下口","code_point":"U+20BB7""#), "{text}");
        for (from, to) in
            [("2026-09-10", "2026-09-31"), ("Zhang San", "Zhāng"), ("writing", "written")]
        {
            let wrong = text.replace(from, to);
            assert!(serde_json::from_str::<RareCharacterSheet>(&wrong).is_err(), "{wrong}");
        }
    }
}
