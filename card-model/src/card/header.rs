//! The memory header: what a card is, and what it keeps to itself. Project-defined.

use xuejika_keyscheme::Algorithm;
use xuejika_keyscheme::auth::CardId;

use super::OpenError;
use crate::file::tree::{CardKind, HEADER_LEN, PROFILE_VERSION};

/// Length of a radio identifier of double size, in bytes.
pub const UID_LEN: usize = 7;

/// What a card keeps to itself before anybody has proved anything; project-defined options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The radio identifier is a new random one at each power-up; none is stored.
    pub random_uid: bool,
    /// ATR and ATS do not have the serial.
    pub plain_atr: bool,
}

impl Privacy {
    const RANDOM_UID: u8 = 0x01;
    const PLAIN_ATR: u8 = 0x02;

    const fn from_code(code: u8) -> Option<Self> {
        if code & !(Self::RANDOM_UID | Self::PLAIN_ATR) != 0 {
            return None;
        }
        let random_uid = code & Self::RANDOM_UID != 0;
        Some(Self { random_uid, plain_atr: code & Self::PLAIN_ATR != 0 })
    }

    const fn code(self) -> u8 {
        let random_uid = if self.random_uid { Self::RANDOM_UID } else { 0 };
        random_uid | if self.plain_atr { Self::PLAIN_ATR } else { 0 }
    }
}

/// The memory header: what the card is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What kind of card.
    pub kind: CardKind,
    /// Algorithm of its keys.
    pub algorithm: Algorithm,
    /// What it keeps to itself.
    pub privacy: Privacy,
    /// Radio identifier (UID); zeros when it is random.
    pub uid: [u8; UID_LEN],
    /// Card serial.
    pub serial: CardId,
}

impl Header {
    /// Reads the first bytes of a memory.
    #[rustfmt::skip]
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        let Some(&[
            kind, algorithm, version, layout,
            u1, u2, u3, u4, u5, u6, u7,
            privacy, _, _, _, _,
            s1, s2, s3, s4, s5, s6, s7, s8,
            ..
        ]) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(OpenError::Size { found: bytes.len(), expected: HEADER_LEN });
        };
        if version != PROFILE_VERSION {
            return Err(OpenError::Profile(version));
        }
        let kind = CardKind::from_code(kind).ok_or(OpenError::Kind(kind))?;
        if layout != kind.layout() {
            return Err(OpenError::Layout { found: layout, expected: kind.layout() });
        }
        Ok(Self {
            kind,
            algorithm: Algorithm::from_code(algorithm).ok_or(OpenError::Algorithm(algorithm))?,
            privacy: Privacy::from_code(privacy).ok_or(OpenError::Privacy(privacy))?,
            uid: [u1, u2, u3, u4, u5, u6, u7],
            serial: CardId([s1, s2, s3, s4, s5, s6, s7, s8]),
        })
    }

    /// The first bytes of a memory.
    #[must_use]
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let (kind, algorithm) = (self.kind.code(), self.algorithm.code());
        let fields = [kind, algorithm, PROFILE_VERSION, self.kind.layout()]
            .into_iter()
            .chain(self.uid)
            .chain([self.privacy.code(), 0, 0, 0, 0])
            .chain(self.serial.0);
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        bytes
    }
}
