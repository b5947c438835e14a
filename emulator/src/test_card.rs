//! Cards under the published test keys, for tests and first steps. Whoever serves one says so
//! ([`test_keys::WARNING`]).

use core::num::NonZeroU8;

use xuejika_card_model::bcd::{BcdError, Digits};
use xuejika_card_model::card::UID_LEN;
use xuejika_card_model::date::{Date, DateError};
use xuejika_card_model::factory;
use xuejika_card_model::file::tree::{CardKind, sfi, wallet_sfi};
use xuejika_card_model::file::{Ef, KeySet};
use xuejika_card_model::ident::{CardSerial, CardSerialError, UnitCode};
use xuejika_card_model::management::{self, Authorisation, SamSerial};
use xuejika_card_model::nvm::{Nvm, NvmError, RamNvm};
use xuejika_card_model::psam::{PsamIssue, PsamKey};
use xuejika_card_model::record::{CardType, ExtensionSet, Issuance, Profile, Status, StatusPair};
use xuejika_card_model::sam::SamStore;
use xuejika_card_model::wallet::{EnableFlag, WalletKeys, WalletSetup};
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::key::{Card as CardKey, Key};
use xuejika_keyscheme::legacy::{Fen, TerminalId};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, test_keys};

use crate::VirtualCard;

/// First byte of the UID of a virtual card; no chip maker has it.
const UID_PREFIX: u8 = 0xF0;

/// Why a test card cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TestCardError {
    /// The serial is no card serial.
    #[error(transparent)]
    Serial(#[from] CardSerialError),
    /// A number does not fit its field.
    #[error(transparent)]
    Number(#[from] BcdError),
    /// A date is out of range.
    #[error(transparent)]
    Date(#[from] DateError),
    /// The profile is no processor card.
    #[error("profile {0} is not a processor card and cannot be emulated")]
    Profile(Profile),
}

/// The issuance record of a test card.
///
/// # Errors
/// Never in practice; see [`TestCardError`].
pub fn issuance(serial: CardSerial, profile: Profile) -> Result<Issuance, TestCardError> {
    Ok(Issuance {
        card_serial: serial,
        card_type: CardType::Test,
        profile,
        vendor: Digits::new(serial.vendor().into())?,
        key_set_version: NonZeroU8::MIN,
        init_date: Date::new(2026, 7, 1)?,
        batch: Digits::new(202_607_010_001)?,
        site: [0, 1],
        generation: 0,
        valid_from: Date::new(2026, 9, 1)?,
        valid_until: Date::new(2038, 8, 31)?,
    })
}

/// The radio identifier a virtual card gets from its serial.
#[must_use]
pub fn uid(serial: &CardSerial) -> [u8; UID_LEN] {
    let [_, _, a, b, c, d, e, f] = serial.bytes();
    [UID_PREFIX, a, b, c, d, e, f]
}

/// The wallet of a new test card: empty, never opened, its keys under the published test roots.
#[must_use]
pub fn wallet(issuance: &Issuance) -> WalletSetup {
    WalletSetup::new(WalletKeys::test(factory::transit_number(issuance)))
}

/// Memory of a new student-record card with this issuance record.
///
/// # Errors
/// Returns [`TestCardError::Profile`] for the sector profile.
pub fn student_memory(issuance: &Issuance) -> Result<Vec<u8>, TestCardError> {
    student_memory_with(issuance, &wallet(issuance))
}

/// As [`student_memory`], with another wallet.
///
/// # Errors
/// As [`student_memory`].
pub fn student_memory_with(
    issuance: &Issuance,
    wallet: &WalletSetup,
) -> Result<Vec<u8>, TestCardError> {
    factory::student(issuance, uid(&issuance.card_serial), keys(issuance), wallet)
        .ok_or(TestCardError::Profile(issuance.profile))
}

/// As [`student_memory`], in state "blank": the city has still to initialise it (初始化).
///
/// # Errors
/// As [`student_memory`].
pub fn blank_student_memory(issuance: &Issuance) -> Result<Vec<u8>, TestCardError> {
    let uid = uid(&issuance.card_serial);
    factory::blank_student(issuance, uid, keys(issuance), &wallet(issuance))
        .ok_or(TestCardError::Profile(issuance.profile))
}

/// The keys of a card under the published test roots.
fn keys(issuance: &Issuance) -> impl FnMut(&KeyId) -> Key<CardKey> + use<> {
    let serial = CardId(issuance.card_serial.bytes());
    move |id| test_keys::root(id).card(id, serial)
}

/// A new student-record card of profile `cpu-aes`.
///
/// # Errors
/// Returns [`TestCardError::Serial`] unless `serial` is a valid card serial.
pub fn student(serial: &str) -> Result<RamNvm, TestCardError> {
    let issuance = issuance(serial.parse()?, Profile::CpuAes)?;
    Ok(RamNvm::new(student_memory(&issuance)?))
}

/// Memory of a student-record card near its end: 100.00 yuan in the wallet, its counters at FFFE, and
/// one copy of the status record unreadable.
///
/// # Errors
/// As [`student_memory`].
pub fn worn_memory(issuance: &Issuance) -> Result<Vec<u8>, TestCardError> {
    let last = u16::MAX - 1;
    let (flag, balance) = (EnableFlag::Open, Fen(10_000));
    let setup = WalletSetup { flag, balance, online: last, offline: last, ..wallet(issuance) };
    let mut memory = student_memory_with(issuance, &setup)?;
    let copies =
        status_file().and_then(|file| memory.get_mut(file.offset..)?.get_mut(..StatusPair::LEN));
    if let Some(copies) = copies
        && let Ok(pair) = StatusPair::parse(copies)
        && let Some(byte) = copies.get_mut(pair.slot.other().offset())
    {
        *byte ^= 0xFF;
    }
    Ok(memory)
}

/// Breaks a student-record card in use: neither copy of the status record, nor K3 of the education
/// zone, nor the balance can be read from now on, and the memory takes no change.
///
/// # Errors
/// Returns an [`NvmError`] for a card of another kind.
pub fn damage(card: &mut VirtualCard) -> Result<(), NvmError> {
    let tree = CardKind::Student.tree();
    let key = tree.education().and_then(|df| df.key_offset(KeyNumber::REGISTER));
    let purse = tree.wallet.as_ref().and_then(|df| df.by_sfi(wallet_sfi::PURSE));
    let copies = [0, Status::LEN].map(|copy| Some(status_file()?.offset + copy));
    for place in copies.into_iter().chain([key, purse.map(|file| file.offset)]) {
        card.nvm_mut().write(place.ok_or(NvmError::OutOfRange)?, &[0xFF; 4])?;
    }
    card.nvm_mut().wear_out();
    Ok(())
}

fn status_file() -> Option<&'static Ef> {
    CardKind::Student.tree().education()?.by_sfi(sfi::STATUS)
}

/// A PSAM of this terminal, its sequence number at 0.
///
/// # Errors
/// Never in practice; see [`TestCardError`].
pub fn psam(terminal: TerminalId) -> Result<RamNvm, TestCardError> {
    let issue = PsamIssue::test(terminal)?;
    Ok(RamNvm::new(factory::psam(&issue, &PsamKey::test())))
}

/// A SAM with this number, which the management card of its unit that is good until `valid_until`
/// unlocks.
#[must_use]
pub fn sam(algorithm: Algorithm, serial: SamSerial, valid_until: Date) -> RamNvm {
    sam_for(algorithm, serial, None, valid_until)
}

/// As [`sam`]; with `lent`, that of an application unit (应用单位) with these extension sectors.
#[must_use]
pub fn sam_for(
    algorithm: Algorithm,
    serial: SamSerial,
    lent: Option<ExtensionSet>,
    valid_until: Date,
) -> RamNvm {
    RamNvm::new(factory::sam(&SamStore::test(algorithm, serial, lent, valid_until)))
}

/// As [`sam`], but its management card grants K1 alone, from version 02 on.
#[must_use]
pub fn limited_sam(algorithm: Algorithm, serial: SamSerial, valid_until: Date) -> RamNvm {
    let (card, whole) = management::test_card(serial.unit, valid_until);
    let mut floor = whole.floor;
    floor.iter_mut().skip(KeyNumber::READ.0.into()).take(1).for_each(|version| *version = 2);
    let permitted = KeySet::of(&[KeyNumber::READ]);
    let grant = Authorisation { permitted, floor, ..whole };
    RamNvm::new(factory::sam(&SamStore::test_for(algorithm, serial, None, card, &grant)))
}

/// A management card for readers of this unit, good until `valid_until`.
#[must_use]
pub fn management(algorithm: Algorithm, unit: UnitCode, valid_until: Date) -> RamNvm {
    management_for(algorithm, unit, None, valid_until)
}

/// As [`management()`]; with `lent`, that of an application unit (应用单位) with these extension sectors.
#[must_use]
pub fn management_for(
    algorithm: Algorithm,
    unit: UnitCode,
    lent: Option<ExtensionSet>,
    valid_until: Date,
) -> RamNvm {
    let (serial, authorisation) = management::test_card_for(unit, lent, valid_until);
    let [_, tail @ ..] = serial.0;
    RamNvm::new(factory::management(algorithm, serial, tail, &authorisation, |id| {
        test_keys::root(id).card(id, serial)
    }))
}
