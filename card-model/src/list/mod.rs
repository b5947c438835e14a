//! Loss and freeze lists (挂失、冻结名单): which cards must be refused although nothing on them says so.
//!
//! A lost card is not there to be written to, so its loss stands in a list. Schools send theirs to
//! the district, districts to the city, and readers get the list of any of the three (操作规程
//! 一/八(三)3, 二/六, 三/六, 四/六). Lists hold withdrawals (解挂, 解冻) as well, which is why they can be
//! merged in any order and any number of times ([`Entries`]). A card is listed while the entry of any
//! unit holds; no unit's statement weakens another unit's. A replaced card (补卡) stays listed for ever.
//!
//! A file of uploads ([`Uploads`](crate::desk::Uploads)) is made, merged, keyed and verified as a list
//! is: both are a [`Roll`] of [`Statement`]s.
//!
//! A [`List`] is whole; a [`Delta`] leads from one version of it to a later one. As files both carry
//! the checksum of their unit's list key ([`ListMac`]); the format is project-defined and described in
//! `docs/lists.md`. A reader keeps a [`Lookup`], which answers for every serial and is never wrong.
//!
//! ```
//! use xuejika_card_model::list::{
//!     Bearer, Edition, Entry, Kind, List, ListMac, Lookup, Moment, key_id, key_path,
//! };
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
//! assert!(lookup.listing(lost, &Bearer { generation: 0, units: &[school] }).standing.loss.is_some());
//! # Ok(())
//! # }
//! ```

mod decoder;
mod entries;
mod entry;
mod error;
mod header;
mod lookup;
mod standing;
mod statement;
mod whole;

pub use decoder::{Decoder, FileDecoder, MAC_LEN};
pub use entries::{Disagreement, Entries, NotDescended, Statements};
pub use entry::{EffectError, Entry, EntryError, Kind, Moment};
pub use error::ListError;
pub use header::{Content, Form, Header, HeaderError, ListMac, key_id, key_path};
pub use lookup::{Lookup, LookupBuilder};
pub use standing::{Bearer, Effect, Listing, Standing};
pub use statement::Statement;
pub use whole::{Delta, Edition, List, Roll};

pub(crate) use entry::{moment, put_moment};
