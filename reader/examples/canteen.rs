//! A canteen notes meals on pupils' cards: the school lends it an extension sector, and its reader,
//! which has the key of that sector alone, asks, reads and writes. The cards are virtual here; any
//! `CardChannel` takes their place.

use core::num::NonZeroU16;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::event::Opening;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::pupil::PupilDraft;
use xuejika_card_model::record::{ExtensionIndex, ExtensionSet, TerminalId};
use xuejika_card_model::verdict::Verdict;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::{Algorithm, test_keys};
use xuejika_reader::{Locked, Reader, Stamp, sam::SoftSam};

const AES: Algorithm = Algorithm::Aes128;
const CANTEEN: NonZeroU16 = NonZeroU16::new(0x3003).unwrap();
const SECTOR: ExtensionIndex = ExtensionIndex::new(3).unwrap();

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    println!("{}", test_keys::WARNING);
    let (school, today) = ("084012".parse()?, "2026-09-01".parse()?);
    let mut card = VirtualCard::new(test_card::student("1100070100000017")?, Env::from_seed(1))?;
    card.power_on()?;
    lend(&mut reader(school, None, today)?, &mut card, today)?;

    let mut canteen = reader(school, ExtensionSet::of([SECTOR]), today)?;
    for _ in 0..2 {
        let mut pupil = canteen.connect(&mut card, today)?;
        let mut pupil = pupil.application(SECTOR, CANTEEN)?;
        match pupil.verdict(today) {
            Verdict::Accept { registered_until } => {
                let meals = pupil.read()?.first().map_or(1, |meals| meals.saturating_add(1));
                pupil.write(0, &[meals])?;
                println!("meal {meals}; registered until {registered_until}");
            }
            other => println!("no meal: {other:?}"),
        }
    }
    let library = canteen.connect(&mut card, today)?.application(SECTOR, NonZeroU16::MIN)?.read();
    println!(
        "another application: {}",
        library.map_or_else(|error| error.to_string(), |_| "?".into())
    );
    Ok(())
}

/// A reader of this unit, unlocked: of its office, or of an application unit.
fn reader(
    unit: UnitCode,
    lent: Option<ExtensionSet>,
    today: Date,
) -> Result<Reader<SoftSam>, AnyError> {
    let serial = SamSerial { unit, number: "000001".parse()? };
    let until = "2027-08-31".parse()?;
    let sam = SoftSam::test_for(AES, serial, lent, until, ChaCha12Rng::seed_from_u64(2));
    let memory = test_card::management_for(AES, unit, lent, until);
    let mut management_card = VirtualCard::new(memory, Env::from_seed(3))?;
    management_card.power_on()?;
    Ok(Locked::new(sam).unlock(&mut management_card, today)?)
}

/// What the school's office does first: it personalises the card and lends the canteen its sector.
fn lend(office: &mut Reader<SoftSam>, card: &mut VirtualCard, today: Date) -> Result<(), AnyError> {
    let some = |text: &str| Some(text.to_owned());
    let pupil = PupilDraft {
        student_number: some("0108401212801056"),
        record_type: some("formal"),
        sex: some("1"),
        birth_date: some("2013-05-17"),
        name: some("张三"),
        school_name: some("北京市示例中学"),
        grade: some("7"),
        schooling_years: some("3"),
        entry_date: some("2025-09-01"),
        valid_until: some("2028-08-31"),
        boarding: some("1"),
        entry_mode: some("11"),
        enrolment_state: some("0"),
        ..PupilDraft::default()
    };
    let stamp =
        Stamp { date: today, time: Time::new(8, 30, 0)?, terminal: TerminalId([0, 0, 0, 1]) };
    let owner = office.grant().unit;
    let filing = "20260003".parse()?;
    let mut card = office.connect(card, today)?;
    card.personalise(&pupil.build()?, stamp, true)?;
    card.open_sector(Opening { index: SECTOR, application: CANTEEN, owner, filing }, stamp)?;
    Ok(())
}
