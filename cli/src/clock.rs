//! Time and randomness of a run, both from one [`Env`].

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
        Some(seed) => Ok(Env::seeded(seed)),
        None => Env::system()
            .map_err(|error| Failure::device(anyhow::anyhow!("the system's randomness: {error}"))),
    }
}

/// Randomness of its own for a part of the run.
pub(crate) fn fork(env: &mut Env) -> ChaCha12Rng {
    ChaCha12Rng::from_seed(env.random())
}

/// Date and time in Beijing; `None` after 2099.
pub(crate) fn now(env: &Env) -> Option<(Date, Time)> {
    calendar::beijing(env.now().as_secs())
}

/// Date and time of an operation: those given, or the clock's.
pub(crate) fn stamp(env: &Env, date: Option<Date>, time: Option<Time>) -> Outcome<(Date, Time)> {
    let now = now(env);
    match (date.or(now.map(|now| now.0)), time.or(now.map(|now| now.1))) {
        (Some(date), Some(time)) => Ok((date, time)),
        _ => Err(Failure::device(anyhow::anyhow!("the clock is not set; give --date and --time"))),
    }
}

/// The term a date belongs to: autumn from August to January, spring from February to July.
pub(crate) fn term(date: Date) -> (u16, Term) {
    let term = if (2..8).contains(&date.month()) { Term::Spring } else { Term::Autumn };
    (date.school_year(), term)
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
