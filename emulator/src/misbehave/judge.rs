//! What a reader made of a card that misbehaves.

use super::{Duty, Misbehaving};

/// Whether a reader has done its duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It has.
    Kept,
    /// It has not, and why.
    Broken(&'static str),
    /// The occasion did not come.
    NotReached,
}

impl Misbehaving {
    /// Judges a reader. `claims` says whether it claims success, `wanted` how often a sound card is
    /// changed by the same operation. For a management card, `opened` says whether the reader began a
    /// session with a student card.
    #[must_use]
    pub fn judge(&self, claims: bool, wanted: u32, opened: bool) -> Ruling {
        let Some(plan) = self.plan.filter(|_| self.seen.strikes > 0) else {
            return Ruling::NotReached;
        };
        let (seen, done, duty) = (self.seen, self.done(), plan.what.duty);
        let refuses = matches!(duty, Duty::Refuse | Duty::StopShort | Duty::StayLocked);
        let broken = [
            (done > wanted, "the card was changed more often than wanted: it was done twice"),
            (duty == Duty::StayLocked && opened, "a session with a student card was begun"),
            (seen.went_on, "the session went on after a wrong answer"),
            (
                duty == Duty::StopShort && seen.moved_on,
                "the command that moves money was sent after a wrong answer",
            ),
            (refuses && claims, "success is claimed"),
            (
                duty != Duty::StayLocked && claims && done < wanted,
                "success is claimed for what the card has not done",
            ),
            (
                duty == Duty::Ask && done > 0 && !seen.asked && (claims || self.returns),
                "the card has done it, and was not asked for its proof",
            ),
        ];
        match broken.into_iter().find(|(is, _)| *is) {
            Some((_, why)) => Ruling::Broken(why),
            None => Ruling::Kept,
        }
    }
}
