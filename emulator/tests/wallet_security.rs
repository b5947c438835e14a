//! The security commands of the wallet: what each does, refuses and answers, and the published
//! examples of line protection and authentication against the card itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use support::line::{
    PIN, SELECT_MF, SELECT_WALLET, application_lock, authenticate, authenticate_with, card_with,
    challenge, keys, operate, operate_wrongly, pin_tries, protect, recorded_card, reload, setup,
    unblock_pin, use_up_pin, verify, wallet_card,
};
use support::{Reply, active_card, ask, memory, send, sw};
use xuejika_card_model::file::tree::{CardKind, sfi, wallet_sfi};
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::wallet::EnableFlag;
use xuejika_card_model::wallet::lock::ApplicationLock;
use xuejika_emulator::VirtualCard;
use xuejika_keyscheme::legacy::{LineMac, TdesKey, WalletPurpose};
use xuejika_vectors::{Fields, Vector, bundled};

fn reset(card: &mut VirtualCard) {
    card.reset().unwrap();
    ask(card, SELECT_WALLET);
}

// --- PIN -------------------------------------------------------------------------------------

#[test]
fn verify_counts_and_restores() {
    let mut card = wallet_card();
    for pin in [&PIN[..], b"\x12\x34\x56\xFF", b"\x12\x34\x56\xFF\xFF\xFF\xFF\xFF"] {
        assert_eq!(verify(&mut card, pin), sw(0x9000));
        assert_eq!(verify(&mut card, &[0x12, 0x34]), sw(0x63C2));
        assert_eq!(verify(&mut card, b"\x12\x34\x56\x78"), sw(0x63C1));
        assert_eq!(pin_tries(&card), 1);
        reset(&mut card);
    }
    assert_eq!(verify(&mut card, &PIN), sw(0x9000));
    assert_eq!(pin_tries(&card), 3);
    use_up_pin(&mut card);
    reset(&mut card);
    assert_eq!(verify(&mut card, &PIN), sw(0x6983));
    // The identifier may be left out; a client may send Le.
    let mut card = wallet_card();
    assert_eq!(ask(&mut card, "00 20 00 00 03 12 34 56"), sw(0x9000));
    assert_eq!(ask(&mut card, "00 20 00 01 03 12 34 56 00"), sw(0x9000));
}

#[test]
fn verify_refuses_what_is_no_verify() {
    let mut card = wallet_card();
    for (apdu, expected) in [
        ("00 20 01 01 03 12 34 56", 0x6A86),
        ("00 20 00 02 03 12 34 56", 0x6A88),
        ("00 20 00 01", 0x6700),
        ("00 20 00 01 01 12", 0x6700),
        ("00 20 00 01 09 12 34 56 FF FF FF FF FF FF", 0x6700),
        ("80 20 00 01 03 12 34 56", 0x6D00),
        ("04 20 00 01 07 12 34 56 00 00 00 00", 0x6882),
    ] {
        assert_eq!(ask(&mut card, apdu), sw(expected), "{apdu}");
    }
    assert_eq!(pin_tries(&card), 3);
    ask(&mut card, SELECT_MF);
    assert_eq!(verify(&mut card, &PIN), sw(0x6D00));
}

#[test]
fn the_holder_changes_the_pin() {
    let mut card = wallet_card();
    for (apdu, expected) in [
        ("80 5E 02 01 07 12 34 56 FF 65 43 21", 0x6A86),
        ("80 5E 01 02 07 12 34 56 FF 65 43 21", 0x6A88),
        ("80 5E 01 01 04 12 34 FF 65", 0x6700),
        ("80 5E 01 01 0E 12 34 56 12 34 56 FF 65 43 21 65 43 21 65", 0x6700),
        ("80 5E 01 01 06 12 34 56 65 43 21", 0x6A80),
        // Not digits, too short, too long, F in the middle.
        ("80 5E 01 01 07 12 34 56 FF 65 43 2A", 0x6A80),
        ("80 5E 01 01 05 12 34 56 FF 65", 0x6A80),
        ("80 5E 01 01 0B 12 34 56 FF 65 43 21 65 43 21 65", 0x6A80),
        ("80 5E 01 01 07 12 34 56 FF 6F 43 21", 0x6A80),
        ("80 5E 01 01 07 12 34 56 FF FF FF FF", 0x6A80),
    ] {
        assert_eq!(ask(&mut card, apdu), sw(expected), "{apdu}");
    }
    assert_eq!(pin_tries(&card), 3);
    assert_eq!(ask(&mut card, "80 5E 01 01 07 12 34 57 FF 65 43 21"), sw(0x63C2));
    assert_eq!(ask(&mut card, "80 5E 01 01 07 12 34 56 FF 65 43 2F"), sw(0x9000));
    assert_eq!(pin_tries(&card), 3);
    reset(&mut card);
    assert_eq!(verify(&mut card, &PIN), sw(0x63C2));
    assert_eq!(verify(&mut card, b"\x65\x43\x2F"), sw(0x9000));
    // Six bytes, as wallets in the field have them in ASCII.
    assert_eq!(ask(&mut card, "80 5E 01 00 0A 65 43 2F FF 31 32 33 34 35 36"), sw(0x9000));
    assert_eq!(verify(&mut card, b"123456"), sw(0x9000));
    use_up_pin(&mut card);
    assert_eq!(ask(&mut card, "80 5E 01 01 0A 31 32 33 34 35 36 FF 65 43 2F"), sw(0x6983));
}

#[test]
fn the_issuer_reloads_the_pin() {
    let mut card = wallet_card();
    use_up_pin(&mut card);
    for (apdu, expected) in [
        ("80 5E 00 02 07 12 34 56 00 00 00 00", 0x6A88),
        ("80 5E 00 01 05 12 00 00 00 00", 0x6700),
        ("80 5E 00 01 0B 12 34 56 12 34 56 12 00 00 00 00", 0x6700),
    ] {
        assert_eq!(ask(&mut card, apdu), sw(expected), "{apdu}");
    }
    assert_eq!(reload(&mut card, b"\x99\x99", true), sw(0x9302));
    assert_eq!(reload(&mut card, b"\x99\x99", true), sw(0x9302));
    assert_eq!(verify(&mut card, b"\x99\x99"), sw(0x6983));
    assert_eq!(reload(&mut card, b"\xAB\xCD", false), sw(0x6A80));
    assert_eq!(reload(&mut card, b"\x99\x99", false), sw(0x9000));
    assert_eq!(verify(&mut card, b"\x99\x99"), sw(0x9000));
    // The counter was restored; three more lock the key, and it alone.
    for expected in [0x9302, 0x9302, 0x9302, 0x6983] {
        assert_eq!(reload(&mut card, b"\x12\x34", true), sw(expected));
    }
    assert_eq!(application_lock(&card), ApplicationLock::None);
}

#[test]
fn the_issuer_unblocks_the_pin() {
    let key = keys().pin_unblock;
    for parameters in [(0, 1), (1, 0), (0, 0)] {
        let mut card = wallet_card();
        assert_eq!(unblock_pin(&mut card, &key, parameters, b"\x77\x77"), sw(0x6985));
        use_up_pin(&mut card);
        assert_eq!(unblock_pin(&mut card, &key, (1, 1), b"\x77\x77"), sw(0x6A86));
        assert_eq!(unblock_pin(&mut card, &key, (0, 2), b"\x77\x77"), sw(0x6A86));
        assert_eq!(unblock_pin(&mut card, &key, parameters, b"\xAA\xAA"), sw(0x6A80));
        assert_eq!(unblock_pin(&mut card, &key, parameters, b"\x77\x77"), sw(0x9000));
        assert_eq!(verify(&mut card, b"\x77\x77"), sw(0x9000));
        assert_eq!(pin_tries(&card), 3);
    }
    // Any padding will do: the length byte says where the PIN ends.
    let mut card = wallet_card();
    use_up_pin(&mut card);
    let challenge = challenge(&mut card);
    let block = key_as::<xuejika_keyscheme::legacy::InternalEncryptKey>(*key.expose());
    let mut data = b"\x02\x12\x34\x99\x99\x99\x99\x99".to_vec();
    block.encrypt(&mut data).unwrap();
    let apdu = protect(&key, &challenge, [0x84, 0x24, 0x00, 0x01], &data);
    assert_eq!(send(&mut card, &apdu), sw(0x9000));
    assert_eq!(verify(&mut card, b"\x12\x34"), sw(0x9000));
}

#[test]
fn pin_unblock_is_protected() {
    let mut card = wallet_card();
    use_up_pin(&mut card);
    assert_eq!(ask(&mut card, "80 24 00 01 08 00 00 00 00 00 00 00 00"), sw(0x6982));
    // Under another key.
    let other = key_as(*keys().line.expose());
    assert_eq!(unblock_pin(&mut card, &other, (0, 1), b"\x77\x77"), sw(0x6988));
    assert_eq!(unblock_pin(&mut card, &other, (0, 1), b"\x77\x77"), sw(0x6988));
    assert_eq!(unblock_pin(&mut card, &other, (0, 1), b"\x77\x77"), sw(0x6988));
    let right = keys().pin_unblock;
    assert_eq!(unblock_pin(&mut card, &right, (0, 1), b"\x77\x77"), sw(0x6983));
    assert_eq!(application_lock(&card), ApplicationLock::None);
}

fn key_as<P: WalletPurpose>(bytes: [u8; 16]) -> TdesKey<P> {
    TdesKey::import_reporting(bytes).0
}

// --- Authentication --------------------------------------------------------------------------

#[test]
fn challenges_have_four_or_eight_bytes() {
    let mut card = wallet_card();
    assert_eq!(ask(&mut card, "00 84 00 00 04").data.len(), 4);
    assert_eq!(ask(&mut card, "00 84 00 00 08").data.len(), 8);
    assert_eq!(ask(&mut card, "00 84 00 00 00").data.len(), 8);
    assert_ne!(ask(&mut card, "00 84 00 00 08"), ask(&mut card, "00 84 00 00 08"));
    for (apdu, expected) in [
        ("00 84 00 00", 0x6700),
        ("00 84 00 00 01 00 08", 0x6700),
        ("00 84 00 00 10", 0x6C08),
        ("00 84 01 00 08", 0x6A86),
        ("00 84 00 01 08", 0x6A86),
        ("04 84 00 00 04 00 00 00 00", 0x6882),
    ] {
        assert_eq!(ask(&mut card, apdu), sw(expected), "{apdu}");
    }
}

#[test]
fn external_authentication_is_never_locked() {
    let mut card = wallet_card();
    for select in [SELECT_WALLET, SELECT_MF] {
        ask(&mut card, select);
        let before = memory(&card);
        for _ in 0..20 {
            challenge(&mut card);
            assert_eq!(send(&mut card, &authenticate_with([0; 8])), sw(0x6300));
        }
        assert!(memory(&card) == before, "a wrong answer costs nothing");
        assert_eq!(authenticate(&mut card), sw(0x9000));
        // The answer to eight bytes.
        let eight: [u8; 8] = ask(&mut card, "00 84 00 00 08").data.try_into().unwrap();
        let answer = keys().external.answer(&eight.into());
        assert_eq!(send(&mut card, &authenticate_with(answer)), sw(0x9000));
    }
}

#[test]
fn external_authentication_needs_its_challenge() {
    let mut card = wallet_card();
    for (apdu, expected) in [
        ("00 82 01 01 08 00 00 00 00 00 00 00 00", 0x6A86),
        ("00 82 00 02 08 00 00 00 00 00 00 00 00", 0x6A88),
        ("00 82 00 01 07 00 00 00 00 00 00 00", 0x6700),
        ("00 82 00 01 09 00 00 00 00 00 00 00 00 00", 0x6700),
        ("00 82 00 01", 0x6700),
    ] {
        challenge(&mut card);
        assert_eq!(ask(&mut card, apdu), sw(expected), "{apdu}");
    }
    assert_eq!(send(&mut card, &authenticate_with([0; 8])), sw(0x6984));
    // Whatever comes between uses it up, also what is refused.
    for between in [
        "00 B0 95 00 00",
        "00 20 00 01 03 12 34 56",
        "00 82 00 01 01 00",
        "00 00 00 00",
        "FF",
        "80 5C 00 02 04",
    ] {
        let answer = keys().external.answer(&challenge(&mut card));
        ask(&mut card, between);
        assert_eq!(send(&mut card, &authenticate_with(answer)), sw(0x6984), "{between}");
    }
    for select in [SELECT_MF, SELECT_WALLET] {
        let answer = keys().external.answer(&challenge(&mut card));
        ask(&mut card, select);
        assert_eq!(send(&mut card, &authenticate_with(answer)), sw(0x6984));
    }
    let answer = keys().external.answer(&challenge(&mut card));
    reset(&mut card);
    assert_eq!(send(&mut card, &authenticate_with(answer)), sw(0x6984));
    assert_eq!(
        card.model()
            .wallet_key::<xuejika_keyscheme::legacy::ExternalAuthKey>(1)
            .unwrap()
            .tries
            .left(),
        3
    );
}

#[test]
fn internal_authentication_answers() {
    let mut card = wallet_card();
    let data = *b"\x01\x02\x03\x04\x05\x06\x07\x08";
    let command = |purpose: u8, data: &[u8]| {
        [&[0x00, 0x88, purpose, 0x01, u8::try_from(data.len()).unwrap()][..], data].concat()
    };
    let mut cryptogram = [data, data].concat();
    keys().internal_encrypt.encrypt(&mut cryptogram).unwrap();
    let reply = send(&mut card, &command(0, &[data, data].concat()));
    assert_eq!(reply, Reply { data: cryptogram.clone(), sw: 0x9000 });
    let mut plain = cryptogram.clone();
    keys().internal_decrypt.decrypt(&mut plain).unwrap();
    assert_eq!(send(&mut card, &command(1, &cryptogram)), Reply { data: plain, sw: 0x9000 });
    let mac: [u8; 4] = keys().internal_mac.mac(&data[..3]).into();
    assert_eq!(
        send(&mut card, &[&command(2, &data[..3])[..], &[0]].concat()),
        Reply { data: mac.to_vec(), sw: 0x9000 }
    );
    for (apdu, expected) in [
        ("00 88 03 01 08 01 02 03 04 05 06 07 08", 0x6A86),
        ("00 88 00 02 08 01 02 03 04 05 06 07 08", 0x6A88),
        ("00 88 00 01 07 01 02 03 04 05 06 07", 0x6700),
        ("00 88 01 01 09 01 02 03 04 05 06 07 08 09", 0x6700),
        ("00 88 00 01", 0x6700),
        ("00 88 02 01", 0x6700),
        ("00 88 00 01 08 01 02 03 04 05 06 07 08 07", 0x6C08),
        ("00 88 02 01 01 01 05", 0x6C04),
    ] {
        assert_eq!(ask(&mut card, apdu), sw(expected), "{apdu}");
    }
}

// --- Line protection -------------------------------------------------------------------------

/// Header of a protected UPDATE BINARY from the start of a file.
const fn update_of(sfi: u8) -> [u8; 4] {
    [0x04, 0xD6, 0x80 | sfi, 0x00]
}

/// Header of a protected READ BINARY from the start of a file.
const fn read_of(sfi: u8) -> [u8; 4] {
    [0x04, 0xB0, 0x80 | sfi, 0x00]
}

#[test]
fn the_operator_updates_every_file_it_may() {
    for (df, files) in [
        (SELECT_MF, &[sfi::PUBLIC, sfi::COUNTER][..]),
        (SELECT_WALLET, &[wallet_sfi::ISSUER, wallet_sfi::COMMON]),
    ] {
        for &sfi in files {
            let mut card = wallet_card();
            ask(&mut card, df);
            let before = ask(&mut card, &format!("00 B0 {:02X} 00 00", 0x80 | sfi)).data;
            let plain = format!("00 D6 {:02X} 00 02 AB CD", 0x80 | sfi);
            assert_eq!(ask(&mut card, &plain), sw(0x6982));
            assert_eq!(operate_wrongly(&mut card, update_of(sfi), b"\xAB\xCD"), sw(0x6988));
            let stored = ask(&mut card, &format!("00 B0 {:02X} 00 00", 0x80 | sfi)).data;
            assert_eq!(stored, before);
            assert_eq!(operate(&mut card, update_of(sfi), b"\xAB\xCD"), sw(0x9000));
            reset(&mut card);
            ask(&mut card, df);
            let stored = ask(&mut card, &format!("00 B0 {:02X} 00 00", 0x80 | sfi)).data;
            assert_eq!(stored, [b"\xAB\xCD", &before[2..]].concat());
            // The success restored the counter: two more wrong ones do not block.
            for _ in 0..2 {
                assert_eq!(operate_wrongly(&mut card, update_of(sfi), b"\xAB"), sw(0x6988));
            }
        }
    }
}

/// The transit top-up server of Beijing rewrites flag and counter so, `04 D6 85 00 09`.
#[test]
fn the_counter_of_the_mf_is_rewritten_after_a_reset() {
    let mut card = wallet_card();
    card.reset().unwrap();
    assert_eq!(operate(&mut card, update_of(sfi::COUNTER), b"\x00\x00\x00\x00\x01"), sw(0x9000));
    assert_eq!(ask(&mut card, "00 B0 85 00 05").data, b"\x00\x00\x00\x00\x01");
}

#[test]
fn the_operator_opens_suspends_and_closes() {
    let mut card = wallet_card();
    let flag = |card: &VirtualCard| card.model().enable_flag().unwrap();
    let write = |card: &mut VirtualCard, value: u8| {
        operate(card, update_of(wallet_sfi::CONTROL), &[value]).sw
    };
    assert_eq!(flag(&card), EnableFlag::NotOpened);
    for (value, expected, after) in [
        (0x02, 0x6985, EnableFlag::NotOpened),
        (0x04, 0x6A80, EnableFlag::NotOpened),
        (0x01, 0x9000, EnableFlag::Open),
        (0x03, 0x6985, EnableFlag::Open),
        (0x02, 0x9000, EnableFlag::Suspended),
        (0x01, 0x9000, EnableFlag::Open),
        (0x02, 0x9000, EnableFlag::Suspended),
        (0x03, 0x9000, EnableFlag::Closed),
    ] {
        assert_eq!(write(&mut card, value), expected, "{value:02X}");
        assert_eq!(flag(&card), after);
    }
}

#[test]
fn line_protection_refuses_what_is_none() {
    let mut card = wallet_card();
    let update = update_of(wallet_sfi::ISSUER);
    // No MAC, no challenge, a challenge of another command.
    challenge(&mut card);
    assert_eq!(ask(&mut card, "04 D6 95 00 03 01 02 03"), sw(0x6987));
    challenge(&mut card);
    assert_eq!(ask(&mut card, "04 D6 95 00"), sw(0x6987));
    assert_eq!(ask(&mut card, "04 D6 95 00 05 01 00 00 00 00"), sw(0x6984));
    let used = challenge(&mut card);
    let apdu = protect(&keys().line, &used, update, &[1]);
    assert_eq!(send(&mut card, &apdu), sw(0x9000));
    assert_eq!(send(&mut card, &apdu), sw(0x6984));
    challenge(&mut card);
    assert_eq!(send(&mut card, &apdu), sw(0x6988));
    // What is right about the MAC and wrong about the command costs no try.
    for (header, data, expected) in [
        ([0x04, 0xD6, 0x9E, 0x00], &[1][..], 0x6A82),
        ([0x04, 0xD6, 0x80, 0x00], &[1], 0x6A82),
        ([0x04, 0xD6, 0x95, 0x1E], &[1], 0x6B00),
        ([0x04, 0xD6, 0x95, 0x1D], &[1, 2], 0x6700),
        ([0x04, 0xD6, 0x95, 0x00], &[], 0x6700),
        ([0x04, 0xD6, 0x98, 0x00], &[1], 0x6981),
        ([0x04, 0xD6, 0x82, 0x00], &[1], 0x6981),
        ([0x04, 0xB0, 0x82, 0x00], &[], 0x6981),
        ([0x04, 0xB0, 0x95, 0x00], &[1], 0x6700),
        ([0x04, 0xB2, 0x01, 0xC4], &[], 0x6A83),
        ([0x84, 0x1E, 0x01, 0x00], &[], 0x6A86),
        ([0x84, 0x1E, 0x00, 0x02], &[], 0x6A86),
        ([0x84, 0x1E, 0x00, 0x00], &[1], 0x6700),
        ([0x84, 0x18, 0x00, 0x01], &[], 0x6A86),
        ([0x84, 0x18, 0x00, 0x00], &[], 0x6985),
        ([0x84, 0x16, 0x01, 0x00], &[], 0x6A86),
    ] {
        assert_eq!(operate(&mut card, header, data), sw(expected), "{header:02X?}");
    }
    for (header, expected) in [
        ([0x84, 0xD6, 0x95, 0x00], 0x6D00),
        ([0x04, 0x1E, 0x00, 0x00], 0x6D00),
        ([0x14, 0xD6, 0x95, 0x00], 0x6884),
    ] {
        assert_eq!(operate(&mut card, header, &[1]), sw(expected));
    }
    // Where the operator has no business, there is no line protection.
    let mut card = active_card();
    ask(&mut card, "00 A4 00 00 02 DF 01 00");
    assert_eq!(ask(&mut card, "04 B0 85 00 04 00 00 00 00"), sw(0x6882));
}

#[test]
fn the_third_wrong_mac_locks_the_key_until_the_issuer_comes() {
    for select in [SELECT_MF, SELECT_WALLET] {
        let mut card = wallet_card();
        ask(&mut card, select);
        let header = [0x04, 0xD6, 0x84, 0x00];
        for expected in [0x6988, 0x6988, 0x6988, 0x6983] {
            assert_eq!(operate_wrongly(&mut card, header, &[1]), sw(expected));
        }
        assert_eq!(application_lock(&card), ApplicationLock::None);
        // The right key comes too late, until the issuer has proved itself with the other one.
        assert_eq!(operate(&mut card, header, &[1]), sw(0x6983));
        assert_eq!(authenticate(&mut card), sw(0x9000));
        ask(&mut card, SELECT_MF);
        assert_eq!(operate(&mut card, header, &[1]), sw(0x9000));
    }
}

#[test]
fn answers_are_protected_under_the_same_challenge() {
    let mut card = wallet_card();
    let key = keys().line;
    let mut sealed = |apdu_end: &[u8], header: [u8; 4]| {
        let challenge = challenge(&mut card);
        let apdu = [&protect(&key, &challenge, header, &[])[..], apdu_end].concat();
        let reply = send(&mut card, &apdu);
        assert_eq!(reply.sw, 0x9000);
        let (body, mac) = reply.data.split_last_chunk::<4>().unwrap();
        assert!(key.verify_line(&challenge, body, LineMac::from(*mac)).is_ok());
        body.to_vec()
    };
    let whole = sealed(&[], read_of(wallet_sfi::ISSUER));
    assert_eq!(whole.len(), 30);
    assert_eq!(sealed(&[0], read_of(wallet_sfi::ISSUER)), whole);
    assert_eq!(sealed(&[8], [0x04, 0xB0, 0x95, 0x02]), whole[2..10]);
    let mut card = wallet_card();
    assert_eq!(ask(&mut card, "00 B0 95 00 00").data, whole);
    let challenge = challenge(&mut card);
    let apdu = protect(&key, &challenge, read_of(wallet_sfi::ISSUER), &[]);
    assert_eq!(send(&mut card, &[&apdu[..], &[31]].concat()), sw(0x6C1E));
    // Records too.
    let challenge = support::line::challenge(&mut card);
    let reply = send(&mut card, &protect(&key, &challenge, [0x04, 0xB2, 0x01, 0xCC], &[]));
    let (body, mac) = reply.data.split_last_chunk::<4>().unwrap();
    assert_eq!(body, ask(&mut card, "00 B2 01 CC 00").data);
    assert!(key.verify_line(&challenge, body, LineMac::from(*mac)).is_ok());
}

#[test]
fn holder_information_is_enciphered_both_ways() {
    let mut card = wallet_card();
    let key = keys().line;
    let holder = [0x5A; 39];
    let header = update_of(wallet_sfi::HOLDER);
    let reply = operate(&mut card, header, &key.encrypt_data(&holder).unwrap());
    assert_eq!(reply, sw(0x9000));
    // Data that was not enciphered, or holds nothing, is refused, and nobody else reads.
    assert_eq!(operate(&mut card, header, &[0x5A; 7]), sw(0x6A80));
    assert_eq!(operate(&mut card, header, &[]), sw(0x6A80));
    assert_eq!(ask(&mut card, "00 B0 96 00 00"), sw(0x6982));
    // 0 is no short identifier, and does not stand for the current file and its encryption.
    assert_eq!(operate(&mut card, [0x04, 0xD6, 0x80, 0x00], &[0x5A; 7]), sw(0x6A82));
    let challenge = challenge(&mut card);
    let apdu = protect(&key, &challenge, read_of(wallet_sfi::HOLDER), &[]);
    let reply = send(&mut card, &[&apdu[..], &[39]].concat());
    let (body, mac) = reply.data.split_last_chunk::<4>().unwrap();
    assert!(key.verify_line(&challenge, body, LineMac::from(*mac)).is_ok());
    assert_ne!(body[1..], holder);
    assert_eq!(&**key.decrypt_data(body).unwrap(), holder);
}

// --- Published examples ----------------------------------------------------------------------

/// A two-key key that works as this one does, which may be one of eight bytes.
fn doubled<P: WalletPurpose>(bytes: &[u8]) -> TdesKey<P> {
    let bytes = if bytes.len() == 8 { [bytes, bytes].concat() } else { bytes.to_vec() };
    key_as(bytes.try_into().unwrap())
}

fn each(file: &str, field: &str, value: &str, mut check: impl FnMut(&Fields<'_>)) -> usize {
    let file = bundled().find(|found| found.name == file).unwrap();
    let entries = file.vectors.iter().map(Vector::fields);
    entries.filter(|entry| entry.text(field) == Ok(value)).map(|entry| check(&entry)).count()
}

#[test]
fn published_authentications_replay() {
    let internal = each("pboc_wallet_auth", "kind", "internal-authenticate", |entry| {
        let key = entry.hex("key").unwrap();
        let mut setup = setup();
        setup.keys.internal_encrypt = doubled(&key);
        setup.keys.internal_decrypt = doubled(&key);
        setup.keys.internal_mac = doubled(&key);
        // The examples number their keys; here each is the only one of its type.
        let mut apdu = entry.hex("capdu").unwrap();
        apdu[3] = 0x01;
        let expected = Reply { data: entry.hex("response").unwrap(), sw: 0x9000 };
        assert_eq!(send(&mut card_with(&setup), &apdu), expected);
    });
    let external = each("pboc_wallet_auth", "kind", "external-authenticate", |entry| {
        let [challenge, key] = ["challenge", "key"].map(|field| entry.hex(field).unwrap());
        replay_external(&challenge, &key, &entry.hex("capdu").unwrap());
    });
    let more = each("pboc", "op", "external_auth_des", |entry| {
        let inputs = entry.child("inputs").unwrap();
        let challenge = match inputs.hex_if_any("rnd8").unwrap() {
            Some(challenge) => challenge,
            None => inputs.hex("rnd4_zero_padded").unwrap()[..4].to_vec(),
        };
        let answer = entry.array("expected").unwrap();
        replay_external(&challenge, &inputs.hex("key").unwrap(), &authenticate_with(answer));
    });
    assert_eq!((internal, external, more), (3, 1, 3));
}

fn replay_external(challenge: &[u8], key: &[u8], apdu: &[u8]) {
    let mut setup = setup();
    setup.keys.external = doubled(key);
    let mut card = recorded_card(&setup, challenge);
    let length = u8::try_from(challenge.len()).unwrap();
    assert_eq!(send(&mut card, &[0x00, 0x84, 0x00, 0x00, length]).data, challenge);
    assert_eq!(send(&mut card, apdu), sw(0x9000));
}

#[test]
fn published_line_protection_replays() {
    let file = bundled().find(|file| file.name == "pboc_wallet_auth").unwrap();
    let example = |number: u8| {
        let id = format!("fmcos-line-protection-{number}");
        let entry = file.vectors.iter().find(|entry| entry.id == id).unwrap().fields();
        let [key, iv, input, mac] =
            ["key", "iv", "mac_input", "mac"].map(|field| entry.hex(field).unwrap());
        let mut setup = setup();
        setup.keys.line = doubled(&key);
        let mut card = recorded_card(&setup, &iv[..4]);
        assert_eq!(ask(&mut card, "00 A4 00 00 02 00 17").sw, 0x9000);
        (card, input, mac)
    };
    // T1: UPDATE BINARY of the current file.
    let (mut card, input, mac) = example(1);
    challenge(&mut card);
    assert_eq!(send(&mut card, &[&input[..], &mac].concat()), sw(0x9000));
    assert_eq!(ask(&mut card, "00 B0 00 00 10").data, input[5..]);
    // T2 and T3: READ BINARY and its answer, under one challenge.
    let (mut card, command, command_mac) = example(3);
    let (_, body, body_mac) = example(2);
    let mut memory = memory(&card);
    let wallet = CardKind::Student.tree().wallet.as_ref().unwrap();
    let place = wallet.by_sfi(wallet_sfi::COMMON).unwrap().offset;
    memory[place..][..body.len()].copy_from_slice(&body);
    *card.nvm_mut() = RamNvm::new(memory);
    challenge(&mut card);
    let reply = send(&mut card, &[&command[..], &command_mac, &[0x10]].concat());
    assert_eq!(reply, Reply { data: [body, body_mac].concat(), sw: 0x9000 });
    // T4: UPDATE BINARY of EF 15 as a whole.
    let (mut card, input, mac) = example(4);
    challenge(&mut card);
    assert_eq!(send(&mut card, &[&input[..], &mac].concat()), sw(0x9000));
    assert_eq!(ask(&mut card, "00 B0 95 00 00").data, input[5..]);
    // With another challenge it is nothing.
    let mut other = recorded_card(&setup(), &[1, 2, 3, 4]);
    challenge(&mut other);
    assert_eq!(send(&mut other, &[&input[..], &mac].concat()), sw(0x6988));
}
