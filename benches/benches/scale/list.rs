//! Is this card listed? Among 1.5 million cards, in the reader's compact form.

use std::collections::{BTreeSet, HashSet};
use std::hint::black_box;

use xuejika_benches::Bench;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::ident::{CardSerial, UnitCode};
use xuejika_card_model::list::{
    Bearer, Edition, Entry, Kind, List, ListMac, Lookup, Moment, key_id, key_path,
};
use xuejika_keyscheme::provider::{KeyProvider, TestRoots};
use xuejika_keyscheme::{Algorithm, KeyVersion};

const LISTED: u32 = 1_500_000;

/// Cards asked about, half of them listed, in an order that helps no cache.
const PROBES: u32 = 1 << 16;

/// Numbers in a block of the compact form.
const BLOCK: usize = 128;

pub(crate) fn run(bench: &mut Bench) {
    let lookup = lookup();
    let listed: HashSet<CardSerial> = (0..LISTED).map(|n| serial(2 * n)).collect();
    let sorted: BTreeSet<CardSerial> = listed.iter().copied().collect();
    let probes: Vec<CardSerial> =
        (0..PROBES).map(|n| serial(n.wrapping_mul(0x9E37_79B1) % (2 * LISTED))).collect();
    assert!(probes.iter().all(|card| lookup_has(&lookup, *card) == listed.contains(card)));
    // The numbers alone, and every 128th of them.
    let numbers: Vec<u64> = (0..LISTED).map(|n| u64::from(2 * n)).collect();
    let firsts: Vec<u64> = numbers.iter().copied().step_by(BLOCK).collect();
    let wanted: Vec<u64> =
        (0..PROBES).map(|n| u64::from(n.wrapping_mul(0x9E37_79B1) % (2 * LISTED))).collect();
    let count = |has: &dyn Fn(&CardSerial) -> bool| {
        black_box(&probes).iter().filter(|card| has(card)).count()
    };
    bench
        .row("look-up among 1.5 million listed cards")
        .elements(PROBES)
        .ours(|| count(&|card| lookup_has(&lookup, *card)))
        .floor(|| {
            black_box(&wanted)
                .iter()
                .filter(|number| two_searches(&firsts, &numbers, **number))
                .count()
        })
        .against("HashSet", || count(&|card| listed.contains(card)))
        .against("BTreeSet", || count(&|card| sorted.contains(card)))
        .done();
    bench.note(format!(
        "list look-up: {:.2} bytes for each listed card; a HashSet needs {:.1}",
        lookup.memory() as f64 / f64::from(LISTED),
        // One control byte beside each place.
        (listed.capacity() * (size_of::<CardSerial>() + 1)) as f64 / f64::from(LISTED),
    ));
}

/// A search among the firsts of the blocks and one inside a block, over plain numbers.
fn two_searches(firsts: &[u64], numbers: &[u64], wanted: u64) -> bool {
    let Some(at) = firsts.partition_point(|first| *first <= wanted).checked_sub(1) else {
        return false;
    };
    let block = &numbers[at * BLOCK..numbers.len().min((at + 1) * BLOCK)];
    block.binary_search(&wanted).is_ok()
}

fn lookup_has(lookup: &Lookup, card: CardSerial) -> bool {
    lookup.listing(card, &Bearer::default()).standing.loss.is_some()
}

fn lookup() -> Lookup {
    let issued = Moment { date: Date::new(2026, 9, 1).unwrap(), time: Time::MIDNIGHT };
    let edition = Edition { scope: UnitCode::CITY, version: 1, issued };
    let unit = "084012".parse().unwrap();
    let entry = |n| Entry::new(serial(2 * n), Kind::Loss, unit, issued, issued.date, None).unwrap();
    let list = List::new(edition, (0..LISTED).map(entry)).unwrap();
    let id = key_id(KeyVersion::FIRST, Algorithm::Aes128);
    let mac = ListMac::new(&TestRoots.list_key(&id, key_path(UnitCode::CITY)).unwrap(), id);
    Lookup::parse(&list.emit(&mac), &mac).unwrap()
}

fn serial(number: u32) -> CardSerial {
    CardSerial::new(26, 1, number).unwrap()
}
