//! Reading a key block.

use alloc::vec::Vec;

use super::binding::{self, ProtectionKey, Sealed};
use super::error::{Field, FormatError, ReadError, Unexpected};
use super::field::{BlockVersion, Exportability, KeyAlgorithm, ModeOfUse, Usage};
use super::header::{BlockHeader, Header};
use super::material::{KeyKind, KeyMaterial};
use super::optional::{KC, KP};
use super::text::{Scanner, from_hex, is_printable};

/// Reads key blocks of versions B and D; what is older has to be allowed explicitly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    variant_versions: bool,
    single_des: bool,
}

impl Reader {
    /// A reader for versions B and D.
    #[must_use]
    pub const fn new() -> Self {
        Self { variant_versions: false, single_des: false }
    }

    /// Reads the deprecated versions A and C as well: their MAC has four bytes, and their keys are
    /// the protection key in disguise.
    #[must_use]
    pub const fn allow_variant_versions(self) -> Self {
        Self { variant_versions: true, ..self }
    }

    /// Takes a key of eight bytes under algorithm T as well, as old equipment wrote it.
    #[must_use]
    pub const fn allow_single_des(self) -> Self {
        Self { single_des: true, ..self }
    }

    /// Reads the block `text` protected by `protection`.
    ///
    /// # Errors
    /// Returns [`ReadError`] when the text breaks the form, the MAC or a check value differs, or
    /// the key is none of the algorithm in the header.
    pub fn read(&self, text: &str, protection: &ProtectionKey) -> Result<KeyBlock, ReadError> {
        check_printable(text)?;
        let mut scan = Scanner::new(text);
        let block = BlockHeader::parse(&mut scan, text)?;
        self.check_version(block.version, protection)?;
        let rest = scan.rest();
        let (header, _) = text.split_at(text.len() - rest.len());
        let sealed = sealed(block.version, rest)?;
        let field = binding::open(block.version, protection, header.as_bytes(), sealed)
            .map_err(|_| ReadError::Authenticator)?;
        let key = self.key(block.header.algorithm, &field)?;
        check_key(&block, &key, protection.material())?;
        Ok(KeyBlock { version: block.version, header: block.header, key })
    }

    fn check_version(
        &self,
        version: BlockVersion,
        protection: &ProtectionKey,
    ) -> Result<(), ReadError> {
        let variant = matches!(version, BlockVersion::A | BlockVersion::C);
        if variant && !self.variant_versions {
            return Err(ReadError::VariantVersion(version));
        }
        if version.block_len() != protection.version().block_len() {
            let protection = protection.material().kind();
            return Err(ReadError::ProtectionKey { version, protection });
        }
        Ok(())
    }

    /// Takes the key out of the authentic clear field: length in bits, key, padding.
    fn key(&self, algorithm: KeyAlgorithm, field: &[u8]) -> Result<KeyMaterial, ReadError> {
        let (length, rest) = field.split_first_chunk().unwrap_or((&[0; 2], &[]));
        let bits = u16::from_be_bytes(*length);
        let single = (algorithm == KeyAlgorithm::Tdes).then_some(KeyKind::Des);
        let mut kinds = algorithm.kinds().iter().copied().chain(single);
        let kind = kinds.find(|kind| kind.bits() == bits);
        if kind == Some(KeyKind::Des) && !self.single_des {
            return Err(ReadError::SingleDes);
        }
        let key = kind.and_then(|kind| KeyMaterial::new(kind, rest.get(..kind.len())?).ok());
        key.ok_or(ReadError::KeyLength { bits, algorithm })
    }
}

/// A key block that has been read: authentic, its check values right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBlock {
    version: BlockVersion,
    header: Header,
    key: KeyMaterial,
}

impl KeyBlock {
    /// Version of the block.
    #[must_use]
    pub const fn version(&self) -> BlockVersion {
        self.version
    }

    /// What the block says about the key.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Kind of the key inside.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.key.kind()
    }

    /// Takes the key out, if it is the one that is wanted. From here on it is not exportable,
    /// whatever the block said.
    ///
    /// # Errors
    /// Returns [`Unexpected`] when usage, mode or kind is another one, or the block holds a
    /// component of a key.
    pub fn into_key(
        self,
        usage: Usage,
        mode: ModeOfUse,
        kind: KeyKind,
    ) -> Result<ImportedKey, Unexpected> {
        let Self { mut header, key, .. } = self;
        if header.usage != usage {
            return Err(Unexpected::Usage { actual: header.usage, expected: usage });
        }
        if header.mode != mode {
            return Err(Unexpected::Mode { actual: header.mode, expected: mode });
        }
        if key.kind() != kind {
            return Err(Unexpected::Kind { actual: key.kind(), expected: kind });
        }
        if let Some(component) = header.number.component() {
            return Err(Unexpected::Component(component));
        }
        header.exportability = Exportability::NonExportable;
        Ok(ImportedKey { header, key })
    }
}

/// A key taken out of its block for use here. Its header says N, so a block written with that header
/// does as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedKey {
    header: Header,
    key: KeyMaterial,
}

impl ImportedKey {
    /// What the block said about the key, with exportability N.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The key.
    #[must_use]
    pub const fn material(&self) -> &KeyMaterial {
        &self.key
    }

    /// The key, given away.
    #[must_use]
    pub fn into_material(self) -> KeyMaterial {
        self.key
    }
}

pub(super) fn check_printable(text: &str) -> Result<(), FormatError> {
    match text.bytes().position(|byte| !is_printable(byte)) {
        Some(position) => Err(FormatError::NotPrintable { position }),
        None => Ok(()),
    }
}

/// Decodes what follows the header: encrypted key and MAC in hex.
pub(super) fn sealed(version: BlockVersion, text: &str) -> Result<Sealed, FormatError> {
    let digits = text.len().checked_sub(2 * version.mac_len());
    let digits = digits.ok_or(FormatError::Truncated { field: Field::Authenticator })?;
    let mut scan = Scanner::new(text);
    let field = Field::EncryptedKey;
    let multiple_of = 2 * version.block_len();
    if digits == 0 {
        return Err(FormatError::Truncated { field });
    }
    if !digits.is_multiple_of(multiple_of) {
        return Err(FormatError::Unaligned { field, actual: digits, multiple_of });
    }
    let mut hex = |count, field| -> Result<Vec<u8>, FormatError> {
        from_hex(scan.take(count, field)?).ok_or(FormatError::Hex { field })
    };
    Ok(Sealed {
        ciphertext: hex(digits, field)?,
        mac: hex(2 * version.mac_len(), Field::Authenticator)?,
    })
}

/// Compares what the header says about the two keys with the keys.
fn check_key(
    block: &BlockHeader,
    key: &KeyMaterial,
    protection: &KeyMaterial,
) -> Result<(), ReadError> {
    if key.kind().strength() > protection.kind().strength() {
        return Err(ReadError::Strength { key: key.kind(), protection: protection.kind() });
    }
    for (id, value, key) in [(KC, &block.key, key), (KP, &block.protection, protection)] {
        if value.as_ref().is_some_and(|value| !value.matches(key)) {
            return Err(ReadError::CheckValue(id));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyblock::optional::CheckValue;
    use crate::keyblock::text::push_hex;
    use alloc::string::String;
    use alloc::vec;
    use zeroize::Zeroizing;

    /// A block whose MAC is right, whatever its check values and its clear field are.
    fn block(key: &[u8], kc: &KeyMaterial, kp: &KeyMaterial, protection: &ProtectionKey) -> String {
        let header = BlockHeader {
            version: protection.version(),
            header: Header::new(Usage::Derivation, KeyAlgorithm::Aes, ModeOfUse::Derive),
            key: Some(CheckValue::of(kc)),
            protection: Some(CheckValue::of(kp)),
        };
        let (mut text, _) = header.emit(2 * (32 + 16)).unwrap();
        let mut field = vec![0; 32];
        field[..key.len()].copy_from_slice(key);
        let sealed = binding::seal(protection, text.as_bytes(), Zeroizing::new(field));
        push_hex(&mut text, &sealed.ciphertext);
        push_hex(&mut text, &sealed.mac);
        text
    }

    fn aes(byte: u8) -> KeyMaterial {
        KeyMaterial::new(KeyKind::Aes128, &[byte; 16]).unwrap()
    }

    #[test]
    fn check_values_are_compared() {
        let protection = ProtectionKey::new(aes(2)).unwrap();
        let field = [&[0, 128][..], &[1; 16]].concat();
        for (kc, kp, expected) in [(1, 2, None), (3, 2, Some(KC)), (1, 3, Some(KP))] {
            let text = block(&field, &aes(kc), &aes(kp), &protection);
            let read = Reader::new().read(&text, &protection);
            assert_eq!(read.err(), expected.map(ReadError::CheckValue));
        }
    }

    #[test]
    fn the_length_of_the_key_has_to_be_one_of_the_algorithm() {
        let protection = ProtectionKey::new(aes(2)).unwrap();
        for bits in (0_u16..=300).chain([0x8080, 0xFFFF]).filter(|bits| *bits != 128) {
            let field = [&bits.to_be_bytes()[..], &[1; 16]].concat();
            let text = block(&field, &aes(1), &aes(2), &protection);
            let read = Reader::new().read(&text, &protection);
            let expected = match bits {
                192 => {
                    let protection = KeyKind::Aes128;
                    ReadError::Strength { key: KeyKind::Aes192, protection }
                }
                _ => ReadError::KeyLength { bits, algorithm: KeyAlgorithm::Aes },
            };
            assert_eq!(read, Err(expected));
        }
    }
}
