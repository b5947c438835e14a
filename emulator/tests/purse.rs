//! The wallet as terminals and hosts see it: whole transactions, the enable flag, and every status
//! word of the purse commands.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use support::wallet::{AT, Recorded, TERMINAL, Wallet, open_with, setup, spoilt, spoilt_mac1};
use support::{Reply, ask, sw};
use xuejika_apdu::fci::PurseFci;
use xuejika_card_model::file::tree::{WALLET_NAME, wallet_sfi};
use xuejika_card_model::wallet::message::Demand;
use xuejika_card_model::wallet::{EnableFlag, LogRecord, MAX_BALANCE, WalletSetup};
use xuejika_emulator::Env;
use xuejika_keyscheme::legacy::{Fen, PurchaseKind, TransactionType as Type};

fn reply(hex: &str) -> Reply {
    let bytes = support::bytes(hex);
    let (data, sw) = bytes.split_at(bytes.len() - 2);
    Reply { data: data.to_vec(), sw: u16::from_be_bytes([sw[0], sw[1]]) }
}

// --- Whole transactions ------------------------------------------------------------------------

#[test]
fn a_wallet_is_found_by_identifier_and_by_both_names() {
    let mut wallet = Wallet::new(&setup());
    let fci = wallet.ask("00 A4 00 00 02 10 01 00");
    let parsed = PurseFci::parse(&fci.data).unwrap();
    assert_eq!((&parsed.df_name[..], parsed.version), (&WALLET_NAME[..], Some(2)));
    assert_eq!(parsed.issuer_data, wallet.ask("00 B0 95 00 1E").data);
    assert_eq!(parsed.issuer_data.len(), 30);
    assert_eq!(parsed.issuer_data[12..20], *b"\x10\x00\x07\x01\x00\x00\x00\x17");
    for select in [
        "00 A4 04 00 04 50 42 4F 43",
        "00 A4 04 00 04 50 42 4F 43 00",
        "00 A4 04 00 02 4F 43",
        "00 A4 04 00 02 4F 43 00",
        "00 A4 00 00 02 10 01",
    ] {
        wallet.card.power_on().unwrap();
        assert_eq!(wallet.ask(select), fci, "{select}");
        assert_eq!(wallet.ask("80 5C 00 02 04"), reply("00000000 9000"));
    }
    // What cannot be selected leaves the wallet selected.
    assert_eq!(wallet.ask("00 A4 04 00 05 50 42 4F 43 00 00"), sw(0x6A82));
    assert_eq!(wallet.ask("00 A4 00 00 02 00 04"), sw(0x6A82));
    assert_eq!(wallet.ask("80 5C 00 02 04"), reply("00000000 9000"));
}

/// As readers of Beijing cards do it, straight after reset.
#[test]
fn public_files_are_read_without_select() {
    let mut card = support::power_up(xuejika_card_model::nvm::RamNvm::new(
        support::wallet::memory_with(&open_with(0)),
    ));
    let info = ask(&mut card, "00 B0 84 00 20");
    assert_eq!((info.sw, &info.data[..8]), (0x9000, &b"\x10\x00\x07\x01\x00\x00\x00\x17"[..]));
    assert_eq!(ask(&mut card, "00 B0 85 00 01"), reply("00 9000"));
    assert_eq!(ask(&mut card, "80 5C 00 02 04"), sw(0x6D00), "no purse in the MF");
    assert_eq!(ask(&mut card, "00 A4 00 00 02 10 01").sw, 0x9000);
    assert_eq!(ask(&mut card, "80 5C 00 02 04"), reply("00000000 9000"));
    assert_eq!(ask(&mut card, "00 B2 01 C4 17"), sw(0x6A83));
}

#[test]
fn a_load_and_a_purchase_are_in_the_log_newest_first() {
    let mut wallet = Wallet::new(&setup());
    wallet.load(1000).unwrap();
    assert_eq!(wallet.flag(), EnableFlag::Open, "the first load opens");
    wallet.pay(250).unwrap();
    wallet.unload(50).unwrap();
    assert_eq!(wallet.balance(), 700);
    let record = |sequence, amount, kind| LogRecord {
        sequence,
        amount: Fen(amount),
        kind,
        terminal: TERMINAL,
        at: AT,
    };
    assert_eq!(
        wallet.log(),
        [
            record(2, 50, Type::Unload),
            record(1, 250, Type::WalletPurchase),
            record(1, 1000, Type::WalletLoad)
        ]
    );
    let purse = wallet.purse();
    assert_eq!((purse.online, purse.offline), (2, 1), "two counters of their own");
    assert_eq!(wallet.tries(), [3; 3]);
    // Ten records are kept.
    for _ in 0..12 {
        wallet.pay(1).unwrap();
    }
    let log = wallet.log();
    assert_eq!((log.len(), log[0].sequence, log[9].sequence), (10, 13, 4));
}

#[test]
fn a_compound_purchase_writes_its_records_with_the_debit() {
    let mut wallet = Wallet::new(&open_with(500));
    let before = wallet.memory();
    let demand = wallet.purchase_demand(PurchaseKind::Compound, 30).unwrap();
    assert_eq!(wallet.cache(2, &[0xAB; 10]), sw(0x9000));
    assert_eq!(wallet.cache(4, &[0xCD; 46]), sw(0x9000));
    // By number, over the first one.
    let second = [&[2, 3][..], &[0xEF; 3]].concat();
    assert_eq!(wallet.send([0x80, 0xDC, 2, 0xCC], &second), sw(0x9000));
    assert!(wallet.memory() == before, "cached only");
    assert_eq!(wallet.debit(&demand).sw, 0x9000);
    assert_eq!(wallet.balance(), 470);
    let record =
        |wallet: &mut Wallet, number: u8| wallet.ask(&format!("00 B2 {number:02X} CC 30")).data;
    assert_eq!(record(&mut wallet, 1), [&[1, 46][..], &[0; 46]].concat());
    assert_eq!(record(&mut wallet, 2), [&second[..], &[0; 43]].concat());
    assert_eq!(record(&mut wallet, 4), [&[4, 46][..], &[0xCD; 46]].concat());
    assert_eq!(wallet.log()[0].kind, Type::CompoundPurchase);
    assert_eq!(wallet.prove(Type::CompoundPurchase, 1).sw, 0x9000);
}

#[test]
fn a_proof_is_of_the_last_transaction_alone_and_initialize_does_not_destroy_it() {
    let mut wallet = Wallet::new(&open_with(500));
    for kind in [Type::WalletLoad, Type::Unload, Type::WalletPurchase, Type::CompoundPurchase] {
        assert_eq!(wallet.prove(kind, 0), sw(0x9406), "nothing was done yet");
    }
    let demand = wallet.purchase_demand(PurchaseKind::Wallet, 1).unwrap();
    let answer = wallet.debit(&demand).data;
    let [tac, mac2] = [&answer[..4], &answer[4..]];
    let proof = Reply { data: [mac2, tac].concat(), sw: 0x9000 };
    wallet.again();
    assert_eq!(wallet.prove(Type::WalletPurchase, 1), proof);
    for (kind, sequence) in [
        (Type::WalletPurchase, 0),
        (Type::WalletPurchase, 2),
        (Type::CompoundPurchase, 1),
        (Type::WalletLoad, 1),
        (Type::PassbookPurchase, 1),
    ] {
        assert_eq!(wallet.prove(kind, sequence), sw(0x9406));
    }
    wallet.purchase_demand(PurchaseKind::Wallet, 2).unwrap();
    assert_eq!(wallet.prove(Type::WalletPurchase, 1), proof, "INITIALIZE");
    wallet.verify();
    wallet.initialise_load(2).unwrap();
    assert_eq!(wallet.prove(Type::WalletPurchase, 1), proof, "INITIALIZE FOR LOAD");

    wallet.load(5).unwrap();
    assert_eq!(wallet.prove(Type::WalletPurchase, 1), sw(0x9406));
    let proof = wallet.prove(Type::WalletLoad, 1);
    assert_eq!((&proof.data[..4], proof.sw), (&[0; 4][..], 0x9000));
    wallet.unload(5).unwrap();
    let proof = wallet.prove(Type::Unload, 2);
    assert_eq!((&proof.data[4..], proof.sw), (&[0; 4][..], 0x9000));
}

// --- The guardian's wishes ---------------------------------------------------------------------

#[test]
fn the_enable_flag_goes_where_the_operator_may_bring_it() {
    use EnableFlag::{Closed, NotOpened, Open, Suspended};
    let all = [NotOpened, Open, Suspended, Closed];
    for from in all {
        for to in all {
            for balance in [0, 100] {
                let setup = WalletSetup { flag: from, balance: Fen(balance), ..setup() };
                let mut wallet = Wallet::new(&setup);
                let allowed = from == to
                    || matches!(
                        (from, to),
                        (NotOpened | Closed, Open) | (Open, Suspended) | (Suspended, Open | Closed)
                    );
                let expected = match (allowed, to, balance) {
                    (false, ..) | (true, Closed, 1..) => 0x6985,
                    _ => 0x9000,
                };
                assert_eq!(wallet.set_flag(to), expected, "{from:?} to {to:?}, {balance}");
                assert_eq!(wallet.flag(), if expected == 0x9000 { to } else { from });
            }
        }
    }
    let mut wallet = Wallet::new(&open_with(0));
    for undefined in [0x04, 0x80, 0xFF] {
        assert_eq!(wallet.operate(wallet_sfi::CONTROL, 0, &[undefined]), sw(0x6A80));
    }
    assert_eq!(wallet.operate(wallet_sfi::CONTROL, 1, &[0xFF; 3]), sw(0x9000), "not the flag");
    assert_eq!(wallet.ask("00 D6 85 00 01 02"), sw(0x6982), "without the operator");
    assert_eq!(wallet.flag(), Open);
}

#[test]
fn the_enable_flag_decides_what_may_begin() {
    use EnableFlag::{Closed, NotOpened, Open, Suspended};
    for (flag, load, purchase, unload) in [
        (NotOpened, 0x9000, 0x6985, 0x6985),
        (Open, 0x9000, 0x9000, 0x9000),
        (Suspended, 0x6985, 0x6985, 0x9000),
        (Closed, 0x6985, 0x6985, 0x6985),
    ] {
        let mut wallet = Wallet::new(&WalletSetup { flag, ..open_with(100) });
        wallet.verify();
        let before = wallet.memory();
        let found = [0x00, 0x01, 0x03, 0x05].map(|p1| {
            wallet.again();
            wallet.verify();
            wallet.initialise(p1, 10).sw
        });
        assert_eq!(found, [load, purchase, purchase, unload], "{flag:?}");
        assert!(wallet.memory() == before);
        assert_eq!(wallet.ask("80 5C 00 02 04"), reply("00000064 9000"));
    }
}

#[test]
fn a_stopped_wallet_is_paid_out_and_closed_in_one_go() {
    let mut wallet = Wallet::new(&open_with(100));
    assert!(!wallet.card.model().wallet_is_settled().unwrap());
    assert_eq!(wallet.set_flag(EnableFlag::Suspended), 0x9000);
    assert_eq!(wallet.set_flag(EnableFlag::Closed), 0x6985, "money is left");
    wallet.unload(99).unwrap();
    assert_eq!(wallet.flag(), EnableFlag::Suspended);
    wallet.unload(1).unwrap();
    assert_eq!((wallet.flag(), wallet.balance()), (EnableFlag::Closed, 0));
    assert!(wallet.card.model().wallet_is_settled().unwrap());
    assert_eq!(wallet.load(1), Err(0x6985));
    assert_eq!(wallet.set_flag(EnableFlag::Open), 0x9000, "opened again");
    wallet.load(1).unwrap();
    // An open wallet that is emptied stays open.
    wallet.unload(1).unwrap();
    assert_eq!(wallet.flag(), EnableFlag::Open);
    assert!(!wallet.card.model().wallet_is_settled().unwrap());
    let new = Wallet::new(&setup());
    assert!(new.card.model().wallet_is_settled().unwrap(), "never opened");
}

// --- Status words ------------------------------------------------------------------------------

#[test]
fn le_may_be_absent_or_exact_or_00() {
    for (le, expected) in [("", 0x9000), ("00", 0x9000), ("04", 0x9000), ("05", 0x6C04)] {
        let mut wallet = Wallet::new(&open_with(100));
        assert_eq!(wallet.ask(&format!("80 5C 00 02 {le}")).sw, expected);
    }
    for (p1, exact) in [(0x00, 0x10_u8), (0x01, 0x0F), (0x03, 0x0F), (0x05, 0x10)] {
        for le in [0x00, exact] {
            let mut wallet = Wallet::new(&open_with(100));
            wallet.verify();
            let command = format!("80 50 {p1:02X} 02 0B 01 00000001 120080800001 {le:02X}");
            assert_eq!(wallet.ask(&command).data.len(), usize::from(exact));
        }
        let mut wallet = Wallet::new(&open_with(100));
        wallet.verify();
        let command = format!("80 50 {p1:02X} 02 0B 01 00000001 120080800001 {:02X}", exact + 1);
        assert_eq!(wallet.ask(&command), sw(0x6C00 | u16::from(exact)));
    }
    let mut wallet = Wallet::new(&open_with(100));
    wallet.pay(1).unwrap();
    for (le, expected) in [("", 0x9000), ("00", 0x9000), ("08", 0x9000), ("07", 0x6C08)] {
        assert_eq!(wallet.ask(&format!("80 5A 00 06 02 0001 {le}")).sw, expected);
    }
    // A wrong Le of the last command ends the transaction; nothing is debited.
    let demand = wallet.purchase_demand(PurchaseKind::Wallet, 1).unwrap();
    let wrong = format!("80 54 01 00 0F {} 07", hex::encode(demand.emit()));
    assert_eq!(wallet.ask(&wrong), sw(0x6C08));
    assert_eq!(wallet.debit(&demand), sw(0x6901));
    assert_eq!(wallet.balance(), 99);
}

#[test]
fn what_is_malformed_is_refused() {
    let mut wallet = Wallet::new(&open_with(100));
    wallet.verify();
    for (command, expected) in [
        ("80 5C 00 01 04", 0x6A86), // the passbook
        ("80 5C 00 00 04", 0x6A86),
        ("80 5C 01 02 04", 0x6A86),
        ("80 5C 00 02 01 00", 0x6700),
        ("80 50 00 01 0B 01 00000001 120080800001", 0x6A86), // load the passbook
        ("80 50 01 01 0B 01 00000001 120080800001", 0x6A86),
        ("80 50 02 01 0B 01 00000001 120080800001", 0x6A86), // cash
        ("80 50 04 01 07 01 120080800001", 0x6A86),          // overdraft limit
        ("80 50 05 01 0B 01 00000001 120080800001", 0x6A86), // unload the passbook
        ("80 50 06 02 0B 01 00000001 120080800001", 0x6A86),
        ("80 50 00 02 0A 01 00000001 1200808000", 0x6700),
        ("80 50 01 02 0C 01 00000001 120080800001 00 00", 0x6700),
        ("80 50 00 02", 0x6700),
        ("80 50 00 02 0B 00 00000001 120080800001", 0x9403),
        ("80 50 01 02 0B 02 00000001 120080800001", 0x9403),
        ("80 50 03 02 0B FF 00000001 120080800001", 0x9403),
        ("80 52 00 01 0B 00000000 000000 00000000", 0x6A86),
        ("80 52 01 00 0B 00000000 000000 00000000", 0x6A86),
        ("80 52 00 00 0A 00000000 000000 000000", 0x6700),
        ("80 54 00 00 0F 00000000 00000000 000000 00000000", 0x6A86),
        ("80 54 01 01 0F 00000000 00000000 000000 00000000", 0x6A86),
        ("80 54 02 00 0B 00000000 000000 00000000", 0x6A86),
        ("80 54 01 00 0B 00000000 000000 00000000", 0x6700),
        ("80 54 03 00 0F 00000000 00000000 000000 00000000", 0x6700),
        ("80 DC 01 C9 02 01 00", 0x6A86),
        ("80 DC 01 C8", 0x6700),
        ("80 DC 01 C8 02 01 00 00", 0x6700),
        ("80 58 00 00 0E 00000000000000000000000000 00", 0x6D00), // UPDATE OVERDRAFT LIMIT
        ("80 5A 01 06 02 0001", 0x6A86),
        ("80 5A 00 00 02 0001", 0x6A86),
        ("80 5A 00 08 02 0001", 0x6A86),
        ("80 5A 00 0A 02 0001", 0x6A86),
        ("80 5A 00 06 01 00", 0x6700),
        ("80 5A 00 06 03 000100", 0x6700),
        ("00 5C 00 02 04", 0x6D00),
        ("84 5C 00 02 04", 0x6882),
        ("90 5C 00 02 04", 0x9000), // part of a chain
    ] {
        let before = wallet.memory();
        assert_eq!(wallet.ask(command), sw(expected), "{command}");
        assert!(wallet.memory() == before, "{command}");
    }
}

#[test]
fn what_a_record_to_cache_must_be() {
    let mut wallet = Wallet::new(&open_with(100));
    let long = [&[1, 47][..], &[0; 47]].concat();
    for (p1, p2, data, expected) in [
        (0x05, 0xC8, &[5, 0][..], 0x6A83), // no record has the tag
        (0x00, 0xCC, &[1, 0], 0x6A83),
        (0x05, 0xCC, &[1, 0], 0x6A83),
        (0x01, 0xC8, &[1], 0x6A80),
        (0x01, 0xC8, &[1, 1], 0x6A80), // the length is wrong
        (0x01, 0xC8, &[2, 0], 0x6A80), // and here the tag
        (0x02, 0xCC, &[1, 0], 0x6A80),
        (0x01, 0xC8, &long, 0x6A84),
        (0x01, 0xC0, &[1, 0], 0x6981), // the log
        (0x01, 0xA8, &[1, 0], 0x6981), // a transparent file
        (0x01, 0x10, &[1, 0], 0x6981), // the purse
        (0x01, 0x00, &[1, 0], 0x6A82),
        (0x01, 0xD0, &[1, 0], 0x6A82),
    ] {
        let demand = wallet.purchase_demand(PurchaseKind::Compound, 1).unwrap();
        assert_eq!(wallet.send([0x80, 0xDC, p1, p2], data), sw(expected), "{p1:02X} {p2:02X}");
        assert_eq!(wallet.debit(&demand), sw(0x6901), "an error ends the transaction");
    }
    assert_eq!(wallet.balance(), 100);
}

#[test]
fn load_and_unload_ask_for_the_pin_each_time_and_a_purchase_never() {
    let mut wallet = Wallet::new(&open_with(100));
    assert_eq!(wallet.initialise(0x00, 1), sw(0x6982));
    assert_eq!(wallet.initialise(0x05, 1), sw(0x6982));
    assert_eq!(wallet.initialise(0x01, 1).sw, 0x9000);
    wallet.verify();
    for p1 in [0x00, 0x05, 0x00] {
        assert_eq!(wallet.initialise(p1, 1).sw, 0x9000, "nothing was completed");
    }
    wallet.load(1).unwrap();
    assert_eq!(wallet.initialise(0x00, 1), sw(0x6982), "used up by the load");
    wallet.verify();
    wallet.pay(1).unwrap();
    assert_eq!(wallet.initialise(0x05, 1), sw(0x6982), "used up by the purchase");
    wallet.verify();
    wallet.select();
    assert_eq!(wallet.initialise(0x00, 1), sw(0x6982), "forgotten by SELECT");
    wallet.verify();
    wallet.again();
    assert_eq!(wallet.initialise(0x00, 1), sw(0x6982), "forgotten by reset");
}

/// Load and unload count wrong MACs, each for itself, and lock their key; a purchase wins nothing by
/// guessing and costs nothing. The wallet goes on.
#[test]
fn a_wrong_mac_of_a_load_costs_a_try_and_locks_no_more_than_its_key() {
    type Attempt = fn(&mut Wallet) -> u16;
    type Success = fn(&mut Wallet) -> Result<(), u16>;
    let load: Attempt = |wallet| {
        wallet.verify();
        let consent = wallet.initialise_load(1).unwrap();
        wallet.credit(&spoilt(&consent)).sw
    };
    let unload: Attempt = |wallet| {
        wallet.verify();
        let consent = wallet.initialise_unload(1).unwrap();
        wallet.debit_unload(&spoilt(&consent)).sw
    };
    let succeed: [Success; 2] = [|wallet| wallet.load(1), |wallet| wallet.unload(1)];
    for (index, p1, attempt, succeed) in [(0, 0, load, succeed[0]), (2, 5, unload, succeed[1])] {
        let mut wallet = Wallet::new(&open_with(100));
        let purse = wallet.purse();
        assert_eq!(attempt(&mut wallet), 0x9302);
        assert_eq!(attempt(&mut wallet), 0x9302);
        assert_eq!(wallet.purse(), purse);
        assert_eq!(wallet.log(), []);
        let mut expected = [3; 3];
        expected[index] = 1;
        assert_eq!(wallet.tries(), expected, "each key counts for itself");
        // A reset gives nothing back, a success everything.
        wallet.again();
        assert_eq!(wallet.tries(), expected);
        succeed(&mut wallet).unwrap();
        assert_eq!(wallet.tries(), [3; 3]);
        let purse = wallet.purse();
        for _ in 0..3 {
            assert_eq!(attempt(&mut wallet), 0x9302);
        }
        assert_eq!(wallet.purse(), purse);
        wallet.verify();
        assert_eq!(wallet.initialise(p1, 1), sw(0x6983), "the key is locked");
        wallet.pay(1).unwrap();
    }
    let mut wallet = Wallet::new(&open_with(100));
    for _ in 0..20 {
        let demand = wallet.purchase_demand(PurchaseKind::Wallet, 1).unwrap();
        let wrong = Demand { mac1: spoilt_mac1(demand.mac1), ..demand };
        assert_eq!(wallet.debit(&wrong), sw(0x9302));
    }
    assert_eq!(wallet.tries(), [3; 3]);
    assert_eq!(wallet.balance(), 100);
    wallet.pay(100).unwrap();
}

#[test]
fn amounts_have_edges() {
    let max = MAX_BALANCE.0;
    for (balance, amount, load, payment) in [
        (0, 0, 0x9000, 0x9000),
        (0, 1, 0x9000, 0x9401),
        (1, 1, 0x9000, 0x9000),
        (1, 2, 0x9000, 0x9401),
        (0, max, 0x9000, 0x9401),
        (0, max + 1, 0x6985, 0x9401),
        (1, max, 0x6985, 0x9401),
        (max, 0, 0x9000, 0x9000),
        (max, 1, 0x6985, 0x9000),
        (max, max, 0x6985, 0x9000),
        (max, max + 1, 0x6985, 0x9401),
        (max, u32::MAX - max, 0x6985, 0x9401),
        (max, u32::MAX, 0x6985, 0x9401),
        (1, u32::MAX, 0x6985, 0x9401),
    ] {
        let code = |result: Result<(), u16>| result.err().unwrap_or(0x9000);
        let new = || Wallet::new(&open_with(balance));
        let (mut loaded, mut paid, mut unloaded) = (new(), new(), new());
        let what = format!("balance {balance}, amount {amount}");
        assert_eq!(code(loaded.load(amount)), load, "load, {what}");
        assert_eq!(code(paid.pay(amount)), payment, "purchase, {what}");
        assert_eq!(code(unloaded.unload(amount)), payment, "unload, {what}");
        let after = |sw, sum: i64| if sw == 0x9000 { sum } else { balance.into() };
        let (balance, amount) = (i64::from(balance), i64::from(amount));
        assert_eq!(i64::from(loaded.balance()), after(load, balance + amount), "{what}");
        assert_eq!(i64::from(paid.balance()), after(payment, balance - amount), "{what}");
        assert_eq!(i64::from(unloaded.balance()), after(payment, balance - amount), "{what}");
    }
}

#[test]
fn a_counter_at_its_maximum_ends_its_transactions_for_good() {
    let (online, offline) = (0xFFFE, 0xFFFE);
    let mut wallet = Wallet::new(&WalletSetup { online, offline, ..open_with(100) });
    wallet.load(1).unwrap();
    wallet.pay(1).unwrap();
    assert_eq!((wallet.purse().online, wallet.purse().offline), (0xFFFF, 0xFFFF));
    assert_eq!(wallet.prove(Type::WalletPurchase, 0xFFFF).sw, 0x9000);
    for _ in 0..2 {
        let before = wallet.memory();
        wallet.verify();
        for p1 in [0x00, 0x01, 0x03, 0x05] {
            assert_eq!(wallet.initialise(p1, 0), sw(0x9402));
        }
        assert!(wallet.memory() == before);
        wallet.again();
    }
    // The counters are separate.
    let mut wallet = Wallet::new(&WalletSetup { online: 0xFFFF, ..open_with(100) });
    wallet.pay(1).unwrap();
    assert_eq!(wallet.load(1), Err(0x9402));
    let mut wallet = Wallet::new(&WalletSetup { offline: 0xFFFF, ..open_with(100) });
    wallet.load(1).unwrap();
    assert_eq!(wallet.pay(1), Err(0x9402));
}

#[test]
fn the_purse_file_is_no_file_to_read_or_write() {
    let mut wallet = Wallet::new(&open_with(100));
    for (command, expected) in [
        ("00 B0 82 00 00", 0x6981),
        ("00 B2 01 14 00", 0x6981),
        ("00 D6 82 00 01 FF", 0x6981),
        ("00 A4 00 00 02 00 02", 0x9000),
        ("00 B0 00 00 00", 0x6981),
        ("00 B0 80 00 00", 0x6A82), // the key file
        ("00 B0 96 00 00", 0x6982), // the holder
        ("00 D6 95 00 01 00", 0x6982),
        ("00 D6 98 00 01 00", 0x6981),
        ("00 B0 95 1E 00", 0x6B00),
        ("00 B0 95 00 1F", 0x6C1E),
        ("00 B2 0B C4 00", 0x6A83),
    ] {
        assert_eq!(wallet.ask(command), sw(expected), "{command}");
    }
    assert_eq!(wallet.balance(), 100);
}

/// The recorded source gives its bytes in order.
#[test]
fn recorded_randomness_is_what_it_says() {
    let mut env = Env::with_rng(Recorded(vec![1, 2, 3, 4, 5, 6]));
    assert_eq!((env.random::<4>(), env.random::<4>()), ([1, 2, 3, 4], [5, 6, 0, 0]));
}

#[test]
fn a_fork_goes_its_own_way() {
    let mut wallet = Wallet::new(&open_with(1000));
    let mut fork = wallet.card.fork(Env::from_seed(7));
    assert!(!fork.is_powered());
    assert_eq!(fork.model().purse().unwrap(), wallet.purse());
    wallet.load(500).unwrap();
    assert_eq!((wallet.balance(), fork.model().purse().unwrap().balance.0), (1500, 1000));
    fork.power_on().unwrap();
    assert_eq!(fork.atr(), wallet.card.atr());
}
