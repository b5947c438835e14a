//! Power goes anywhere in the last command of a purse transaction: the card is the old one or the new
//! one, GET TRANSACTION PROVE says which, and the wallet goes on. In the copy that `.ci/faults` patches, each
//! seeded fault about money and its persistence is noticed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use support::wallet::{Wallet, memory_with, open_with, setup, spoilt, spoilt_mac1};
use support::{ask, send};
use xuejika_card_model::nvm::{Cut, Nvm, NvmError, RamNvm, Torn};
use xuejika_card_model::wallet::message::{Consent, Demand};
use xuejika_card_model::wallet::{EnableFlag, MAX_BALANCE, WalletSetup};
use xuejika_emulator::{Env, VirtualCard};
use xuejika_keyscheme::legacy::{PurchaseKind, TransactionType as Type};

/// A transaction up to its last command.
struct Case {
    name: &'static str,
    setup: WalletSetup,
    /// Leaves the bytes of the last command.
    prepare: fn(&mut Wallet) -> Vec<u8>,
    /// Type and sequence number to ask GET TRANSACTION PROVE for; none for a command that fails.
    proof: Option<(Type, u16)>,
}

fn credit(consent: &Consent) -> Vec<u8> {
    [&[0x80, 0x52, 0, 0, 11][..], &consent.emit()].concat()
}

fn debit(demand: &Demand) -> Vec<u8> {
    [&[0x80, 0x54, 1, 0, 15][..], &demand.emit()].concat()
}

fn cases() -> [Case; 6] {
    [
        Case {
            name: "first load",
            setup: setup(),
            prepare: |wallet| {
                wallet.verify();
                credit(&wallet.initialise_load(500).unwrap())
            },
            proof: Some((Type::WalletLoad, 1)),
        },
        Case {
            name: "purchase",
            setup: open_with(100),
            prepare: |wallet| debit(&wallet.purchase_demand(PurchaseKind::Wallet, 99).unwrap()),
            proof: Some((Type::WalletPurchase, 1)),
        },
        Case {
            name: "load after a wrong MAC",
            setup: open_with(100),
            prepare: |wallet| {
                wallet.verify();
                let consent = wallet.initialise_load(99).unwrap();
                assert_eq!(wallet.credit(&spoilt(&consent)).sw, 0x9302);
                wallet.verify();
                credit(&wallet.initialise_load(1).unwrap())
            },
            proof: Some((Type::WalletLoad, 1)),
        },
        Case {
            name: "compound purchase",
            setup: open_with(100),
            prepare: |wallet| {
                wallet.pay(1).unwrap();
                let demand = wallet.purchase_demand(PurchaseKind::Compound, 2).unwrap();
                assert_eq!(wallet.cache(1, &[0xA5; 40]).sw, 0x9000);
                assert_eq!(wallet.cache(3, &[0x5A; 46]).sw, 0x9000);
                debit(&demand)
            },
            proof: Some((Type::CompoundPurchase, 2)),
        },
        Case {
            name: "last unload",
            setup: WalletSetup { flag: EnableFlag::Suspended, ..open_with(100) },
            prepare: |wallet| {
                wallet.verify();
                let consent = wallet.initialise_unload(100).unwrap();
                [&[0x80, 0x54, 3, 0, 11][..], &consent.emit()].concat()
            },
            proof: Some((Type::Unload, 1)),
        },
        Case {
            name: "last wrong MAC",
            setup: open_with(100),
            prepare: |wallet| {
                let mut command = Vec::new();
                for left in (0..3).rev() {
                    wallet.verify();
                    command = credit(&spoilt(&wallet.initialise_load(1).unwrap()));
                    if left > 0 {
                        assert_eq!(send(&mut wallet.card, &command).sw, 0x9302);
                    }
                }
                command
            },
            proof: None,
        },
    ]
}

/// What the last command does when nothing is cut.
struct Uncut {
    old: Vec<u8>,
    /// After a wrong MAC: as before, but for the try that a load or an unload spends first.
    spent: Vec<u8>,
    new: Vec<u8>,
    answer: Vec<u8>,
    writes: Vec<usize>,
}

fn uncut(case: &Case) -> Uncut {
    let mut wallet = Wallet::new(&case.setup);
    let command = (case.prepare)(&mut wallet);
    let old = wallet.memory();
    let reply = send(&mut wallet.card, &command);
    assert_eq!(reply.sw, if case.proof.is_some() { 0x9000 } else { 0x9302 }, "{}", case.name);
    let spent = {
        let mut wallet = Wallet::new(&case.setup);
        let mut command = (case.prepare)(&mut wallet);
        *command.last_mut().unwrap() ^= u8::from(case.proof.is_some());
        assert_eq!(send(&mut wallet.card, &command).sw, 0x9302, "{}", case.name);
        wallet.memory()
    };
    Uncut { old, spent, new: wallet.memory(), answer: reply.data, writes: lengths(case) }
}

/// Length of each write of the last command.
fn lengths(case: &Case) -> Vec<usize> {
    let mut lengths = Vec::new();
    for write in 0.. {
        let mut wallet = Wallet::new(&case.setup);
        let command = (case.prepare)(&mut wallet);
        let before = wallet.card.model().nvm().bytes_written();
        let total: usize = lengths.iter().sum();
        let cut = Cut { after_writes: write, after_bytes: usize::MAX, torn: Torn::Prefix };
        wallet.card.cut_power(cut);
        let done = wallet.card.transmit(&command, &mut Vec::new()).is_ok();
        let written = wallet.card.model().nvm().bytes_written() - before;
        let written = usize::try_from(written).unwrap();
        if written > total {
            lengths.push(written - total);
        }
        if done || written == total {
            return lengths;
        }
    }
    lengths
}

/// Every write, every byte of it, every torn model. Returns the number of torn states.
fn sweep(case: &Case) -> usize {
    let uncut = uncut(case);
    let mut states = 0;
    let mut seen = [false; 2];
    for (write, length) in (0_u64..).zip(&uncut.writes) {
        for after_bytes in 0..=*length {
            let seed = u64::try_from(after_bytes).unwrap() << 8 | write;
            for torn in [Torn::Prefix, Torn::Erased(0xFF), Torn::Erased(0), Torn::Random(seed)] {
                let what = format!("{}: write {write}, byte {after_bytes}, {torn:?}", case.name);
                let cut = Cut { after_writes: write, after_bytes, torn };
                let mut wallet = Wallet::new(&case.setup);
                let command = (case.prepare)(&mut wallet);
                wallet.card.cut_power(cut);
                let mut answer = Vec::new();
                let gone = wallet.card.transmit(&command, &mut answer);
                assert_eq!(gone, Err(NvmError::PowerLost), "{what}: an answer without power");
                assert!(answer.is_empty());
                wallet.again_after_block();
                let memory = wallet.memory();
                let done = memory == uncut.new;
                let old = [&uncut.old, &uncut.spent].contains(&&memory);
                assert!(done || old, "{what}: neither old nor new");
                seen[usize::from(done)] = true;
                goes_on(&mut wallet, case, done, &uncut.answer, &what);
                states += 1;
            }
        }
    }
    assert_eq!(seen, [true; 2], "{}: old and new", case.name);
    states
}

/// The proof decides, and two more transactions come out right.
fn goes_on(wallet: &mut Wallet, case: &Case, done: bool, answer: &[u8], what: &str) {
    let Some((kind, sequence)) = case.proof else {
        assert_eq!(wallet.tries()[0], if done { 0 } else { 1 }, "{what}");
        let expected = if done { 0x6983 } else { 0x9000 };
        wallet.verify();
        assert_eq!(wallet.initialise(0x00, 1).sw, expected, "{what}");
        return;
    };
    let proof = wallet.prove(kind, sequence);
    let lost = match kind {
        Type::WalletLoad => [&[0; 4], answer].concat(),
        Type::Unload => [answer, &[0; 4]].concat(),
        _ => [&answer[4..], &answer[..4]].concat(),
    };
    assert_eq!((proof.sw, done), if done { (0x9000, true) } else { (0x9406, false) }, "{what}");
    assert!(!done || proof.data == lost, "{what}: other codes");
    if wallet.flag() == EnableFlag::Open {
        let (balance, log) = (wallet.balance(), wallet.log().len());
        wallet.load(7).expect(what);
        wallet.pay(3).expect(what);
        assert_eq!(wallet.balance(), balance + 4, "{what}");
        assert_eq!(wallet.log().len(), log + 2, "{what}");
        let purse = wallet.purse();
        wallet.again();
        assert_eq!(wallet.purse(), purse, "{what}");
    }
}

#[test]
fn a_transaction_is_whole_or_has_not_happened() {
    let states: usize = cases().iter().map(sweep).sum();
    println!("{states} torn states");
    assert!(states > 3000, "{states}");
}

// --- Memory that keeps what was synced alone ---------------------------------------------------

/// Loses at a crash what was not synced.
struct Lazy {
    live: RamNvm,
    durable: Vec<u8>,
    /// How many more syncs succeed.
    syncs: u32,
}

impl Lazy {
    fn crash(&mut self) {
        self.live = RamNvm::new(self.durable.clone());
        self.syncs = u32::MAX;
    }
}

impl Nvm for Lazy {
    fn bytes(&self) -> &[u8] {
        self.live.bytes()
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), NvmError> {
        self.live.write(offset, bytes)
    }

    fn barrier(&mut self) -> Result<(), NvmError> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), NvmError> {
        self.syncs = self.syncs.checked_sub(1).ok_or(NvmError::Storage)?;
        self.durable = self.live.bytes().to_vec();
        Ok(())
    }

    fn power_on(&mut self) -> Result<(), NvmError> {
        Ok(())
    }
}

/// A card with a purchase under way, over such a memory, and the command that ends it.
fn lazy() -> (VirtualCard<Lazy>, Vec<u8>) {
    let memory = memory_with(&open_with(100));
    let nvm = Lazy { live: RamNvm::new(memory.clone()), durable: memory, syncs: u32::MAX };
    let mut card = VirtualCard::new(nvm, Env::from_seed(7)).unwrap();
    card.power_on().unwrap();
    let mut twin = Wallet::new(&open_with(100));
    let command = debit(&twin.purchase_demand(PurchaseKind::Wallet, 1).unwrap());
    assert_eq!(ask(&mut card, "00 A4 00 00 02 10 01").sw, 0x9000);
    assert_eq!(ask(&mut card, "80 50 01 02 0B 01 00000001 120080800001").sw, 0x9000);
    (card, command)
}

fn balance(card: &mut VirtualCard<Lazy>) -> u32 {
    card.power_on().unwrap();
    assert_eq!(ask(card, "00 A4 00 00 02 10 01").sw, 0x9000);
    u32::from_be_bytes(ask(card, "80 5C 00 02 04").data.try_into().unwrap())
}

fn what_was_told_survives_a_crash() {
    let (mut card, command) = lazy();
    assert_eq!(send(&mut card, &command).sw, 0x9000);
    card.nvm_mut().crash();
    assert_eq!(balance(&mut card), 99);
    // A commit whose sync failed is not told; what the next power-up shows is kept.
    let (mut card, command) = lazy();
    card.nvm_mut().syncs = 0;
    assert_eq!(card.transmit(&command, &mut Vec::new()), Err(NvmError::Storage));
    card.nvm_mut().syncs = u32::MAX;
    let shown = balance(&mut card);
    card.nvm_mut().crash();
    assert_eq!(balance(&mut card), shown);
}

#[test]
fn what_was_told_survives_the_end_of_the_process() {
    what_was_told_survives_a_crash();
}

// --- Rules, each as a function that fails when it is broken --------------------------------------

#[cfg(faults)]
fn cuts_are_harmless() {
    for case in cases() {
        sweep(&case);
    }
}

fn a_wrong_mac_is_counted_and_the_third_locks_the_key() {
    let mut wallet = Wallet::new(&open_with(100));
    for left in [2, 1, 0] {
        wallet.verify();
        let consent = wallet.initialise_load(1).unwrap();
        let [a, b, c, d] = consent.mac2.into();
        let consent = Consent { mac2: [a, b, !c, d].into(), ..consent };
        assert_eq!(wallet.credit(&consent).sw, 0x9302);
        assert_eq!(wallet.tries()[0], left);
        assert_eq!(wallet.credit(&consent).sw, 0x6901);
    }
    assert_eq!(wallet.initialise(0x00, 1).sw, 0x6983);
    wallet.pay(1).unwrap();
}

fn counters_advance_and_stop() {
    let mut wallet = Wallet::new(&WalletSetup { offline: 0xFFFE, ..open_with(100) });
    wallet.pay(1).unwrap();
    assert_eq!(wallet.purse().offline, 0xFFFF);
    assert_eq!(wallet.pay(1), Err(0x9402));
}

fn a_proof_names_its_transaction() {
    let mut wallet = Wallet::new(&open_with(100));
    wallet.load(1).unwrap();
    assert_eq!(wallet.prove(Type::WalletLoad, 1).sw, 0x9000);
    for (kind, sequence) in [(Type::WalletLoad, 0), (Type::WalletLoad, 2), (Type::Unload, 1)] {
        assert_eq!(wallet.prove(kind, sequence).sw, 0x9406);
    }
    wallet.purchase_demand(PurchaseKind::Wallet, 1).unwrap();
    wallet.again();
    assert_eq!(wallet.prove(Type::WalletLoad, 1).sw, 0x9000, "INITIALIZE destroys no proof");
}

fn random_numbers_do_not_repeat() {
    let mut wallet = Wallet::new(&open_with(100));
    let [one, two] = [(); 2].map(|()| wallet.initialise(0x01, 1).data);
    assert!(one != two);
}

fn amounts_are_checked() {
    let mut wallet = Wallet::new(&open_with(100));
    assert_eq!(wallet.load(MAX_BALANCE.0 - 99), Err(0x6985));
    assert_eq!(wallet.load(u32::MAX), Err(0x6985));
    assert_eq!(wallet.pay(101), Err(0x9401));
    wallet.pay(100).unwrap();
    let mut wallet = Wallet::new(&WalletSetup { flag: EnableFlag::Closed, ..setup() });
    assert_eq!(wallet.load(1), Err(0x6985));
}

fn a_transaction_ends_once() {
    let begin = |wallet: &mut Wallet| wallet.purchase_demand(PurchaseKind::Wallet, 1).unwrap();
    // After an error, though the right MAC follows.
    let mut wallet = Wallet::new(&open_with(100));
    let demand = begin(&mut wallet);
    assert_eq!(wallet.ask("00 EE 00 00").sw, 0x6D00);
    assert_eq!(wallet.debit(&demand).sw, 0x6901);
    let demand = begin(&mut wallet);
    let wrong = Demand { mac1: spoilt_mac1(demand.mac1), ..demand };
    assert_eq!(wallet.debit(&wrong).sw, 0x9302);
    assert_eq!(wallet.debit(&demand).sw, 0x6901);
    // After another command, after a reset, after its end.
    let demand = begin(&mut wallet);
    assert_eq!(wallet.ask("00 B0 95 00 1E").sw, 0x9000);
    assert_eq!(wallet.debit(&demand).sw, 0x6901);
    let demand = begin(&mut wallet);
    wallet.card.reset().unwrap();
    assert_eq!(wallet.debit(&demand).sw, 0x6D00);
    wallet.select();
    wallet.verify();
    let consent = wallet.initialise_load(1).unwrap();
    assert_eq!(wallet.credit(&consent).sw, 0x9000);
    assert_eq!(wallet.credit(&consent).sw, 0x6901);
    assert_eq!(wallet.balance(), 101);
    assert_eq!(wallet.initialise(0x00, 1).sw, 0x6982, "the PIN serves once");
}

#[test]
fn every_rule_holds() {
    a_wrong_mac_is_counted_and_the_third_locks_the_key();
    counters_advance_and_stop();
    a_proof_names_its_transaction();
    random_numbers_do_not_repeat();
    amounts_are_checked();
    a_transaction_ends_once();
}

#[cfg(faults)]
#[test]
fn every_seeded_fault_is_noticed() {
    use std::panic::catch_unwind;
    use xuejika_card_model::fault::{Fault as F, seed};

    let checks: [(F, fn()); 37] = [
        (F::DataBeforeJournal, cuts_are_harmless),
        (F::JournalOmitted, cuts_are_harmless),
        (F::JournalCheckIgnored, cuts_are_harmless),
        (F::JournalCheckPartial, cuts_are_harmless),
        (F::RecoveryOmitted, cuts_are_harmless),
        (F::RecoveryStopsEarly, cuts_are_harmless),
        (F::RecoveryForgetsFirst, cuts_are_harmless),
        (F::CommitNotSynced, what_was_told_survives_a_crash),
        (F::RecoveryNotSynced, what_was_told_survives_a_crash),
        (F::BalanceOutside, cuts_are_harmless),
        (F::CounterOutside, cuts_are_harmless),
        (F::ProofOutside, cuts_are_harmless),
        (F::LogOutside, cuts_are_harmless),
        (F::FlagOutside, cuts_are_harmless),
        (F::RecordsOutside, cuts_are_harmless),
        (F::RevealBeforeCommit, cuts_are_harmless),
        (F::VerdictBeforeCounter, cuts_are_harmless),
        (F::FailureNotCounted, a_wrong_mac_is_counted_and_the_third_locks_the_key),
        (F::LastTryDoesNotBlock, a_wrong_mac_is_counted_and_the_third_locks_the_key),
        (F::SequenceNotAdvanced, counters_advance_and_stop),
        (F::SequenceWraps, counters_advance_and_stop),
        (F::MacHalfCompared, a_wrong_mac_is_counted_and_the_third_locks_the_key),
        (F::TacOverOldBalance, a_proof_names_its_transaction),
        (F::ProofOfOldSequence, a_proof_names_its_transaction),
        (F::ProveAnySequence, a_proof_names_its_transaction),
        (F::ProveAnyType, a_proof_names_its_transaction),
        (F::InitialiseForgetsProof, a_proof_names_its_transaction),
        (F::RandomRepeats, random_numbers_do_not_repeat),
        (F::CreditWraps, amounts_are_checked),
        (F::DebitSaturates, amounts_are_checked),
        (F::LastFenRefused, amounts_are_checked),
        (F::FlagIgnored, amounts_are_checked),
        (F::PendingSurvivesError, a_transaction_ends_once),
        (F::PendingSurvivesOthers, a_transaction_ends_once),
        (F::PendingSurvivesReset, a_transaction_ends_once),
        (F::PendingSurvivesSuccess, a_transaction_ends_once),
        (F::SecurityStateKept, a_transaction_ends_once),
    ];
    let mut survivors = Vec::new();
    for (fault, check) in checks {
        seed(Some(fault));
        let noticed = catch_unwind(check).is_err();
        seed(None);
        if !noticed {
            survivors.push(fault);
        }
    }
    assert_eq!(survivors, []);
}
