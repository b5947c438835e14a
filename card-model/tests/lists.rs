//! Loss and freeze lists: merging, versions, files, and the lookup a reader keeps.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use xuejika_card_model::calendar::TEMPORARY_CARD_DAYS;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::ident::{CardSerial, UnitCode};
use xuejika_card_model::list::{
    Bearer, Decoder, Delta, Disagreement, Edition, Effect, Entries, Entry, EntryError, Form,
    Header, Kind, List, ListError, ListMac, Lookup, MAC_LEN, Moment, Standing, key_id, key_path,
};
use xuejika_keyscheme::provider::{KeyProvider, TestRoots};
use xuejika_keyscheme::{Algorithm, KeyVersion};

const SCHOOL: &str = "084012";

/// A card of the first generation, whoever's.
const ANYONE: Bearer<'_> = of(0);

const fn of(generation: u8) -> Bearer<'static> {
    Bearer { generation, units: &[] }
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn unit(text: &str) -> UnitCode {
    text.parse().unwrap()
}

fn serial(sequence: u32) -> CardSerial {
    CardSerial::new(26, 1, sequence).unwrap()
}

fn at(day: &str) -> Moment {
    Moment { date: date(day), time: Time::new(9, 30, 0).unwrap() }
}

fn edition(scope: &str, version: u32, day: &str) -> Edition {
    Edition { scope: unit(scope), version, issued: at(day) }
}

fn entry(sequence: u32, kind: Kind, by: &str, reported: &str, effective: &str) -> Entry {
    let (reported, effective) = (at(reported), date(effective));
    Entry::new(serial(sequence), kind, unit(by), reported, effective, None).unwrap()
}

fn mac_of(scope: &str, algorithm: Algorithm) -> ListMac {
    let id = key_id(KeyVersion::FIRST, algorithm);
    ListMac::new(&TestRoots.list_key(&id, key_path(unit(scope))).unwrap(), id)
}

fn mac(scope: &str) -> ListMac {
    mac_of(scope, Algorithm::Aes128)
}

fn school_list(version: u32, entries: impl IntoIterator<Item = Entry>) -> List {
    List::new(edition(SCHOOL, version, "2026-12-31"), entries).unwrap()
}

/// Units that report in the property tests.
const UNITS: [&str; 3] = ["084012", "084013", "080000"];

prop_compose! {
    fn moments()(day in 0..60i32, hour in 0..3u8) -> Moment {
        Moment { date: date("2026-09-01").add_days(day).unwrap(), time: Time::new(hour, 0, 0).unwrap() }
    }
}

prop_compose! {
    /// Few cards, units and moments, so that statements about one card meet.
    fn entries()(
        sequence in 0..12u32,
        kind in 0..3usize,
        by in 0..3usize,
        reported in moments(),
        delay in 0..4i32,
        withdrawn in proptest::option::of(1..4i32),
        generation in proptest::option::of(0..3u8),
    ) -> Entry {
        let by = unit(UNITS[by]);
        let kind = Kind::ALL[kind];
        let delay = if kind == Kind::Replaced { 0 } else { delay };
        let effective = reported.date.add_days(delay).unwrap();
        let entry = Entry::new(serial(sequence), kind, by, reported, effective, None).unwrap();
        let entry = generation.map_or(entry, |generation| entry.of_generation(generation));
        match withdrawn {
            Some(days) if kind != Kind::Replaced => {
                let date = reported.date.add_days(days).unwrap();
                entry.withdraw(Moment { date, ..reported }).unwrap()
            }
            _ => entry,
        }
    }
}

fn sets() -> impl Strategy<Value = Entries> {
    proptest::collection::vec(entries(), 0..30).prop_map(|list| list.into_iter().collect())
}

/// When the loss of a card was reported first, of its last generation that any report is about.
fn reported(list: &List, card: CardSerial, generation: u8) -> Option<Date> {
    let last = |entry: &Entry| entry.generation().unwrap_or(u8::MAX);
    let open: Vec<_> = list.entries().open(card, Kind::Loss).collect();
    let open = open.into_iter().filter(|entry| generation <= last(entry));
    let newest = open.clone().map(last).max();
    let first = open.filter(|entry| Some(last(entry)) == newest).map(|entry| entry.reported().date);
    let oldest = list.edition().issued.date.add_days(-TEMPORARY_CARD_DAYS).unwrap();
    first.min().map(|first| first.max(oldest))
}

proptest! {
    #[test]
    fn an_entry_survives_its_bytes(entry in entries()) {
        prop_assert_eq!(Entry::parse(&entry.emit()), Ok(entry));
    }

    #[test]
    fn merging_is_a_join(a in sets(), b in sets(), c in sets()) {
        prop_assert_eq!(a.join(&a), a.clone());
        prop_assert_eq!(a.join(&b), b.join(&a));
        prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
        let all: Entries = a.iter().chain(&b).chain(&c).copied().collect();
        prop_assert_eq!(a.join(&b).join(&c), all);
    }

    #[test]
    fn the_order_of_statements_does_not_matter(
        (list, shuffled) in proptest::collection::vec(entries(), 0..30)
            .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle())),
    ) {
        prop_assert_eq!(Entries::from_iter(list), Entries::from_iter(shuffled));
    }

    /// A card is listed as from the earliest report that its own unit has not withdrawn afterwards,
    /// computed here from the statements themselves.
    #[test]
    fn a_card_is_listed_while_any_unit_s_report_stands(
        list in proptest::collection::vec(entries(), 0..40), generation in 0..4u8,
    ) {
        let set: Entries = list.iter().copied().collect();
        let issued = edition("080000", 1, "2026-08-01");
        let whole = List::new(Edition { issued: at("2026-12-31"), ..issued }, set.clone()).unwrap();
        for sequence in 0..12 {
            for kind in Kind::ALL.iter().copied() {
                let about = || list.iter().filter(|e| (e.serial(), e.kind()) == (serial(sequence), kind));
                let stands = |entry: &&Entry| {
                    let own = about().filter(|other| other.unit() == entry.unit());
                    let ended = own.filter_map(Entry::withdrawn).max();
                    entry.withdrawn().is_none()
                        && ended.is_none_or(|ended| entry.reported() >= ended)
                        && entry.generation().is_none_or(|last| generation <= last)
                };
                let first = about().filter(stands).map(Entry::effective).min();
                let standing = whole.listing(serial(sequence), &of(generation)).standing;
                let found = [standing.loss, standing.freeze, standing.replaced][usize::from(kind.code()) - 1];
                prop_assert_eq!(found.is_some(), first.is_some());
                let open = set.open(serial(sequence), kind);
                let kept = open.filter(|e| e.generation().is_none_or(|last| generation <= last)).map(Entry::effective).min();
                prop_assert_eq!(kept, first);
            }
        }
    }

    /// No act of one unit, however it is merged, makes a card better that another unit lists.
    #[test]
    fn no_unit_weakens_another_s_report(
        lists in proptest::collection::vec(proptest::collection::vec(entries(), 0..12), 1..5),
        by in 0..3usize, generation in 0..4u8,
    ) {
        let others = |entry: &&Entry| entry.unit() != unit(UNITS[by]);
        let merge = |keep: &dyn Fn(&&Entry) -> bool| {
            let part = |list: &Vec<Entry>| list.iter().filter(|e| keep(e)).copied().collect::<Entries>();
            lists.iter().map(part).fold(Entries::default(), |all, list| all.join(&list))
        };
        let (all, without) = (merge(&|_| true), merge(&others));
        let list = |entries: Entries| List::new(edition("080000", 1, "2026-12-31"), entries).unwrap();
        let (all, without) = (list(all), list(without));
        for sequence in 0..12 {
            let [with, before] =
                [&all, &without].map(|list| list.listing(serial(sequence), &of(generation)).standing);
            for (with, before) in [
                (with.loss, before.loss), (with.freeze, before.freeze), (with.replaced, before.replaced),
            ] {
                prop_assert!(before.is_none() || with.is_some_and(|with| Some(with) <= before));
            }
        }
    }

    #[test]
    fn a_delta_leads_to_the_whole(old in sets(), news in sets()) {
        let scope = |version, entries: Entries| {
            List::new(edition("080000", version, "2027-01-31"), entries).unwrap()
        };
        let (base, next) = (scope(7, old.clone()), scope(9, old.join(&news)));
        let delta = next.since(&base).unwrap();
        let read = Delta::parse(&delta.emit(&mac("080000")), &mac("080000")).unwrap();
        prop_assert_eq!(&read, &delta);
        prop_assert_eq!(read.apply(&base), Ok(next));
        // Not from another version, and not from another list that calls itself by this one.
        let other = scope(8, old.clone());
        prop_assert_eq!(read.apply(&other), Err(ListError::Base { base: 7, version: 8 }));
        let stranger = entry(99, Kind::Loss, "080000", "2026-09-01", "2026-09-01");
        let pretender = scope(7, old.iter().copied().chain([stranger]).collect());
        let refused = matches!(read.apply(&pretender), Err(ListError::Digest { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn a_list_survives_its_file_in_any_parts(set in sets(), cuts in proptest::collection::vec(1..70usize, 0..40)) {
        let list = List::new(edition("080000", 3, "2027-01-31"), set).unwrap();
        for algorithm in [Algorithm::Aes128, Algorithm::Sm4] {
            let mac = mac_of("080000", algorithm);
            let file = list.emit(&mac);
            prop_assert_eq!(List::parse(&file, &mac), Ok(list.clone()));
            let (head, mut rest) = file.split_first_chunk().unwrap();
            let mut decoder = Decoder::new(head, &mac, Vec::new()).unwrap();
            for cut in cuts.iter().copied() {
                let (part, later) = rest.split_at(cut.min(rest.len()));
                decoder.push(part).unwrap();
                rest = later;
            }
            decoder.push(rest).unwrap();
            let (header, entries) = decoder.finish().unwrap();
            prop_assert_eq!(header.count as usize, entries.len());
            prop_assert_eq!(Entries::from_iter(entries), list.entries().clone());
        }
    }

    /// Lookup and list answer alike for cards that are listed and for all others.
    #[test]
    fn the_lookup_is_exact(set in sets(), issued in 0..90i32) {
        let issued = Moment { date: date("2026-11-05").add_days(issued).unwrap(), time: Time::MIDNIGHT };
        let edition = Edition { scope: unit("080000"), version: 1, issued };
        let list = List::new(edition, set).unwrap();
        let lookup = Lookup::parse(&list.emit(&mac("080000")), &mac("080000")).unwrap();
        for (sequence, generation) in (0..40).zip((0..4).cycle()) {
            let card = serial(sequence);
            prop_assert_eq!(lookup.listing(card, &of(generation)), list.listing(card, &of(generation)));
            let reported = reported(&list, card, generation);
            prop_assert_eq!(lookup.loss_reported(card, &of(generation)), reported);
        }
    }

    /// Against an ordered map, over serials near and far, dense and thin, in blocks whole and not.
    #[test]
    fn the_lookup_equals_an_ordered_map(
        seeds in proptest::collection::vec((0..100u8, 0..3u8, 0..10_000_000u32, 1..300u32, 1..5000u32), 1..6),
        probes in proptest::collection::vec((0..100u8, 0..3u8, 0..10_000_000u32), 50),
    ) {
        let mut listed = BTreeMap::new();
        for (year, vendor, from, count, step) in seeds {
            for n in 0..count {
                let sequence = (from + n * step) % 10_000_000;
                let card = CardSerial::new(year, vendor, sequence).unwrap();
                let kind = Kind::ALL[(n % 3) as usize];
                let entry = Entry::new(card, kind, unit(SCHOOL), at("2026-09-01"), date("2026-09-01"), None);
                listed.entry(card).or_insert(entry.unwrap());
            }
        }
        let list = school_list(1, listed.values().copied());
        let lookup = Lookup::parse(&list.emit(&mac(SCHOOL)), &mac(SCHOOL)).unwrap();
        prop_assert_eq!(lookup.count(), listed.len());
        let near = listed.keys().flat_map(|card| {
            [card.sequence().saturating_sub(1), card.sequence(), (card.sequence() + 1) % 10_000_000]
                .map(|sequence| (card.year(), card.vendor(), sequence))
        });
        for (year, vendor, sequence) in near.chain(probes) {
            let card = CardSerial::new(year, vendor, sequence).unwrap();
            let expected = listed.get(&card).map(|entry| {
                let here = |kind| (entry.kind() == kind).then_some(Effect::InForce);
                Standing { loss: here(Kind::Loss), freeze: here(Kind::Freeze), replaced: here(Kind::Replaced)  }
            });
            prop_assert_eq!(lookup.listing(card, &ANYONE).standing, expected.unwrap_or_default());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, count in 0..3u32) {
        let key = mac(SCHOOL);
        let _ = List::parse(&bytes, &key);
        let header = Header { count, ..Header::parse(&school_list(1, []).emit(&key)).unwrap() };
        let file = [&header.emit()[..], &bytes].concat();
        prop_assert!(List::parse(&file, &key).is_err());
        prop_assert!(Lookup::parse(&file, &key).is_err());
    }
}

#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    let list = school_list(
        5,
        [
            entry(1, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03"),
            entry(2, Kind::Freeze, SCHOOL, "2026-09-02", "2026-09-02"),
        ],
    );
    let base = school_list(4, []);
    let key = mac(SCHOOL);
    let (whole, delta) = (list.emit(&key), list.since(&base).unwrap().emit(&key));
    assert!(List::parse(&whole, &key).is_ok() && Delta::parse(&delta, &key).is_ok());
    let refused = |file: &[u8]| {
        List::parse(file, &key).is_err()
            && Lookup::parse(file, &key).is_err()
            && Delta::parse(file, &key).is_err()
    };
    for file in [&whole, &delta] {
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(refused(&flipped), "bit {bit}");
        }
        for len in 0..file.len() {
            assert!(refused(&file[..len]), "length {len}");
        }
        assert!(refused(&[file.as_slice(), &[0]].concat()));
    }
}

/// A list made by somebody without the key, or with the key of another unit, version or algorithm.
#[test]
fn only_the_unit_s_own_key_makes_a_list() {
    let file = school_list(1, []).emit(&mac(SCHOOL));
    for forger in ["084013", "080000", "000000"] {
        let error = List::parse(&file, &mac(forger)).unwrap_err();
        assert_eq!(error, ListError::Mac(unit(SCHOOL)), "{forger}");
    }
    let error = List::parse(&file, &mac_of(SCHOOL, Algorithm::Sm4)).unwrap_err();
    assert_eq!(error, ListError::Mac(unit(SCHOOL)));
    let id = key_id(KeyVersion::new(2).unwrap(), Algorithm::Aes128);
    let newer = ListMac::new(&TestRoots.list_key(&id, key_path(unit(SCHOOL))).unwrap(), id);
    assert_eq!(List::parse(&file, &newer), Err(ListError::Mac(unit(SCHOOL))));
    assert!(!format!("{newer:?}").is_empty());
}

/// A loss, its withdrawal and another loss: the card is listed, not listed, listed.
#[test]
fn a_withdrawal_removes_and_a_new_report_lists_again() {
    let lost = entry(1, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03");
    let first = school_list(1, [lost]);
    let found = first
        .withdraw(
            edition(SCHOOL, 2, "2026-12-31"),
            serial(1),
            Kind::Loss,
            unit(SCHOOL),
            at("2026-09-04"),
        )
        .unwrap();
    assert_eq!(found.listing(serial(1), &ANYONE).standing, Standing::default());
    // Who answered for misuse in between can still be shown.
    let [kept] = found.entries().of(serial(1)) else { panic!("one entry, withdrawn") };
    assert_eq!((kept.reported(), kept.effective()), (lost.reported(), lost.effective()));
    assert!(!kept.holds(date("2026-09-10")));
    let lookup = Lookup::parse(&found.emit(&mac(SCHOOL)), &mac(SCHOOL)).unwrap();
    assert_eq!(lookup.count(), 0);

    let again = entry(1, Kind::Loss, SCHOOL, "2026-10-09", "2026-10-12");
    let next = edition(SCHOOL, 3, "2026-12-31");
    let listed = List::merge(next, [&found, &school_list(1, [again])]);
    assert!(
        matches!(listed, Ok(ref list) if list.listing(serial(1), &ANYONE).standing.loss.is_some())
    );
    // The school's old list, sent once more, revives nothing.
    let stale = List::merge(next, [&found, &first]).unwrap();
    assert_eq!(stale.listing(serial(1), &ANYONE).standing, Standing::default());
}

#[test]
fn who_may_withdraw_what() {
    let list = school_list(
        1,
        [
            entry(1, Kind::Freeze, SCHOOL, "2026-09-01", "2026-09-01"),
            entry(2, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03"),
            entry(2, Kind::Replaced, SCHOOL, "2026-09-11", "2026-09-11"),
        ],
    );
    let withdraw = |number, kind, by, day: &str| {
        let next = edition(SCHOOL, 2, "2026-12-31");
        list.withdraw(next, serial(number), kind, unit(by), at(day)).map(|_| ())
    };
    assert_eq!(withdraw(1, Kind::Freeze, SCHOOL, "2026-09-05"), Ok(()));
    assert_eq!(withdraw(1, Kind::Freeze, "080000", "2026-09-05"), Ok(()), "its district");
    for (kind, by) in [(Kind::Loss, SCHOOL), (Kind::Freeze, "084013"), (Kind::Freeze, "050000")] {
        let refused = withdraw(1, kind, by, "2026-09-05");
        assert_eq!(refused, Err(ListError::NotListed(serial(1))), "{by}");
    }
    assert!(matches!(
        withdraw(1, Kind::Freeze, SCHOOL, "2026-08-31"),
        Err(ListError::Withdrawal { error: EntryError::WithdrawnTooEarly { .. }, .. })
    ));
    let at_once = withdraw(1, Kind::Freeze, SCHOOL, "2026-09-01");
    assert!(matches!(at_once, Err(ListError::Withdrawal { .. })));
    // A replaced card stays, and its loss with it.
    for kind in [Kind::Loss, Kind::Replaced] {
        let refused = withdraw(2, kind, SCHOOL, "2026-09-20");
        assert_eq!(refused, Err(ListError::Replaced(serial(2))));
    }
    let replaced = entry(3, Kind::Replaced, SCHOOL, "2026-09-01", "2026-09-01");
    assert_eq!(replaced.withdraw(at("2026-09-02")), Err(EntryError::ReplacedForEver));
    let withdrawn = entry(3, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-01")
        .withdraw(at("2026-09-02"))
        .unwrap();
    let twice = withdrawn.withdraw(at("2026-09-03"));
    assert_eq!(twice, Err(EntryError::WithdrawnAlready(at("2026-09-02"))));
}

/// What one unit says twice: the effect stays, the loss period does not begin anew.
#[test]
fn reporting_again_changes_nothing() {
    let lost = entry(1, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03");
    let again = entry(1, Kind::Loss, SCHOOL, "2026-09-08", "2026-09-10");
    let list = school_list(1, [lost]).next(edition(SCHOOL, 2, "2026-12-31"), [again]).unwrap();
    assert_eq!(list.entries().of(serial(1)), [lost]);
    // Two lists of the school that do not know of each other.
    for lists in [[[lost], [again]], [[again], [lost]]] {
        let [first, second] = lists;
        let (a, b) = (school_list(1, first), school_list(2, second));
        let merged = List::merge(edition("080000", 1, "2026-12-31"), [&a, &b]).unwrap();
        assert_eq!(merged.entries().reported(serial(1), Kind::Loss), Some(lost.reported()));
        let open = merged.entries().open(serial(1), Kind::Loss).map(Entry::effective).min();
        assert_eq!(open, Some(lost.effective()));
        // Found: both reports end.
        let next = edition("080000", 2, "2026-12-31");
        let found = merged.withdraw(next, serial(1), Kind::Loss, unit(SCHOOL), at("2026-09-09"));
        assert_eq!(found.unwrap().listing(serial(1), &ANYONE).standing, Standing::default());
    }
    let later = Entry::new(
        serial(1),
        Kind::Replaced,
        unit(SCHOOL),
        at("2026-09-01"),
        date("2026-09-02"),
        None,
    );
    assert_eq!(later, Err(EntryError::ReplacedLater { reported: at("2026-09-01") }));
}

#[test]
fn units_that_disagree_are_named() {
    let ours = entry(1, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03");
    let theirs =
        entry(1, Kind::Loss, "055001", "2026-09-04", "2026-09-04").withdraw(at("2026-09-05"));
    let list = [ours, theirs.clone().unwrap()].into_iter().collect::<Entries>();
    let found: Vec<_> = list.disagreements().collect();
    assert_eq!(found, [Disagreement { listed: ours, withdrawn: theirs.unwrap() }]);
    let own = ours.withdraw(at("2026-09-05")).unwrap();
    let agreed = [own, theirs_freeze()].into_iter().collect::<Entries>();
    assert_eq!(agreed.disagreements().count(), 0);
}

fn theirs_freeze() -> Entry {
    entry(1, Kind::Freeze, "055001", "2026-09-04", "2026-09-04")
}

/// A school lists its own pupils' cards (操作规程 四/六); a district and the city those below.
#[test]
fn a_report_counts_when_its_unit_knows_the_pupil() {
    let frozen = |by: &str| entry(1, Kind::Freeze, by, "2026-09-01", "2026-09-01");
    let units = [unit(SCHOOL), unit("055001")];
    for (by, counts) in [
        (SCHOOL, true),
        ("080000", true),
        ("000000", true),
        ("055001", true),
        ("084013", false),
        ("060000", false),
    ] {
        let list = List::new(edition("000000", 1, "2026-12-31"), [frozen(by)]).unwrap();
        let lookup = Lookup::parse(&list.emit(&mac("000000")), &mac("000000")).unwrap();
        let bearer = Bearer { generation: 0, units: &units };
        for listing in [list.listing(serial(1), &bearer), lookup.listing(serial(1), &bearer)] {
            assert_eq!(listing.standing.freeze.is_some(), counts, "{by}");
        }
        assert!(
            lookup.listing(serial(1), &ANYONE).standing.freeze.is_some(),
            "nobody knows the pupil"
        );
    }
}

/// A card that was recalled, restocked and given to another pupil is not the one reported.
#[test]
fn an_entry_ends_with_the_generation_of_the_card() {
    let frozen = entry(1, Kind::Freeze, SCHOOL, "2026-09-01", "2026-09-01").of_generation(3);
    assert_eq!(frozen.emit()[31], 4);
    let list = school_list(1, [frozen]);
    let lookup = Lookup::parse(&list.emit(&mac(SCHOOL)), &mac(SCHOOL)).unwrap();
    for (generation, listed) in [(0, true), (3, true), (4, false), (255, false)] {
        for listing in
            [list.listing(serial(1), &of(generation)), lookup.listing(serial(1), &of(generation))]
        {
            assert_eq!(listing.standing.freeze.is_some(), listed, "{generation}");
        }
    }
    assert_eq!(frozen.of_generation(255).generation(), None);
}

#[test]
fn an_effect_begins_on_its_day() {
    let list = List::new(
        edition(SCHOOL, 1, "2026-09-02"),
        [entry(1, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03")],
    )
    .unwrap();
    let listing = list.listing(serial(1), &ANYONE);
    assert_eq!(listing.standing.loss, Some(Effect::From(date("2026-09-03"))));
    let holds = |day| listing.standing.loss.unwrap().holds(date(day));
    assert!(!holds("2026-09-02") && holds("2026-09-03") && holds("2026-09-04"));
    let ages = ["2026-09-01", "2026-09-02", "2026-09-03", "2026-09-04"].map(date);
    assert_eq!(ages.map(|day| listing.age(day)), [-1, 0, 1, 2]);
    assert_eq!(ages.map(|day| listing.is_stale(day)), [false, false, false, true]);
}

/// Schools to district to city and down again (操作规程 二/六, 三/六).
#[test]
fn lists_go_up_and_down() {
    let day = "2026-09-10";
    let one = |by: &str, number| {
        let lost = entry(number, Kind::Loss, by, "2026-09-01", "2026-09-03");
        List::new(edition(by, 1, day), [lost]).unwrap()
    };
    let (ours, theirs, far) = (one("084012", 1), one("084013", 2), one("055001", 3));
    let haidian = List::merge(edition("080000", 1, day), [&ours, &theirs]).unwrap();
    let chaoyang = List::merge(edition("050000", 4, day), [&far]).unwrap();
    let city = List::merge(edition("000000", 1, day), [&haidian, &chaoyang]).unwrap();
    assert_eq!(city.entries().len(), 3);
    let part = city.part(edition("080000", 2, day)).unwrap();
    assert_eq!(part.entries(), city.entries(), "any card can be shown anywhere");
    assert_eq!((part.edition().scope, part.of()), (unit("080000"), Some(UnitCode::CITY)));
    let file = part.emit(&mac("080000"));
    assert_eq!(List::parse(&file, &mac("080000")), Ok(part.clone()));
    assert!(
        Lookup::parse(&file, &mac("080000"))
            .unwrap()
            .listing(serial(3), &ANYONE)
            .standing
            .loss
            .is_some()
    );
    // What came down does not go up again, nor on.
    let taken = ListError::Part { of: UnitCode::CITY };
    assert_eq!(List::merge(edition("000000", 2, day), [&part]), Err(taken.clone()));
    assert_eq!(part.next(edition("080000", 3, day), []), Err(taken));
    let school = part.part(edition(SCHOOL, 1, day)).unwrap();
    assert_eq!((school.entries(), school.of()), (part.entries(), part.of()));

    let unit_error =
        |result: Result<List, ListError>| matches!(result, Err(ListError::Unit { .. }));
    assert!(unit_error(List::merge(edition("080000", 2, day), [&far])));
    assert!(unit_error(List::merge(edition("080000", 2, day), [&city])));
    assert!(unit_error(haidian.part(edition("050000", 2, day))));
    let error = List::merge(edition("080000", 1, day), [&haidian, &ours]).unwrap_err();
    assert_eq!(error, ListError::Version { version: 1, base: 1 });
}

#[test]
fn what_cannot_be_a_list() {
    let lost = entry(1, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03");
    let new = |scope, version, day| List::new(edition(scope, version, day), [lost]).unwrap_err();
    assert!(matches!(new("084013", 1, "2026-09-02"), ListError::Scope { .. }));
    assert!(matches!(new(SCHOOL, 1, "2026-08-31"), ListError::AfterIssue { .. }));
    assert!(matches!(new(SCHOOL, 0, "2026-09-02"), ListError::Version { .. }));
    let early =
        Entry::new(serial(1), Kind::Loss, unit(SCHOOL), at("2026-09-02"), date("2026-09-01"), None);
    assert!(matches!(early, Err(EntryError::EffectiveBeforeReport { .. })));
}

#[test]
fn what_leads_to_no_delta() {
    let lost = entry(1, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03");
    let (old, new) = (school_list(1, [lost]), school_list(2, []));
    assert!(matches!(new.since(&old), Err(ListError::NotDescended(_))));
    assert!(matches!(old.since(&new), Err(ListError::Version { .. })));
    assert!(matches!(old.since(&old), Err(ListError::Version { .. })));
    let later = school_list(2, [lost.withdraw(at("2026-09-04")).unwrap()]);
    let undone = school_list(3, [lost]);
    assert!(matches!(undone.since(&later), Err(ListError::NotDescended(_))));
    let district = List::new(edition("080000", 3, "2026-12-31"), [lost]).unwrap();
    assert!(matches!(district.since(&old), Err(ListError::Unit { .. })));
    let delta = later.since(&old).unwrap();
    assert!(matches!(delta.apply(&district), Err(ListError::Unit { .. })));
    assert_eq!(delta.changes().len(), 1);
}

/// Files with a right checksum whose contents break a rule: made with the key, but not by us.
#[test]
fn authentic_nonsense_is_refused() {
    let key = mac(SCHOOL);
    let a = entry(1, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03");
    let b = entry(2, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03");
    let good = school_list(1, [a, b]).emit(&key);
    let header = Header::parse(&good).unwrap();
    let id = key_id(KeyVersion::FIRST, Algorithm::Aes128);
    let list_key = TestRoots.list_key(&id, key_path(unit(SCHOOL))).unwrap();
    let made = |header: Header, entries: &[[u8; Entry::LEN]]| {
        let mut file = header.emit().to_vec();
        file.extend(entries.concat());
        let tag = list_key.mac().tag(&file);
        file.extend(tag);
        file
    };
    let parse = |file: &[u8]| List::parse(file, &key).map(|_| ());
    assert_eq!(made(header, &[a.emit(), b.emit()]), good);
    assert_eq!(parse(&made(header, &[b.emit(), a.emit()])), Err(ListError::Order(1)));
    assert_eq!(parse(&made(header, &[a.emit(), a.emit()])), Err(ListError::Order(1)));
    let wrong = Header { digest: !header.digest, ..header };
    assert!(matches!(parse(&made(wrong, &[a.emit(), b.emit()])), Err(ListError::Digest { .. })));
    let short = made(Header { count: 3, ..header }, &[a.emit(), b.emit()]);
    assert!(matches!(parse(&short), Err(ListError::Length { .. })));
    let foreign = entry(2, Kind::Loss, "084013", "2026-09-01", "2026-09-03");
    let file = made(header, &[a.emit(), foreign.emit()]);
    assert!(matches!(parse(&file), Err(ListError::Scope { .. })));
    let early = Header { issued: at("2026-08-31"), ..header };
    assert!(matches!(
        parse(&made(early, &[a.emit(), b.emit()])),
        Err(ListError::AfterIssue { .. })
    ));
    for (offset, byte, name) in [
        (0, 0xFF, "card serial"),
        (8, 4, "kind"),
        (9, 0x99, "reason"),
        (10, 0x7A, "unit"),
        (14, 0xFF, "report time"),
        (20, 0xFF, "effective date"),
        (24, 0x01, "withdrawal time"),
    ] {
        let mut bytes = b.emit();
        bytes[offset] = byte;
        let error = EntryError::Field(name);
        assert_eq!(
            parse(&made(header, &[a.emit(), bytes])),
            Err(ListError::Entry { index: 1, error })
        );
    }
    let expected = ListError::Form { found: Form::Full, expected: Form::Delta };
    assert_eq!(Delta::parse(&good, &key), Err(expected));
}

/// The whole file of one entry, byte by byte: what `docs/lists.md` describes.
#[test]
fn the_bytes_of_a_file() {
    let entry = entry(1, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03");
    let list = List::new(edition(SCHOOL, 7, "2026-09-02"), [entry]).unwrap();
    let file = list.emit(&mac(SCHOOL));
    let hex = |range: core::ops::Range<usize>| hex::encode_upper(&file[range]);
    let header = ["584A4B4C", "01", "01", "01", "01", "084012", "00", "00000007", "00000000"];
    assert_eq!(hex(0..20), header.concat());
    assert_eq!(hex(20..32), ["20260902093000", "00", "00000001"].concat());
    assert_eq!(hex(36..48), "00".repeat(12));
    let fields = ["1100260100000014", "01", "00", "084012", "20260901093000", "20260903"];
    assert_eq!(hex(48..72), fields.concat());
    assert_eq!(hex(72..80), "00".repeat(8));
    // Digest and MAC as zlib and OpenSSL compute them, the key from the published test master.
    assert_eq!(hex(32..36), "6F75D641");
    assert_eq!(hex(80..96), "3A3421FAC762892C7EA1E0422321AB01");
    assert_eq!(file.len(), Header::LEN + Entry::LEN + MAC_LEN);
}

#[test]
fn versions_and_times_of_issue_go_forward_together() {
    let lost = entry(1, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03");
    let made = |version, day| List::new(edition(SCHOOL, version, day), [lost]).unwrap();
    let (old, new) = (made(2, "2026-10-02"), made(3, "2026-10-03"));
    let backdated = made(4, "2026-10-01");
    let is_issue = |error: ListError| matches!(error, ListError::Issue { .. });
    assert!(is_issue(old.next(*backdated.edition(), []).unwrap_err()));
    assert!(is_issue(List::merge(*backdated.edition(), [&old]).unwrap_err()));
    assert!(is_issue(backdated.since(&old).unwrap_err()));
    let at_once = edition(SCHOOL, 3, "2026-10-02");
    assert!(old.next(at_once, []).is_ok(), "two versions of one moment are in order");
    let withdrawn = old.withdraw(
        edition(SCHOOL, 3, "2026-10-01"),
        serial(1),
        Kind::Loss,
        unit(SCHOOL),
        at("2026-09-30"),
    );
    assert!(is_issue(withdrawn.unwrap_err()));
    // A delta made from a list of another time of issue.
    let delta = new.since(&old).unwrap();
    assert!(is_issue(delta.apply(&made(2, "2026-10-04")).unwrap_err()));
    // Into a reader.
    assert_eq!(new.replaces(&old), Ok(()));
    assert_eq!(old.replaces(&old), Ok(()));
    assert!(matches!(old.replaces(&new), Err(ListError::Version { .. })));
    assert!(is_issue(backdated.replaces(&old).unwrap_err()));
}

#[test]
fn one_version_has_one_content() {
    let lost = entry(1, Kind::Loss, SCHOOL, "2026-09-01", "2026-09-03");
    let (one, other) = (school_list(2, [lost]), school_list(2, []));
    let again = List::new(edition(SCHOOL, 2, "2026-12-30"), [lost]).unwrap();
    let twice = ListError::Twice { scope: unit(SCHOOL), version: 2 };
    for other in [&other, &again] {
        assert_eq!(other.replaces(&one), Err(twice.clone()));
        assert_eq!(other.stands_beside(&one), Err(twice.clone()));
        let district = edition("080000", 1, "2026-12-31");
        assert_eq!(List::merge(district, [&one, other]), Err(twice.clone()));
        let [one, other] = [&one, other]
            .map(|list| Lookup::parse(&list.emit(&mac(SCHOOL)), &mac(SCHOOL)).unwrap());
        assert_eq!(other.stands_beside(&one), Err(twice.clone()));
        assert_eq!(one.stands_beside(&one), Ok(()));
    }
    let district = edition("080000", 1, "2026-12-31");
    assert!(List::merge(district, [&one, &one]).is_ok(), "one list, sent twice");
    // Of another unit nothing is compared.
    let far = List::new(edition("050000", 2, "2026-01-01"), []).unwrap();
    assert_eq!(far.stands_beside(&one), Ok(()));
    let backdated = List::new(edition(SCHOOL, 3, "2026-10-01"), [lost]).unwrap();
    assert!(matches!(
        List::merge(edition("080000", 1, "2026-12-31"), [&backdated, &one]),
        Err(ListError::Issue { .. })
    ));
}

/// The loss period counts from the first report about the last holder, and of an old loss a reader
/// knows that it is old (操作规程 四/六).
#[test]
fn a_reader_knows_when_a_loss_was_reported() {
    let lookup = |entries: &[Entry]| {
        let list = List::new(edition("080000", 1, "2026-12-31"), entries.iter().copied()).unwrap();
        Lookup::parse(&list.emit(&mac("080000")), &mac("080000")).unwrap()
    };
    let loss = |by, day| entry(1, Kind::Loss, by, day, day);
    let school = [unit(SCHOOL)];
    let own = Bearer { generation: 0, units: &school };
    let reported = |entries: &[Entry]| lookup(entries).loss_reported(serial(1), &own);
    assert_eq!(reported(&[loss(SCHOOL, "2026-12-21")]), Some(date("2026-12-21")));
    // Two units: the first report counts. One of another school does not concern the pupil.
    let both = [loss(SCHOOL, "2026-12-21"), loss("080000", "2026-12-18")];
    assert_eq!(reported(&both), Some(date("2026-12-18")));
    assert_eq!(reported(&[loss("084013", "2026-12-21")]), None);
    let others = [loss(SCHOOL, "2026-12-21"), loss("084013", "2026-12-18")];
    assert_eq!(reported(&others), Some(date("2026-12-21")));
    // What was lost by the holder before is not the loss of this one.
    let before = loss("080000", "2026-12-01").of_generation(0);
    let now = loss(SCHOOL, "2026-12-21").of_generation(1);
    assert_eq!(reported(&[before, now]), Some(date("2026-12-21")));
    // 60 days before the list: older ones are not told apart, also beside a later report.
    let oldest = Some(date("2026-11-01"));
    assert_eq!(reported(&[loss(SCHOOL, "2026-11-02")]), Some(date("2026-11-02")));
    assert_eq!(reported(&[loss(SCHOOL, "2026-09-01")]), oldest);
    assert_eq!(reported(&[loss("080000", "2026-09-01"), loss(SCHOOL, "2026-12-21")]), oldest);
    // Another kind, a withdrawn report, another card.
    assert_eq!(reported(&[entry(1, Kind::Freeze, SCHOOL, "2026-12-21", "2026-12-21")]), None);
    let withdrawn = loss(SCHOOL, "2026-12-21").withdraw(at("2026-12-22")).unwrap();
    assert_eq!(reported(&[withdrawn]), None);
    assert_eq!(reported(&[entry(2, Kind::Loss, SCHOOL, "2026-12-21", "2026-12-21")]), None);
}

/// A reader takes a later version of a list it holds, or the same again, and nothing else for it.
#[test]
fn a_lookup_is_replaced_by_a_later_version() {
    let lookup = |scope: &str, version, day: &str, entries: &[Entry]| {
        let list = List::new(edition(scope, version, day), entries.iter().copied()).unwrap();
        Lookup::parse(&list.emit(&mac(scope)), &mac(scope)).unwrap()
    };
    let loss = [entry(1, Kind::Loss, SCHOOL, "2026-12-21", "2026-12-21")];
    let held = lookup(SCHOOL, 2, "2026-12-22", &loss);
    assert_eq!(lookup(SCHOOL, 3, "2026-12-23", &[]).replaces(&held), Ok(()));
    assert_eq!(held.replaces(&held), Ok(()));
    let older = lookup(SCHOOL, 1, "2026-12-21", &[]).replaces(&held);
    assert!(matches!(older, Err(ListError::Version { version: 1, base: 2 })), "{older:?}");
    let early = lookup(SCHOOL, 3, "2026-12-21", &[]).replaces(&held);
    assert!(matches!(early, Err(ListError::Issue { version: 3, .. })), "{early:?}");
    let other = lookup(SCHOOL, 2, "2026-12-22", &[]).replaces(&held);
    assert!(matches!(other, Err(ListError::Twice { version: 2, .. })), "{other:?}");
    let foreign = lookup("080000", 3, "2026-12-23", &[]);
    assert!(!foreign.is_edition_of(&held));
    assert!(matches!(foreign.replaces(&held), Err(ListError::Unit { .. })));
}
