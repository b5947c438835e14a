//! Fuzz targets as plain functions from bytes: libFuzzer calls them, and so do ordinary tests with
//! every file of `corpus/` and `regressions/`.
#![forbid(unsafe_code)]

mod mapping;
mod targets;

pub use mapping::mapping;
pub use targets::*;
