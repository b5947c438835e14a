//! Records of the desks: what goes into them, and what the rules refuse.
#![allow(clippy::unwrap_used, reason = "a broken premise fails the test")]

mod support;

use support::{OWN_DISTRICT, OWN_SCHOOL, issuance, pupil, status, unit};
use xuejika_card_model::calendar::Holidays;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::desk::{
    CodePoint, FaultCause, FaultOccasion, FaultSheet, Inspection, PersonalisationUpload,
    RareCharacterError, RareCharacterSheet, RecallError, RecallLine, ReplacementCause,
    ReplacementError, ReplacementForm, SheetError,
};
use xuejika_card_model::ident::{CardSerial, UnitCode};
use xuejika_card_model::list::{Edition, Entry, Kind, List, Moment};
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{Personalisation, TerminalId};
use xuejika_card_model::state::LifeCycleState;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn card(text: &str) -> CardSerial {
    text.parse().unwrap()
}

fn form(
    cause: ReplacementCause,
    since: &str,
    on: &str,
) -> Result<ReplacementForm, ReplacementError> {
    let old = issuance().card_serial;
    ReplacementForm::new(&pupil(), old, cause, date(since), date(on), &Holidays::published())
}

#[test]
fn an_upload_tells_what_is_on_the_card() {
    let personalisation = Personalisation {
        count: 2,
        date: date("2008-01-31"),
        unit: unit(OWN_SCHOOL),
        terminal: TerminalId([0, 0, 0, 1]),
        issued: true,
    };
    let (mut status, pupil) = (status(LifeCycleState::Active), pupil());
    status.flags.temporary = true;
    let at = Moment { date: date("2008-02-01"), time: Time::MIDNIGHT };
    let record =
        PersonalisationUpload::new(&issuance(), &status, &pupil, &personalisation, at).unwrap();
    assert_eq!(record.card_serial, issuance().card_serial);
    assert_eq!(record.student_number, pupil.identity.student_number);
    assert_eq!((&*record.name.text(), &*record.school_name.text()), ("王小明", "北京市第一中学"));
    assert_eq!((record.count, record.issued, record.temporary), (2, true, true));
    assert_eq!(record.upload_by, date("2008-02-29"));
}

/// Day 9 no, day 10 yes; a week to apply; ten working days to hand out (操作规程 四/六).
#[test]
fn a_lost_card_is_replaced_after_ten_days() {
    let lost = ReplacementCause::Lost;
    let refused = form(lost, "2026-03-02", "2026-03-11").unwrap_err();
    let (reported_on, from, applied_on) =
        (date("2026-03-02"), date("2026-03-12"), date("2026-03-11"));
    assert_eq!(refused, ReplacementError::LossPeriod { reported_on, from, applied_on });
    let first = form(lost, "2026-03-02", "2026-03-12").unwrap();
    assert_eq!((first.apply_by, first.late), (date("2026-03-19"), false));
    assert_eq!(first.hand_out_by, date("2026-03-26"));
    assert!(!form(lost, "2026-03-02", "2026-03-19").unwrap().late);
    assert!(form(lost, "2026-03-02", "2026-03-20").unwrap().late);
}

#[test]
fn only_a_fault_of_the_card_is_free() {
    let fee = |cause| form(cause, "2026-03-12", "2026-03-12").map(|form| form.fee_yuan);
    assert_eq!(fee(ReplacementCause::Damaged), Ok(15));
    assert_eq!(fee(ReplacementCause::Quality), Ok(0));
    let lost = form(ReplacementCause::Lost, "2026-03-02", "2026-03-12").unwrap();
    assert_eq!((lost.fee_yuan, lost.fee_code), (15, "174011"));
    // Damage before the card was handed out is nobody's; a loss is the holder's all the same.
    let damaged = form(ReplacementCause::Damaged, "2026-03-12", "2026-03-12").unwrap();
    assert_eq!(damaged.never_handed_out().fee_yuan, 0);
    assert_eq!(lost.never_handed_out().fee_yuan, 15);
}

#[test]
fn impossible_days_are_refused() {
    let early = form(ReplacementCause::Damaged, "2026-03-12", "2026-03-11");
    assert!(matches!(early, Err(ReplacementError::BeforeCause { .. })));
    let beyond = form(ReplacementCause::Damaged, "2099-12-31", "2099-12-31");
    assert!(matches!(beyond, Err(ReplacementError::Calendar(_))));
    let form = form(ReplacementCause::Damaged, "2026-03-12", "2026-03-12").unwrap();
    // Once: what its school, or a unit above, has reported as replaced is not replaced again.
    let replaced = |unit: &str, on: &str| {
        let at = Moment { date: date(on), time: "08:00:00".parse().unwrap() };
        let (card, unit) = (form.old_card, unit.parse().unwrap());
        let entry = Entry::new(card, Kind::Replaced, unit, at, date(on), None).unwrap();
        let edition = Edition { scope: UnitCode::CITY, version: 1, issued: at };
        form.clone().unless_replaced(&[&List::new(edition, [entry]).unwrap()])
    };
    for unit in [form.unit.to_string(), "000000".into()] {
        let on = date("2026-03-12");
        let refused = ReplacementError::Replaced { card: form.old_card, on };
        assert_eq!(replaced(&unit, "2026-03-12"), Err(refused), "{unit}");
    }
    // Another school has no say, and a later report is about this application.
    assert!(replaced("054020", "2026-03-12").is_ok());
    assert!(replaced("000000", "2026-03-13").is_ok());
    let new_card = card("1100260100000014");
    assert!(form.clone().hand_out(new_card, date("2026-03-11")).is_err());
    let done = form.hand_out(new_card, date("2026-03-20")).unwrap();
    assert_eq!((done.new_card, done.handed_out_on), (Some(new_card), Some(date("2026-03-20"))));
}

/// School, district, city, each after the one below (操作规程 一/八(三)2).
#[test]
fn a_fault_sheet_is_confirmed_level_by_level() {
    let serial = issuance().card_serial;
    let occasion = FaultOccasion::Use;
    let sheet =
        FaultSheet::new(serial, unit(OWN_SCHOOL), occasion, "bent".into(), date("2026-03-02"));
    assert_eq!(sheet.cause(), None);
    let inspection = |found| Inspection { on: date("2026-03-05"), found };
    let city = inspection(FaultCause::Quality);
    assert_eq!(sheet.clone().tested_by_city(city), Err(SheetError::NotConfirmed(serial)));
    let none = sheet.clone().checked_by_district(inspection(FaultCause::None)).unwrap();
    assert_eq!(none.tested_by_city(city), Err(SheetError::NotConfirmed(serial)));
    let on = |day| Inspection { on: date(day), found: FaultCause::Damage };
    let early = sheet.clone().checked_by_district(on("2026-03-01"));
    assert!(matches!(early, Err(SheetError::Backdated { .. })));
    let disputed = sheet.checked_by_district(inspection(FaultCause::Damage)).unwrap();
    let early = disputed.clone().tested_by_city(on("2026-03-04"));
    assert!(matches!(early, Err(SheetError::Backdated { .. })));
    assert_eq!(disputed.cause(), Some(FaultCause::Damage));
    assert_eq!(disputed.tested_by_city(city).unwrap().cause(), Some(FaultCause::Quality));
}

#[test]
fn only_recalled_cards_and_unused_stock_stand_on_a_slip() {
    for state in LifeCycleState::ALL.iter().copied() {
        let status = status(state);
        let line = |of| {
            let signed = date("2026-03-02");
            RecallLine::new(&issuance(), &status, unit(of), signed, true, String::new())
        };
        let taken = line(OWN_SCHOOL);
        match state {
            LifeCycleState::Recalled => assert_eq!(taken.unwrap().recalled_on, Some(status.date)),
            LifeCycleState::Initialised => {
                let line = taken.unwrap();
                assert_eq!((line.recalled_on, line.district), (None, unit(OWN_DISTRICT)));
            }
            _ => assert!(matches!(taken, Err(RecallError::NotRecalled { .. }))),
        }
    }
    let recalled = status(LifeCycleState::Recalled);
    let line = RecallLine::new(
        &issuance(),
        &recalled,
        unit(OWN_DISTRICT),
        date("2026-03-02"),
        true,
        String::new(),
    );
    assert_eq!(line, Err(RecallError::NotASchool(unit(OWN_DISTRICT))));
}

fn rare_pupil() -> Pupil {
    let mut pupil = pupil();
    pupil.identity.rare_character = true;
    pupil.identity.name = "王ji".parse().unwrap();
    pupil.identity.name_pinyin = Some("Wang Ji".parse().unwrap());
    pupil
}

fn sheet(
    pupil: &Pupil,
    writing: &str,
    contact: &str,
) -> Result<RareCharacterSheet, RareCharacterError> {
    let code_point = "U+20BB7".parse().ok();
    RareCharacterSheet::new(pupil, writing.into(), code_point, contact.into(), date("2007-09-10"))
}

#[test]
fn a_rare_character_is_described() {
    let made = sheet(&rare_pupil(), "上土下口", "李老师").unwrap();
    assert_eq!(made.student_number, pupil().identity.student_number);
    assert_eq!(
        (made.name_pinyin.to_string(), made.writing.as_str()),
        ("Wang Ji".into(), "上土下口")
    );
    assert_eq!(made.code_point.map(CodePoint::character), Some('\u{20BB7}'));
    assert_eq!((made.school_name.as_str(), made.contact.as_str()), ("北京市第一中学", "李老师"));
    let number = pupil().identity.student_number;
    assert_eq!(sheet(&pupil(), "上土下口", "李老师"), Err(RareCharacterError::NotRare(number)));
    let mut no_pinyin = rare_pupil();
    no_pinyin.identity.name_pinyin = None;
    assert_eq!(sheet(&no_pinyin, "上土下口", "李老师"), Err(RareCharacterError::NoPinyin(number)));
    for (writing, contact, field) in [(" ", "李老师", "writing"), ("上土下口", "", "contact")]
    {
        let error = sheet(&rare_pupil(), writing, contact).unwrap_err().to_string();
        assert!(error.starts_with(field), "{error}");
    }
}

#[test]
fn code_points_of_names() {
    for text in ["U+4E00", "U+20BB7", "U+00B7"] {
        assert_eq!(text.parse::<CodePoint>().unwrap().to_string(), text);
    }
    // No character, none of a name, no code point.
    for text in ["U+D800", "U+110000", "U+0007", "U+E000", "20BB7", "U+", "U+4E0", "U++4E00", "𠮷"]
    {
        assert!(text.parse::<CodePoint>().is_err(), "{text}");
    }
}
