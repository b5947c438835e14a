//! The city's registers: SAMs that were handed out with readers (操作规程 二/五), and applications
//! that were filed before a sector is opened to them (操作规程 三/七, 四/八).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU16;
use core::str::FromStr;

use super::line::{LineError, Numbered, cells, lines, repeated};
use crate::date::Date;
use crate::ident::UnitCode;
use crate::management::SamSerial;
use crate::record::FilingNumber;

/// Code of an application (应用代码): 4 hexadecimal digits, not 0000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationCode(pub NonZeroU16);

/// Why a text is no code of an application.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no application code, expected 4 hexadecimal digits, not 0000")]
pub struct ApplicationCodeError(String);

impl FromStr for ApplicationCode {
    type Err = ApplicationCodeError;

    fn from_str(text: &str) -> Result<Self, ApplicationCodeError> {
        let digits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = u16::from_str_radix(text, 16).ok().and_then(NonZeroU16::new);
        code.filter(|_| digits).map(Self).ok_or_else(|| ApplicationCodeError(text.into()))
    }
}

impl fmt::Display for ApplicationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

cells!(ApplicationCode);

lines! {
    /// An application that was filed with the city (应用备案).
    pub struct FiledApplication {
        /// Number it was filed under.
        filing: FilingNumber, "备案号";
        /// Its code.
        application: ApplicationCode, "应用代码";
        /// Unit that runs it: a school, a district or the city.
        owner: UnitCode, "应用单位";
        /// Name.
        name: String, "应用名称";
        /// Unit that filed it: a school's is filed through its district.
        filed_by: UnitCode, "备案单位";
        /// Day it was filed.
        day: Date, "备案日期";
    }
}

lines! {
    /// A reader and the SAM inside it, handed out together (读写机具注册, 操作规程 二/五).
    pub struct RegisteredSam {
        /// Number of the SAM.
        sam: SamSerial, "SAM卡号";
        /// Number of the reader, as its maker gives it.
        reader: String, "机具编号";
        /// Unit whose reader it is in.
        unit: UnitCode, "使用单位";
        /// District it was handed to; the city for a reader of its own.
        handed_to: UnitCode, "发放区县";
        /// Day it was handed out.
        day: Date, "发放日期";
        /// Day it was withdrawn; empty while it is in use.
        withdrawn: Option<Date>, "停用日期";
    }
}

/// Why a line cannot stand in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The number has a line already.
    #[error("stands in line {0} already, expected each number once")]
    Twice(u64),
    /// Filed by somebody else than the unit whose task it is.
    #[error("unit {found} does not file for unit {owner}, expected {expected}")]
    FiledBy {
        /// Unit given.
        found: UnitCode,
        /// Unit that runs the application.
        owner: UnitCode,
        /// Unit that has to file it.
        expected: UnitCode,
    },
    /// The reader has another SAM at the same time.
    #[error("has the SAM of line {0} at that time, expected one SAM in a reader")]
    InReader(u64),
    /// The SAM carries the number of another unit.
    #[error("the SAM is numbered for unit {expected}, expected that unit")]
    SamUnit {
        /// Unit in the number of the SAM.
        expected: UnitCode,
    },
    /// Handed to a district that the unit is not in.
    #[error("readers of unit {unit} go to {expected}, expected that unit")]
    HandedTo {
        /// Unit of the reader.
        unit: UnitCode,
        /// Its district, or the city.
        expected: UnitCode,
    },
    /// Withdrawn before it was handed out.
    #[error("lies before {0}, the day it was handed out")]
    Backdated(Date),
}

/// Why an application may not have a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotFiled {
    /// No application was filed under the number.
    #[error("no application is filed under {0}")]
    Unknown(FilingNumber),
    /// Filed later.
    #[error("the application {filing} was filed on {day}, not before")]
    Later {
        /// Filing number.
        filing: FilingNumber,
        /// Day it was filed.
        day: Date,
    },
    /// Filed for another unit.
    #[error("the application {filing} is filed for unit {expected}, not for {found}")]
    Owner {
        /// Filing number.
        filing: FilingNumber,
        /// Unit it is filed for.
        expected: UnitCode,
        /// Unit given.
        found: UnitCode,
    },
    /// Filed with another code.
    #[error("the application {filing} has code {expected}, not {found}")]
    Code {
        /// Filing number.
        filing: FilingNumber,
        /// Code it is filed with.
        expected: ApplicationCode,
        /// Code given.
        found: ApplicationCode,
    },
}

/// Why a SAM should not be at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRegistered {
    /// It is not in the register.
    #[error("SAM {0} is not registered")]
    Unknown(SamSerial),
    /// It was handed out later.
    #[error("SAM {sam} was handed out on {day}, not before")]
    Later {
        /// Number of the SAM.
        sam: SamSerial,
        /// Day it was handed out.
        day: Date,
    },
    /// It belongs to another unit.
    #[error("SAM {sam} belongs to unit {expected}, not to {found}")]
    Unit {
        /// Number of the SAM.
        sam: SamSerial,
        /// Unit it belongs to.
        expected: UnitCode,
        /// Unit given.
        found: UnitCode,
    },
    /// It was withdrawn.
    #[error("SAM {sam} was withdrawn on {day}")]
    Withdrawn {
        /// Number of the SAM.
        sam: SamSerial,
        /// Day it was withdrawn.
        day: Date,
    },
}

/// The applications that were filed with the city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applications(Vec<FiledApplication>);

impl Applications {
    /// Takes the lines of the register.
    ///
    /// # Errors
    /// Every line that breaks a rule.
    pub fn new(
        lines: &[Numbered<FiledApplication>],
    ) -> Result<Self, Vec<LineError<RegisterError>>> {
        let mut errors = twice(lines, "filing", |filed| filed.filing);
        for at in lines {
            let FiledApplication { owner, filed_by: found, .. } = at.value;
            let expected = desk_of(owner);
            if found != expected {
                let problem = RegisterError::FiledBy { found, owner, expected };
                errors.push(LineError::new(at, "filed_by", problem));
            }
        }
        finish(lines, errors).map(Self)
    }

    /// Returns the application of this owner with this code, if it is filed on that day.
    ///
    /// # Errors
    /// Any [`NotFiled`].
    pub fn application(
        &self,
        filing: FilingNumber,
        application: ApplicationCode,
        owner: UnitCode,
        on: Date,
    ) -> Result<&FiledApplication, NotFiled> {
        let filed = self.0.iter().find(|filed| filed.filing == filing);
        let filed = filed.ok_or(NotFiled::Unknown(filing))?;
        if on < filed.day {
            return Err(NotFiled::Later { filing, day: filed.day });
        }
        if filed.owner != owner {
            return Err(NotFiled::Owner { filing, expected: filed.owner, found: owner });
        }
        if filed.application != application {
            let expected = filed.application;
            return Err(NotFiled::Code { filing, expected, found: application });
        }
        Ok(filed)
    }
}

/// The SAMs that were handed out with readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sams(Vec<RegisteredSam>);

impl Sams {
    /// Takes the lines of the register.
    ///
    /// # Errors
    /// Every line that breaks a rule.
    pub fn new(lines: &[Numbered<RegisteredSam>]) -> Result<Self, Vec<LineError<RegisterError>>> {
        let mut errors = twice(lines, "sam", |registered| registered.sam);
        for at in lines {
            let RegisteredSam { sam, unit, handed_to, day, withdrawn, .. } = at.value;
            if sam.unit != unit {
                let problem = RegisterError::SamUnit { expected: sam.unit };
                errors.push(LineError::new(at, "unit", problem));
            }
            let expected = desk_of(unit);
            if handed_to != expected {
                let problem = RegisterError::HandedTo { unit, expected };
                errors.push(LineError::new(at, "handed_to", problem));
            }
            if withdrawn.is_some_and(|withdrawn| withdrawn < day) {
                errors.push(LineError::new(at, "withdrawn", RegisterError::Backdated(day)));
            }
        }
        errors.extend(at_once(lines));
        finish(lines, errors).map(Self)
    }

    /// Returns the SAM, if it is in use at this unit on that day; any unit when none is given.
    ///
    /// # Errors
    /// Any [`NotRegistered`].
    pub fn sam(
        &self,
        sam: SamSerial,
        unit: Option<UnitCode>,
        on: Date,
    ) -> Result<&RegisteredSam, NotRegistered> {
        let registered = self.0.iter().find(|registered| registered.sam == sam);
        let registered = registered.ok_or(NotRegistered::Unknown(sam))?;
        if on < registered.day {
            return Err(NotRegistered::Later { sam, day: registered.day });
        }
        if let Some(found) = unit.filter(|unit| *unit != registered.unit) {
            return Err(NotRegistered::Unit { sam, expected: registered.unit, found });
        }
        match registered.withdrawn.filter(|day| *day <= on) {
            Some(day) => Err(NotRegistered::Withdrawn { sam, day }),
            None => Ok(registered),
        }
    }
}

/// The unit that deals with the city for this one: the district of a school, otherwise itself.
fn desk_of(unit: UnitCode) -> UnitCode {
    if unit.is_school() { unit.above().unwrap_or(unit) } else { unit }
}

/// Readers that have two SAMs at once: a reader gets another when the one before is withdrawn.
fn at_once(
    lines: &[Numbered<RegisteredSam>],
) -> impl Iterator<Item = LineError<RegisterError>> + '_ {
    let mut ordered: Vec<_> = lines.iter().collect();
    ordered.sort_by(|a, b| (&a.value.reader, a.value.day).cmp(&(&b.value.reader, b.value.day)));
    let overlap = |pair: &[&Numbered<RegisteredSam>]| {
        let [first, second] = pair else { return None };
        let ended = first.value.withdrawn.is_some_and(|day| day <= second.value.day);
        let same = first.value.reader == second.value.reader;
        let problem = RegisterError::InReader(first.line);
        (same && !ended).then(|| LineError::new(second, "reader", problem))
    };
    let found: Vec<_> = ordered.windows(2).filter_map(overlap).collect();
    found.into_iter()
}

fn twice<'a, T, K: Ord>(
    lines: &'a [Numbered<T>],
    field: &'static str,
    key: impl Fn(&'a T) -> K,
) -> Vec<LineError<RegisterError>> {
    let repeated = repeated(lines, key);
    repeated.map(|(at, line)| LineError::new(at, field, RegisterError::Twice(line))).collect()
}

fn finish<T: Clone>(
    lines: &[Numbered<T>],
    errors: Vec<LineError<RegisterError>>,
) -> Result<Vec<T>, Vec<LineError<RegisterError>>> {
    match errors.is_empty() {
        true => Ok(lines.iter().map(|at| at.value.clone()).collect()),
        false => Err(errors),
    }
}
