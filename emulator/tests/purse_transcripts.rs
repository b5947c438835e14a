//! Published transcripts of purse transactions, byte for byte against the virtual card.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use support::wallet::{Wallet, setup};
use support::{Reply, sw};
use xuejika_card_model::wallet::{EnableFlag, WalletSetup};
use xuejika_keyscheme::legacy::{
    DesKey, Fen, Load, LoadKey, Moment, Purse, TdesKey, TerminalId, TransactionType as Type,
};
use xuejika_vectors::{Fields, VectorFile, bundled};

fn reply(hex: &str) -> Reply {
    let bytes = support::bytes(hex);
    let (data, sw) = bytes.split_at(bytes.len() - 2);
    Reply { data: data.to_vec(), sw: u16::from_be_bytes([sw[0], sw[1]]) }
}

fn transcripts() -> VectorFile {
    bundled().find(|file| file.name == "pboc_wallet_auth").unwrap()
}

/// Runs `check` on the entry with this identifier.
fn with_transcript(id: &str, check: impl FnOnce(&Fields<'_>)) {
    let file = transcripts();
    let vector = file.vectors.iter().find(|vector| vector.id == id).expect("an entry of this name");
    check(&vector.fields());
}

fn random(entry: &Fields<'_>) -> Vec<u8> {
    entry.hex("card_random").unwrap()
}

/// A wallet with one 16-byte key for everything, as the authors of the transcripts had it.
fn author(key: &str, tac: &str) -> WalletSetup {
    let bytes = |hex: &str| support::bytes(hex).try_into().unwrap();
    let mut setup = setup();
    setup.keys.load = TdesKey::import_reporting(bytes(key)).0;
    setup.keys.purchase = TdesKey::import_reporting(bytes(key)).0;
    setup.keys.unload = TdesKey::import_reporting(bytes(key)).0;
    setup.keys.tac = TdesKey::import_reporting(bytes(tac)).0;
    setup
}

const FM1208: &str = "00112233445566778899AABBCCDDEEFF";

#[test]
fn the_load_and_the_purchase_of_an_fm1208_replay_byte_for_byte() {
    with_transcript("fm1208-load-complete", |load| {
        with_transcript("fm1208-purchase-complete", |purchase| {
            let (loaded, paid) = (random(load), random(purchase));
            let mut wallet = Wallet::recorded(&author(FM1208, FM1208), &[&loaded, &paid]);
            wallet.verify();
            let command = load.text("init_capdu").unwrap().replace("kk", "01");
            let text = |entry: &Fields<'_>, field: &str| entry.text(field).unwrap().to_owned();
            let answer =
                ["old_balance", "online_seq", "key_version", "alg_id", "card_random", "mac1"]
                    .map(|field| text(load, field))
                    .concat();
            assert_eq!(wallet.ask(&command), reply(&(answer + "9000")));
            let tac = text(load, "tac") + "9000";
            assert_eq!(wallet.ask(&text(load, "credit_capdu")), reply(&tac));

            let command =
                format!("805001020B01{}{}0F", text(purchase, "amount"), text(purchase, "terminal"));
            let answer = format!(
                "{}{}0000000100{}9000",
                text(purchase, "old_balance"),
                text(purchase, "offline_seq"),
                text(purchase, "card_random")
            );
            assert_eq!(wallet.ask(&command), reply(&answer));
            let codes = text(purchase, "tac") + &text(purchase, "mac2") + "9000";
            assert_eq!(wallet.ask(&text(purchase, "debit_capdu")), reply(&codes));

            // What the transcripts do not show follows from them.
            assert_eq!(wallet.ask("805C000204"), reply("00001FFF9000"));
            assert_eq!(wallet.prove(Type::WalletPurchase, 1), {
                reply(&(text(purchase, "mac2") + &text(purchase, "tac") + "9000"))
            });
        });
    });
}

/// The card's author had loaded another key than he thought; the right MAC1 is known.
#[test]
fn the_algorithm_byte_is_answered_and_nothing_else() {
    with_transcript("fm1208-load-init-wrong-alg-id", |entry| {
        let mut setup = author(FM1208, FM1208);
        setup.keys.version = entry.array::<1>("key_version").unwrap()[0];
        setup.keys.algorithm = entry.array::<1>("alg_id").unwrap()[0];
        let mut wallet = Wallet::recorded(&setup, &[&random(entry)]);
        wallet.verify();
        let answer =
            format!("00000000000000023948bc11{}9000", entry.text("expected_mac1").unwrap());
        assert_eq!(wallet.ask("805000020B0100002000001122334455"), reply(&answer));
    });
}

/// The tutorial pays from an empty purse; the codes do not depend on the balance.
#[test]
fn the_purchase_of_a_tutorial_replays() {
    with_transcript("tutorial-purchase", |entry| {
        let key = entry.text("key_dpk").unwrap();
        let mut setup = WalletSetup { flag: EnableFlag::Open, ..author(key, key) };
        setup.balance = Fen(0x1000);
        let mut wallet = Wallet::recorded(&setup, &[&random(entry)]);
        assert_eq!(wallet.ask("805001020B01000010000011223344550F").sw, 0x9000);
        let debit = wallet.ask(entry.text("debit_capdu").unwrap());
        assert_eq!((debit.data.len(), debit.sw), (8, 0x9000));
        assert_eq!(debit.data[4..], entry.hex("mac2").unwrap());
        assert_eq!(wallet.balance(), 0);
    });
}

/// The vendor walk-throughs A1, B1 and C1 of `pboc.json`: key, random, state before, commands.
#[test]
fn published_loads_replay_byte_for_byte() {
    // A1: INITIALIZE only.
    let mut wallet = Wallet::recorded(&author(FM1208, FM1208), &[&[0xE0, 0xB8, 0x47, 0x48]]);
    wallet.verify();
    let answer = reply("0000000000000100E0B84748EA411F909000");
    assert_eq!(wallet.ask("805000020B010000200000112233445510"), answer);

    // B1: a key with equal halves, algorithm byte 01, both counters far.
    let mut b1 = author("3F013F013F013F013F013F013F013F01", "34343434343434343434343434343434");
    b1.keys.algorithm = 1;
    b1 = WalletSetup { balance: Fen(0x1A), online: 0x17, flag: EnableFlag::Open, ..b1 };
    let mut wallet = Wallet::recorded(&b1, &[&[0x06, 0xB8, 0x25, 0xD7]]);
    wallet.verify();
    let answer = reply("0000001A0017010106B825D7684C81CE9000");
    assert_eq!(wallet.ask("805000020B010000000111223344556610"), answer);
    assert_eq!(wallet.ask("805200000B201703101107349C8A062504"), reply("16EAD5169000"));
    assert_eq!(wallet.ask("805C000204"), reply("0000001B9000"));

    // C1: MAC2 was not printed, but the session key was.
    let c1 = author("3F3F3F3F3F3F3F3F1122334455667788", "34343434343434341122334455667788");
    let mut wallet = Wallet::recorded(&c1, &[&[0x4E, 0x06, 0x65, 0x48]]);
    wallet.verify();
    let answer = reply("00000000000001004E0665480D39ADBB9000");
    assert_eq!(wallet.ask("805000020B010000001066666666666610"), answer);
    let session = DesKey::<LoadKey>::new(support::bytes("3B75C79CFA8C2327").try_into().unwrap());
    let load = Load { purse: Purse::Wallet, amount: Fen(0x10), terminal: TerminalId([0x66; 6]) };
    let at = Moment { date: [0x20, 0x24, 0x04, 0x11], time: [0x21, 0x21, 0x21] };
    let mac2: [u8; 4] = session.code(&load.mac2(at)).into();
    let credit = format!("805200000B20240411212121{}04", hex::encode(mac2));
    assert_eq!(wallet.ask(&credit), reply("A802863E9000"));
}

/// Computed with other software (`pboc_derived.json`).
#[test]
fn compound_purchase_and_unload_agree_with_other_software() {
    let base = WalletSetup { flag: EnableFlag::Open, ..author(FM1208, FM1208) };
    let setup = WalletSetup { balance: Fen(0x1000), offline: 0x36, ..base.clone() };
    let mut wallet = Wallet::recorded(&setup, &[&[0xA1, 0xB2, 0xC3, 0xD4]]);
    let answer = reply("0000100000360000000100A1B2C3D49000");
    assert_eq!(wallet.ask("805003020B01000000C83000890003400F"), answer);
    assert_eq!(wallet.cache(0x01, &[0xAA; 4]), sw(0x9000));
    let debit = "805401000F0000010120240102030405D17F7FEC08";
    assert_eq!(wallet.ask(debit), reply("6AEDA3CC8CB5D3DB9000"));

    let setup = WalletSetup { balance: Fen(0x0B7C), online: 5, ..base };
    let mut wallet = Wallet::recorded(&setup, &[&[0x0A, 0x0B, 0x0C, 0x0D]]);
    wallet.verify();
    let answer = reply("00000B7C000501000A0B0C0D3D0D063A9000");
    assert_eq!(wallet.ask("805005020B01000003E830008900034010"), answer);
    assert_eq!(wallet.ask("805403000B20240102030405A0DFB0F504"), reply("25CFAD8F9000"));
    assert_eq!(wallet.balance(), 0x0794);
}
