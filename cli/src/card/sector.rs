//! `card export --s70`, and `card show` of a sector card's image.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::record::{ExtensionEntry, ExtensionIndex, Slot};
use xuejika_card_model::s70::{Contents, LEN, Parsed};
use xuejika_card_model::{Card, CardError};
use xuejika_emulator::file_store;
use xuejika_emulator::files::{self, Access, Existing};
use xuejika_reader::CardContents;

use crate::args::ExportArgs;
use crate::exit::{Code, Failure, Outcome};
use crate::input;
use crate::output::Output;
use crate::reader::ContentsReport;
use crate::shown::{Lines, Show};

/// Writes the records of a card as the image of a sector card, without keys.
pub(crate) fn export(args: &ExportArgs, out: &Output) -> Outcome<Code> {
    let memory = file_store::read_image(&args.image)?;
    let about = || args.image.display().to_string();
    let contents = || -> anyhow::Result<Contents> {
        let card = Card::open(RamNvm::new(memory))?;
        Contents::of(&card).map_err(|error| match error {
            CardError::Structure => anyhow::anyhow!(
                "a sector card is a student-record card that uses extension sectors 1 to 4 at most"
            ),
            error => error.into(),
        })
    };
    let contents = contents().with_context(about).map_err(Failure::usage)?;
    let image = contents.emit().with_context(about).map_err(Failure::usage)?;
    files::write(&args.output, &image, Existing::Refuse, Access::Owner)?;
    let parsed = Parsed { contents, damaged_status: None };
    out.report(&View::new(&args.output, &parsed))?;
    Ok(Code::AsExpected)
}

/// Whether a file can be nothing but the image of a sector card.
pub(super) fn is_image(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.len() == LEN as u64)
}

/// Shows what the image of a sector card holds.
pub(super) fn show(path: &Path, out: &Output) -> Outcome<Code> {
    let read = || -> anyhow::Result<Parsed> { Ok(Contents::parse(&input::bytes(path, LEN)?)?) };
    let parsed = read().with_context(|| path.display().to_string()).map_err(Failure::usage)?;
    out.report(&View::new(path, &parsed))?;
    Ok(Code::AsExpected)
}

/// What a sector image holds.
#[derive(Serialize)]
struct View {
    file: String,
    profile: &'static str,
    serial: String,
    /// The copy of the status record that is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged_status: Option<&'static str>,
    contents: ContentsReport,
}

impl View {
    fn new(path: &Path, parsed: &Parsed) -> Self {
        let Contents { issuance, status, pupil, registrations, transfers, extensions, log } =
            parsed.contents.clone();
        let entries = ExtensionIndex::all().zip(&extensions);
        let contents = CardContents {
            issuance,
            status,
            pupil: pupil.map(|(pupil, _)| pupil),
            personalisation: pupil.map(|(_, record)| record),
            registrations,
            transfers,
            extensions: entries
                .map(|(index, extension)| ExtensionEntry { index, sector: extension.sector })
                .collect(),
            log,
        };
        Self {
            file: path.display().to_string(),
            profile: "s70",
            serial: issuance.card_serial.to_string(),
            damaged_status: parsed.damaged_status.map(|slot| match slot {
                Slot::A => "A",
                Slot::B => "B",
            }),
            contents: ContentsReport::new(&contents),
        }
    }
}

impl Show for View {
    fn show(&self, to: &mut Lines) {
        let Self { file, profile, serial, damaged_status, contents } = self;
        to.line(format_args!("{file}: sector card 扇区卡, {profile}, serial {serial}"));
        if let Some(copy) = damaged_status {
            to.line(format_args!("copy {copy} of the status record is damaged"));
        }
        to.line("");
        contents.show(to);
    }
}
