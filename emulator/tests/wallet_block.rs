//! Blocking the wallet and the card: what a blocked one still does, what brings it back, and that the
//! education zone has nothing to do with it, but for the card as a whole.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use support::line::{
    BLOCK, BLOCK_CARD, BLOCK_FOR_GOOD, SELECT_MF, SELECT_WALLET, UNBLOCK, application_lock,
    authenticate, authenticate_with, challenge, in_wallet, operate, operate_wrongly, wallet_card,
};
use support::{Reply, active_card, ask, memory, power_up, read, send, session, sw};
use xuejika_card_model::file::tree::{CardKind, sfi};
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::wallet::lock::ApplicationLock;
use xuejika_emulator::VirtualCard;
use xuejika_keyscheme::KeyNumber;

/// UPDATE BINARY of file 15 under line protection.
const UPDATE: [u8; 4] = [0x04, 0xD6, 0x95, 0x00];

/// Commands of the wallet in the clear, one of each kind.
const PLAIN: [&str; 9] = [
    "00 B0 95 00 00",
    "00 B2 01 C4 00",
    "00 20 00 01 03 12 34 56",
    "00 82 00 01 08 00 00 00 00 00 00 00 00",
    "00 88 02 01 01 00",
    "80 5E 01 01 07 12 34 56 FF 65 43 21",
    "80 5C 00 02 04",
    "80 50 01 02 0B 01 00 00 00 01 12 00 80 80 00 01 0F",
    "80 5A 00 06 02 00 01 08",
];

#[test]
fn a_blocked_wallet_waits_for_the_operator() {
    let mut card = wallet_card();
    let fci = ask(&mut card, SELECT_WALLET).data;
    assert_eq!(ask(&mut card, "80 1E 00 00 04 00 00 00 00"), sw(0x6982));
    for _ in 0..2 {
        assert_eq!(operate(&mut card, BLOCK, &[]), sw(0x9000));
    }
    let state = memory(&card);
    card.reset().unwrap();
    // By name, by identifier; the FCI comes with the refusal. What the MF has is not concerned.
    for select in ["00 A4 04 00 04 50 42 4F 43 00", "00 A4 04 00 02 4F 43", SELECT_WALLET] {
        assert_eq!(ask(&mut card, select), Reply { data: fci.clone(), sw: 0x6A81 });
        for apdu in PLAIN {
            assert_eq!(ask(&mut card, apdu), sw(0x6985), "{apdu}");
        }
        assert_eq!(operate(&mut card, UPDATE, &[1]), sw(0x6985));
        assert_eq!(ask(&mut card, "00 A4 00 00 02 00 15"), sw(0x6A81));
        assert_eq!(ask(&mut card, SELECT_MF).sw, 0x9000);
        assert_eq!(ask(&mut card, "00 B0 84 00 00").sw, 0x9000);
    }
    assert_eq!(memory(&card), state);
    ask(&mut card, SELECT_WALLET);
    assert_eq!(operate_wrongly(&mut card, UNBLOCK, &[]), sw(0x6988));
    assert_eq!(operate_wrongly(&mut card, UNBLOCK, &[]), sw(0x6988));
    assert_eq!(operate(&mut card, UNBLOCK, &[]), sw(0x9000));
    assert_eq!(application_lock(&card), ApplicationLock::None);
    assert_eq!(ask(&mut card, "00 B0 95 00 00").sw, 0x9000);
    assert_eq!(operate(&mut card, UNBLOCK, &[]), sw(0x6985));
}

#[test]
fn a_wallet_blocked_for_good_stays_so() {
    let mut card = wallet_card();
    assert_eq!(operate(&mut card, BLOCK, &[]), sw(0x9000));
    assert_eq!(operate(&mut card, BLOCK_FOR_GOOD, &[]), sw(0x9000));
    card.reset().unwrap();
    assert_eq!(ask(&mut card, SELECT_WALLET), sw(0x9303));
    for apdu in PLAIN {
        assert_eq!(ask(&mut card, apdu), sw(0x9303), "{apdu}");
    }
    for header in [BLOCK, BLOCK_FOR_GOOD, UNBLOCK, UPDATE] {
        assert_eq!(operate(&mut card, header, &[]), sw(0x9303));
    }
    assert_eq!(application_lock(&card), ApplicationLock::Permanent);
    assert_eq!(ask(&mut card, "00 84 00 00 04").sw, 0x9000);
}

/// Neither side of the card knows the other's lock.
#[test]
fn a_blocked_wallet_and_the_education_zone_do_not_touch() {
    for header in [BLOCK, BLOCK_FOR_GOOD] {
        let mut card = in_wallet(active_card());
        assert_eq!(operate(&mut card, header, &[]), sw(0x9000));
        let mut session = session(&mut card, KeyNumber::READ);
        let education = CardKind::Student.tree().education().unwrap();
        let reply = session.send(&mut card, &read(education.by_sfi(sfi::IDENTITY).unwrap()));
        assert_eq!(reply.sw, 0x9000);
    }
}

#[test]
fn only_the_issuer_blocks_the_card() {
    for select in [SELECT_MF, SELECT_WALLET] {
        let mut card = active_card();
        // The MAC alone does not do it, nor an authentication in the wallet.
        ask(&mut card, SELECT_WALLET);
        assert_eq!(operate(&mut card, BLOCK_CARD, &[]), sw(0x6982));
        assert_eq!(authenticate(&mut card), sw(0x9000));
        ask(&mut card, select);
        assert_eq!(operate(&mut card, BLOCK_CARD, &[]), sw(0x6982));
        ask(&mut card, SELECT_MF);
        assert_eq!(ask(&mut card, "80 16 00 00"), sw(0x6982));
        assert_eq!(authenticate(&mut card), sw(0x9000));
        ask(&mut card, select);
        assert_eq!(operate_wrongly(&mut card, BLOCK_CARD, &[]), sw(0x6988));
        assert_eq!(operate(&mut card, BLOCK_CARD, &[]), sw(0x9000));
        blocked_card(&mut card);
        // Nothing brings it back.
        let mut card = power_up(RamNvm::new(memory(&card)));
        blocked_card(&mut card);
    }
    // A wallet that is blocked for good does not keep the issuer from it.
    let mut card = wallet_card();
    assert_eq!(operate(&mut card, BLOCK_FOR_GOOD, &[]), sw(0x9000));
    ask(&mut card, SELECT_MF);
    assert_eq!(authenticate(&mut card), sw(0x9000));
    assert_eq!(ask(&mut card, SELECT_WALLET), sw(0x9303));
    assert_eq!(operate(&mut card, BLOCK_CARD, &[]), sw(0x9000));
    blocked_card(&mut card);
}

fn blocked_card(card: &mut VirtualCard) {
    for apdu in [
        SELECT_MF,
        SELECT_WALLET,
        "00 A4 04 00 07 F0 42 4A 45 44 55 01 00",
        "00 84 00 00 04",
        "00 B0 84 00 00",
        "00 C0 00 00 00",
        "84 16 00 00 04 00 00 00 00",
        "FF 00 00 00",
    ] {
        assert_eq!(ask(card, apdu), sw(0x6A81), "{apdu}");
    }
}

/// A wrong proof takes back what the right one gave.
#[test]
fn a_wrong_authentication_voids_the_right_one() {
    let mut card = wallet_card();
    ask(&mut card, SELECT_MF);
    assert_eq!(authenticate(&mut card), sw(0x9000));
    challenge(&mut card);
    assert_eq!(send(&mut card, &authenticate_with([0; 8])), sw(0x6300));
    assert_eq!(operate(&mut card, BLOCK_CARD, &[]), sw(0x6982));
}
