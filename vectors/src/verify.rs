//! Runs the project's own crates against vector files.
//!
//! Invariant: every entry of a file gives exactly one [`Outcome`]. An entry that nothing here can
//! run is [`Outcome::NotSupported`] with its reason; only an entry whose every checked value came
//! out of the code under test is [`Outcome::Passed`].

#[macro_use]
mod cipher;

mod block;
mod cmac;
mod components;
mod diversify;
mod icao;
mod iso9797;
mod kcv;
mod kdf;
mod keyblock;
mod outcome;
mod pboc;
mod report;
mod scheme;
mod scp03;
mod sm;

pub use outcome::Outcome;
pub use report::{Checked, Counts, Report, TopicReport};

use crate::file::VectorFile;
use crate::vector::Fields;
use outcome::{Check, Problem};

/// Runs every entry of `file`.
#[must_use]
pub fn verify(file: &VectorFile) -> Report {
    let topic = Topic::of(file);
    let checked = file.vectors.iter().map(|vector| Checked {
        id: vector.id.clone(),
        origin: vector.origin,
        outcome: Outcome::new(vector.valid, topic.check(&vector.fields())),
    });
    TopicReport { name: file.name.clone(), checked: checked.collect() }.into()
}

/// What a file is about. Each topic has one check, which takes one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Block,
    Cmac,
    Kdf,
    Diversification,
    Scp03,
    SecureMessaging,
    CheckValues,
    Scheme,
    BlockMac,
    Purse,
    KeyBlocks,
    Components,
    Unsupported(&'static str),
}

impl Topic {
    /// Start of the topic line, start of the file name, and the topic. A topic line that is known
    /// outweighs the name.
    const TABLE: [(&'static str, &'static str, Self); 17] = [
        ("AES-128/192/256 block", "aes_ecb_cbc", Self::Block),
        ("SM4 block", "sm4_sm3", Self::Block),
        ("DES,", "des_tdes", Self::Block),
        ("AES-CMAC", "aes_cmac", Self::Cmac),
        ("SM4-based MACs", "sm4_mac", Self::BlockMac),
        ("TDES-CMAC", "tdes_cmac", Self::Cmac),
        ("SP 800-108", "kbkdf", Self::Kdf),
        ("NXP AN10922", "an10922", Self::Diversification),
        ("GlobalPlatform SCP03", "scp03", Self::Scp03),
        ("ISO/IEC 7816-4 secure messaging with AES", "aes_sm", Self::SecureMessaging),
        ("Key check values", "kcv", Self::CheckValues),
        ("Reference transcripts", "project_keyscheme", Self::Scheme),
        ("ISO/IEC 9797-1", "iso9797", Self::BlockMac),
        ("ICAO 9303-11 BAC", "icao_bac", Self::SecureMessaging),
        ("ANSI X9.143", "tr31", Self::KeyBlocks),
        ("XOR key components", "key_components", Self::Components),
        ("PBOC", "pboc", Self::Purse),
    ];

    fn of(file: &VectorFile) -> Self {
        let by_topic = Self::TABLE.iter().find(|(topic, ..)| file.topic.starts_with(topic));
        let by_name = || Self::TABLE.iter().find(|(_, name, _)| file.name.starts_with(name));
        by_topic.or_else(by_name).map_or(Self::Unsupported("topic unknown"), |(.., topic)| *topic)
    }

    fn check(self, entry: &Fields<'_>) -> Check {
        match self {
            Self::Block => block::check(entry),
            Self::Cmac => cmac::check(entry),
            Self::Kdf => kdf::check(entry),
            Self::Diversification => diversify::check(entry),
            Self::Scp03 => scp03::check(entry),
            Self::SecureMessaging => sm::check(entry),
            Self::CheckValues => kcv::check(entry),
            Self::Scheme => scheme::check(entry),
            Self::BlockMac => iso9797::check(entry),
            Self::Purse => pboc::check(entry),
            Self::KeyBlocks => keyblock::check(entry),
            Self::Components => components::check(entry),
            Self::Unsupported(what) => Err(Problem::NotSupported(what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every bundled file is found by its topic line alone and by its name alone, with one result.
    #[test]
    fn topic_line_and_file_name_agree() {
        for file in crate::bundled() {
            let by_both = Topic::of(&file);
            assert_ne!(by_both, Topic::Unsupported("topic unknown"), "{}", file.name);
            let named = VectorFile { topic: String::new(), ..file.clone() };
            assert_eq!(Topic::of(&named), by_both, "{} by name", file.name);
            let titled = VectorFile { name: "renamed".into(), ..file };
            assert_eq!(Topic::of(&titled), by_both, "{} by topic", titled.topic);
        }
    }
}
