//! Power may go at any byte of any write. After the next power-up the card is wholly old or wholly
//! new, recovery may be cut in turn, and the card goes on as if nothing had happened.
//!
//! Each mutating operation is swept: every persistent write × every byte of it × every torn model. A
//! debug build takes samples of the bytes far from both ends of a long write.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

mod support;

use std::collections::HashSet;

use support::scene::{put_sector, right_unit, scene};
use support::{
    CITY, OWN_SCHOOL, actor, card_in, committed, education, file, issuance, key, management_card,
    new_card, open, put, put_status, status, tree,
};
use xuejika_card_model::file::tree::{CardKind, sfi};
use xuejika_card_model::file::{CYCLIC_HEADER_LEN, Df, Ef, Right, Structure};
use xuejika_card_model::key_load::KeyData;
use xuejika_card_model::lifecycle::{Event, STATES, TABLE};
use xuejika_card_model::nvm::{Cut, Nvm, NvmError, RamNvm, Torn};
use xuejika_card_model::record::{Issuance, Status};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::txn::Store;
use xuejika_card_model::{Card, CardError};
use xuejika_keyscheme::slots::{EMPTY, KeySlots, SUCCESS_CREDIT};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion};

type Operation = Box<dyn Fn(&mut Card<RamNvm>) -> Result<(), CardError>>;

/// An operation and the memory it starts from.
struct Case {
    name: String,
    start: Vec<u8>,
    operation: Operation,
}

/// How hard to try: "one in" numbers say how many are examined further.
#[derive(Clone, Copy)]
struct Effort {
    /// Random seeds for each byte.
    seeds: u64,
    /// One in so many torn states has its recovery cut everywhere.
    recovery: usize,
    /// One in so many cut recoveries is cut again, up to three in a row.
    deeper: usize,
    /// After one in so many torn states the next operation is cut everywhere.
    next: usize,
}

impl Effort {
    /// Recoveries times their cuts grow with the square of the bytes written; the samples shrink.
    fn spread_over(self, bytes: usize) -> Self {
        let factor = (bytes / 128).max(1);
        Self {
            recovery: self.recovery.saturating_mul(factor * factor),
            deeper: self.deeper.saturating_mul(factor * factor),
            ..self
        }
    }
}

/// On every run.
const QUICK: Effort = Effort { seeds: 2, recovery: 7, deeper: 601, next: 407 };

/// Before a release.
const SOAK: Effort = Effort { seeds: 40, recovery: 2, deeper: 997, next: 53 };

/// A release build tries harder: `cargo test --release -p xuejika-card-model --test power_cuts`.
const EFFORT: Effort = if cfg!(debug_assertions) { QUICK } else { SOAK };

/// Of the bytes far from both ends of a write, one in so many is cut at.
const STRIDE: usize = if cfg!(debug_assertions) { 16 } else { 1 };

/// The cuts of the operation alone.
const PLAIN: Effort =
    Effort { seeds: 0, recovery: usize::MAX, deeper: usize::MAX, next: usize::MAX };

/// What has been tried.
#[derive(Default)]
struct Tally {
    cuts: usize,
    torn_states: usize,
    recovery_cuts: usize,
    deepest: u8,
}

impl Tally {
    fn report(&self, what: &str) {
        let Self { cuts, torn_states, recovery_cuts, deepest } = self;
        println!(
            "{what}: {cuts} cuts, {torn_states} torn states, {recovery_cuts} cut recoveries, up to \
             {deepest} in a row"
        );
    }
}

#[test]
fn an_authentication_is_counted_wholly_or_not_at_all() {
    sweep_counters(EFFORT).report("counters");
}

#[test]
fn a_key_is_loaded_and_retired_wholly_or_not_at_all() {
    sweep_keys(EFFORT).report("keys");
}

#[test]
fn a_file_is_updated_wholly_or_not_at_all() {
    sweep_updates(EFFORT).report("updates");
}

#[test]
fn an_event_changes_state_record_and_log_together_or_not_at_all() {
    sweep_events(EFFORT).report("events");
}

fn sweep_counters(effort: Effort) -> Tally {
    let mut tally = Tally::default();
    let next = KeyVersion::new(2).unwrap();
    for (df, number) in [(education(), KeyNumber::READ), (&tree().dfs[8], KeyNumber::EXTENSION)] {
        let memory = two_versions(df, number, next);
        let operations: [(&str, Operation); 3] = [
            ("failure", Box::new(move |card| card.count_failure(df, number))),
            ("credit", Box::new(move |card| card.count_success(df, number, KeyVersion::FIRST))),
            ("switch", Box::new(move |card| card.count_success(df, number, next))),
        ];
        for (name, operation) in operations {
            sweep_student(&mut tally, effort, name, &memory, operation);
        }
    }
    let df = &CardKind::Management.tree().dfs[0];
    let operation =
        Box::new(move |card: &mut Card<RamNvm>| card.count_failure(df, KeyNumber::MANAGEMENT));
    let case = Case { name: "management card".into(), start: management_card(), operation };
    sweep(&case, effort, &mut tally);
    tally
}

fn sweep_keys(effort: Effort) -> Tally {
    let mut tally = Tally::default();
    let (df, number, next) = (education(), KeyNumber::STATUS, KeyVersion::new(2).unwrap());
    let load = move |card: &mut Card<RamNvm>| {
        let id = KeyId { zone: df.zone(), number, version: next, algorithm: Algorithm::Aes128 };
        let data = KeyData::emit(&key(&id, card.header().serial));
        let data = KeyData::parse(&*data).unwrap();
        card.load_key(df, number, next, data, Some(actor(KeyNumber::MASTER, CITY))).map(drop)
    };
    sweep_student(&mut tally, effort, "load", &new_card(), Box::new(load));
    let mut switched = open(&two_versions(df, number, next));
    switched.count_success(df, number, next).unwrap();
    let retire = move |card: &mut Card<RamNvm>| {
        card.retire_key(df, number, Some(actor(KeyNumber::MASTER, CITY)))
    };
    sweep_student(&mut tally, effort, "retire", switched.nvm().bytes(), Box::new(retire));
    tally
}

fn sweep_updates(effort: Effort) -> Tally {
    let mut tally = Tally::default();
    let mut swept = 0;
    for (index, df) in tree().dfs.iter().enumerate() {
        for file in df.files {
            let Right::Keys(keys, states) = file.update else { continue };
            let key = df.keys.iter().copied().find(|key| keys.contains(*key)).unwrap();
            let state = STATES.into_iter().rfind(|state| states.contains(*state)).unwrap();
            for (offset, bytes) in edits(index, df, file) {
                let name = format!("update {} of {:04X} at {offset}", file.name, df.fid);
                let of = if key == KeyNumber::MASTER { CITY } else { OWN_SCHOOL };
                let update = move |card: &mut Card<RamNvm>| {
                    card.update(file, offset, &bytes, Some(actor(key, of)))
                };
                let mut memory = card_in(state);
                if index > 0 {
                    put_sector(&mut memory, u8::try_from(index).unwrap(), OWN_SCHOOL);
                }
                sweep_student(&mut tally, effort, &name, &memory, Box::new(update));
            }
            swept += 1;
        }
    }
    assert_eq!(swept, 3 + tree().dfs.len() - 1, "three files of a pupil's card and all sectors");
    tally
}

fn sweep_events(effort: Effort) -> Tally {
    let mut tally = Tally::default();
    for event in TABLE.map(|rule| rule.event) {
        let start = |moves: bool| {
            let next = move |state| event.next(state, LifeCycleState::TransferredOut);
            STATES.into_iter().find(|&from| next(from).is_some_and(|to| (from != to) == moves))
        };
        // A restock has two beginnings, and the second wipes.
        let fault = (event == Event::Restock).then_some(LifeCycleState::Fault);
        for start in [start(true), start(false), fault].into_iter().flatten() {
            let mut memory = scene(event, start);
            if fault == Some(start) {
                let previous = LifeCycleState::Personalising;
                put_status(&mut memory, &Status { previous, ..status(start) });
                put(&mut memory, file(sfi::PERSONALISATION), &[0; 16]);
            }
            fill_ring(&mut memory, file(sfi::LOG));
            let name = format!("{} in state {}", event.rule().name, start.english());
            let of = right_unit(event, start);
            let operation = Box::new(move |card: &mut _| execute(card, event, of));
            sweep_student(&mut tally, effort, &name, &memory, operation);
        }
    }
    tally
}

/// Sweeps an operation on a student's card twice: over an untouched journal, and over one that
/// still holds a longer record.
fn sweep_student(
    tally: &mut Tally,
    effort: Effort,
    name: &str,
    memory: &[u8],
    operation: Operation,
) {
    let mut case = Case { name: name.into(), start: memory.to_vec(), operation };
    sweep(&case, PLAIN, tally);
    case.start = aged(memory);
    sweep(&case, effort, tally);
}

/// Cuts the operation everywhere and looks at what becomes of the card.
fn sweep(case: &Case, effort: Effort, tally: &mut Tally) {
    let mut uncut = open(&case.start);
    let old = committed(&uncut);
    (case.operation)(&mut uncut).unwrap();
    let new = committed(&uncut);
    assert!(old != new, "{}: nothing was written", case.name);
    go_on(&mut uncut);
    let end = committed(&uncut);

    let mut seen = HashSet::new();
    let lengths = write_lengths(|cut| cut_operation(case, cut).nvm().clone());
    let effort = effort.spread_over(lengths.iter().sum());
    for cut in cuts(&lengths, effort.seeds) {
        tally.cuts += 1;
        let mut card = cut_operation(case, cut);
        let torn = card.nvm().bytes().to_vec();
        if !seen.insert(torn.clone()) {
            continue;
        }
        tally.torn_states += 1;
        let name = format!("{}, {cut:?}", case.name);
        recover(&mut card, &torn, !tally.torn_states.is_multiple_of(7), &name);
        let state = committed(&card);
        assert!(state == old || state == new, "{name}: a mixture");
        // The first write is the journal; once it is whole, nothing is lost.
        let decided = cut.after_writes > 0 || cut.after_bytes >= lengths[0];
        assert!(!decided || state == new, "{name}: a commit was lost");
        if tally.torn_states.is_multiple_of(effort.recovery) {
            cut_recovery(&torn, &card, effort, 1, tally);
        }
        if tally.torn_states.is_multiple_of(effort.next) {
            cut_the_next(&card, tally);
        }
        if state == old {
            (case.operation)(&mut card).unwrap();
        }
        go_on(&mut card);
        assert!(committed(&card) == end, "{name}: a trace was left");
    }
}

/// The card just after power went in the middle of the operation.
fn cut_operation(case: &Case, cut: Cut) -> Card<RamNvm> {
    let mut card = open(&case.start);
    card.nvm_mut().arm(Some(cut));
    let result = (case.operation)(&mut card);
    let lost = Err(CardError::Nvm(NvmError::PowerLost));
    assert!(result == lost || result == Ok(()), "{}: {result:?}", case.name);
    card
}

/// Powers the torn card up, once more, and in some cases in a process that knows nothing of it.
fn recover(card: &mut Card<RamNvm>, torn: &[u8], in_process: bool, name: &str) {
    card.nvm_mut().arm(None);
    card.power_on().unwrap();
    let writes = card.nvm().writes();
    card.power_on().unwrap();
    assert_eq!(card.nvm().writes(), writes, "{name}: a second power-up writes");
    if !in_process {
        assert!(open(torn).nvm().bytes() == card.nvm().bytes(), "{name}: power-ups differ");
    }
}

/// Cuts the recovery of a torn memory everywhere; it must end like `recovered` all the same.
fn cut_recovery(
    torn: &[u8],
    recovered: &Card<RamNvm>,
    effort: Effort,
    depth: u8,
    tally: &mut Tally,
) {
    let journal = recovered.tree().journal..recovered.tree().size;
    let power_up = |nvm: &mut RamNvm| {
        nvm.power_on()?;
        Store::open(Lent(nvm), journal.clone()).map(drop)
    };
    let cut_power_up = |cut| {
        let mut nvm = RamNvm::new(torn.to_vec());
        nvm.arm(Some(cut));
        let result = power_up(&mut nvm);
        assert!(matches!(result, Ok(()) | Err(NvmError::PowerLost)), "{result:?}");
        nvm
    };
    for cut in cuts(&write_lengths(cut_power_up), 1) {
        tally.recovery_cuts += 1;
        tally.deepest = tally.deepest.max(depth);
        let mut nvm = cut_power_up(cut);
        let deeper = effort.deeper / if depth == 1 { 1 } else { 4 };
        if depth < 3 && tally.recovery_cuts.is_multiple_of(deeper) {
            cut_recovery(nvm.bytes(), recovered, effort, depth + 1, tally);
        }
        power_up(&mut nvm).unwrap();
        assert!(nvm.bytes() == recovered.nvm().bytes(), "{cut:?} in recovery number {depth}");
    }
}

/// The operation behind a recovery is cut as well: the journal of the one before must be harmless.
fn cut_the_next(card: &Card<RamNvm>, tally: &mut Tally) {
    let start = card.nvm().bytes().to_vec();
    let case = Case { name: "the next".into(), start, operation: Box::new(follow_up) };
    sweep(&case, PLAIN, tally);
}

/// Two more operations.
fn go_on(card: &mut Card<RamNvm>) {
    follow_up(card).unwrap();
    let df = card.tree().dfs.first().unwrap();
    let number = *df.keys.last().unwrap();
    card.count_failure(df, number).unwrap();
}

/// An operation that every card takes in every state.
fn follow_up(card: &mut Card<RamNvm>) -> Result<(), CardError> {
    match card.header().kind {
        CardKind::Student => execute(card, Event::Fault, CITY),
        CardKind::Management => card.count_failure(&card.tree().dfs[0], KeyNumber::MANAGEMENT),
        CardKind::Psam | CardKind::Sam => panic!("SAMs have cuts of their own"),
    }
}

fn execute(card: &mut Card<RamNvm>, event: Event, of: &str) -> Result<(), CardError> {
    support::scene::execute(card, event, of).map(drop)
}

/// Every place where power can go in writes of these lengths, under every torn model.
fn cuts(lengths: &[usize], seeds: u64) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for (after_writes, &length) in (0_u64..).zip(lengths) {
        let near = |at: &usize| at.min(&(length - at)) < &64 || at.is_multiple_of(STRIDE);
        for after_bytes in (0..=length).filter(near) {
            let random = (0..seeds).map(|seed| {
                let place = (after_writes << 32) + ((after_bytes as u64) << 8) + seed + 1;
                Torn::Random(place.wrapping_mul(0x9E37_79B9_7F4A_7C15))
            });
            let models = [Torn::Prefix, Torn::Erased(0xFF), Torn::Erased(0x00)];
            // With the whole write there is nothing to tear.
            let models = models.into_iter().chain(random);
            let models = models.take(if after_bytes == length { 1 } else { usize::MAX });
            cuts.extend(models.map(|torn| Cut { after_writes, after_bytes, torn }));
        }
    }
    cuts
}

/// The lengths of the writes of something that can be run into a power cut.
fn write_lengths(run: impl Fn(Cut) -> RamNvm) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut before = 0;
    for n in 0.. {
        let nvm = run(Cut::before_write(n));
        if nvm.writes() <= n {
            break;
        }
        lengths.push(usize::try_from(nvm.bytes_written() - before).unwrap());
        before = nvm.bytes_written();
    }
    lengths
}

/// Memory that is still there when opening it fails.
#[derive(Debug)]
struct Lent<'a>(&'a mut RamNvm);

impl Nvm for Lent<'_> {
    fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), NvmError> {
        self.0.write(offset, bytes)
    }

    fn barrier(&mut self) -> Result<(), NvmError> {
        self.0.barrier()
    }

    fn sync(&mut self) -> Result<(), NvmError> {
        self.0.sync()
    }

    fn power_on(&mut self) -> Result<(), NvmError> {
        self.0.power_on()
    }
}

/// The memory behind a commit longer than any other: its record stands in the journal.
fn aged(memory: &[u8]) -> Vec<u8> {
    let mut store = Store::open(RamNvm::new(memory.to_vec()), tree().journal..tree().size).unwrap();
    let mut txn = store.begin();
    for (start, length) in [(education().keys_offset, 259), (file(sfi::ISSUANCE).offset, 1000)] {
        txn.write(start, &memory[start..start + length]);
    }
    txn.commit().unwrap();
    store.bytes().to_vec()
}

/// A new card one of whose keys has a next version and some failures.
fn two_versions(df: &Df, number: KeyNumber, next: KeyVersion) -> Vec<u8> {
    let mut memory = new_card();
    let offset = df.key_offset(number).unwrap();
    let id = KeyId { zone: df.zone(), number, version: next, algorithm: Algorithm::Aes128 };
    let next_key = key(&id, open(&memory).header().serial);
    let slots = &mut memory[offset..offset + KeySlots::LEN];
    slots[1] = u8::try_from(SUCCESS_CREDIT).unwrap() + 2;
    assert_eq!(slots[4], EMPTY);
    slots[4] = next.number();
    slots[KeySlots::LEN - 16..].copy_from_slice(next_key.expose());
    memory
}

/// What to write into a file: all of it, and its last byte.
fn edits(index: usize, df: &Df, file: &Ef) -> Vec<(usize, Vec<u8>)> {
    let Structure::Transparent { size } = file.structure else {
        panic!("{} is updated and has no sweep", file.name)
    };
    if df.fid == education().fid && file.sfi == sfi::ISSUANCE {
        return vec![(0, Issuance { generation: 1, ..issuance() }.emit().to_vec())];
    }
    let size = usize::from(size);
    let last_byte = (size - 1, vec![0xA5]);
    // The sectors are alike; their first and their last stand for all.
    let whole = df.fid == education().fid || [1, tree().dfs.len() - 1].contains(&index);
    if whole { vec![(0, vec![0x5A; size]), last_byte] } else { vec![last_byte] }
}

/// Fills a cyclic file, so that the next record replaces the oldest.
fn fill_ring(memory: &mut [u8], file: &Ef) {
    let Structure::Cyclic { length, count } = file.structure else {
        panic!("{} is no ring", file.name)
    };
    let records = vec![0x77; usize::from(length) * usize::from(count)];
    put(memory, file, &[vec![count - 1, count], records].concat());
    assert_eq!(
        file.structure.storage(),
        CYCLIC_HEADER_LEN + usize::from(length) * usize::from(count)
    );
}
