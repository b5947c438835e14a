//! The header of a key block: sixteen characters and the optional blocks (ANSI X9.143:2021 §6.2,
//! table 1).
//!
//! | Characters | Field |
//! |---|---|
//! | 1 | version |
//! | 4 | length of the whole block, decimal |
//! | 2 | usage |
//! | 1 | algorithm |
//! | 1 | mode of use |
//! | 2 | key version |
//! | 1 | exportability |
//! | 2 | number of optional blocks, decimal |
//! | 1 | key context |
//! | 1 | reserved, 0 |

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::error::{Field, FormatError};
use super::field::{
    BlockVersion, Exportability, KeyAlgorithm, KeyContext, ModeOfUse, Usage, VersionNumber,
};
use super::optional::{CheckValue, Derivation, OptionalBlock, OptionalBlocks};
use super::text::{Scanner, number};

/// Length without optional blocks, in characters.
const LEN: usize = 16;
/// The largest length that four decimal digits can state.
pub(super) const MAX_BLOCK_LEN: usize = 9999;
/// The largest number that two decimal digits can state.
const MAX_OPTIONAL_COUNT: usize = 99;

/// What a key block says about its key.
///
/// Version and length of the block and the optional blocks KC, KP and PB are not part of it: the
/// writer fills them in and the reader checks them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the key is for.
    pub usage: Usage,
    /// Algorithm the key is for.
    pub algorithm: KeyAlgorithm,
    /// Operations the key may perform.
    pub mode: ModeOfUse,
    /// Version of the key.
    pub number: VersionNumber,
    /// Whether the receiver may pass the key on.
    pub exportability: Exportability,
    /// Storage or exchange.
    pub context: KeyContext,
    /// Derivations allowed to a derivation key (optional block DA); empty when none are listed.
    pub derivations: Vec<Derivation>,
    /// All other optional blocks, in their order.
    pub optional: Vec<OptionalBlock>,
}

impl Header {
    /// A header for a key that is not to be passed on, without version and optional blocks.
    #[must_use]
    pub const fn new(usage: Usage, algorithm: KeyAlgorithm, mode: ModeOfUse) -> Self {
        Self {
            usage,
            algorithm,
            mode,
            number: VersionNumber::UNUSED,
            exportability: Exportability::NonExportable,
            context: KeyContext::Any,
            derivations: Vec::new(),
            optional: Vec::new(),
        }
    }
}

/// A header with all that belongs to the block around the key.
pub(super) struct BlockHeader {
    pub(super) version: BlockVersion,
    pub(super) header: Header,
    /// Optional block KC.
    pub(super) key: Option<CheckValue>,
    /// Optional block KP.
    pub(super) protection: Option<CheckValue>,
}

impl BlockHeader {
    /// Reads the header at the start of the block `text`.
    pub(super) fn parse(scan: &mut Scanner<'_>, text: &str) -> Result<Self, FormatError> {
        let version = BlockVersion::from_code(scan.take(1, Field::Version)?)?;
        let stated = decimal(scan.take(4, Field::Length)?, Field::Length)?;
        if stated != text.len() {
            return Err(FormatError::Length { stated, actual: text.len() });
        }
        let usage = Usage::from_code(scan.take(2, Field::Usage)?)?;
        let algorithm = KeyAlgorithm::from_code(scan.take(1, Field::Algorithm)?)?;
        let mode = ModeOfUse::from_code(scan.take(1, Field::Mode)?)?;
        let number = VersionNumber::new(scan.take(2, Field::VersionNumber)?)?;
        let exportability = Exportability::from_code(scan.take(1, Field::Exportability)?)?;
        let count = decimal(scan.take(2, Field::OptionalCount)?, Field::OptionalCount)?;
        let context = KeyContext::from_code(scan.take(1, Field::Context)?)?;
        match scan.take(1, Field::Reserved)? {
            "0" => {}
            other => return Err(unknown(Field::Reserved, other)),
        }
        let OptionalBlocks { key, protection, derivations, others: optional } =
            OptionalBlocks::parse(scan, count, version.block_len())?;
        let header = Header {
            usage,
            algorithm,
            mode,
            number,
            exportability,
            context,
            derivations,
            optional,
        };
        Ok(Self { version, header, key, protection })
    }

    /// Writes the header of a block in which `rest` characters follow; says how long the block is.
    pub(super) fn emit(self, rest: usize) -> Result<(String, usize), FormatError> {
        let Self { version, header, key, protection } = self;
        let Header { usage, algorithm, mode, number, exportability, context, .. } = header;
        let blocks = OptionalBlocks {
            key,
            protection,
            derivations: header.derivations,
            others: header.optional,
        };
        let (count, optional) = blocks.emit(version.block_len())?;
        if count > MAX_OPTIONAL_COUNT {
            return Err(unknown(Field::OptionalCount, &count.to_string()));
        }
        let length = LEN + optional.len() + rest;
        let text = format!(
            "{version}{length:04}{usage}{algorithm}{mode}{number}{exportability}{count:02}{context}0{optional}"
        );
        Ok((text, length))
    }
}

impl BlockVersion {
    /// Block length of the cipher that protects the key block, in bytes.
    pub(super) const fn block_len(self) -> usize {
        match self {
            Self::A | Self::B | Self::C => 8,
            Self::D => 16,
        }
    }

    /// Length of the MAC, in bytes.
    pub(super) const fn mac_len(self) -> usize {
        match self {
            Self::A | Self::C => 4,
            Self::B => 8,
            Self::D => 16,
        }
    }
}

fn decimal(text: &str, field: Field) -> Result<usize, FormatError> {
    number(text, 10).ok_or_else(|| unknown(field, text))
}

fn unknown(field: Field, value: &str) -> FormatError {
    FormatError::Unknown { field, value: value.to_string() }
}
