//! The data of an event, in both directions.

use alloc::vec::Vec;
use core::num::NonZeroU16;

use xuejika_keyscheme::KeyVersion;
use zeroize::Zeroizing;

use crate::card::CardError;
use crate::code::Reason;
use crate::date::{Date, Time};
use crate::ident::{StudentNumber, UnitCode};
use crate::key_load::KeyData;
use crate::lifecycle::Event;
use crate::record::{
    ExtensionIndex, FilingNumber, SchoolYear, Term, TerminalId, TransferOperation,
};

/// An event with everything it carries but a key ([`OwnerKey`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The event.
    pub event: Event,
    /// Date, from the terminal; the card has no clock.
    pub date: Date,
    /// Time of day, from the terminal.
    pub time: Time,
    /// Terminal that asks.
    pub terminal: TerminalId,
    /// Why, where there is a reason.
    pub reason: Option<Reason>,
    /// What else the event carries.
    pub body: Body,
}

/// The event's own data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    None,
    /// Of [`Event::PersonaliseCommit`]: whether the card is handed out at once.
    Commit {
        /// Handed out.
        issued: bool,
    },
    /// Of [`Event::Register`]: the term.
    Register {
        /// School year.
        school_year: SchoolYear,
        /// Term.
        term: Term,
    },
    /// Of [`Event::ExtensionOpen`]: which sector, for whom. An [`OwnerKey`] follows it.
    Open(Opening),
    /// Of [`Event::ExtensionReclaim`]: which sector.
    Reclaim(ExtensionIndex),
    /// Of [`Event::TransferOut`]: what kind of move, and where to.
    TransferOut {
        /// To the next stage (升学), rather than to another school (转学).
        promotion: bool,
        /// The new school, where it is known.
        to: Option<UnitCode>,
    },
    /// Of [`Event::TransferIn`]: the pupil's number from now on.
    TransferIn {
        /// New student number (新学籍号).
        new_number: StudentNumber,
    },
}

/// Which extension sector is opened, and for whom (操作规程 三/七).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The sector.
    pub index: ExtensionIndex,
    /// Application code (应用代码).
    pub application: NonZeroU16,
    /// Owner (应用单位): a school, a district or the city.
    pub owner: UnitCode,
    /// Filing number with the city (备案号).
    pub filing: FilingNumber,
}

impl Request {
    /// Bytes in front of the body: date (4), time (3), terminal (4), reason (1).
    pub const HEADER_LEN: usize = 12;

    /// Reads the data of an event, without a key.
    ///
    /// # Errors
    /// Returns [`CardError::EventData`] for a wrong length or an undefined value.
    pub fn parse(event: Event, data: &[u8]) -> Result<Self, CardError> {
        let wrong = CardError::EventData;
        let (&[d1, d2, d3, d4, t1, t2, t3, n1, n2, n3, n4, reason], body) =
            data.split_first_chunk::<{ Self::HEADER_LEN }>().ok_or(wrong.clone())?;
        let reason = match reason {
            0 => None,
            code => Some(Reason::from_code(code).ok_or(wrong.clone())?),
        };
        Ok(Self {
            event,
            date: Date::from_bytes([d1, d2, d3, d4]).map_err(|_| wrong.clone())?,
            time: Time::from_bytes([t1, t2, t3]).map_err(|_| wrong.clone())?,
            terminal: TerminalId([n1, n2, n3, n4]),
            reason,
            body: Body::parse(event, body).ok_or(wrong)?,
        })
    }

    /// Reads the data of an event with the key that comes with [`Event::ExtensionOpen`].
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_with_key(
        event: Event,
        data: &[u8],
    ) -> Result<(Self, Option<OwnerKey>), CardError> {
        if event != Event::ExtensionOpen {
            return Ok((Self::parse(event, data)?, None));
        }
        let (data, key) =
            data.split_last_chunk::<{ OwnerKey::LEN }>().ok_or(CardError::EventData)?;
        Ok((Self::parse(event, data)?, Some(OwnerKey::parse(key)?)))
    }

    /// The data of the event, without a key.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(Self::HEADER_LEN + 10);
        data.extend_from_slice(&self.date.bytes());
        data.extend_from_slice(&self.time.bytes());
        data.extend_from_slice(&self.terminal.0);
        data.push(self.reason.map_or(0, Reason::code));
        self.body.emit(&mut data);
        data
    }
}

impl Body {
    /// Reads the body of an event.
    fn parse(event: Event, data: &[u8]) -> Option<Self> {
        use Event as E;
        Some(match (event, data) {
            (E::PersonaliseCommit, [issued @ (0 | 1)]) => Self::Commit { issued: *issued == 1 },
            (E::Register, &[y1, y2, term]) => Self::Register {
                school_year: SchoolYear::from_bytes([y1, y2]).ok()?,
                term: Term::from_code(term)?,
            },
            (E::ExtensionOpen, &[index, a1, a2, o1, o2, o3, f1, f2, f3, f4]) => {
                Self::Open(Opening {
                    index: ExtensionIndex::new(index)?,
                    application: NonZeroU16::new(u16::from_be_bytes([a1, a2]))?,
                    owner: UnitCode::from_bytes([o1, o2, o3]).ok()?,
                    filing: FilingNumber::from_bytes([f1, f2, f3, f4]).ok()?,
                })
            }
            (E::ExtensionReclaim, &[index]) => Self::Reclaim(ExtensionIndex::new(index)?),
            (E::TransferOut, &[operation, u1, u2, u3]) => Self::TransferOut {
                promotion: match TransferOperation::from_code(operation)? {
                    TransferOperation::OutTransfer => false,
                    TransferOperation::OutPromotion => true,
                    _ => return None,
                },
                to: match [u1, u2, u3] {
                    [0, 0, 0] => None,
                    unit => Some(UnitCode::from_bytes(unit).ok().filter(UnitCode::is_school)?),
                },
            },
            (E::TransferIn, data) => Self::TransferIn {
                new_number: StudentNumber::from_bytes(data.try_into().ok()?).ok()?,
            },
            (
                E::PersonaliseCommit
                | E::Register
                | E::ExtensionOpen
                | E::ExtensionReclaim
                | E::TransferOut,
                _,
            ) => return None,
            (_, []) => Self::None,
            _ => return None,
        })
    }

    fn emit(&self, data: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Commit { issued } => data.push((*issued).into()),
            Self::Register { school_year, term } => {
                data.extend(school_year.bytes());
                data.push(term.code());
            }
            Self::Open(opening) => {
                data.push(opening.index.value());
                data.extend(opening.application.get().to_be_bytes());
                data.extend(opening.owner.bytes());
                data.extend(opening.filing.bytes());
            }
            Self::Reclaim(index) => data.push(index.value()),
            Self::TransferOut { promotion, to } => {
                data.push(out_operation(*promotion).code());
                data.extend(to.map_or([0; 3], |unit| unit.bytes()));
            }
            Self::TransferIn { new_number } => data.extend(new_number.bytes()),
        }
    }
}

/// What a transfer record calls the move.
pub(super) const fn out_operation(promotion: bool) -> TransferOperation {
    if promotion { TransferOperation::OutPromotion } else { TransferOperation::OutTransfer }
}

/// The key a sector gets when it is opened: KA of its owner for this card. Only a SAM has it.
#[derive(Debug)]
pub struct OwnerKey {
    /// Its version.
    pub version: KeyVersion,
    /// The key and its check value.
    pub data: KeyData,
}

impl OwnerKey {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 1 + KeyData::LEN;

    /// Reads version, then the key as PUT KEY has it.
    ///
    /// # Errors
    /// Returns [`CardError::EventData`] for an undefined value.
    pub fn parse(data: &[u8; Self::LEN]) -> Result<Self, CardError> {
        let [version, key @ ..] = data;
        let version = KeyVersion::new(*version).ok_or(CardError::EventData)?;
        Ok(Self { version, data: KeyData::parse(key)? })
    }

    /// Version, then the key as PUT KEY has it.
    #[must_use]
    pub fn emit(&self) -> Zeroizing<Vec<u8>> {
        let mut data = Zeroizing::new(Vec::with_capacity(Self::LEN));
        data.push(self.version.number());
        data.extend_from_slice(&*KeyData::emit(&self.data.key));
        data
    }
}
