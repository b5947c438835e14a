//! The files by which a PSAM says what it is: 0015 under the MF and 0017 under the application.

use crate::date::{Date, DateError};

/// Version of the PSAM's layout (project-defined).
const LAYOUT_VERSION: u8 = 0x01;

/// Type of key card: a terminal's PSAM (project-defined).
const KEY_CARD_TYPE: u8 = 0x01;

/// Public information of the PSAM, file 0015 under the MF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicInfo {
    /// Serial of the PSAM (PSAM序列号).
    pub serial: [u8; 10],
    /// Version of its layout.
    pub version: u8,
    /// Type of key card (密钥卡类型).
    pub key_card_type: u8,
    /// Issuer's own FCI data.
    pub fci: [u8; 2],
}

impl PublicInfo {
    /// Length of the file, in bytes: serial (10), version (1), type of key card (1), FCI data (2).
    pub const LEN: usize = 14;

    /// The information of a PSAM with this serial.
    #[must_use]
    pub const fn new(serial: [u8; 10]) -> Self {
        Self { serial, version: LAYOUT_VERSION, key_card_type: KEY_CARD_TYPE, fci: [0; 2] }
    }

    /// Reads the file; every content is possible.
    #[must_use]
    pub const fn parse(bytes: &[u8; Self::LEN]) -> Self {
        let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, version, key_card_type, f0, f1] = *bytes;
        let serial = [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9];
        Self { serial, version, key_card_type, fci: [f0, f1] }
    }

    /// Writes the file.
    #[must_use]
    pub const fn emit(&self) -> [u8; Self::LEN] {
        let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9] = self.serial;
        let [f0, f1] = self.fci;
        [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, self.version, self.key_card_type, f0, f1]
    }
}

/// Public information of the application, file 0017.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplicationInfo {
    /// Index of the purchase key (消费密钥索引), as INITIALIZE FOR PURCHASE on a card takes it.
    pub key_index: u8,
    /// Issuer of the application (应用发行者标识).
    pub issuer: [u8; 8],
    /// Acceptor of the application (应用接收者标识).
    pub acceptor: [u8; 8],
    /// First day of validity (启用日期).
    pub valid_from: Date,
    /// Last day of validity (有效日期).
    pub valid_until: Date,
}

impl ApplicationInfo {
    /// Length of the file, in bytes: key index (1), issuer (8), acceptor (8), valid from (4), valid
    /// until (4).
    pub const LEN: usize = 25;

    /// Reads the file.
    ///
    /// # Errors
    /// Returns [`DateError`] when one of the days is no date.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Result<Self, DateError> {
        #[rustfmt::skip]
        let [
            key_index, i1, i2, i3, i4, i5, i6, i7, i8, a1, a2, a3, a4, a5, a6, a7, a8,
            f1, f2, f3, f4, u1, u2, u3, u4,
        ] = *bytes;
        Ok(Self {
            key_index,
            issuer: [i1, i2, i3, i4, i5, i6, i7, i8],
            acceptor: [a1, a2, a3, a4, a5, a6, a7, a8],
            valid_from: Date::from_bytes([f1, f2, f3, f4])?,
            valid_until: Date::from_bytes([u1, u2, u3, u4])?,
        })
    }

    /// Writes the file.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let fields = [self.key_index]
            .into_iter()
            .chain(self.issuer)
            .chain(self.acceptor)
            .chain(self.valid_from.bytes())
            .chain(self.valid_until.bytes());
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_round_trip() {
        let public = PublicInfo::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(PublicInfo::parse(&public.emit()), public);
        assert_eq!(public.emit(), *b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x01\x01\x00\x00");
        let application = ApplicationInfo {
            key_index: 1,
            issuer: [2; 8],
            acceptor: [3; 8],
            valid_from: Date::new(2026, 9, 1).unwrap(),
            valid_until: Date::new(2038, 8, 31).unwrap(),
        };
        assert_eq!(ApplicationInfo::parse(&application.emit()), Ok(application));
        let mut bad = application.emit();
        bad[19] = 0x13;
        assert!(ApplicationInfo::parse(&bad).is_err());
    }
}
