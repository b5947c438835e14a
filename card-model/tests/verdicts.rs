//! The verdict: every reason is reached, and of two reasons the one asked first is named.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

mod support;

use core::num::NonZeroU16;

use support::{OTHER_SCHOOL, OWN_DISTRICT, OWN_SCHOOL, issuance, pupil, status, unit};
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::list::{Effect, Listing, Standing};
use xuejika_card_model::record::{
    Enrolment, ExtensionEntry, ExtensionIndex, Grant, Issuance, LogEntry, Personalisation,
    Registration, SchoolYear, Sector, Status, Term, TerminalId,
};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::verdict::{
    Circumstances, Facts, Listed, Presented, Reason, Venue, Verdict, Warning, verdict,
};

/// What the reader gets to see of the card.
#[derive(Clone, Copy)]
enum Seen {
    Locked,
    Foreign,
    Damaged,
    Records,
}

/// A card and a venue that wants to use its third extension sector; nothing is wrong.
struct Case {
    seen: Seen,
    today: Date,
    issuance: Issuance,
    status: Status,
    enrolment: Option<Enrolment>,
    personalisation: Option<Personalisation>,
    registrations: Vec<Registration>,
    extensions: Vec<ExtensionEntry>,
    log: Vec<LogEntry>,
    venue: Venue,
    lists: Vec<Listing>,
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn sector() -> ExtensionIndex {
    ExtensionIndex::new(3).unwrap()
}

fn grant() -> Grant {
    Grant {
        application: NonZeroU16::new(0x0101).unwrap(),
        owner: unit(OWN_DISTRICT),
        filing: "20070001".parse().unwrap(),
        opened: date("2007-10-08").try_into().unwrap(),
    }
}

fn case() -> Case {
    let date_of_personalisation = date("2007-09-01");
    Case {
        seen: Seen::Records,
        today: date("2008-03-10"),
        issuance: issuance(),
        status: status(LifeCycleState::Active),
        enrolment: Some(pupil().enrolment),
        personalisation: Some(Personalisation {
            count: 1,
            date: date_of_personalisation,
            unit: unit(OWN_SCHOOL),
            terminal: TerminalId([0; 4]),
            issued: true,
        }),
        registrations: vec![Registration {
            school_year: SchoolYear::new(2007).unwrap(),
            term: Term::Autumn,
            date: date_of_personalisation,
            unit: unit(OWN_SCHOOL),
            terminal: TerminalId([0; 4]),
        }],
        extensions: vec![ExtensionEntry { index: sector(), sector: Sector::Open(grant()) }],
        log: Vec::new(),
        venue: Venue::Application {
            sector: sector(),
            application: grant().application,
            unit: unit(OWN_SCHOOL),
            key_accepted: true,
        },
        lists: vec![Listing { issued: date("2008-03-09"), standing: Standing::default() }],
    }
}

impl Case {
    fn verdict(&self) -> Verdict {
        let presented = match self.seen {
            Seen::Locked => Presented::ReaderLocked,
            Seen::Foreign => Presented::NotGenuine,
            Seen::Damaged => Presented::StatusDamaged,
            Seen::Records => Presented::Card(Facts {
                issuance: &self.issuance,
                status: &self.status,
                enrolment: self.enrolment.as_ref(),
                personalisation: self.personalisation.as_ref(),
                registrations: &self.registrations,
                extensions: &self.extensions,
                log: &self.log,
            }),
        };
        let Self { today, venue, lists, .. } = self;
        verdict(&presented, &Circumstances { today: *today, venue: *venue, lists })
    }

    fn set_sector(&mut self, sector: Sector) {
        self.extensions[0].sector = sector;
    }

    fn end_enrolment(&mut self) {
        if let Some(enrolment) = &mut self.enrolment {
            enrolment.valid_until = date("2008-03-09");
        }
    }
}

/// Something that goes against a card, and the reason that names it.
type Flaw = (Reason, fn(&mut Case));

/// What can go against a card, in the order of the questions.
fn flaws() -> Vec<Flaw> {
    let yesterday = date("2008-03-09");
    vec![
        (Reason::ReaderLocked, |case| case.seen = Seen::Locked),
        (Reason::NotGenuine, |case| case.seen = Seen::Foreign),
        (Reason::StatusDamaged, |case| case.seen = Seen::Damaged),
        (Reason::State(LifeCycleState::Frozen), |case| case.status.state = LifeCycleState::Frozen),
        (Reason::Incomplete, |case| case.personalisation = None),
        (Reason::Replaced, |case| case.lists[0].standing.replaced = Some(Effect::InForce)),
        (Reason::Lost, |case| case.lists[0].standing.loss = Some(Effect::InForce)),
        (Reason::Frozen, |case| {
            case.lists[0].standing.freeze = Some(Effect::From(date("2008-03-10")));
        }),
        (Reason::NotYetValid(date("2008-03-11")), |case| {
            case.issuance.valid_from = date("2008-03-11");
        }),
        (Reason::Expired(yesterday), |case| case.issuance.valid_until = date("2008-03-09")),
        (Reason::EnrolmentEnded(yesterday), Case::end_enrolment),
        (Reason::NotRegistered(date("2007-09-20")), |case| case.registrations.clear()),
        (Reason::TemporaryEnded(yesterday), |case| {
            case.status.flags.temporary = true;
            case.end_enrolment();
        }),
        (Reason::SectorClosed(sector()), |case| case.set_sector(Sector::Closed)),
        (Reason::SectorReclaiming(sector()), |case| case.set_sector(Sector::Reclaiming(grant()))),
        (Reason::OtherApplication(NonZeroU16::MAX), |case| {
            let Sector::Open(mut grant) = case.extensions[0].sector else { return };
            grant.application = NonZeroU16::MAX;
            case.set_sector(Sector::Open(grant));
        }),
        (Reason::OtherOwner(unit(OTHER_SCHOOL)), |case| {
            let Sector::Open(mut grant) = case.extensions[0].sector else { return };
            grant.owner = unit(OTHER_SCHOOL);
            case.set_sector(Sector::Open(grant));
        }),
        (Reason::ApplicationKey(sector()), |case| {
            if let Venue::Application { key_accepted, .. } = &mut case.venue {
                *key_accepted = false;
            }
        }),
    ]
}

#[test]
fn a_good_card_is_accepted() {
    assert_eq!(case().verdict(), Verdict::Accept { registered_until: date("2008-03-20") });
}

#[test]
fn every_reason_is_reached_and_told_in_both_languages() {
    let mut told = std::collections::BTreeSet::new();
    for (reason, flaw) in flaws() {
        let mut case = case();
        flaw(&mut case);
        assert_eq!(case.verdict(), Verdict::Refuse(reason));
        assert!(told.insert(reason.id()) && told.insert(reason.chinese()), "{reason:?}");
        assert!(reason.to_string().is_ascii() && !reason.chinese().is_ascii());
    }
    assert_eq!(told.len(), 2 * 18);
}

/// Two flaws at once: the one asked first is the reason.
#[test]
fn the_order_of_the_questions() {
    let flaws = flaws();
    let mut pairs = 0;
    for (at, (first, flaw)) in flaws.iter().enumerate() {
        for (second, other) in &flaws[at + 1..] {
            // A card is temporary or it is not; one end date cannot be both.
            if matches!((first, second), (Reason::EnrolmentEnded(_), Reason::TemporaryEnded(_))) {
                continue;
            }
            let mut case = case();
            other(&mut case);
            flaw(&mut case);
            assert_eq!(case.verdict(), Verdict::Refuse(*first), "before {second:?}");
            pairs += 1;
        }
    }
    assert_eq!(pairs, 18 * 17 / 2 - 1);
}

#[test]
fn every_state_but_active_is_refused() {
    for state in LifeCycleState::ALL.iter().copied() {
        let mut case = case();
        case.status.state = state;
        let refused = case.verdict() == Verdict::Refuse(Reason::State(state));
        assert_eq!(refused, state != LifeCycleState::Active);
    }
}

/// Dates that are the last good day, and the day after (暂行办法 六(五)).
#[test]
fn the_last_good_day() {
    let on = |day: &str, change: fn(&mut Case)| {
        let mut case = case();
        change(&mut case);
        case.lists.clear();
        case.today = date(day);
        case.verdict()
    };
    let refused = |verdict, reason| assert_eq!(verdict, Verdict::Refuse(reason));
    let accepted = |verdict| assert!(matches!(verdict, Verdict::Accept { .. }));
    accepted(on("2008-03-20", |_| ()));
    refused(on("2008-03-21", |_| ()), Reason::NotRegistered(date("2008-03-20")));
    accepted(on("2007-09-20", |case| case.registrations.clear()));
    refused(
        on("2007-09-21", |case| case.registrations.clear()),
        Reason::NotRegistered(date("2007-09-20")),
    );
    accepted(on("2008-03-09", Case::end_enrolment));
    refused(on("2008-03-10", Case::end_enrolment), Reason::EnrolmentEnded(date("2008-03-09")));
    let only_day = |case: &mut Case| {
        case.issuance.valid_from = date("2008-03-10");
        case.issuance.valid_until = date("2008-03-10");
    };
    refused(on("2008-03-09", only_day), Reason::NotYetValid(date("2008-03-10")));
    accepted(on("2008-03-10", only_day));
    refused(on("2008-03-11", only_day), Reason::Expired(date("2008-03-10")));
}

/// A loss reported but not in force is the holder's risk: accepted with a warning, refused from its
/// day on; any one list that says so is enough (暂行办法 六(二)).
#[test]
fn a_loss_on_its_way() {
    let with = |day: &str, issued: &str, effect| {
        let mut case = case();
        case.today = date(day);
        let standing = Standing { loss: Some(effect), ..Standing::default() };
        case.lists[0].issued = date(day);
        case.lists.push(Listing { issued: date(issued), standing });
        case.verdict()
    };
    let effective = date("2008-03-07");
    let warned = |warnings: &[Warning]| Verdict::AcceptWithWarning {
        registered_until: date("2008-03-20"),
        warnings: warnings.to_vec(),
    };
    let verdict = with("2008-03-06", "2008-03-05", Effect::From(effective));
    assert_eq!(verdict, warned(&[Warning::LossReported(effective)]));
    let verdict = with("2008-03-07", "2008-03-05", Effect::From(effective));
    assert_eq!(verdict, Verdict::Refuse(Reason::Lost));
}

#[test]
fn lists_that_are_old_or_ahead() {
    let with = |issued: &str, standing| {
        let mut case = case();
        case.lists = vec![Listing { issued: date(issued), standing }];
        match case.verdict() {
            Verdict::AcceptWithWarning { warnings, .. } => warnings,
            Verdict::Accept { .. } => Vec::new(),
            other => panic!("{other:?}"),
        }
    };
    let nothing = Standing::default();
    assert_eq!(with("2008-03-08", nothing), [Warning::StaleList(date("2008-03-08"))]);
    assert_eq!(with("2008-03-09", nothing), []);
    assert_eq!(with("2008-03-10", nothing), []);
    assert_eq!(with("2008-03-11", nothing), [Warning::ListAhead(date("2008-03-11"))]);
    let later = date("2008-03-12");
    let from = Some(Effect::From(later));
    let standing = Standing { freeze: from, replaced: from, ..Standing::default() };
    let warnings = with("2008-03-10", standing);
    assert_eq!(warnings, [Warning::ReplacementReported(later), Warning::FreezeReported(later)]);
    let all = [
        Warning::LossReported(later),
        Warning::FreezeReported(later),
        Warning::ReplacementReported(later),
        Warning::StaleList(later),
        Warning::ListAhead(later),
        Warning::RecordsAhead(later),
        Warning::Listed(Reason::Lost),
    ];
    let mut told = std::collections::BTreeSet::new();
    for warning in all {
        assert!(told.insert(warning.id()) && told.insert(warning.chinese()));
        assert!(warning.to_string().is_ascii());
    }
}

/// Nothing in the education zone reaches the wallet (暂行办法 六(二), 操作规程 四/六).
#[test]
fn the_wallet_is_not_concerned() {
    for (_, flaw) in flaws() {
        let mut case = case();
        flaw(&mut case);
        case.venue = Venue::Wallet;
        assert_eq!(case.verdict(), Verdict::WalletRules);
    }
}

#[test]
fn without_an_application_the_sectors_do_not_matter() {
    let mut case = case();
    case.extensions.clear();
    assert_eq!(case.verdict(), Verdict::Refuse(Reason::SectorClosed(sector())));
    case.venue = Venue::Education;
    assert!(matches!(case.verdict(), Verdict::Accept { .. }));
}

/// What lists say is decided in one place: the verdict refuses by the first reason, an operation that
/// goes on notes all of them (操作规程 四/六).
#[test]
fn what_lists_say_is_joined() {
    let (today, later) = (date("2008-03-10"), date("2008-03-12"));
    let listing = |issued: &str, standing| Listing { issued: date(issued), standing };
    let lost = Standing { loss: Some(Effect::From(today)), ..Standing::default() };
    let frozen = Standing { freeze: Some(Effect::InForce), ..Standing::default() };
    let soon = Standing { loss: Some(Effect::From(later)), ..frozen };
    let listed = Listed::new(&[listing("2008-03-09", frozen), listing("2008-03-08", lost)], today);
    assert_eq!(listed.reasons, [Reason::Lost, Reason::Frozen]);
    assert_eq!(listed.refusal(), Some(Reason::Lost));
    let stale = Warning::StaleList(date("2008-03-08"));
    let in_force = [Warning::Listed(Reason::Lost), Warning::Listed(Reason::Frozen)];
    assert_eq!(listed.notes(), [&in_force[..], &[stale]].concat());
    let listed = Listed::new(&[listing("2008-03-09", soon)], today);
    assert_eq!(listed.notes(), [Warning::Listed(Reason::Frozen), Warning::LossReported(later)]);
    assert_eq!(Listed::new(&[], today), Listed::default());
}

/// No registration carries a card beyond its own end or the pupil's (暂行办法 六(五)).
#[test]
fn the_last_good_day_is_the_earliest_end() {
    let with = |change: fn(&mut Case)| {
        let mut case = case();
        change(&mut case);
        case.verdict()
    };
    let accepted = |until: &str| Verdict::Accept { registered_until: date(until) };
    assert_eq!(with(|_| ()), accepted("2008-03-20"));
    let card = with(|case| case.issuance.valid_until = date("2008-03-15"));
    assert_eq!(card, accepted("2008-03-15"));
    let enrolment = |case: &mut Case| {
        case.enrolment.as_mut().unwrap().valid_until = date("2008-03-12");
    };
    assert_eq!(with(enrolment), accepted("2008-03-12"));
    let temporary = with(|case| {
        case.status.flags.temporary = true;
        case.enrolment.as_mut().unwrap().valid_until = date("2008-03-11");
        case.issuance.valid_until = date("2008-03-15");
    });
    assert_eq!(temporary, accepted("2008-03-11"));
}

/// A clock that ran ahead when the card was written does not make the card good for longer, and a
/// reader says that the dates do not go together.
#[test]
fn records_that_lie_ahead() {
    let with = |change: fn(&mut Case)| {
        let mut case = case();
        change(&mut case);
        case.verdict()
    };
    let until = date("2008-03-20");
    let warned = |day: &str| Verdict::AcceptWithWarning {
        registered_until: until,
        warnings: vec![Warning::RecordsAhead(date(day))],
    };
    fn ahead(case: &mut Case) {
        let registration = case.registrations[0];
        let school_year = SchoolYear::new(2015).unwrap();
        let date = date("2016-03-01");
        case.registrations.push(Registration { school_year, date, ..registration });
    }
    assert_eq!(with(ahead), warned("2016-03-01"));
    let alone = with(|case| {
        ahead(case);
        case.registrations.remove(0);
    });
    assert_eq!(alone, Verdict::Refuse(Reason::NotRegistered(date("2007-09-20"))));
    // The day itself is not ahead.
    assert_eq!(
        with(|case| case.registrations[0].date = date("2008-03-10")),
        Verdict::Accept { registered_until: until }
    );
    assert_eq!(with(|case| case.status.date = date("2008-03-11")), warned("2008-03-11"));
    fn personalised_ahead(case: &mut Case) {
        case.personalisation.as_mut().unwrap().date = date("2008-03-11");
    }
    assert_eq!(with(personalised_ahead), warned("2008-03-11"));
    let unregistered = with(|case| {
        personalised_ahead(case);
        case.registrations.clear();
    });
    assert_eq!(unregistered, Verdict::Refuse(Reason::NotRegistered(date("2007-09-20"))));
}

/// 暂行办法 六(五): a card that was never registered lapses although its data are corrected later; after a
/// transfer the new school's personalisation counts.
#[test]
fn correcting_a_card_is_no_registration() {
    let until = |count, events: &[(Event, &str)]| {
        let mut case = case();
        case.registrations.clear();
        let last = case.personalisation.as_mut().unwrap();
        (last.count, last.date) = (count, date("2008-02-20"));
        let entry = |(event, on): &(Event, &str)| LogEntry {
            operation: event.code(),
            result: 0,
            date: date(on),
            time: Time::new(8, 0, 0).unwrap(),
            unit: unit(OWN_SCHOOL),
            counter: 1,
        };
        case.log = events.iter().map(entry).collect();
        match case.verdict() {
            Verdict::Accept { registered_until } => Some(registered_until.to_string()),
            _ => None,
        }
    };
    let good = Some("2008-03-20".to_owned());
    let last = (Event::PersonaliseCommit, "2008-02-20");
    let first = (Event::PersonaliseCommit, "2007-09-01");
    assert_eq!(until(2, &[last, first]), None);
    assert_eq!(until(1, &[last, first]), good, "the earlier one was wiped");
    assert_eq!(until(2, &[last, (Event::TransferIn, "2008-02-20"), first]), good);
    assert_eq!(until(2, &[last]), good, "beyond the log");
}
