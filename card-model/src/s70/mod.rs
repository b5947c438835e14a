//! The first-generation card as a memory image: a sector card of 4 KB (MIFARE Classic, S70) with the
//! records of a processor card in sectors 28 to 39.
//!
//! Beijing's first cards were sector cards, and readers had to take both kinds; the sector map was
//! never published. This one is project-defined: it places the very records of [`crate::record`] in
//! blocks of 16 bytes, so that a pupil moves from one kind of card to the other without a change of
//! a single record. [`Contents::parse`] and [`Contents::emit`] are the two directions. An image
//! holds no keys, as a dump of a real card holds none; what lies in sectors 0 to 27, the transit
//! operator's wallet among it, is neither read nor written.
//!
//! ```
//! use xuejika_card_model::s70::{Contents, LEN};
//!
//! let errors = Contents::parse(&[0; LEN]).unwrap_err();
//! assert!(errors.iter().any(|error| error.sector == 28 && error.block == 0));
//! ```

mod error;
mod map;
mod read;
mod write;

use alloc::vec::Vec;

use crate::card::{Card, CardError};
use crate::file::tree::{SECTOR_LEN, sfi};
use crate::nvm::Nvm;
use crate::pupil::Pupil;
use crate::record::{
    ExtensionEntry, ExtensionIndex, Issuance, LogEntry, Personalisation, Profile, Registration,
    Sector, Slot, Status, Transfer,
};

pub use error::{S70Error, S70Errors, S70Problem};
pub use map::{ACCESS, BLOCK_LEN, LEN, LOGS, Place, REGISTRATIONS, SECTORS, TRANSFERS};

/// Bytes of an extension sector, as many as on a processor card.
pub const PAYLOAD_LEN: usize = SECTOR_LEN as usize;

/// What a sector card holds of a pupil.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contents {
    /// The card itself; its profile is [`Profile::S70`].
    pub issuance: Issuance,
    /// The current status.
    pub status: Status,
    /// The pupil and how the card was personalised.
    pub pupil: Option<(Pupil, Personalisation)>,
    /// Registrations, newest first, [`REGISTRATIONS`] at most.
    pub registrations: Vec<Registration>,
    /// Transfer records, newest first, [`TRANSFERS`] at most.
    pub transfers: Vec<Transfer>,
    /// The extension sectors, number 1 first.
    pub extensions: [Extension; SECTORS],
    /// Log records, newest first, [`LOGS`] at most.
    pub log: Vec<LogEntry>,
}

/// An extension sector and what is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension {
    /// To whom it is open.
    pub sector: Sector,
    /// What its application keeps in it; 00 while it is closed.
    pub payload: [u8; PAYLOAD_LEN],
}

impl Extension {
    /// A closed sector.
    pub const CLOSED: Self = Self { sector: Sector::Closed, payload: [0; PAYLOAD_LEN] };
}

/// An image that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parsed {
    /// What it holds.
    pub contents: Contents,
    /// The copy of the status record that is damaged, if one is; the other one counts.
    pub damaged_status: Option<Slot>,
}

impl Contents {
    /// Takes the records of a processor card over: the newest of each kind, as many as there is room
    /// for. Keys and wallet are not among them.
    ///
    /// # Errors
    /// Returns a [`CardError`] for a record that cannot be read, and [`CardError::Structure`] when a
    /// sector is in use that a sector card has not got.
    pub fn of<N: Nvm>(card: &Card<N>) -> Result<Self, CardError> {
        let issuance = Issuance::parse(card.file(sfi::ISSUANCE))?;
        let personalisation = card.file(sfi::PERSONALISATION);
        let pupil = if is_blank(personalisation) {
            None
        } else {
            Some((card.pupil()?, Personalisation::parse(personalisation)?))
        };
        Ok(Self {
            issuance: Issuance { profile: Profile::S70, ..issuance },
            status: card.status()?.current,
            pupil,
            registrations: newest(card, sfi::REGISTRATION, REGISTRATIONS, Registration::parse)?,
            transfers: newest(card, sfi::TRANSFER, TRANSFERS, Transfer::parse)?,
            extensions: extensions(card)?,
            log: newest(card, sfi::LOG, LOGS, LogEntry::parse)?,
        })
    }
}

fn newest<N: Nvm, T, E>(
    card: &Card<N>,
    sfi: u8,
    room: usize,
    parse: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<Vec<T>, CardError>
where
    CardError: From<E>,
{
    let file = card.education(sfi).ok_or(CardError::Structure)?;
    let records = (1..=u8::MAX).map_while(|number| card.stored_record(file, number));
    records.take(room).map(|bytes| Ok(parse(bytes)?)).collect()
}

fn extensions<N: Nvm>(card: &Card<N>) -> Result<[Extension; SECTORS], CardError> {
    let directory = card.education(sfi::DIRECTORY).ok_or(CardError::Structure)?;
    let mut extensions = [Extension::CLOSED; SECTORS];
    for index in ExtensionIndex::all() {
        let bytes = card.stored_record(directory, index.value()).ok_or(CardError::Structure)?;
        let sector = ExtensionEntry::parse(bytes)?.sector;
        match extensions.get_mut(usize::from(index.value()) - 1) {
            Some(extension) => {
                let payload = card.payload(index).ok_or(CardError::Structure)?;
                *extension = Extension { sector, payload };
            }
            None if sector == Sector::Closed => {}
            None => return Err(CardError::Structure),
        }
    }
    Ok(extensions)
}

impl<N: Nvm> Card<N> {
    fn payload(&self, index: ExtensionIndex) -> Option<[u8; PAYLOAD_LEN]> {
        let df = self.tree().dfs.iter().find(|df| df.zone() == index.zone())?;
        self.contents(df.by_sfi(sfi::ONLY)?).try_into().ok()
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
