//! Both sides of every protocol agree, and nothing but the right code is accepted. The bytes
//! themselves are compared with published transcripts in `xuejika-vectors`.

use alloc::format;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::algorithm::{BLOCK_LEN, TdesEde2};
use crate::error::Mismatch;
use crate::{cbc, padding};
use cipher::KeyInit;

const TERMINAL: TerminalId = TerminalId([1, 2, 3, 4, 5, 6]);
const AT: Moment = Moment { date: [0x20, 0x07, 0x09, 0x01], time: [0x07, 0x30, 0x00] };

fn key<P: Purpose>(bytes: [u8; 16]) -> TdesKey<P> {
    TdesKey::import_reporting(bytes).0
}

/// The code over `input` is accepted, and with any one bit flipped it is not.
fn accepts_only_the_code<P: Purpose, M: Code>(key: &DesKey<P>, input: &Input<P, M>) {
    let code = key.code(input);
    assert_eq!(key.verify(input, code).unwrap().code().into(), code.into());
    for bit in 0..32 {
        let mut bytes: [u8; 4] = code.into();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(key.verify(input, M::from(bytes)).is_err());
    }
}

proptest! {
    #[test]
    fn every_code_of_every_transaction_is_the_only_one(
        bytes: [u8; 16], random: [u8; 4], sequence: u16, terminal_sequence: u32, fen: u32,
        limit: [u8; 3],
    ) {
        let (amount, balance) = (Fen(fen), Fen(!fen));
        let tac = key::<TacKey>(bytes).folded();

        for purse in [Purse::Passbook, Purse::Wallet] {
            let (load, key) = (Load { purse, amount, terminal: TERMINAL }, key::<LoadKey>(bytes));
            let session = key.session(random, sequence);
            accepts_only_the_code(&session, &load.mac1(balance));
            accepts_only_the_code(&session, &load.mac2(AT));
            accepts_only_the_code(&tac, &load.tac(balance, sequence, AT));
        }
        for kind in [
            PurchaseKind::Cash, PurchaseKind::Passbook, PurchaseKind::Wallet,
            PurchaseKind::Compound,
        ] {
            let purchase = Purchase { kind, amount, terminal: TERMINAL };
            let session = key::<PurchaseKey>(bytes).session(random, sequence, terminal_sequence);
            accepts_only_the_code(&session, &purchase.mac1(AT));
            accepts_only_the_code(&session, &purchase.mac1_with_auth_code(AT, [9; 9]));
            accepts_only_the_code(&session, &purchase.mac2());
            accepts_only_the_code(&tac, &purchase.tac(terminal_sequence, AT));
        }
        let unload = Unload { amount, terminal: TERMINAL };
        let session = key::<UnloadKey>(bytes).session(random, sequence);
        accepts_only_the_code(&session, &unload.mac1(balance));
        accepts_only_the_code(&session, &unload.mac2(AT));
        accepts_only_the_code(&session, &unload.mac3(balance, sequence, AT));

        let update = LimitUpdate { terminal: TERMINAL };
        let session = key::<LimitKey>(bytes).session(random, sequence);
        accepts_only_the_code(&session, &update.mac1(balance, limit));
        accepts_only_the_code(&session, &update.mac2(limit, AT));
        accepts_only_the_code(&tac, &update.tac(balance, sequence, limit, AT));
    }

    /// Another random number, sequence number or key gives another session key.
    #[test]
    fn session_keys_depend_on_everything(bytes: [u8; 16], random: [u8; 4], bit in 0_usize..64) {
        let flipped = |word: u64| {
            let [r1, r2, r3, r4, s1, s2, t1, t2] = word.to_be_bytes();
            let random = core::array::from_fn(|i| random[i] ^ [r1, r2, r3, r4][i]);
            let terminal = 0xABCD_0000 | u32::from(u16::from_be_bytes([t1, t2]));
            key::<PurchaseKey>(bytes).session(random, u16::from_be_bytes([s1, s2]), terminal)
        };
        prop_assert!(flipped(0) == flipped(0));
        prop_assert!(flipped(0) != flipped(1 << bit));
    }

    #[test]
    fn external_authentication_accepts_only_the_answer(
        bytes: [u8; 16], random: [u8; 8], bit in 0_usize..64,
    ) {
        let key = key::<ExternalAuthKey>(bytes);
        let mut answer = key.answer(&Challenge::from(random));
        prop_assert_eq!(key.verify(random.into(), &answer), Ok(()));
        prop_assert_eq!(key.verify(random.into(), &answer[..7]), Err(Mismatch));
        answer[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(key.verify(random.into(), &answer), Err(Mismatch));
    }

    #[test]
    fn internal_authentication_round_trips(bytes: [u8; 16], plain: Vec<u8>, bit in 0_usize..32) {
        let mut data = plain.clone();
        let whole = plain.len().is_multiple_of(8);
        prop_assert_eq!(key::<InternalEncryptKey>(bytes).encrypt(&mut data).is_ok(), whole);
        prop_assert_eq!(key::<InternalDecryptKey>(bytes).decrypt(&mut data).is_ok(), whole);
        prop_assert_eq!(&data, &plain);

        let key = key::<InternalMacKey>(bytes);
        let mut mac: [u8; 4] = key.mac(&data).into();
        prop_assert!(key.verify(&data, mac.into()).is_ok());
        mac[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(key.verify(&data, mac.into()).is_err());
    }

    #[test]
    fn line_protection_round_trips(
        bytes: [u8; 16], data in prop::collection::vec(any::<u8>(), 0..=255),
    ) {
        let key = key::<LineKey>(bytes);
        let cryptogram = key.encrypt_data(&data).unwrap();
        prop_assert_eq!(cryptogram.len(), (data.len() + 1).next_multiple_of(8));
        prop_assert_eq!(&**key.decrypt_data(&cryptogram).unwrap(), &data[..]);
    }

    /// Other systems pad a whole block more, or with anything.
    #[test]
    fn line_decryption_ignores_the_padding(
        bytes: [u8; 16],
        data in prop::collection::vec(any::<u8>(), 0..=255),
        behind: Vec<u8>,
    ) {
        let mut block = [&[u8::try_from(data.len()).unwrap()], &data[..], &behind].concat();
        padding::pad(&mut block, 8);
        ecb::encrypt(&TdesEde2::new(&bytes.into()), &mut block).unwrap();
        prop_assert_eq!(&**key::<LineKey>(bytes).decrypt_data(&block).unwrap(), &data[..]);
    }

    #[test]
    fn line_mac_is_bound_to_challenge_and_message(
        bytes: [u8; 16], random: [u8; 4], message in prop::collection::vec(any::<u8>(), 1..60),
        bit: prop::sample::Index, tag_bit in 0_usize..32,
    ) {
        let key = key::<LineKey>(bytes);
        let challenge = Challenge::from(random);
        let mac = key.line_mac(&challenge, &message);
        prop_assert!(key.verify_line(&challenge, &message, mac).is_ok());

        let mut other = random;
        let at = bit.index(32);
        other[at / 8] ^= 1 << (at % 8);
        prop_assert!(key.verify_line(&other.into(), &message, mac).is_err());

        let mut other = message.clone();
        let at = bit.index(8 * message.len());
        other[at / 8] ^= 1 << (at % 8);
        prop_assert!(key.verify_line(&challenge, &other, mac).is_err());

        let mut other: [u8; 4] = mac.into();
        other[tag_bit / 8] ^= 1 << (tag_bit % 8);
        prop_assert!(key.verify_line(&challenge, &message, other.into()).is_err());
    }

    #[test]
    fn pin_mac_is_under_the_folded_key(
        bytes: [u8; 16], pin in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let key = key::<PinReloadKey>(bytes);
        let folded: [u8; 8] = core::array::from_fn(|i| bytes[i] ^ bytes[i + 8]);
        let tag = DesMac::cbc(&folded).tag([0; 8], mac::Padding::Marker, &pin);
        prop_assert_eq!(&<[u8; 4]>::from(key.pin_mac(&pin)), &tag[..4]);
        prop_assert!(key.verify_pin(&pin, key.pin_mac(&pin)).is_ok());
        prop_assert!(key.verify_pin(&[&pin[..], &[0]].concat(), key.pin_mac(&pin)).is_err());
    }

    /// One level is two blocks of ECB, which is also CBC with the second factor mixed: an oracle of
    /// another mode.
    #[test]
    fn diversification_agrees_with_another_mode(bytes: [u8; 16], factor: [u8; 8]) {
        let derived = key::<Root<LoadKey>>(bytes).card_key(factor);
        let cipher = TdesEde2::new(&bytes.into());
        let mut blocks = [0; BLOCK_LEN];
        blocks[..8].copy_from_slice(&factor);
        blocks[8..].copy_from_slice(&derived.expose()[..8]);
        cbc::xor(&mut blocks[8..], &factor.map(|byte| !byte));
        cbc::encrypt(&cipher, &[0; 8].into(), &mut blocks).unwrap();
        prop_assert_eq!(derived.expose(), &blocks);
    }

    #[test]
    fn fen_never_wraps(a: u32, b: u32) {
        prop_assert_eq!(Fen(a).checked_add(Fen(b)).map(|sum| sum.0), a.checked_add(b));
        prop_assert_eq!(Fen(a).checked_sub(Fen(b)).map(|rest| rest.0), a.checked_sub(b));
        prop_assert_eq!(u32::from_be_bytes(Fen(a).emit()), a);
    }
}

/// The same numbers under another type are another statement.
#[test]
fn transaction_types_keep_codes_apart() {
    let session = key::<PurchaseKey>([7; 16]).session([0; 4], 0, 0);
    let purchase = |kind| Purchase { kind, amount: Fen(1), terminal: TERMINAL };
    let mac1 = session.code(&purchase(PurchaseKind::Wallet).mac1(AT));
    assert!(session.verify(&purchase(PurchaseKind::Compound).mac1(AT), mac1).is_err());
    assert!(
        session
            .verify(&purchase(PurchaseKind::Wallet).mac1_with_auth_code(AT, [0; 9]), mac1)
            .is_err()
    );
}

/// The one transaction that no transcript shows.
#[test]
fn limit_update_has_its_layout() {
    let (update, balance, limit) = (LimitUpdate { terminal: TERMINAL }, Fen(0x0A0B0C0D), [7, 8, 9]);
    let balance_and_limit = b"\x0A\x0B\x0C\x0D\x07\x08\x09\x07\x01\x02\x03\x04\x05\x06";
    assert_eq!(update.mac1(balance, limit).bytes(), balance_and_limit);
    let mac2 = b"\x07\x08\x09\x07\x01\x02\x03\x04\x05\x06\x20\x07\x09\x01\x07\x30\x00";
    assert_eq!(update.mac2(limit, AT).bytes(), mac2);
    let tac = [&b"\x0A\x0B\x0C\x0D\x01\x02"[..], mac2].concat();
    assert_eq!(update.tac(balance, 0x0102, limit, AT).bytes(), tac);
}

/// It is the longest of all inputs, too.
#[test]
fn the_authentication_code_stands_behind_everything_else() {
    let purchase = Purchase { kind: PurchaseKind::Wallet, amount: Fen(1), terminal: TERMINAL };
    let input = purchase.mac1_with_auth_code(AT, *b"ninebytes");
    assert_eq!(input.bytes(), [purchase.mac1(AT).bytes(), b"ninebytes"].concat());
    assert_eq!(input.bytes().len(), 27);
}

#[test]
fn codes_of_types_and_purses_round_trip() {
    let types: Vec<_> = (0..=0xFF).filter_map(TransactionType::from_code).collect();
    assert!(types.iter().map(|kind| kind.code()).eq(1..=9));
    let purses: Vec<_> = (0..=0xFF).filter_map(Purse::from_code).collect();
    assert!(purses.iter().map(|purse| purse.code()).eq(1..=2));
}

#[test]
fn amounts_print_as_yuan() {
    assert_eq!(format!("{}", Fen(5)), "0.05");
    assert_eq!(format!("{}", Fen(123_456)), "1234.56");
}

#[test]
fn line_protection_refuses_what_cannot_be() {
    let key = key::<LineKey>([7; 16]);
    assert!(key.encrypt_data(&[0; 256]).is_err());
    for cryptogram in [&[][..], &[0; 7], &[0; 9]] {
        assert!(key.decrypt_data(cryptogram).is_err());
    }
    let mut too_long = [0; 16];
    too_long[0] = 16;
    ecb::encrypt(&TdesEde2::new(&[7; 16].into()), &mut too_long).unwrap();
    assert!(key.decrypt_data(&too_long).is_err());
}

#[test]
fn levels_chain() {
    let root = test_keys::root::<LoadKey>();
    let (city, card) = ([1; 8], [2; 8]);
    let issuer = key::<Root<LoadKey>>(*root.level(city).expose());
    assert!(root.level(city).card_key(card) == issuer.card_key(card));
    assert!(root.card_key(card).expose() != root.level(city).card_key(card).expose());
}

/// All test roots are different, strong, and of odd parity.
#[test]
fn test_roots_are_sound() {
    let mut roots: Vec<[u8; 16]> = Vec::new();
    macro_rules! collect {
        ($($purpose:ty),*) => {$(
            let root = test_keys::root::<$purpose>();
            assert_eq!(root.report().parity, Parity::Odd);
            assert_eq!(root.report().faults().next(), None);
            roots.push(*root.expose());
        )*};
    }
    collect!(
        InternalEncryptKey,
        InternalDecryptKey,
        InternalMacKey,
        TacKey,
        LineKey,
        PinUnblockKey,
        PinReloadKey,
        ExternalAuthKey,
        LimitKey,
        UnloadKey,
        PurchaseKey,
        LoadKey
    );
    roots.sort_unstable();
    roots.dedup();
    assert_eq!(roots.len(), 12);
}
