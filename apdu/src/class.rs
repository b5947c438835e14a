//! Class byte (ISO 7816-4:2020 §5.4.1).
//!
//! The proprietary classes 80 to 9F are read like the first interindustry values, as GlobalPlatform
//! and PBOC do; all other proprietary classes stay undecoded.

/// Raw class byte of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class(pub u8);

/// Who defines the instruction codes of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// ISO 7816-4.
    Interindustry,
    /// The application: classes 80 to 9F.
    Proprietary,
}

/// Secure-messaging indication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// No secure messaging, or no indication.
    None,
    /// A proprietary format, such as the line protection of PBOC.
    Proprietary,
    /// ISO secure messaging, command header not authenticated.
    Body,
    /// ISO secure messaging, command header authenticated.
    Header,
}

/// What a class byte says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClassFields {
    /// Who defines the instruction.
    pub family: Family,
    /// Whether more commands of this chain follow.
    pub chaining: bool,
    /// Secure-messaging indication.
    pub security: Security,
    /// Logical channel, 0 to 19.
    pub channel: u8,
}

const PROPRIETARY: u8 = 0x80;
const FURTHER: u8 = 0x40;
const FURTHER_SECURITY: u8 = 0x20;
const CHAINING: u8 = 0x10;
const FIRST_FURTHER_CHANNEL: u8 = 4;

impl Class {
    /// Interindustry, channel 0, no chaining, no secure messaging.
    pub const ISO: Self = Self(0x00);
    /// Proprietary, channel 0, no chaining, no secure messaging.
    pub const OWN: Self = Self(0x80);

    /// Reads the fields; `None` for the reserved values 20 to 3F, the undecoded proprietary values
    /// A0 to FE, and FF.
    #[inline]
    #[must_use]
    pub const fn fields(self) -> Option<ClassFields> {
        let byte = self.0;
        let chaining = byte & CHAINING != 0;
        match byte {
            0x00..=0x1F | 0x80..=0x9F => Some(ClassFields {
                family: if byte & PROPRIETARY == 0 {
                    Family::Interindustry
                } else {
                    Family::Proprietary
                },
                chaining,
                security: match byte & 0x0C {
                    0x00 => Security::None,
                    0x04 => Security::Proprietary,
                    0x08 => Security::Body,
                    _ => Security::Header,
                },
                channel: byte & 0x03,
            }),
            0x40..=0x7F => Some(ClassFields {
                family: Family::Interindustry,
                chaining,
                security: if byte & FURTHER_SECURITY == 0 {
                    Security::None
                } else {
                    Security::Body
                },
                channel: FIRST_FURTHER_CHANNEL + (byte & 0x0F),
            }),
            _ => None,
        }
    }

    /// The same class with the chaining bit cleared.
    #[must_use]
    pub const fn without_chaining(self) -> Self {
        Self(self.0 & !CHAINING)
    }

    /// The same class of channels 0 to 3 with ISO secure messaging and an authenticated header.
    #[must_use]
    pub const fn with_secure_messaging(self) -> Self {
        Self(self.0 | 0x0C)
    }

    /// The same class of channels 0 to 3 without secure messaging.
    #[must_use]
    pub const fn without_secure_messaging(self) -> Self {
        Self(self.0 & !0x0C)
    }
}

impl ClassFields {
    /// The byte that says this, if there is one.
    #[must_use]
    pub const fn class(self) -> Option<Class> {
        let chaining = if self.chaining { CHAINING } else { 0 };
        let family = match self.family {
            Family::Interindustry => 0,
            Family::Proprietary => PROPRIETARY,
        };
        match (self.channel, self.security, self.family) {
            (0..=3, security, _) => {
                let security = match security {
                    Security::None => 0x00,
                    Security::Proprietary => 0x04,
                    Security::Body => 0x08,
                    Security::Header => 0x0C,
                };
                Some(Class(family | chaining | security | self.channel))
            }
            (4..=19, security @ (Security::None | Security::Body), Family::Interindustry) => {
                let security =
                    if matches!(security, Security::Body) { FURTHER_SECURITY } else { 0 };
                let channel = self.channel - FIRST_FURTHER_CHANNEL;
                Some(Class(FURTHER | chaining | security | channel))
            }
            _ => None,
        }
    }
}
