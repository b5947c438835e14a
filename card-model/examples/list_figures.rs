//! Builds, merges, writes, reads and looks up lists of 1.5 million cards, and prints how long it
//! takes and how much memory it needs:
//!
//! `cargo run --release -p xuejika-card-model --example list_figures [ENTRIES]`

use core::hint::black_box;
use std::error::Error;
use std::time::Instant;

use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::ident::{CardSerial, UnitCode};
use xuejika_card_model::list::{
    Bearer, Delta, Edition, Entry, Kind, List, ListMac, Lookup, Moment, key_id, key_path,
};
use xuejika_keyscheme::provider::{KeyProvider, TestRoots};
use xuejika_keyscheme::{Algorithm, KeyVersion};

const ENTRIES: u32 = 1_500_000;

/// Schools that send a list each.
const SCHOOLS: u32 = 999;

const PROBES: u32 = 10_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(ENTRIES), |text| text.parse())?;
    // One vendor's serials of one year, half of them listed; and serials spread over all years,
    // vendors and numbers, which is the worst there can be.
    figures("dense: half of the cards of one vendor and year", count, |n| {
        CardSerial::new(26, 1, n * 2 % 10_000_000)
    })?;
    figures("spread: random serials", count, |n| {
        let random = mix(n);
        let part = |by: u64, count: u64| u32::try_from(random / by % count).unwrap_or(0);
        let small = |value: u32| u8::try_from(value).unwrap_or(0);
        CardSerial::new(small(part(1, 100)), small(part(100, 100)), part(10_000, 10_000_000))
    })
}

fn figures<E: Error + 'static>(
    what: &str,
    count: u32,
    serial: impl Fn(u32) -> Result<CardSerial, E>,
) -> Result<(), Box<dyn Error>> {
    println!("{what}");
    let city = edition(UnitCode::CITY, 1)?;
    let schools = schools(count, &serial)?;

    let started = Instant::now();
    let list = List::merge(city, &schools)?;
    let len = list.entries().len();
    say("merge", started, &format!("{} lists into {len} entries", schools.len()));
    drop(schools);

    let mac = city_key()?;
    let started = Instant::now();
    let file = list.emit(&mac);
    say("write", started, &format!("{:.1} MiB with MAC", mib(file.len())));
    let started = Instant::now();
    let read = List::parse(&file, &mac)?;
    let memory = read.entries().len() * size_of::<Entry>();
    say("read", started, &format!("MAC verified, {:.1} MiB in memory", mib(memory)));

    let started = Instant::now();
    let lookup = Lookup::parse(&file, &mac)?;
    say("lookup built", started, &format!("from the file, {:.2} MiB", mib(lookup.memory())));
    let bits = lookup.memory() as f64 * 8.0 / lookup.count().max(1) as f64;
    println!("  {:14} {bits:.1} bits a card, {} cards", "", lookup.count());

    let next = List::merge(edition(UnitCode::CITY, 2)?, [&list, &daily(count)?])?;
    let started = Instant::now();
    let delta = next.since(&list)?;
    say("diff", started, &format!("{} changes", delta.changes().len()));
    let delta = Delta::parse(&delta.emit(&mac), &mac)?;
    let started = Instant::now();
    assert_eq!(delta.apply(&list)?, next);
    say("apply", started, "digest verified");

    probe("hit", &lookup, |n| serial(n % count))?;
    probe("miss", &lookup, |n| CardSerial::new(99, 99, n % 10_000_000))?;
    probe("near", &lookup, |n| CardSerial::new(26, 1, (n * 2 + 1) % 10_000_000))?;
    Ok(())
}

/// The lists of all schools, each with its share of the cards.
fn schools<E: Error + 'static>(
    count: u32,
    serial: &impl Fn(u32) -> Result<CardSerial, E>,
) -> Result<Vec<List>, Box<dyn Error>> {
    let started = Instant::now();
    let mut lists = Vec::new();
    for school in 1..=SCHOOLS {
        let unit: UnitCode = format!("084{school:03}").parse()?;
        let mut entries = Vec::new();
        for n in (school - 1..count).step_by(SCHOOLS as usize) {
            let kind = if n % 4 == 0 { Kind::Freeze } else { Kind::Loss };
            entries.push(Entry::new(serial(n)?, kind, unit, moment()?, moment()?.date, None)?);
        }
        lists.push(List::new(edition(unit, 1)?, entries)?);
    }
    say("build", started, &format!("{} lists of schools", lists.len()));
    Ok(lists)
}

/// What the city hears in a day.
fn daily(count: u32) -> Result<List, Box<dyn Error>> {
    let unit: UnitCode = "084001".parse()?;
    let mut entries = Vec::new();
    for n in 0..count / 1000 {
        let card = CardSerial::new(27, 1, n)?;
        entries.push(Entry::new(card, Kind::Loss, unit, moment()?, moment()?.date, None)?);
    }
    Ok(List::new(edition(unit, 2)?, entries)?)
}

fn probe<E: Error + 'static>(
    name: &str,
    lookup: &Lookup,
    serial: impl Fn(u32) -> Result<CardSerial, E>,
) -> Result<(), Box<dyn Error>> {
    let mut cards = Vec::new();
    for n in 0..PROBES / 10 {
        cards.push(serial(u32::try_from(mix(n) % u64::from(u32::MAX / 4))?)?);
    }
    let started = Instant::now();
    let mut listed = 0_u64;
    for card in cards.iter().cycle().take(PROBES as usize) {
        listed += u64::from(
            black_box(lookup.listing(*card, &Bearer::default())).standing != Default::default(),
        );
    }
    let each = started.elapsed().as_secs_f64() * 1e9 / f64::from(PROBES);
    println!("  look up, {name:5} {each:8.0} ns each, {listed} of {PROBES} listed");
    Ok(())
}

fn edition(scope: UnitCode, version: u32) -> Result<Edition, Box<dyn Error>> {
    Ok(Edition { scope, version, issued: moment()? })
}

fn moment() -> Result<Moment, Box<dyn Error>> {
    Ok(Moment { date: Date::new(2026, 9, 1)?, time: Time::MIDNIGHT })
}

fn city_key() -> Result<ListMac, Box<dyn Error>> {
    let id = key_id(KeyVersion::FIRST, Algorithm::Aes128);
    Ok(ListMac::new(&TestRoots.list_key(&id, key_path(UnitCode::CITY))?, id))
}

/// A number that looks random (SplitMix64).
fn mix(n: u32) -> u64 {
    let mut z = u64::from(n).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn say(what: &str, started: Instant, result: &str) {
    println!("  {what:14} {:8.0} ms  {result}", started.elapsed().as_secs_f64() * 1e3);
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
