//! Who may do what to a card, by the rules of 2007 (`暂行办法`, `操作规程`): written from their text and
//! from what the project takes them to mean, without looking at how the card decides.
//!
//! [`judge`] goes through [`RULES`]. A rule that forbids wins over one that leaves the matter open; what
//! no rule speaks against has to be allowed.

use super::deed::{Act, Body, Deed, Event, Form, Kind, Unit};
use super::ledger::{Card, Mark, Purse, State};

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
    let first = |verdict| RULES.iter().position(|rule| rule.verdict == verdict && (rule.applies)(&case));
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
const fn key_of(event: Event) -> u8 {
    match event {
        Event::Initialise | Event::Restock => 0,
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
        Event::Restock => &[Recalled],
        Event::TemporaryReturn => &[Personalising, Active, Frozen],
        Event::Cancel | Event::Fault => {
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
            && enrolment == identity
            && identity.number.school() == self.act.unit
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

    /// Whether a term has begun by the day of the event, and not yet given way to the next one:
    /// `None` near its ends, which no rule names.
    fn term_is_current(&self) -> Option<bool> {
        let (year, term) = self.body().term;
        let (day, in_year) = (self.act.day, self.act.day.in_year());
        let since = (day.year().wrapping_sub(year), in_year);
        match (term, since) {
            // From 1 September; in January the spring term has not begun.
            (1, (0, 901..) | (1, ..=110)) => Some(true),
            (1, (0, 701..) | (1, ..=320)) => None,
            // From March to the summer holidays.
            (2, (1, 301..=710)) => Some(true),
            (2, (1, 101..=920)) => None,
            _ => Some(false),
        }
    }
}

/// The policy.
pub(crate) const RULES: &[Rule] = &[
    // The key system.
    no(
        "操作规程 一/四 教育应用密钥体系",
        "only members of the key system get at the card",
        |case| case.act.key.is_none() && !case.is_wallet() && case.act.deed != Deed::ReadFile(5),
    ),
    no(
        "操作规程 一/四 密钥体系, 一/七",
        "each duty has its key",
        |case| {
            case.event().is_some_and(|(event, _)| {
                !(case.key_is(key_of(event)) || event == Event::Restock && case.key_is(5))
            })
        },
    ),
    no(
        "操作规程 一/四 个人化",
        "a pupil's data is written under the key of personalisation",
        |case| {
            matches!(case.act.deed, Deed::WriteIdentity(..) | Deed::WriteEnrolment(..))
                && !case.key_is(2)
        },
    ),
    no(
        "操作规程 二/六 教育密钥管理",
        "keys and issuance data are written under K0",
        |case| {
            matches!(case.act.deed, Deed::WriteIssuance(_) | Deed::PutKey(..) | Deed::RetireKey(_))
                && !case.key_is(0)
        },
    ),
    no(
        "操作规程 二/六 教育扇区初始化, 教育密钥管理",
        "K0 acts for the city",
        |case| {
            let writes = matches!(
                case.act.deed,
                Deed::WriteIssuance(_) | Deed::PutKey(..) | Deed::RetireKey(_)
            );
            (writes || case.is(&[Event::Initialise])) && case.kind() != Kind::City
        },
    ),
    no(
        "操作规程 二/六 教育密钥管理",
        "an old key does not come back",
        |case| matches!(case.act.deed, Deed::PutKey(_, ahead) if ahead <= 0),
    ),
    open(
        "操作规程 二/六 教育密钥管理",
        "nothing is said of new keys for a card that is no longer used",
        |case| {
            matches!(case.act.deed, Deed::PutKey(..))
                && case.state(&[State::Blank, State::Cancelled, State::Faulty])
        },
    ),
    open(
        "操作规程 二/六 教育密钥管理",
        "nothing is said of taking keys back",
        |case| matches!(case.act.deed, Deed::RetireKey(_)),
    ),
    // Files.
    no(
        "操作规程 一/八(三)",
        "what was done to a card is written by the card, by nobody's hand",
        |case| matches!(case.act.deed, Deed::WriteFile(_)),
    ),
    no(
        "操作规程 二/六 教育扇区初始化",
        "issuance data is written before a card is handed down",
        |case| {
            matches!(case.act.deed, Deed::WriteIssuance(_))
                && !case.state(&[State::Blank, State::Stock, State::Recalled])
        },
    ),
    no(
        "操作规程 四/五 个人化",
        "a pupil's data is written while the card is personalised, by the school that does it",
        |case| {
            matches!(case.act.deed, Deed::WriteIdentity(..) | Deed::WriteEnrolment(..))
                && !(case.state(&[State::Personalising]) && case.is_home())
        },
    ),
    no(
        "操作规程 四/七 回收",
        "a card without a pupil shows no pupil's data",
        |case| {
            matches!(case.act.deed, Deed::ReadFile(7 | 8 | 9 | 0x0A | 0x0B))
                && case.state(&[State::Blank, State::Stock, State::Recalled])
        },
    ),
    open(
        "操作规程 一/四 教育应用密钥体系",
        "nothing is said of which key of the system reads, but for K1",
        |case| matches!(case.act.deed, Deed::ReadFile(6..)) && !case.key_is(1),
    ),
    open(
        "操作规程 四/六 注销",
        "nothing is said of reading a card that is cancelled, faulty or not yet complete",
        |case| {
            matches!(case.act.deed, Deed::ReadFile(6..))
                && case.state(&[
                    State::Blank,
                    State::Personalising,
                    State::Cancelled,
                    State::Faulty,
                ])
        },
    ),
    // Events: in which state.
    open(
        "操作规程 一/八(三)3 解冻",
        "a card frozen by the list alone has no mark to take off",
        |case| case.is(&[Event::Unfreeze]) && !case.state(&[State::Frozen]) && case.covers_home(),
    ),
    no(
        "操作规程 一/八(三), 四/五 to 四/八",
        "an event that has no meaning for a card as it is",
        |case| case.event().is_some_and(|(event, _)| !case.state(states_of(event))),
    ),
    // Events: of which unit.
    no(
        "操作规程 四/一, 四/二",
        "schools look after cards of pupils, nobody in their place",
        |case| {
            let stands_in = case.is(&[Event::Replace]) && case.covers_keeper();
            case.is(&OF_THE_SCHOOL) && case.kind() != Kind::School && !stands_in
        },
    ),
    open(
        "操作规程 四/六 补卡",
        "nothing is said of a district or the city that replaces a card itself",
        |case| case.is(&[Event::Replace]) && case.kind() != Kind::School && case.covers_keeper(),
    ),
    no(
        "操作规程 四/二, 暂行办法 六(四)",
        "no other school touches the card of a pupil",
        |case| {
            case.is(&OF_THE_SCHOOL)
                && !case.is(&[Event::TransferIn])
                && case.card.home.is_some()
                && !case.covers_home()
        },
    ),
    no(
        "操作规程 三/二, 四/二",
        "cards are marked by their school, its district and the city",
        |case| case.is(&OF_THE_STATUS) && case.card.home.is_some() && !case.covers_home(),
    ),
    no(
        "操作规程 一/八(三)2, 三/五",
        "a card without a pupil stays with those who marked it",
        |case| {
            case.is(&OF_THE_STATUS)
                && case.card.home.is_none()
                && case.card.keeper().is_some()
                && !case.covers_keeper()
                && !case.has_left()
        },
    ),
    open(
        "操作规程 一/八(三)2 故障卡",
        "nothing is said of the school that has handed a card up, incomplete",
        |case| {
            case.is(&OF_THE_STATUS)
                && case.card.home.is_none()
                && case.has_left()
        },
    ),
    no(
        "操作规程 一/八(三)3 解冻",
        "whoever froze a card unfreezes it, or a unit above",
        |case| case.is(&[Event::Unfreeze]) && case.state(&[State::Frozen]) && !case.covers_maker(),
    ),
    no(
        "操作规程 一/八(三)3 解冻",
        "a freeze does not end by a wiped card",
        |case| {
            case.is(&[Event::Recall, Event::TemporaryReturn])
                && case.state(&[State::Frozen])
                && !case.covers_maker()
        },
    ),
    open(
        "操作规程 一/八(三)3 注销",
        "nothing is said of a school that ends a card for good which a unit above has frozen",
        |case| {
            case.is(&[Event::Cancel, Event::Replace, Event::Fault])
                && case.state(&[State::Frozen])
                && !case.covers_maker()
        },
    ),
    open(
        "操作规程 一/八(三)3 注销",
        "nothing is said of a school that cancels a card in stock",
        |case| {
            case.is(&[Event::Cancel]) && case.state(&[State::Stock]) && case.kind() == Kind::School
        },
    ),
    // Personalisation.
    no(
        "暂行办法 四(一), 操作规程 四/五",
        "the data of a card is complete, and of a pupil of the school that writes it",
        |case| case.is(&[Event::Commit]) && !case.data_is_right(),
    ),
    no(
        "操作规程 四/八 转入",
        "a card taken in is personalised for the pupil taken in",
        |case| {
            case.is(&[Event::Commit])
                && case.card.awaited.is_some_and(|number| {
                    case.card.identity.is_some_and(|identity| identity.number != number)
                })
        },
    ),
    open(
        "暂行办法 四(一) 学籍变更",
        "a pupil's number may change; the card cannot tell whether the pupil has",
        |case| {
            case.is(&[Event::Commit])
                && case.card.begun_from == State::Active
                && case.card.pupil != case.card.identity.map(|identity| identity.number)
        },
    ),
    open(
        "暂行办法 六(二) 临时卡",
        "nothing is said of correcting a temporary card",
        |case| {
            case.is(&[Event::Begin, Event::Commit])
                && case.card.temporary
                && case.card.begun_from == State::Active
        },
    ),
    // Registration.
    no(
        "暂行办法 六(五)",
        "a pupil registers for the term that begins, no other",
        |case| case.is(&[Event::Register]) && case.term_is_current() == Some(false),
    ),
    open(
        "暂行办法 六(五)",
        "nothing says on which day a term begins",
        |case| case.is(&[Event::Register]) && case.term_is_current().is_none(),
    ),
    // Extension sectors.
    no(
        "操作规程 三/七, 四/八 备案",
        "applications are filed with the city",
        |case| case.is(&[Event::Open]) && case.body().filing == 0,
    ),
    no(
        "操作规程 一/八(三)3 开放扩展扇区",
        "a sector serves one application",
        |case| case.is(&[Event::Open]) && case.card.sector(case.body().sector).is_some(),
    ),
    open(
        "操作规程 一/七",
        "nothing is said of applications of units outside the pupil's district",
        |case| {
            case.is(&[Event::Open])
                && case.card.home.is_some_and(|home| !case.body().owner.covers(home))
        },
    ),
    open(
        "暂行办法 六(二) 临时卡",
        "nothing is said of sectors of a temporary card",
        |case| case.is(&[Event::Open]) && case.card.temporary,
    ),
    open(
        "操作规程 一/八(三)3 回收扩展扇区",
        "a closed sector has nothing to reclaim",
        |case| case.is(&[Event::Reclaim]) && case.card.sector(case.body().sector).is_none(),
    ),
    no(
        "操作规程 一/七, 四/八",
        "a sector is open to the application that owns it, while the card is in use or on its way",
        |case| {
            let states: &[State] = match case.act.deed {
                Deed::WriteSector(_) => &[State::Active],
                _ => &[State::Active, State::Out, State::In],
            };
            case.is_in_sector()
                && (case.act.key != Some(7)
                    || case.owner().is_none_or(|owner| !case.act.unit.covers(owner))
                    || !case.state(states))
        },
    ),
    open(
        "操作规程 一/七",
        "nothing is said of units above the owner of an application",
        |case| case.is_in_sector() && case.owner() != Some(case.act.unit),
    ),
    // Transfer.
    no(
        "暂行办法 六(二) 临时卡",
        "a temporary card does not leave its school",
        |case| case.is(&[Event::TransferOut]) && case.card.temporary,
    ),
    no(
        "操作规程 四/八",
        "a school's own applications end when the pupil leaves",
        |case| {
            case.is(&[Event::TransferOut])
                && case.card.sectors.iter().flatten().any(|it| it.owner.kind() == Kind::School)
        },
    ),
    no(
        "操作规程 四/八 转出",
        "a pupil moves to a school",
        |case| case.is(&[Event::TransferOut]) && case.body().to.kind() == Kind::District,
    ),
    open(
        "操作规程 四/八 转出",
        "nothing is said of a transfer from a school to itself that is no promotion",
        |case| {
            case.is(&[Event::TransferOut]) && case.body().to == case.act.unit && !case.body().promotion
        },
    ),
    no(
        "操作规程 四/八 转入",
        "the new school takes the pupil in, no other",
        |case| {
            case.is(&[Event::TransferIn])
                && case.card.moving.and_then(|it| it.to).is_some_and(|to| to != case.act.unit)
        },
    ),
    no(
        "暂行办法 四(一) 学籍号",
        "a pupil taken in has a number of the new school",
        |case| case.is(&[Event::TransferIn]) && case.body().number.school() != case.act.unit,
    ),
    no(
        "暂行办法 四(一) 学籍号",
        "a pupil promoted has a new number",
        |case| {
            case.is(&[Event::TransferIn])
                && case.card.moving.is_some_and(|it| it.promotion && it.old == case.body().number)
        },
    ),
    no(
        "操作规程 四/八 转入",
        "a pupil is not taken in before leaving",
        |case| {
            case.is(&[Event::TransferIn])
                && case.card.moving.is_some_and(|it| case.act.day < it.day)
        },
    ),
    open(
        "操作规程 四/八 转入",
        "nothing is said of a school that takes back a pupil of its own without a promotion",
        |case| {
            case.is(&[Event::TransferIn])
                && case.is_home()
                && case.card.moving.is_some_and(|it| !it.promotion)
        },
    ),
    // Recall and stock.
    no(
        "操作规程 四/七",
        "a wallet is closed and paid out before the recall",
        |case| {
            case.is(&[Event::Recall])
                && !case.state(&[State::Stock, State::Recalled])
                && !(matches!(case.card.wallet, Purse::Never | Purse::Closed) && case.card.balance == 0)
        },
    ),
    no(
        "操作规程 一/八(三)3 回收扩展扇区",
        "sectors are reclaimed before the recall",
        |case| {
            case.is(&[Event::Recall])
                && !case.state(&[State::Stock, State::Recalled])
                && case.card.sectors.iter().any(Option::is_some)
        },
    ),
    open(
        "操作规程 三/五",
        "surplus stock is recalled as it is; the card has nothing to wipe",
        |case| case.is(&[Event::Recall]) && case.state(&[State::Stock]),
    ),
    open(
        "操作规程 四/七, 暂行办法 六(二) 临时卡",
        "nothing is said of recalling a temporary card, which is handed back",
        |case| case.is(&[Event::Recall]) && case.card.temporary,
    ),
    no(
        "操作规程 三/五",
        "the district inspects a recalled card and takes it into stock, no school",
        |case| case.is(&[Event::Restock]) && case.kind() == Kind::School,
    ),
    no(
        "操作规程 三/五",
        "a recalled card goes into the stock of those who recalled it",
        |case| case.is(&[Event::Restock]) && !case.covers_maker(),
    ),
    open(
        "操作规程 三/五, 二/六",
        "the district inspects, keys and stock data are the city's: nothing says under which key",
        |case| case.is(&[Event::Restock]) && !(case.key_is(0) && case.kind() == Kind::City),
    ),
    no(
        "暂行办法 六(二) 临时卡",
        "only a temporary card is handed back",
        |case| case.is(&[Event::TemporaryReturn]) && !case.card.temporary,
    ),
    no(
        "操作规程 四/七, 暂行办法 六(二) 临时卡",
        "money on a temporary card is not taken back with it",
        |case| case.is(&[Event::TemporaryReturn]) && case.card.wallet != Purse::Never,
    ),
    open(
        "操作规程 四/六 临时卡",
        "nothing is said of a district or the city that takes a temporary card back itself",
        |case| case.is(&[Event::TemporaryReturn]) && case.kind() != Kind::School,
    ),
];
