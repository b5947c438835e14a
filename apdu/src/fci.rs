//! File control information of a selected DF (ISO 7816-4:2020 §7.4), as this card answers SELECT.
//!
//! `6F { 84 DF name, 8A life-cycle status, A5 { 80 algorithm, 81 card serial, 82 key versions,
//! 83 profile version } }`. The contents of A5 are project-defined.
//!
//! A purse answers in the form of PBOC instead: `6F { 84 DF name, A5 { 9F08 version, 9F0C issuer's
//! discretionary data } }`.

use alloc::vec::Vec;

use crate::tlv::{Tag, TlvError, TlvReader, Writer};

const TEMPLATE: Tag = Tag::of(0x6F);
const DF_NAME: Tag = Tag::of(0x84);
const LIFE_CYCLE: Tag = Tag::of(0x8A);
const PROPRIETARY: Tag = Tag::of(0xA5);
const ALGORITHM: Tag = Tag::of(0x80);
const SERIAL: Tag = Tag::of(0x81);
const KEYS: Tag = Tag::of(0x82);
const PROFILE: Tag = Tag::of(0x83);

const APPLICATION_VERSION: Tag = Tag::of(0x9F08);
const ISSUER_DATA: Tag = Tag::of(0x9F0C);

/// Life-cycle status byte of an activated file (ISO 7816-4:2020 table 15).
pub const ACTIVATED: u8 = 0x05;

/// One row of the key list: a key number and its two versions (FF = slot empty).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Key number.
    pub number: u8,
    /// Version in use.
    pub active: u8,
    /// The other version, next or fall-back.
    pub other: u8,
}

/// What SELECT answers for a DF. [`Self::parse`] gives a copy of its own; a card emits from what it
/// has (`B`, `K`: bytes and key rows, owned or borrowed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fci<B = Vec<u8>, K = Vec<KeyInfo>> {
    /// DF name (AID).
    pub df_name: B,
    /// Life-cycle status byte.
    pub life_cycle: u8,
    /// The part a DF with keys adds.
    pub security: Option<SecurityInfo<K>>,
}

/// What a reader needs before it authenticates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityInfo<K = Vec<KeyInfo>> {
    /// Algorithm identifier of the keys.
    pub algorithm: u8,
    /// Serial number of the card (SN.ICC).
    pub serial: [u8; 8],
    /// The keys of the DF.
    pub keys: K,
    /// Version of the card profile.
    pub profile: u8,
}

impl Fci {
    /// Reads an FCI template.
    ///
    /// # Errors
    /// Returns an [`FciError`] for malformed, missing, misplaced or unknown objects.
    pub fn parse(bytes: &[u8]) -> Result<Self, FciError> {
        let mut outer = TlvReader::new(bytes);
        let mut template = TlvReader::new(outer.expect(TEMPLATE)?);
        outer.finish()?;
        let df_name = template.expect(DF_NAME)?.to_vec();
        let [life_cycle] = *template.expect(LIFE_CYCLE)? else {
            return Err(FciError::Value(LIFE_CYCLE));
        };
        let security = match template.optional(PROPRIETARY)? {
            Some(value) => Some(SecurityInfo::parse(value)?),
            None => None,
        };
        template.finish()?;
        Ok(Self { df_name, life_cycle, security })
    }
}

impl<B: AsRef<[u8]>, K: AsRef<[KeyInfo]>> Fci<B, K> {
    /// Appends the template to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        Writer::new(out).template(TEMPLATE, |fci| {
            fci.object(DF_NAME, self.df_name.as_ref()).object(LIFE_CYCLE, &[self.life_cycle]);
            if let Some(security) = &self.security {
                fci.template(PROPRIETARY, |out| security.emit(out));
            }
        });
    }
}

impl SecurityInfo {
    fn parse(bytes: &[u8]) -> Result<Self, FciError> {
        let mut objects = TlvReader::new(bytes);
        let [algorithm] = *objects.expect(ALGORITHM)? else {
            return Err(FciError::Value(ALGORITHM));
        };
        let serial = objects.expect(SERIAL)?.try_into().map_err(|_| FciError::Value(SERIAL))?;
        let (rows, []) = objects.expect(KEYS)?.as_chunks() else {
            return Err(FciError::Value(KEYS));
        };
        let keys =
            rows.iter().map(|&[number, active, other]| KeyInfo { number, active, other }).collect();
        let [profile] = *objects.expect(PROFILE)? else {
            return Err(FciError::Value(PROFILE));
        };
        objects.finish()?;
        Ok(Self { algorithm, serial, keys, profile })
    }
}

impl<K: AsRef<[KeyInfo]>> SecurityInfo<K> {
    fn emit(&self, out: &mut Writer<'_>) {
        out.object(ALGORITHM, &[self.algorithm])
            .object(SERIAL, &self.serial)
            .parts(KEYS, self.keys.as_ref().iter().map(|key| [key.number, key.active, key.other]))
            .object(PROFILE, &[self.profile]);
    }
}

/// What SELECT answers for a purse; `B` as in [`Fci`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurseFci<B = Vec<u8>> {
    /// DF name (AID).
    pub df_name: B,
    /// Version of the application; not every card says it.
    pub version: Option<u8>,
    /// The issuer's discretionary data: contents of the public information file, SFI 15.
    pub issuer_data: B,
}

impl PurseFci {
    /// Reads an FCI template.
    ///
    /// # Errors
    /// Returns an [`FciError`] for malformed, missing, misplaced or unknown objects.
    pub fn parse(bytes: &[u8]) -> Result<Self, FciError> {
        let mut outer = TlvReader::new(bytes);
        let mut template = TlvReader::new(outer.expect(TEMPLATE)?);
        outer.finish()?;
        let df_name = template.expect(DF_NAME)?.to_vec();
        let mut objects = TlvReader::new(template.expect(PROPRIETARY)?);
        template.finish()?;
        let version = match objects.optional(APPLICATION_VERSION)? {
            None => None,
            Some(&[version]) => Some(version),
            Some(_) => return Err(FciError::Value(APPLICATION_VERSION)),
        };
        let issuer_data = objects.expect(ISSUER_DATA)?.to_vec();
        objects.finish()?;
        Ok(Self { df_name, version, issuer_data })
    }
}

impl<B: AsRef<[u8]>> PurseFci<B> {
    /// Appends the template to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        Writer::new(out).template(TEMPLATE, |fci| {
            fci.object(DF_NAME, self.df_name.as_ref());
            fci.template(PROPRIETARY, |out| {
                if let Some(version) = self.version {
                    out.object(APPLICATION_VERSION, &[version]);
                }
                out.object(ISSUER_DATA, self.issuer_data.as_ref());
            });
        });
    }
}

/// Why an answer to SELECT is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FciError {
    /// The data objects are malformed, missing or misplaced.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// An object has a value of the wrong length.
    #[error("object {0} has the wrong length")]
    Value(Tag),
}
