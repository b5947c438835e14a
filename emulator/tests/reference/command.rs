//! Commands: their bytes, the table of 9.1, and the rules of 9.4 for Le.

use super::files;

/// A command APDU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) cla: u8,
    pub(crate) ins: u8,
    pub(crate) p1: u8,
    pub(crate) p2: u8,
    pub(crate) data: Vec<u8>,
    /// 0 without Le.
    pub(crate) ne: u32,
    pub(crate) extended: bool,
}

impl Command {
    pub(crate) fn new([cla, ins, p1, p2]: [u8; 4], data: &[u8], ne: u32) -> Self {
        let extended = data.len() > 255 || ne > 256;
        Self { cla, ins, p1, p2, data: data.to_vec(), ne, extended }
    }

    /// Cases 1 to 4, short and extended; every byte is accounted for.
    pub(crate) fn parse(apdu: &[u8]) -> Option<Self> {
        let (&header, body) = apdu.split_first_chunk::<4>()?;
        let made =
            |data: &[u8], ne, extended| Some(Self { extended, ..Self::new(header, data, ne) });
        let short = |le: u8| if le == 0 { 256 } else { u32::from(le) };
        let long = |h: u8, l: u8| match u32::from(h) << 8 | u32::from(l) {
            0 => 65_536,
            ne => ne,
        };
        match body {
            [] => made(&[], 0, false),
            [le] => made(&[], short(*le), false),
            [0, h, l] => made(&[], long(*h, *l), true),
            [0, h, l, rest @ ..] => {
                let length = usize::from(*h) << 8 | usize::from(*l);
                match (length, rest.split_at_checked(length)?) {
                    (0, _) => None,
                    (_, (data, [])) => made(data, 0, true),
                    (_, (data, [h, l])) => made(data, long(*h, *l), true),
                    _ => None,
                }
            }
            [0, ..] => None,
            [length, rest @ ..] => match rest.split_at_checked(usize::from(*length))? {
                (data, []) => made(data, 0, false),
                (data, [le]) => made(data, short(*le), false),
                _ => None,
            },
        }
    }

    /// The bytes of a command.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = vec![self.cla, self.ins, self.p1, self.p2];
        let length = u16::try_from(self.data.len()).unwrap();
        let [h, l] = length.to_be_bytes();
        let [_, _, nh, nl] = self.ne.to_be_bytes();
        if self.extended {
            out.push(0);
            if length > 0 {
                out.extend([h, l]);
            }
            out.extend(&self.data);
            if self.ne > 0 {
                out.extend([nh, nl]);
            }
        } else {
            if length > 0 {
                out.push(l);
            }
            out.extend(&self.data);
            if self.ne > 0 {
                out.push(nl);
            }
        }
        out
    }

    /// No data.
    pub(crate) fn no_data(&self) -> Result<(), u16> {
        if self.data.is_empty() { Ok(()) } else { Err(0x6700) }
    }

    /// No Le.
    pub(crate) fn no_le(&self) -> Result<(), u16> {
        if self.ne == 0 { Ok(()) } else { Err(0x6700) }
    }

    /// So many bytes of data.
    pub(crate) fn length(&self, length: usize) -> Result<(), u16> {
        if self.data.len() == length { Ok(()) } else { Err(0x6700) }
    }

    /// Le is there, and 00 or this.
    pub(crate) fn exact_le(&self, length: usize) -> Result<(), u16> {
        if self.ne == 0 { Err(0x6700) } else { self.exact_le_if_any(length) }
    }

    /// Le is absent, 00 or this.
    pub(crate) fn exact_le_if_any(&self, length: usize) -> Result<(), u16> {
        let right = self.ne == 0 || self.ne >= 256 || self.ne as usize == length;
        if right { Ok(()) } else { Err(0x6C00 | u16::try_from(length & 0xFF).unwrap()) }
    }

    /// These P1 P2.
    pub(crate) fn parameters(&self, p1: u8, p2: u8) -> Result<(), u16> {
        if (self.p1, self.p2) == (p1, p2) { Ok(()) } else { Err(0x6A86) }
    }
}

/// Commands of a student card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Select,
    ReadBinary,
    ReadRecord,
    UpdateBinary,
    GetResponse,
    Choose,
    Challenge,
    Authenticate,
    LifeCycle,
    PutKey,
    TransitChallenge,
    Balance,
    Initialise,
    Credit,
    Debit,
    Cache,
    Prove,
    Verify,
    External,
    Internal,
    ChangePin,
    PinUnblock,
    ApplicationBlock,
    ApplicationUnblock,
    CardBlock,
}

/// How a command may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    Plain,
    Either,
    Protected,
}

/// The command of this class and instruction in this DF.
pub(crate) fn find(command: &Command, df: u16) -> Option<Name> {
    use Name as N;
    let (wallet, transit) = (df == files::WALLET, matches!(df, files::WALLET | files::MF));
    let own = command.cla & 0x80 != 0;
    Some(match (own, command.ins) {
        (false, 0xA4) => N::Select,
        (false, 0xB0) => N::ReadBinary,
        (false, 0xB2) => N::ReadRecord,
        (false, 0xD6) => N::UpdateBinary,
        (false, 0xC0) => N::GetResponse,
        (false, 0x84) if transit => N::TransitChallenge,
        (false, 0x82) if transit => N::External,
        (false, 0x22) if !transit => N::Choose,
        (false, 0x84) => N::Challenge,
        (false, 0x82) => N::Authenticate,
        (true, 0xF0) if !transit => N::LifeCycle,
        (true, 0xD8) if !transit => N::PutKey,
        (true, 0x16) if transit => N::CardBlock,
        (true, 0x5C) if wallet => N::Balance,
        (true, 0x50) if wallet => N::Initialise,
        (true, 0x52) if wallet => N::Credit,
        (true, 0x54) if wallet => N::Debit,
        (true, 0xDC) if wallet => N::Cache,
        (true, 0x5A) if wallet => N::Prove,
        (false, 0x20) if wallet => N::Verify,
        (false, 0x88) if wallet => N::Internal,
        (true, 0x5E) if wallet => N::ChangePin,
        (true, 0x24) if wallet => N::PinUnblock,
        (true, 0x1E) if wallet => N::ApplicationBlock,
        (true, 0x18) if wallet => N::ApplicationUnblock,
        _ => return None,
    })
}

/// How a command may come.
pub(crate) fn protection(name: Name) -> Protection {
    use Name as N;
    match name {
        N::ReadBinary | N::ReadRecord | N::UpdateBinary => Protection::Either,
        N::LifeCycle
        | N::PutKey
        | N::PinUnblock
        | N::ApplicationBlock
        | N::ApplicationUnblock
        | N::CardBlock => Protection::Protected,
        _ => Protection::Plain,
    }
}
