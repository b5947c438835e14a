//! The sentences of the policy.

use super::super::deed::{Deed, Event, Form, Kind, Unit};
use super::super::ledger::{Move, Purse, State};
use super::super::record;
use super::{OF_THE_SCHOOL, OF_THE_STATUS, OF_USE, Rule, Verdict, key_of, no, open, states_of};

/// The policy.
pub(crate) const RULES: &[Rule] = &[
    // The key system.
    no(
        "操作规程 一/四 教育应用密钥体系",
        "only members of the key system get at the card",
        |case| case.act.key.is_none() && !case.is_wallet() && case.act.deed != Deed::ReadFile(5),
    ),
    no("操作规程 一/四 密钥体系, 一/七", "each duty has its key", |case| {
        case.event().is_some_and(|(event, _)| {
            !(case.key_is(key_of(event)) || event == Event::Restock && case.key_is(0))
        })
    }),
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
    no("操作规程 二/六 教育密钥管理", "an old key does not come back", |case| {
        case.loaded().is_some_and(|(key, version)| version <= case.card.used(key))
    }),
    open(
        "操作规程 二/六 教育密钥管理",
        "nothing is said of a key loaded again before anybody used it",
        |case| case.loaded().is_some_and(|(key, version)| version <= case.card.version(key)),
    ),
    open(
        "操作规程 二/六 教育密钥管理",
        "nothing is said of new keys for a card that is no longer used",
        |case| {
            matches!(case.act.deed, Deed::PutKey(..))
                && case.state(&[State::Blank, State::Cancelled, State::Faulty])
        },
    ),
    open("操作规程 二/六 教育密钥管理", "nothing is said of taking keys back", |case| {
        matches!(case.act.deed, Deed::RetireKey(_))
    }),
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
    no("操作规程 四/七 回收", "a card without a pupil shows no pupil's data", |case| {
        matches!(case.act.deed, Deed::ReadFile(7..=0x0B))
            && case.state(&[State::Blank, State::Stock, State::Recalled])
    }),
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
    // Events: on which day.
    no("操作规程 二/六 初始化", "nothing happens to a card before it was made", |case| {
        case.event()
            .is_some_and(|(event, _)| event != Event::Initialise && case.act.day < record::made())
    }),
    no(
        "暂行办法 一(二) 有效期限",
        "a card past its last day is taken out of use, and put to none",
        |case| case.is(&OF_USE) && case.act.day > record::last_day(case.card.good_until),
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
        "nothing is said of the school that gave up a card half-written",
        |case| case.is(&OF_THE_STATUS) && case.card.home.is_none() && case.has_left(),
    ),
    open(
        "操作规程 一/八(三)2 故障卡",
        "nothing is said of the order in which faulty and cancelled cards are written off",
        |case| {
            case.is(&[Event::Cancel, Event::Replace, Event::Fault])
                && case.state(&[State::Cancelled, State::Faulty])
        },
    ),
    no(
        "操作规程 一/八(三)3 解冻",
        "the unit that froze a card unfreezes it, or a unit above",
        |case| case.is(&[Event::Unfreeze]) && case.state(&[State::Frozen]) && !case.covers_maker(),
    ),
    no(
        "操作规程 一/八(三)3 解冻",
        "a freeze does not end with the card in stock again",
        |case| {
            case.is(&[Event::Recall, Event::TemporaryReturn])
                && case.state(&[State::Frozen])
                && !case.covers_maker()
        },
    ),
    open(
        "操作规程 一/八(三)3 注销, 四/六 冻结",
        "nothing is said of a card that a unit above has frozen and its school takes out of use",
        |case| {
            case.is(&[Event::Cancel, Event::Replace, Event::Fault])
                && case.state(&[State::Frozen])
                && !case.covers_maker()
        },
    ),
    open(
        "操作规程 一/八(三)3 冻结, 四/七 回收",
        "a card marked already need not be marked again",
        |case| {
            case.is(&[Event::Freeze]) && case.state(&[State::Frozen])
                || case.is(&[Event::Recall]) && case.state(&[State::Recalled])
        },
    ),
    open(
        "操作规程 二/六 教育扇区初始化",
        "nothing is said of a fault before initialisation",
        |case| case.is(&[Event::Fault]) && case.state(&[State::Blank]),
    ),
    no(
        "操作规程 三/五, 一/八(三)1",
        "district and city keep the books of the stock",
        |case| {
            case.is(&[Event::Cancel]) && case.state(&[State::Stock]) && case.kind() == Kind::School
        },
    ),
    // Personalisation.
    no(
        "暂行办法 四(一), 操作规程 四/五",
        "the data of a card is complete, and of a pupil of the school that writes it, or takes it in",
        |case| case.is(&[Event::Commit]) && !case.data_is_right(),
    ),
    open(
        "暂行办法 四(一) 学籍变更",
        "a pupil's number may change; the card cannot tell whether the pupil has",
        |case| {
            let written = match case.act.deed {
                Deed::WriteIdentity(number, Form::Right) => Some(number),
                Deed::WriteIdentity(..) => None,
                _ if case.is(&[Event::Commit]) => case.card.identity.map(|it| it.number),
                _ => return false,
            };
            case.card.begun_from != State::Stock && case.card.awaited.or(case.card.pupil) != written
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
        "a pupil registers for the term that begins, or late for the one before",
        |case| {
            case.is(&[Event::Register])
                && !case.card.is_registered(case.body().term)
                && case.term() == Some(Verdict::MustNot)
        },
    ),
    open(
        "暂行办法 六(五)",
        "nothing is said of the day in the holidays on which a term ends and the next begins",
        |case| {
            case.is(&[Event::Register])
                && !case.card.is_registered(case.body().term)
                && case.term() == Some(Verdict::Open)
        },
    ),
    // Extension sectors.
    no("操作规程 三/七, 四/八 备案", "applications are filed with the city", |case| {
        case.is(&[Event::Open]) && case.body().filing == 0
    }),
    no("操作规程 一/八(三)3 开放扩展扇区", "a sector serves one application", |case| {
        case.is(&[Event::Open]) && case.card.sector(case.body().sector).is_some()
    }),
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
                && (case.act.key == Some(6)
                    || case.act.key == Some(7) && case.owner() != Some(case.act.unit)
                    || case.owner().is_none()
                    || !case.state(states))
        },
    ),
    no(
        "操作规程 一/七, 三/七",
        "an application's data is written by its own unit, and read by the units it serves",
        |case| {
            let serves = |owner: Unit| match case.act.deed {
                Deed::WriteSector(_) => owner == case.act.unit,
                _ => owner.covers(case.act.unit),
            };
            case.is_in_sector() && !case.owner().is_some_and(serves)
        },
    ),
    // Transfer.
    no("暂行办法 六(二) 临时卡", "a temporary card does not leave its school", |case| {
        case.is(&[Event::TransferOut]) && case.card.temporary
    }),
    no("操作规程 四/八", "a school's own applications end when the pupil leaves", |case| {
        case.is(&[Event::TransferOut])
            && case.card.sectors.iter().flatten().any(|it| it.owner.kind() == Kind::School)
    }),
    no("操作规程 四/八 转出", "a pupil moves to a school", |case| {
        case.is(&[Event::TransferOut]) && case.body().to.kind() == Kind::District
    }),
    open(
        "操作规程 四/八 转出",
        "nothing is said of a transfer from a school to itself that is no promotion",
        |case| {
            case.is(&[Event::TransferOut])
                && case.body().to == case.act.unit
                && !case.body().promotion
        },
    ),
    no("操作规程 四/八 转入", "the new school takes the pupil in, no other", |case| {
        case.is(&[Event::TransferIn])
            && case.card.moving.and_then(|it| it.to).is_some_and(|to| to != case.act.unit)
    }),
    no(
        "暂行办法 四(一) 学籍号",
        "a pupil taken in has a number of the new school",
        |case| case.is(&[Event::TransferIn]) && case.body().number.school() != case.act.unit,
    ),
    no(
        "暂行办法 四(一) 学籍号, 操作规程 四/八",
        "a promotion leads to the next stage and its new number, a transfer stays in the stage",
        |case| {
            let up =
                |it: Move| case.body().number.stage() - it.old.stage() == i8::from(it.promotion);
            case.is(&[Event::TransferIn]) && case.card.moving.is_some_and(|it| !up(it))
        },
    ),
    no("操作规程 四/八 转入", "a pupil is not taken in before leaving", |case| {
        case.is(&[Event::TransferIn]) && case.card.moving.is_some_and(|it| case.act.day < it.day)
    }),
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
    no("操作规程 四/七", "a wallet is closed and paid out before the recall", |case| {
        case.is(&[Event::Recall])
            && !case.state(&[State::Stock, State::Recalled])
            && !(matches!(case.card.wallet, Purse::Never | Purse::Closed) && case.card.balance == 0)
    }),
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
        "操作规程 一/八(三)2, 一/八(三)3 解冻",
        "a fault found to be none does not lift a freeze",
        |case| {
            case.is(&[Event::Restock])
                && case.state(&[State::Faulty])
                && case.card.broke_in == State::Frozen
        },
    ),
    no(
        "操作规程 三/五, 一/八(三)2",
        "the district inspects recalled and faulty cards, no school",
        |case| case.is(&[Event::Restock]) && case.kind() == Kind::School,
    ),
    no(
        "操作规程 三/五",
        "a card is inspected by those who have charge of the unit that handed it up",
        |case| case.is(&[Event::Restock]) && !case.covers_maker(),
    ),
    open(
        "操作规程 三/五, 二/六",
        "the district takes cards into stock; nothing is said of K0, which it does not hold",
        |case| case.is(&[Event::Restock]) && case.key_is(0),
    ),
    no("暂行办法 六(二) 临时卡", "only a temporary card is handed back", |case| {
        case.is(&[Event::TemporaryReturn]) && !case.card.temporary
    }),
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
