//! `docs/card-profile.md` against the code: every table between two markers is compared with the
//! constants it describes. A mismatch prints the table as it should be, ready to paste.
//!
//! A table may have more columns than the code knows; those are kept and must not be empty.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

use std::fs;
use std::path::Path;

use xuejika_apdu::StatusWord;
use xuejika_apdu::chain::ChainError;
use xuejika_apdu::class::Family;
use xuejika_apdu::command::ParseError;
use xuejika_apdu::sm::SmError;
use xuejika_apdu::status::Language;
use xuejika_card_model::CardError;
use xuejika_card_model::card::Denied;
use xuejika_card_model::code::{Boarding, EnrolmentState, Entry, IdType, Reason, RecordType, Sex};
use xuejika_card_model::date::Date;
use xuejika_card_model::event::{Condition, Untimely};
use xuejika_card_model::file::tree::CardKind;
use xuejika_card_model::file::{Application, Df, KeySet, Right, StateSet, Structure};
use xuejika_card_model::ident::{Category, Districts, NationalPrefix, SchoolType, Stage, UnitCode};
use xuejika_card_model::lifecycle::{STATES, TABLE, Transition};
use xuejika_card_model::management::{self, Authorisation, AuthorisationError};
use xuejika_card_model::nvm::{NvmError, RamNvm};
use xuejika_card_model::psam::{KeyKind, PsamError, PsamKey};
use xuejika_card_model::record::{
    CardType, ExtensionIndex, ExtensionSet, FieldErrors, FieldKind, LAYOUTS, Layout, Profile, Term,
    TransferOperation,
};
use xuejika_card_model::sam::SamError;
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::wallet::{EnableFlag, WalletError, WalletKeys, store};
use xuejika_emulator::dispatch::{COMMANDS, Operation as O, Protection};
use xuejika_emulator::status_map::Refusal;
use xuejika_emulator::{Env, VirtualCard, ats, test_card};
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::slots::InvalidSlots;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, legacy, test_keys};

const DOCUMENT: &str = "docs/card-profile.md";
const VECTORS: &str = "vectors/data/project_keyscheme_reference.json";

/// Serial of the card in the document's examples.
const SERIAL: &str = "1100070100000017";

/// Unit of the management card in the document's examples.
const UNIT: &str = "110105";

type Row = Vec<String>;

#[test]
fn commands() {
    let rows = COMMANDS.iter().map(|spec| {
        let base: u8 = match spec.family {
            Family::Interindustry => 0x00,
            Family::Proprietary => 0x80,
        };
        let places: Vec<_> = spec.applications.iter().copied().map(application).collect();
        // Line protection in the MF and the wallet, a session in the zones; PSAM and SAM have neither.
        let line = spec.applications.iter().any(|it| TRANSIT.contains(it)).then_some(base | 0x04);
        let session = spec.applications.contains(&Application::Zone).then_some(base | 0x0C);
        let (plain, secured, protection) = match spec.protection {
            Protection::Plain => (Some(base), false, "plain"),
            Protection::Either => (Some(base), true, "either"),
            Protection::Protected => (None, true, "protected"),
        };
        let classes = plain.into_iter().chain(line.into_iter().chain(session).filter(|_| secured));
        let classes: Vec<_> = classes.map(|class| format!("{class:02X}")).collect();
        let instruction = format!("{:02X}", spec.instruction);
        row([spec.name, &places.join(", "), &classes.join(", "), &instruction, protection])
    });
    check("commands", &["command", "in", "CLA", "INS", "protection"], rows);
}

const TRANSIT: [Application; 2] = [Application::Master, Application::Wallet];

const fn application(application: Application) -> &'static str {
    match application {
        Application::Zone => "zone",
        Application::Master => "MF",
        Application::Wallet => "wallet",
        Application::Psam => "PSAM",
        Application::Sam => "SAM",
    }
}

#[test]
fn dedicated_files() {
    let rows = every_df().map(|(kind, df)| {
        let keys: Vec<_> = df.keys.iter().map(ToString::to_string).collect();
        let names: Vec<_> = [df.name, df.alias].iter().map(|name| hex_upper(name)).collect();
        let name = or_none(names.join(" or ").trim_end_matches(" or "));
        let fid = format!("{:04X}", df.fid);
        let keys = match df.application {
            Application::Wallet => "table \"wallet keys\"".into(),
            _ => or_none(&keys.join(" ")),
        };
        row([card(kind), &fid, &name, df.title, df.chinese, &keys])
    });
    check("dedicated files", &["card", "FID", "DF name", "title", "中文", "keys"], rows);
}

#[test]
fn elementary_files() {
    let rows = every_df().flat_map(|(kind, df)| {
        df.files.iter().map(move |file| {
            let (structure, size) = match file.structure {
                Structure::Transparent { size } => ("transparent", size.to_string()),
                Structure::Linear { length, count } => ("linear", format!("{count} × {length}")),
                Structure::Cyclic { length, count } => ("cyclic", format!("{count} × {length}")),
                Structure::Purse { size } => ("purse", size.to_string()),
            };
            row([
                &place(kind, df),
                &format!("{:04X}", file.fid),
                &format!("{:02X}", file.sfi),
                file.name,
                file.chinese,
                structure,
                &size,
                &right(file.read),
                &right(file.update),
            ])
        })
    });
    let mut rows: Vec<_> = rows.collect();
    // The extension sectors are alike; one that is not would show as a row of its own.
    rows.dedup();
    let head = ["DF", "FID", "SFI", "file", "中文", "structure", "bytes", "read", "update"];
    check("elementary files", &head, rows);
}

#[test]
fn wallet_keys() {
    let rows = store::LAYOUT.iter().map(|key| {
        let [kind, access, next] =
            [key.key_type, key.access.0, key.next].map(|byte| format!("{byte:02X}"));
        row([&kind, key.name, &access, &next])
    });
    check("wallet keys", &["type", "key", "use", "next"], rows);
}

#[test]
fn wallet_test_keys() {
    let issuance = test_card::issuance(SERIAL.parse().unwrap(), Profile::CpuAes).unwrap();
    let number = xuejika_card_model::factory::transit_number(&issuance);
    let keys = WalletKeys::test(number);
    macro_rules! rows {
        ($($field:ident: $purpose:ident),*) => {
            [$({
                let root = legacy::test_keys::root::<legacy::$purpose>();
                let kind = format!("{:02X}", <legacy::$purpose as legacy::WalletPurpose>::KEY_TYPE);
                let (root, kcv) = (hex::encode(root.expose()), keys.$field.kcv().to_string());
                row([&kind, &root, &hex::encode(number), &kcv])
            }),*]
        };
    }
    let rows = rows!(
        purchase: PurchaseKey, load: LoadKey, tac: TacKey, unload: UnloadKey, line: LineKey,
        pin_unblock: PinUnblockKey, pin_reload: PinReloadKey, external: ExternalAuthKey,
        internal_encrypt: InternalEncryptKey, internal_decrypt: InternalDecryptKey,
        internal_mac: InternalMacKey
    );
    check("wallet test keys", &["type", "root", "card number", "KCV of the card key"], rows);
}

#[test]
fn psam_keys() {
    let rows = KeyKind::ALL.into_iter().map(|kind| {
        let yes = |does| if does { "yes" } else { "no" };
        let code = format!("{:02X}", kind.code());
        assert!(PsamKey::test().iter().filter(|key| key.kind() == kind).count() <= 1);
        row([&code, kind.name(), yes(kind.encrypts()), yes(kind.makes_macs())])
    });
    check("psam keys", &["kind", "name", "encrypts", "makes MACs"], rows);
}

#[test]
fn states() {
    let rows = STATES.iter().map(|&state| {
        let code = format!("{:02X}", state.code());
        row([&code, short(state), state.english(), state.chinese()])
    });
    check("states", &["code", "short", "state", "中文"], rows);
}

#[test]
fn events() {
    let rows = TABLE.iter().map(|rule| {
        let code = format!("{:02X}", rule.event.code());
        let fixed = [&code, rule.name, rule.chinese, &rule.key.to_string(), rule.article];
        let cells = rule.transitions.iter().map(|transition| match *transition {
            Transition::Refused => "✗",
            Transition::Stay => "=",
            Transition::To(state) => short(state),
            Transition::Previous => "prev",
        });
        fixed.into_iter().chain(cells).map(Into::into).collect()
    });
    let head: Vec<_> =
        ["code", "event", "中文", "key", "article"].into_iter().chain(STATES.map(short)).collect();
    check("events", &head, rows);
}

#[test]
fn event_records() {
    let rows = TABLE.iter().map(|rule| {
        let names = rule
            .event
            .records()
            .iter()
            .map(|record| format!("EF {:02X} {}", record.code(), record.english()));
        let names: Vec<_> = names.collect();
        row([&format!("{:02X}", rule.event.code()), rule.name, &or_none(&names.join(", "))])
    });
    check("event records", &["code", "event", "records"], rows);
}

#[test]
fn records() {
    let head = ["offset", "length", "group", "field", "中文"];
    let wrong = LAYOUTS.iter().filter_map(|layout| {
        let name = format!("record {:02X}", layout.record.code());
        difference(&name, &head, &record_rows(layout))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn authorisation_has_no_gaps() {
    let (_, rows) = table("authorisation");
    let mut end = 0;
    for row in &rows {
        assert_eq!(row[0].parse(), Ok(end), "{row:?}");
        end += row[1].parse::<usize>().unwrap();
    }
    assert_eq!(end, Authorisation::LEN);
}

#[test]
fn codes() {
    macro_rules! rows {
        ($($table:ident in $field:literal),+ $(,)?) => {
            [$($table::ALL
                .iter()
                .map(|code| {
                    let byte = format!("{:02X}", code.code());
                    row([$field, &byte, code.english(), code.chinese()])
                })
                .collect::<Vec<_>>()),+]
        };
    }
    let rows = rows!(
        CardType in "card type",
        Profile in "profile",
        RecordType in "record type",
        Sex in "sex",
        NationalPrefix in "national prefix",
        IdType in "document type",
        SchoolType in "school type",
        Category in "category",
        Stage in "stage",
        Boarding in "boarding",
        Entry in "entry mode",
        EnrolmentState in "enrolment state",
        Term in "term",
        TransferOperation in "transfer operation",
        Reason in "reason",
    );
    check("codes", &["table", "code", "meaning", "中文"], rows.into_iter().flatten());
}

#[test]
fn districts() {
    let districts = Districts::default();
    let rows = districts.rows().iter().map(|district| {
        let year = |year: Option<u16>| year.map_or_else(|| "-".to_owned(), |year| year.to_string());
        let (code, since, until) =
            (district.code.to_string(), year(district.since), year(district.until));
        row([&code, &district.english, &district.name, &since, &until])
    });
    check("districts", &["code", "meaning", "中文", "since", "until"], rows);
}

#[test]
fn status_words() {
    let mut words: Vec<_> = refusals().iter().map(Refusal::status).collect();
    words.extend([StatusWord::SUCCESS, StatusWord::more_data(4)]);
    words.sort();
    words.dedup();
    let rows = words.iter().map(|word| {
        // The list below gives 61xx and 6Cxx with 4 for xx, 63Cx with 3 for x.
        let text = |language| word.text(language).replace('4', "xx").replace('3', "x");
        let number = match word.0 {
            0x6100..=0x61FF | 0x6C00..=0x6CFF => format!("{:02X}xx", word.0 >> 8),
            0x63C0..=0x63CF => "63Cx".into(),
            _ => word.to_string(),
        };
        row([&number, &text(Language::English), &text(Language::Chinese)])
    });
    check("status words", &["SW", "meaning", "中文"], rows);
}

/// A refusal that the list below forgets could bring a status word the document lacks.
#[test]
fn no_refusal_is_forgotten() {
    let known: Vec<_> = refusals().iter().map(|refusal| format!("{refusal:?}")).collect();
    for (path, name, prefix) in [
        ("emulator/src/status_map.rs", "Refusal", ""),
        ("apdu/src/chain.rs", "ChainError", "Chain("),
        ("apdu/src/sm.rs", "SmError", "Sm("),
        ("card-model/src/card.rs", "CardError", "Card("),
        ("card-model/src/psam.rs", "PsamError", "Psam("),
        ("card-model/src/sam.rs", "SamError", "Sam("),
        ("card-model/src/wallet/mod.rs", "WalletError", "Card(Wallet("),
        ("card-model/src/file/rights.rs", "Denied", "Card(Denied("),
    ] {
        let source = read(path);
        let body = source.split_once(&format!("pub enum {name} {{\n")).unwrap().1;
        let body = body.split_once("\n}").unwrap().0;
        for line in body.lines().filter_map(|line| line.strip_prefix("    ")) {
            if line.starts_with(|c: char| c.is_ascii_uppercase()) {
                let end = line.find(|c: char| !c.is_alphanumeric()).unwrap();
                let variant = format!("{prefix}{}", &line[..end]);
                let is = |text: &String| {
                    let rest = text.strip_prefix(&variant);
                    rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
                };
                assert!(known.iter().any(is), "{variant} is missing in the list of refusals");
            }
        }
    }
}

#[test]
fn examples() {
    let mut student = powered(test_card::student(SERIAL).unwrap());
    let unit: UnitCode = UNIT.parse().unwrap();
    let until = Date::new(2027, 8, 31).unwrap();
    let mut management = powered(test_card::management(Algorithm::Aes128, unit, until));
    let education = b"\x00\xA4\x04\x00\x07\xF0BJEDU\x01\x00";
    let rows = [
        ("ATR, student", student.atr().to_vec()),
        ("ATS, student", ats(student.header())),
        ("UID, student", student.header().uid.to_vec()),
        ("SELECT MF, student", ask(&mut student, b"\x00\xA4\x00\x00\x00")),
        ("EF.DIR, student", ask(&mut student, b"\x00\xB0\x9E\x00\x00")),
        ("public information", ask(&mut student, b"\x00\xB0\x84\x00\x00")),
        ("SELECT DF01", ask(&mut student, education)),
        ("EF 05 issuance", ask(&mut student, b"\x00\xB0\x85\x00\x00")),
        ("SELECT DF11", ask(&mut student, b"\x00\xA4\x00\x00\x02\xDF\x11\x00")),
        ("SELECT 1001", ask(&mut student, b"\x00\xA4\x00\x00\x02\x10\x01\x00")),
        ("ATR, management", management.atr().to_vec()),
        ("SELECT MF, management", ask(&mut management, b"\x00\xA4\x00\x00\x00")),
        ("SELECT DF80", ask(&mut management, b"\x00\xA4\x04\x00\x07\xF0BJEMG\x01\x00")),
    ];
    let rows = rows.map(|(name, bytes)| row([name, &without_filler(&bytes)]));
    check("examples", &["what", "bytes"], rows);
}

#[test]
fn test_key_values() {
    let keys =
        [(Algorithm::Aes128, &KeyNumber::EDUCATION[..]), (Algorithm::Sm4, &[KeyNumber::READ])]
            .into_iter()
            .flat_map(|(algorithm, numbers)| numbers.iter().map(move |&number| (algorithm, number)))
            .map(|(algorithm, number)| (Zone::EDUCATION, algorithm, number, SERIAL.to_owned()));
    let sector = (Zone(0xDF11), Algorithm::Aes128, KeyNumber::EXTENSION, SERIAL.to_owned());
    let serial = format!("9000{UNIT}000001");
    let management = (Zone::MANAGEMENT, Algorithm::Aes128, KeyNumber::MANAGEMENT, serial);
    let rows = keys.chain([sector, management]).map(|(zone, algorithm, number, serial)| {
        let id = KeyId { zone, number, version: KeyVersion::FIRST, algorithm };
        let root = test_keys::root(&id);
        let card = CardId(hex::decode(&serial).unwrap().try_into().unwrap());
        row([
            &zone.to_string(),
            &number.to_string(),
            algorithm.name(),
            &hex::encode(root.expose()),
            &serial,
            &root.card(&id, card).kcv().to_string(),
        ])
    });
    let head = ["zone", "key", "algorithm", "root", "serial", "KCV of the card key"];
    check("test keys", &head, rows);
}

/// Every transcript the document names exists, and every value it quotes stands in it.
/// What changes a card: events, keys, files, and the other commands. Exhaustive on purpose: whoever
/// adds an operation says here whether it changes anything, and then has to write down who may.
#[test]
fn changes() {
    let events = TABLE.iter().map(|rule| {
        let code = rule.event.code();
        row([&format!("CHANGE LIFE CYCLE {code:02X} {}", rule.name), &rule.key.to_string()])
    });
    let files = every_df().flat_map(|(kind, df)| df.files.iter().map(move |file| (kind, df, file)));
    let files = files.filter_map(|(kind, df, file)| {
        let under = match file.update {
            Right::Keys(keys, _) => key_names(keys),
            Right::Operator => "line key".into(),
            Right::Free | Right::Never => return None,
        };
        Some(row([format!("UPDATE BINARY of {} {:02X}", place(kind, df), file.sfi), under]))
    });
    let others = COMMANDS.iter().filter_map(|spec| {
        let under = match spec.operation {
            O::PutKey => "K0",
            O::MutualAuthenticate => "the key itself",
            O::CreditForLoad => "load key",
            O::Debit => "purchase key, or unload key",
            O::Verify => "PIN",
            O::ChangePin => "PIN reload key, or PIN",
            O::PinUnblock => "PIN unblock key",
            O::ExternalAuthenticate => "external authentication key",
            O::ApplicationBlock | O::ApplicationUnblock | O::CardBlock => "line key",
            O::PsamInitialisePurchase | O::SamDate => "none",
            O::PsamCreditPurchase => "session key of the purchase",
            O::SamUnlock => "K80, and the key file",
            // Above.
            O::ChangeLifeCycle | O::UpdateBinary => return None,
            _ if reads(spec.operation) => return None,
            operation => panic!("{operation:?}: say who may, or that it changes nothing"),
        };
        Some(row([spec.name, under]))
    });
    let rows: Vec<Row> = events.chain(files).chain(others).collect();
    let mut found = table("changes").1;
    found.iter_mut().for_each(|row| row.truncate(2));
    found.sort();
    let mut expected: Vec<Row> = rows.into_iter().collect();
    expected.sort();
    expected.dedup();
    assert_eq!(found, expected);
}

/// Operations that leave the memory as it is.
const fn reads(operation: O) -> bool {
    matches!(
        operation,
        O::Select
            | O::ReadBinary
            | O::ReadRecord
            | O::GetResponse
            | O::ManageSecurityEnvironment
            | O::GetChallenge
            | O::TransitChallenge
            | O::GetBalance
            | O::InitialiseTransaction
            | O::UpdateCache
            | O::Prove
            | O::InternalAuthenticate
            | O::PsamDeliverKey
            | O::PsamCipherData
            | O::SamState
            | O::SamVersion
            | O::SamRespond
            | O::SamOpen
            | O::SamWrap
            | O::SamUnwrap
            | O::SamWrapKey
            | O::SamWrapOpening
            | O::SamClose
            | O::SamLock
    )
}

#[test]
fn permitted() {
    let lent = ExtensionSet::of(ExtensionIndex::new(3));
    let units = [
        ("city", "000000", None),
        ("district", "110000", None),
        ("school", "110105", None),
        ("application unit", "110105", lent),
    ];
    let rows = units.map(|(role, unit, lent)| {
        let (unit, until) = (unit.parse().unwrap(), Date::new(2027, 8, 31).unwrap());
        let bits = management::test_card_for(unit, lent, until).1.permitted.bits();
        row([role, &format!("{bits:04X}")])
    });
    check("permitted", &["role", "permitted"], rows);
}

#[test]
fn vectors() {
    let vectors = read(VECTORS);
    let entry = |id: &str| {
        let found = vectors.split_once(&format!("\"id\": \"{id}\""));
        let (_, rest) = found.unwrap_or_else(|| panic!("{VECTORS} has no entry {id}"));
        rest.split("\"id\":").next().unwrap()
    };
    let document = read(DOCUMENT);
    let quoted = document.split('`').skip(1).step_by(2);
    for id in quoted.filter(|text| text.starts_with("AES-128-") || text.starts_with("SM4-")) {
        entry(id);
    }
    let (_, rows) = table("vectors");
    assert!(!rows.is_empty());
    for row in rows {
        let id = row[0].trim_matches('`');
        let pair = format!("\"{}\": \"{}\"", row[1].trim_matches('`'), row[2].replace(' ', ""));
        assert!(entry(id).contains(&pair), "{id} does not hold {pair}");
    }
}

// --- What the code says ----------------------------------------------------------------------

fn every_df() -> impl Iterator<Item = (CardKind, &'static Df)> {
    [CardKind::Student, CardKind::Management, CardKind::Psam, CardKind::Sam]
        .into_iter()
        .flat_map(|kind| kind.tree().all().map(move |df| (kind, df)))
}

const fn card(kind: CardKind) -> &'static str {
    match kind {
        CardKind::Student => "student",
        CardKind::Management => "management",
        CardKind::Psam => "PSAM",
        CardKind::Sam => "SAM",
    }
}

fn place(kind: CardKind, df: &Df) -> String {
    match (kind, df.fid) {
        (CardKind::Student, 0x3F00) => "MF".into(),
        (CardKind::Psam, 0x3F00) => "MF of a PSAM".into(),
        (_, 0xDF11..=0xDF18) => "DF11 to DF18".into(),
        (_, fid) => format!("{fid:04X}"),
    }
}

fn right(right: Right) -> String {
    match right {
        Right::Free => "free".into(),
        Right::Operator => "operator".into(),
        Right::Never => "never".into(),
        Right::Keys(keys, states) => format!("{}: {}", key_names(keys), state_names(states)),
    }
}

fn key_names(keys: KeySet) -> String {
    let numbers = (0..=7).chain([0x80]).map(KeyNumber);
    let names: Vec<_> =
        numbers.filter(|&key| keys.contains(key)).map(|key| key.to_string()).collect();
    match names.as_slice() {
        [first, .., last] => {
            assert!(
                names.windows(2).all(|pair| pair[0].as_bytes()[1] + 1 == pair[1].as_bytes()[1])
            );
            format!("{first} to {last}")
        }
        names => names.concat(),
    }
}

fn state_names(states: StateSet) -> String {
    let (inside, outside): (Vec<_>, Vec<_>) =
        STATES.into_iter().partition(|&state| states.contains(state));
    let list = |states: Vec<_>| states.into_iter().map(short).collect::<Vec<_>>().join(" ");
    match (inside.len(), outside.len()) {
        (_, 0) => "any state".into(),
        (_, 1) => format!("all but {}", list(outside)),
        _ => list(inside),
    }
}

const fn short(state: LifeCycleState) -> &'static str {
    use LifeCycleState as S;
    match state {
        S::Blank => "BLANK",
        S::Initialised => "INIT",
        S::Personalising => "PZG",
        S::Active => "ACT",
        S::TransferredOut => "OUT",
        S::TransferredIn => "IN",
        S::Frozen => "FRZ",
        S::Cancelled => "CAN",
        S::Recalled => "RCL",
        S::Fault => "FLT",
    }
}

fn record_rows(layout: &Layout) -> Vec<Row> {
    let mut group = 1;
    let mut rows = Vec::new();
    for field in layout.fields {
        rows.push(row([
            &field.start.to_string(),
            &field.len.to_string(),
            &group.to_string(),
            field.id,
            field.chinese,
        ]));
        group += u8::from(field.kind == FieldKind::Crc);
    }
    rows
}

/// Every way in which a command can be refused.
#[allow(clippy::too_many_lines, reason = "a line for each refusal")]
fn refusals() -> Vec<Refusal> {
    use Refusal as R;
    let link = [
        R::Parse(ParseError::TooShort(0)),
        R::Class,
        R::Channel,
        R::SecureMessaging,
        R::Chaining,
        R::Chain(ChainError::Mixed),
        R::Chain(ChainError::TooLong { limit: 1024 }),
        R::NoSession,
        R::Sm(SmError::Missing),
        R::Sm(SmError::Incorrect),
        R::Sm(SmError::Unprotected(StatusWord::SUCCESS)),
        R::Sm(SmError::Exhausted),
        R::Sm(SmError::NotCarried),
        R::Sm(SmError::OutOfTurn),
    ];
    let command = [
        R::Instruction,
        R::P1P2,
        R::Length,
        R::ExactLength(4),
        R::Data,
        R::FileNotFound,
        R::NoCurrentEf,
        R::SessionNeeded,
        R::OutOfOrder,
        R::KeyNotFound,
        R::AuthenticationFailed,
        R::NoChallenge,
        R::WalletBlocked,
        R::CardBlocked,
    ];
    let psam = [
        PsamError::Length,
        PsamError::TransactionType(0),
        PsamError::KeyUse(0),
        PsamError::KeyNotFound,
        PsamError::Exhausted,
        PsamError::Mac2,
        PsamError::Locked,
        PsamError::NoPurchase,
        PsamError::NoWorkingKey,
        PsamError::Card(CardError::Corrupt),
    ];
    let sam = [
        SamError::Locked,
        SamError::NotPermitted(KeyNumber::READ),
        SamError::NoVersion(KeyNumber::READ),
        SamError::NotGenuine,
        SamError::NoSector,
        SamError::NoSession,
        SamError::Confidential,
        SamError::Unreadable,
        SamError::Authorisation(AuthorisationError::Checksum),
        SamError::OtherUnit,
        SamError::Expired(Date::new(2027, 8, 31).unwrap()),
        SamError::ForeignGrant,
        SamError::ClockWentBack,
        SamError::Card(CardError::Corrupt),
    ];
    let model = [
        CardError::Denied(Denied::Security),
        CardError::Denied(Denied::State),
        CardError::Structure,
        CardError::RecordNotFound,
        CardError::Offset,
        CardError::Outside,
        CardError::KeyNotFound,
        CardError::Event("event"),
        CardError::Condition(Condition::OtherPupil),
        CardError::ForeignUnit,
        CardError::ForeignSerial,
        CardError::EventData,
        CardError::Untimely(Untimely::AfterValidity(Date::new(2099, 1, 1).unwrap())),
        CardError::KeyCheck,
        CardError::Records(FieldErrors::default()),
        CardError::Corrupt,
        CardError::Key(InvalidSlots::Algorithm(0)),
        CardError::Nvm(NvmError::OutOfRange),
    ];
    let wallet = [
        WalletError::Damaged("purse"),
        WalletError::Absent,
        WalletError::KeyNotFound,
        WalletError::KeyBlocked,
        WalletError::Answer,
        WalletError::Code,
        WalletError::NotEnabled(EnableFlag::Closed),
        WalletError::Flag(EnableFlag::Open, EnableFlag::NotOpened),
        WalletError::FlagValue(4),
        WalletError::NotEmpty,
        WalletError::State,
        WalletError::Funds,
        WalletError::Ceiling,
        WalletError::Counter,
        WalletError::NoProof,
        WalletError::FileNotFound,
        WalletError::RecordLength,
        WalletError::RecordData,
        WalletError::Access,
        WalletError::Wrong(3),
        WalletError::LineMac,
        WalletError::Cryptogram,
        WalletError::DataLength,
        WalletError::PinForm,
        WalletError::NotBlocked,
        WalletError::TemporarilyBlocked,
        WalletError::Blocked,
    ];
    link.into_iter()
        .chain(command)
        .chain(wallet.map(|error| R::Card(CardError::Wallet(error))))
        .chain(psam.map(R::Psam))
        .chain(sam.map(R::Sam))
        .chain(model.map(R::Card))
        .collect()
}

fn powered(nvm: RamNvm) -> VirtualCard {
    let mut card = VirtualCard::new(nvm, Env::from_seed(1)).unwrap();
    card.power_on().unwrap();
    card
}

/// The data a command brings.
fn ask(card: &mut VirtualCard, command: &[u8]) -> Vec<u8> {
    let mut response = Vec::new();
    card.transmit(command, &mut response).unwrap();
    assert!(response.ends_with(&[0x90, 0x00]), "{}", hex_upper(command));
    response.truncate(response.len() - 2);
    response
}

/// Hex, with a long run of 00 at the end written as its length.
fn without_filler(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    match bytes.len() - end {
        0..16 => hex_upper(bytes),
        zeros => format!("{}, then {zeros} × 00", hex_upper(&bytes[..end])),
    }
}

// --- What the document says ------------------------------------------------------------------

/// Compares the left columns of a table of the document.
fn check(name: &str, head: &[&str], rows: impl IntoIterator<Item = Row>) {
    let rows: Vec<Row> = rows.into_iter().collect();
    if let Some(difference) = difference(name, head, &rows) {
        panic!("{difference}");
    }
}

/// What is wrong with a table of the document, if anything.
fn difference(name: &str, head: &[&str], expected: &[Row]) -> Option<String> {
    let (found_head, found) = table(name);
    let left = |row: &Row| row.iter().take(head.len()).cloned().collect::<Row>();
    if left(&found_head) != head || !found.iter().map(left).eq(expected.iter().cloned()) {
        let table = render(head, expected, &found_head, &found);
        return Some(format!("table \"{name}\" must read\n{table}"));
    }
    let poor = |row: &&Row| row.len() != found_head.len() || row.iter().any(String::is_empty);
    found.iter().find(poor).map(|row| format!("table \"{name}\" has a missing cell: {row:?}"))
}

/// The table as it must be; what stands in further columns is kept where the left ones agree.
fn render(head: &[&str], expected: &[Row], found_head: &Row, found: &[Row]) -> String {
    let extra = |row: Option<&Row>| -> Vec<String> {
        row.map_or_else(Vec::new, |row| row.iter().skip(head.len()).cloned().collect())
    };
    let line = |cells: Row| format!("| {} |\n", cells.join(" | "));
    let mut head_cells = row(head.iter().copied());
    head_cells.extend(extra(Some(found_head)));
    let rule = format!("|{}\n", "---|".repeat(head_cells.len()));
    let rows = expected.iter().map(|cells| {
        let same = found.iter().find(|row| row.iter().zip(cells).take(2).all(|(a, b)| a == b));
        line([cells.clone(), extra(same)].concat())
    });
    core::iter::once(line(head_cells.clone())).chain([rule]).chain(rows).collect()
}

/// Head and rows of the table between `<!-- name -->` and `<!-- /name -->`.
fn table(name: &str) -> (Row, Vec<Row>) {
    let document = read(DOCUMENT);
    let section = document
        .split_once(&format!("<!-- {name} -->\n"))
        .and_then(|(_, rest)| rest.split_once(&format!("<!-- /{name} -->")));
    let (section, _) = section.unwrap_or_else(|| panic!("{DOCUMENT} has no table \"{name}\""));
    let cells = |line: &str| -> Row {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        inner.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = section.lines().filter(|line| line.starts_with('|')).map(cells);
    let head = lines.next().unwrap_or_default();
    (head, lines.skip(1).collect())
}

fn row<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> Row {
    cells.into_iter().map(|cell| cell.as_ref().to_owned()).collect()
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".into() } else { text.into() }
}

fn hex_upper(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(" ")
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap()
}
