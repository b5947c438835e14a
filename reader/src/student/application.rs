//! A student card as an application unit (学生卡应用单位) sees it: a canteen, a library, an exhibition of
//! the district.

use alloc::vec::Vec;
use core::num::NonZeroU16;

use xuejika_apdu::CardChannel;
use xuejika_card_model::date::Date;
use xuejika_card_model::file::tree::sfi;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::record::{ExtensionEntry, ExtensionIndex, Sector};
use xuejika_card_model::verdict::{Circumstances, Presented, Venue, Verdict, verdict};

use super::{CardContents, StudentCard};
use crate::error::Error;
use crate::sam::{Sam, SamError};

/// A student card that was presented to an application: what is on it, whether it has proved itself
/// under the key of the application's sector, and the sector to work in.
///
/// ```
/// use core::num::NonZeroU16;
/// use xuejika_apdu::CardChannel;
/// use xuejika_card_model::date::Date;
/// use xuejika_card_model::record::ExtensionIndex;
/// use xuejika_card_model::verdict::Verdict;
/// use xuejika_reader::{Error, StudentCard, sam::Sam};
///
/// /// Notes a meal on a pupil's card, unless the card is refused.
/// fn serve<S: Sam, C: CardChannel>(
///     card: &mut StudentCard<'_, S, C>,
///     (sector, canteen): (ExtensionIndex, NonZeroU16),
///     today: Date,
/// ) -> Result<Verdict, Error> {
///     let mut card = card.application(sector, canteen)?;
///     let verdict = card.verdict(today);
///     if let Verdict::Accept { .. } | Verdict::AcceptWithWarning { .. } = verdict {
///         let meals = card.read()?.first().copied().unwrap_or(0);
///         card.write(0, &[meals.saturating_add(1)])?;
///     }
///     Ok(verdict)
/// }
/// ```
#[derive(Debug)]
pub struct ApplicationCard<'c, 'r, S: Sam, C: CardChannel> {
    card: &'c mut StudentCard<'r, S, C>,
    contents: CardContents,
    sector: ExtensionIndex,
    application: NonZeroU16,
    /// The sector's owner, if the card has proved itself under the key that is derived for it.
    proof: Result<UnitCode, Error>,
}

impl<'r, S: Sam, C: CardChannel> StudentCard<'r, S, C> {
    /// Presents the card to the application with this code (应用代码) in this sector: reads it, and has
    /// it prove itself under the sector's key KA if its directory lends the sector to that application.
    ///
    /// # Errors
    /// Returns an [`Error`] when the card cannot be read. That the application may not use it is
    /// for [`ApplicationCard::verdict`] to say.
    pub fn application(
        &mut self,
        sector: ExtensionIndex,
        application: NonZeroU16,
    ) -> Result<ApplicationCard<'_, 'r, S, C>, Error> {
        use SamError::{NotGenuine, NotPermitted};
        let contents = self.read()?;
        let owner = owner(&contents.extensions, sector, Some(application));
        let proof = owner.and_then(|owner| self.in_sector(sector, owner, |_| Ok(owner)));
        match proof {
            Ok(_)
            | Err(
                Error::SectorNotOpen(_)
                | Error::OtherApplication { .. }
                | Error::NoSectorKey { .. }
                | Error::NoKey(_)
                | Error::NotAccepted
                | Error::Sam(NotGenuine | NotPermitted(_)),
            ) => Ok(ApplicationCard { card: self, contents, sector, application, proof }),
            Err(error) => Err(error),
        }
    }
}

impl<S: Sam, C: CardChannel> ApplicationCard<'_, '_, S, C> {
    /// What is on the card.
    #[must_use]
    pub const fn contents(&self) -> &CardContents {
        &self.contents
    }

    /// What the card is wanted for, and whether it has proved itself under the application's key.
    #[must_use]
    pub const fn venue(&self) -> Venue {
        Venue::Application {
            sector: self.sector,
            application: self.application,
            unit: self.card.desk.unit,
            key_accepted: self.proof.is_ok(),
        }
    }

    /// Decides whether the application accepts the card today, by its records and the reader's lists.
    #[must_use]
    pub fn verdict(&self, today: Date) -> Verdict {
        let lists = self.card.desk.lists.about(&self.contents);
        let at = Circumstances { today, venue: self.venue(), lists: &lists };
        verdict(&Presented::Card(self.contents.facts()), &at)
    }

    /// Reads the sector, all 240 bytes.
    ///
    /// # Errors
    /// Returns an [`Error`]: why the card has not proved itself under the application's key, or what
    /// card and reader refuse.
    pub fn read(&mut self) -> Result<Vec<u8>, Error> {
        let owner = self.proof.clone()?;
        self.card.in_sector(self.sector, owner, |session| session.read_file(sfi::ONLY))
    }

    /// Writes into the sector from `offset` on.
    ///
    /// # Errors
    /// As [`Self::read`]; [`Error::Status`] for what lies outside the sector. Each command is whole or
    /// not at all; longer data takes two.
    pub fn write(&mut self, offset: u8, bytes: &[u8]) -> Result<(), Error> {
        let owner = self.proof.clone()?;
        let offset = offset.into();
        self.card
            .in_sector(self.sector, owner, |session| session.update_file(sfi::ONLY, offset, bytes))
    }
}

/// For whom a sector is open, to this application or to any.
pub(super) fn owner(
    entries: &[ExtensionEntry],
    index: ExtensionIndex,
    application: Option<NonZeroU16>,
) -> Result<UnitCode, Error> {
    let sector = index.value();
    match entries.iter().find(|entry| entry.index == index).map(|entry| entry.sector) {
        Some(Sector::Open(grant)) if application.is_none_or(|code| code == grant.application) => {
            Ok(grant.owner)
        }
        Some(Sector::Open(grant)) => {
            Err(Error::OtherApplication { sector, application: grant.application })
        }
        _ => Err(Error::SectorNotOpen(sector)),
    }
}
