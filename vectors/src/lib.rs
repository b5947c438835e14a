#![forbid(unsafe_code)]
//! Test vectors for the cryptography of the student-record card (学籍卡), and their verifier.
//!
//! Two kinds of values live here and are never mixed up: values a third party **published** (NIST,
//! GB/T, ICAO, GlobalPlatform, NXP, recorded transcripts of real cards) and values this **project**
//! defines, which freeze its own byte layouts. Every entry knows its [`Origin`], every file its
//! source.
//!
//! - [`bundled`] yields the files compiled into this crate; [`VectorFile::parse`] reads the text of
//!   any other file of the same schema (`schema/vectors.schema.json`).
//! - [`verify()`](verify::verify) runs the project's own crates against a file. An entry marked
//!   invalid must be refused; an entry nobody implements is counted as not supported, never passed
//!   over.
//!
//! The loader uses nothing of the other crates, so that a foreign implementation can be tested with
//! the same data.

pub mod conformance;
mod file;
mod vector;
pub mod verify;
mod waiting;

pub use file::{FileError, VectorFile};
pub use vector::{FieldError, Fields, Origin, Vector};
pub use verify::verify;

macro_rules! bundle {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../data/", $name, ".json")))),*]
    };
}

/// Name and text of every bundled file, by topic.
const BUNDLE: &[(&str, &str)] = bundle![
    "aes_ecb_cbc",
    "aes_cmac",
    "aes_cmac_wycheproof",
    "sm4_sm3",
    "sm4_mac",
    "des_tdes_ecb_cbc",
    "iso9797_des_mac",
    "tdes_cmac",
    "kbkdf_ctr_cmac",
    "an10922_diversification",
    "scp03",
    "aes_sm_iso7816",
    "icao_bac_3des_sm",
    "kcv",
    "key_components",
    "tr31_keyblocks",
    "pboc",
    "pboc_wallet_auth",
    "pboc_derived",
    "project_keyscheme_reference",
];

/// The vector files compiled into this crate, loaded one after the other.
///
/// The data of every entry is checked only when it is used; `tests/lint.rs` checks all of it.
pub fn bundled() -> impl Iterator<Item = VectorFile> {
    BUNDLE.iter().filter_map(|(name, text)| VectorFile::parse(name, text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `bundled` drops nothing, and no data file is left out of the bundle.
    #[test]
    fn every_data_file_is_bundled() {
        let mut bundled: Vec<String> = bundled().map(|file| file.name).collect();
        let mut on_disk: Vec<String> =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/data"))
                .unwrap()
                .map(|entry| {
                    entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()
                })
                .collect();
        bundled.sort();
        on_disk.sort();
        assert_eq!(bundled, on_disk);
    }
}
