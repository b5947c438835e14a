//! Time and randomness of a run, both from one [`Env`].

use anyhow::{Context, bail};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use xuejika_card_model::calendar;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::record::{SchoolYear, Term};
use xuejika_emulator::Env;

use crate::exit::{Failure, Outcome};

/// The system's time and randomness, or repeatable ones.
pub(crate) fn env(seed: Option<u64>) -> Outcome<Env> {
    match seed {
        Some(seed) => Ok(Env::from_seed(seed)),
        None => Env::system()
            .map_err(|error| Failure::device(anyhow::anyhow!("the system's randomness: {error}"))),
    }
}

/// Randomness of its own for a part of the run.
pub(crate) fn fork(env: &mut Env) -> ChaCha12Rng {
    ChaCha12Rng::from_seed(env.random())
}

/// Date and time in Beijing.
///
/// # Errors
/// A system clock that is not set: earlier than the program, or after 2099.
pub(crate) fn now(env: &Env) -> Outcome<(Date, Time)> {
    let built = if env.has_system_clock() { built() } else { 0 };
    set(env.now().as_secs(), built).map_err(Failure::device)
}

/// Date and time of an operation: those given, or the clock's. A date given by hand is believed.
pub(crate) fn stamp(env: &Env, date: Option<Date>, time: Option<Time>) -> Outcome<(Date, Time)> {
    match (date, time) {
        (Some(date), Some(time)) => Ok((date, time)),
        (Some(date), None) => {
            let now = set(env.now().as_secs(), 0).map_err(Failure::device)?;
            Ok((date, now.1))
        }
        (None, time) => {
            let now = now(env)?;
            Ok((now.0, time.unwrap_or(now.1)))
        }
    }
}

/// When this program was built, in seconds since 1970-01-01 UTC; `SOURCE_DATE_EPOCH` when that was set.
fn built() -> u64 {
    env!("XUEJIKA_BUILT").parse().unwrap_or(0)
}

/// Date and time in Beijing by a clock that is set: not on a day before the program was built.
fn set(now: u64, built: u64) -> anyhow::Result<(Date, Time)> {
    let advice = "set the clock, or give the date by hand (--date)";
    let stamp = calendar::beijing(now);
    let stamp = stamp.with_context(|| format!("the clock lies after 2099: {advice}"))?;
    match calendar::beijing(built) {
        Some((built, _)) if stamp.0 < built => bail!(
            "the clock is not set: it says {}, and the program was built on {built}; {advice}",
            stamp.0
        ),
        _ => Ok(stamp),
    }
}

/// The school year and term of a registration, from the date where they are not given.
pub(crate) fn period(
    date: Date,
    school_year: Option<u16>,
    given: Option<Term>,
) -> Outcome<(SchoolYear, Term)> {
    let of_date = calendar::term_of(date);
    let (year, term) =
        of_date.context("the date lies in no school year").map_err(Failure::usage)?;
    let year = school_year.map_or(Ok(year), SchoolYear::new).map_err(Failure::usage)?;
    Ok((year, given.unwrap_or(term)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seeded_run_starts_on_the_first_morning_of_a_school_year() {
        let (date, time) = now(&Env::from_seed(1)).unwrap();
        assert_eq!((date.to_string(), time.to_string()), ("2026-09-01".into(), "08:00:00".into()));
    }

    /// A reader whose battery ran out must not date cards into the past; a date given by hand counts.
    #[test]
    fn a_clock_before_the_program_is_not_set() {
        let (midnight, built) = (1_796_054_400, 1_796_090_000);
        let day = |now, built| set(now, built).map(|now| now.0.to_string());
        assert_eq!(day(midnight, built).unwrap(), "2026-12-01");
        assert_eq!(day(built, built).unwrap(), "2026-12-01");
        let error = day(midnight - 1, built).unwrap_err().to_string();
        let expected = "the clock is not set: it says 2026-11-30, and the program was built on \
                        2026-12-01; set the clock, or give the date by hand (--date)";
        assert_eq!(error, expected);
        assert!(day(0, built).is_err());
        assert_eq!(day(0, 0).unwrap(), "1970-01-01");
        assert!(day(u64::MAX, built).unwrap_err().to_string().contains("after 2099"));
        // This build knows its day, and the system's clock is later; a seeded one is not asked.
        assert!(built_is_past());
        assert!(now(&Env::from_seed(1)).is_ok());
    }

    fn built_is_past() -> bool {
        let now = Env::system().unwrap().now().as_secs();
        (1..=now).contains(&built())
    }
}
