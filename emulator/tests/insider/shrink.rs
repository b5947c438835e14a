//! The shortest history that shows a breach.

use super::deed::Act;
use super::walk::{Broken, again};

/// Leaves out what the breach does not need.
pub(crate) fn shortest(Broken { card, mut acts, breach }: Broken) -> Vec<Act> {
    let mut part = acts.len();
    while part > 0 {
        let mut at = 0;
        while at < acts.len() {
            let mut fewer = acts.clone();
            fewer.drain(at..(at + part).min(acts.len()));
            match again(card, &fewer) {
                Some((last, found)) if found.kind == breach.kind => {
                    fewer.truncate(last + 1);
                    acts = fewer;
                }
                _ => at += part,
            }
        }
        part /= 2;
    }
    acts
}
