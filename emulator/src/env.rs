//! Everything a card or a reader takes from outside: randomness and time, through one type.
//!
//! The same seed gives the same bytes and the same clock, so a whole run can be repeated.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use rand_chacha::ChaCha12Rng;
use rand_core::{CryptoRng, SeedableRng};

/// Source of randomness and time.
pub struct Env {
    rng: Box<dyn CryptoRng + Send>,
    clock: Clock,
}

enum Clock {
    System,
    /// Time since the Unix epoch; moves only by [`Env::advance`].
    Manual(Duration),
}

/// Where a seeded clock starts: 2026-09-01 08:00 in Beijing, the first morning of a school year.
pub const SEEDED_START: Duration = Duration::from_secs(1_788_220_800);

impl Env {
    /// The operating system's randomness, stretched in process by ChaCha12, and its clock.
    ///
    /// # Errors
    /// Returns the system's error when it has no randomness to give.
    pub fn system() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self { rng: Box::new(ChaCha12Rng::from_seed(seed)), clock: Clock::System })
    }

    /// Everything from `seed`: repeatable, and anything but secret.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self::with_rng(ChaCha12Rng::seed_from_u64(seed))
    }

    /// Randomness from `rng`, such as a recorded challenge; the clock as in [`Self::from_seed`].
    #[must_use]
    pub fn with_rng(rng: impl CryptoRng + Send + 'static) -> Self {
        Self { rng: Box::new(rng), clock: Clock::Manual(SEEDED_START) }
    }

    /// The random generator.
    pub fn rng(&mut self) -> &mut dyn CryptoRng {
        &mut *self.rng
    }

    /// Fresh random bytes.
    pub fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Time since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Duration {
        match self.clock {
            Clock::System => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Clock::Manual(now) => now,
        }
    }

    /// Whether the clock is the operating system's, which may not be set, rather than a seeded one.
    #[must_use]
    pub const fn has_system_clock(&self) -> bool {
        matches!(self.clock, Clock::System)
    }

    /// Moves a seeded clock forward; the system's clock moves by itself.
    pub fn advance(&mut self, by: Duration) {
        if let Clock::Manual(now) = &mut self.clock {
            *now = now.saturating_add(by);
        }
    }
}

impl core::fmt::Debug for Env {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self.clock {
            Clock::System => "Env(system)",
            Clock::Manual(_) => "Env(seeded)",
        })
    }
}
