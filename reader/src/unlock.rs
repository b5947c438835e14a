//! A reader is locked after every start. Only a management card unlocks it, and only an unlocked
//! reader is a value that can talk to student cards (操作规程 一/四).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use xuejika_apdu::{CardChannel, Response};
use xuejika_card_model::date::Date;
use xuejika_card_model::file::tree::{MANAGEMENT_NAME, sfi};
use xuejika_card_model::list::{ListError, Lookup};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{KeyNumber, Zone};

use crate::error::Error;
use crate::lists::Lists;
use crate::sam::{Grant, Sam};
use crate::session::{Application, read_binary};
use crate::student::{Desk, StudentCard};

/// A reader after its start: it can do one thing, be unlocked.
#[derive(Debug)]
#[must_use]
pub struct Locked<S: Sam> {
    sam: S,
    lists: Lists,
}

/// An unlocked reader (读写器). Losing it, or [`Self::lock`], is the way back.
#[derive(Debug)]
#[must_use]
pub struct Reader<S: Sam> {
    sam: S,
    lists: Lists,
    grant: Grant,
    last_seen: Date,
    idle: Option<Idle>,
}

/// When a reader was used last, on the clock its caller tells.
#[derive(Debug)]
struct Idle {
    limit: Duration,
    now: Duration,
    since: Duration,
}

/// A reader that stayed locked, and why.
#[derive(Debug, thiserror::Error)]
#[error("the reader stays locked: {error}")]
pub struct StillLocked<S: Sam> {
    /// The reader, to try again with.
    pub reader: Locked<S>,
    /// Why.
    pub error: Error,
}

impl<S: Sam> Locked<S> {
    /// A reader around its SAM, locked.
    pub fn new(mut sam: S) -> Self {
        sam.lock();
        Self { sam, lists: Lists::default() }
    }

    /// The reader with these lists in the place of its own.
    pub fn with_lists(self, lists: Lists) -> Self {
        Self { lists, ..self }
    }

    /// Takes a loss and freeze list; it stays when the reader is unlocked, and locked again.
    ///
    /// # Errors
    /// As [`Lists::take`].
    pub fn take_list(&mut self, list: impl Into<Arc<Lookup>>) -> Result<(), ListError> {
        self.lists.take(list)
    }

    /// The lists it holds.
    #[must_use]
    pub const fn lists(&self) -> &Lists {
        &self.lists
    }

    /// Presents a management card (管理卡). `today` is the reader's date.
    ///
    /// # Errors
    /// Returns the still locked reader with the reason: no management card, one that is not genuine,
    /// of another unit, or past its validity.
    pub fn unlock<C: CardChannel + ?Sized>(
        mut self,
        management: &mut C,
        today: Date,
    ) -> Result<Reader<S>, StillLocked<S>> {
        match present(&mut self.sam, management, today) {
            Ok(grant) => {
                let Self { sam, lists } = self;
                Ok(Reader { sam, lists, grant, last_seen: today, idle: None })
            }
            Err(error) => {
                self.sam.lock();
                Err(StillLocked { reader: self, error })
            }
        }
    }
}

fn present<S: Sam, C: CardChannel + ?Sized>(
    sam: &mut S,
    channel: &mut C,
    today: Date,
) -> Result<Grant, Error> {
    let application =
        Application::select(channel, "management application", &MANAGEMENT_NAME, Zone::MANAGEMENT)?;
    let mut session = application.authenticate(sam, channel, KeyNumber::MANAGEMENT, Path::City)?;
    let mut data = Vec::new();
    let status = session.send(&read_binary(sfi::ONLY), &mut data)?;
    Ok(session.sam().unlock(&Response { data: &data, status }, today)?)
}

impl<S: Sam> Reader<S> {
    /// What the management card granted.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Takes a loss and freeze list (挂失、冻结名单), or a newer version of one. From then on what would
    /// put a listed card to use, or keep it there, is refused, and every operation notes what the lists
    /// say ([`Change::notes`](crate::Change)). A reader without lists asks none.
    ///
    /// The list is shared, not copied: give several readers clones of one [`Arc`].
    ///
    /// # Errors
    /// As [`Lists::take`].
    pub fn take_list(&mut self, list: impl Into<Arc<Lookup>>) -> Result<(), ListError> {
        self.lists.take(list)
    }

    /// The reader with these lists in the place of its own.
    pub fn with_lists(self, lists: Lists) -> Self {
        Self { lists, ..self }
    }

    /// The lists it holds.
    #[must_use]
    pub const fn lists(&self) -> &Lists {
        &self.lists
    }

    /// Takes a student card into the reader's field. `today` is the reader's date.
    ///
    /// # Errors
    /// Returns an [`Error`] when the grant has ended, the clock went back, or the card is no student
    /// card of this profile.
    pub fn connect<C: CardChannel>(
        &mut self,
        channel: C,
        today: Date,
    ) -> Result<StudentCard<'_, S, C>, Error> {
        if today < self.last_seen {
            return Err(Error::ClockWentBack { today, last_seen: self.last_seen });
        }
        self.last_seen = today;
        if today > self.grant.valid_until {
            self.sam.lock();
            return Err(Error::GrantEnded(self.grant.valid_until));
        }
        self.sam.set_date(today)?;
        if let Some(idle) = &mut self.idle {
            idle.since = idle.now;
        }
        let desk = Desk { unit: self.grant.unit, today, lists: &self.lists };
        StudentCard::connect(&mut self.sam, desk, channel)
    }

    /// Makes the reader lock itself when it takes no card for this long. `now` is the time since any
    /// moment that stays the same, by a clock that does not go back; [`Self::tick`] goes on with it.
    pub const fn lock_when_idle(&mut self, limit: Duration, now: Duration) {
        self.idle = Some(Idle { limit, now, since: now });
    }

    /// Tells the time, see [`Self::lock_when_idle`].
    ///
    /// # Errors
    /// Returns [`Error::Idle`] when the reader has locked itself for having been idle too long; what
    /// is asked of it from then on is refused.
    pub fn tick(&mut self, now: Duration) -> Result<(), Error> {
        let Some(idle) = &mut self.idle else { return Ok(()) };
        idle.now = idle.now.max(now);
        if idle.now - idle.since < idle.limit {
            return Ok(());
        }
        self.sam.lock();
        Err(Error::Idle(idle.limit))
    }

    /// When it took a card last or was unlocked, on the clock of [`Self::tick`]; `None` without a
    /// limit.
    #[must_use]
    pub fn idle_since(&self) -> Option<Duration> {
        self.idle.as_ref().map(|idle| idle.since)
    }

    /// Locks the reader again.
    pub fn lock(self) -> Locked<S> {
        Locked { lists: self.lists, ..Locked::new(self.sam) }
    }
}
