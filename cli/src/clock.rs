//! Time and randomness of a run, both from one [`Env`].

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::record::{SchoolYear, Term};
use xuejika_emulator::Env;

use crate::exit::{Failure, Outcome};

/// Beijing is eight hours ahead of UTC all year.
const BEIJING: u64 = 8 * 3600;

/// The system's time and randomness, or repeatable ones.
pub(crate) fn env(seed: Option<u64>) -> Outcome<Env> {
    match seed {
        Some(seed) => Ok(Env::seeded(seed)),
        None => Env::system()
            .map_err(|error| Failure::device(anyhow::anyhow!("the system's randomness: {error}"))),
    }
}

/// Randomness of its own for a part of the run.
pub(crate) fn fork(env: &mut Env) -> ChaCha12Rng {
    ChaCha12Rng::from_seed(env.random())
}

/// Date and time in Beijing; `None` outside the years 1900 to 2099.
pub(crate) fn now(env: &Env) -> Option<(Date, Time)> {
    let seconds = env.now().as_secs() + BEIJING;
    let date = Date::new(1970, 1, 1).ok()?.add_days(i32::try_from(seconds / 86_400).ok()?)?;
    let part = |unit: u64, count: u64| u8::try_from(seconds / unit % count).ok();
    Some((date, Time::new(part(3600, 24)?, part(60, 60)?, part(1, 60)?).ok()?))
}

/// The term a date belongs to: autumn from August to January, spring from February to July.
pub(crate) fn term(date: Date) -> (u16, Term) {
    match date.month() {
        8.. => (date.year(), Term::Autumn),
        1 => (date.year() - 1, Term::Autumn),
        _ => (date.year() - 1, Term::Spring),
    }
}

/// The school year and term of a registration, from the date where they are not given.
pub(crate) fn period(
    date: Date,
    school_year: Option<u16>,
    given: Option<Term>,
) -> Outcome<(SchoolYear, Term)> {
    let (year, of_date) = term(date);
    let year = SchoolYear::new(school_year.unwrap_or(year)).map_err(Failure::usage)?;
    Ok((year, given.unwrap_or(of_date)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seeded_run_starts_on_the_first_morning_of_a_school_year() {
        let (date, time) = now(&Env::seeded(1)).unwrap();
        assert_eq!((date.to_string(), time.to_string()), ("2026-09-01".into(), "08:00:00".into()));
    }

    #[test]
    fn terms_turn_in_august_and_february() {
        for (date, expected) in [
            ("2026-07-31", (2025, Term::Spring)),
            ("2026-08-01", (2026, Term::Autumn)),
            ("2027-01-31", (2026, Term::Autumn)),
            ("2027-02-01", (2026, Term::Spring)),
        ] {
            assert_eq!(term(date.parse().unwrap()), expected, "{date}");
        }
    }
}
