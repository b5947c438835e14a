//! Framing of the vpcd protocol, spoken by virtual PC/SC drivers and by `xuejika emulate`.
//!
//! Each message is a two-byte big-endian length followed by that many bytes. From the host a
//! one-byte body is a control, two bytes and more are a command APDU. The card side answers
//! [`Control::GetAtr`] with its ATR and every command with one response; it never answers the
//! other controls.

/// Longest body a frame can carry, in bytes.
pub const MAX_BODY: usize = u16::MAX as usize;

/// One-byte messages from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Control {
    /// Power off. Not answered.
    PowerOff = 0x00,
    /// Power on (cold reset). Not answered.
    PowerOn = 0x01,
    /// Warm reset. Not answered.
    Reset = 0x02,
    /// Send the ATR; also the host's presence poll, legal in any state.
    GetAtr = 0x04,
}

impl Control {
    /// The control with this code, if defined.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0x00 => Some(Self::PowerOff),
            0x01 => Some(Self::PowerOn),
            0x02 => Some(Self::Reset),
            0x04 => Some(Self::GetAtr),
            _ => None,
        }
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// The body of one frame from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A defined control.
    Control(Control),
    /// A command APDU of two bytes or more.
    Command(&'a [u8]),
    /// An empty body or an undefined control: to be ignored.
    Undefined,
}

impl<'a> Message<'a> {
    /// Reads the body of a frame.
    #[must_use]
    pub const fn parse(body: &'a [u8]) -> Self {
        match body {
            [] => Self::Undefined,
            [code] => match Control::from_code(*code) {
                Some(control) => Self::Control(control),
                None => Self::Undefined,
            },
            command => Self::Command(command),
        }
    }
}

/// The two length bytes in front of a body of `length` bytes, or `None` above [`MAX_BODY`].
#[must_use]
pub fn header(length: usize) -> Option<[u8; 2]> {
    u16::try_from(length).ok().map(u16::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_is_control_and_two_are_a_command() {
        for code in 0..=u8::MAX {
            let body = [code];
            let message = Message::parse(&body);
            match code {
                0 | 1 | 2 | 4 => {
                    let control = Control::from_code(code).unwrap();
                    assert_eq!(message, Message::Control(control));
                    assert_eq!(control.code(), code);
                }
                _ => assert_eq!(message, Message::Undefined),
            }
        }
        assert_eq!(Message::parse(&[]), Message::Undefined);
        assert_eq!(Message::parse(&[4, 4]), Message::Command(&[4, 4]));
    }

    #[test]
    fn header_refuses_what_sixteen_bits_cannot_hold() {
        assert_eq!(header(0x1234), Some([0x12, 0x34]));
        assert_eq!(header(MAX_BODY), Some([0xFF, 0xFF]));
        assert_eq!(header(MAX_BODY + 1), None);
    }
}
