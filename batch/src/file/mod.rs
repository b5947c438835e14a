//! Files of a batch: the manifest beside its files of rows, in any of five forms, in whatever layout
//! a vendor uses; and one form written anew.
#![cfg_attr(
    not(all(feature = "parquet", feature = "xlsx")),
    allow(
        dead_code,
        unused_imports,
        unused_variables,
        reason = "tables come from Parquet files and workbooks alone"
    )
)]

pub mod copy;
pub(crate) mod delivery;
pub(crate) mod layout;
mod lines;
pub mod mapping;
#[cfg(feature = "parquet")]
mod parquet_file;
mod piece;
pub(crate) mod regular;
mod sink;
mod table;
mod text;
#[cfg(feature = "xlsx")]
mod xlsx;

pub use delivery::{Delivery, MANIFEST};
pub use piece::{FileEnd, digest};
