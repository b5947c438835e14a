//! An insider with one card: what is tried next, what became of it, and whether that was right.

use super::deed::{Act, AtTheOperator, Body, Day, Deed, Event, Form, Number, STOLEN, Unit};
use super::hand::World;
use super::ledger::{Card, Purse, State, Written};
use super::policy::{self, RULES, Rule, Verdict};
use super::record;
use super::support::rng::Rng;
use super::view;

/// Tries of one seed.
pub(crate) const LENGTH: usize = 100;

/// Tries with a card that is cancelled or faulty, before the next card.
const AFTERLIFE: usize = 6;

/// A try whose outcome is against the policy, or after which the card is not as the ledger says.
#[derive(Clone)]
pub(crate) struct Breach {
    pub(crate) what: String,
    /// The same for every breach of the same kind.
    pub(crate) kind: String,
}

impl Breach {
    /// Of the kind that the text names before a colon.
    pub(crate) fn new(what: String) -> Self {
        Self { kind: what.split(':').next().unwrap_or_default().to_owned(), what }
    }
}

/// A breach, and the way there.
pub(crate) struct Broken {
    pub(crate) card: u64,
    pub(crate) acts: Vec<Act>,
    pub(crate) breach: Breach,
}

/// A card, and its ledger.
struct Walk {
    world: World,
    ledger: Card,
    counter: u16,
}

/// What was done with cards.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) steps: u64,
    pub(crate) cards: u64,
    /// Allowed tries by verdict: Must, Open.
    pub(crate) allowed: u64,
    pub(crate) refused: u64,
    /// How often the card allowed and refused what a rule forbids or leaves open.
    pub(crate) rules: Vec<[u64; 2]>,
    /// Events allowed, by event and kind of unit.
    pub(crate) events: std::collections::BTreeMap<(Event, super::deed::Kind), u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.cards += other.cards;
        self.allowed += other.allowed;
        self.refused += other.refused;
        self.rules.resize(RULES.len(), [0; 2]);
        for (sum, part) in self.rules.iter_mut().zip(&other.rules) {
            sum[0] += part[0];
            sum[1] += part[1];
        }
        for (key, count) in &other.events {
            *self.events.entry(*key).or_default() += count;
        }
    }

    fn count(&mut self, act: &Act, judgement: &policy::Judgement, allowed: bool) {
        self.steps += 1;
        self.rules.resize(RULES.len(), [0; 2]);
        *(if allowed { &mut self.allowed } else { &mut self.refused }) += 1;
        if let Some(rule) = judgement.rule {
            self.rules[rule][usize::from(!allowed)] += 1;
        }
        if let (true, Deed::Event(event, _)) = (allowed, act.deed) {
            *self.events.entry((event, act.unit.kind())).or_default() += 1;
        }
    }
}

/// One card after the other: so many tries in all, until the first breach. Gives the number of the card
/// that broke, and what was done to it.
pub(crate) fn run(seed: u64, tally: &mut Tally) -> Result<(), Broken> {
    let mut rng = Rng::new(seed, "insider");
    let mut steps = 0;
    while steps < LENGTH {
        let card = rng.next();
        let (mut walk, mut acts, mut dead) = (Walk::new(card), Vec::new(), 0);
        let mut month = 2026 * 12 + 8;
        tally.cards += 1;
        while steps < LENGTH && dead < AFTERLIFE {
            month += usize::from(rng.one_in(6));
            let act = next(&mut rng, &walk.ledger, month);
            acts.push(act);
            if let Err(breach) = walk.step(&act, tally) {
                return Err(Broken { card, acts, breach });
            }
            steps += 1;
            dead += usize::from(matches!(walk.ledger.state, State::Cancelled | State::Faulty));
        }
    }
    Ok(())
}

/// The same tries again: the number of the one with which the card breaks the policy.
pub(crate) fn again(card: u64, acts: &[Act]) -> Option<(usize, Breach)> {
    let mut walk = Walk::new(card);
    let mut tally = Tally::default();
    acts.iter()
        .enumerate()
        .find_map(|(at, act)| walk.step(act, &mut tally).err().map(|breach| (at, breach)))
}

/// Cards whose number is a multiple of this come blank.
const BLANK: u64 = 8;

impl Walk {
    fn new(seed: u64) -> Self {
        let blank = seed.is_multiple_of(BLANK);
        let world = World::new(blank, seed);
        Self { world, ledger: Card::new(blank), counter: u16::from(!blank) }
    }

    fn step(&mut self, act: &Act, tally: &mut Tally) -> Result<(), Breach> {
        let judgement = policy::judge(&self.ledger, act);
        let answer = self.world.carry_out(&self.ledger, act);
        tally.count(act, &judgement, answer.allowed);
        if let (true, 0, Some(key)) = (answer.entered, act.zone, act.key) {
            self.ledger.use_key(key);
        }
        match (judgement.verdict, answer.allowed) {
            (Verdict::MustNot, true) => {
                let Rule { text, article, .. } = &RULES[judgement.rule.expect("a rule forbids")];
                let quiet = if answer.changed { "" } else { ", though nothing changed" };
                let what = format!("allowed against the rule: {text} ({article}){quiet}");
                return Err(Breach { kind: what.clone(), what });
            }
            (Verdict::Must, false) => {
                let what = format!("refused with {:04X}, which no rule forbids", answer.sw);
                return Err(Breach { kind: format!("{what}: {}", name(&act.deed)), what });
            }
            _ => {}
        }
        if !answer.allowed {
            if answer.changed {
                return Err(Breach::new("refused, but the card has changed".into()));
            }
            return Ok(());
        }
        self.enter(act)
    }

    /// Enters the try into the ledger and looks at the card again. An event that leaves the card as it
    /// is may be logged and counted, or not.
    fn enter(&mut self, act: &Act) -> Result<(), Breach> {
        let before = self.ledger.clone();
        self.ledger.enter(act);
        self.ledger.use_key(view::KEY);
        let is_change = self.ledger.log != before.log && self.ledger.state != before.state;
        let is_event =
            matches!(act.deed, Deed::Event(event, body) if before.takes_effect(event, &body));
        let status = view::compare(&mut self.world, &self.ledger, is_change)?;
        let expected = self.counter.wrapping_add(u16::from(is_event));
        if let Deed::Event(event, _) = act.deed
            && !is_event
            && status.counter == expected.wrapping_add(1)
        {
            self.ledger.log((event, act.day, act.unit));
        } else if status.counter != expected {
            let counter = status.counter;
            let what = format!("counter of EF 06: {counter} on the card, {expected} by the ledger");
            return Err(Breach::new(what));
        }
        view::compare_log(&mut self.world, &self.ledger)?;
        self.counter = status.counter;
        Ok(())
    }
}

/// What is tried next: mostly what the rules allow, or that but for one thing; else anything.
fn next(rng: &mut Rng, card: &Card, month: usize) -> Act {
    if rng.one_in(6) {
        return anything_possible(rng, card, month);
    }
    let mut act = anything(rng, card, month);
    for _ in 0..200 {
        let goes_on = match act.deed {
            Deed::Event(event, body) => card.takes_effect(event, &body),
            _ => true,
        };
        if goes_on && is_possible(card, &act) && policy::judge(card, &act).verdict == Verdict::Must
        {
            break;
        }
        act = anything(rng, card, month);
    }
    match rng.below(8) {
        0 | 1 => act.unit = rng.pick(&Unit::ALL),
        2 if act.zone == 0 => act.key = Some(u8::try_from(rng.below(7)).unwrap()),
        3 => act.day = any_day(rng),
        _ => {}
    }
    if is_possible(card, &act) { act } else { anything_possible(rng, card, month) }
}

fn anything_possible(rng: &mut Rng, card: &Card, month: usize) -> Act {
    loop {
        let act = anything(rng, card, month);
        if is_possible(card, &act) {
            return act;
        }
    }
}

/// The operator does not do what makes no sense, and keys do not run out of versions.
fn is_possible(card: &Card, act: &Act) -> bool {
    match act.deed {
        Deed::Wallet(what) => match what {
            AtTheOperator::Open => matches!(card.wallet, Purse::Never | Purse::Closed),
            AtTheOperator::Load => card.wallet == Purse::Open && card.balance < 50_000,
            AtTheOperator::Pay => card.wallet == Purse::Open && card.balance >= record::PRICE,
            AtTheOperator::Suspend => card.wallet == Purse::Open,
            AtTheOperator::Resume | AtTheOperator::Refund => card.wallet == Purse::Suspended,
        },
        _ => true,
    }
}

fn any_day(rng: &mut Rng) -> Day {
    let year = 2005 + u16::try_from(rng.below(40)).unwrap();
    let [month, day] = [rng.below(12), rng.below(28)].map(|n| u8::try_from(n + 1).unwrap());
    Day::new(year, month, day)
}

fn some_day(rng: &mut Rng, month: usize) -> Day {
    let day = u8::try_from(rng.below(28) + 1).unwrap();
    Day::new(u16::try_from(month / 12).unwrap(), u8::try_from(month % 12 + 1).unwrap(), day)
}

fn anything(rng: &mut Rng, card: &Card, month: usize) -> Act {
    let unit = match card.keeper() {
        Some(keeper) if rng.one_in(2) => keeper,
        _ => rng.pick(&Unit::ALL),
    };
    let mut act = Act {
        unit,
        zone: 0,
        key: Some(u8::try_from(rng.below(7)).unwrap()),
        day: if rng.one_in(8) { any_day(rng) } else { some_day(rng, month) },
        reason: rng.pick(&[0, 0, 0x27, 0x32, 0x52, 0x53, 0x54, 0x56]),
        deed: Deed::ReadSector,
    };
    if rng.one_in(40) {
        act.key = None;
    }
    if card.state == State::Personalising && rng.one_in(2) {
        personalise(rng, card, &mut act);
    } else {
        deed(rng, card, &mut act);
    }
    act
}

/// Chooses a deed, and mostly its key.
fn deed(rng: &mut Rng, card: &Card, act: &mut Act) {
    if rng.one_in(3) {
        return fitting_event(rng, card, act);
    }
    let number = number(rng, card, act.unit);
    let form = if rng.one_in(6) { rng.pick(&[Form::Torn, Form::Zeros]) } else { Form::Right };
    let written = [card.identity, card.enrolment].into_iter().flatten().next();
    let same =
        written.map_or(number, |written| if rng.one_in(6) { number } else { written.number });
    let version = i8::try_from(rng.below(3)).unwrap() - 1;
    let key = u8::try_from(rng.below(7)).unwrap();
    let (deed, right) = match rng.below(40) {
        0..=2 => (Deed::WriteIdentity(number, form), 2),
        3..=5 => (Deed::WriteEnrolment(same, form), 2),
        6 => (Deed::WriteIssuance(rng.pick(&[0x38, 0x39, 0x40])), 0),
        7 => (Deed::WriteFile(rng.pick(&[6, 9, 0x0A, 0x0B, 0x0C, 0x0D])), key),
        8 => (Deed::ReadFile(rng.pick(&[5, 6, 7, 8, 9, 0x0A, 0x0B, 0x0C, 0x0D])), 1),
        9 => (Deed::PutKey(key, version), 0),
        10 if rng.one_in(3) => (Deed::RetireKey(key), 0),
        10..=12 => {
            let any = u8::try_from(rng.below(8) + 1).unwrap();
            act.zone = open_sector(card).filter(|_| !rng.one_in(4)).unwrap_or(any);
            if let Some(owner) = card.sector(act.zone).map(|sector| sector.owner)
                && rng.one_in(2)
            {
                act.unit = owner;
            }
            let deed = rng.pick(&[Deed::ReadSector, Deed::WriteSector(key)]);
            (deed, rng.pick(&[6, 7, 7, 7, 7, STOLEN]))
        }
        13..=15 => (
            Deed::Wallet(rng.pick(&[
                AtTheOperator::Open,
                AtTheOperator::Load,
                AtTheOperator::Pay,
                AtTheOperator::Suspend,
                AtTheOperator::Suspend,
                AtTheOperator::Resume,
                AtTheOperator::Refund,
                AtTheOperator::Refund,
            ])),
            key,
        ),
        _ => {
            let event = event(rng);
            (Deed::Event(event, body(rng, card, act, number)), policy::key_of(event))
        }
    };
    act.deed = deed;
    if act.key.is_some() && (act.zone != 0 || !rng.one_in(8)) {
        act.key = Some(right);
    }
}

/// An event with what usually belongs to it.
fn fitting_event(rng: &mut Rng, card: &Card, act: &mut Act) {
    let event = event(rng);
    let to = card.moving.and_then(|moving| moving.to);
    match event {
        Event::TransferIn => act.unit = to.unwrap_or(rng.pick(&Unit::ALL[3..])),
        Event::Restock => act.unit = rng.pick(&Unit::ALL[..3]),
        _ => act.unit = card.keeper().unwrap_or(act.unit),
    }
    act.key = Some(policy::key_of(event));
    let seat = u8::try_from(rng.below(3)).unwrap();
    let number = record::number(act.unit, rng.one_in(2), seat);
    let mut body = Body { number, ..body(rng, card, act, number) };
    let is_told = event == Event::Reclaim || event == Event::Open && rng.one_in(6);
    if let (true, Some(open)) = (is_told, open_sector(card)) {
        body.sector = open;
    }
    act.deed = Deed::Event(event, body);
}

fn open_sector(card: &Card) -> Option<u8> {
    (1..=8).find(|sector| card.sector(*sector).is_some())
}

/// Any event; few cards come back from [`WIPING`] ones, or with little on them.
fn event(rng: &mut Rng) -> Event {
    match rng.pick(&Event::ALL) {
        event if WIPING.contains(&event) && !rng.one_in(8) => rng.pick(&Event::ALL),
        event => event,
    }
}

const WIPING: [Event; 7] = [
    Event::Cancel,
    Event::Replace,
    Event::Fault,
    Event::Recall,
    Event::TemporaryIssue,
    Event::TemporaryReturn,
    Event::Begin,
];

/// What a school does next that personalises a card.
fn personalise(rng: &mut Rng, card: &Card, act: &mut Act) {
    let school = card.home.unwrap_or(act.unit);
    let fresh = record::number(school, rng.one_in(2), u8::try_from(rng.below(3)).unwrap());
    let pupil = card.awaited.or(card.pupil).unwrap_or(fresh);
    let written = |it: &Option<Written>| it.filter(|it| it.form == Form::Right).map(|it| it.number);
    let number = written(&card.identity).unwrap_or(pupil);
    let body = body(rng, card, act, number);
    act.deed = match (written(&card.identity), written(&card.enrolment)) {
        (None, _) => Deed::WriteIdentity(pupil, Form::Right),
        (Some(_), other) if other != Some(number) => Deed::WriteEnrolment(number, Form::Right),
        (Some(number), _) if number != pupil && card.awaited.is_some() => {
            Deed::WriteIdentity(pupil, Form::Right)
        }
        _ => Deed::Event(Event::Commit, body),
    };
    (act.unit, act.key) = (school, Some(2));
}

fn number(rng: &mut Rng, card: &Card, unit: Unit) -> Number {
    match card.awaited.or(card.pupil) {
        Some(number) if !rng.one_in(4) => return number,
        _ => {}
    }
    let school = if unit.kind() == super::deed::Kind::School && !rng.one_in(8) {
        unit
    } else {
        rng.pick(&Unit::ALL[3..])
    };
    record::number(school, rng.one_in(2), u8::try_from(rng.below(3)).unwrap())
}

fn body(rng: &mut Rng, card: &Card, act: &Act, number: Number) -> Body {
    let (year, in_year) = (act.day.year(), act.day.in_year());
    let term = match in_year {
        701.. => (year, 1),
        ..=130 => (year - 1, 1),
        _ => (year - 1, 2),
    };
    let other = (year - 3 + u16::try_from(rng.below(7)).unwrap(), rng.pick(&[1, 2]));
    let (anyone, school) = (rng.pick(&Unit::ALL), rng.pick(&Unit::ALL[3..]));
    let fresh = record::number(act.unit, rng.one_in(2), u8::try_from(rng.below(3)).unwrap());
    Body {
        handed_out: rng.one_in(2),
        term: if rng.one_in(4) { other } else { term },
        sector: u8::try_from(rng.below(8) + 1).unwrap(),
        owner: rng.pick(&[Unit::CITY, Unit([8, 0, 0]), Unit([5, 0, 0]), act.unit, anyone]),
        filing: u8::from(!rng.one_in(8)),
        promotion: rng.one_in(2),
        to: rng.pick(&[Unit::CITY, anyone, school]),
        number: if rng.one_in(2) && card.pupil.is_some() { number } else { fresh },
    }
}

fn name(deed: &Deed) -> String {
    match deed {
        Deed::Event(event, _) => format!("{event:?}"),
        Deed::WriteIdentity(..) => "write EF 07".into(),
        Deed::WriteEnrolment(..) => "write EF 08".into(),
        Deed::WriteIssuance(_) => "write EF 05".into(),
        Deed::WriteFile(sfi) => format!("write EF {sfi:02X}"),
        Deed::ReadFile(sfi) => format!("read EF {sfi:02X}"),
        Deed::PutKey(..) => "put key".into(),
        Deed::RetireKey(_) => "retire key".into(),
        Deed::ReadSector => "read sector".into(),
        Deed::WriteSector(_) => "write sector".into(),
        Deed::Wallet(what) => format!("{what:?}"),
    }
}
