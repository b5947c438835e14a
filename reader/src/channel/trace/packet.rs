//! A packet of a trace as an exported PDU: tags that name the dissector and the direction, and the
//! bytes (Wireshark, `wsutil/exported_pdu_tlvs.h`; most significant byte first).
//!
//! Commands, responses and answers to reset are what they are on the road. What has no bytes there,
//! such as power that goes, is an event: a JSON object, which Wireshark shows too.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use super::block::pad;

/// Tags.
mod tag {
    pub(super) const END: u16 = 0;
    pub(super) const DISSECTOR: u16 = 12;
    pub(super) const DIRECTION: u16 = 35;
}

/// Values of the tag for the direction.
const SENT: u32 = 0;
const RECEIVED: u32 = 1;

/// Dissector of commands and responses.
const APDU: &str = "iso7816";
/// Dissector of answers to reset.
const ATR: &str = "iso7816.atr";
/// Dissector of events.
const JSON: &str = "json";

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Sent to the card.
    Command(Vec<u8>),
    /// Received from the card: data and status word.
    Response(Vec<u8>),
    /// Received after reset.
    Atr(Vec<u8>),
    /// Anything else that happened.
    Event(Event),
}

/// What happens to a card beside commands. Project-defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run of the conformance suite.
    Run {
        /// Serial of the student card, hexadecimal.
        serial: String,
        /// What the target can do.
        #[serde(flatten)]
        can: Abilities,
    },
    /// A case begins.
    Begin {
        /// Its id.
        case: String,
    },
    /// A case, or a step of something else, ends.
    Verdict {
        /// Its id.
        case: String,
        /// What came of it, such as `pass` or `not-applicable`.
        verdict: String,
        /// Why, where it is no pass.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Power comes, or goes and comes.
    Power,
    /// Power goes.
    Off,
    /// Warm reset.
    Reset,
    /// Power goes after so many more writes.
    Cut {
        /// How many.
        writes: u64,
    },
    /// Whoever captured the packet kept its beginning only. Read of other programs' files, never
    /// written.
    Truncated {
        /// How many bytes.
        kept: usize,
        /// How many it had.
        of: u32,
    },
    /// No answer came to what was sent last.
    Lost {
        /// Whether the card is gone.
        removed: bool,
        /// In words.
        text: String,
    },
}

/// What a target of the conformance suite can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// Power can be cut within a command.
    pub cut: bool,
    /// The kinds of cards there are, such as `student`.
    pub kinds: Vec<String>,
    /// Each case gets a new card.
    pub renews: bool,
}

/// Bytes that are no packet of a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// The tags do not end.
    #[error("the tags of a packet do not end")]
    Tags,
    /// Another protocol, or no direction.
    #[error("a packet of {0:?}, expected iso7816 with a direction, iso7816.atr or json")]
    Foreign(String),
    /// JSON that is no event.
    #[error("no event: {0}")]
    Event(String),
}

impl Packet {
    /// The exported PDU.
    pub(super) fn emit(&self) -> Vec<u8> {
        let event;
        let (dissector, direction, bytes) = match self {
            Self::Command(bytes) => (APDU, SENT, bytes),
            Self::Response(bytes) => (APDU, RECEIVED, bytes),
            Self::Atr(bytes) => (ATR, RECEIVED, bytes),
            Self::Event(it) => {
                // Names and texts are always JSON.
                event = serde_json::to_vec(it).unwrap_or_default();
                (JSON, it.direction(), &event)
            }
        };
        let mut name = dissector.as_bytes().to_vec();
        pad(&mut name);
        let mut pdu = Vec::new();
        let tags: [(u16, &[u8]); 3] =
            [(tag::DISSECTOR, &name), (tag::DIRECTION, &direction.to_be_bytes()), (tag::END, &[])];
        for (tag, value) in tags {
            pdu.extend(tag.to_be_bytes());
            pdu.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
            pdu.extend_from_slice(value);
        }
        pdu.extend_from_slice(bytes);
        pdu
    }

    /// The bytes that were sent or received; an event has none.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Command(bytes) | Self::Response(bytes) | Self::Atr(bytes) => bytes,
            Self::Event(_) => &[],
        }
    }

    /// Reads an exported PDU.
    pub(super) fn parse(mut pdu: &[u8]) -> Result<Self, PacketError> {
        let (mut dissector, mut direction) = (String::new(), None);
        loop {
            let (tag, value, rest) = next_tag(pdu).ok_or(PacketError::Tags)?;
            pdu = rest;
            match tag {
                tag::END => break,
                tag::DISSECTOR => {
                    let name = String::from_utf8_lossy(value);
                    name.trim_end_matches('\0').clone_into(&mut dissector);
                }
                tag::DIRECTION => direction = value.try_into().ok().map(u32::from_be_bytes),
                _ => {}
            }
        }
        match (dissector.as_str(), direction) {
            (APDU, Some(SENT)) => Ok(Self::Command(pdu.to_vec())),
            (APDU, Some(RECEIVED)) => Ok(Self::Response(pdu.to_vec())),
            (ATR, _) => Ok(Self::Atr(pdu.to_vec())),
            (JSON, _) => serde_json::from_slice(pdu)
                .map(Self::Event)
                .map_err(|error| PacketError::Event(error.to_string())),
            _ => Err(PacketError::Foreign(dissector)),
        }
    }
}

impl Event {
    /// The end of a case; the verdict is a word in the event, its parts joined by hyphens.
    pub(super) fn verdict(case: &str, text: &str, reason: &str) -> Self {
        let (case, reason) = (case.to_owned(), reason.to_owned());
        Self::Verdict { case, verdict: text.replace(' ', "-"), reason }
    }

    /// A loss is what the card's side does; the rest is done to the card.
    const fn direction(&self) -> u32 {
        match self {
            Self::Lost { .. } => RECEIVED,
            _ => SENT,
        }
    }
}

impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run { serial, .. } => write!(f, "= the conformance suite on card {serial}"),
            Self::Begin { case } => write!(f, "= {case}"),
            Self::Verdict { case, verdict, reason } => {
                write!(f, "= {case}: {}", verdict.replace('-', " "))?;
                if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
            }
            Self::Power => f.write_str("> power"),
            Self::Off => f.write_str("> power off"),
            Self::Reset => f.write_str("> reset"),
            Self::Cut { writes } => write!(f, "> power goes after {writes} writes"),
            Self::Truncated { kept, of } => {
                write!(f, "! only {kept} of {of} bytes of the packet were captured")
            }
            Self::Lost { text, .. } => write!(f, "! {text}"),
        }
    }
}

fn next_tag(pdu: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (tag, rest) = pdu.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((u16::from_be_bytes(*tag), value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn any_packet() -> impl Strategy<Value = Packet> {
        let bytes = any::<Vec<u8>>;
        let case = "[A-Z]{3}-[A-Z]{3}-[0-9]{3}";
        let events = prop_oneof![
            case.prop_map(|case| Event::Begin { case }),
            any::<u64>().prop_map(|writes| Event::Cut { writes }),
            (any::<bool>(), any::<String>())
                .prop_map(|(removed, text)| Event::Lost { removed, text }),
            (case, any::<String>()).prop_map(|(case, reason)| Event::verdict(
                &case,
                "not applicable",
                &reason
            )),
            any::<[bool; 2]>().prop_map(|[cut, renews]| Event::Run {
                serial: "00".into(),
                can: Abilities { cut, kinds: vec!["student".into()], renews }
            }),
            Just(Event::Power),
            Just(Event::Reset),
            Just(Event::Off),
        ];
        prop_oneof![
            bytes().prop_map(Packet::Command),
            bytes().prop_map(Packet::Response),
            bytes().prop_map(Packet::Atr),
            events.prop_map(Packet::Event),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(packet in any_packet()) {
            prop_assert_eq!(Packet::parse(&packet.emit()), Ok(packet));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Packet::parse(&bytes);
        }
    }

    #[test]
    fn a_command_is_what_wireshark_expects() {
        let pdu = Packet::Command(vec![0x00, 0xA4]).emit();
        assert_eq!(pdu[..12], *b"\x00\x0C\x00\x08iso7816\x00");
        assert_eq!(pdu[12..], [0, 35, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0xA4]);
    }

    #[test]
    fn an_event_is_json() {
        let event = Event::verdict("SEL-DF-001", "not applicable", "");
        let json = r#"{"event":"verdict","case":"SEL-DF-001","verdict":"not-applicable"}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(event.to_string(), "= SEL-DF-001: not applicable");
    }
}
