//! Files of root keys: what opens, what is refused, and that no error tells a key.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken premise fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use tempfile::TempDir;
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::key::{Kek, Key, Root};
use xuejika_keyscheme::keyblock::{
    self, Header, KeyAlgorithm, KeyKind, KeyMaterial, ModeOfUse, ProtectionKey, Usage,
};
use xuejika_keyscheme::legacy::{
    InvalidWalletRoot, LoadKey, NoWalletRoot, PurchaseKey, WalletKeyType, WalletRoots,
};
use xuejika_keyscheme::provider::{
    Custody, InvalidRoot, KeyProvider, Path, ProviderError, TestRoots,
};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};
use xuejika_reader::channel::key_block::{self, BlockError};
use xuejika_reader::channel::key_file::{
    self, Claim, Form, KeyFile, KeyFileError, Problem, Protection, RootName,
};
use xuejika_reader::channel::secret;

const CARD: CardId = CardId(*b"\x11\x00\x07\x01\x00\x00\x00\x17");
const READ: KeyId = KeyId {
    zone: Zone::EDUCATION,
    number: KeyNumber::READ,
    version: KeyVersion::FIRST,
    algorithm: Algorithm::Aes128,
};
const TRANSFER: KeyId = KeyId { number: KeyNumber::TRANSFER, ..READ };
const SM4: KeyId = KeyId { algorithm: Algorithm::Sm4, ..READ };

const PURCHASE: WalletKeyType = WalletKeyType::of::<PurchaseKey>();
const LOAD: WalletKeyType = WalletKeyType::of::<LoadKey>();

/// A root nobody published, and its digits as an error might show them.
const SECRET: [u8; 16] = *b"\xD5\x0E\xC2\x9A\x73\x41\xB8\x6F\x1C\xE4\x92\x5B\x08\xA7\x3D\xF6";
const DIGITS: &str = "D50EC29A7341B86F1CE4925B08A73DF6";

fn root(algorithm: Algorithm) -> Key<Root> {
    Key::new(algorithm, SECRET)
}

fn protection() -> Protection {
    let kbpk = b"thirty-two bytes of a protection";
    let kbpk = KeyMaterial::new(KeyKind::Aes256, kbpk).unwrap();
    Protection {
        kbpk: Some(ProtectionKey::new(kbpk).unwrap()),
        kek: Some(Key::<Kek>::new(Algorithm::Aes128, *b"envelopes' key..")),
    }
}

fn envelope(id: &KeyId) -> String {
    let sealed = key_file::seal(&protection().kek.unwrap(), id, &root(id.algorithm));
    assert_eq!(sealed.len(), key_file::ENVELOPE_LEN);
    key_file::emit(id, &Form::Envelope(&sealed))
}

fn block(id: &KeyId) -> String {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let kbpk = protection().kbpk.unwrap();
    key_block::write(id, &root(Algorithm::Aes128), &kbpk, &mut rng).unwrap()
}

fn clear(id: &KeyId, digits: &str) -> String {
    format!(
        "[[root]]\nzone = 0x{}\nnumber = {}\nversion = 0x{}\nalgorithm = \"{}\"\nclear = \"{digits}\"\n",
        id.zone, id.number.0, id.version, id.algorithm
    )
}

fn sealed_wallet(key_type: WalletKeyType) -> String {
    let sealed = key_file::seal_wallet(&protection().kek.unwrap(), key_type, &SECRET);
    assert_eq!(sealed.len(), key_file::ENVELOPE_LEN);
    key_file::emit_wallet(key_type, &sealed)
}

fn clear_wallet(key_type: WalletKeyType, digits: &str) -> String {
    format!("[[wallet-root]]\ntype = {}\nclear = \"{digits}\"\n", key_type.code())
}

fn test_wallet_root(key_type: WalletKeyType) -> String {
    clear_wallet(key_type, &hex::encode(WalletRoots::test().expose(key_type).unwrap()))
}

fn test_root(id: &KeyId) -> String {
    let root = test_keys::root(id);
    clear(id, &root.expose().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.toml");
    secret::write_new(&path, text.as_bytes()).unwrap();
    (folder, path)
}

fn open_with(text: &str, protection: &Protection) -> Result<KeyFile, KeyFileError> {
    let (_folder, path) = file(text);
    key_file::open(&path, protection)
}

fn open(text: &str) -> Result<KeyFile, KeyFileError> {
    open_with(text, &protection())
}

/// Line and problem of a file that does not open. The error shows no part of a key.
fn problem(text: &str) -> (usize, Problem) {
    let error = open(text).unwrap_err();
    let shown = format!("{error} {error:?}").to_uppercase();
    for part in DIGITS.as_bytes().windows(4) {
        assert!(!shown.contains(str::from_utf8(part).unwrap()), "{shown}");
    }
    match error {
        KeyFileError::Content { file, line, problem } => {
            assert!(file.ends_with("roots.toml"));
            (line, problem)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn all_forms_give_the_root() {
    let text = format!(
        "# roots\n{}\n{}{}",
        envelope(&SM4),
        key_file::emit(&READ, &Form::KeyBlock(&block(&READ))),
        envelope(&TRANSFER)
    );
    let KeyFile { roots, wallet } = open(&text).unwrap();
    assert!(wallet.is_empty());
    assert_eq!(roots.custody(), Custody::Host);
    assert!(roots.ids().eq(&[READ, SM4, TRANSFER]));
    for id in roots.ids() {
        let expected = root(id.algorithm);
        assert_eq!(roots.kcv(id), Ok(expected.kcv()));
        let key = roots.card_key(id, Path::City, CARD).unwrap();
        assert!(key == Path::City.derive(&expected, id, CARD));
        assert_eq!(roots.is_test_key(id), Ok(false));
    }
    let missing = KeyId { number: KeyNumber::STATUS, ..READ };
    assert_eq!(roots.kcv(&missing), Err(ProviderError::NoRoot(missing)));
}

#[test]
fn a_key_block_alone_is_a_key_file() {
    let roots = open(&format!("{}\n", block(&READ))).unwrap().roots;
    assert!(roots.ids().eq(&[READ]));
    assert_eq!(roots.kcv(&READ), Ok(root(Algorithm::Aes128).kcv()));
    let cut = block(&READ).replacen("xjk", "xjl", 1);
    assert!(matches!(problem(&cut), (1, Problem::Block(BlockError::Block(_)))));
}

#[test]
fn test_roots_may_stand_in_clear_and_are_known_in_any_form() {
    let sealed = key_file::seal(&protection().kek.unwrap(), &TRANSFER, &test_keys::root(&TRANSFER));
    let sealed = key_file::emit(&TRANSFER, &Form::Envelope(&sealed));
    let text = format!("{}{}{sealed}", test_root(&READ), test_root(&SM4));
    let roots = open(&text).unwrap().roots;
    for id in [READ, SM4, TRANSFER] {
        assert_eq!(roots.is_test_key(&id), Ok(true));
        assert_eq!(roots.kcv(&id), TestRoots.kcv(&id));
    }
}

#[test]
fn any_other_root_in_clear_is_refused_for_safety() {
    let text = format!("{}\n{}", test_root(&READ), clear(&TRANSFER, DIGITS));
    assert_eq!(problem(&text), (13, Problem::ClearRoot(TRANSFER.into())));
    assert!(open(&text).unwrap_err().is_refusal());
    // The test root of one key is no test root of another.
    let moved = test_root(&READ).replace("number = 1", "number = 4");
    assert_eq!(problem(&moved), (6, Problem::ClearRoot(TRANSFER.into())));
}

#[test]
fn an_envelope_opens_for_its_key_alone() {
    let text = envelope(&READ);
    for (from, to) in [
        ("DF01", "DF11"),
        ("number = 0x01", "number = 0x02"),
        ("version = 0x01", "version = 0x02"),
        ("\"aes\"", "\"sm4\""),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        assert_eq!(problem(&other), (6, Problem::Envelope), "{to}");
    }
    let kek = Some(Key::new(Algorithm::Aes128, *b"some other key.."));
    assert!(open_with(&text, &Protection { kek, kbpk: None }).is_err());
}

#[test]
fn a_block_is_the_root_of_its_key_alone() {
    let moved = key_file::emit(&TRANSFER, &Form::KeyBlock(&block(&READ)));
    assert_eq!(problem(&moved), (6, Problem::OtherName(READ)));
    // Authentic, but for something else.
    let key = KeyMaterial::new(KeyKind::Aes128, &SECRET).unwrap();
    let kbpk = protection().kbpk.unwrap();
    let mut rng = ChaCha12Rng::seed_from_u64(2);
    let mut wrap = |header: &Header| keyblock::write(header, &key, &kbpk, &mut rng).unwrap();
    let mac = Header::new(Usage::Cmac, KeyAlgorithm::Aes, ModeOfUse::Mac);
    assert!(matches!(problem(&wrap(&mac)), (1, Problem::Block(BlockError::Unexpected(_)))));
    let unnamed = Header { optional: Vec::new(), ..key_block::header(&READ) };
    assert_eq!(problem(&wrap(&unnamed)), (1, Problem::Block(BlockError::NoName)));
    let sm4 = wrap(&key_block::header(&SM4));
    assert_eq!(problem(&sm4), (1, Problem::Block(BlockError::Algorithm(SM4))));
}

#[test]
fn what_opens_an_entry_has_to_be_given() {
    let none = Protection::default();
    for (text, field) in [
        (envelope(&READ), "envelope"),
        (key_file::emit(&READ, &Form::KeyBlock(&block(&READ))), "key-block"),
        (block(&READ), "key-block"),
    ] {
        let error = open_with(&text, &none).unwrap_err();
        let KeyFileError::Content { problem: Problem::NoKey { field: named, .. }, .. } = error
        else {
            panic!("{error}");
        };
        assert_eq!(named, field);
    }
}

#[test]
fn wrong_fields_are_named_with_their_line() {
    let text = test_root(&READ);
    let changed = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        problem(&changed)
    };
    let field = |problem: &Problem| match problem {
        Problem::Field { field, .. } | Problem::Missing(field) => *field,
        other => panic!("{other}"),
    };
    for (from, to, line, name) in [
        ("zone = 0xDF01\n", "", 1, "zone"),
        ("0xDF01", "0x1DF01", 2, "zone"),
        ("0xDF01", "\"DF01\"", 2, "zone"),
        ("0xDF01", "-1", 2, "zone"),
        ("0xDF01", "1.0", 2, "zone"),
        ("number = 1", "number = 256", 3, "number"),
        ("version = 0x01", "version = 0x00", 4, "version"),
        ("version = 0x01", "version = 0xFF", 4, "version"),
        ("\"aes\"", "\"tdes\"", 5, "algorithm"),
        ("\"aes\"", "1", 5, "algorithm"),
        ("clear = \"", "clear = \"0", 6, "clear"),
        ("clear = \"", "clear = \"\\u0030", 6, "clear"),
        ("clear = \"", "envelope = \"", 6, "envelope"),
        ("clear = \"", "key-block = \"", 6, "key-block"),
    ] {
        let (at, problem) = changed(from, to);
        assert_eq!((at, field(&problem)), (line, name), "{to}");
    }
    assert!(matches!(changed("clear", "key"), (6, Problem::UnknownField(_))));
    let misnamed = changed("clear = ", &format!("x{DIGITS} = "));
    assert!(matches!(misnamed, (6, Problem::UnknownField(_))));
    let misplaced = clear(&READ, DIGITS).replace("clear", "key-block");
    assert_eq!(field(&problem(&misplaced).1), "key-block");
    let twice = format!("{text}envelope = \"00\"\n");
    assert!(matches!(problem(&twice), (1, Problem::Forms(_))));
    let none = problem(text.split("clear").next().unwrap());
    assert!(matches!(none, (1, Problem::Forms(_))));
    assert_eq!(none.1.to_string(), "expected exactly one of envelope, key-block, clear");
    let double = problem(&format!("{text}\n{text}"));
    assert_eq!(double, (8, Problem::Root(InvalidRoot::Twice(READ))));
}

#[test]
fn what_is_no_key_file_is_named() {
    for text in [
        "",
        "# nothing\n",
        "root = 1\n",
        "[root]\n",
        "other = []\n",
        "root = [1]\n",
        "[wallet-root]\n",
        "wallet-root = [1]\n",
    ] {
        assert_eq!(problem(text), (1, Problem::NoRoots), "{text:?}");
    }
    let text = format!("{}\nother = 1\n", test_root(&READ));
    assert!(matches!(problem(&text), (8, Problem::UnknownField(_))));
    for garbage in [DIGITS.to_lowercase(), format!("x = {DIGITS}"), format!("{DIGITS}\n")] {
        let (line, problem) = problem(&garbage);
        assert_eq!(line, 1);
        assert!(matches!(problem, Problem::NotToml(_)), "{problem}");
    }
    let (_folder, path) = file("");
    fs::write(&path, b"# \n\xFF").unwrap();
    let error = key_file::open(&path, &protection()).unwrap_err();
    assert!(matches!(error, KeyFileError::Content { line: 2, problem: Problem::NotUtf8, .. }));
}

#[test]
fn a_file_that_others_can_read_is_refused_for_safety() {
    let (_folder, path) = file(&test_root(&READ));
    assert!(key_file::open(&path, &protection()).is_ok());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = key_file::open(&path, &protection()).unwrap_err();
    assert!(error.is_refusal());
    let shown = error.to_string();
    assert!(shown.ends_with("has mode 0640, expected 0600: nobody else may have a right to it"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is sealed for a type comes back for that type, whatever else the file holds.
    #[test]
    fn wallet_roots_come_back(
        roots in prop::collection::btree_map(0_usize..12, any::<[u8; 16]>(), 1..12),
        with_root: bool,
    ) {
        let types: Vec<_> = WalletKeyType::all().collect();
        let mut expected = WalletRoots::new();
        let mut text = if with_root { envelope(&READ) } else { String::new() };
        for (at, root) in &roots {
            prop_assume!(expected.add(types[*at], root).is_ok());
            let sealed = key_file::seal_wallet(&protection().kek.unwrap(), types[*at], root);
            text.push_str(&key_file::emit_wallet(types[*at], &sealed));
        }
        let KeyFile { roots, wallet } = open(&text).unwrap();
        prop_assert!(wallet.types().eq(expected.types()));
        for key_type in wallet.types() {
            prop_assert_eq!(wallet.expose(key_type), expected.expose(key_type));
            prop_assert_eq!(wallet.is_test_key(key_type), Ok(false));
        }
        prop_assert_eq!(roots.ids().count(), usize::from(with_root));
    }
}

#[test]
fn a_file_may_hold_roots_of_either_kind_or_of_both() {
    let text = format!("{}\n{}{}", sealed_wallet(LOAD), envelope(&READ), sealed_wallet(PURCHASE));
    let KeyFile { roots, wallet } = open(&text).unwrap();
    assert!(roots.ids().eq(&[READ]));
    assert!(wallet.types().eq([PURCHASE, LOAD]));
    let KeyFile { roots, wallet } = open(&sealed_wallet(LOAD)).unwrap();
    assert_eq!(roots.ids().count(), 0);
    assert_eq!(wallet.kcv(PURCHASE), Err(NoWalletRoot(PURCHASE)));
    assert_eq!(wallet.expose(LOAD), Ok(&SECRET));
}

#[test]
fn published_wallet_roots_alone_may_stand_in_clear() {
    let wallet = open(&test_wallet_root(PURCHASE)).unwrap().wallet;
    assert_eq!(wallet.is_test_key(PURCHASE), Ok(true));
    let text = format!("{}\n{}", test_wallet_root(PURCHASE), clear_wallet(LOAD, DIGITS));
    assert_eq!(problem(&text), (7, Problem::ClearRoot(LOAD.into())));
    assert!(open(&text).unwrap_err().is_refusal());
    // The test root of one type is none of another.
    let moved = test_wallet_root(PURCHASE).replace("62", "63");
    assert_eq!(problem(&moved), (3, Problem::ClearRoot(LOAD.into())));
}

#[test]
fn the_envelope_of_a_wallet_root_opens_for_its_type_alone() {
    let text = sealed_wallet(PURCHASE);
    let other = text.replace("0x3E", "0x3F");
    assert_ne!(other, text);
    assert_eq!(problem(&other), (3, Problem::Envelope));
    let envelope_of = |text: &str| text.lines().last().unwrap().to_owned();
    // Nor does that of one kind of table open in the other.
    let of_root = envelope_of(&envelope(&READ));
    let swapped = text.replace(&envelope_of(&text), &of_root);
    assert_eq!(problem(&swapped), (3, Problem::Envelope));
    let swapped = envelope(&READ).replace(&of_root, &envelope_of(&text));
    assert_eq!(problem(&swapped), (6, Problem::Envelope));
    let error = open_with(&text, &Protection::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(":3: field envelope needs a key-encryption key, which is not given")
    );
}

#[test]
fn wrong_fields_of_wallet_roots_are_named_with_their_line() {
    let text = test_wallet_root(PURCHASE);
    let changed = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let (line, problem) = problem(&changed);
        (line, problem.to_string())
    };
    let of_type = "field type: expected an FMCOS type of wallet keys, 0x30 to 0x3F";
    for (from, to, line, message) in [
        ("type = 62\n", "", 1, "field type is missing"),
        ("62", "0x33", 2, of_type),
        ("62", "256", 2, of_type),
        ("62", "\"3E\"", 2, of_type),
        ("62", "-1", 2, of_type),
        ("clear = \"", "clear = \"0", 3, "field clear: expected 32 hexadecimal digits"),
        ("clear = \"", "envelope = \"", 3, "field envelope: expected 96 hexadecimal digits"),
        ("clear", "key-block", 3, "unknown field, expected one of type, envelope, clear"),
        ("type", "zone", 2, "unknown field, expected one of type, envelope, clear"),
        ("clear", "envelope = \"\"\nclear", 1, "expected exactly one of envelope, clear"),
    ] {
        assert_eq!(changed(from, to), (line, message.to_owned()), "{to}");
    }
    let twice = problem(&format!("{text}\n{text}"));
    assert_eq!(twice, (5, Problem::WalletRoot(InvalidWalletRoot::Twice(PURCHASE))));
    let weak = key_file::seal_wallet(&protection().kek.unwrap(), LOAD, &[0xFE; 16]);
    let weak = problem(&key_file::emit_wallet(LOAD, &weak));
    assert!(matches!(weak, (1, Problem::WalletRoot(InvalidWalletRoot::Weak { .. }))));
}

#[test]
fn weak_roots_and_weak_keys_above_them_are_refused() {
    let refused = |text: &str, protection: &Protection| {
        let error = open_with(text, protection).unwrap_err();
        assert!(error.is_refusal(), "{error}");
        error.to_string()
    };
    let constant = Key::new(Algorithm::Sm4, [0xFF; 16]);
    let kek = protection().kek.unwrap();
    let text = key_file::emit(&SM4, &Form::Envelope(&key_file::seal(&kek, &SM4, &constant)));
    let message = refused(&text, &protection());
    assert!(message.contains("DF01") && message.contains("weak: its bytes repeat"), "{message}");

    let weak = Protection { kek: Some(Key::new(Algorithm::Aes128, [0; 16])), kbpk: None };
    let message = refused(&envelope(&READ), &weak);
    assert!(message.contains("field envelope, the key that opens it"), "{message}");
    let kbpk = ProtectionKey::new(KeyMaterial::new(KeyKind::Aes256, &[0x5C; 32]).unwrap());
    let weak = Protection { kek: None, kbpk: Some(kbpk.unwrap()) };
    let text = key_file::emit(&READ, &Form::KeyBlock(&block(&READ)));
    let message = refused(&text, &weak);
    assert!(message.contains("field key-block, the key that opens it"), "{message}");
}

#[test]
fn names_are_told_without_any_key() {
    let text = format!("{}{}{}", envelope(&READ), clear(&SM4, DIGITS), sealed_wallet(LOAD));
    let claims = key_file::inspect("k".as_ref(), &text).unwrap();
    let claim = |name: RootName, form| Claim { name, form };
    let expected = [
        claim(READ.into(), "envelope"),
        claim(SM4.into(), "clear"),
        claim(LOAD.into(), "envelope"),
    ];
    assert_eq!(claims, expected);
    let error = key_file::inspect("k".as_ref(), &text.replace("0x3F", "0x40")).unwrap_err();
    assert!(error.to_string().starts_with("k:14: field type"), "{error}");
}
