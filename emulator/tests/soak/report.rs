//! What is printed at the end.

use std::time::Duration;

use super::Options;
use super::bugs::Hunt;
use super::cuts::{Breach, Tally};
use super::invariants::INVARIANTS;
use super::ledger::LedgerTally;
use super::scenes::operations;

/// All results.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) cuts: Tally,
    pub(crate) ledger: LedgerTally,
    pub(crate) bugs: Vec<Hunt>,
    pub(crate) breaches: Vec<Breach>,
}

impl Report {
    /// Whether nothing was broken and every bug was found.
    pub(crate) fn passed(&self) -> bool {
        self.breaches.is_empty() && self.survivors() == 0
    }

    fn survivors(&self) -> usize {
        self.bugs.iter().filter(|hunt| hunt.killer.is_none()).count()
    }

    pub(crate) fn print(&self, options: &Options, seeds: u64, elapsed: Duration) {
        let Tally { cases, cuts, torn, losses, recoveries, deepest, .. } = self.cuts;
        let Tally { followed, followed_cuts, real, .. } = self.cuts;
        let Tally { commands, writing, .. } = self.cuts;
        let (commands, writing) = (commands.count_ones(), writing.count_ones());
        println!(
            "commands covered      {commands} of {}, {writing} of them write",
            operations().len()
        );
        println!("scenes                {cases} ({seeds} seeds)");
        println!("cuts made             {}", self.cuts.total());
        println!("  in commands         {cuts}, {real} more run into for comparison");
        println!("  torn states         {torn}");
        println!("  in recoveries       {recoveries}, up to {deepest} in a row");
        println!("  in what followed    {followed_cuts}, after {followed} further transactions");
        println!("  ends of a process   {losses}, with what is in the write cache");
        println!("invariant breaches    {}", self.breaches.len());
        self.print_ledger();
        if self.bugs.is_empty() {
            println!("seeded bugs           none in these sources: bash .ci/faults run");
        } else {
            println!(
                "seeded bugs killed    {}/{}",
                self.bugs.len() - self.survivors(),
                self.bugs.len()
            );
        }
        println!("time                  {:.1} s", elapsed.as_secs_f64());
        for hunt in &self.bugs {
            let killer = hunt.killer.as_deref().unwrap_or("SURVIVED");
            println!("  {:<28} {killer}", hunt.bug);
        }
        self.breaches.iter().for_each(|breach| print_breach(breach, options));
        let failed = self.breaches.len() + self.survivors();
        println!("{} passed, {failed} failed", 2 + self.bugs.len() - self.survivors());
    }

    fn print_ledger(&self) {
        let LedgerTally { steps, done, not_done, doubts, settled, unproven, rolled_over, troubles } =
            self.ledger;
        println!("ledger steps          {steps} exact");
        println!("  transactions        {done} done, {not_done} not done, {doubts} in doubt");
        println!(
            "  doubts ended        {settled}, {unproven} of them by the log alone, {rolled_over} by nothing"
        );
        println!("  troubles            {}: {troubles:?}", troubles.total());
    }
}

/// What is broken, and how to see it again.
fn print_breach(Breach { invariant, what, place, seed }: &Breach, options: &Options) {
    let text = INVARIANTS.iter().find(|known| known.name == *invariant);
    let text = text.map_or("the sum of all money is exact", |known| known.text);
    let command = place.split(',').next().unwrap_or("");
    let soak = if options.soak { "--soak " } else { "" };
    println!("{invariant} broken ({text}): {what}");
    println!("  at {place}");
    println!("  again with: {soak}--seed {seed} --only {command}");
}
