//! One line per layer: `cargo bench -p xuejika-benches --bench layers`; a part of it with a name
//! behind `--`, as `-- purchase`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "benchmarks")]

mod auth;
mod cards;
mod command;
mod messaging;
mod parse;
mod purchase;
mod tcp;

use xuejika_benches::Bench;

fn main() {
    let mut bench = Bench::from_args();
    parse::run(&mut bench);
    messaging::run(&mut bench);
    auth::run(&mut bench);
    purchase::run(&mut bench);
    command::run(&mut bench);
    tcp::run(&mut bench);
    bench.print();
}
