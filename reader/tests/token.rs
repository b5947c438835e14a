//! Root keys in a real token: SoftHSM2, as Debian packages it (`softhsm2`).
//!
//! SoftHSM2 reads its configuration once, from the environment, so each test runs again in a process
//! of its own with a token of its own. Without SoftHSM2 the tests say so and pass, except where
//! `CI` is set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

use std::env;
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::process::Command;
use std::time::Instant;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::key::{Key, KeyId, Root};
use xuejika_keyscheme::provider::{Custody, KeyProvider, Path, ProviderError, Roots, TestRoots};
use xuejika_keyscheme::{Algorithm, KeyNumber, KeyVersion, Zone, test_keys};
use xuejika_reader::channel::key_file::{self, Protection};
use xuejika_reader::channel::token::{Token, TokenError, TokenUri};
use xuejika_reader::channel::{label, secret};

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "471108";
/// Tells the third processes where they wait for one another.
const GO: &str = "XUEJIKA_TOKEN_GO";
/// Tells the second process its folder.
const FOLDER: &str = "XUEJIKA_TOKEN_FOLDER";

const CARD: CardId = CardId(*b"\x11\x00\x07\x01\x00\x00\x00\x17");
const SCHOOL: Path = Path::School { district: [0x01, 0x08], unit: [0x08, 0x40, 0x12] };
const PATHS: [Path; 4] = [
    Path::City,
    Path::District([0x01, 0x08]),
    SCHOOL,
    Path::School { district: [0x01, 0x05], unit: [0x05, 0x40, 0x12] },
];

const fn id(zone: Zone, number: KeyNumber) -> KeyId {
    KeyId { zone, number, version: KeyVersion::FIRST, algorithm: Algorithm::Aes128 }
}

const READ: KeyId = id(Zone::EDUCATION, KeyNumber::READ);
const TRANSFER: KeyId = id(Zone::EDUCATION, KeyNumber::TRANSFER);
const LOADER: KeyId = id(Zone::EDUCATION, KeyNumber::MASTER);
const EXTENSION: KeyId = id(Zone(0xDF11), KeyNumber::APPLICATION);

/// Runs the body of the test with this name in a process with an empty token.
fn with_token(test: &str, configuration: &str, body: impl FnOnce(&TokenUri)) {
    if let Some(folder) = env::var_os(FOLDER) {
        return body(&uri(&format!("token=xuejika?pin-source={}/pin", folder.display())));
    }
    if !FilePath::new(MODULE).exists() {
        assert!(env::var_os("CI").is_none(), "no SoftHSM2: {MODULE} is missing");
        eprintln!("{test}: SKIPPED, there is no {MODULE} (Debian package softhsm2)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    let conf = folder.path().join("softhsm2.conf");
    fs::create_dir(&tokens).unwrap();
    let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
    fs::write(&conf, text.clone()).unwrap();
    secret::write_new(&folder.path().join("pin"), format!("{PIN}\n").as_bytes()).unwrap();
    let init = ["--init-token", "--free", "--label", "xuejika", "--so-pin", "12345678", "--pin"];
    let made =
        Command::new("softhsm2-util").args(init).arg(PIN).env("SOFTHSM2_CONF", &conf).output();
    assert!(made.unwrap().status.success());
    fs::write(&conf, text + configuration).unwrap();
    let again = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("SOFTHSM2_CONF", &conf)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&again.stdout);
    text.lines().filter(|line| line.starts_with("measured")).for_each(|line| println!("{line}"));
    let errors = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success(), "{text}{errors}");
}

fn uri(rest: &str) -> TokenUri {
    let separator = if rest.contains('?') { '&' } else { '?' };
    format!("pkcs11:{rest}{separator}module-path={MODULE}").parse().unwrap()
}

fn open(uri: &TokenUri) -> Result<Token, TokenError> {
    Token::open(uri, PIN)
}

/// Session of another program, not bound by our rules.
fn session() -> (Pkcs11, Session) {
    let context = Pkcs11::new(MODULE).unwrap();
    // Another token of the module may be open already.
    let _ = context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
    let slot = context.get_slots_with_initialized_token().unwrap()[0];
    let session = context.open_rw_session(slot).unwrap();
    let _ = session.login(UserType::User, Some(&AuthPin::new(PIN.into())));
    (context, session)
}

/// A root as a careless administrator would make it.
fn foreign_root(id: &KeyId, change: Attribute) {
    let (_context, session) = session();
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Value(b"a careless root.".to_vec()),
        Attribute::Label(label::emit(id).into_bytes()),
    ];
    let changed = change.attribute_type();
    template.retain(|attribute| attribute.attribute_type() != changed);
    template.push(change);
    session.create_object(&template).unwrap();
}

/// The test root of a key from a key file.
fn file_root(id: &KeyId) -> Roots {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.toml");
    let digits: String =
        test_keys::root(id).expose().iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!(
        "[[root]]\nzone = 0x{}\nnumber = {}\nversion = 1\nalgorithm = \"aes\"\nclear = \"{digits}\"\n",
        id.zone, id.number.0
    );
    secret::write_new(&path, text.as_bytes()).unwrap();
    key_file::open(&path, &Protection::default()).unwrap().roots
}

#[test]
fn file_and_token_give_the_same_card_keys() {
    with_token("file_and_token_give_the_same_card_keys", "", |uri| {
        let token = open(uri).unwrap();
        assert_eq!(token.custody(), Custody::Token);
        for id in [READ, TRANSFER, EXTENSION] {
            token.import(&id, &test_keys::root(&id)).unwrap();
        }
        drop(token);
        let token = open(uri).unwrap();
        assert_eq!(token.ids(), [READ, TRANSFER, EXTENSION]);
        for id in token.ids() {
            let file = file_root(&id);
            assert_eq!(token.kcv(&id), file.kcv(&id));
            assert_eq!(token.is_test_key(&id), Ok(true));
            for path in PATHS.into_iter().chain(PATHS) {
                let key = token.card_key(&id, path, CARD).unwrap();
                assert!(key == file.card_key(&id, path, CARD).unwrap(), "{id} {path:?}");
                assert_eq!(key.kcv(), TestRoots.card_key(&id, path, CARD).unwrap().kcv());
            }
        }
    });
}

#[test]
fn ten_thousand_derivations() {
    with_token("ten_thousand_derivations", "", |uri| {
        const COUNT: u64 = 10_000;
        let token = open(uri).unwrap();
        token.import(&READ, &test_keys::root(&READ)).unwrap();
        token.import(&EXTENSION, &test_keys::root(&EXTENSION)).unwrap();
        for (id, path, name) in [(READ, Path::City, "city"), (EXTENSION, SCHOOL, "school")] {
            let begun = Instant::now();
            for serial in 0..COUNT {
                let card = CardId(serial.to_be_bytes());
                let key = token.card_key(&id, path, card).unwrap();
                assert!(key == TestRoots.card_key(&id, path, card).unwrap());
            }
            let seconds = begun.elapsed().as_secs_f64();
            println!("measured: {:.0} {name} keys/s through SoftHSM2", COUNT as f64 / seconds);
        }
    });
}

#[test]
fn school_after_school_leaves_one_branch() {
    with_token("school_after_school_leaves_one_branch", "", |uri| {
        let token = open(uri).unwrap();
        token.import(&EXTENSION, &test_keys::root(&EXTENSION)).unwrap();
        for unit in 0..50 {
            let path = Path::School { district: [0x01, 0x08], unit: [0x08, 0x40, unit] };
            let key = token.card_key(&EXTENSION, path, CARD).unwrap();
            assert!(key == TestRoots.card_key(&EXTENSION, path, CARD).unwrap());
        }
        let objects = session().1.find_objects(&[Attribute::Token(false)]).unwrap();
        assert_eq!(objects.len(), 1);
    });
}

#[test]
fn a_generated_root_stays_in_the_token() {
    with_token("a_generated_root_stays_in_the_token", "", |uri| {
        let token = open(uri).unwrap();
        token.generate(&READ).unwrap();
        token.generate(&TRANSFER).unwrap();
        assert_eq!(token.is_test_key(&READ), Ok(false));
        assert_ne!(token.kcv(&READ), token.kcv(&TRANSFER));
        let (_context, session) = session();
        for root in session.find_objects(&[Attribute::Token(true)]).unwrap() {
            let value = session.get_attributes(root, &[AttributeType::Value]);
            assert!(value.is_ok_and(|value| value.is_empty()));
            assert!(session.wrap_key(&Mechanism::AesKeyWrap, root, root).is_err());
            assert!(session.encrypt(&Mechanism::AesEcb, root, &[0; 16]).is_err());
        }
        assert!(matches!(token.generate(&READ), Err(TokenError::Exists(_))));
        let root = Key::<Root>::new(Algorithm::Aes128, *b"another good one");
        assert!(matches!(token.import(&READ, &root), Err(TokenError::Exists(_))));
        let narrow = open(&TokenUri { object: Some(label::emit(&TRANSFER)), ..uri.clone() });
        assert!(matches!(narrow.unwrap().import(&READ, &root), Err(TokenError::Exists(_))));
    });
}

#[test]
fn a_root_that_is_not_safe_is_refused_alone() {
    with_token("a_root_that_is_not_safe_is_refused_alone", "", |uri| {
        let unsafe_ones = [
            (READ, Attribute::Extractable(true), "CKA_EXTRACTABLE"),
            (TRANSFER, Attribute::Sensitive(false), "CKA_SENSITIVE"),
            (EXTENSION, Attribute::Private(false), "CKA_PRIVATE"),
        ];
        for (id, change, _) in &unsafe_ones {
            foreign_root(id, change.clone());
        }
        let token = open(uri).unwrap();
        for (id, _, attributes) in unsafe_ones {
            let fault =
                TokenError::Readable { label: label::emit(&id), attributes: attributes.into() };
            assert!(fault.is_refusal() && token.faults().contains(&fault), "{:?}", token.faults());
            assert_eq!(token.kcv(&id), Err(ProviderError::Refused(fault.to_string())));
        }
        // Another root of the token is as good as ever.
        token.generate(&LOADER).unwrap();
        assert_eq!(open(uri).unwrap().ids(), [LOADER]);
        assert!(token.card_key(&LOADER, Path::City, CARD).is_ok());
    });
}

#[test]
fn a_root_that_may_do_more_is_named() {
    with_token("a_root_that_may_do_more_is_named", "", |uri| {
        let token = open(uri).unwrap();
        token.generate(&TRANSFER).unwrap();
        foreign_root(&READ, Attribute::Derive(true));
        let token = open(uri).unwrap();
        let [(id, misuse)] = &token.misuses()[..] else { panic!("{:?}", token.misuses()) };
        assert_eq!((*id, token.ids().len(), token.faults().len()), (READ, 2, 0));
        assert!(misuse.to_string().contains("CKA_DERIVE"), "{misuse}");
    });
}

#[test]
fn an_unfit_or_weak_root_fails_alone() {
    with_token("an_unfit_or_weak_root_fails_alone", "", |uri| {
        foreign_root(&READ, Attribute::Value((0..32).collect()));
        foreign_root(&TRANSFER, Attribute::Sign(false));
        foreign_root(&EXTENSION, Attribute::Value([7; 16].into()));
        let sm4 = KeyId { algorithm: Algorithm::Sm4, ..EXTENSION };
        foreign_root(&sm4, Attribute::Sign(true));
        foreign_root(&LOADER, Attribute::Sign(true));
        let token = open(uri).unwrap();
        assert_eq!(token.ids(), [LOADER]);
        for id in [READ, TRANSFER, sm4] {
            assert!(matches!(token.kcv(&id), Err(ProviderError::Unfit(_))), "{id}");
        }
        let weak = TokenError::Weak(label::emit(&EXTENSION));
        assert_eq!(token.kcv(&EXTENSION), Err(ProviderError::Refused(weak.to_string())));
        let root = Key::<Root>::new(Algorithm::Aes128, [0; 16]);
        let id = KeyId { version: KeyVersion::new(2).unwrap(), ..READ };
        assert_eq!(token.import(&id, &root), Err(TokenError::Weak(label::emit(&id))));
    });
}

#[test]
fn a_doubled_root_fails_alone_and_one_can_be_removed() {
    with_token("a_doubled_root_fails_alone_and_one_can_be_removed", "", |uri| {
        foreign_root(&READ, Attribute::Sign(true));
        foreign_root(&READ, Attribute::Value(b"the second root.".to_vec()));
        let token = open(uri).unwrap();
        token.generate(&TRANSFER).unwrap();
        let twice = TokenError::Twice(label::emit(&READ), 2);
        assert_eq!(token.card_key(&READ, Path::City, CARD), Err(twice.clone().into()));
        assert!(token.card_key(&TRANSFER, Path::City, CARD).is_ok());
        assert!(matches!(token.generate(&READ), Err(TokenError::Exists(_))));
        let objects = token.objects().unwrap();
        assert_eq!(objects.len(), 3);
        assert!(objects[..2].iter().all(|object| object.fault == Some(twice.clone())));

        let second = Key::<Root>::new(Algorithm::Aes128, *b"the second root.");
        let first = Key::<Root>::new(Algorithm::Aes128, *b"a careless root.");
        let none = token.remove(&TRANSFER, Some(second.kcv()));
        assert_eq!(none, Err(TokenError::NoObject(label::emit(&TRANSFER))));
        token.remove(&READ, Some(second.kcv())).unwrap();
        assert_eq!(token.kcv(&READ), Ok(first.kcv()));
        assert_eq!(open(uri).unwrap().ids(), [READ, TRANSFER]);
    });
}

/// Each process has the token open before any of them makes the root.
#[test]
fn of_many_processes_one_makes_the_root() {
    const PROCESSES: usize = 20;
    if let Some(folder) = env::var_os(GO) {
        let folder = PathBuf::from(folder);
        let token = open(&uri("token=xuejika")).unwrap();
        fs::write(folder.join(format!("ready-{}", std::process::id())), "").unwrap();
        while !folder.join("go").exists() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        match token.generate(&READ) {
            Ok(()) => println!("made: {}", token.kcv(&READ).unwrap()),
            Err(TokenError::Exists(_) | TokenError::Unfinished(_)) => println!("refused"),
            Err(other) => panic!("{other}"),
        }
        return;
    }
    let name = "of_many_processes_one_makes_the_root";
    with_token(name, "", |uri| {
        let folder = tempfile::tempdir().unwrap();
        let start = |_| {
            let mut again = Command::new(env::current_exe().unwrap());
            again.args([name, "--exact", "--nocapture"]).env(GO, folder.path());
            again.stdout(std::process::Stdio::piped()).spawn().unwrap()
        };
        let processes: Vec<_> = (0..PROCESSES).map(start).collect();
        let begun = Instant::now();
        while fs::read_dir(folder.path()).unwrap().count() < PROCESSES {
            std::thread::sleep(std::time::Duration::from_millis(5));
            if begun.elapsed().as_secs() > 120 {
                break;
            }
        }
        fs::write(folder.path().join("go"), "").unwrap();
        let said: Vec<_> = processes
            .into_iter()
            .map(|process| String::from_utf8(process.wait_with_output().unwrap().stdout).unwrap())
            .collect();
        let count = |word: &str| said.iter().filter(|text| text.contains(word)).count();
        assert_eq!((count("made: "), count("refused")), (1, PROCESSES - 1), "{said:#?}");
        let token = open(uri).unwrap();
        assert_eq!((token.ids(), token.objects().unwrap().len()), (vec![READ], 1));
        let made = format!("made: {}", token.kcv(&READ).unwrap());
        assert_eq!(count(&made), 1);
    });
}

#[test]
fn a_root_left_unfinished_is_in_the_way_until_it_is_removed() {
    let name = "a_root_left_unfinished_is_in_the_way_until_it_is_removed";
    with_token(name, "", |uri| {
        let (_context, session) = session();
        let label = format!("{} (unfinished)", label::emit(&READ)).into_bytes();
        // Its number is smaller than any other.
        foreign_root(&READ, Attribute::Id(vec![0]));
        let made = session.find_objects(&[Attribute::Id(vec![0])]).unwrap()[0];
        session.update_attributes(made, &[Attribute::Label(label)]).unwrap();
        let token = open(uri).unwrap();
        assert_eq!(token.kcv(&READ), Err(ProviderError::NoRoot(READ)));
        let refused = token.generate(&READ);
        assert_eq!(refused, Err(TokenError::Unfinished(label::emit(&READ))));
        let [object] = &token.objects().unwrap()[..] else { panic!() };
        assert!(!object.finished);
        token.remove(&READ, object.kcv).unwrap();
        token.generate(&READ).unwrap();
        assert!(token.kcv(&READ).is_ok());
    });
}

#[test]
fn every_attribute_of_a_uri_narrows_the_choice() {
    with_token("every_attribute_of_a_uri_narrows_the_choice", "", |_| {
        let fits = [
            "token=xuejika;manufacturer=SoftHSM%20project;model=SoftHSM%20v2",
            "slot-manufacturer=SoftHSM%20project;library-manufacturer=SoftHSM",
            "library-description=Implementation%20of%20PKCS11;library-version=2.6",
        ];
        for path in fits {
            assert_eq!(
                open(&uri(path)).map(|token| token.label().to_owned()),
                Ok("xuejika".into())
            );
        }
        let named: TokenUri = "pkcs11:?module-name=softhsm2".parse().unwrap();
        assert_eq!(named.module, PathBuf::from(MODULE));
        let token = ["manufacturer=Other", "model=Other", "slot-id=1", "slot-manufacturer=Other"];
        for path in token.into_iter().chain(["slot-description=Other"]) {
            assert!(matches!(open(&uri(path)), Err(TokenError::NoToken(_))), "{path}");
        }
        for path in ["library-manufacturer=Other", "library-version=1.0"] {
            assert!(matches!(open(&uri(path)), Err(TokenError::OtherModule(_))), "{path}");
        }
    });
}

/// The token behind a module that lies, made of `token_liar/liar.c` with this name defined.
fn behind_a_liar(uri: &TokenUri, lie: &str) -> TokenUri {
    let folder = PathBuf::from(env::var_os(FOLDER).unwrap());
    let module = folder.join(format!("{lie}.so"));
    let source = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/token_liar/liar.c");
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", &format!("-DMODULE=\"{MODULE}\""), &format!("-D{lie}"), "-o"])
        .args([&module, &source])
        .arg("-ldl")
        .status();
    assert!(made.expect("cc links Rust programs too").success());
    TokenUri { module, ..uri.clone() }
}

#[test]
fn a_token_that_computes_nothing_is_not_believed() {
    with_token("a_token_that_computes_nothing_is_not_believed", "", |uri| {
        let error = open(&behind_a_liar(uri, "LIE_SIGN")).unwrap_err();
        assert_eq!(error, TokenError::WrongAnswer);
        assert!(error.is_refusal());
    });
}

#[test]
fn an_import_that_became_another_root_is_removed() {
    with_token("an_import_that_became_another_root_is_removed", "", |uri| {
        let token = open(&behind_a_liar(uri, "LIE_CREATE")).unwrap();
        let refused = token.import(&READ, &test_keys::root(&READ));
        assert_eq!(refused, Err(TokenError::OtherRoot(label::emit(&READ))));
        assert_eq!(token.objects().unwrap().len(), 0);
        // What the token makes itself is not concerned.
        token.generate(&READ).unwrap();
        assert_eq!(token.ids(), [READ]);
    });
}

#[test]
fn a_missing_root_is_named() {
    with_token("a_missing_root_is_named", "", |uri| {
        let token = open(uri).unwrap();
        assert_eq!(token.kcv(&READ), Err(ProviderError::NoRoot(READ)));
        assert_eq!(token.is_test_key(&READ), Err(ProviderError::NoRoot(READ)));
        let sm4 = KeyId { algorithm: Algorithm::Sm4, ..READ };
        assert!(matches!(token.kcv(&sm4), Err(ProviderError::Unfit(_))));
        assert!(matches!(token.generate(&sm4), Err(TokenError::Algorithm(_))));
    });
}

#[test]
fn a_wrong_pin_a_missing_token_and_a_missing_module_are_named() {
    let name = "a_wrong_pin_a_missing_token_and_a_missing_module_are_named";
    with_token(name, "", |uri| {
        let wrong = Token::open(uri, "000000").unwrap_err();
        let code = "CKR_PIN_INCORRECT".into();
        assert_eq!(wrong, TokenError::WrongPin { code, last_try: false });
        let other = TokenUri { token: Some("other".into()), ..uri.clone() };
        let error = open(&other).unwrap_err();
        assert_eq!(error, TokenError::NoToken(vec!["xuejika".into()]));
        assert_eq!(error.to_string(), "no token fits the URI; there are [\"xuejika\"]");
        let other = TokenUri { serial: Some("other".into()), ..uri.clone() };
        assert!(matches!(open(&other), Err(TokenError::NoToken(_))));
        for module in ["/nowhere/p11.so", "/etc/hostname"] {
            let other = TokenUri { module: PathBuf::from(module), ..uri.clone() };
            let error = open(&other).unwrap_err();
            assert!(matches!(error, TokenError::Module { .. }));
            assert!(error.to_string().contains(module));
        }
    });
}

#[test]
fn a_token_without_cmac_is_named() {
    let name = "a_token_without_cmac_is_named";
    with_token(name, "slots.mechanisms = CKM_AES_CBC\n", |uri| {
        assert_eq!(open(uri).unwrap_err(), TokenError::NoMechanism("xuejika".into()));
    });
}

#[test]
fn the_pin_comes_from_its_source() {
    with_token("the_pin_comes_from_its_source", "", |uri| {
        let pin = uri.pin.as_ref().unwrap().read().unwrap();
        assert_eq!(pin.trim_ascii_end(), PIN.as_bytes());
        let token = Token::open(uri, str::from_utf8(pin.trim_ascii_end()).unwrap()).unwrap();
        assert_eq!(format!("{token:?}"), "Token { label: \"xuejika\", .. }");
    });
}
