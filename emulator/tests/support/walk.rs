//! Random walks: what the command line asks for, and one seed after the other on all processors.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long a walk is unless the command line says otherwise.
pub(crate) struct Share {
    /// Of the test program.
    pub(crate) name: &'static str,
    /// Steps in a release build.
    pub(crate) release: u64,
    /// Steps in a debug build.
    pub(crate) debug: u64,
}

/// `--steps N --seed S`, or `--faults`.
pub(crate) struct Options {
    pub(crate) steps: u64,
    pub(crate) seed: u64,
    /// The walk itself is tried: every seeded fault that it has to find.
    pub(crate) faults: bool,
}

impl Options {
    /// What the arguments ask for; `None` when they ask for other tests only. What the test runner
    /// passes to every program means nothing here.
    pub(crate) fn parse(share: &Share) -> Option<Self> {
        let steps = if cfg!(debug_assertions) { share.debug } else { share.release };
        let mut options = Self { steps, seed: 1, faults: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--steps" => options.steps = number(arguments.next()),
                "--seed" => options.seed = number(arguments.next()),
                "--faults" => options.faults = true,
                "--list" => return None,
                flag if flag.starts_with('-') => {}
                // The name of some other test.
                filter if !share.name.contains(filter) => return None,
                _ => {}
            }
        }
        Some(options)
    }
}

fn number(argument: Option<String>) -> u64 {
    argument.and_then(|text| text.parse().ok()).expect("a number after --steps or --seed")
}

/// Runs `work` for all seeds on all processors. Gives the sum of what was done, and every failure with
/// its seed.
pub(crate) fn for_seeds<T: Default + Send, E: Send>(
    seeds: Range<u64>,
    work: impl Fn(u64, &mut T) -> Result<(), E> + Sync,
    add: impl Fn(&mut T, &T) + Sync,
) -> (T, Vec<(u64, E)>) {
    let next = AtomicU64::new(seeds.start);
    let (sum, found) = (Mutex::new(T::default()), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut part = T::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    if let Err(failure) = work(seed, &mut part) {
                        found.lock().unwrap().push((seed, failure));
                    }
                }
                add(&mut sum.lock().unwrap(), &part);
            });
        }
    });
    (sum.into_inner().unwrap(), found.into_inner().unwrap())
}
