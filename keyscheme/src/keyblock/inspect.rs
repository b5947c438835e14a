//! Looking at a key block without its protection key.

use alloc::string::String;

use super::error::FormatError;
use super::field::BlockVersion;
use super::header::{BlockHeader, Header};
use super::reader::{check_printable, sealed};
use super::text::Scanner;

/// What a key block says of itself. Nothing of it is authentic: only [`Reader::read`] compares it
/// with the MAC and the key.
///
/// [`Reader::read`]: super::Reader::read
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// Version of the block.
    pub version: BlockVersion,
    /// The header.
    pub header: Header,
    /// Check value of the key (optional block KC): method code and hex.
    pub key_check: Option<String>,
    /// Check value of the protection key (optional block KP): method code and hex.
    pub protection_check: Option<String>,
}

/// Reads what the block `text` says of itself, and checks its form.
///
/// # Errors
/// Returns [`FormatError`] when the text is not a key block.
pub fn inspect(text: &str) -> Result<Claims, FormatError> {
    check_printable(text)?;
    let mut scan = Scanner::new(text);
    let block = BlockHeader::parse(&mut scan, text)?;
    sealed(block.version, scan.rest())?;
    Ok(Claims {
        version: block.version,
        header: block.header,
        key_check: block.key.map(|value| value.emit()),
        protection_check: block.protection.map(|value| value.emit()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyblock::text::push_hex;
    use crate::keyblock::{
        KeyAlgorithm, KeyKind, KeyMaterial, ModeOfUse, ProtectionKey, Usage, binding, optional,
    };
    use alloc::vec;
    use zeroize::Zeroizing;

    #[test]
    fn a_block_tells_its_header_and_check_values() {
        let key = KeyMaterial::new(KeyKind::Aes128, &[7; 16]).unwrap();
        let protection = ProtectionKey::new(key.clone()).unwrap();
        let header = Header::new(Usage::Derivation, KeyAlgorithm::Aes, ModeOfUse::Derive);
        let block = BlockHeader {
            version: BlockVersion::D,
            header: header.clone(),
            key: Some(optional::CheckValue::of(&key)),
            protection: None,
        };
        let (mut text, _) = block.emit(2 * (32 + 16)).unwrap();
        let sealed = binding::seal(&protection, text.as_bytes(), Zeroizing::new(vec![0; 32]));
        push_hex(&mut text, &sealed.ciphertext);
        push_hex(&mut text, &sealed.mac);
        let claims = inspect(&text).unwrap();
        assert_eq!((claims.version, claims.header), (BlockVersion::D, header));
        let check = claims.key_check.unwrap();
        let kcv = alloc::format!("{}", key.kcv()).to_uppercase();
        assert!(check.starts_with("01") && kcv.ends_with(&check[2..8]), "{check} {kcv}");
        assert_eq!(claims.protection_check, None);
        for cut in 0..text.len() {
            assert!(inspect(&text[..cut]).is_err());
        }
    }
}
