//! The harness judged: each seeded bug is switched on in turn and has to be found.

/// What became of a seeded bug.
#[derive(Clone, Debug)]
pub(crate) struct Hunt {
    /// Its name.
    pub(crate) bug: String,
    /// What found it, if anything did.
    pub(crate) killer: Option<String>,
}

/// Without the feature there are no bugs to seed.
#[cfg(not(faults))]
pub(crate) fn hunt_all(_: Option<&str>, _: Option<&str>) -> Vec<Hunt> {
    Vec::new()
}

#[cfg(faults)]
pub(crate) use seeded::hunt_all;

#[cfg(faults)]
mod seeded {
    use xuejika_card_model::fault::Fault;

    use super::Hunt;
    use crate::cuts::{Breach, Effort, Harness, guarded};
    use crate::faults::in_turn;
    use crate::invariants::SYSTEM;
    use crate::ledger;
    use crate::scenes::{World, operations};

    /// Seeds of every command that a bug must get through to survive.
    const SEEDS: u64 = 3;

    /// Seeds of the ledger that it must get through.
    const TOWNS: u64 = 60;

    /// Seeds every bug in turn that power cuts and ledgers show, or the one with this name.
    pub(crate) fn hunt_all(only: Option<&str>, without: Option<&str>) -> Vec<Hunt> {
        let wanted = |fault: &&Fault| only.is_none_or(|only| format!("{fault:?}") == only);
        let bugs: Vec<Fault> = Fault::SOAK.iter().filter(wanted).copied().collect();
        // A bug may well make the card or its peer panic.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let mut hunts =
            in_turn(&bugs, |bug| Hunt { bug: format!("{bug:?}"), killer: hunt(without) });
        std::panic::set_hook(hook);
        hunts.sort_by(|a, b| a.bug.cmp(&b.bug));
        hunts
    }

    /// What finds the bug that is seeded.
    fn hunt(without: Option<&str>) -> Option<String> {
        let fresh = ledger::fresh();
        let in_cuts = (1..=SEEDS).find_map(|number| cut(number, without));
        let in_ledger = || {
            let run = |number| ledger::run(&fresh, number, 200, without == Some(SYSTEM));
            (1..=TOWNS).find_map(|number| {
                guarded("ledger", number, || run(number)).err().as_ref().map(told)
            })
        };
        in_cuts.or_else(in_ledger)
    }

    fn cut(number: u64, without: Option<&str>) -> Option<String> {
        let world = guarded("world", number, || Ok(World::new(number)));
        let mut world = match world {
            Ok(world) => world,
            Err(breach) => return Some(told(&breach)),
        };
        let mut harness = Harness::new(number, Effort::HUNT, without.map(Into::into));
        operations().into_iter().find_map(|operation| {
            let place = format!("{operation:?}");
            let swept = guarded(&place, number, || harness.command(operation, &mut world));
            swept.err().as_ref().map(told)
        })
    }

    fn told(Breach { invariant, what, place, .. }: &Breach) -> String {
        format!("{invariant}: {} ({place})", what.lines().next().unwrap_or(""))
    }
}
