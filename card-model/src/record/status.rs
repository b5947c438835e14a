//! EF 06 status record (状态), kept in two copies: where the card stands in its life, and why.
//!
//! A change writes the copy that is not current, with the counter one higher. So a torn write
//! leaves the other copy, and one valid copy always tells the state.

use super::error::{FieldErrors, Problem};
use super::field::{Field, Layout, RecordKind};
use super::wire::{Reader, Wire, Writer};
use crate::code::Reason;
use crate::crc::is_sealed;
use crate::date::Date;
use crate::ident::UnitCode;
use crate::state::LifeCycleState;

/// One copy of the status record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Status {
    /// State of the life cycle (生命周期).
    pub state: LifeCycleState,
    /// State before, which unfreezing restores (前一状态).
    pub previous: LifeCycleState,
    /// Marks that go with any state.
    pub flags: StatusFlags,
    /// Number of changes, modulo 65536.
    pub counter: u16,
    /// Date of the change, from the terminal.
    pub date: Date,
    /// Unit that made the change.
    pub unit: UnitCode,
    /// Reason of the change, where there is one.
    pub reason: Option<Reason>,
}

impl Status {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// Format version written and read.
    pub const VERSION: u8 = 0x01;

    /// Where its fields are.
    pub const LAYOUT: Layout =
        Layout { record: RecordKind::Status, len: Self::LEN, fields: field::ALL };

    /// Reads one copy. An unknown state reads as [`LifeCycleState::Fault`].
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, FieldErrors> {
        let mut r = Reader::open(&Self::LAYOUT, bytes)?;
        r.expect_version(field::VERSION, Self::VERSION);
        let state = r.read(field::STATE);
        let previous = r.read(field::PREVIOUS);
        let flags = r.read(field::FLAGS);
        let counter = r.read(field::COUNTER);
        let date = r.read(field::DATE);
        let unit = r.read(field::UNIT);
        let reason = r.read(field::REASON);
        r.finish(|| {
            Some(Self {
                state: state?,
                previous: previous?,
                flags: flags?,
                counter: counter?,
                date: date?,
                unit: unit?,
                reason: reason?,
            })
        })
    }

    /// Writes one copy.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        Writer::new()
            .write(field::VERSION, &Self::VERSION)
            .write(field::STATE, &self.state)
            .write(field::PREVIOUS, &self.previous)
            .write(field::FLAGS, &self.flags)
            .write(field::COUNTER, &self.counter)
            .write(field::DATE, &self.date)
            .write(field::UNIT, &self.unit)
            .write(field::REASON, &self.reason)
            .seal(&Self::LAYOUT)
    }
}

/// Marks of the status record; the bits 4 to 7 are reserved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct StatusFlags {
    /// Bit 0: temporary card (临时卡), good until the enrolment's valid-until date.
    pub temporary: bool,
    /// Bit 1: the name has a rare character (生僻字).
    pub rare_name: bool,
    /// Bit 2: handed out to the holder.
    pub issued: bool,
    /// Bit 3: an extension sector is open.
    pub extension_open: bool,
}

impl StatusFlags {
    /// Reads the byte, or `None` when a reserved bit is set.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x00..=0x0F => Some(Self {
                temporary: byte & 0x01 != 0,
                rare_name: byte & 0x02 != 0,
                issued: byte & 0x04 != 0,
                extension_open: byte & 0x08 != 0,
            }),
            _ => None,
        }
    }

    /// Returns the byte.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.temporary as u8
            | (self.rare_name as u8) << 1
            | (self.issued as u8) << 2
            | (self.extension_open as u8) << 3
    }
}

impl Wire for StatusFlags {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        Self::from_byte(u8::decode(bytes)?).ok_or(Problem::Reserved)
    }

    fn encode(&self, out: &mut [u8]) {
        self.byte().encode(out);
    }
}

/// Which copy of the status record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Slot {
    /// The first 16 bytes of EF 06.
    A,
    /// The last 16 bytes of EF 06.
    B,
}

impl Slot {
    /// Returns the other copy.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Returns the offset of the copy in EF 06.
    #[must_use]
    pub const fn offset(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => Status::LEN,
        }
    }
}

/// The two copies of the status record, read together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StatusPair {
    /// The current status.
    pub current: Status,
    /// The copy it is in. A change writes `slot.other()`.
    pub slot: Slot,
    /// Whether the other copy is damaged and should be written again.
    pub other_damaged: bool,
}

impl StatusPair {
    /// Length of both copies in bytes.
    pub const LEN: usize = 2 * Status::LEN;

    /// Reads EF 06: of the copies with a valid CRC, the one with the later counter is current. The
    /// counter wraps, so "later" means less than half its range ahead. Equal copies are legal.
    ///
    /// # Errors
    /// The errors of both copies when neither CRC is valid, those of the current copy when its
    /// fields break a rule (the older copy is no substitute), and [`Problem::Copies`] when the
    /// counters name no later copy.
    pub fn parse(bytes: &[u8]) -> Result<Self, FieldErrors> {
        let (a, b) = match bytes.split_first_chunk::<{ Status::LEN }>() {
            Some((a, b)) if b.len() == Status::LEN => (a.as_slice(), b),
            _ => return Err(wrong_length(bytes.len())),
        };
        let slot = match (is_sealed(a), is_sealed(b)) {
            (true, true) => later(a, b)?,
            (true, false) => Slot::A,
            (false, true) => Slot::B,
            (false, false) => return Err(both_errors(a, b)),
        };
        let (current, other) = match slot {
            Slot::A => (a, b),
            Slot::B => (b, a),
        };
        Ok(Self { current: Status::parse(current)?, slot, other_damaged: !is_sealed(other) })
    }
}

fn later(a: &[u8], b: &[u8]) -> Result<Slot, FieldErrors> {
    let counter = |copy: &[u8]| {
        let bytes = copy.get(field::COUNTER.range());
        u16::decode(bytes.unwrap_or_default()).unwrap_or_default()
    };
    let (counter_a, counter_b) = (counter(a), counter(b));
    match counter_a.wrapping_sub(counter_b) {
        0 if a == b => Ok(Slot::A),
        1..=0x7FFF => Ok(Slot::A),
        0x8001..=0xFFFF => Ok(Slot::B),
        0 | 0x8000 => {
            let mut errors = FieldErrors::default();
            let (a, b) = (counter_a, counter_b);
            errors.push(field::COUNTER, Problem::Copies { a, b });
            Err(errors)
        }
    }
}

fn both_errors(a: &[u8], b: &[u8]) -> FieldErrors {
    let mut errors = FieldErrors::default();
    for copy in [a, b] {
        errors.append(Status::parse(copy).err().unwrap_or_default());
    }
    errors
}

fn wrong_length(found: usize) -> FieldErrors {
    let mut errors = FieldErrors::default();
    let expected = StatusPair::LEN;
    errors.push(Status::LAYOUT.whole(), Problem::Length { found, expected });
    errors
}

mod field {
    use super::{Field, RecordKind};

    const R: RecordKind = RecordKind::Status;

    pub(super) const VERSION: Field = Field::value(R, 0, 1, "version", "版本");
    pub(super) const STATE: Field = Field::value(R, 1, 1, "state", "生命周期");
    pub(super) const PREVIOUS: Field = Field::value(R, 2, 1, "previous", "前一状态");
    pub(super) const FLAGS: Field = Field::value(R, 3, 1, "flags", "标志");
    pub(super) const COUNTER: Field = Field::value(R, 4, 2, "counter", "计数器");
    pub(super) const DATE: Field = Field::value(R, 6, 4, "date", "日期");
    pub(super) const UNIT: Field = Field::value(R, 10, 3, "unit", "单位码");
    pub(super) const REASON: Field = Field::value(R, 13, 1, "reason", "原因");
    const CRC: Field = Field::crc(R, 14, "crc");

    pub(super) const ALL: &[Field] =
        &[VERSION, STATE, PREVIOUS, FLAGS, COUNTER, DATE, UNIT, REASON, CRC];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(counter: u16) -> Status {
        Status {
            state: LifeCycleState::Active,
            previous: LifeCycleState::Personalising,
            flags: StatusFlags::default(),
            counter,
            date: Date::new(2026, 9, 1).unwrap(),
            unit: "084012".parse().unwrap(),
            reason: None,
        }
    }

    fn pair(a: [u8; 16], b: [u8; 16]) -> [u8; 32] {
        [a, b].concat().try_into().unwrap()
    }

    #[test]
    fn later_counter_wins_also_across_the_wrap() {
        for (a, b, slot) in [
            (5, 4, Slot::A),
            (4, 5, Slot::B),
            (0xFFFF, 0, Slot::B),
            (0, 0xFFFF, Slot::A),
            (0x7FFF, 0, Slot::A),
            (7, 7, Slot::A),
        ] {
            let read = StatusPair::parse(&pair(status(a).emit(), status(b).emit())).unwrap();
            assert_eq!((read.slot, read.other_damaged), (slot, false), "{a} {b}");
            let current = if slot == Slot::A { a } else { b };
            assert_eq!(read.current, status(current));
        }
    }

    #[test]
    fn one_damaged_copy() {
        let (good, bad) = (status(4).emit(), [0; 16]);
        let read = StatusPair::parse(&pair(bad, good)).unwrap();
        assert_eq!((read.slot, read.other_damaged), (Slot::B, true));
        let read = StatusPair::parse(&pair(good, bad)).unwrap();
        assert_eq!((read.slot, read.other_damaged), (Slot::A, true));
    }

    #[test]
    fn no_current_copy() {
        let errors = StatusPair::parse(&[0; 32]).unwrap_err();
        assert_eq!(errors.iter().count(), 2);
        assert!(StatusPair::parse(&[0; 31]).unwrap_err().has("record"));

        let far = pair(status(0).emit(), status(0x8000).emit());
        assert!(StatusPair::parse(&far).unwrap_err().has("counter"));
        let mut changed = status(3);
        changed.flags.issued = true;
        let split = pair(status(3).emit(), changed.emit());
        assert!(StatusPair::parse(&split).unwrap_err().has("counter"));
    }

    /// A sealed but illegal later copy must not bring the older state back.
    #[test]
    fn no_fall_back_to_the_older_state() {
        let mut later = status(5).emit();
        later[3] = 0x80;
        crate::crc::seal(&mut later);
        let errors = StatusPair::parse(&pair(status(4).emit(), later)).unwrap_err();
        assert!(errors.has("flags"));
    }

    #[test]
    fn flags_both_ways() {
        for byte in 0..=u8::MAX {
            let flags = StatusFlags::from_byte(byte);
            assert_eq!(flags.map(StatusFlags::byte), (byte < 16).then_some(byte));
        }
    }

    #[test]
    fn unknown_state_is_a_fault() {
        let mut bytes = status(1).emit();
        bytes[1] = 0x99;
        crate::crc::seal(&mut bytes);
        assert_eq!(Status::parse(&bytes).unwrap().state, LifeCycleState::Fault);
    }
}
