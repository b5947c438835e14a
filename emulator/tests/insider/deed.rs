//! What an insider may try: a unit, a key of a zone, a command, a date.

use core::fmt;

/// A unit code (单位码): three bytes BCD.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit(pub(crate) [u8; 3]);

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    City,
    District,
    School,
}

impl Unit {
    pub(crate) const CITY: Self = Self([0, 0, 0]);

    /// Everyone in the walk: the city, two districts, two schools of each.
    pub(crate) const ALL: [Self; 7] = [
        Self::CITY,
        Self([0x08, 0, 0]),
        Self([0x05, 0, 0]),
        Self([0x08, 0x40, 0x12]),
        Self([0x08, 0x40, 0x13]),
        Self([0x05, 0x40, 0x20]),
        Self([0x05, 0x40, 0x21]),
    ];

    pub(crate) const fn kind(self) -> Kind {
        match self.0 {
            [0, 0, 0] => Kind::City,
            [_, 0, 0] => Kind::District,
            _ => Kind::School,
        }
    }

    /// Whether this unit has charge of the other: the city of all, a district of its schools, each of
    /// itself.
    pub(crate) fn covers(self, other: Self) -> bool {
        match self.kind() {
            Kind::City => true,
            Kind::District => self.0[0] == other.0[0],
            Kind::School => self == other,
        }
    }
}

/// As people write it: six digits.
pub(crate) struct Digits(pub(crate) Unit);

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0.0;
        write!(f, "{a:02X}{b:02X}{c:02X}")
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0;
        match self.kind() {
            Kind::City => f.write_str("the city"),
            Kind::District => write!(f, "district {a:02X}"),
            Kind::School => write!(f, "school {a:02X}{b:02X}{c:02X}"),
        }
    }
}

/// A day: BCD YYYYMMDD.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(pub(crate) [u8; 4]);

impl Day {
    pub(crate) fn new(year: u16, month: u8, day: u8) -> Self {
        let bcd = |n: u16| u8::try_from(n / 10 * 16 + n % 10).unwrap();
        Self([bcd(year / 100), bcd(year % 100), bcd(month.into()), bcd(day.into())])
    }

    pub(crate) fn year(self) -> u16 {
        decimal(self.0[0]) * 100 + decimal(self.0[1])
    }

    /// Month and day, as one number: 3 January is 103.
    pub(crate) fn in_year(self) -> u16 {
        decimal(self.0[2]) * 100 + decimal(self.0[3])
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{a:02X}{b:02X}-{c:02X}-{d:02X}")
    }
}

/// The number in a byte of two decimal digits.
pub(crate) fn decimal(byte: u8) -> u16 {
    u16::from(byte >> 4) * 10 + u16::from(byte & 0x0F)
}

/// A student number (学籍号).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) [u8; 8]);

impl Number {
    /// The school that gave it: digits 3 to 8.
    pub(crate) fn school(self) -> Unit {
        Unit([self.0[1], self.0[2], self.0[3]])
    }

    /// 1 primary, 2 junior, 3 senior: by digit 9, the pupil's category.
    pub(crate) const fn stage(self) -> i8 {
        match self.0[4] >> 4 {
            0 | 4 | 7 => 1,
            1 | 5 | 8 => 2,
            _ => 3,
        }
    }

    /// All but the seat: what EF 08 repeats.
    pub(crate) fn class(self) -> [u8; 7] {
        let [a, b, c, d, e, f, g, _] = self.0;
        [a, b, c, d, e, f, g & 0xF0]
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// An event of CHANGE LIFE CYCLE, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Event {
    Initialise = 0x01,
    Begin = 0x02,
    Commit = 0x03,
    TemporaryIssue = 0x04,
    Register = 0x05,
    Freeze = 0x06,
    Unfreeze = 0x07,
    Cancel = 0x08,
    Replace = 0x09,
    Open = 0x0A,
    Reclaim = 0x0B,
    TransferOut = 0x0C,
    TransferIn = 0x0D,
    Withdraw = 0x0E,
    Recall = 0x0F,
    Restock = 0x10,
    Fault = 0x11,
    TemporaryReturn = 0x12,
}

impl Event {
    pub(crate) const ALL: [Self; 18] = [
        Self::Initialise,
        Self::Begin,
        Self::Commit,
        Self::TemporaryIssue,
        Self::Register,
        Self::Freeze,
        Self::Unfreeze,
        Self::Cancel,
        Self::Replace,
        Self::Open,
        Self::Reclaim,
        Self::TransferOut,
        Self::TransferIn,
        Self::Withdraw,
        Self::Recall,
        Self::Restock,
        Self::Fault,
        Self::TemporaryReturn,
    ];
}

/// What an event carries of its own, all of it whether or not the event takes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) handed_out: bool,
    /// Year in which the school year begins, term 1 (autumn) or 2 (spring).
    pub(crate) term: (u16, u8),
    pub(crate) sector: u8,
    pub(crate) owner: Unit,
    pub(crate) filing: u8,
    pub(crate) promotion: bool,
    /// The city's code while the new school is unknown.
    pub(crate) to: Unit,
    pub(crate) number: Number,
}

/// Data of a pupil, right or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Right,
    /// One bit wrong, so that no checksum fits.
    Torn,
    Zeros,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Event(Event, Body),
    /// UPDATE BINARY of EF 07.
    WriteIdentity(Number, Form),
    /// UPDATE BINARY of EF 08.
    WriteEnrolment(Number, Form),
    /// UPDATE BINARY of EF 05: the card is good until this year.
    WriteIssuance(u8),
    /// UPDATE BINARY of the file with this short identifier, one byte.
    WriteFile(u8),
    /// READ BINARY or READ RECORD of the file with this short identifier.
    ReadFile(u8),
    /// PUT KEY of the key with this number, this many versions above the newest.
    PutKey(u8, i8),
    /// PUT KEY with P2 FF.
    RetireKey(u8),
    ReadSector,
    WriteSector(u8),
    /// The transit operator and the guardian at the operator's desk.
    Wallet(AtTheOperator),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtTheOperator {
    Open,
    Load,
    Pay,
    Suspend,
    Resume,
    /// All of the balance, which closes the wallet.
    Refund,
}

/// KA of the owner of a sector, in anybody's hands.
pub(crate) const STOLEN: u8 = 8;

/// One try.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) unit: Unit,
    /// 0: the education zone, else the extension sector with this number.
    pub(crate) zone: u8,
    /// K0 to K6, 7 for the unit's own KA, [`STOLEN`], or none: no session.
    pub(crate) key: Option<u8>,
    pub(crate) day: Day,
    pub(crate) reason: u8,
    pub(crate) deed: Deed,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Deed::Wallet(what) = self.deed {
            return write!(f, "the holder, at the operator's: {what:?}");
        }
        write!(f, "{}", self.unit)?;
        match self.key {
            Some(7) => f.write_str(", with its KA"),
            Some(STOLEN) => f.write_str(", with the owner's KA"),
            Some(key) => write!(f, ", with K{key}"),
            None => f.write_str(", without a session"),
        }?;
        if self.zone != 0 {
            write!(f, " of sector {}", self.zone)?;
        }
        f.write_str(": ")?;
        match self.deed {
            Deed::Event(event, body) => self.event(f, event, body),
            Deed::WriteIdentity(number, form) => {
                write!(f, "writes EF 07 of pupil {number} ({form:?})")
            }
            Deed::WriteEnrolment(number, form) => {
                write!(f, "writes EF 08 of pupil {number} ({form:?})")
            }
            Deed::WriteIssuance(year) => write!(f, "writes EF 05, good until 20{year:02X}"),
            Deed::WriteFile(sfi) => write!(f, "writes EF {sfi:02X}"),
            Deed::ReadFile(sfi) => write!(f, "reads EF {sfi:02X}"),
            Deed::PutKey(number, ahead) => write!(f, "loads K{number}, {ahead:+} versions"),
            Deed::RetireKey(number) => write!(f, "retires the old K{number}"),
            Deed::ReadSector => f.write_str("reads the sector"),
            Deed::WriteSector(byte) => write!(f, "writes {byte:02X} into the sector"),
            Deed::Wallet(_) => Ok(()),
        }
    }
}

impl Act {
    fn event(&self, f: &mut fmt::Formatter<'_>, event: Event, body: Body) -> fmt::Result {
        write!(f, "{event:?} on {}", self.day)?;
        if self.reason != 0 {
            write!(f, ", reason {:02X}", self.reason)?;
        }
        match event {
            Event::Commit => write!(f, ", handed out: {}", body.handed_out),
            Event::Register => write!(f, ", for term {} of {}", body.term.1, body.term.0),
            Event::Open => {
                write!(f, ", sector {} for {}, filing {}", body.sector, body.owner, body.filing)
            }
            Event::Reclaim => write!(f, ", sector {}", body.sector),
            Event::TransferOut if body.to == Unit::CITY => {
                write!(f, ", promotion: {}, to nobody yet", body.promotion)
            }
            Event::TransferOut => write!(f, ", promotion: {}, to {}", body.promotion, body.to),
            Event::TransferIn => write!(f, ", new number {}", body.number),
            _ => Ok(()),
        }
    }
}
