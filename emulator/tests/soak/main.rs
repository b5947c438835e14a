#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]
mod case;
mod client;
mod cuts;
mod invariants;
mod memory;
mod rng;
mod scenes;
#[path = "../support/mod.rs"]
mod support;
mod view;

fn main() {
    let start = std::time::Instant::now();
    let mut total = cuts::Tally::default();
    for seed in 1..=2 {
        let mut world = scenes::World::new(seed);
        for op in scenes::operations() {
            let t = std::time::Instant::now();
            let mut h = cuts::Harness::new(seed, cuts::Effort::QUICK, None);
            let r = h.command(op, &mut world);
            println!(
                "{op:?} {:?} {:?} {} {:?}",
                r.as_ref().ok(),
                h.tally,
                h.tally.total(),
                t.elapsed()
            );
            if let Err(b) = r {
                println!("{b:#?}");
            }
            total.add(&h.tally);
        }
    }
    println!("{total:?} {} {:?}", total.total(), start.elapsed());
}
