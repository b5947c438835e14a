//! Loss and freeze lists (挂失、冻结名单): which cards must be refused although nothing on them says so.
//!
//! A lost card is not there to be written to, so its loss stands in a list. Schools send theirs to
//! the district, districts to the city, and readers get the list of any of the three (操作规程
//! 一/八(三)3, 二/六, 三/六, 四/六). Lists hold withdrawals (解挂, 解冻) as well, which is why they can be
//! merged in any order and any number of times: of two statements about one card the later one holds
//! ([`Entries`]). A replaced card (补卡) stays listed for ever.
//!
//! A [`List`] is whole; a [`Delta`] leads from one version of it to a later one. As files both carry
//! the checksum of their unit's list key ([`ListMac`]); the format is project-defined and described in
//! `docs/lists.md`. A reader keeps a [`Lookup`], which answers for every serial and is never wrong.
//!
//! ```
//! use xuejika_card_model::list::{Edition, Entry, Kind, List, ListMac, Lookup, Moment, key_id, key_path};
//! use xuejika_keyscheme::{Algorithm, KeyVersion, provider::{KeyProvider, TestRoots}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let school = "084012".parse()?;
//! let at = |date: &str| -> Result<Moment, Box<dyn std::error::Error>> {
//!     Ok(Moment { date: date.parse()?, time: "09:30:00".parse()? })
//! };
//! let lost = "1100260100000014".parse()?;
//! let entry = Entry::new(lost, Kind::Loss, school, at("2026-09-01")?, "2026-09-03".parse()?, None)?;
//! let list = List::new(Edition { scope: school, version: 1, issued: at("2026-09-02")? }, [entry])?;
//!
//! let id = key_id(KeyVersion::FIRST, Algorithm::Aes128);
//! let mac = ListMac::new(&TestRoots.list_key(&id, key_path(school))?, id);
//! let file = list.emit(&mac);
//! let lookup = Lookup::parse(&file, &mac)?;
//! assert!(lookup.listing(lost).standing.loss.is_some());
//! # Ok(())
//! # }
//! ```

mod decoder;
mod entries;
mod entry;
mod error;
mod header;
mod lookup;
mod whole;

pub use decoder::{Decoder, MAC_LEN};
pub use entries::{Entries, NotDescended};
pub use entry::{Entry, EntryError, Kind, Moment};
pub use error::ListError;
pub use header::{Form, Header, HeaderError, ListMac, key_id, key_path};
pub use lookup::{Lookup, LookupBuilder};
pub use whole::{Delta, Edition, List};

use crate::calendar::LIST_DAYS;
use crate::date::Date;

/// What a list says about one card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Standing {
    /// Reported lost (挂失).
    pub loss: Option<Effect>,
    /// Frozen (冻结).
    pub freeze: Option<Effect>,
    /// Replaced by another card (已补卡).
    pub replaced: Option<Effect>,
}

/// Since when an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// On the day the list was issued, and from then on.
    InForce,
    /// From this day, after the list was issued.
    From(Date),
}

/// What a list says about one card, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Day the list was issued.
    pub issued: Date,
    /// What it says.
    pub standing: Standing,
}

impl Listing {
    /// Returns how many days old the list is; negative for a list issued after `today`.
    #[must_use]
    pub fn age(&self, today: Date) -> i32 {
        self.issued.days_until(today)
    }

    /// Tells whether a newer list should be there: lists are sent every day (操作规程 二/六).
    #[must_use]
    pub fn is_stale(&self, today: Date) -> bool {
        self.age(today) > LIST_DAYS
    }
}

impl Standing {
    /// Takes up one entry of a list issued on `issued`; a withdrawn one says nothing.
    pub(crate) fn add(&mut self, entry: &Entry, issued: Date) {
        if entry.withdrawn().is_some() {
            return;
        }
        let effect = if entry.effective() <= issued {
            Effect::InForce
        } else {
            Effect::From(entry.effective())
        };
        *match entry.kind() {
            Kind::Loss => &mut self.loss,
            Kind::Freeze => &mut self.freeze,
            Kind::Replaced => &mut self.replaced,
        } = Some(effect);
    }
}

impl Effect {
    /// Tells whether the entry holds on a day.
    #[must_use]
    pub fn holds(self, today: Date) -> bool {
        match self {
            Self::InForce => true,
            Self::From(day) => day <= today,
        }
    }
}
