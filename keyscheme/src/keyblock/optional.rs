//! Optional blocks of a key block header (ANSI X9.143:2021 §6.3.6).
//!
//! Each is an identifier of two characters, a length and data. KC, KP, DA and PB are understood;
//! all others are kept as they are.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

use cipher::{Block, BlockCipherEncrypt};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::error::{Field, FormatError};
use super::field::{Exportability, KeyAlgorithm, ModeOfUse, Usage};
use super::material::KeyMaterial;
use super::text::{Scanner, from_hex, number, push_hex};
use crate::cmac::Cmac;

/// Check value of the key.
pub(super) const KC: &str = "KC";
/// Check value of the protection key.
pub(super) const KP: &str = "KP";
/// Derivations allowed.
const DA: &str = "DA";
/// Padding.
const PB: &str = "PB";

/// An optional block that is kept without being understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionalBlock {
    /// Identifier: two ASCII letters or digits.
    pub id: String,
    /// Printable ASCII.
    pub data: String,
}

/// One derivation that a derivation key is allowed (optional block DA, §6.3.6.4): the header fields
/// of the derived key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// Usage of the derived key.
    pub usage: Usage,
    /// Algorithm of the derived key.
    pub algorithm: KeyAlgorithm,
    /// Mode of use of the derived key.
    pub mode: ModeOfUse,
    /// Exportability of the derived key.
    pub exportability: Exportability,
}

impl Derivation {
    /// Characters per entry.
    const LEN: usize = 5;
    /// Layout version in front of the entries.
    const VERSION: &str = "01";

    fn parse(text: &str) -> Result<Self, FormatError> {
        let mut scan = Scanner::new(text);
        Ok(Self {
            usage: Usage::from_code(scan.take(2, Field::Usage)?)?,
            algorithm: KeyAlgorithm::from_code(scan.take(1, Field::Algorithm)?)?,
            mode: ModeOfUse::from_code(scan.take(1, Field::Mode)?)?,
            exportability: Exportability::from_code(scan.take(1, Field::Exportability)?)?,
        })
    }

    fn emit(&self) -> String {
        [self.usage.code(), self.algorithm.code(), self.mode.code(), self.exportability.code()]
            .concat()
    }
}

/// The optional blocks of one header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OptionalBlocks {
    /// KC.
    pub(super) key: Option<CheckValue>,
    /// KP.
    pub(super) protection: Option<CheckValue>,
    /// DA, empty when it is missing.
    pub(super) derivations: Vec<Derivation>,
    /// The others.
    pub(super) others: Vec<OptionalBlock>,
}

impl OptionalBlocks {
    /// Reads `count` blocks that have to fill whole cipher blocks of `align` bytes.
    pub(super) fn parse(
        scan: &mut Scanner<'_>,
        count: usize,
        align: usize,
    ) -> Result<Self, FormatError> {
        let mut blocks = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        let start = scan.rest().len();
        for _ in 0..count {
            let (id, data) = take_block(scan)?;
            if seen.contains(&PB) {
                return Err(wrong(PB, "to be the last one"));
            }
            if seen.contains(&id) {
                return Err(wrong(id, ONCE));
            }
            seen.push(id);
            blocks.accept(id, data)?;
        }
        let actual = start - scan.rest().len();
        if !actual.is_multiple_of(align) {
            let field = Field::Optional;
            return Err(FormatError::Unaligned { field, actual, multiple_of: align });
        }
        Ok(blocks)
    }

    fn accept(&mut self, id: &str, data: &str) -> Result<(), FormatError> {
        match id {
            KC => self.key = Some(CheckValue::parse(id, data)?),
            KP => self.protection = Some(CheckValue::parse(id, data)?),
            DA => self.derivations = parse_derivations(data)?,
            PB => {}
            _ => self.others.push(OptionalBlock { id: id.to_string(), data: data.to_string() }),
        }
        Ok(())
    }

    /// Writes the blocks and a padding block where one is needed; says how many there are.
    pub(super) fn emit(&self, align: usize) -> Result<(usize, String), FormatError> {
        let check_value = |id, value: &Option<CheckValue>| Some((id, value.as_ref()?.emit()));
        let known = [check_value(KC, &self.key), check_value(KP, &self.protection), self.emit_da()];
        let mut text = String::new();
        let mut count = 0;
        for (id, data) in known.iter().flatten() {
            push_block(&mut text, id, data);
            count += 1;
        }
        for (index, OptionalBlock { id, data }) in self.others.iter().enumerate() {
            check_other(id, data)?;
            if self.others.iter().take(index).any(|earlier| earlier.id == *id) {
                return Err(wrong(id, ONCE));
            }
            push_block(&mut text, id, data);
            count += 1;
        }
        if let Some(missing) = padding(text.len(), align) {
            push_block(&mut text, PB, &"0".repeat(missing));
            count += 1;
        }
        Ok((count, text))
    }

    fn emit_da(&self) -> Option<(&'static str, String)> {
        let entries: String = self.derivations.iter().map(Derivation::emit).collect();
        (!entries.is_empty()).then(|| (DA, [Derivation::VERSION, &entries].concat()))
    }
}

/// A key check value inside a header (§6.3.6.7, table 15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CheckValue {
    method: CheckMethod,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CheckMethod {
    /// Encryption of the zero block, at most three bytes.
    ZeroBlock,
    /// CMAC of the zero block, at most five bytes.
    Cmac,
}

impl CheckMethod {
    const ALL: [Self; 2] = [Self::ZeroBlock, Self::Cmac];

    const fn code(self) -> &'static str {
        match self {
            Self::ZeroBlock => "00",
            Self::Cmac => "01",
        }
    }

    /// Most bytes of a check value; fewer than [`MIN_CHECK_LEN`] tell nothing.
    const fn max_len(self) -> usize {
        match self {
            Self::ZeroBlock => 3,
            Self::Cmac => 5,
        }
    }

    /// The whole block whose start is the check value.
    fn compute(self, key: &KeyMaterial) -> Zeroizing<Vec<u8>> {
        match self {
            Self::ZeroBlock => with_cipher!(key, cipher => encrypted_zeros(&cipher)),
            Self::Cmac => with_cipher!(key, cipher => mac_of_zeros(cipher)),
        }
    }
}

impl CheckValue {
    /// The check value by the method of the kind, as long as the method gives.
    pub(super) fn of(key: &KeyMaterial) -> Self {
        let method =
            if key.kind().has_parity() { CheckMethod::ZeroBlock } else { CheckMethod::Cmac };
        let whole = method.compute(key);
        Self { method, bytes: whole.iter().copied().take(method.max_len()).collect() }
    }

    /// Whether `key` has this check value, compared in constant time.
    pub(super) fn matches(&self, key: &KeyMaterial) -> bool {
        let whole = self.method.compute(key);
        whole.get(..self.bytes.len()).is_some_and(|cut| bool::from(cut.ct_eq(&self.bytes)))
    }

    fn parse(id: &str, data: &str) -> Result<Self, FormatError> {
        let (code, digits) = data.split_at_checked(2).unwrap_or((data, ""));
        let method = CheckMethod::ALL.into_iter().find(|method| method.code() == code);
        let method = method.ok_or_else(|| wrong(id, "method 00 or 01"))?;
        let bytes = from_hex(digits).ok_or_else(|| wrong(id, "upper-case hex"))?;
        if !(MIN_CHECK_LEN..=method.max_len()).contains(&bytes.len()) {
            return Err(wrong(id, "2 to 3 bytes by method 00, 2 to 5 bytes by method 01"));
        }
        Ok(Self { method, bytes })
    }

    pub(super) fn emit(&self) -> String {
        let mut text = self.method.code().to_string();
        push_hex(&mut text, &self.bytes);
        text
    }
}

/// Fewest bytes of a check value.
const MIN_CHECK_LEN: usize = 2;

/// What is expected of an identifier.
const ONCE: &str = "to stand there once";

/// Characters in front of the data of a block with a short length.
const SHORT_HEAD: usize = 4;
/// Characters in front of the data of a block with a long length: id, 00, 04, four digits.
const LONG_HEAD: usize = 10;

fn take_block<'a>(scan: &mut Scanner<'a>) -> Result<(&'a str, &'a str), FormatError> {
    let id = scan.take(2, Field::Optional)?;
    check_id(id)?;
    let digits = |text: &str| number(text, 16).ok_or_else(|| wrong(id, "a length in hex"));
    let (head, total) = match digits(scan.take(2, Field::Optional)?)? {
        0 => match scan.take(2, Field::Optional)? {
            "04" => (LONG_HEAD, digits(scan.take(4, Field::Optional)?)?),
            _ => return Err(wrong(id, "a long length of 4 digits")),
        },
        total => (SHORT_HEAD, total),
    };
    let length = total.checked_sub(head);
    let length = length.ok_or_else(|| wrong(id, "a length that counts its own head"))?;
    Ok((id, scan.take(length, Field::Optional)?))
}

fn push_block(text: &mut String, id: &str, data: &str) {
    let short = SHORT_HEAD + data.len();
    // Writing to a string does not fail.
    let _ = if short <= 0xFF {
        write!(text, "{id}{short:02X}{data}")
    } else {
        write!(text, "{id}0004{:04X}{data}", LONG_HEAD + data.len())
    };
}

/// Length of the data of the padding block that makes `length` a multiple of `align`; none when it
/// is one.
fn padding(length: usize, align: usize) -> Option<usize> {
    let padded = (length + SHORT_HEAD).next_multiple_of(align);
    (!length.is_multiple_of(align)).then_some(padded - length - SHORT_HEAD)
}

fn parse_derivations(data: &str) -> Result<Vec<Derivation>, FormatError> {
    let entries = data.strip_prefix(Derivation::VERSION);
    let entries = entries.ok_or_else(|| wrong(DA, "layout version 01"))?;
    if entries.is_empty() || !entries.len().is_multiple_of(Derivation::LEN) {
        return Err(wrong(DA, "entries of 5 characters"));
    }
    let starts = (0..entries.len()).step_by(Derivation::LEN);
    starts
        .filter_map(|start| entries.get(start..start + Derivation::LEN))
        .map(Derivation::parse)
        .collect()
}

fn check_id(id: &str) -> Result<(), FormatError> {
    let good = id.len() == 2 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if good { Ok(()) } else { Err(wrong(id, "an identifier of two letters or digits")) }
}

fn check_other(id: &str, data: &str) -> Result<(), FormatError> {
    check_id(id)?;
    if [KC, KP, DA, PB].contains(&id) {
        return Err(wrong(id, "to be left to the writer"));
    }
    if data.bytes().any(|byte| !super::text::is_printable(byte)) {
        return Err(wrong(id, "printable ASCII"));
    }
    Ok(())
}

fn wrong(id: &str, expected: &'static str) -> FormatError {
    FormatError::Optional { id: id.to_string(), expected }
}

fn encrypted_zeros<C: BlockCipherEncrypt>(cipher: &C) -> Zeroizing<Vec<u8>> {
    let mut block = Block::<C>::default();
    cipher.encrypt_block(&mut block);
    let bytes = Zeroizing::new(block.to_vec());
    block.zeroize();
    bytes
}

fn mac_of_zeros<C: BlockCipherEncrypt>(cipher: C) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Cmac::new(cipher).tag(&Block::<C>::default()).to_vec())
}
