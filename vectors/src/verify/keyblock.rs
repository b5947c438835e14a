//! Key blocks of ANSI X9.143 / TR-31: read, and written again.

use xuejika_keyscheme::algorithm::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt};
use xuejika_keyscheme::cbc;
use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::keyblock::rand_core::{Infallible, TryCryptoRng, TryRng};
use xuejika_keyscheme::keyblock::{
    BlockVersion, Header, KeyBlock, KeyKind, KeyMaterial, ProtectionKey, ReadError, Reader,
    WriteError, write,
};

use super::cipher::AnyCipher;
use super::outcome::{Check, Problem, expect, expect_prefix};
use crate::vector::Fields;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    let protection = protection_key(entry)?;
    let text = entry.text("key_block")?;
    let reader = Reader::new().allow_variant_versions().allow_single_des();
    let block = match reader.read(text, &protection) {
        Ok(block) => block,
        Err(error) => return Err(refusal(entry, &error)?),
    };
    check_default(&block, text, &protection)?;
    check_header(entry, &block)?;
    check_intermediates(entry, text, block.version())?;

    let header = block.header().clone();
    let (usage, mode, kind) = (header.usage, header.mode, block.kind());
    let imported = block.into_key(usage, mode, kind);
    let key = imported.map_err(|error| Problem::Refused(error.to_string()))?.into_material();
    expect(entry, "key", key.expose())?;
    check_rewrapped(entry, &header, &key, &protection)
}

/// The kind of key an entry means; the length of the key settles which AES, and whether it is DES or
/// TDES with two or three keys.
pub(super) fn kind(name: &str, length: usize) -> Result<KeyKind, Problem> {
    let kinds: &[KeyKind] = match name {
        name if name.contains("AES") => &[KeyKind::Aes128, KeyKind::Aes192, KeyKind::Aes256],
        name if name.contains("SM4") => &[KeyKind::Sm4],
        name if name.contains("DE") => &[KeyKind::Des, KeyKind::Tdes2, KeyKind::Tdes3],
        _ => return Err(Problem::NotSupported("algorithm unknown")),
    };
    let kind = kinds.iter().find(|kind| kind.len() == length);
    kind.copied().ok_or_else(|| Problem::Wrong(format!("no key of {name} has {length} bytes")))
}

fn protection_key(entry: &Fields<'_>) -> Result<ProtectionKey, Problem> {
    let bytes = entry.hex("kbpk")?;
    let name = if entry.text("version")? == "D" { "AES" } else { "TDES" };
    let material = KeyMaterial::new(kind(name, bytes.len())?, &bytes)?;
    ProtectionKey::new(material).map_err(|error| Problem::Wrong(error.to_string()))
}

/// The block is refused; that has to be for the reason the entry gives, if it gives one.
fn refusal(entry: &Fields<'_>, error: &ReadError) -> Result<Problem, Problem> {
    let reason = entry.text_or_empty("reject_reason")?;
    let agrees = match error {
        _ if reason.is_empty() => true,
        ReadError::Authenticator => reason.contains("doesn't match") || reason.contains("MACed"),
        ReadError::KeyLength { .. } => reason.starts_with("Decrypted key"),
        ReadError::Format(_) => {
            ["malformed", "must be", "length field"].iter().any(|word| reason.contains(word))
                && !reason.starts_with("Decrypted key")
        }
        _ => false,
    };
    if agrees {
        Ok(Problem::Refused(error.to_string()))
    } else {
        Err(Problem::Wrong(format!("refused since {error}, the file says {reason}")))
    }
}

/// Old forms are read only by a reader that was told so.
fn check_default(block: &KeyBlock, text: &str, protection: &ProtectionKey) -> Check {
    let old = matches!(block.version(), BlockVersion::A | BlockVersion::C)
        || block.kind() == KeyKind::Des;
    if Reader::new().read(text, protection).is_err() == old {
        return Ok(());
    }
    Err(Problem::Wrong("a reader without allowances reads old forms, or no new ones".into()))
}

fn check_header(entry: &Fields<'_>, block: &KeyBlock) -> Check {
    let header = block.header();
    for (field, read) in [
        ("version", block.version().code()),
        ("usage", header.usage.code()),
        ("algorithm", header.algorithm.code()),
        ("mode", header.mode.code()),
        ("key_version", &*header.number.to_string()),
        ("exportability", header.exportability.code()),
    ] {
        let stated = entry.text(field)?;
        if stated != read {
            return Err(Problem::Refused(format!("{field}: read {read}, the file says {stated}")));
        }
    }
    Ok(())
}

/// The keys and the clear field that the entry prints lead to the block.
fn check_intermediates(entry: &Fields<'_>, text: &str, version: BlockVersion) -> Check {
    let header = entry.text("header")?;
    let body = text.strip_prefix(header).and_then(|body| hex::decode(body).ok());
    let mut body = body.ok_or_else(|| entry.error("header", "the start of the key block"))?;
    let clear = entry.hex("padded_key_field")?;
    if body.len() < clear.len() {
        return Err(entry.error("padded_key_field", "the length of the encrypted key").into());
    }
    let mac = body.split_off(clear.len());
    let name = if version == BlockVersion::D { "AES" } else { "TDES" };
    let encryption = AnyCipher::new(name, &entry.hex("kbek")?)?;
    let authentication = AnyCipher::new(name, &entry.hex("kbak")?)?;
    let (start, tag) = match version {
        BlockVersion::A | BlockVersion::C => {
            let message = [header.as_bytes(), &body].concat();
            let tag = with_cipher!(authentication, cipher => cbc_mac(&cipher, message))?;
            (header.as_bytes().get(..8).unwrap_or_default(), tag)
        }
        BlockVersion::B | BlockVersion::D => {
            let message = [header.as_bytes(), &clear].concat();
            let tag =
                with_cipher!(authentication, cipher => Cmac::new(cipher).tag(&message).to_vec());
            (&*mac, tag)
        }
    };
    if tag.get(..mac.len()) != Some(&*mac) {
        return Err(Problem::Refused("kbak: does not lead to the authenticator".into()));
    }
    let decrypted = with_cipher!(encryption, cipher => decrypted(&cipher, start, body))?;
    expect(entry, "padded_key_field", &decrypted)
}

/// Writes the key again, in today's version, and reads that.
fn check_rewrapped(
    entry: &Fields<'_>,
    header: &Header,
    key: &KeyMaterial,
    protection: &ProtectionKey,
) -> Check {
    let protection = &strong(protection)?;
    let text = match write(header, key, protection, &mut Padding(0)) {
        Ok(text) => text,
        Err(WriteError::SingleDes) if key.kind() == KeyKind::Des => return Ok(()),
        Err(error) => return Err(Problem::Refused(error.to_string())),
    };
    let block = Reader::new().read(&text, protection);
    let block = block.map_err(|error| Problem::Refused(error.to_string()))?;
    if block.header() != header {
        return Err(Problem::Refused("the header changes when it is written again".into()));
    }
    let again = block.into_key(header.usage, header.mode, key.kind());
    if again.is_ok_and(|again| again.material() == key) {
        check_value(entry, &text)
    } else {
        Err(Problem::Refused("the key changes when it is written again".into()))
    }
}

/// The protection key, or another of its kind in the place of a weak one, under which nothing is
/// written.
fn strong(protection: &ProtectionKey) -> Result<ProtectionKey, Problem> {
    let key = protection.material();
    let counted = (0_u8..).zip(key.expose()).map(|(at, byte)| at.wrapping_mul(0x12) ^ byte);
    let other = if key.is_weak() { counted.collect() } else { key.expose().to_vec() };
    let other = KeyMaterial::new(key.kind(), &other)?;
    ProtectionKey::new(other).map_err(|error| Problem::Refused(error.to_string()))
}

/// The check value that the writer put into optional block KC, the first one.
fn check_value(entry: &Fields<'_>, text: &str) -> Check {
    if !entry.has("kcv") {
        return Ok(());
    }
    let (head, digits) = match entry.text("kcv_method")? {
        "encrypt-zero-block" => ("KC0C00", 16 + 6..16 + 12),
        "cmac-zero-block" => ("KC1001", 16 + 6..16 + 16),
        _ => return Err(Problem::NotSupported("check values of one vendor")),
    };
    let written = text.get(digits).and_then(|digits| hex::decode(digits).ok());
    match written {
        Some(written) if text.get(16..16 + head.len()) == Some(head) => {
            expect_prefix(entry, "kcv", &written)
        }
        _ => Err(Problem::Refused(format!("kcv: expected {head} in {text}"))),
    }
}

fn cbc_mac<C: BlockCipherEncrypt>(cipher: &C, mut message: Vec<u8>) -> Result<Vec<u8>, Problem> {
    Ok(cbc::encrypt(cipher, &Block::<C>::default(), &mut message)?.to_vec())
}

fn decrypted<C: BlockCipherDecrypt>(
    cipher: &C,
    start: &[u8],
    mut data: Vec<u8>,
) -> Result<Vec<u8>, Problem> {
    let start = Block::<C>::try_from(start);
    let start = start.map_err(|_| Problem::Refused("CBC start is not one block".into()))?;
    cbc::decrypt(cipher, &start, &mut data)?;
    Ok(data)
}

/// Counts. The keys of test data need no random padding.
pub(super) struct Padding(pub(super) u8);

impl TryRng for Padding {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for byte in to {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}

impl TryCryptoRng for Padding {}
