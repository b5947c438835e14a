//! How much the derivation of many cards at once gains: the same keys, in the same run, by a plain
//! loop on one thread with the library's single-block ciphers, and as the check does it.

use core::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use xuejika_batch::{KeySlot, KeySource, Plan, pipeline};

use crate::exit::{Failure, Outcome};

/// Cards of the plain loop.
const SINGLY: usize = 2048;

/// Cards of the other way.
const MANY: usize = 1 << 17;

/// Cards at a time, as in a block of rows.
const AT_ONCE: usize = 1024;

/// One comparison.
#[derive(Serialize)]
pub(crate) struct Gain {
    report: &'static str,
    keys: &'static str,
    cards: usize,
    workers: usize,
    singly_ns: f64,
    at_once_ns: f64,
    /// How many times faster.
    gain: f64,
}

/// Compares the two ways on cards of the batch, for card keys and for wallet keys.
pub(crate) fn gains(source: &KeySource<'_>, plan: &Plan) -> Outcome<Vec<Gain>> {
    let serials = plan.serials.iter().flat_map(|range| {
        let sequences = range.first.sequence()..=range.last.sequence();
        sequences.filter_map(|sequence| range.serial(sequence))
    });
    let cards: Vec<[u8; 8]> = serials.map(|serial| serial.bytes()).take(MANY).collect();
    let mut gains = Vec::new();
    for (keys, wallet) in [("card keys", false), ("wallet keys", true)] {
        let slots: Vec<_> = KeySlot::all().filter(|slot| slot.is_wallet() == wallet).collect();
        let few = cards.get(..SINGLY).unwrap_or(&cards);
        let start = Instant::now();
        for slot in &slots {
            source.check_values_singly(*slot, few)?;
        }
        let singly_ns = each(start.elapsed(), few.len() * slots.len());
        let start = Instant::now();
        pipeline::run(
            cards.chunks(AT_ONCE),
            |part| slots.iter().try_for_each(|slot| source.check_values(*slot, part).map(drop)),
            |done| done.map_err(Failure::from),
        )?;
        let at_once_ns = each(start.elapsed(), cards.len() * slots.len());
        let gain = singly_ns / at_once_ns;
        let workers = pipeline::workers();
        let report = "gain";
        gains.push(Gain { report, keys, cards: cards.len(), workers, singly_ns, at_once_ns, gain });
    }
    Ok(gains)
}

#[allow(clippy::cast_precision_loss, reason = "nanoseconds for people")]
fn each(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e9 / count.max(1) as f64
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, workers, singly_ns, at_once_ns, gain, .. } = self;
        write!(
            f,
            "{keys}: {at_once_ns:.0} ns each on {workers} threads, {singly_ns:.0} ns in a plain loop \
             on one: {gain:.1} times faster"
        )
    }
}
