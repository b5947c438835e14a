//! The invariants of a card whose power goes at any time: W1 to W5 and W7 to W12, and W6 of all cards
//! together.
//!
//! Each but W6 is a function over what is known of one cut: the card before, the uncut command, the card
//! found after power came back, what had left the card until then, and what was seen afterwards.

use xuejika_card_model::wallet::MAX_BALANCE;

use super::case::{Bound, Expect, Money};
use super::support::Reply;
use super::view::{NUMBER, PURSE, Part, View};

/// What is known of one cut.
pub(crate) struct Witness<'a> {
    pub(crate) expect: &'a Expect,
    /// The card before the scene.
    pub(crate) start: &'a View,
    /// The card just before the command.
    pub(crate) old: &'a View,
    /// The card after the uncut command.
    pub(crate) new: &'a View,
    /// The states that the uncut command committed, in their order.
    pub(crate) steps: &'a [View],
    /// The answer to the uncut command.
    pub(crate) uncut: &'a Reply,
    /// The card found.
    pub(crate) found: &'a View,
    /// What had left the card.
    pub(crate) told: Option<&'a Reply>,
    pub(crate) seen: Seen,
}

/// What was seen after power came back.
#[derive(Default)]
pub(crate) struct Seen {
    /// Power came back and the card did not.
    pub(crate) dead: bool,
    /// Writes of a second power-up.
    pub(crate) rewrites: usize,
    /// Cards found in other ways that must be the same card.
    pub(crate) others: Vec<(&'static str, View)>,
    /// GET TRANSACTION PROVE for the transaction, and for the one before.
    pub(crate) proofs: Option<[Reply; 2]>,
    /// Commands that came too late: what made them late, the answer, what changed all the same.
    pub(crate) late: Vec<(&'static str, Reply, Vec<Part>)>,
    /// A damaged image of the card was taken for one.
    pub(crate) damage_taken: bool,
}

/// An invariant.
pub(crate) struct Invariant {
    pub(crate) name: &'static str,
    /// What it says.
    pub(crate) text: &'static str,
    pub(crate) check: fn(&Witness<'_>) -> Result<(), String>,
}

/// All of them.
pub(crate) const INVARIANTS: [Invariant; 12] = {
    const fn invariant(
        name: &'static str,
        text: &'static str,
        check: fn(&Witness<'_>) -> Result<(), String>,
    ) -> Invariant {
        Invariant { name, text, check }
    }
    [
        invariant(
            "W0",
            "the uncut command is answered and carried out as the profile says",
            answered,
        ),
        invariant("W1", "the state is the old one or the new one, never a mixture", atomic),
        invariant("W2", "no fen appears and none is lost", conserved),
        invariant("W3", "what was told survives", revealed),
        invariant("W4", "GET TRANSACTION PROVE decides", proved),
        invariant(
            "W5",
            "INITIALIZE changes nothing, the last proof stays until the next commit",
            bounded,
        ),
        invariant("W7", "counters advance by one with each commit", counted),
        invariant("W8", "a failure costs a try before it is told, and nothing else", failed),
        invariant("W9", "a key is wholly old or wholly new", keyed),
        invariant(
            "W10",
            "what is volatile ends with use, reset, error and other commands",
            volatile,
        ),
        invariant("W11", "recovery ends in the same state however often and wherever", recovered),
        invariant("W12", "a damaged image is refused", intact),
    ]
};

fn holds(condition: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(what()) }
}

const SUCCESS: u16 = 0x9000;

/// W0.
fn answered(w: &Witness<'_>) -> Result<(), String> {
    let (expected, found) = (w.expect.status, w.uncut.sw);
    holds(expected == found, || format!("answered {found:04X}, not {expected:04X}"))?;
    if let Some(money) = &w.expect.money {
        let before = w.old.purse().ok_or("no purse")?;
        holds((money.is_right)(money, &before, &w.uncut.data), || "a wrong code".into())?;
    }
    Ok(())
}

/// W1.
fn atomic(w: &Witness<'_>) -> Result<(), String> {
    let unexpected: Vec<_> = w.old.difference(w.new);
    let unexpected = unexpected.iter().find(|part| !w.expect.changes.contains(part));
    holds(unexpected.is_none(), || format!("{unexpected:?} changed"))?;
    let spends = w.expect.spends;
    let is = |view: View| *w.found == view;
    let whole = w.found == w.old
        || w.found == w.new
        || spends.is_some_and(|counter| is(w.old.spent(counter)))
        || spends.is_some_and(|counter| is(w.old.restored(counter)));
    holds(whole, || {
        let (old, new) = (w.found.difference(w.old), w.found.difference(w.new));
        format!("neither old ({old:?} differ) nor new ({new:?} differ)")
    })
}

/// W2.
fn conserved(w: &Witness<'_>) -> Result<(), String> {
    let (Some(old), Some(found)) = (w.old.purse(), w.found.purse()) else {
        return holds(w.old.purse().is_none(), || "the purse cannot be read".into());
    };
    let moved = i64::from(found.balance.0) - i64::from(old.balance.0);
    let due = w.expect.money.as_ref().map_or(0, |money| {
        let times = i64::from(money.counter(&found)) - i64::from(money.counter(&old));
        times * money.delta()
    });
    holds(moved == due, || format!("the balance moved by {moved} fen instead of {due}"))?;
    holds(found.balance <= MAX_BALANCE, || "the balance is above the ceiling".into())
}

/// W3.
fn revealed(w: &Witness<'_>) -> Result<(), String> {
    let Some(told) = w.told else { return Ok(()) };
    if told.sw != SUCCESS {
        return Ok(());
    }
    holds(w.found == w.new, || format!("{:?} lost after the answer", w.found.difference(w.new)))?;
    let reached = w.expect.goal.as_ref().is_none_or(|goal| goal(w.found));
    holds(reached, || "9000 was answered and it is not done".into())
}

/// W4.
fn proved(w: &Witness<'_>) -> Result<(), String> {
    let (Some(money), Some([proof, last])) = (&w.expect.money, &w.seen.proofs) else {
        return Ok(());
    };
    let (Some(old), Some(found)) = (w.old.purse(), w.found.purse()) else {
        return Err("the purse cannot be read".into());
    };
    let done = money.counter(&found) != money.counter(&old);
    if done {
        let lost = money.proof(&w.uncut.data);
        holds((proof.sw, &proof.data) == (SUCCESS, &lost), || "other codes than were lost".into())?;
        let record = w.found.newest_log().ok_or("no log record")?;
        let expected = (money.counter(&found), money.amount, money.kind, money.terminal, money.at);
        let logged = (record.sequence, record.amount, record.kind, record.terminal, record.at);
        holds(logged == expected, || "the log says something else".into())?;
        holds(last.sw == 0x9406, || "the proof before the last one is still given".into())
    } else {
        holds(proof.sw == 0x9406, || "a proof of what was not done".into())?;
        let same = old.proof.is_none_or(|old| last.data == [old.mac, old.tac].concat());
        holds(same, || "the last proof is gone".into())
    }
}

/// W5.
fn bounded(w: &Witness<'_>) -> Result<(), String> {
    if w.expect.money.is_none() {
        return Ok(());
    }
    let same = w.start.part(PURSE) == w.old.part(PURSE);
    holds(same, || "the purse changed before the last command".into())?;
    let proof = |view: &View| view.purse().map(|purse| purse.proof);
    let kept = proof(w.found) == proof(w.old) || proof(w.found) == proof(w.new);
    holds(kept, || "the last proof is gone".into())
}

/// W7.
fn counted(w: &Witness<'_>) -> Result<(), String> {
    if let (Some(old), Some(found)) = (w.old.purse(), w.found.purse()) {
        let steps = |money: bool, before: u16, after: u16| {
            let step = u16::from(money && w.expect.status == SUCCESS);
            after == before || Some(after) == before.checked_add(step)
        };
        let money = w.expect.money.as_ref();
        let online = money.is_some_and(Money::is_online);
        let offline = money.is_some_and(|money| !money.is_online());
        holds(steps(online, old.online, found.online), || "the on-line counter leaps".into())?;
        holds(steps(offline, old.offline, found.offline), || "the off-line counter leaps".into())?;
        if let (Some(money), Some(_)) = (money, w.told) {
            let advanced = money.counter(&found) == money.counter(&old).wrapping_add(1);
            holds(advanced, || "told under a counter that comes again".into())?;
        }
    }
    if w.expect.changes.contains(&NUMBER) {
        let (Some(old), Some(found)) = (w.old.number(), w.found.number()) else {
            return Err("no number".into());
        };
        let legal = found == old || Some(found) == old.checked_add(1);
        holds(legal, || format!("the number went from {old:08X} to {found:08X}"))?;
        if let Some(told) = w.told.and_then(|told| told.data.first_chunk::<4>()) {
            let told = u32::from_be_bytes(*told);
            holds(told == old, || format!("{told:08X} told in place of {old:08X}"))?;
            holds(found > told, || format!("{told:08X} told and not used up"))?;
        }
    }
    Ok(())
}

/// W8.
fn failed(w: &Witness<'_>) -> Result<(), String> {
    if let Some(counter) = w.expect.counts {
        let (before, after) = (w.old.used(counter), w.found.used(counter));
        let legal = after == before || after == before + 1;
        holds(legal, || format!("failures went from {before} to {after}"))?;
        let told = w.told.is_none() || after == before + 1;
        holds(told, || "a failure was told and not counted".into())?;
        let rest = [counter.part(), Part::Lock];
        holds(w.found.without(&rest) == w.old.without(&rest), || "a failure changed more".into())?;
    }
    if let Some(counter) = w.expect.spends {
        let first = w.steps.first();
        let spent = first.is_some_and(|first| *first == w.old.spent(counter));
        holds(spent, || "the secret was compared before a try was spent".into())?;
        let back = w.found.used(counter) >= w.old.used(counter) || w.expect.counts.is_none();
        holds(back, || "a try was given back".into())?;
    }
    if w.expect.status != SUCCESS && w.expect.goal.is_some() && w.told.is_some() {
        let reached = w.expect.goal.as_ref().is_some_and(|goal| goal(w.found));
        holds(reached, || "the last try does not block".into())?;
    }
    Ok(())
}

/// W9.
fn keyed(w: &Witness<'_>) -> Result<(), String> {
    let damaged = w.found.damaged();
    holds(damaged.is_empty(), || format!("{damaged:?} cannot be read"))?;
    let is_key = |part: &Part| matches!(part, Part::Slots(..) | Part::WalletKey(_) | Part::Pin);
    for part in w.found.difference(w.old).into_iter().filter(is_key) {
        let found = w.found.part(part);
        let whole = |view: &View| view.part(part) == found;
        let counter = w.expect.spends.filter(|counter| counter.part() == part);
        let whole = whole(w.new)
            || counter.is_some_and(|counter| whole(&w.old.spent(counter)))
            || counter.is_some_and(|counter| whole(&w.old.restored(counter)));
        holds(whole, || format!("{part:?} is neither old nor new"))?;
    }
    Ok(())
}

/// W10.
fn volatile(w: &Witness<'_>) -> Result<(), String> {
    debug_assert!(w.seen.late.is_empty() || w.expect.bound != Bound::Free);
    for (late, reply, changed) in &w.seen.late {
        holds(reply.sw != SUCCESS, || format!("carried out after {late}"))?;
        let is_counter = |part: &Part| {
            matches!(part, Part::WalletKey(_) | Part::Slots(..) | Part::Lock | Part::Mac2Failures)
        };
        holds(changed.iter().all(is_counter), || format!("{changed:?} changed after {late}"))?;
    }
    Ok(())
}

/// W11.
fn recovered(w: &Witness<'_>) -> Result<(), String> {
    holds(!w.seen.dead, || "the card does not come back".into())?;
    holds(w.seen.rewrites == 0, || "a second power-up writes".into())?;
    match w.seen.others.iter().find(|(_, other)| other != w.found) {
        None => Ok(()),
        Some((how, other)) => {
            Err(format!("{how}: {:?} differ from the first recovery", other.difference(w.found)))
        }
    }
}

/// W12.
fn intact(w: &Witness<'_>) -> Result<(), String> {
    holds(!w.seen.damage_taken, || "a damaged image was taken for a card".into())
}

/// Name of the invariant of all cards together.
pub(crate) const SYSTEM: &str = "W6";

/// All money there is, in fen, as the ledger knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Books {
    /// On all cards.
    pub(crate) balances: i64,
    /// Purchases whose TAC a terminal has, each once.
    pub(crate) debits: i64,
    /// Unloads that the host has a receipt of.
    pub(crate) unloads: i64,
    /// Debits that a card has made and nobody has the code of: the doubt ledger. With those whose code
    /// has not reached the host yet.
    pub(crate) doubtful_debits: i64,
    /// Unloads that a card has made and nobody has the code of.
    pub(crate) doubtful_unloads: i64,
    /// Loads that the host has a receipt of.
    pub(crate) loads: i64,
    /// Loads that a card has made and nobody has the code of.
    pub(crate) doubtful_loads: i64,
    /// Loads the host has booked, with and without a receipt.
    pub(crate) booked: i64,
}

/// W6: what is on cards, was paid and was taken out is what was loaded, and never more than the host
/// has booked.
pub(crate) fn conserved_by_all(books: &Books) -> Result<(), String> {
    let spent = books.balances + books.debits + books.unloads;
    let left = spent + books.doubtful_debits + books.doubtful_unloads;
    let right = books.loads + books.doubtful_loads;
    holds(left == right, || format!("{} fen too many: {books:?}", left - right))?;
    holds(spent <= books.booked, || format!("more than was booked: {books:?}"))
}
