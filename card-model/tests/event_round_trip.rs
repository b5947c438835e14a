//! What events and management cards carry reads back as written; what is not of the form is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

use proptest::prelude::*;
use proptest::sample::select;
use xuejika_card_model::CardError;
use xuejika_card_model::bcd::Digits;
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::event::{Body, Opening, Outcome, OwnerKey, Request};
use xuejika_card_model::file::KeySet;
use xuejika_card_model::ident::{District, SchoolType, StudentNumber, UnitCode};
use xuejika_card_model::key_load::KeyData;
use xuejika_card_model::lifecycle::{Event, TABLE};
use xuejika_card_model::management::{Authorisation, Role, SamSerial};
use xuejika_card_model::record::{ExtensionIndex, SchoolYear, Term, TerminalId};
use xuejika_card_model::state::LifeCycleState;
use xuejika_keyscheme::key::Key;
use xuejika_keyscheme::{Algorithm, KeyVersion};

fn date() -> impl Strategy<Value = Date> {
    let epoch = Date::new(1900, 1, 1).unwrap();
    (0..73_049_i32).prop_map(move |days| epoch.add_days(days).unwrap())
}

fn time() -> impl Strategy<Value = Time> {
    (0..24_u8, 0..60_u8, 0..60_u8).prop_map(|(h, m, s)| Time::new(h, m, s).unwrap())
}

fn district() -> impl Strategy<Value = District> {
    (1..100_u8).prop_map(|number| format!("{number:02}").parse().unwrap())
}

fn unit() -> impl Strategy<Value = UnitCode> {
    let district = district().prop_map(UnitCode::district);
    prop_oneof![Just(UnitCode::CITY), district, school()]
}

fn event() -> impl Strategy<Value = Event> {
    select(&TABLE[..]).prop_map(|rule| rule.event)
}

fn school() -> impl Strategy<Value = UnitCode> {
    (district(), select(SchoolType::ALL), 1..1000_u16)
        .prop_map(|(district, kind, number)| UnitCode::school(district, kind, number).unwrap())
}

fn sector() -> impl Strategy<Value = ExtensionIndex> {
    (1..=ExtensionIndex::MAX).prop_map(|index| ExtensionIndex::new(index).unwrap())
}

prop_compose! {
    fn opening()(
        index in sector(),
        application in 1..=u16::MAX,
        owner in unit(),
        filing in 1..100_000_000_u32,
    ) -> Opening {
        Opening {
            index,
            application: application.try_into().unwrap(),
            owner,
            filing: format!("{filing:08}").parse().unwrap(),
        }
    }
}

/// A number of a primary school: digits 10 to 16 are free.
fn student_number() -> impl Strategy<Value = StudentNumber> {
    (district(), 1..1000_u16, 0..10_000_000_u32).prop_map(|(district, school, tail)| {
        format!("01{:02X}0{school:03}0{tail:07}", district.code()).parse().unwrap()
    })
}

fn body(event: Event) -> BoxedStrategy<Body> {
    match event {
        Event::PersonaliseCommit => {
            any::<bool>().prop_map(|issued| Body::Commit { issued }).boxed()
        }
        Event::Register => (1900..=2099_u16, select(Term::ALL))
            .prop_map(|(year, term)| Body::Register {
                school_year: SchoolYear::new(year).unwrap(),
                term,
            })
            .boxed(),
        Event::ExtensionOpen => opening().prop_map(Body::Open).boxed(),
        Event::ExtensionReclaim => sector().prop_map(Body::Reclaim).boxed(),
        Event::TransferOut => (any::<bool>(), proptest::option::of(school()))
            .prop_map(|(promotion, to)| Body::TransferOut { promotion, to })
            .boxed(),
        Event::TransferIn => {
            student_number().prop_map(|new_number| Body::TransferIn { new_number }).boxed()
        }
        _ => Just(Body::None).boxed(),
    }
}

fn request() -> impl Strategy<Value = Request> {
    let reason = proptest::option::of(select(Reason::ALL));
    let with_body = event().prop_flat_map(|event| (Just(event), body(event)));
    (with_body, date(), time(), any::<[u8; 4]>(), reason).prop_map(
        |((event, body), date, time, terminal, reason)| Request {
            event,
            date,
            time,
            terminal: TerminalId(terminal),
            reason,
            body,
        },
    )
}

prop_compose! {
    fn authorisation()(
        role in select(&[Role::City, Role::District, Role::School, Role::Application][..]),
        unit in unit(),
        key_set: u8,
        valid_until in date(),
        permitted: u16,
        floor: [u8; 8],
        secret: [u8; 16],
    ) -> Authorisation {
        let permitted = KeySet::from_bits(permitted);
        let secret = secret.into();
        Authorisation { role, unit, key_set, valid_until, permitted, floor, secret }
    }
}

proptest! {
    #[test]
    fn a_request_reads_back_as_written(request in request()) {
        prop_assert_eq!(Request::parse(request.event, &request.emit()), Ok(request));
    }

    /// Nothing but the bytes of a valid request is taken for one.
    #[test]
    fn other_bytes_are_refused_or_mean_themselves(
        request in request(),
        at in 0..24_usize,
        value: u8,
        length in 0..26_usize,
    ) {
        let mut data = request.emit();
        let whole = data.len();
        if let Some(byte) = data.get_mut(at) {
            *byte = value;
        }
        if let Ok(other) = Request::parse(request.event, &data) {
            prop_assert_eq!(other.emit(), data.clone());
        }
        data.resize(length, 0);
        if length != whole {
            let cut = Request::parse(request.event, &data);
            prop_assert_eq!(cut, Err(CardError::EventData));
        }
    }

    #[test]
    fn an_outcome_reads_back_as_written(
        state in select(LifeCycleState::ALL),
        counter: u16,
        repeated: bool,
    ) {
        let outcome = Outcome { state, counter, repeated };
        prop_assert_eq!(Outcome::parse(&outcome.emit()), Some(outcome));
        prop_assert_eq!(Outcome::parse(&outcome.emit()[1..]), None);
    }

    #[test]
    fn an_authorisation_reads_back_as_written(authorisation in authorisation()) {
        prop_assert_eq!(Authorisation::parse(&authorisation.emit()), Ok(authorisation));
    }

    #[test]
    fn a_key_reads_back_as_written(bytes: [u8; 16], sm4: bool, length in 0..30_usize) {
        let algorithm = if sm4 { Algorithm::Sm4 } else { Algorithm::Aes128 };
        let key = Key::new(algorithm, bytes);
        let mut data = KeyData::emit(&key).to_vec();
        let read = KeyData::parse(&data).unwrap();
        prop_assert_eq!(read.kcv, key.kcv().bytes());
        prop_assert!(read.key == key);
        data.resize(length, 0);
        prop_assert_eq!(KeyData::parse(&data).is_ok(), length == KeyData::LEN);
    }

    /// The key comes behind the opening of a sector and with no other event.
    #[test]
    fn an_owners_key_reads_back_as_written(
        request in request(),
        version in 1..=0xFE_u8,
        bytes: [u8; 16],
        length in 0..60_usize,
    ) {
        let key = Key::new(Algorithm::Aes128, bytes);
        let kcv = key.kcv().bytes();
        let version = KeyVersion::new(version).unwrap();
        let owner = OwnerKey { version, data: KeyData { key, kcv } };
        let mut data = [&request.emit()[..], &owner.emit()].concat();
        if request.event == Event::ExtensionOpen {
            let (parsed, read) = Request::parse_with_key(request.event, &data).unwrap();
            let read = read.unwrap();
            prop_assert_eq!((parsed, read.version, read.data.kcv), (request, version, kcv));
            prop_assert!(read.data.key == owner.data.key);
            let whole = data.len();
            data.resize(length, 0);
            let cut = Request::parse_with_key(request.event, &data);
            prop_assert_eq!(cut.is_ok(), length == whole);
        } else {
            prop_assert!(Request::parse_with_key(request.event, &data).is_err());
            let (parsed, key) = Request::parse_with_key(request.event, &request.emit()).unwrap();
            prop_assert_eq!((parsed, key.is_none()), (request, true));
        }
    }

    #[test]
    fn a_sam_number_reads_back_as_written(unit in unit(), number in 0..1_000_000_u64) {
        let serial = SamSerial { unit, number: Digits::new(number).unwrap() };
        prop_assert_eq!(SamSerial::from_reader(serial.reader()), Some(serial));
    }
}

#[test]
fn an_outcome_has_a_flag_of_0_or_1() {
    assert_eq!(Outcome::parse(&[0x20, 0, 1, 2]), None);
    assert_eq!(Outcome::parse(&[0x20, 0, 1, 1, 0]), None);
    assert!(Outcome::parse(&[0x20, 0, 1, 1]).is_some());
}
