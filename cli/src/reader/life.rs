//! The operations of a card's life but for its first days, and those of its extension sectors.

use core::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use xuejika_card_model::bcd::parse_number;
use xuejika_card_model::calendar::Holidays;
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::Date;
use xuejika_card_model::desk::{ApplicationCode, Applications};
use xuejika_card_model::event::Opening;
use xuejika_card_model::ident::{CardSerial, Scope, StudentNumber, UnitCode};
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{ExtensionIndex, FilingNumber};
use xuejika_reader::sam::Sam;
use xuejika_reader::{Change, Error, Stamp, StudentCard};

use super::report::{EventReport, SectorReport};
use super::{End, Station};
use crate::args::{PersonaliseArgs, PupilArgs, ReaderArgs};
use crate::calendar_args::{HolidayArgs, warn_of_years};
use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;
use crate::target::Channel;
use crate::trace::Traced;
use crate::{desk, hex};

/// `reader`, the operations here.
#[derive(Debug, Subcommand)]
pub(crate) enum LifeCommand {
    /// Initialise a blank card (初始化), for the city.
    Initialise(EventArgs),
    /// Correct the data of the pupil whose card it is; the student number stays.
    Correct(PupilArgs),
    /// Personalise a card of the stock as a temporary card (临时卡办理), for a card whose loss stands on
    /// a list of the reader (--list). It is valid for the loss period, the week to apply for a
    /// replacement and the ten working days to hand it out, at the latest.
    TemporaryIssue(TemporaryArgs),
    /// Take a temporary card back (临时卡交回); it wipes itself.
    TemporaryReturn(EventArgs),
    /// Mark the card as frozen (冻结).
    Freeze(EventArgs),
    /// Take the mark back (解冻).
    Unfreeze(EventArgs),
    /// Cancel the card (注销), for good.
    Cancel(EventArgs),
    /// Cancel a card that has been replaced (补卡), for good.
    Replace(EventArgs),
    /// Note that the card is faulty (故障登记).
    Fault(EventArgs),
    /// Let the pupil go to another school, or to the next stage (转出).
    TransferOut(TransferOutArgs),
    /// Take the pupil in (转入); before the card is personalised.
    TransferIn(TransferInArgs),
    /// Take a transfer out back (撤销转出).
    Withdraw(EventArgs),
    /// Recall the card (回收); it wipes itself.
    Recall(EventArgs),
    /// Put an inspected card back into stock (检验入库), for the district.
    Restock(EventArgs),
    /// Open an extension sector to an application (开放扩展扇区).
    OpenSector(OpenSectorArgs),
    /// Reclaim an extension sector (回收扩展扇区); the card wipes it.
    ReclaimSector(SectorArgs),
    /// Read an extension sector under its owner's key.
    ReadSector(SectorArgs),
    /// Write into an extension sector under its owner's key.
    WriteSector(WriteSectorArgs),
}

/// An event that carries a reason at most.
#[derive(Debug, Args)]
pub(crate) struct EventArgs {
    #[command(flatten)]
    pub(crate) reader: ReaderArgs,
    /// Why: the code or its name, such as 52 or 'left school'.
    #[arg(long, value_name = "R")]
    pub(crate) reason: Option<Reason>,
}

/// `reader temporary-issue`.
#[derive(Debug, Args)]
pub(crate) struct TemporaryArgs {
    #[command(flatten)]
    pub(crate) personalise: PersonaliseArgs,
    /// Serial of the card that is lost: 16 digits.
    #[arg(long, value_name = "S")]
    pub(crate) lost: CardSerial,
    #[command(flatten)]
    pub(crate) holidays: HolidayArgs,
}

/// `reader transfer-out`.
#[derive(Debug, Args)]
pub(crate) struct TransferOutArgs {
    #[command(flatten)]
    pub(crate) event: EventArgs,
    /// The new school, where it is known: 6 digits.
    #[arg(long, value_name = "UNIT", value_parser = school)]
    pub(crate) to: Option<UnitCode>,
    /// To the next stage (升学) rather than to another school (转学).
    #[arg(long)]
    pub(crate) promotion: bool,
}

/// `reader transfer-in`.
#[derive(Debug, Args)]
pub(crate) struct TransferInArgs {
    #[command(flatten)]
    pub(crate) event: EventArgs,
    /// Student number (学籍号) from now on; it names the school.
    #[arg(long, value_name = "学籍号")]
    pub(crate) new_number: StudentNumber,
}

/// An extension sector.
#[derive(Debug, Args)]
pub(crate) struct SectorArgs {
    #[command(flatten)]
    pub(crate) reader: ReaderArgs,
    /// The sector, 1 to 8.
    #[arg(long, value_name = "N", value_parser = sector)]
    pub(crate) sector: ExtensionIndex,
}

/// `reader open-sector`.
#[derive(Debug, Args)]
pub(crate) struct OpenSectorArgs {
    #[command(flatten)]
    pub(crate) sector: SectorArgs,
    /// Application code (应用代码): 4 hexadecimal digits, not 0000.
    #[arg(long, value_name = "CODE", value_parser = application)]
    pub(crate) application: NonZeroU16,
    /// Owner (应用单位): 6 digits, a school, its district or the city. By default the school.
    #[arg(long, value_name = "UNIT")]
    pub(crate) owner: Option<UnitCode>,
    /// Number under which the application is filed with the city (备案号): 8 digits.
    #[arg(long, value_name = "NO", value_parser = filing)]
    pub(crate) filing: FilingNumber,
    /// Register of the filed applications, which has to have this one; see `desk register check`.
    #[arg(long, value_name = "FILE")]
    pub(crate) register: Option<PathBuf>,
}

/// `reader write-sector`.
#[derive(Debug, Args)]
pub(crate) struct WriteSectorArgs {
    #[command(flatten)]
    pub(crate) sector: SectorArgs,
    /// First byte to write, 0 to 239.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=239))]
    pub(crate) offset: u8,
    /// What to write, in hexadecimal.
    #[arg(long, value_name = "HEX", value_parser = bytes)]
    pub(crate) data: Bytes,
}

/// Bytes of the command line.
#[derive(Clone, Debug)]
pub(crate) struct Bytes(Vec<u8>);

fn bytes(text: &str) -> Result<Bytes, String> {
    hex::parse(text).map(Bytes).map_err(|error| error.to_string())
}

fn school(text: &str) -> Result<UnitCode, String> {
    let unit: UnitCode = text.parse().map_err(|error| format!("{error}"))?;
    if unit.is_school() { Ok(unit) } else { Err("is no school".to_owned()) }
}

/// An extension sector, from the command line.
pub(crate) fn sector(text: &str) -> Result<ExtensionIndex, String> {
    let index = parse_number(text).and_then(ExtensionIndex::new);
    index.ok_or_else(|| "expected 1 to 8".to_owned())
}

/// An application code, from the command line.
pub(crate) fn application(text: &str) -> Result<NonZeroU16, String> {
    let code: ApplicationCode = text.parse().map_err(|error| format!("{error}"))?;
    Ok(code.0)
}

fn filing(text: &str) -> Result<FilingNumber, String> {
    text.parse().map_err(|error| format!("{error}"))
}

impl OpenSectorArgs {
    /// Refuses an application that the register does not have.
    fn check(&self, register: &Applications, unit: UnitCode, on: Date) -> Result<(), Failure> {
        let owner = self.owner.unwrap_or(unit);
        let filed = register.application(self.filing, ApplicationCode(self.application), owner, on);
        filed.map(drop).map_err(|error| Failure::Because(Code::Findings, error.into()))
    }
}

impl LifeCommand {
    /// The register of applications it has to look into, if it is given.
    fn register(&self) -> Result<Option<(&OpenSectorArgs, Applications)>, Failure> {
        let Self::OpenSector(args) = self else { return Ok(None) };
        let register = args.register.as_deref().map(desk::register::applications).transpose()?;
        Ok(register.map(|register| (args, register)))
    }

    /// Its reader.
    pub(crate) const fn reader(&self) -> &ReaderArgs {
        match self {
            Self::Correct(args) => &args.reader,
            Self::TemporaryIssue(args) => &args.personalise.pupil.reader,
            Self::TransferOut(args) => &args.event.reader,
            Self::TransferIn(args) => &args.event.reader,
            Self::Initialise(args)
            | Self::TemporaryReturn(args)
            | Self::Freeze(args)
            | Self::Unfreeze(args)
            | Self::Cancel(args)
            | Self::Replace(args)
            | Self::Fault(args)
            | Self::Withdraw(args)
            | Self::Recall(args)
            | Self::Restock(args) => &args.reader,
            Self::OpenSector(args) => &args.sector.reader,
            Self::WriteSector(args) => &args.sector.reader,
            Self::ReclaimSector(args) | Self::ReadSector(args) => &args.reader,
        }
    }

    /// The name on the command line.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Initialise(_) => "initialise",
            Self::Correct(_) => "correct",
            Self::TemporaryIssue(_) => "temporary-issue",
            Self::TemporaryReturn(_) => "temporary-return",
            Self::Freeze(_) => "freeze",
            Self::Unfreeze(_) => "unfreeze",
            Self::Cancel(_) => "cancel",
            Self::Replace(_) => "replace",
            Self::Fault(_) => "fault",
            Self::TransferOut(_) => "transfer-out",
            Self::TransferIn(_) => "transfer-in",
            Self::Withdraw(_) => "withdraw",
            Self::Recall(_) => "recall",
            Self::Restock(_) => "restock",
            Self::OpenSector(_) => "open-sector",
            Self::ReclaimSector(_) => "reclaim-sector",
            Self::ReadSector(_) => "read-sector",
            Self::WriteSector(_) => "write-sector",
        }
    }

    /// The pupil to write, if it writes one.
    pub(crate) const fn pupil(&self) -> Option<&PupilArgs> {
        match self {
            Self::Correct(args) => Some(args),
            Self::TemporaryIssue(args) => Some(&args.personalise.pupil),
            _ => None,
        }
    }

    /// The holiday table, where working days count.
    pub(super) fn holidays(&self) -> Outcome<Holidays> {
        match self {
            Self::TemporaryIssue(args) => args.holidays.read(),
            _ => Ok(Holidays::default()),
        }
    }
}

/// A card in the reader.
type Card<'r, 'c> = StudentCard<'r, Box<dyn Sam>, &'c mut Traced<Channel>>;

impl Station<'_> {
    /// Does one operation of a card's life.
    pub(super) fn live(
        &mut self,
        command: &LifeCommand,
        (pupil, holidays): (Option<&Pupil>, &Holidays),
        out: &Output,
    ) -> Result<Code, End> {
        let register = command.register()?;
        let unit = match self.args.sam_unit {
            Some(unit) => unit,
            None => self.usual_unit(command, pupil)?,
        };
        let stamp = self.stamp;
        if let Some((args, register)) = register {
            args.check(&register, unit, stamp.date)?;
        }
        let mut reader = self.unlock(unit)?;
        let mut card = reader.connect(&mut self.channel, stamp.date)?;
        let (serial, name) = (card.issuance().card_serial, command.name());
        match (command, pupil) {
            (LifeCommand::Correct(_), Some(pupil)) => {
                let done = card.correct(pupil, stamp)?;
                out.report(&EventReport::personalised(name, serial, &done))?;
            }
            (LifeCommand::TemporaryIssue(args), Some(pupil)) => {
                if let Some(admission) = &self.admission {
                    admission.ask(pupil, card.issuance(), Some(args.lost), stamp.date)?;
                }
                let issued = args.personalise.issued;
                warn_of_years(holidays.not_covered(stamp.date, pupil.enrolment.valid_until));
                let done = card.temporary_issue(pupil, args.lost, holidays, stamp, issued)?;
                out.report(&EventReport::personalised(name, serial, &done))?;
            }
            (LifeCommand::ReadSector(args), _) => {
                let bytes = card.read_sector(args.sector)?;
                let place = (args.sector.value(), 0);
                out.report(&SectorReport::new(name, serial, place, &bytes))?;
            }
            (LifeCommand::WriteSector(args), _) => {
                let (index, Bytes(bytes)) = (args.sector.sector, &args.data);
                card.write_sector(index, args.offset, bytes)?;
                let place = (index.value(), args.offset);
                out.report(&SectorReport::new(name, serial, place, bytes))?;
            }
            _ => {
                if let Some(done) = change(&mut card, command, unit, stamp) {
                    out.report(&EventReport::changed(name, serial, &done?))?;
                }
            }
        }
        Ok(Code::AsExpected)
    }

    /// Whose operation it is, when nobody says whose.
    fn usual_unit(
        &mut self,
        command: &LifeCommand,
        pupil: Option<&Pupil>,
    ) -> Result<UnitCode, End> {
        match (command, pupil) {
            (_, Some(pupil)) => Ok(pupil.enrolment.unit),
            (LifeCommand::TransferIn(args), _) => Ok(args.new_number.unit()),
            (LifeCommand::Initialise(_), _) => Ok(UnitCode::CITY),
            // The district of the school that recalled the card.
            (LifeCommand::Restock(_), _) => {
                let recalled_by = self.contents()?.status.unit;
                Ok(match recalled_by.scope() {
                    Scope::School { district, .. } => UnitCode::district(district),
                    Scope::City | Scope::District(_) => recalled_by,
                })
            }
            // Stock is written off above the schools.
            (LifeCommand::Cancel(_), _) => Ok(self.contents()?.owner().unwrap_or(UnitCode::CITY)),
            _ => self.owner(),
        }
    }
}

/// An operation that is one event; `None` for the others.
fn change(
    card: &mut Card<'_, '_>,
    command: &LifeCommand,
    unit: UnitCode,
    stamp: Stamp,
) -> Option<Result<Change, Error>> {
    Some(match command {
        LifeCommand::TransferOut(args) => {
            card.transfer_out(args.promotion, args.to, args.event.reason, stamp)
        }
        LifeCommand::TransferIn(args) => {
            card.transfer_in(args.new_number, args.event.reason, stamp)
        }
        LifeCommand::OpenSector(args) => {
            let opening = Opening {
                index: args.sector.sector,
                application: args.application,
                owner: args.owner.unwrap_or(unit),
                filing: args.filing,
            };
            card.open_sector(opening, stamp)
        }
        LifeCommand::ReclaimSector(args) => card.reclaim_sector(args.sector, stamp),
        LifeCommand::Initialise(args) => card.initialise(args.reason, stamp),
        LifeCommand::TemporaryReturn(args) => card.temporary_return(args.reason, stamp),
        LifeCommand::Freeze(args) => card.freeze(args.reason, stamp),
        LifeCommand::Unfreeze(args) => card.unfreeze(args.reason, stamp),
        LifeCommand::Cancel(args) => card.cancel(args.reason, stamp),
        LifeCommand::Replace(args) => card.replace(args.reason, stamp),
        LifeCommand::Fault(args) => card.fault(args.reason, stamp),
        LifeCommand::Withdraw(args) => card.withdraw(args.reason, stamp),
        LifeCommand::Recall(args) => card.recall(args.reason, stamp),
        LifeCommand::Restock(args) => card.restock(args.reason, stamp),
        LifeCommand::Correct(_)
        | LifeCommand::TemporaryIssue(_)
        | LifeCommand::ReadSector(_)
        | LifeCommand::WriteSector(_) => return None,
    })
}
