//! Every rule for records and pupils has an example that breaks it, and it alone.

#[cfg(test)]
mod tests {
    use xuejika_card_model::crc::seal;
    use xuejika_card_model::pupil::{Pupil, PupilDraft};
    use xuejika_card_model::record::{
        Enrolment, ExtensionEntry, FieldErrors, FieldKind, Identity, Issuance, LAYOUTS, Layout,
        LogEntry, Personalisation, Problem, RecordKind, Registration, Status, Transfer,
    };

    /// A pupil with every optional value; the document number is an example of GB 11643-1999.
    fn draft() -> PupilDraft {
        let text = |text: &str| Some(text.into());
        PupilDraft {
            student_number: text("0108401220903175"),
            record_type: text("formal"),
            rare_character: text("true"),
            sex: text("女"),
            birth_date: text("1949-12-31"),
            name: text("王\u{20BB7}"),
            name_pinyin: text("Wang Ji"),
            national_prefix: text("G"),
            id_number: text("11010519491231002X"),
            id_type: text("1"),
            education_id: text("20001234"),
            school_name: text("北京市第一中学"),
            school_id: text("3411000012"),
            unit: text("084012"),
            stage: text("高中"),
            category: text("2"),
            grade: text("10"),
            class: text("03"),
            cohort: text("09"),
            schooling_years: text("3"),
            entry_date: text("2006-09-01"),
            valid_until: text("2009-08-31"),
            boarding: text("1"),
            entry_mode: text("21"),
            enrolment_state: text("0"),
        }
    }

    fn pupil() -> Pupil {
        draft().build().unwrap()
    }

    /// The fields in error, in order.
    fn ids(errors: &FieldErrors) -> Vec<&'static str> {
        errors.iter().map(|error| error.field.id).collect()
    }

    /// Puts hex bytes at the start of a field and seals the record again.
    fn patch(layout: &Layout, record: &[u8], id: &str, bytes: &[u8]) -> Vec<u8> {
        let mut record = record.to_vec();
        let field = layout.fields.iter().find(|field| field.id == id).unwrap();
        assert!(bytes.len() <= field.len, "{id}");
        record[field.start..field.start + bytes.len()].copy_from_slice(bytes);
        let mut start = 0;
        for crc in layout.fields.iter().filter(|f| f.kind == FieldKind::Crc) {
            seal(&mut record[start..crc.range().end]);
            start = crc.range().end;
        }
        record
    }

    /// Patches one field at a time and expects errors of exactly the fields named.
    fn expect_refusals<T: core::fmt::Debug>(
        layout: &Layout,
        parse: fn(&[u8]) -> Result<T, FieldErrors>,
        valid: &[u8],
        cases: &[(&str, &[u8], &[&str])],
    ) {
        parse(valid).unwrap();
        for (id, bytes, expected) in cases {
            let errors = parse(&patch(layout, valid, id, bytes)).unwrap_err();
            assert_eq!(ids(&errors), *expected, "{id} {bytes:02X?}: {errors}");
            assert!(errors.iter().all(|e| e.field.record == layout.record));
        }
    }

    /// Concatenates the fields of a record and seals it.
    fn record(layout: &Layout, fields: &[(&str, &[u8])]) -> Vec<u8> {
        let blank = vec![0; layout.len];
        fields.iter().fold(blank, |record, (id, bytes)| patch(layout, &record, id, bytes))
    }

    #[test]
    fn issuance() {
        let valid = record(
            &Issuance::LAYOUT,
            &[
                ("card_serial", b"\x11\x00\x07\x01\x00\x00\x00\x17"),
                ("card_type", b"\x01"),
                ("layout_version", b"\x01"),
                ("profile", b"\x04"),
                ("vendor", b"\x00\x01"),
                ("key_set_version", b"\x01"),
                ("init_date", b"\x20\x07\x08\x01"),
                ("valid_from", b"\x20\x07\x09\x01"),
                ("valid_until", b"\x20\x19\x08\x31"),
            ],
        );
        expect_refusals(
            &Issuance::LAYOUT,
            Issuance::parse,
            &valid,
            &[
                ("card_serial", b"\x1A", &["card_serial"]),
                ("card_serial", b"\x11\x00\x08", &["card_serial"]),
                ("card_type", b"\x02", &["card_type"]),
                ("layout_version", b"\x02", &["layout_version"]),
                ("profile", b"\x02", &["profile"]),
                ("vendor", b"\x00\x0A", &["vendor"]),
                ("vendor", b"\x00\x02", &["vendor"]),
                ("key_set_version", b"\x00", &["key_set_version"]),
                ("init_date", b"\x20\x07\x02\x29", &["init_date"]),
                ("init_date", b"\x00\x00\x00\x00", &["init_date"]),
                ("batch", b"\xF0", &["batch"]),
                ("rfu_1", b"\x01", &["rfu_1"]),
                ("valid_from", b"\x20\x19\x09\x01", &["valid_until"]),
                ("valid_until", b"\x00\x00\x00\x00", &["valid_until"]),
                ("rfu_2", b"\x00\x01", &["rfu_2"]),
            ],
        );
        for (profile, ok) in [(1, true), (2, false), (3, true), (4, true), (5, false)] {
            let record = patch(&Issuance::LAYOUT, &valid, "profile", &[profile]);
            assert_eq!(Issuance::parse(&record).is_ok(), ok);
        }
    }

    #[test]
    fn status() {
        let valid = record(
            &Status::LAYOUT,
            &[
                ("version", b"\x01"),
                ("state", b"\x20"),
                ("date", b"\x20\x07\x09\x01"),
                ("unit", b"\x08\x40\x12"),
                ("reason", b"\x11"),
            ],
        );
        expect_refusals(
            &Status::LAYOUT,
            Status::parse,
            &valid,
            &[
                ("version", b"\x02", &["version"]),
                ("flags", b"\x10", &["flags"]),
                ("date", b"\x20\x07\x13\x01", &["date"]),
                ("unit", b"\x00\x40\x12", &["unit"]),
                ("reason", b"\x14", &["reason"]),
            ],
        );
    }

    #[test]
    fn identity() {
        let valid = pupil().identity.emit();
        expect_refusals(
            &Identity::LAYOUT,
            Identity::parse,
            &valid,
            &[
                ("student_number", b"\x02", &["student_number"]),
                ("student_number", b"\x01\x00", &["student_number"]),
                ("student_number", b"\x01\x08\x40\x12\x30", &["student_number"]),
                ("student_number", b"\x01\x08\x40\x12\x00", &["student_number"]),
                ("record_type", b"\x82", &["record_type"]),
                ("record_type", b"\x84", &["record_type"]),
                ("sex", b"\x03", &["sex"]),
                ("sex", b"\x01", &["sex"]),
                ("sex", b"\x00", &["sex"]),
                ("birth_date", b"\x19\x49\x12\x32", &["birth_date"]),
                ("birth_date", b"\x19\x49\x12\x30", &["birth_date"]),
                ("name", &[0; 30], &["name"]),
                ("name", b"A\nB", &["name"]),
                ("name", b"A\x00B", &["name"]),
                ("name_pinyin", b"W1", &["name_pinyin"]),
                ("name_pinyin", &[0; 46], &["name_pinyin"]),
                ("national_prefix", b"X", &["national_prefix"]),
                ("national_prefix", b"J", &["id_type"]),
                ("national_prefix", b"L", &["id_number", "id_type"]),
                ("id_number", &[0; 18], &["id_number"]),
            ],
        );
        expect_refusals(
            &Identity::LAYOUT,
            Identity::parse,
            &valid,
            &[
                ("id_number", b"110105194912310021", &["id_number"]),
                ("id_number", b"11010519491231002x", &["id_number"]),
                ("id_number", b"440524188001010014", &["birth_date", "sex"]),
                ("id_type", b"2", &["id_type"]),
                ("id_type", b"A", &["id_type"]),
                ("education_id", b"1 2", &["education_id"]),
            ],
        );
    }

    #[test]
    fn document_without_prefix() {
        let valid = pupil().identity.emit();
        let valid = patch(&Identity::LAYOUT, &valid, "national_prefix", &[0]);
        expect_refusals(
            &Identity::LAYOUT,
            Identity::parse,
            &valid,
            &[
                ("sex", b"\x01", &["sex"]),
                ("birth_date", b"\x19\x49\x12\x30", &["birth_date"]),
                ("id_number", b"110105194912310021", &["id_number"]),
                ("id_number", &[0; 18], &["id_number"]),
                ("id_type", b"\x00", &["id_type"]),
            ],
        );
        let passport = patch(&Identity::LAYOUT, &valid, "id_type", b"A");
        assert!(Identity::parse(&passport).is_ok());
        for (id_type, ok) in [(b"\0", true), (b"Z", true), (b"A", false), (b"1", false)] {
            let none = patch(&Identity::LAYOUT, &valid, "id_number", &[0; 18]);
            let none = patch(&Identity::LAYOUT, &none, "id_type", id_type);
            assert_eq!(Identity::parse(&none).is_ok(), ok, "{id_type:?}");
        }
    }

    #[test]
    fn enrolment() {
        expect_refusals(
            &Enrolment::LAYOUT,
            Enrolment::parse,
            &pupil().enrolment.emit(),
            &[
                ("school_name", &[0; 62], &["school_name"]),
                ("school_name", b"\xFF", &["school_name"]),
                ("school_id", b"\x34\x31", &["school_id"]),
                ("unit", b"\x08\x00\x00", &["unit"]),
                ("unit", b"\x00\x00\x00", &["unit"]),
                ("unit", b"\x08\x80\x01", &["unit"]),
                ("stage", b"\x04", &["stage"]),
                ("stage", b"\x02", &["stage", "grade"]),
                ("category", b"\x03", &["category"]),
                ("category", b"\x01", &["stage"]),
                ("grade", b"\x00", &["grade"]),
                ("grade", b"\x0D", &["grade"]),
                ("grade", b"\x09", &["grade"]),
                ("class", b"\x0A", &["class"]),
                ("cohort", b"\xA0", &["cohort"]),
                ("schooling_years", b"\x00", &["schooling_years"]),
                ("schooling_years", b"\x0C", &["schooling_years"]),
                ("entry_date", b"\x20\x06\x09\x31", &["entry_date"]),
                ("entry_date", b"\x20\x09\x09\x01", &["valid_until"]),
                ("boarding", b"\x00", &["boarding"]),
                ("entry_mode", b"\x13", &["entry_mode"]),
                ("enrolment_state", b"\x03", &["enrolment_state"]),
                ("rfu", b"\x00\x00\x01", &["rfu"]),
            ],
        );
    }

    #[test]
    fn personalisation_registration_and_log() {
        let fields: [(&str, &[u8]); 2] = [("date", b"\x20\x07\x09\x01"), ("unit", b"\x08\x40\x12")];
        expect_refusals(
            &Personalisation::LAYOUT,
            Personalisation::parse,
            &record(&Personalisation::LAYOUT, &fields),
            &[
                ("date", b"\x00\x00\x00\x00", &["date"]),
                ("unit", b"\x08\x90", &["unit"]),
                ("issued", b"\x02", &["issued"]),
            ],
        );
        let registration = record(&Registration::LAYOUT, &fields);
        let year = |record: &[u8], year| patch(&Registration::LAYOUT, record, "school_year", year);
        expect_refusals(
            &Registration::LAYOUT,
            Registration::parse,
            &patch(&Registration::LAYOUT, &year(&registration, b"\x20\x07"), "term", &[1]),
            &[
                ("school_year", b"\x18\x99", &["school_year"]),
                ("school_year", b"\x20\x0A", &["school_year"]),
                ("term", b"\x00", &["term"]),
                ("term", b"\x03", &["term"]),
                ("date", b"\x20\x07\x09\x31", &["date"]),
                ("unit", b"\x00", &["unit"]),
            ],
        );
        expect_refusals(
            &LogEntry::LAYOUT,
            LogEntry::parse,
            &record(&LogEntry::LAYOUT, &fields),
            &[
                ("date", b"\x20\x07\x09\x31", &["date"]),
                ("time", b"\x24", &["time"]),
                ("unit", b"\x00", &["unit"]),
            ],
        );
    }

    #[test]
    fn transfer() {
        let out = record(
            &Transfer::LAYOUT,
            &[
                ("operation", b"\x01"),
                ("reason", b"\x27"),
                ("from", b"\x08\x40\x12"),
                ("old_number", b"\x01\x08\x40\x12\x20\x90\x31\x75"),
                ("out_date", b"\x20\x08\x02\x25"),
            ],
        );
        let new_number = b"\x01\x05\x50\x02\x20\x90\x10\x10";
        expect_refusals(
            &Transfer::LAYOUT,
            Transfer::parse,
            &out,
            &[
                ("operation", b"\x05", &["operation"]),
                ("reason", b"\x00", &["reason"]),
                ("from", b"\x08\x40\x13", &["from"]),
                ("from", b"\x00\x00\x00", &["from"]),
                ("to", b"\x20\x80", &["to"]),
                ("old_number", b"\x02", &["old_number"]),
                ("new_number", new_number, &["new_number"]),
                ("out_date", b"\x00\x00\x00\x00", &["out_date"]),
                ("in_date", b"\x20\x08\x02\x26", &["in_date"]),
                ("operation", b"\x03", &["to", "new_number", "in_date"]),
                ("rfu", b"\x01", &["rfu"]),
            ],
        );
        let fields: [(&str, &[u8]); 4] = [
            ("operation", b"\x03"),
            ("to", b"\x05\x50\x02"),
            ("new_number", new_number),
            ("in_date", b"\x20\x08\x02\x25"),
        ];
        let complete = fields
            .iter()
            .fold(out, |record, (id, bytes)| patch(&Transfer::LAYOUT, &record, id, bytes));
        expect_refusals(
            &Transfer::LAYOUT,
            Transfer::parse,
            &complete,
            &[
                ("to", b"\x05\x50\x03", &["to"]),
                ("in_date", b"\x20\x08\x02\x24", &["in_date"]),
                ("operation", b"\x04", &["new_number", "in_date"]),
            ],
        );
    }

    #[test]
    fn extension_entry() {
        let closed = record(&ExtensionEntry::LAYOUT, &[("index", b"\x01")]);
        let open = record(
            &ExtensionEntry::LAYOUT,
            &[
                ("index", b"\x08"),
                ("state", b"\x01"),
                ("application", b"\x00\x01"),
                ("filing", b"\x00\x00\x00\x01"),
                ("opened", b"\x07\x09\x01"),
            ],
        );
        expect_refusals(
            &ExtensionEntry::LAYOUT,
            ExtensionEntry::parse,
            &closed,
            &[
                ("index", b"\x00", &["index"]),
                ("index", b"\x09", &["index"]),
                ("state", b"\x03", &["state"]),
                ("application", b"\x00\x01", &["application"]),
                ("owner", b"\x08", &["owner"]),
                ("filing", b"\x01", &["filing"]),
                ("opened", b"\x07", &["opened"]),
                ("state", b"\x01", &["application", "filing", "opened"]),
            ],
        );
        expect_refusals(
            &ExtensionEntry::LAYOUT,
            ExtensionEntry::parse,
            &open,
            &[
                ("application", b"\x00\x00", &["application"]),
                ("owner", b"\x08\x40\x00", &["owner"]),
                ("filing", b"\x00\x00\x00\x00", &["filing"]),
                ("filing", b"\x00\x00\x00\x0A", &["filing"]),
                ("opened", b"\x07\x02\x29", &["opened"]),
            ],
        );
    }

    #[test]
    fn length_crc_and_the_order_of_checks() {
        for layout in LAYOUTS {
            assert_eq!(layout.len % 16, 0);
        }
        let mut record = pupil().identity.emit();
        assert_eq!(ids(&Identity::parse(&record[..127]).unwrap_err()), ["record"]);

        // A broken group is not looked into; the others are.
        record[9] = 7;
        record[20] = 0xFF;
        seal(&mut record[16..48]);
        record[96] = b'X';
        record[115] = b'1';
        record[120] = b' ';
        seal(&mut record[96..128]);
        let errors = Identity::parse(&record).unwrap_err();
        assert_eq!(ids(&errors), ["crc_1", "name", "education_id", "national_prefix"]);
        let first = errors.iter().next().unwrap();
        assert_eq!(first.field.record, RecordKind::Identity);
        assert!(matches!(first.problem, Problem::Crc { .. }));
        assert!(first.to_string().starts_with("identity.crc_1 (校验码): is "));
    }

    type Edit = fn(&mut PupilDraft, Option<String>);

    /// Edits one field of a valid draft at a time and expects errors of exactly the fields named.
    fn expect_draft_refusals(cases: &[(Edit, &str, &[&str])]) {
        for (edit, text, expected) in cases {
            let mut edited = draft();
            edit(&mut edited, Some((*text).into()));
            let errors = edited.build().unwrap_err();
            assert_eq!(ids(&errors), *expected, "{text:?}: {errors}");
        }
    }

    #[test]
    fn draft_of_the_identity() {
        expect_draft_refusals(&[
            (|d, v| d.student_number = v, "", &["student_number"]),
            (|d, v| d.student_number = v, "010840122090317", &["student_number"]),
            (|d, v| d.student_number = v, "0108401230903175", &["student_number"]),
            (|d, v| d.record_type = v, "2", &["record_type"]),
            (|d, v| d.rare_character = v, "yes", &["rare_character"]),
            (|d, v| d.sex = v, "3", &["sex"]),
            (|d, v| d.sex = v, "male", &["sex"]),
            (|d, v| d.birth_date = v, "1949-13-31", &["birth_date"]),
            (|d, v| d.birth_date = v, "19491231", &["birth_date"]),
            (|d, v| d.birth_date = v, "1949-12-30", &["birth_date"]),
            (|d, v| d.name = v, " ", &["name"]),
            (|d, v| d.name = v, "王\t", &["name"]),
            (|d, v| d.name = v, "一二三四五六七八九十一二三四\u{20BB7}", &["name"]),
            (|d, v| d.name_pinyin = v, "", &["name_pinyin"]),
            (|d, v| d.name_pinyin = v, "Wáng", &["name_pinyin"]),
            (|d, v| d.national_prefix = v, "H", &["national_prefix"]),
            (|d, v| d.national_prefix = v, "J", &["id_type"]),
            (|d, v| d.id_number = v, "", &["id_number"]),
            (|d, v| d.id_number = v, "110105194912310021", &["id_number"]),
            (|d, v| d.id_type = v, "护照", &["id_type"]),
            (|d, v| d.education_id = v, "12345678901", &["education_id"]),
        ]);
    }

    #[test]
    fn draft_of_the_enrolment() {
        expect_draft_refusals(&[
            (|d, v| d.school_name = v, "", &["school_name"]),
            (|d, v| d.school_id = v, "3431000012", &["school_id"]),
            (|d, v| d.unit = v, "084013", &["unit"]),
            (|d, v| d.unit = v, "084000", &["unit"]),
            (|d, v| d.unit = v, "080000", &["unit", "unit"]),
            (|d, v| d.stage = v, "4", &["stage"]),
            (|d, v| d.stage = v, "初中", &["stage", "grade"]),
            (|d, v| d.category = v, "3", &["category"]),
            (|d, v| d.category = v, "6", &["category"]),
            (|d, v| d.grade = v, "13", &["grade"]),
            (|d, v| d.grade = v, "9", &["grade"]),
            (|d, v| d.class = v, "3", &["class"]),
            (|d, v| d.cohort = v, "9", &["cohort"]),
            (|d, v| d.cohort = v, "08", &["grade", "cohort", "valid_until"]),
            (|d, v| d.cohort = v, "13", &["cohort"]),
            (|d, v| d.schooling_years = v, "0", &["schooling_years"]),
            (|d, v| d.schooling_years = v, "2", &["student_number"]),
            (|d, v| d.entry_date = v, "2009-09-01", &["student_number", "valid_until"]),
            (|d, v| d.entry_date = v, "2006-07-31", &["student_number"]),
            (|d, v| d.entry_date = v, "2007-08-01", &["grade"]),
            (|d, v| d.entry_date = v, "1949-09-01", &["student_number", "entry_date"]),
            (|d, v| d.valid_until = v, "2009-02-29", &["valid_until"]),
            (|d, v| d.valid_until = v, "2009-09-01", &["valid_until"]),
            (|d, v| d.boarding = v, "3", &["boarding"]),
            (|d, v| d.entry_mode = v, "13", &["entry_mode"]),
            (|d, v| d.enrolment_state = v, "9", &["enrolment_state"]),
        ]);
    }

    #[test]
    fn empty_draft_names_every_required_field() {
        let errors = PupilDraft::default().build().unwrap_err();
        assert!(errors.iter().all(|e| e.problem == Problem::Missing));
        assert_eq!(
            ids(&errors),
            [
                "student_number",
                "record_type",
                "sex",
                "birth_date",
                "name",
                "school_name",
                "grade",
                "schooling_years",
                "entry_date",
                "valid_until",
                "boarding",
                "entry_mode",
                "enrolment_state",
            ]
        );
    }

    #[test]
    fn all_errors_of_a_draft_at_once() {
        let text = |text: &str| Some(text.into());
        let errors = PupilDraft {
            student_number: text("0108901220903175"),
            name: text("王\u{7}"),
            sex: text("male"),
            id_number: text("11010519491231002X"),
            valid_until: text("2005-01-01"),
            boarding: text("x"),
            ..draft()
        }
        .build()
        .unwrap_err();
        assert_eq!(ids(&errors), ["name", "boarding", "student_number", "sex", "valid_until"]);
    }

    #[test]
    fn text_that_does_not_fit_says_what_it_needs() {
        let name = "一二三四五六七八九十一二三四\u{20BB7}";
        let errors = PupilDraft { name: Some(name.into()), ..draft() }.build().unwrap_err();
        assert_eq!(
            errors.to_string(),
            "identity.name (姓名): text needs 32 bytes, the field has 30"
        );
    }

    /// The records of two pupils put together are each valid, but not a pupil.
    #[test]
    fn records_of_two_pupils() {
        let mut mixed = pupil();
        mixed.identity.student_number = "0105500261210010".parse().unwrap();
        assert_eq!(mixed.identity.check(), Ok(()));
        assert_eq!(mixed.enrolment.check(), Ok(()));
        let expected = ["category", "unit", "cohort", "student_number"];
        assert_eq!(ids(&mixed.check().unwrap_err()), expected);
        let (identity, enrolment) = (mixed.identity.emit(), mixed.enrolment.emit());
        let errors = Pupil::parse(&identity, &enrolment).unwrap_err();
        assert_eq!(ids(&errors), expected);

        let errors = Pupil::parse(&identity[1..], &enrolment[1..]).unwrap_err();
        assert_eq!(ids(&errors), ["record", "record"]);
    }

    /// What a pupil's years at a school can look like: edits of the draft, and that it stands.
    #[test]
    fn careers() {
        let cases: &[(&str, &[(Edit, &str)])] = &[
            ("class changed", &[(|d, v| d.class = v, "12")]),
            (
                "two grades repeated",
                &[(|d, v| d.cohort = v, "11"), (|d, v| d.valid_until = v, "2011-08-31")],
            ),
            (
                "suspended for a year, still in grade 10",
                &[(|d, v| d.cohort = v, "10"), (|d, v| d.enrolment_state = v, "休学")],
            ),
            ("entered in spring", &[(|d, v| d.entry_date = v, "2007-03-01")]),
            (
                "transferred in to grade 12",
                &[(|d, v| d.grade = v, "12"), (|d, v| d.entry_date = v, "2008-09-01")],
            ),
            ("a grade skipped, the cohort is that of the number", &[(|d, v| d.grade = v, "12")]),
            (
                "guest until the guest study ends",
                &[
                    (|d, v| d.student_number = v, "0108401260903175"),
                    (|d, v| d.category = v, "6"),
                    (|d, v| d.record_type = v, "临时"),
                    (|d, v| d.valid_until = v, "2007-01-31"),
                ],
            ),
            (
                "four years with a preparatory one",
                &[(|d, v| d.schooling_years = v, "4"), (|d, v| d.entry_date = v, "2005-09-01")],
            ),
            (
                "twelve years at one school",
                &[
                    (|d, v| d.student_number = v, "0108301220903175"),
                    (|d, v| d.unit = v, "083012"),
                    (|d, v| d.schooling_years = v, "12"),
                    (|d, v| d.entry_date = v, "1997-09-01"),
                ],
            ),
        ];
        for (case, edits) in cases {
            let mut edited = draft();
            for (edit, text) in *edits {
                edit(&mut edited, Some((*text).into()));
            }
            let built = edited.build();
            assert!(built.is_ok(), "{case}: {}", built.unwrap_err());
        }
    }

    /// Number, grade, years and entry of pupils of the lower stages.
    #[test]
    fn grades_and_cohorts() {
        let cases = [
            // Six years, the first and the last grade; one grade repeated.
            ("0108000501203172", "1", "6", "2006-09-01", "12", true),
            ("0108000501203172", "6", "6", "2006-09-01", "12", true),
            ("0108000501203172", "1", "6", "2006-09-01", "13", true),
            ("0108000501203172", "1", "6", "2006-09-01", "15", true),
            ("0108000501203172", "1", "6", "2006-09-01", "16", false),
            ("0108000501203172", "1", "6", "2007-09-01", "12", false),
            ("0108000501203172", "2", "6", "2007-09-01", "12", true),
            ("0108000501303172", "1", "6", "2006-09-01", "13", false),
            // Five and four years.
            ("0108000501103172", "1", "5", "2006-09-01", "11", true),
            ("0108000501103172", "6", "5", "2006-09-01", "11", false),
            ("0108100511003172", "6", "4", "2006-09-01", "10", true),
            ("0108100511003172", "6", "4", "2007-09-01", "10", false),
            // A school of nine years, whichever way it parts them.
            ("0108200501103172", "1", "9", "2006-09-01", "11", true),
            ("0108200501203172", "1", "9", "2006-09-01", "12", true),
            ("0108200511503172", "6", "9", "2006-09-01", "15", true),
            ("0108200511603172", "7", "9", "2006-09-01", "16", false),
            // The turn of the century.
            ("0108000500003172", "6", "6", "1999-09-01", "00", true),
            ("0108000509903172", "6", "6", "1999-09-01", "99", false),
        ];
        for (number, grade, years, entry, cohort, fits) in cases {
            let edited = PupilDraft {
                student_number: Some(number.into()),
                unit: None,
                stage: None,
                category: None,
                grade: Some(grade.into()),
                schooling_years: Some(years.into()),
                entry_date: Some(entry.into()),
                valid_until: Some(entry.into()),
                cohort: Some(cohort.into()),
                ..draft()
            };
            let built = edited.build();
            assert_eq!(built.is_ok(), fits, "{number} {grade} {years} {entry} {cohort}: {built:?}");
        }
    }

    #[test]
    fn disagreements_say_what_was_expected() {
        let complaint = |edit: Edit, text: &str| {
            let mut edited = draft();
            edit(&mut edited, Some(text.into()));
            edited.build().unwrap_err().to_string()
        };
        assert_eq!(
            complaint(|d, v| d.cohort = v, "13"),
            "enrolment.cohort (届别): is 13, but student_number says 09 to 12"
        );
        assert_eq!(
            complaint(|d, v| d.entry_date = v, "2006-07-31"),
            "identity.student_number (学籍号): is of cohort 09, but entry_date says 06 to 08"
        );
        assert_eq!(
            complaint(|d, v| d.entry_date = v, "2007-08-01"),
            "enrolment.grade (年级): is 10, but cohort says 11 to 12"
        );
        assert_eq!(
            complaint(|d, v| d.valid_until = v, "2012-08-31"),
            "enrolment.valid_until (有效期至): is 2012-08-31, after 2009-08-31, the last day by cohort"
        );
    }

    /// A card takes the number of a district it never heard of; data of people are asked.
    #[test]
    fn districts() {
        let edited = |number: &str| PupilDraft {
            student_number: Some(number.into()),
            unit: None,
            ..draft()
        };
        assert!(edited("0110401220903175").build().is_ok(), "Yanshan");
        let errors = edited("0120401220903175").build().unwrap_err();
        assert_eq!(ids(&errors), ["student_number"]);
        assert!(errors.to_string().contains("has 01 东城区, 02 西城区"), "{errors}");
        let mut pupil = pupil();
        pupil.identity.student_number = "0120401220903175".parse().unwrap();
        pupil.enrolment.unit = "204012".parse().unwrap();
        assert_eq!(Pupil::parse(&pupil.identity.emit(), &pupil.enrolment.emit()), Ok(pupil));
    }

    /// A vocational school's ordinary class is eligible, 操作规程 一/五.
    #[test]
    fn ordinary_class_of_a_vocational_school() {
        let edited =
            PupilDraft { student_number: Some("0108601220903175".into()), unit: None, ..draft() };
        assert!(edited.build().is_ok());
    }
}
