//! Files of personalisation uploads: bytes, merging, and what they tell together with the lists.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

mod support;

use proptest::prelude::*;
use support::{OTHER_SCHOOL, OWN_DISTRICT, OWN_SCHOOL, issuance, pupil, status, unit};
use xuejika_card_model::calendar::{Deadline, Holidays};
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::desk::{
    Candidate, Conflict, Finding, LossEnd, PersonalisationUpload, Uploads,
};
use xuejika_card_model::ident::{CardSerial, Stage};
use xuejika_card_model::list::{
    Content, Edition, Entry, EntryError, Header, HeaderError, Kind, List, ListError, ListMac,
    Moment, Statements, key_id, key_path,
};
use xuejika_card_model::pupil::{Pupil, PupilDraft};
use xuejika_card_model::record::{Issuance, Personalisation, TerminalId};
use xuejika_card_model::state::LifeCycleState;
use xuejika_keyscheme::provider::{KeyProvider, TestRoots};
use xuejika_keyscheme::{Algorithm, KeyVersion};

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn at(day: &str) -> Moment {
    Moment { date: date(day), time: Time::new(9, 30, 0).unwrap() }
}

fn card(sequence: u32) -> CardSerial {
    CardSerial::new(7, 1, sequence).unwrap()
}

fn stock(sequence: u32, generation: u8) -> Issuance {
    Issuance { card_serial: card(sequence), generation, ..issuance() }
}

/// The pupil of the tests with some fields changed.
fn like(change: impl FnOnce(&mut PupilDraft)) -> Pupil {
    let mut draft = PupilDraft::from(&pupil());
    change(&mut draft);
    (draft.unit, draft.class) = (None, None);
    draft.build().unwrap()
}

/// Another pupil of the school, with another number.
fn other_pupil() -> Pupil {
    like(|draft| {
        draft.name = Some("李四".into());
        draft.student_number = Some("0108401220903183".into());
    })
}

fn of(pupil: &Pupil, card: &Issuance, count: u16, on: &str) -> PersonalisationUpload {
    let record = Personalisation {
        count,
        date: date(on),
        unit: pupil.enrolment.unit,
        terminal: TerminalId([0, 0, 0, 1]),
        issued: false,
    };
    let status = status(LifeCycleState::Active);
    PersonalisationUpload::new(card, &status, pupil, &record, at(on)).unwrap()
}

fn temporary(pupil: &Pupil, sequence: u32, on: &str) -> PersonalisationUpload {
    PersonalisationUpload { temporary: true, ..of(pupil, &stock(sequence, 0), 1, on) }
}

fn edition(scope: &str, version: u32) -> Edition {
    Edition { scope: unit(scope), version, issued: at("2008-12-31") }
}

fn school(records: impl IntoIterator<Item = PersonalisationUpload>) -> Uploads {
    Uploads::new(edition(OWN_SCHOOL, 1), records).unwrap()
}

fn list(entries: impl IntoIterator<Item = Entry>) -> List {
    List::new(edition(OWN_SCHOOL, 1), entries).unwrap()
}

fn report(sequence: u32, kind: Kind, on: &str) -> Entry {
    Entry::new(card(sequence), kind, unit(OWN_SCHOOL), at(on), date(on), None).unwrap()
}

fn mac(scope: &str) -> ListMac {
    let id = key_id(KeyVersion::FIRST, Algorithm::Aes128);
    ListMac::new(&TestRoots.list_key(&id, key_path(unit(scope))).unwrap(), id)
}

fn findings(uploads: &Uploads, lists: &[&List], today: &str) -> Vec<(CardSerial, &'static str)> {
    let findings = uploads.findings(lists, date(today));
    findings.into_iter().map(|(card, finding)| (card, finding.name())).collect()
}

prop_compose! {
    /// Few cards, days and moments, so that statements of one personalisation meet.
    fn records()(
        sequence in 0..4u32,
        generation in 0..2u8,
        other in any::<bool>(),
        at_other in any::<bool>(),
        count in 1..3u16,
        day in 0..3i32,
        later in (0..4i32, 0..4i32),
        (issued, ends) in (any::<bool>(), any::<bool>()),
        lost in proptest::option::of(10..12u32),
    ) -> PersonalisationUpload {
        let pupil = if other { other_pupil() } else { pupil() };
        let on = date("2007-09-01").add_days(day).unwrap();
        let record = of(&pupil, &stock(sequence, generation), count, &on.to_string());
        let moment = |days| Moment { date: on.add_days(days).unwrap(), ..at("2007-09-01") };
        PersonalisationUpload {
            personalised_by: unit(if at_other { OTHER_SCHOOL } else { OWN_SCHOOL }),
            issued,
            temporary: lost.is_some(),
            lost_card: lost.map(card),
            ended_on: ends.then_some(on),
            uploaded_at: moment(later.0),
            stated_at: moment(later.0 + later.1),
            ..record
        }
    }
}

fn sets() -> impl Strategy<Value = Statements<PersonalisationUpload>> {
    proptest::collection::vec(records(), 0..12).prop_map(|list| list.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_record_survives_its_bytes(record in records()) {
        let read = PersonalisationUpload::parse(&record.emit());
        prop_assert_eq!(read, Ok(record));
    }

    #[test]
    fn merging_is_a_join(a in sets(), b in sets(), c in sets()) {
        prop_assert_eq!(a.join(&a), a.clone());
        prop_assert_eq!(a.join(&b), b.join(&a));
        prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
        let all: Statements<_> = a.iter().chain(&b).chain(&c).copied().collect();
        prop_assert_eq!(a.join(&b).join(&c), all);
    }

    #[test]
    fn a_file_survives_its_bytes(records in proptest::collection::vec(records(), 0..12)) {
        let uploads = Uploads::new(edition(OWN_DISTRICT, 3), records).unwrap();
        let key = mac(OWN_DISTRICT);
        prop_assert_eq!(Uploads::parse(&uploads.emit(&key), &key), Ok(uploads));
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let key = mac(OWN_SCHOOL);
    let file = school([of(&pupil(), &stock(1, 0), 1, "2007-09-01")]).emit(&key);
    for bit in 0..file.len() * 8 {
        let mut file = file.clone();
        file[bit / 8] ^= 1 << (bit % 8);
        assert!(Uploads::parse(&file, &key).is_err(), "bit {bit}");
    }
    for len in 0..file.len() {
        assert!(Uploads::parse(&file[..len], &key).is_err(), "{len} bytes");
    }
    let longer = [&file[..], &[0]].concat();
    assert!(matches!(Uploads::parse(&longer, &key), Err(ListError::Length { .. })));
    let short = Uploads::parse(&file[..Header::LEN - 1], &key);
    assert_eq!(short, Err(HeaderError::Short(Header::LEN - 1).into()));
    assert_eq!(Uploads::parse(&file, &mac(OTHER_SCHOOL)), Err(ListError::Mac(unit(OWN_SCHOOL))));
}

#[test]
fn a_file_says_what_it_is_about() {
    let key = mac(OWN_SCHOOL);
    let (found, expected) = (Content::List, Content::Uploads);
    let not_uploads = Uploads::parse(&list([]).emit(&key), &key);
    assert_eq!(not_uploads, Err(HeaderError::Content { found, expected }.into()));
    let not_a_list = List::parse(&school([]).emit(&key), &key);
    let (found, expected) = (expected, found);
    assert_eq!(not_a_list, Err(HeaderError::Content { found, expected }.into()));
}

#[test]
fn a_school_states_its_own_and_a_district_its_schools() {
    let own = of(&pupil(), &stock(1, 0), 1, "2007-09-01");
    let other = PersonalisationUpload { personalised_by: unit(OTHER_SCHOOL), ..own };
    let foreign = Uploads::new(edition(OWN_SCHOOL, 1), [other]);
    assert!(matches!(foreign, Err(ListError::Scope { .. })));
    let others = Uploads::new(edition(OTHER_SCHOOL, 1), [other]).unwrap();
    let district = Uploads::merge(edition(OWN_DISTRICT, 1), [&school([own]), &others]).unwrap();
    assert_eq!(district.entries().len(), 2, "no unit's statement takes another's place");
    let stale = Uploads::merge(edition(OWN_DISTRICT, 1), [&district]);
    assert_eq!(stale, Err(ListError::Version { version: 1, base: 1 }));
    let outside = Uploads::merge(edition("050000", 1), [&school([own])]);
    assert!(matches!(outside, Err(ListError::Unit { .. })));
    let ahead = PersonalisationUpload { stated_at: at("2009-01-01"), ..own };
    let ahead = Uploads::new(edition(OWN_SCHOOL, 1), [ahead]);
    assert!(matches!(ahead, Err(ListError::AfterIssue { .. })));
}

#[test]
fn the_newest_statement_of_a_personalisation_counts_and_corrections_are_kept() {
    let first = of(&pupil(), &stock(1, 0), 1, "2007-09-01");
    let handed_out = PersonalisationUpload { issued: true, stated_at: at("2007-09-05"), ..first };
    let corrected = of(&pupil(), &stock(1, 0), 2, "2007-10-08");
    let uploads = school([corrected, handed_out, first]);
    let kept: Vec<_> = uploads.entries().iter().copied().collect();
    assert_eq!(kept, [handed_out, corrected]);
    assert_eq!(kept[0].uploaded_at, first.uploaded_at, "uploaded when it was stated first");
    assert_eq!(uploads.current(card(1)), Some(&corrected));
    // Stating it again later, in the next version, changes nothing.
    let again = PersonalisationUpload {
        uploaded_at: at("2008-01-01"),
        stated_at: at("2008-01-01"),
        ..handed_out
    };
    let next = uploads.next(edition(OWN_SCHOOL, 2), [again]).unwrap();
    assert_eq!(next.entries(), uploads.entries());
    // What was stated before what stands tells when it was stated first.
    let late = school([PersonalisationUpload {
        uploaded_at: at("2007-09-05"),
        stated_at: at("2007-09-05"),
        ..first
    }]);
    let next = late.next(edition(OWN_SCHOOL, 2), [first]).unwrap();
    assert_eq!(next.entries().iter().next().unwrap().uploaded_at, first.uploaded_at);
}

#[test]
fn values_that_do_not_go_together_are_refused_by_field() {
    let good = of(&pupil(), &stock(1, 0), 1, "2007-09-01");
    let lost = Some(card(9));
    for (field, bad) in [
        ("unit", PersonalisationUpload { unit: unit(OTHER_SCHOOL), ..good }),
        ("count", PersonalisationUpload { count: 0, ..good }),
        ("lost_card", PersonalisationUpload { lost_card: lost, ..good }),
        ("lost_card", PersonalisationUpload { temporary: true, lost_card: Some(card(1)), ..good }),
        ("personalised_on", PersonalisationUpload { birth_date: date("2007-09-02"), ..good }),
        ("ended_on", PersonalisationUpload { ended_on: Some(date("2007-08-31")), ..good }),
        ("uploaded_at", PersonalisationUpload { uploaded_at: at("2007-08-31"), ..good }),
        ("stage", PersonalisationUpload { stage: Stage::Junior, ..good }),
        ("stated_at", PersonalisationUpload { ended_on: Some(date("2007-09-05")), ..good }),
    ] {
        let refused = |error: &EntryError| matches!(error, EntryError::Value { field: found, .. } if *found == field);
        let parsed = PersonalisationUpload::parse(&bad.emit()).unwrap_err();
        assert!(refused(&parsed), "{field}: {parsed}");
        let Err(ListError::Entry { index: 0, error }) = Uploads::new(edition(OWN_SCHOOL, 1), [bad])
        else {
            panic!("{field} was taken");
        };
        assert!(refused(&error), "{field}: {error}");
    }
    let backwards = PersonalisationUpload { uploaded_at: at("2007-09-03"), ..good };
    let error = PersonalisationUpload::parse(&backwards.emit());
    assert_eq!(error, Err(EntryError::Field("stated_at")));
    let upload_by = good.upload_by.add_days(1).unwrap();
    let refused =
        Uploads::new(edition(OWN_SCHOOL, 1), [PersonalisationUpload { upload_by, ..good }]);
    let error = EntryError::Field("upload_by");
    assert_eq!(refused, Err(ListError::Entry { index: 0, error }));
    let mut bytes = good.emit();
    bytes[32] = 7;
    let error = PersonalisationUpload::parse(&bytes).unwrap_err().to_string();
    assert_eq!(error, "sex: code 07 is not in the code table");
    for (at, bits) in [(175, 1), (9, 0x08)] {
        let mut bytes = good.emit();
        bytes[at] |= bits;
        assert!(PersonalisationUpload::parse(&bytes).unwrap_err().to_string().contains("reserved"));
    }
}

/// A month, to the day (操作规程 四/五).
#[test]
fn an_upload_after_a_month_is_late() {
    let record = of(&pupil(), &stock(1, 0), 1, "2008-01-31");
    assert_eq!(
        Deadline::PersonalisationUpload.last_day(date("2008-01-31"), &Holidays::default()),
        Ok(record.upload_by)
    );
    for (day, late) in [("2008-02-29", false), ("2008-03-01", true)] {
        let (uploaded_at, stated_at) = (at(day), at(day));
        let uploads = school([PersonalisationUpload { uploaded_at, stated_at, ..record }]);
        let expected = if late { vec![(card(1), "late")] } else { vec![] };
        assert_eq!(findings(&uploads, &[], "2008-12-31"), expected, "{day}");
    }
}

/// 暂行办法 四(一): to nobody else, ever, though the first pupil's card is long taken back.
#[test]
fn a_number_goes_to_nobody_else() {
    let first = of(&pupil(), &stock(1, 0), 1, "2007-09-01");
    let first = first.ended(date("2008-01-10"), at("2008-01-10")).unwrap();
    let thief = like(|draft| draft.name = Some("李四".into()));
    let second = of(&thief, &stock(2, 0), 1, "2008-02-20");
    assert_eq!(findings(&school([first, second]), &[], "2008-12-31"), [(card(2), "number-taken")]);
    // The same card, restocked in between, is no excuse.
    let restocked = of(&thief, &stock(1, 1), 1, "2008-02-20");
    let uploads = school([first, restocked]);
    assert_eq!(findings(&uploads, &[], "2008-12-31"), [(card(1), "number-taken")]);
    let ask = |pupil: &Pupil, card: &Issuance| {
        let (lost, on) = (None, date("2008-02-20"));
        school([first]).admits(&Candidate { pupil, card, lost, on }, &[])
    };
    assert!(matches!(ask(&thief, &stock(2, 0)), Err(Conflict::NumberTaken(_))));
    assert_eq!(ask(&pupil(), &stock(2, 0)), Ok(()), "its own pupil, whose card was taken back");
    assert_eq!(ask(&other_pupil(), &stock(2, 0)), Ok(()));
    // Corrected data on the same card is no other pupil.
    assert_eq!(ask(&thief, &stock(1, 0)), Ok(()));
    let corrected = of(&thief, &stock(1, 0), 2, "2007-10-08");
    assert_eq!(findings(&school([first, corrected]), &[], "2008-12-31"), []);
}

/// 暂行办法 一(一): one record card; another one only when the first is replaced, lost or taken back.
#[test]
fn a_pupil_has_one_card() {
    let first = of(&pupil(), &stock(1, 0), 1, "2007-09-01");
    let second = of(&pupil(), &stock(2, 0), 1, "2007-10-20");
    let both = school([first, second]);
    let is_second = [(card(2), "second-card")];
    assert_eq!(findings(&both, &[], "2008-12-31"), is_second);
    let lists = |kind, day: &str| findings(&both, &[&list([report(1, kind, day)])], "2008-12-31");
    assert_eq!(lists(Kind::Replaced, "2007-10-20"), []);
    assert_eq!(lists(Kind::Loss, "2007-10-10"), [], "day 10 of the loss");
    assert_eq!(lists(Kind::Loss, "2007-10-11"), is_second, "day 9");
    assert_eq!(lists(Kind::Freeze, "2007-10-01"), is_second);
    let ended = first.ended(date("2007-10-19"), at("2007-10-19")).unwrap();
    assert_eq!(findings(&school([ended, second]), &[], "2008-12-31"), []);
    let next = of(&other_pupil(), &stock(1, 1), 1, "2007-10-19");
    assert_eq!(findings(&school([first, next, second]), &[], "2008-12-31"), [], "recalled");
    let other = Entry::new(
        card(1),
        Kind::Replaced,
        unit(OTHER_SCHOOL),
        at("2007-10-20"),
        date("2007-10-20"),
        None,
    );
    let other = List::new(edition(OWN_DISTRICT, 1), [other.unwrap()]).unwrap();
    assert_eq!(findings(&both, &[&other], "2008-12-31"), is_second, "no school replaces another's");
    // A report about the holder before is none about this one, nor is one of that holder's school.
    let held = of(&pupil(), &stock(1, 1), 1, "2007-09-01");
    let before = of(&other_pupil(), &stock(1, 0), 1, "2007-08-01");
    let elsewhere = PersonalisationUpload { personalised_by: unit(OTHER_SCHOOL), ..before };
    let record = |before| Uploads::new(edition(OWN_DISTRICT, 1), [before, held, second]).unwrap();
    let past = list([report(1, Kind::Replaced, "2007-08-20").of_generation(0)]);
    assert_eq!(findings(&record(before), &[&past], "2008-12-31"), is_second);
    assert_eq!(findings(&record(elsewhere), &[&other], "2008-12-31"), is_second);
}

#[test]
fn the_desk_asks_before_it_personalises() {
    let uploads = school([of(&pupil(), &stock(1, 0), 1, "2007-09-01")]);
    let ask = |pupil: &Pupil, card: &Issuance, lost, lists: &[&List]| {
        let on = date("2007-10-20");
        uploads.admits(&Candidate { pupil, card, lost, on }, lists)
    };
    let Err(Conflict::SecondCard(earlier)) = ask(&pupil(), &stock(2, 0), None, &[]) else {
        panic!("a second card");
    };
    assert_eq!((earlier.card, earlier.on), (card(1), date("2007-09-01")));
    assert_eq!(ask(&pupil(), &stock(1, 0), None, &[]), Ok(()), "the card the pupil has");
    assert_eq!(ask(&pupil(), &stock(2, 0), Some(card(1)), &[]), Ok(()), "a temporary card");
    assert_eq!(ask(&pupil(), &stock(2, 0), Some(card(3)), &[]), Ok(()), "for a card nobody knows");
    let for_anothers = ask(&other_pupil(), &stock(2, 0), Some(card(1)), &[]);
    assert!(matches!(for_anothers, Err(Conflict::NoLostCard(of)) if of.card == card(1)));
    assert_eq!(uploads.of_another(card(1), &pupil()), None);
    assert_eq!(uploads.of_another(card(1), &other_pupil()).map(|of| of.card), Some(card(1)));
    let replaced = list([report(1, Kind::Replaced, "2007-10-20")]);
    assert_eq!(ask(&pupil(), &stock(2, 0), None, &[&replaced]), Ok(()));
    assert_eq!(ask(&other_pupil(), &stock(2, 0), None, &[]), Ok(()));
    assert_eq!(ask(&pupil(), &stock(1, 1), None, &[]), Ok(()), "restocked, it was taken back");
}

/// Only the card that a pupil has is personalised again while the pupil has a second one.
#[test]
fn a_second_card_does_not_keep_the_first_from_its_pupil() {
    let first = of(&pupil(), &stock(1, 0), 1, "2007-09-01");
    let second = of(&pupil(), &stock(2, 0), 1, "2007-10-01");
    let others = of(&other_pupil(), &stock(3, 0), 1, "2007-09-01");
    let ask = |first, card: &Issuance| {
        let (pupil, on) = (pupil(), date("2007-10-20"));
        school([first, second, others])
            .admits(&Candidate { pupil: &pupil, card, lost: None, on }, &[])
    };
    assert_eq!(ask(first, &stock(1, 0)), Ok(()));
    let back = first.ended(date("2007-09-30"), at("2007-09-30")).unwrap();
    for card in [stock(1, 1), stock(3, 0)] {
        assert!(matches!(ask(back, &card), Err(Conflict::SecondCard(_))));
    }
}

#[test]
fn a_temporary_card_that_came_back_is_no_card_the_pupil_has() {
    let first = of(&pupil(), &stock(1, 0), 1, "2007-09-01");
    let spare = temporary(&pupil(), 2, "2007-09-12").for_lost(card(1)).unwrap();
    let back = spare.ended(date("2007-09-16"), at("2007-09-16")).unwrap();
    for spare in [spare, back] {
        let (pupil, card) = (pupil(), stock(2, 0));
        let on = date("2007-10-20");
        let candidate = Candidate { pupil: &pupil, card: &card, lost: None, on };
        let refused = school([first, spare]).admits(&candidate, &[]);
        assert!(matches!(refused, Err(Conflict::SecondCard(_))), "{refused:?}");
    }
}

#[test]
fn namesakes_are_told_apart_by_their_education_number() {
    let with = |number: &str, id: Option<&str>| {
        like(|draft| {
            draft.student_number = Some(number.into());
            draft.education_id = id.map(Into::into);
        })
    };
    let [ours, theirs] = ["0108401220903175", "0108401220903183"];
    let ask = |ours_id, theirs_id| {
        let uploads = school([of(&with(ours, ours_id), &stock(1, 0), 1, "2007-09-01")]);
        let (pupil, card) = (with(theirs, theirs_id), stock(2, 0));
        let on = date("2007-10-20");
        uploads.admits(&Candidate { pupil: &pupil, card: &card, lost: None, on }, &[])
    };
    assert!(matches!(ask(None, None), Err(Conflict::SamePerson(_))));
    assert!(matches!(ask(Some("10000001"), None), Err(Conflict::SamePerson(_))));
    assert!(matches!(ask(Some("10000001"), Some("10000001")), Err(Conflict::SamePerson(_))));
    assert_eq!(ask(Some("10000001"), Some("10000002")), Ok(()));
}

/// 暂行办法 六(二), 操作规程 四/六: a temporary card stands in for a lost one, until the loss ends.
#[test]
fn a_temporary_card_names_the_lost_one_and_comes_back() {
    let first = of(&pupil(), &stock(1, 0), 1, "2007-09-01");
    let spare = temporary(&pupil(), 2, "2007-09-12");
    assert_eq!(findings(&school([first, spare]), &[], "2007-09-12"), [(card(2), "no-lost-card")]);
    let foreign = of(&other_pupil(), &stock(3, 0), 1, "2007-09-01");
    let wrong = spare.for_lost(card(3)).unwrap();
    let uploads = school([first, foreign, wrong]);
    assert_eq!(findings(&uploads, &[], "2007-09-12"), [(card(2), "no-lost-card")]);
    assert!(first.for_lost(card(2)).is_err(), "no temporary card");

    let spare = spare.for_lost(card(1)).unwrap();
    let uploads = school([first, spare]);
    let loss = report(1, Kind::Loss, "2007-09-10");
    let out = |entries: &[Entry]| uploads.findings(&[&list(entries.to_vec())], date("2007-09-20"));
    assert_eq!(out(&[loss]), [], "still lost");
    let due = |end, on: &str| vec![(card(2), Finding::StillOut { end, on: date(on) })];
    let found = loss.withdraw(at("2007-09-15")).unwrap();
    assert_eq!(out(&[found]), due(LossEnd::Found, "2007-09-15"));
    let replaced = report(1, Kind::Replaced, "2007-09-20");
    assert_eq!(out(&[loss, replaced]), due(LossEnd::Replaced, "2007-09-20"));
    let again = report(1, Kind::Loss, "2007-09-18");
    assert_eq!(out(&[found, again]), [], "lost again");
    // The loss that ended on the day of issue is this one, an earlier one is not.
    for (day, end) in [("2007-09-12", true), ("2007-09-11", false)] {
        let expected = if end { due(LossEnd::Found, day) } else { vec![] };
        assert_eq!(out(&[loss.withdraw(at(day)).unwrap()]), expected);
    }
    // Neither what another school reports counts, nor what the card was before another pupil had it.
    let foreign = PersonalisationUpload { personalised_by: unit(OTHER_SCHOOL), ..spare };
    let district = Uploads::new(edition(OWN_DISTRICT, 1), [first, foreign]).unwrap();
    assert_eq!(district.findings(&[&list([loss, replaced])], date("2007-09-20")), []);
    let next = of(&other_pupil(), &stock(2, 0), 1, "2007-09-18");
    assert_eq!(findings(&school([first, spare, next]), &[&list([found])], "2007-09-20"), []);
    let unknown = temporary(&pupil(), 2, "2007-09-12").for_lost(card(9)).unwrap();
    assert_eq!(findings(&school([first, unknown]), &[], "2007-09-12"), [], "a card of elsewhere");
    let last = spare.valid_until;
    assert_eq!(uploads.findings(&[], last), []);
    let expired = uploads.findings(&[], last.add_days(1).unwrap());
    assert_eq!(expired, [(card(2), Finding::StillOut { end: LossEnd::Expired, on: last })]);
    let back = spare.ended(date("2007-09-16"), at("2007-09-16")).unwrap();
    let uploads = school([first, back]);
    assert_eq!(uploads.findings(&[&list([found])], date("2007-09-20")), []);
}
