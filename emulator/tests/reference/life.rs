//! The life of a card: sections 6.3, 9.14 and 12 of the card profile.

use super::card::{Answer, RefCard, Slots};
use super::command::Command;
use super::files::{
    self, ACT, BLANK, Body, CAN, FLT, FRZ, IN, INIT, OUT, PZG, RCL, SECTOR, ZONE, closed_entry,
};
use super::keys;
use super::record::{self, CITY, Unit, covers, is_school, seal};

/// The status record, as far as the card looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) state: u8,
    pub(crate) previous: u8,
    pub(crate) flags: u8,
    pub(crate) counter: u16,
    pub(crate) unit: Unit,
    /// Date, unit and reason, as they stand.
    made: [u8; 8],
    /// Where the copy stands.
    place: usize,
}

/// States in the order of the columns of 12.4.
const STATES: [u8; 10] = [BLANK, INIT, PZG, ACT, OUT, IN, FRZ, CAN, RCL, FLT];

/// What the table of 12.4 says.
const NO: u8 = 0xFF;
/// The state stays.
const STAY: u8 = 0xFE;
/// The state before.
const PREV: u8 = 0xFD;

/// Key of each event, and the state it leads to.
const EVENTS: [(u8, [u8; 10]); 18] = [
    (0, [INIT, NO, NO, NO, NO, NO, NO, NO, NO, NO]),
    (2, [NO, PZG, STAY, PZG, NO, PZG, NO, NO, NO, NO]),
    (2, [NO, NO, ACT, NO, NO, NO, NO, NO, NO, NO]),
    (2, [NO, PZG, NO, NO, NO, NO, NO, NO, NO, NO]),
    (3, [NO, NO, NO, STAY, NO, NO, NO, NO, NO, NO]),
    (5, [NO, NO, NO, FRZ, FRZ, FRZ, STAY, NO, NO, NO]),
    (5, [NO, NO, NO, STAY, STAY, STAY, PREV, NO, NO, NO]),
    (5, [NO, CAN, CAN, CAN, CAN, CAN, CAN, STAY, CAN, CAN]),
    (5, [NO, NO, NO, CAN, CAN, CAN, CAN, STAY, NO, CAN]),
    (6, [NO, NO, NO, STAY, NO, NO, NO, NO, NO, NO]),
    (6, [NO, NO, NO, STAY, STAY, NO, STAY, NO, NO, NO]),
    (4, [NO, NO, NO, OUT, NO, NO, NO, NO, NO, NO]),
    (4, [NO, NO, NO, NO, IN, NO, NO, NO, NO, NO]),
    (4, [NO, NO, NO, NO, ACT, NO, NO, NO, NO, NO]),
    (5, [NO, STAY, RCL, RCL, RCL, RCL, RCL, NO, STAY, NO]),
    (5, [NO, NO, NO, NO, NO, NO, NO, NO, INIT, PREV]),
    (5, [FLT, FLT, FLT, FLT, FLT, FLT, FLT, STAY, FLT, STAY]),
    (5, [NO, NO, INIT, INIT, NO, NO, INIT, NO, NO, NO]),
];

/// Flags of the status record.
const TEMPORARY: u8 = 1;
const RARE: u8 = 2;
const ISSUED: u8 = 4;
const SECTOR_OPEN: u8 = 8;

/// An event on its way.
struct Run<'a> {
    event: u8,
    data: &'a [u8],
    /// What comes behind the common part.
    body: &'a [u8],
    unit: Unit,
    status: Status,
    /// What comes of it, and what is written as the state before.
    state: u8,
    previous: u8,
}

impl Run<'_> {
    fn date(&self) -> &[u8] {
        &self.data[..4]
    }

    fn terminal(&self) -> &[u8] {
        &self.data[7..11]
    }
}

impl RefCard {
    /// The current status record.
    pub(crate) fn status(&self) -> Option<Status> {
        let file = self.bytes(ZONE, 6);
        let (a, b) = file.split_at(16);
        let counter = |copy: &[u8]| u16::from_be_bytes([copy[4], copy[5]]);
        let place = match (record::sealed(a), record::sealed(b)) {
            (true, false) => 0,
            (false, true) => 16,
            (false, false) => return None,
            (true, true) if a == b => 0,
            (true, true) => match counter(a).wrapping_sub(counter(b)) {
                1..=0x7FFF => 0,
                0x8001..=0xFFFF => 16,
                _ => return None,
            },
        };
        let copy = &file[place..place + 16];
        let unit = copy[10..13].try_into().unwrap();
        let known = |code: u8| if STATES.contains(&code) { code } else { FLT };
        let valid = copy[0] == 1
            && copy[3] & 0xF0 == 0
            && record::is_date(&copy[6..10])
            && record::is_unit(unit)
            && record::is_reason(copy[13]);
        valid.then(|| Status {
            state: known(copy[1]),
            previous: known(copy[2]),
            flags: copy[3],
            counter: counter(copy),
            unit,
            made: copy[6..14].try_into().unwrap(),
            place,
        })
    }

    /// A copy of the status record with a wrong CRC becomes the other one.
    pub(crate) fn heal(&mut self) {
        let Some(status) = self.status() else { return };
        let file = self.bytes_mut(ZONE, 6);
        let good = file[status.place..status.place + 16].to_vec();
        let other = &mut file[16 - status.place..32 - status.place];
        if !record::sealed(other) {
            other.copy_from_slice(&good);
        }
    }

    pub(crate) fn change_life_cycle(&mut self, command: &Command) -> Answer {
        let (event, data) = (command.p1, &command.data);
        let index = usize::from(event).checked_sub(1).ok_or(0x6A86_u16)?;
        let (key, column) = *EVENTS.get(index).ok_or(0x6A86_u16)?;
        if command.p2 != 0 {
            return Err(0x6A86);
        }
        command.exact_le(4)?;
        if self.v.df != ZONE {
            return Err(0x6985);
        }
        if !is_event_data(event, data) {
            return Err(0x6A80);
        }
        if self.v.session.as_ref().map(|session| session.key) != Some(key) {
            return Err(0x6982);
        }
        let unit = self.acting().ok_or(0x6982_u16)?;
        let status = self.status().ok_or(0x6400_u16)?;
        let place = STATES.iter().position(|state| *state == status.state).unwrap();
        let (state, previous) = match column[place] {
            NO => return Err(0x6985),
            STAY => (status.state, status.previous),
            PREV if (status.state, status.previous) == (FLT, PZG) => match self.begun_from() {
                INIT => (INIT, FLT),
                from => (PZG, from),
            },
            PREV => (status.previous, status.state),
            state => (state, status.state),
        };
        let run = Run { event, data, body: &data[12..], unit, status, state, previous };
        self.check_unit(&run, key)?;
        self.check_dates(&run)?;
        self.execute(&run)
    }

    /// The owner of the card: 12.3.
    pub(crate) fn owner(&self, status: &Status) -> Option<Unit> {
        match status.state {
            BLANK => Some(CITY),
            INIT => None,
            _ => {
                let newest = self.records(ZONE, 0x0B).first();
                if let Some(taken_in) = newest.filter(|record| record[0] == 3) {
                    return Some(taken_in[5..8].try_into().unwrap());
                }
                let commit = self.bytes(ZONE, 9);
                let made = record::sealed(commit);
                Some(if made { commit[6..9].try_into().unwrap() } else { status.unit })
            }
        }
    }

    /// Where the personalising began that is under way, from what was committed before: 12.5.
    fn begun_from(&self) -> u8 {
        let newest = self.records(ZONE, 0x0B).first();
        match newest {
            _ if !record::sealed(self.bytes(ZONE, 9)) => INIT,
            Some(record) if record[0] == 3 && record[16..24] != self.bytes(ZONE, 7)[..8] => IN,
            _ => ACT,
        }
    }

    /// Whether the day can be true: 12.6.
    fn check_dates(&self, run: &Run<'_>) -> Result<(), u16> {
        let (issuance, date) = (self.bytes(ZONE, 5), run.date());
        let in_use = matches!(run.event, 2 | 3 | 4 | 5 | 0x0A | 0x0C | 0x0D | 0x0E);
        let early = run.event != 1 && date < &issuance[16..20];
        let late = in_use && date > &issuance[36..40];
        let term = run.event != 5 || is_near(date, run.body);
        if early || late || !term { Err(0x6A80) } else { Ok(()) }
    }

    fn check_unit(&self, run: &Run<'_>, key: u8) -> Result<(), u16> {
        let (unit, status, owner) = (run.unit, &run.status, self.owner(&run.status));
        let allowed = match (run.event, key) {
            (0x01, _) => unit == CITY,
            (0x10, _) => !is_school(unit) && covers(unit, status.unit),
            (0x0D, _) => {
                let open = self.records(ZONE, 0x0B).first().filter(|it| matches!(it[0], 1 | 2));
                let to = open.map_or([0; 3], |record| record[5..8].try_into().unwrap());
                is_school(unit) && (to == [0; 3] || to == unit)
            }
            (0x08, _) if owner.is_none() => !is_school(unit),
            (event, 5) => owner.is_none_or(|owner| {
                let frees = status.state == FRZ && matches!(event, 0x07 | 0x0F | 0x12);
                covers(unit, owner) && (!frees || covers(unit, status.unit))
            }),
            _ => owner.map_or(is_school(unit), |owner| unit == owner),
        };
        if allowed { Ok(()) } else { Err(0x6982) }
    }

    fn execute(&mut self, run: &Run<'_>) -> Answer {
        let mut flags = run.status.flags;
        let reason = run.data[11];
        match run.event {
            0x03 => flags = self.commit_pupil(run)?,
            0x04 => flags |= TEMPORARY,
            0x05 => {
                let registered = self.records(ZONE, 0x0A).iter().any(|it| it[..3] == run.body[..3]);
                if registered {
                    let [h, l] = run.status.counter.to_be_bytes();
                    return Ok(vec![run.status.state, h, l, 1]);
                }
                let record = [&run.body[..3], run.date(), &run.unit, run.terminal()].concat();
                self.append(ZONE, 0x0A, 24, seal(&record));
            }
            0x0A => {
                self.open_sector(run)?;
                flags |= SECTOR_OPEN;
            }
            0x0B => flags = self.reclaim_sector(run)?,
            0x0C => self.transfer_out(run)?,
            0x0D => flags = self.take_in(run)?,
            0x0E => self.withdraw(run)?,
            0x0F => flags = self.recall(run)?,
            0x10 => flags = self.restock(run)?,
            0x12 => {
                self.check_return(flags)?;
                self.wipe_pupil();
                for n in 1..=8 {
                    self.close_sector(n);
                }
                flags = 0;
            }
            _ => {}
        }
        Ok(self.write_status(run, flags, reason))
    }

    /// Status and log; the answer.
    fn write_status(&mut self, run: &Run<'_>, flags: u8, reason: u8) -> Vec<u8> {
        let Status { state: before, made, place, counter, .. } = run.status;
        let counter = counter.wrapping_add(1).to_be_bytes();
        let made = if run.state == before {
            made.to_vec()
        } else {
            [run.date(), &run.unit, &[reason]].concat()
        };
        let head = [1, run.state, run.previous, flags];
        let status = seal(&[&head[..], &counter, &made].concat());
        self.bytes_mut(ZONE, 6)[16 - place..32 - place].copy_from_slice(&status);
        let log = [&[run.event, 0], run.date(), &run.data[4..7], &run.unit, &counter].concat();
        self.append(ZONE, 0x0D, 15, seal(&log));
        vec![run.state, counter[0], counter[1], 0]
    }

    fn commit_pupil(&mut self, run: &Run<'_>) -> Result<u8, u16> {
        let (identity, enrolment) = (self.bytes(ZONE, 7), self.bytes(ZONE, 8));
        let valid = record::is_identity(identity)
            && record::is_enrolment(enrolment)
            && record::agree(identity, enrolment);
        if !valid || run.date() < &identity[10..14] {
            return Err(0x6A80);
        }
        if enrolment[69..72] != run.unit {
            return Err(0x6982);
        }
        if run.status.previous == IN
            && self.records(ZONE, 0x0B).first().is_none_or(|it| it[16..24] != identity[..8])
        {
            return Err(0x6985);
        }
        let rare = identity[8] & 0x80 != 0;
        let record = self.bytes(ZONE, 9).clone();
        let (count, before) = if record::sealed(&record) {
            (u16::from_be_bytes([record[0], record[1]]), record[13])
        } else {
            (0, 0)
        };
        let issued = run.body[0] | before;
        let parts = [
            &count.saturating_add(1).to_be_bytes()[..],
            run.date(),
            &run.unit,
            run.terminal(),
            &[issued],
        ];
        *self.bytes_mut(ZONE, 9) = seal(&parts.concat());
        let mut flags = run.status.flags & !RARE;
        flags |= if rare { RARE } else { 0 };
        flags |= if run.body[0] == 1 { ISSUED } else { 0 };
        Ok(flags)
    }

    fn open_sector(&mut self, run: &Run<'_>) -> Result<(), u16> {
        let (n, owner) = (run.body[0], run.body[3..6].try_into().unwrap());
        let entry = &self.records(ZONE, 0x0C)[usize::from(n) - 1];
        if !covers(owner, run.unit) {
            return Err(0x6982);
        }
        if entry[1] != 0 {
            return Err(0x6985);
        }
        let (version, key) = (run.body[10], &run.body[11..]);
        let value: [u8; 16] = key[2..18].try_into().unwrap();
        if key[0] != self.algorithm || run.date()[0] != 0x20 {
            return Err(0x6A80);
        }
        if key[18..] != keys::kcv(key[0], value) {
            return Err(0x6A80);
        }
        let entry = [&[n, 1], &run.body[1..10], &run.date()[1..]].concat();
        self.records_mut(ZONE, 0x0C)[usize::from(n) - 1] = seal(&entry);
        let slots = Slots { active: (version, value), other: None, failures: 0 };
        self.slots.insert((SECTOR + u16::from(n), 7), slots);
        Ok(())
    }

    fn reclaim_sector(&mut self, run: &Run<'_>) -> Result<u8, u16> {
        let n = run.body[0];
        if self.records(ZONE, 0x0C)[usize::from(n) - 1][1] == 0 {
            return Err(0x6985);
        }
        self.close_sector(n);
        Ok(self.with_sectors(run.status.flags))
    }

    /// The flags, with the one that says whether a sector is open.
    fn with_sectors(&self, flags: u8) -> u8 {
        let open = self.records(ZONE, 0x0C).iter().any(|entry| entry[1] != 0);
        flags & !SECTOR_OPEN | if open { SECTOR_OPEN } else { 0 }
    }

    fn close_sector(&mut self, n: u8) {
        let df = SECTOR + u16::from(n);
        self.records_mut(ZONE, 0x0C)[usize::from(n) - 1] = closed_entry(n);
        self.slots.remove(&(df, 7));
        *self.bytes_mut(df, 1) = vec![0; 240];
    }

    fn transfer_out(&mut self, run: &Run<'_>) -> Result<(), u16> {
        let of_school =
            |entry: &Vec<u8>| entry[1] != 0 && is_school(entry[4..7].try_into().unwrap());
        let temporary = run.status.flags & TEMPORARY != 0;
        if temporary || self.records(ZONE, 0x0C).iter().any(of_school) {
            return Err(0x6985);
        }
        let number = self.bytes(ZONE, 7)[..8].to_vec();
        if record::number_unit(&number) != Some(run.unit) {
            return Err(0x6A80);
        }
        let operation = run.body[0];
        let reason = match (run.data[11], operation) {
            (0, 1) => 0x27,
            (0, _) => 0x31,
            (reason, _) => reason,
        };
        let newest = self.records(ZONE, 0x0B).first();
        let sequence = newest.map_or(0, |it| u16::from_be_bytes([it[36], it[37]])).wrapping_add(1);
        let record = [
            &[operation, reason][..],
            &run.unit,
            &run.body[1..4],
            &number,
            &[0; 8],
            run.date(),
            &[0; 4],
            run.terminal(),
            &sequence.to_be_bytes(),
            &[0; 8],
        ]
        .concat();
        self.append(ZONE, 0x0B, 8, seal(&record));
        Ok(())
    }

    /// The transfer out that is open.
    fn open_transfer(&self) -> Result<Vec<u8>, u16> {
        let newest = self.records(ZONE, 0x0B).first().filter(|it| matches!(it[0], 1 | 2));
        Ok(newest.ok_or(0x6985_u16)?[..46].to_vec())
    }

    fn take_in(&mut self, run: &Run<'_>) -> Result<u8, u16> {
        let mut record = self.open_transfer()?;
        let (old, new) = (record::number_stage(&record[8..16]), record::number_stage(run.body));
        let promoted = if record[0] == 2 { 1 } else { 0 };
        if record::number_unit(run.body) != Some(run.unit) || new != old + promoted {
            return Err(0x6985);
        }
        if run.date() < &record[24..28] {
            return Err(0x6A80);
        }
        record[0] = 3;
        record[5..8].copy_from_slice(&run.unit);
        record[16..24].copy_from_slice(run.body);
        record[28..32].copy_from_slice(run.date());
        self.append(ZONE, 0x0B, 8, seal(&record));
        for n in 1..=8 {
            let entry = &self.records(ZONE, 0x0C)[usize::from(n) - 1];
            if entry[1] != 0 && !covers(entry[4..7].try_into().unwrap(), run.unit) {
                self.close_sector(n);
            }
        }
        Ok(self.with_sectors(run.status.flags))
    }

    fn withdraw(&mut self, run: &Run<'_>) -> Result<(), u16> {
        let mut record = self.open_transfer()?;
        record[0] = 4;
        if run.data[11] != 0 {
            record[1] = run.data[11];
        }
        self.append(ZONE, 0x0B, 8, seal(&record));
        Ok(())
    }

    fn recall(&mut self, run: &Run<'_>) -> Result<u8, u16> {
        let flag = self.bytes(files::WALLET, 5)[0];
        let settled = matches!(flag, 0 | 3) && self.purse.balance == 0;
        if !settled || self.records(ZONE, 0x0C).iter().any(|entry| entry[1] != 0) {
            return Err(0x6985);
        }
        if matches!(run.status.state, INIT | RCL) {
            return Ok(run.status.flags);
        }
        self.wipe_pupil();
        Ok(0)
    }

    /// A recalled card is counted; a faulty one is what it was, unless it was frozen.
    fn restock(&mut self, run: &Run<'_>) -> Result<u8, u16> {
        let flags = run.status.flags;
        match (run.status.state, run.status.previous, run.state) {
            (FLT, FRZ | CAN | FLT, _) => Err(0x6985),
            (FLT, PZG, INIT) => {
                self.wipe_pupil();
                Ok(0)
            }
            (FLT, ..) => Ok(flags),
            _ => self.count_generation().map(|()| flags),
        }
    }

    fn count_generation(&mut self) -> Result<(), u16> {
        let issuance = self.bytes_mut(ZONE, 5);
        issuance[28] = issuance[28].checked_add(1).ok_or(0x6985_u16)?;
        let group = seal(&issuance[16..30]);
        issuance[16..32].copy_from_slice(&group);
        Ok(())
    }

    fn check_return(&self, flags: u8) -> Result<(), u16> {
        let unopened = self.bytes(files::WALLET, 5)[0] == 0;
        if flags & TEMPORARY != 0 && unopened { Ok(()) } else { Err(0x6985) }
    }

    fn wipe_pupil(&mut self) {
        for (fid, length) in [(7, 128), (8, 96), (9, 16)] {
            self.files.insert((ZONE, fid), Body::Bytes(vec![0; length]));
        }
        for fid in [0x0A, 0x0B] {
            self.files.insert((ZONE, fid), Body::Records(Vec::new()));
        }
    }
}

/// Whether a registration on this day is for its term or the one before: 12.6.
fn is_near(date: &[u8], body: &[u8]) -> bool {
    let number = |bytes| record::bcd(bytes).unwrap();
    // Terms counted from the beginning of time, two a year; autumn begins in August.
    let term = 2 * number(&body[..2]) + u64::from(body[2]) - 1;
    let months = 12 * number(&date[..2]) + number(&date[2..3]) - 1;
    // The spring of a school year is in the year after.
    let own = match (months % 12) + 1 {
        1 => 2 * (months / 12 - 1),
        2..=7 => 2 * (months / 12) - 1,
        _ => 2 * (months / 12),
    };
    // School years begin in 1900.
    own >= 3800 && (term == own || term + 1 == own)
}

/// Whether the data is that of the event: 12.2.
fn is_event_data(event: u8, data: &[u8]) -> bool {
    let body = match event {
        0x03 | 0x0B => 1,
        0x05 => 3,
        0x0A => 32,
        0x0C => 4,
        0x0D => 8,
        _ => 0,
    };
    if data.len() != 12 + body
        || !record::is_date(&data[..4])
        || !record::is_time(&data[4..7])
        || !record::is_reason(data[11])
    {
        return false;
    }
    let body = &data[12..];
    let unit = |at: usize| -> Unit { body[at..at + 3].try_into().unwrap() };
    match event {
        0x03 => body[0] < 2,
        0x05 => {
            let year = record::bcd(&body[..2]).is_some_and(|year| (1900..=2099).contains(&year));
            year && matches!(body[2], 1 | 2)
        }
        0x0A => {
            let filing = &body[6..10];
            (1..=8).contains(&body[0])
                && body[1..3] != [0, 0]
                && record::is_unit(unit(3))
                && record::bcd(filing).is_some()
                && filing.iter().any(|byte| *byte != 0)
                && (1..=0xFE).contains(&body[10])
                && matches!(body[11..13], [1 | 2, 1])
        }
        0x0B => (1..=8).contains(&body[0]),
        0x0C => matches!(body[0], 1 | 2) && (unit(1) == [0; 3] || is_school(unit(1))),
        0x0D => record::number_unit(body).is_some(),
        _ => true,
    }
}
