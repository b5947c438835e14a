//! What grows: long lists and many cards. `cargo bench -p xuejika-benches --bench scale`; setting up
//! takes some seconds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "benchmarks")]

#[path = "../layers/cards.rs"]
#[allow(dead_code, reason = "each bench uses its own part")]
mod cards;
mod fork;
mod list;

use xuejika_benches::Bench;

fn main() {
    let mut bench = Bench::from_args();
    fork::run(&mut bench);
    list::run(&mut bench);
    bench.print();
}
