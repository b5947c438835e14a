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
        Attribute::Value([7; 16].into()),
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
        assert!(matches!(token.generate(&READ), Err(TokenError::Twice(_))));
        let root = Key::<Root>::new(Algorithm::Aes128, [7; 16]);
        assert!(matches!(token.import(&READ, &root), Err(TokenError::Twice(_))));
        let narrow = open(&TokenUri { object: Some(label::emit(&TRANSFER)), ..uri.clone() });
        assert!(matches!(narrow.unwrap().import(&READ, &root), Err(TokenError::Twice(_))));
    });
}

#[test]
fn a_root_that_can_be_read_is_refused() {
    with_token("a_root_that_can_be_read_is_refused", "", |uri| {
        foreign_root(&READ, Attribute::Extractable(true));
        let error = open(uri).unwrap_err();
        assert_eq!(error, TokenError::Readable("xjk-DF01-01-01-01".into()));
        assert!(error.is_refusal());
        // Another root of the token can still be named.
        foreign_root(&TRANSFER, Attribute::Sign(true));
        let other = TokenUri { object: Some(label::emit(&TRANSFER)), ..uri.clone() };
        assert_eq!(open(&other).unwrap().ids(), [TRANSFER]);
    });
}

#[test]
fn an_insensitive_root_is_refused() {
    with_token("an_insensitive_root_is_refused", "", |uri| {
        foreign_root(&READ, Attribute::Sensitive(false));
        assert!(matches!(open(uri), Err(TokenError::Readable(_))));
    });
}

#[test]
fn unfit_and_double_roots_are_refused() {
    with_token("unfit_and_double_roots_are_refused", "", |uri| {
        foreign_root(&READ, Attribute::Sign(true));
        foreign_root(&READ, Attribute::Sign(true));
        assert!(matches!(open(uri), Err(TokenError::Twice(_))));
        foreign_root(&TRANSFER, Attribute::Value([7; 32].into()));
        let only = |id| TokenUri { object: Some(label::emit(&id)), ..uri.clone() };
        assert!(matches!(open(&only(TRANSFER)), Err(TokenError::Unfit(_))));
        foreign_root(&EXTENSION, Attribute::Sign(false));
        assert!(matches!(open(&only(EXTENSION)), Err(TokenError::Unfit(_))));
        let sm4 = KeyId { algorithm: Algorithm::Sm4, ..EXTENSION };
        foreign_root(&sm4, Attribute::Sign(true));
        assert!(matches!(open(&only(sm4)), Err(TokenError::Algorithm(_))));
    });
}

#[test]
fn a_missing_root_is_named() {
    with_token("a_missing_root_is_named", "", |uri| {
        let token = open(uri).unwrap();
        assert_eq!(token.kcv(&READ), Err(ProviderError::NoRoot(READ)));
        assert_eq!(token.is_test_key(&READ), Err(ProviderError::NoRoot(READ)));
        let sm4 = KeyId { algorithm: Algorithm::Sm4, ..READ };
        assert!(matches!(token.kcv(&sm4), Err(ProviderError::Token(_))));
        assert!(matches!(token.generate(&sm4), Err(TokenError::Algorithm(_))));
    });
}

#[test]
fn a_wrong_pin_a_missing_token_and_a_missing_module_are_named() {
    let name = "a_wrong_pin_a_missing_token_and_a_missing_module_are_named";
    with_token(name, "", |uri| {
        let wrong = Token::open(uri, "000000").unwrap_err();
        assert_eq!(wrong, TokenError::WrongPin { last_try: false });
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
