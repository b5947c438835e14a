//! Cuts off a card that does not come back: the only way to release a host that waits without a
//! time-out of its own, as PC/SC does.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

/// Counts the card's calls: odd while one is running.
///
/// The card's thread only increments a number, the watching thread samples it, so a fast card
/// pays for no clock and no lock.
#[derive(Default)]
pub(super) struct Watchdog {
    calls: AtomicU64,
    fired: AtomicBool,
}

impl Watchdog {
    /// Runs `call` under watch.
    pub(super) fn guard<T>(&self, call: impl FnOnce() -> T) -> T {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let result = call();
        self.calls.fetch_add(1, Ordering::Relaxed);
        result
    }

    /// Whether a call exceeded its budget.
    pub(super) fn fired(&self) -> bool {
        self.fired.load(Ordering::Acquire)
    }

    /// Watches until the sender of `ended` is dropped; when one call lasts longer than `budget`,
    /// calls `cut` and returns. Never early, late by a fifth of the budget at most.
    pub(super) fn watch(&self, budget: Duration, ended: &Receiver<()>, cut: impl FnOnce()) {
        let step = (budget / 10).max(Duration::from_millis(1));
        let mut running = (0, Instant::now());
        while ended.recv_timeout(step) == Err(RecvTimeoutError::Timeout) {
            let calls = self.calls.load(Ordering::Relaxed);
            if calls != running.0 {
                running = (calls, Instant::now());
            } else if calls % 2 == 1 && running.1.elapsed() >= budget {
                self.fired.store(true, Ordering::Release);
                return cut();
            }
        }
    }
}
