//! Who may do what to a card, by the rules of 2007 (`暂行办法`, `操作规程`): written from their text and
//! from what the project takes them to mean, without looking at how the card decides.
//!
//! [`judge`] goes through [`RULES`]. A rule that forbids wins over one that leaves the matter open; what
//! no rule speaks against has to be allowed.

use super::deed::{Act, Body, Deed, Event, Form, Kind, Unit};
use super::ledger::{Card, Mark, State};

mod rules;

pub(crate) use rules::RULES;

/// What a rule says of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The card has to allow it.
    Must,
    /// The card has to refuse it.
    MustNot,
    /// The rules say nothing; the card may do either.
    Open,
}

/// One sentence of the policy.
pub(crate) struct Rule {
    pub(crate) verdict: Verdict,
    /// Where the rules say so.
    pub(crate) article: &'static str,
    pub(crate) text: &'static str,
    applies: fn(&Case<'_>) -> bool,
}

/// An act and the card it is tried on.
pub(crate) struct Case<'a> {
    card: &'a Card,
    act: &'a Act,
}

/// What the policy says of an act, and by which rule.
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) rule: Option<usize>,
}

pub(crate) fn judge(card: &Card, act: &Act) -> Judgement {
    let case = Case { card, act };
    let first =
        |verdict| RULES.iter().position(|rule| rule.verdict == verdict && (rule.applies)(&case));
    for verdict in [Verdict::MustNot, Verdict::Open] {
        if let Some(rule) = first(verdict) {
            return Judgement { verdict, rule: Some(rule) };
        }
    }
    Judgement { verdict: Verdict::Must, rule: None }
}

const fn no(article: &'static str, text: &'static str, applies: fn(&Case<'_>) -> bool) -> Rule {
    Rule { verdict: Verdict::MustNot, article, text, applies }
}

const fn open(article: &'static str, text: &'static str, applies: fn(&Case<'_>) -> bool) -> Rule {
    Rule { verdict: Verdict::Open, article, text, applies }
}

/// The key of an event: whose duty it is.
pub(crate) const fn key_of(event: Event) -> u8 {
    match event {
        Event::Initialise => 0,
        Event::Begin | Event::Commit | Event::TemporaryIssue => 2,
        Event::Register => 3,
        Event::TransferOut | Event::TransferIn | Event::Withdraw => 4,
        Event::Open | Event::Reclaim => 6,
        _ => 5,
    }
}

/// The states of a card in which an event has a meaning.
const fn states_of(event: Event) -> &'static [State] {
    use State::{Active, Cancelled, Faulty, Frozen, In, Out, Personalising, Recalled, Stock};
    match event {
        Event::Initialise => &[State::Blank],
        Event::Begin => &[Stock, Personalising, Active, In],
        Event::TemporaryIssue => &[Stock],
        Event::Commit => &[Personalising],
        Event::Register | Event::Open | Event::TransferOut => &[Active],
        Event::Freeze | Event::Unfreeze => &[Active, Out, In, Frozen],
        Event::Replace => &[Active, Out, In, Frozen, Cancelled, Faulty],
        Event::Reclaim => &[Active, Out, Frozen],
        Event::TransferIn | Event::Withdraw => &[Out],
        Event::Recall => &[Stock, Personalising, Active, Out, In, Frozen, Recalled],
        Event::Restock => &[Recalled, Faulty],
        Event::TemporaryReturn => &[Personalising, Active, Frozen],
        Event::Fault => &[
            State::Blank,
            Stock,
            Personalising,
            Active,
            Out,
            In,
            Frozen,
            Cancelled,
            Recalled,
            Faulty,
        ],
        Event::Cancel => {
            &[Stock, Personalising, Active, Out, In, Frozen, Cancelled, Recalled, Faulty]
        }
    }
}

/// Events that a school does with a pupil of its own.
const OF_THE_SCHOOL: [Event; 10] = [
    Event::Begin,
    Event::Commit,
    Event::TemporaryIssue,
    Event::Register,
    Event::Open,
    Event::Reclaim,
    Event::TransferOut,
    Event::Withdraw,
    Event::TransferIn,
    Event::Replace,
];

/// Events that put a card to use, or keep it there.
const OF_USE: [Event; 8] = [
    Event::Begin,
    Event::Commit,
    Event::TemporaryIssue,
    Event::Register,
    Event::Open,
    Event::TransferOut,
    Event::TransferIn,
    Event::Withdraw,
];

/// Events under the status key, which the districts and the city hold too.
const OF_THE_STATUS: [Event; 7] = [
    Event::Freeze,
    Event::Unfreeze,
    Event::Cancel,
    Event::Replace,
    Event::Recall,
    Event::Fault,
    Event::TemporaryReturn,
];

impl Case<'_> {
    fn event(&self) -> Option<(Event, &Body)> {
        match &self.act.deed {
            Deed::Event(event, body) => Some((*event, body)),
            _ => None,
        }
    }

    fn is(&self, events: &[Event]) -> bool {
        self.event().is_some_and(|(event, _)| events.contains(&event))
    }

    fn body(&self) -> &Body {
        self.event().expect("an event").1
    }

    fn kind(&self) -> Kind {
        self.act.unit.kind()
    }

    fn state(&self, states: &[State]) -> bool {
        states.contains(&self.card.state)
    }

    /// The card of a pupil of this unit's, or of one whose school this unit has charge of.
    fn covers_home(&self) -> bool {
        self.card.home.is_some_and(|home| self.act.unit.covers(home))
    }

    fn covers_keeper(&self) -> bool {
        self.card.keeper().is_some_and(|keeper| self.act.unit.covers(keeper))
    }

    fn covers_maker(&self) -> bool {
        self.card.mark.is_none_or(|mark: Mark| self.act.unit.covers(mark.maker))
    }

    fn has_left(&self) -> bool {
        self.card.left_by.is_some_and(|school| self.act.unit.covers(school))
    }

    fn is_home(&self) -> bool {
        self.card.home == Some(self.act.unit)
    }

    /// Whether the data on the card is that of one pupil of this school.
    fn data_is_right(&self) -> bool {
        let (Some(identity), Some(enrolment)) = (self.card.identity, self.card.enrolment) else {
            return false;
        };
        identity.form == Form::Right
            && enrolment.form == Form::Right
            && enrolment.number.class() == identity.number.class()
            && identity.number.school() == self.act.unit
            && self.card.awaited.is_none_or(|number| number == identity.number)
    }

    /// The key that PUT KEY loads, and its version.
    fn loaded(&self) -> Option<(u8, u8)> {
        match self.act.deed {
            Deed::PutKey(key, ahead) => {
                Some((key, self.card.version(key).saturating_add_signed(ahead).max(1)))
            }
            _ => None,
        }
    }

    fn key_is(&self, key: u8) -> bool {
        self.act.key == Some(key) && self.act.zone == 0
    }

    fn is_wallet(&self) -> bool {
        matches!(self.act.deed, Deed::Wallet(_))
    }

    fn owner(&self) -> Option<Unit> {
        Some(self.card.sector(self.act.zone)?.owner)
    }

    fn is_in_sector(&self) -> bool {
        matches!(self.act.deed, Deed::ReadSector | Deed::WriteSector(_))
    }

    /// Whether the term of a registration may be that of its day, or the one before. Terms are counted
    /// through: autumn of school year Y is 2 Y, spring 2 Y + 1. In the holidays the day may belong to
    /// either term.
    fn term(&self) -> Option<Verdict> {
        let (year, term) = self.body().term;
        let wanted = 2 * year + u16::from(term) - 1;
        let spring = 2 * self.act.day.year() - 1;
        let (earliest, latest) = match self.act.day.in_year() {
            ..=110 => (spring - 1, spring - 1),
            111..=229 => (spring - 1, spring),
            301..=710 => (spring, spring),
            711..=831 => (spring, spring + 1),
            _ => (spring + 1, spring + 1),
        };
        if wanted == earliest || (wanted + 1 == earliest && earliest == latest) {
            None
        } else if wanted + 1 == earliest || wanted == latest {
            Some(Verdict::Open)
        } else {
            Some(Verdict::MustNot)
        }
    }
}
