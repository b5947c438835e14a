//! A packet of a trace as an exported PDU: tags that name the dissector and the direction, and the
//! bytes (Wireshark, `wsutil/exported_pdu_tlvs.h`; most significant byte first).
//!
//! Commands, responses and answers to reset are what they are on the road. What has no bytes there,
//! such as power that goes, is an event: a JSON object, which Wireshark shows too.

use serde::{Deserialize, Serialize};
use xuejika_vectors::conformance::{Kind, Verdict};

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
pub(crate) enum Packet {
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
pub(crate) enum Event {
    /// A run of the conformance suite.
    Run {
        /// Serial of the student card, hexadecimal.
        serial: String,
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
        /// What came of it.
        verdict: Verdict,
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
pub(crate) struct Abilities {
    /// Power can be cut within a command.
    pub(crate) cut: bool,
    /// The kinds of cards there are.
    pub(crate) kinds: Vec<Kind>,
    /// Each case gets a new card.
    pub(crate) renews: bool,
}

/// Bytes that are no packet of a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PacketError {
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

    /// How many bytes were on the road; an event has none.
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Command(bytes) | Self::Response(bytes) | Self::Atr(bytes) => bytes.len(),
            Self::Event(_) => 0,
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
    /// A loss is what the card's side does; the rest is done to the card.
    const fn direction(&self) -> u32 {
        match self {
            Self::Lost { .. } => RECEIVED,
            _ => SENT,
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
    use proptest::prelude::*;

    fn any_packet() -> impl Strategy<Value = Packet> {
        let bytes = any::<Vec<u8>>;
        let case = "[A-Z]{3}-[A-Z]{3}-[0-9]{3}";
        let events = prop_oneof![
            case.prop_map(|case| Event::Begin { case }),
            any::<u64>().prop_map(|writes| Event::Cut { writes }),
            (any::<bool>(), any::<String>())
                .prop_map(|(removed, text)| Event::Lost { removed, text }),
            (case, any::<String>()).prop_map(|(case, reason)| Event::Verdict {
                case,
                verdict: Verdict::NotApplicable,
                reason
            }),
            any::<[bool; 2]>().prop_map(|[cut, renews]| Event::Run {
                serial: "00".into(),
                can: Abilities { cut, kinds: Kind::ALL.to_vec(), renews }
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
        let event = Event::Verdict {
            case: "SEL-DF-001".into(),
            verdict: Verdict::NotApplicable,
            reason: String::new(),
        };
        let json = r#"{"event":"verdict","case":"SEL-DF-001","verdict":"not-applicable"}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
    }
}
