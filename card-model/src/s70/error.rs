//! What is wrong with an image, by sector, block and field.

use alloc::vec::{self, Vec};
use core::fmt;

use super::map::{LEN, Place};
use crate::record::{FieldError, FieldErrors, Profile};

/// What is wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sector {sector} block {block}: {problem}")]
pub struct S70Error {
    /// The sector, from 0.
    pub sector: u8,
    /// The block in it, from 0.
    pub block: u8,
    /// What is wrong.
    pub problem: S70Problem,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum S70Problem {
    /// The image has another size.
    #[error("the image has {0} bytes, expected {LEN}")]
    Length(usize),
    /// A field of a record breaks a rule.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The issuance record is that of a processor card.
    #[error("the issuance record says {0}, expected s70")]
    Profile(Profile),
    /// A block that is reserved or unused is not empty.
    #[error("the block is not in use and not 00")]
    NotEmpty,
    /// The block that tells where the newest records are is damaged.
    #[error("the ring positions are damaged")]
    Rings,
    /// An entry of the extension directory names another sector.
    #[error("the directory entry is that of sector {0}")]
    OtherEntry(u8),
    /// A card in use without a pupil.
    #[error("the card is active and holds no pupil")]
    NoPupil,
    /// The access bits are not those of the map; on a card, wrong ones lock the sector for good.
    #[error("the access bits are {0:02X?}, not those of the map")]
    Access([u8; 4]),
    /// An image never holds keys.
    #[error("key {0} is in the image; an image holds none (00 or FF)")]
    Key(char),
    /// More records than there is room for.
    #[error("{found} records, room for {room}")]
    TooMany {
        /// Records given.
        found: usize,
        /// Records there is room for.
        room: usize,
    },
}

/// Everything found, at least one.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct S70Errors(Vec<S70Error>);

impl S70Errors {
    /// Returns the errors in order.
    pub fn iter(&self) -> core::slice::Iter<'_, S70Error> {
        self.0.iter()
    }

    pub(super) fn push(&mut self, place: Place, problem: S70Problem) {
        let Place { sector, block } = place;
        self.0.push(S70Error { sector, block, problem });
    }

    /// Takes the value, or places each error of a record that starts at `place`.
    pub(super) fn note<T>(&mut self, place: Place, result: Result<T, FieldErrors>) -> Option<T> {
        result.map_err(|errors| self.add(&errors, |_| place)).ok()
    }

    /// Places errors of records by field; `start` tells where the record of a field starts.
    pub(super) fn add(&mut self, errors: &FieldErrors, start: impl Fn(&FieldError) -> Place) {
        for error in errors {
            self.push(start(error).behind(error.field.start), error.clone().into());
        }
    }

    pub(super) fn into_result<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl fmt::Display for S70Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl core::error::Error for S70Errors {}

impl<'a> IntoIterator for &'a S70Errors {
    type Item = &'a S70Error;
    type IntoIter = core::slice::Iter<'a, S70Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for S70Errors {
    type Item = S70Error;
    type IntoIter = vec::IntoIter<S70Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
