//! Files of a batch: the manifest beside its files of rows, in any of five forms, in whatever layout
//! a vendor uses; and one form written anew.

pub mod copy;
pub(crate) mod delivery;
pub(crate) mod layout;
mod lines;
pub mod mapping;
#[cfg(feature = "parquet")]
mod parquet_file;
mod piece;
pub(crate) mod regular;
#[cfg_attr(
    not(any(feature = "parquet", feature = "xlsx")),
    allow(dead_code, reason = "only those forms of files come as tables")
)]
mod sink;
#[cfg_attr(
    not(any(feature = "parquet", feature = "xlsx")),
    allow(dead_code, reason = "only those forms of files come as tables")
)]
mod table;
mod text;
#[cfg(feature = "xlsx")]
mod xlsx;

pub use delivery::{Delivery, MANIFEST};
pub use piece::{FileEnd, digest};
