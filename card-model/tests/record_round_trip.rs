//! Every record of arbitrary valid values reads back as written, and no flipped bit goes unnoticed.

#[cfg(test)]
mod tests {
    use core::num::{NonZeroU8, NonZeroU16};

    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::string::string_regex;
    use xuejika_card_model::bcd::Digits;
    use xuejika_card_model::code::{
        Boarding, EnrolmentState, Entry, IdType, Reason, RecordType, Sex,
    };
    use xuejika_card_model::crc::seal;
    use xuejika_card_model::date::{Date, ShortDate, Time};
    use xuejika_card_model::ident::{
        CardSerial, District, DistrictRow, Districts, DocumentNumber, EducationId, Grade,
        NationalId, NationalPrefix, Pinyin, SchoolId, SchoolType, SchoolingYears, StudentNumber,
        UnitCode,
    };
    use xuejika_card_model::pupil::{Pupil, PupilDraft};
    use xuejika_card_model::record::{
        CardType, Enrolment, ExtensionEntry, ExtensionIndex, FilingNumber, Grant, Identity,
        Issuance, LogEntry, Personalisation, Profile, Registration, SchoolYear, Sector, Status,
        StatusFlags, Term, TerminalId, Transfer, TransferOperation,
    };
    use xuejika_card_model::state::LifeCycleState;
    use xuejika_card_model::text::GbText;

    fn date() -> impl Strategy<Value = Date> {
        let epoch = Date::new(1900, 1, 1).unwrap();
        (0..73_049i32).prop_map(move |days| epoch.add_days(days).unwrap())
    }

    fn dates_in_order() -> impl Strategy<Value = [Date; 3]> {
        [date(), date(), date()].prop_map(|mut dates| {
            dates.sort();
            dates
        })
    }

    fn time() -> impl Strategy<Value = Time> {
        (0..24u8, 0..60u8, 0..60u8).prop_map(|(h, m, s)| Time::new(h, m, s).unwrap())
    }

    fn district() -> impl Strategy<Value = District> {
        (1..100u8).prop_map(|number| format!("{number:02}").parse().unwrap())
    }

    fn school() -> impl Strategy<Value = UnitCode> {
        (district(), select(SchoolType::ALL), 1..1000u16)
            .prop_map(|(district, kind, number)| UnitCode::school(district, kind, number).unwrap())
    }

    fn unit() -> impl Strategy<Value = UnitCode> {
        prop_oneof![Just(UnitCode::CITY), district().prop_map(UnitCode::district), school(),]
    }

    fn student_number() -> impl Strategy<Value = StudentNumber> {
        (school(), 0..10u8, 0..10_000_000u32)
            .prop_filter_map("the school teaches the category", |(unit, category, rest)| {
                format!("01{unit}{category}{rest:07}").parse().ok()
            })
    }

    fn digits<const N: usize>() -> impl Strategy<Value = Digits<N>> {
        string_regex(&format!("[0-9]{{{}}}", 2 * N)).unwrap().prop_map(|text| text.parse().unwrap())
    }

    fn serial() -> impl Strategy<Value = CardSerial> {
        (0..100u8, 0..100u8, 0..10_000_000u32)
            .prop_map(|(year, vendor, sequence)| CardSerial::new(year, vendor, sequence).unwrap())
    }

    fn terminal() -> impl Strategy<Value = TerminalId> {
        any::<[u8; 4]>().prop_map(TerminalId)
    }

    prop_compose! {
        fn issuance()(
            card_serial in serial(),
            card_type in select(CardType::ALL),
            profile in select(Profile::ALL),
            vendor in 0..100u64,
            key_set_version in any::<NonZeroU8>(),
            init_date in date(),
            batch in digits(),
            site in any::<[u8; 2]>(),
            generation in any::<u8>(),
            [valid_from, _, valid_until] in dates_in_order(),
        ) -> Issuance {
            let vendor = Digits::new(vendor * 100 + u64::from(card_serial.vendor())).unwrap();
            Issuance {
                card_serial, card_type, profile, vendor, key_set_version, init_date, batch, site,
                generation, valid_from, valid_until,
            }
        }
    }

    prop_compose! {
        fn status()(
            state in select(LifeCycleState::ALL),
            previous in select(LifeCycleState::ALL),
            flags in 0..16u8,
            counter in any::<u16>(),
            date in date(),
            unit in unit(),
            reason in option::of(select(Reason::ALL)),
        ) -> Status {
            let flags = StatusFlags::from_byte(flags).unwrap();
            Status { state, previous, flags, counter, date, unit, reason }
        }
    }

    /// A number of GB 11643 with this date of birth, and the sex it states.
    fn national_id() -> impl Strategy<Value = (NationalId, Date, Sex)> {
        (date(), 110_101..820_000u32, 0..1000u16).prop_map(|(birth, area, sequence)| {
            let [a, b, c, d] = birth.bytes();
            let first = format!("{area}{a:02X}{b:02X}{c:02X}{d:02X}{sequence:03}");
            let id = "0123456789X".chars();
            let mut id = id.filter_map(|check| format!("{first}{check}").parse().ok());
            let id: NationalId = id.next().unwrap();
            (id, birth, id.sex())
        })
    }

    /// Prefix, number and type in every legal combination, with the birth date and sex they state.
    fn document()
    -> impl Strategy<Value = (Option<NationalPrefix>, Option<DocumentNumber>, Option<IdType>, Date, Sex)>
    {
        let foreign = select(&IdType::ALL[1..]);
        prop_oneof![
            (date(), select(Sex::ALL), select(&[None, Some(IdType::Other)][..]))
                .prop_map(|(birth, sex, kind)| (None, None, kind, birth, sex)),
            (date(), select(Sex::ALL), foreign.clone(), "[!-~]{1,18}").prop_map(
                |(birth, sex, kind, number)| (None, number.parse().ok(), Some(kind), birth, sex)
            ),
            (
                national_id(),
                select(
                    &[
                        (None, Some(IdType::ResidentIdCard)),
                        (Some(NationalPrefix::Formal), None),
                        (Some(NationalPrefix::Formal), Some(IdType::ResidentIdCard)),
                    ][..]
                )
            )
                .prop_map(|((id, birth, sex), (prefix, kind))| {
                    (prefix, id.as_str().parse().ok(), kind, birth, sex)
                }),
            (national_id(), select(Sex::ALL), option::of(foreign)).prop_map(
                |((id, birth, _), sex, kind)| {
                    let prefix = Some(NationalPrefix::FormalNoId);
                    (prefix, id.as_str().parse().ok(), kind, birth, sex)
                }
            ),
            (date(), select(Sex::ALL), 0..10_000u16).prop_map(|(birth, sex, random)| {
                let [a, b, c, d] = birth.bytes();
                let number = format!("110108{a:02X}{b:02X}{c:02X}{d:02X}{random:04}");
                let prefix = Some(NationalPrefix::Temporary);
                (prefix, number.parse().ok(), None, birth, sex)
            }),
        ]
    }

    fn name<const N: usize>() -> impl Strategy<Value = GbText<N>> {
        "[\u{4E00}-\u{9FA5}a-zA-Z·]{1,7}\u{20BB7}?".prop_map(|text| GbText::new(&text).unwrap())
    }

    prop_compose! {
        fn identity()(
            student_number in student_number(),
            record_type in select(RecordType::ALL),
            rare_character in any::<bool>(),
            name in name(),
            name_pinyin in "[A-Za-z][A-Za-z '-]{0,45}",
            with_pinyin in any::<bool>(),
            (national_prefix, id_number, id_type, birth_date, sex) in document(),
            education_id in option::of("[!-~]{1,10}"),
        ) -> Identity {
            Identity {
                student_number, record_type, rare_character, sex, birth_date, name,
                name_pinyin: (with_pinyin || rare_character)
                    .then(|| Pinyin::new(&name_pinyin).unwrap()),
                national_prefix, id_number, id_type,
                education_id: education_id.map(|text| EducationId::new(&text).unwrap()),
            }
        }
    }

    prop_compose! {
        /// A pupil who entered once, was given a number and repeated grades or not.
        fn pupil()(
            mut identity in identity(),
            school_name in name(),
            school_id in option::of(0..100_000_000u64),
            years in 1..=12u8,
            (class, wait, repeated) in (digits(), 0..12u8, 0..=3u8),
            (grade, until) in any::<(prop::sample::Index, prop::sample::Index)>(),
            entry_date in date(),
            (boarding, entry_mode) in (select(Boarding::ALL), select(Entry::ALL)),
            enrolment_state in select(EnrolmentState::ALL),
        ) -> Pupil {
            let entry_date = entry_date.max(identity.birth_date);
            let graduates = entry_date.school_year() + u16::from(1 + wait % years);
            let mut number = identity.student_number.to_string();
            number.replace_range(9..11, &format!("{:02}", graduates % 100));
            let number: StudentNumber = number.parse().unwrap();
            identity.student_number = number;
            let graduates = graduates + u16::from(repeated);
            let schooling_years = SchoolingYears::new(years).unwrap();
            let stage = number.stage();
            let ahead = graduates - 1 - entry_date.school_year();
            let grades = stage.grades(schooling_years).map(|grade| Grade::new(grade).unwrap());
            let fits = |grade: &Grade| {
                u16::from(stage.years_after(*grade, schooling_years)) <= ahead
            };
            let grades: Vec<Grade> = grades.filter(fits).collect();
            let last = Date::new(graduates.min(2099), 8, 31).unwrap().max(entry_date);
            let days = entry_date.days_until(last).unsigned_abs() as usize + 1;
            let school_id = school_id.map(|id| {
                let (category, sequence) = (id / 1_000_000, id % 1_000_000);
                format!("{category:02}11{sequence:06}").parse::<SchoolId>().unwrap()
            });
            let enrolment = Enrolment {
                school_name, school_id,
                unit: number.unit(),
                stage,
                category: number.category(),
                grade: *grade.get(&grades),
                class,
                cohort: Digits::new(u64::from(graduates % 100)).unwrap(),
                schooling_years, entry_date,
                valid_until: entry_date.add_days(i32::try_from(until.index(days)).unwrap()).unwrap(),
                boarding, entry_mode, enrolment_state,
            };
            Pupil { identity, enrolment }
        }
    }

    prop_compose! {
        fn personalisation()(
            count in any::<u16>(), date in date(), unit in unit(), terminal in terminal(),
            issued in any::<bool>(),
        ) -> Personalisation {
            Personalisation { count, date, unit, terminal, issued }
        }
    }

    prop_compose! {
        fn registration()(
            year in 1900..2100u16, term in select(Term::ALL), date in date(), unit in unit(),
            terminal in terminal(),
        ) -> Registration {
            let school_year = SchoolYear::new(year).unwrap();
            Registration { school_year, term, date, unit, terminal }
        }
    }

    prop_compose! {
        fn transfer()(
            operation in select(TransferOperation::ALL),
            reason in select(Reason::ALL),
            old_number in student_number(),
            new_number in student_number(),
            to_known in any::<bool>(),
            mut dates in [date(), date()],
            out_terminal in terminal(),
            sequence in any::<u16>(),
        ) -> Transfer {
            dates.sort();
            let done = operation == TransferOperation::In;
            Transfer {
                operation, reason,
                from: old_number.unit(),
                to: (done || to_known).then(|| new_number.unit()),
                old_number,
                new_number: done.then_some(new_number),
                out_date: dates[0],
                in_date: done.then_some(dates[1]),
                out_terminal, sequence,
            }
        }
    }

    prop_compose! {
        fn extension()(
            index in 1..=8u8,
            state in 0..3u8,
            application in any::<NonZeroU16>(),
            owner in unit(),
            filing in 1..100_000_000u32,
            days in 0..36_525i32,
        ) -> ExtensionEntry {
            let filing = format!("{filing:08}").parse::<FilingNumber>().unwrap();
            let opened = Date::new(2000, 1, 1).unwrap().add_days(days).unwrap();
            let opened = ShortDate::try_from(opened).unwrap();
            let grant = Grant { application, owner, filing, opened };
            let sector = match state {
                0 => Sector::Closed,
                1 => Sector::Open(grant),
                _ => Sector::Reclaiming(grant),
            };
            ExtensionEntry { index: ExtensionIndex::new(index).unwrap(), sector }
        }
    }

    prop_compose! {
        fn log()(
            operation in any::<u8>(), result in any::<u8>(), date in date(), time in time(),
            unit in unit(), counter in any::<u16>(),
        ) -> LogEntry {
            LogEntry { operation, result, date, time, unit, counter }
        }
    }

    /// What holds for each record: the round trip, the refusal of every single flipped bit, of every
    /// other length and of a set reserved byte under a good CRC.
    macro_rules! check_record {
        ($record:ident, $value:expr, $groups:expr) => {{
            let value: $record = $value;
            let bytes = value.emit();
            prop_assert_eq!($record::parse(&bytes), Ok(value));
            for bit in 0..8 * $record::LEN {
                let mut flipped = bytes;
                flipped[bit / 8] ^= 1 << (bit % 8);
                let errors = $record::parse(&flipped).unwrap_err();
                prop_assert!(errors.iter().all(|e| e.field.id.starts_with("crc")));
            }
            prop_assert!($record::parse(&bytes[1..]).unwrap_err().has("record"));
            for field in $record::LAYOUT.fields {
                if field.id.starts_with("rfu") {
                    let mut set = bytes;
                    set[field.start] = 1;
                    for group in $groups {
                        seal(&mut set[group]);
                    }
                    prop_assert!($record::parse(&set).unwrap_err().has(field.id));
                }
            }
        }};
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn issuance_record(value in issuance()) {
            check_record!(Issuance, value, [0..16, 16..32, 32..48]);
            prop_assert_eq!(value.check(), Ok(()));
        }

        #[test]
        fn status_record(value in status()) {
            check_record!(Status, value, [0..16; 1]);
        }

        #[test]
        fn identity_record(value in identity()) {
            check_record!(Identity, value, [0..16, 16..48, 48..96, 96..128]);
            prop_assert_eq!(value.check(), Ok(()));
        }

        #[test]
        fn enrolment_record(value in pupil()) {
            check_record!(Enrolment, value.enrolment, [0..64, 64..80, 80..96]);
            prop_assert_eq!(value.enrolment.check(), Ok(()));
        }

        #[test]
        fn personalisation_record(value in personalisation()) {
            check_record!(Personalisation, value, [0..16; 1]);
        }

        #[test]
        fn registration_record(value in registration()) {
            check_record!(Registration, value, [0..16; 1]);
        }

        #[test]
        fn transfer_record(value in transfer()) {
            check_record!(Transfer, value, [0..48; 1]);
            prop_assert_eq!(value.check(), Ok(()));
        }

        #[test]
        fn extension_entry(value in extension()) {
            check_record!(ExtensionEntry, value, [0..16; 1]);
        }

        #[test]
        fn log_record(value in log()) {
            check_record!(LogEntry, value, [0..16; 1]);
        }

        #[test]
        fn pupil_from_records_and_from_text(value in pupil()) {
            let (identity, enrolment) = (value.identity.emit(), value.enrolment.emit());
            prop_assert_eq!(Pupil::parse(&identity, &enrolment), Ok(value));
            let mut draft = PupilDraft::from(&value);
            let code = value.identity.student_number.district();
            let mut districts = Districts::default();
            if districts.find(code).is_err() {
                let errors = draft.build().unwrap_err();
                prop_assert!(errors.has("student_number"), "{}", errors);
                let (name, english) = ("某区".into(), String::new());
                districts.add(DistrictRow { code, name, english, since: None, until: None }).unwrap();
            }
            prop_assert_eq!(draft.build_with(&districts), Ok(value));
            for derived in [&mut draft.unit, &mut draft.stage, &mut draft.category] {
                *derived = None;
            }
            prop_assert_eq!(draft.build_with(&districts), Ok(value));
            // Whoever neither changed class nor repeated a grade has those of the number.
            let number = value.identity.student_number;
            if value.enrolment.class.value() == u64::from(number.class()) {
                draft.class = None;
            }
            if value.enrolment.cohort.value() == u64::from(number.cohort()) {
                draft.cohort = None;
            }
            prop_assert_eq!(draft.build_with(&districts), Ok(value));
        }

        /// Any content under good CRCs is read or refused; what is read is written back unchanged.
        #[test]
        fn arbitrary_content(mut bytes in any::<[u8; 48]>(), short in any::<[u8; 14]>()) {
            for group in [0..16, 16..32, 32..48] {
                seal(&mut bytes[group]);
            }
            if let Ok(read) = Issuance::parse(&bytes) {
                prop_assert_eq!(read.emit(), bytes);
            }
            let mut record = [0; 16];
            record[..14].copy_from_slice(&short);
            seal(&mut record);
            if let Ok(read) = Personalisation::parse(&record) {
                prop_assert_eq!(read.emit(), record);
            }
            if let Ok(read) = Registration::parse(&record) {
                prop_assert_eq!(read.emit(), record);
            }
            if let Ok(read) = ExtensionEntry::parse(&record) {
                prop_assert_eq!(read.emit(), record);
            }
            if let Ok(read) = LogEntry::parse(&record) {
                prop_assert_eq!(read.emit(), record);
            }
        }
    }
}
