//! What wrong tries cost a card with money in it (docs/adr/0016): nothing that lasts. Whoever has no
//! key of the issuer never takes the money out of use, and the issuer frees every key that is locked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use support::line::{
    BLOCK, BLOCK_CARD, BLOCK_FOR_GOOD, PIN, SELECT_MF, SELECT_WALLET, UNBLOCK, application_lock,
    authenticate, authenticate_with, card_with, challenge, keys, operate, operate_wrongly, reload,
    setup, unblock_pin, use_up_pin, verify,
};
use support::{ask, send, sw};
use xuejika_card_model::wallet::EnableFlag;
use xuejika_card_model::wallet::lock::ApplicationLock;
use xuejika_emulator::VirtualCard;
use xuejika_keyscheme::legacy::{Fen, PinUnblockKey, TdesKey};

/// UPDATE BINARY of file 15 under line protection.
const UPDATE: [u8; 4] = [0x04, 0xD6, 0x95, 0x00];

const INITIALISE_PURCHASE: &str = "80 50 01 02 0B 01 00 00 00 01 12 00 80 80 00 01 0F";
const INITIALISE_LOAD: &str = "80 50 00 02 0B 01 00 00 00 01 12 00 80 80 00 01 10";
const WRONG_DEBIT: &str = "80 54 01 00 0F 00 00 00 01 20 26 09 01 07 30 00 00 00 00 00 08";
const WRONG_CREDIT: &str = "80 52 00 00 0B 20 26 09 01 07 30 00 00 00 00 00 04";

fn card() -> VirtualCard {
    let mut setup = setup();
    (setup.flag, setup.balance) = (EnableFlag::Open, Fen(5000));
    card_with(&setup)
}

/// The wallet is not blocked, and a purchase begins.
fn pays(card: &mut VirtualCard, after: &str) {
    assert_eq!(application_lock(card), ApplicationLock::None, "{after}");
    card.reset().unwrap();
    assert_eq!(ask(card, SELECT_WALLET).sw, 0x9000, "{after}");
    assert_eq!(ask(card, "80 5C 00 02 04").data, [0, 0, 0x13, 0x88], "{after}");
    assert_eq!(ask(card, INITIALISE_PURCHASE).sw, 0x9000, "{after}");
    assert!(!card.model().wallet_lock().unwrap().card, "{after}");
}

/// All that somebody does who has a reader, and the PIN, and no key.
#[test]
fn no_wrong_tries_take_the_money_out_of_use() {
    let wrong_key = TdesKey::<PinUnblockKey>::import_reporting([0x5A; 16]).0;
    for select in [SELECT_MF, SELECT_WALLET] {
        for header in [UPDATE, BLOCK, BLOCK_FOR_GOOD, UNBLOCK, BLOCK_CARD, [0x04, 0xB0, 0x95, 0]] {
            let mut card = card();
            for _ in 0..10 {
                ask(&mut card, select);
                operate_wrongly(&mut card, header, &[]);
                challenge(&mut card);
                assert_eq!(send(&mut card, &authenticate_with([0; 8])), sw(0x6300));
            }
            pays(&mut card, "wrong MACs of the operator");
        }
    }
    let mut card = card();
    for _ in 0..10 {
        ask(&mut card, INITIALISE_PURCHASE);
        assert_eq!(ask(&mut card, WRONG_DEBIT), sw(0x9302));
        verify(&mut card, &PIN);
        ask(&mut card, INITIALISE_LOAD);
        ask(&mut card, WRONG_CREDIT);
        reload(&mut card, &PIN, true);
    }
    pays(&mut card, "wrong MACs of purchases, loads and RELOAD PIN");
    use_up_pin(&mut card);
    for _ in 0..5 {
        unblock_pin(&mut card, &wrong_key, (0, 1), &PIN);
    }
    pays(&mut card, "wrong PINs and wrong PIN UNBLOCK");
}

/// With every key locked that can be: each is freed by another one of the issuer's.
#[test]
fn the_issuer_frees_every_key() {
    let mut card = card();
    for _ in 0..3 {
        verify(&mut card, &PIN);
        assert_eq!(ask(&mut card, INITIALISE_LOAD).sw, 0x9000);
        assert_eq!(ask(&mut card, WRONG_CREDIT), sw(0x9302));
        assert_eq!(reload(&mut card, &PIN, true), sw(0x9302));
        assert_eq!(operate_wrongly(&mut card, UPDATE, &[1]), sw(0x6988));
    }
    verify(&mut card, &PIN);
    assert_eq!(ask(&mut card, INITIALISE_LOAD), sw(0x6983));
    use_up_pin(&mut card);
    for expected in [0x6988, 0x6988, 0x6988, 0x6983] {
        let wrong = TdesKey::<PinUnblockKey>::import_reporting([0x5A; 16]).0;
        assert_eq!(unblock_pin(&mut card, &wrong, (0, 1), &PIN), sw(expected));
    }
    // Right ones come too late.
    let right = keys().pin_unblock;
    assert_eq!(unblock_pin(&mut card, &right, (0, 1), &PIN), sw(0x6983));
    assert_eq!(reload(&mut card, &PIN, false), sw(0x6983));
    assert_eq!(operate(&mut card, UNBLOCK, &[]), sw(0x6983));
    // The key that nobody can lock frees those of the operator, and they the others.
    assert_eq!(authenticate(&mut card), sw(0x9000));
    assert_eq!(unblock_pin(&mut card, &right, (0, 1), &PIN), sw(0x9000));
    assert_eq!(reload(&mut card, &PIN, false), sw(0x9000));
    assert_eq!(operate(&mut card, UNBLOCK, &[]), sw(0x9000));
    assert_eq!(operate(&mut card, UNBLOCK, &[]), sw(0x6985), "nothing is locked any more");
    assert_eq!(verify(&mut card, &PIN), sw(0x9000));
    assert_eq!(ask(&mut card, INITIALISE_LOAD).sw, 0x9000);
}
