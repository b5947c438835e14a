//! A PSAM as it is issued, but for its keys.

use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::legacy::TerminalId;

use super::info::{ApplicationInfo, PublicInfo};
use crate::date::{Date, DateError};

/// First bytes of the serial of a test PSAM; the terminal number follows.
const TEST_SERIAL: [u8; 2] = [0x91, 0x00];

/// Issuer and acceptor of the test application: Beijing, by the first bytes of its wallet cards.
const TEST_OPERATOR: [u8; 8] = [0x10, 0x00, 0, 0, 0, 0, 0, 0];

/// What tells one PSAM from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PsamIssue {
    /// Serial of the card.
    pub serial: CardId,
    /// Number of the terminal it makes.
    pub terminal: TerminalId,
    /// Terminal sequence number of its first purchase.
    pub sequence: u32,
    /// Its application.
    pub application: ApplicationInfo,
}

impl PsamIssue {
    /// The published test PSAM of a terminal.
    ///
    /// # Errors
    /// Never in practice; see [`DateError`].
    pub fn test(terminal: TerminalId) -> Result<Self, DateError> {
        let [s1, s2] = TEST_SERIAL;
        let [t1, t2, t3, t4, t5, t6] = terminal.0;
        let application = ApplicationInfo {
            key_index: 0x01,
            issuer: TEST_OPERATOR,
            acceptor: TEST_OPERATOR,
            valid_from: Date::new(2026, 9, 1)?,
            valid_until: Date::new(2038, 8, 31)?,
        };
        let serial = CardId([s1, s2, t1, t2, t3, t4, t5, t6]);
        Ok(Self { serial, terminal, sequence: 0, application })
    }

    /// What it says of itself: its serial, filled up with zeros in front (project-defined).
    pub(crate) const fn public(&self) -> PublicInfo {
        let [s1, s2, s3, s4, s5, s6, s7, s8] = self.serial.0;
        PublicInfo::new([0, 0, s1, s2, s3, s4, s5, s6, s7, s8])
    }
}
