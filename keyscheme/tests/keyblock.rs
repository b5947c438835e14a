//! Key blocks: what is written can be read, what was touched cannot, and nothing but the wanted key
//! comes out.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]
#![allow(clippy::cast_possible_truncation, reason = "test code")]

mod rng;

use proptest::prelude::*;
use rng::TestRng;
use xuejika_keyscheme::key::Root;
use xuejika_keyscheme::keyblock::rand_core::Rng;
use xuejika_keyscheme::keyblock::{
    BlockVersion, Derivation, Exportability, Field, FormatError, Header, ImportedKey, KeyAlgorithm,
    KeyBlock, KeyContext, KeyKind, KeyMaterial, ModeOfUse, OptionalBlock, ProtectionKey, ReadError,
    Reader, Unexpected, Usage, VersionNumber, WriteError, write,
};
use xuejika_keyscheme::weak::WeakKey;
use xuejika_keyscheme::{Algorithm, Key};

const AES: [KeyKind; 3] = [KeyKind::Aes128, KeyKind::Aes192, KeyKind::Aes256];
const TDES: [KeyKind; 2] = [KeyKind::Tdes2, KeyKind::Tdes3];

/// Published blocks with their protection keys: ANSI TR-31:2018 A.7.2.2, A.7.3.1 and A.7.4, and one
/// with KC and KP from the manual of openemv/tr31.
const PUBLISHED: [(&str, &str); 4] = [
    (
        "dd7515f2bfc17f85ce48f3ca25cb21f6",
        "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E",
    ),
    (
        "b8ed59e0a279a295e9f5ed7944fd06b9",
        "C0096B0TX12S0100KS1800604B120F9292800000BFB9B689CB567E66FC3FEE5AD5F52161FC6545B9D6098901\
         5D02155C",
    ),
    (
        "88e1ab2a2e3dd38c1fa039a536500cc8a87ab9d62dc92c01058fa79f44657de6",
        "D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA\
         05F7425509593D03A457DC34",
    ),
    (
        "ab2e09db3ef0ba71e0ce6cd755c23a3b",
        "B0128B1TX00N0300KS18FFFF00A0200001E00000KC0C000169E3KP0C00ECAD626F9F1A826814AA066D86C8C1\
         8BD0E14033E1EBEC75BEDF586E6E325F3AA8C0E5",
    ),
];

fn published(index: usize) -> (ProtectionKey, &'static str) {
    let (key, text) = PUBLISHED[index];
    let bytes = hex::decode(key).unwrap();
    let kind = if text.starts_with('D') { KeyKind::Aes256 } else { KeyKind::Tdes2 };
    (protection(KeyMaterial::new(kind, &bytes).unwrap()), text)
}

fn protection(material: KeyMaterial) -> ProtectionKey {
    ProtectionKey::new(material).unwrap()
}

fn random(kind: KeyKind, seed: u64) -> KeyMaterial {
    let mut bytes = vec![0; kind.len()];
    TestRng(seed).fill_bytes(&mut bytes);
    KeyMaterial::new(kind, &bytes).unwrap()
}

fn algorithm(kind: KeyKind) -> KeyAlgorithm {
    if kind.has_parity() { KeyAlgorithm::Tdes } else { KeyAlgorithm::Aes }
}

fn root_header(kind: KeyKind) -> Header {
    Header::new(Usage::Derivation, algorithm(kind), ModeOfUse::Derive)
}

fn everything() -> Reader {
    Reader::new().allow_variant_versions().allow_single_des()
}

fn take(block: KeyBlock) -> ImportedKey {
    let (usage, mode, kind) = (block.header().usage, block.header().mode, block.kind());
    block.into_key(usage, mode, kind).unwrap()
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

fn derivations() -> impl Strategy<Value = Vec<Derivation>> {
    let one = (
        one_of(Usage::ALL),
        one_of(KeyAlgorithm::ALL),
        one_of(ModeOfUse::ALL),
        one_of(Exportability::ALL),
    );
    let one = one.prop_map(|(usage, algorithm, mode, exportability)| Derivation {
        usage,
        algorithm,
        mode,
        exportability,
    });
    prop::collection::vec(one, 0..60)
}

fn optional() -> impl Strategy<Value = Vec<OptionalBlock>> {
    let others = prop::sample::subsequence(vec!["KS", "LB", "TS", "WP", "00", "z9"], 0..=6);
    (others.prop_shuffle(), prop::collection::vec("[ -~]{0,40}|[ -~]{240,270}", 6)).prop_map(
        |(ids, data)| {
            let blocks = ids.into_iter().zip(data);
            blocks.map(|(id, data)| OptionalBlock { id: id.into(), data }).collect()
        },
    )
}

prop_compose! {
    fn header()(
        usage in one_of(Usage::ALL),
        mode in one_of(ModeOfUse::ALL),
        number in "[0-9A-Zabd-z][0-9A-Za-z]",
        exportability in one_of(Exportability::ALL),
        context in one_of(KeyContext::ALL),
        derivations in derivations(),
        optional in optional(),
    ) -> Header {
        let number = VersionNumber::new(&number).unwrap();
        let algorithm = KeyAlgorithm::Aes;
        Header { usage, algorithm, mode, number, exportability, context, derivations, optional }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        header in header(),
        key in one_of(&[KeyKind::Tdes2, KeyKind::Tdes3, KeyKind::Aes128, KeyKind::Aes192, KeyKind::Aes256]),
        kbpk in one_of(&[KeyKind::Tdes2, KeyKind::Tdes3, KeyKind::Aes128, KeyKind::Aes192, KeyKind::Aes256]),
        seed: u64,
    ) {
        let header = Header { algorithm: algorithm(key), ..header };
        let (key, kbpk) = (random(key, seed), protection(random(kbpk, !seed)));
        let strength = |kind| [KeyKind::Tdes2, KeyKind::Tdes3, AES[0], AES[1], AES[2]]
            .iter().position(|other| *other == kind);
        match write(&header, &key, &kbpk, &mut TestRng(seed)) {
            Err(WriteError::Strength { .. }) => {
                prop_assert!(strength(key.kind()) > strength(kbpk.material().kind()));
            }
            Err(other) => prop_assert!(false, "{}", other),
            Ok(text) => {
                let block = Reader::new().read(&text, &kbpk).unwrap();
                prop_assert_eq!(block.header(), &header);
                prop_assert_eq!(block.version(), kbpk.version());
                prop_assert!(text[16..].starts_with("KC"));
                prop_assert!(text.contains("KP"));
                let imported = take(block);
                prop_assert_eq!(imported.header().exportability, Exportability::NonExportable);
                prop_assert_eq!(imported.material(), &key);
                let again = write(&header, &key, &kbpk, &mut TestRng(seed ^ 1)).unwrap();
                prop_assert_ne!(again, text, "random padding");
            }
        }
    }

    #[test]
    fn no_text_stops_the_reader(text in "[ABCD][0-9]{4}[A-Z][0-9][AT][A-Z]00[ENS]0[0-3]00(KC|KP|DA|PB|KS)?[0-9A-F]{0,120}", fix: bool) {
        let text = if fix { format!("{}{:04}{}", &text[..1], text.len(), &text[5..]) } else { text };
        for kind in [KeyKind::Tdes2, KeyKind::Aes128] {
            prop_assert!(everything().read(&text, &protection(random(kind, 1))).is_err());
        }
    }

    #[test]
    fn no_characters_stop_the_reader(text in any::<String>()) {
        prop_assert!(everything().read(&text, &protection(random(KeyKind::Aes128, 1))).is_err());
    }
}

#[test]
fn all_keys_of_an_algorithm_look_equally_long() {
    for kinds in [&AES[..], &TDES[..]] {
        for kbpk in [KeyKind::Aes256, KeyKind::Tdes3] {
            let lengths = kinds.iter().filter_map(|kind| {
                let key = random(*kind, 5);
                let kbpk = protection(random(kbpk, 6));
                Some(write(&root_header(*kind), &key, &kbpk, &mut TestRng(7)).ok()?.len())
            });
            let lengths: Vec<_> = lengths.collect();
            assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]), "{lengths:?}");
        }
    }
}

/// The text with one character replaced.
fn replaced(text: &str, at: usize, by: char) -> String {
    text.chars().enumerate().map(|(index, c)| if index == at { by } else { c }).collect()
}

fn blocks() -> Vec<(ProtectionKey, String)> {
    let mut blocks: Vec<_> =
        (0..4).map(published).map(|(key, text)| (key, text.to_string())).collect();
    for kind in [KeyKind::Tdes3, KeyKind::Aes128] {
        let (key, kbpk) = (random(kind, 1), protection(random(kind, 2)));
        let mut header = root_header(kind);
        header.optional = vec![OptionalBlock { id: "LB".into(), data: "root 1".into() }];
        let text = write(&header, &key, &kbpk, &mut TestRng(3)).unwrap();
        blocks.push((kbpk, text));
    }
    blocks
}

#[test]
fn every_changed_bit_and_character_is_refused() {
    for (key, text) in blocks() {
        assert!(everything().read(&text, &key).is_ok(), "{text}");
        for (at, byte) in text.bytes().enumerate() {
            let flips = (0..8).map(|bit| char::from(byte ^ (1 << bit)));
            for by in flips.chain(['0', 'A', 'F', 'a', ' ', 'c']) {
                let changed = replaced(&text, at, by);
                assert!(changed == text || everything().read(&changed, &key).is_err(), "{changed}");
            }
        }
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    for (key, text) in blocks() {
        for length in 0..text.len() {
            let cut = &text[..length];
            assert!(everything().read(cut, &key).is_err(), "{cut}");
            if let Some(rest) = cut.get(5..) {
                // Even when the length field is put right.
                let fixed = format!("{}{length:04}{rest}", &cut[..1]);
                assert!(everything().read(&fixed, &key).is_err(), "{fixed}");
            }
        }
        for more in ["0", "00", "0000000000000000", "\0"] {
            assert!(everything().read(&format!("{text}{more}"), &key).is_err());
        }
    }
}

#[test]
fn another_protection_key_is_refused() {
    let (_, text) = published(2);
    let other = protection(random(KeyKind::Aes256, 1));
    assert_eq!(Reader::new().read(text, &other), Err(ReadError::Authenticator));
    let (tdes, _) = published(0);
    let (version, protection) = (BlockVersion::D, KeyKind::Tdes2);
    let error = ReadError::ProtectionKey { version, protection };
    assert_eq!(Reader::new().read(text, &tdes), Err(error));
}

#[test]
fn old_forms_have_to_be_allowed() {
    let (key, text) = published(1);
    let error = ReadError::VariantVersion(BlockVersion::C);
    assert_eq!(Reader::new().read(text, &key), Err(error));
    assert!(Reader::new().allow_variant_versions().read(text, &key).is_ok());

    // A single DES key under T, from the tests of psec 1.3.0.
    let text = "B0096M3TC00E0000B6CD513680EF255FC0DC590726FD0129A7CF6602E7F271631AB4EE7350642F11181A\
                F4CC12F12FD9";
    let bytes = [[0xAA; 8], [0xBB; 8]].concat();
    let key = protection(KeyMaterial::new(KeyKind::Tdes2, &bytes).unwrap());
    assert_eq!(Reader::new().read(text, &key), Err(ReadError::SingleDes));
    let block = Reader::new().allow_single_des().read(text, &key).unwrap();
    assert_eq!(block.kind(), KeyKind::Des);
    let error = Unexpected::Kind { actual: KeyKind::Des, expected: KeyKind::Tdes2 };
    let refused = block.into_key(Usage::RetailMac, ModeOfUse::Mac, KeyKind::Tdes2);
    assert_eq!(refused, Err(error));
}

#[test]
fn published_check_values_are_read_and_written() {
    let (kbpk, text) = published(3);
    let imported = take(Reader::new().read(text, &kbpk).unwrap());
    assert_eq!(imported.material().kcv().to_string(), "zero-block:0169e3");
    let again = write(imported.header(), imported.material(), &kbpk, &mut TestRng(1)).unwrap();
    assert_eq!(&again[16..40], "KC0C000169E3KP0C00ECAD62");

    // The same key under AES, as openemv/tr31 writes it.
    let (aes, _) = published(2);
    let (tdes, text) = published(0);
    let imported = take(Reader::new().read(text, &tdes).unwrap());
    let again = write(imported.header(), imported.material(), &aes, &mut TestRng(1)).unwrap();
    assert_eq!(&again[12..48], "0300KC0C0057C409KP10012331550BC9PB04");
}

#[test]
fn only_the_wanted_key_comes_out() {
    let (key, text) = published(2);
    let read = || Reader::new().read(text, &key).unwrap();
    let (usage, mode, kind) = (Usage::PinEncryption, ModeOfUse::Encrypt, KeyKind::Aes128);
    assert_eq!(
        read().into_key(Usage::Derivation, mode, kind).unwrap_err().to_string(),
        "key usage is P0, expected B3"
    );
    assert_eq!(
        read().into_key(usage, ModeOfUse::Both, kind).unwrap_err().to_string(),
        "mode of use is E, expected B"
    );
    assert_eq!(
        read().into_key(usage, mode, KeyKind::Aes256).unwrap_err().to_string(),
        "key is of AES-128, expected AES-256"
    );
    assert_eq!(read().header().exportability, Exportability::Trusted);
    let imported = read().into_key(usage, mode, kind).unwrap();
    assert_eq!(imported.header().exportability, Exportability::NonExportable);

    let mut header = root_header(kind);
    header.number = VersionNumber::new("c2").unwrap();
    let text = write(&header, imported.material(), &key, &mut TestRng(1)).unwrap();
    let block = Reader::new().read(&text, &key).unwrap();
    let refused = block.into_key(Usage::Derivation, ModeOfUse::Derive, kind);
    assert_eq!(refused, Err(Unexpected::Component('2')));
}

#[test]
fn unknown_header_values_are_named() {
    let (key, text) = published(2);
    for (at, by, message) in [
        (0, "E", "key block version \"E\" is not supported"),
        (1, "X112", "key block length \"X112\" is not supported"),
        (1, "+112", "key block length \"+112\" is not supported"),
        (1, "0128", "key block length is stated as 128, but 112 characters are there"),
        (5, "S0", "key usage \"S0\" is not supported"),
        (7, "R", "key algorithm \"R\" is not supported"),
        (8, "S", "mode of use \"S\" is not supported"),
        (9, "0-", "key version \"0-\" is not supported"),
        (11, "X", "exportability \"X\" is not supported"),
        (12, "0A", "number of optional blocks \"0A\" is not supported"),
        (14, "3", "key context \"3\" is not supported"),
        (15, "1", "reserved character \"1\" is not supported"),
        (16, "b", "encrypted key is not upper-case hex"),
        (111, "g", "authenticator is not upper-case hex"),
        (20, "\t", "character 20 is not printable ASCII"),
    ] {
        let changed = format!("{}{by}{}", &text[..at], &text[at + by.len()..]);
        assert_eq!(Reader::new().read(&changed, &key).unwrap_err().to_string(), message);
    }
}

#[test]
fn optional_blocks_keep_their_form() {
    let (key, text) = published(2);
    for (count, blocks, message) in [
        ("01", "LBFF", "optional blocks is cut off"),
        ("01", "L-10", "optional block \"L-\": expected an identifier of two letters or digits"),
        ("01", "LB0g", "optional block \"LB\": expected a length in hex"),
        ("01", "LB03", "optional block \"LB\": expected a length that counts its own head"),
        ("01", "LB0002", "optional block \"LB\": expected a long length of 4 digits"),
        ("01", "LB08root", "optional blocks has 8 characters, expected a multiple of 16"),
        ("02", "LB08rootLB081234", "optional block \"LB\": expected to stand there once"),
        ("02", "PB08rootLB081234", "optional block \"PB\": expected to be the last one"),
        ("01", "KC1002D77F007724", "optional block \"KC\": expected method 00 or 01"),
        ("01", "KC1001d77f007724", "optional block \"KC\": expected upper-case hex"),
        (
            "01",
            "KP1000D77F007724",
            "optional block \"KP\": expected 2 to 3 bytes by method 00, 2 to 5 bytes by method 01",
        ),
        ("01", "DA1002B3AXNB3AXN", "optional block \"DA\": expected layout version 01"),
        ("01", "DA0F01B3AXNB3AX", "optional block \"DA\": expected entries of 5 characters"),
        ("01", "DA0601", "optional block \"DA\": expected entries of 5 characters"),
        ("01", "DA1001B3AXNS0AXN", "key usage \"S0\" is not supported"),
    ] {
        let total = text.len() + blocks.len();
        let changed = format!("D{total:04}{}{count}00{blocks}{}", &text[5..12], &text[16..]);
        let error = Reader::new().read(&changed, &key).unwrap_err().to_string();
        assert_eq!(error, message, "{changed}");
    }
}

#[test]
fn the_readers_and_writers_own_blocks_are_no_opaque_ones() {
    let (kbpk, _) = published(2);
    for id in ["KC", "KP", "DA", "PB"] {
        let mut header = root_header(KeyKind::Aes128);
        header.optional = vec![OptionalBlock { id: id.into(), data: "01D77F007724".into() }];
        let error = FormatError::Optional { id: id.into(), expected: "to be left to the writer" };
        let refused = write(&header, &random(KeyKind::Aes128, 1), &kbpk, &mut TestRng(1));
        assert_eq!(refused, Err(error.into()));
    }
}

#[test]
fn the_writer_refuses_what_no_block_can_hold() {
    let aes = protection(random(KeyKind::Aes256, 1));
    let tdes = protection(random(KeyKind::Tdes2, 1));
    let try_write = |header: &Header, kind, kbpk: &ProtectionKey| {
        write(header, &random(kind, 2), kbpk, &mut TestRng(3)).unwrap_err()
    };
    let header = root_header(KeyKind::Aes128);
    let sm4 = KeyMaterial::from(&Key::<Root>::new(Algorithm::Sm4, [7; 16]));
    let refused = write(&header, &sm4, &aes, &mut TestRng(1)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "SM4 has no key algorithm letter in key blocks: seal the key with keyscheme::unlock"
    );
    assert_eq!(try_write(&header, KeyKind::Des, &aes), WriteError::SingleDes);
    let mismatch = WriteError::Algorithm { header: KeyAlgorithm::Aes, key: KeyKind::Tdes2 };
    assert_eq!(try_write(&header, KeyKind::Tdes2, &aes), mismatch);
    let stronger = WriteError::Strength { key: KeyKind::Aes128, protection: KeyKind::Tdes2 };
    assert_eq!(try_write(&header, KeyKind::Aes128, &tdes), stronger);

    for (kind, bytes) in
        [(KeyKind::Aes128, [0; 16]), (KeyKind::Aes128, [0x45; 16]), (KeyKind::Tdes2, [0x45; 16])]
    {
        let weak = protection(KeyMaterial::new(kind, &bytes).unwrap());
        let refused = try_write(&root_header(kind), kind, &weak);
        assert_eq!(refused, WriteError::WeakProtectionKey(WeakKey(kind)));
    }
    for kind in [KeyKind::Sm4, KeyKind::Des] {
        assert!(ProtectionKey::new(random(kind, 1)).is_err());
    }

    let long = |length| Header {
        optional: vec![OptionalBlock { id: "LB".into(), data: "x".repeat(length) }],
        ..header.clone()
    };
    // The length field ends at 9999; header, KC, KP, key and MAC leave 9808 characters.
    assert_eq!(try_write(&long(9799), AES[0], &aes), WriteError::TooLong(10_000));
    assert!(matches!(try_write(&long(99_000), AES[0], &aes), WriteError::TooLong(_)));
    let longest = write(&long(9798), &random(AES[0], 1), &aes, &mut TestRng(1)).unwrap();
    assert_eq!(&longest[..5], "D9984");
    assert!(Reader::new().read(&longest, &aes).is_ok());
    let many = |count: u8| Header {
        optional: (0..count)
            .map(|n| OptionalBlock {
                id: format!("{}{}", (b'a' + n / 10) as char, n % 10),
                data: String::new(),
            })
            .collect(),
        ..header.clone()
    };
    let (field, value) = (Field::OptionalCount, "102".into());
    assert_eq!(try_write(&many(100), AES[0], &aes), FormatError::Unknown { field, value }.into());
    // With KC, KP and the padding that an odd one asks for, 99 of them.
    let mut most = many(96);
    most.optional[0].data = "x".into();
    let text = write(&most, &random(AES[0], 1), &aes, &mut TestRng(1)).unwrap();
    assert_eq!(&text[12..14], "99");
    assert_eq!(Reader::new().read(&text, &aes).unwrap().header().optional.len(), 96);
    for (id, data, expected) in [
        ("L", "", "an identifier of two letters or digits"),
        ("L-", "", "an identifier of two letters or digits"),
        ("LB", "学籍卡", "printable ASCII"),
        ("LB", "\n", "printable ASCII"),
    ] {
        let header = Header {
            optional: vec![OptionalBlock { id: id.into(), data: data.into() }],
            ..header.clone()
        };
        let error = FormatError::Optional { id: id.into(), expected };
        assert_eq!(try_write(&header, AES[0], &aes), error.into());
    }
}

#[test]
fn keys_are_equal_by_kind_and_bytes() {
    let key = |kind, byte| KeyMaterial::new(kind, &[byte; 16]).unwrap();
    assert_eq!(key(KeyKind::Aes128, 1), key(KeyKind::Aes128, 1));
    assert_ne!(key(KeyKind::Aes128, 1), key(KeyKind::Aes128, 2));
    assert_ne!(key(KeyKind::Aes128, 1), key(KeyKind::Tdes2, 1));
}
