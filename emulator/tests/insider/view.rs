//! Reads the card again and compares it with the ledger.

use super::deed::{Day, Event, Unit};
use super::hand::World;
use super::ledger::{Card, Purse, State};
use super::record;
use super::support::{Session, memory};
use super::walk::Breach;

/// The key that opens the card for a look.
pub(crate) const KEY: u8 = 1;

/// How the card differs from the ledger.
type Difference = Breach;

/// What EF 06 says.
#[derive(Clone, Copy)]
pub(crate) struct Status {
    state: u8,
    previous: u8,
    flags: u8,
    pub(crate) counter: u16,
    day: Day,
    unit: Unit,
    reason: u8,
}

struct Eye<'a> {
    world: &'a mut World,
    session: Session,
}

impl<'a> Eye<'a> {
    /// The city looks, under K1.
    fn new(world: &'a mut World, ledger: &Card) -> Result<Self, Difference> {
        let session = world
            .session(0, (KEY, ledger.version(KEY)), Unit::CITY)
            .map_err(|sw| Breach::new(format!("K1 does not open the card: {sw:04X}")))?;
        Ok(Self { world, session })
    }

    fn ask(&mut self, hex: &str) -> Result<Vec<u8>, u16> {
        let reply = self.session.ask(&mut self.world.wallet.card, hex);
        if reply.sw == 0x9000 { Ok(reply.data) } else { Err(reply.sw) }
    }

    fn file(&mut self, sfi: u8) -> Result<Vec<u8>, Difference> {
        self.ask(&format!("00 B0 {:02X} 00 00", 0x80 | sfi)).map_err(|sw| unreadable(sfi, sw))
    }

    /// All records, newest first, without their checksums.
    fn records(&mut self, sfi: u8) -> Result<Vec<Vec<u8>>, Difference> {
        let mut records = Vec::new();
        for number in 1..=u8::MAX {
            match self.ask(&format!("00 B2 {number:02X} {:02X} 00", sfi << 3 | 4)) {
                Ok(bytes) => records.push(sealed(sfi, &bytes)?),
                Err(0x6A83) => break,
                Err(sw) => return Err(unreadable(sfi, sw)),
            }
        }
        Ok(records)
    }
}

fn unreadable(sfi: u8, sw: u16) -> Difference {
    Breach::new(format!("EF {sfi:02X} cannot be read: {sw:04X}"))
}

/// A record without its checksum, which has to be right.
fn sealed(sfi: u8, bytes: &[u8]) -> Result<Vec<u8>, Difference> {
    let (record, crc) = bytes.split_at(bytes.len() - 2);
    if record::crc(record) != crc {
        let bytes = hex::encode(bytes);
        return Err(Breach::new(format!("EF {sfi:02X}: wrong checksum in {bytes}")));
    }
    Ok(record.to_vec())
}

fn same<T: PartialEq>(
    what: &str,
    card: &T,
    ledger: &T,
    show: impl Fn(&T) -> String,
) -> Result<(), Difference> {
    if card == ledger {
        return Ok(());
    }
    let (card, ledger) = (show(card), show(ledger));
    Err(Breach::new(format!("{what}: {card} on the card, {ledger} by the ledger")))
}

fn same_bytes(what: &str, card: &[u8], ledger: &[u8]) -> Result<(), Difference> {
    same(what, &card, &ledger, |bytes| hex::encode(bytes))
}

/// Compares everything. Gives what EF 06 says.
pub(crate) fn compare(
    world: &mut World,
    ledger: &Card,
    is_change: bool,
) -> Result<Status, Difference> {
    wallet(world, ledger)?;
    if matches!(ledger.state, State::Stock | State::Recalled) {
        no_pupil(world)?;
    }
    let mut eye = Eye::new(world, ledger)?;
    let issuance = eye.file(5)?;
    same("generation in EF 05", &issuance[28], &ledger.generation, u8::to_string)?;
    same_bytes("validity in EF 05", &issuance[32..], &record::validity(ledger.good_until))?;
    let status = status(&eye.file(6)?)?;
    compare_status(&status, ledger, is_change)?;
    if ledger.state == State::Blank {
        return Ok(status);
    }
    if !matches!(ledger.state, State::Stock | State::Recalled) {
        pupil(&mut eye, ledger)?;
    }
    sectors(&mut eye, ledger)?;
    Ok(status)
}

fn wallet(world: &World, ledger: &Card) -> Result<(), Difference> {
    use xuejika_card_model::wallet::EnableFlag;
    same("balance of the wallet", &world.wallet.balance(), &ledger.balance, u32::to_string)?;
    let purse = match world.wallet.flag() {
        EnableFlag::Open => Purse::Open,
        EnableFlag::Suspended => Purse::Suspended,
        EnableFlag::Closed => Purse::Closed,
        _ => Purse::Never,
    };
    same("state of the wallet", &purse, &ledger.wallet, |purse| format!("{purse:?}"))
}

/// A card in stock or recalled keeps nobody's name or number.
fn no_pupil(world: &World) -> Result<(), Difference> {
    let bytes = memory(&world.wallet.card);
    let numbers = record::pupils().map(|number| number.0.to_vec());
    for trace in numbers.chain([record::NAME.to_vec()]) {
        if let Some(at) = bytes.windows(trace.len()).position(|window| window == trace) {
            return Err(Breach::new(format!("a pupil's data is left: at byte {at} of the memory")));
        }
    }
    Ok(())
}

fn status(bytes: &[u8]) -> Result<Status, Difference> {
    let valid = |copy: &&[u8]| record::crc(&copy[..14]) == copy[14..];
    let counter = |copy: &[u8]| u16::from_be_bytes([copy[4], copy[5]]);
    let mut copies: Vec<&[u8]> = bytes.chunks(16).filter(valid).collect();
    if let [a, b] = copies[..]
        && counter(a).wrapping_sub(counter(b)) >= 0x8000
    {
        copies.swap(0, 1);
    }
    let copy =
        copies.first().ok_or_else(|| Breach::new(format!("EF 06: {}", hex::encode(bytes))))?;
    Ok(Status {
        state: copy[1],
        previous: copy[2],
        flags: copy[3],
        counter: counter(copy),
        day: Day([copy[6], copy[7], copy[8], copy[9]]),
        unit: Unit([copy[10], copy[11], copy[12]]),
        reason: copy[13],
    })
}

fn compare_status(card: &Status, ledger: &Card, is_change: bool) -> Result<(), Difference> {
    let hex = |byte: &u8| format!("{byte:02X}");
    same("state in EF 06", &card.state, &(ledger.state as u8), hex)?;
    let opened = ledger.sectors.iter().any(Option::is_some);
    let flags =
        u8::from(ledger.temporary) | u8::from(ledger.handed_out) << 2 | u8::from(opened) << 3;
    same("flags in EF 06", &card.flags, &flags, hex)?;
    if ledger.state == State::Frozen {
        same("state under the freeze in EF 06", &card.previous, &(ledger.under as u8), hex)?;
    }
    if let Some(mark) = ledger.mark {
        same("unit of the mark in EF 06", &card.unit, &mark.maker, Unit::to_string)?;
        same("date of the mark in EF 06", &card.day, &mark.day, Day::to_string)?;
        same("reason of the mark in EF 06", &card.reason, &mark.reason, hex)?;
    } else if is_change && let Some((_, day, unit)) = ledger.log.first() {
        same("unit in EF 06", &card.unit, unit, Unit::to_string)?;
        same("date in EF 06", &card.day, day, Day::to_string)?;
    }
    Ok(())
}

fn pupil(eye: &mut Eye<'_>, ledger: &Card) -> Result<(), Difference> {
    let identity = eye.file(7)?;
    if let Some(written) = ledger.identity {
        same_bytes("EF 07", &identity, &record::identity(written.number, written.form))?;
    }
    let enrolment = eye.file(8)?;
    if let Some(written) = ledger.enrolment {
        same_bytes("EF 08", &enrolment, &record::enrolment(written.number, written.form))?;
    }
    let personalised = eye.file(9)?;
    let expected = ledger.personalised.unwrap_or([0; 14]);
    same_bytes("EF 09", &personalised[..14], &expected)?;
    let mut moves = eye.records(0x0B)?;
    for record in &mut moves {
        record[1] = 0;
        record.truncate(32);
    }
    same_records("EF 0B", &moves, &ledger.moves)?;
    if ledger.state != State::Personalising {
        same_records("EF 0A", &eye.records(0x0A)?, &ledger.registrations)?;
    }
    Ok(())
}

fn same_records<const N: usize>(
    what: &str,
    card: &[Vec<u8>],
    ledger: &[[u8; N]],
) -> Result<(), Difference> {
    let show =
        |records: &Vec<Vec<u8>>| records.iter().map(hex::encode).collect::<Vec<_>>().join(" ");
    let ledger = ledger.iter().map(|record| record.to_vec()).collect();
    same(what, &card.to_vec(), &ledger, show)
}

fn sectors(eye: &mut Eye<'_>, ledger: &Card) -> Result<(), Difference> {
    for (number, sector) in (1..).zip(&ledger.sectors) {
        let bytes =
            eye.ask(&format!("00 B2 {number:02X} 64 00")).map_err(|sw| unreadable(0x0C, sw))?;
        let entry = sealed(0x0C, &bytes)?;
        let mut expected = vec![0; 14];
        expected[0] = number;
        if let Some(sector) = sector {
            expected[1..4].copy_from_slice(&[1, record::APPLICATION, number]);
            expected[4..7].copy_from_slice(&sector.owner.0);
            expected[10] = sector.filing;
            expected[11..].copy_from_slice(&sector.day.0[1..]);
        }
        same_bytes(&format!("entry {number} of EF 0C"), &entry, &expected)?;
    }
    Ok(())
}

/// Compares EF 0D.
pub(crate) fn compare_log(world: &mut World, ledger: &Card) -> Result<(), Difference> {
    if ledger.state == State::Blank {
        return Ok(());
    }
    let records = Eye::new(world, ledger)?.records(0x0D)?;
    if records.len() < ledger.log.len() {
        return Err(Breach::new("EF 0D lacks records".into()));
    }
    for (record, expected) in records.iter().zip(&ledger.log) {
        same_bytes("EF 0D", &record[..12], &entry(*expected))?;
    }
    Ok(())
}

fn entry((event, day, unit): (Event, Day, Unit)) -> Vec<u8> {
    [&[event as u8, 0][..], &day.0, &record::TIME, &unit.0].concat()
}
