//! Books of the desks: allocation, waste, stock and slips, registers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

use std::collections::BTreeMap;
use std::fmt::Display;

use proptest::prelude::*;
use xuejika_card_model::calendar::Holidays;
use xuejika_card_model::date::Date;
use xuejika_card_model::desk::stock::{
    Cards, CardsError, CountedCards, Direction, Ledger, Movement, Slip, SlipError, SlipLine,
    StockEntry, StockError, UnknownSlip,
};
use xuejika_card_model::desk::{
    AllocationError, AllocationPlan, Applications, Heading, Line, LineError, NotFiled,
    NotRegistered, Numbered, RegisterError, Sams, WasteError, tally,
};
use xuejika_card_model::ident::{CardSerial, SerialRange, UnitCode};

const CITY: &str = "000000";
const DISTRICT: &str = "080000";
const SCHOOL: &str = "084012";

/// Reads a file without commas in its cells.
fn lines<T: Line>(csv: &str) -> Vec<Numbered<T>> {
    let mut rows = csv.lines();
    let heading = Heading::read(rows.next().unwrap().split(',')).unwrap();
    let line = |(line, row): (u64, &str)| heading.line(line, &row.split(',').collect::<Vec<_>>());
    (2..).zip(rows).map(|row| line(row).unwrap()).collect()
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn unit(text: &str) -> UnitCode {
    text.parse().unwrap()
}

fn serial(number: u32) -> CardSerial {
    CardSerial::new(26, 1, number).unwrap()
}

fn range(first: u32, last: u32) -> SerialRange {
    SerialRange { first: serial(first), last: serial(last) }
}

/// Line, field and problem of each error.
fn told<P: Display>(errors: Vec<LineError<P>>) -> Vec<(u64, &'static str, P)> {
    errors.into_iter().map(|LineError { line, field, problem }| (line, field, problem)).collect()
}

/// 8 % on top, rounded up; what is beyond is recalled, and what the city orders back (操作规程 三/五).
#[test]
fn a_school_gets_a_card_a_pupil_and_the_spare_ones() {
    let plan = |desk: &str, csv: &str| {
        let csv = format!("unit,pupils,held,ordered_back\n{csv}");
        AllocationPlan::new(unit(desk), &lines(&csv))
    };
    let one = |numbers: &str| {
        let plan = plan(DISTRICT, &format!("{SCHOOL},{numbers}")).unwrap();
        (plan.schools[0].spare, plan.schools[0].hand_out, plan.schools[0].recall)
    };
    assert_eq!(one("1200,0,"), (96, 1296, 0));
    assert_eq!(one("1201,1296,"), (97, 2, 0));
    assert_eq!(one("1200,1296,"), (96, 0, 0));
    assert_eq!(one("1200,1297,"), (96, 0, 1));
    assert_eq!(one("0,7,"), (0, 0, 7));
    // The city orders back: at least so many, and nothing is handed out.
    assert_eq!(one("1200,1000,50"), (96, 0, 50));
    assert_eq!(one("1200,1400,50"), (96, 0, 104));
    assert_eq!(one("1200,1000,1000"), (96, 0, 1000));
    assert_eq!(one("1200,1000,0"), (96, 296, 0));

    let three = "084012,100,0,\n084013,100,120,\n051001,10,0,";
    let whole = plan(CITY, three).unwrap();
    let totals: Vec<_> =
        whole.totals.iter().map(|t| (t.unit, t.pupils, t.hand_out, t.recall)).collect();
    assert_eq!(
        totals,
        [(unit(CITY), 210, 119, 12), (unit("050000"), 10, 11, 0), (unit(DISTRICT), 200, 108, 12)]
    );
    let own = plan(DISTRICT, "084012,100,0,\n084013,100,120,").unwrap();
    assert_eq!(own.totals, &whole.totals[2..]);
    let (found, desk) = (unit("051001"), unit(DISTRICT));
    assert_eq!(
        told(plan(DISTRICT, three).unwrap_err()),
        [(4, "unit", AllocationError::NotOurs { unit: found, desk })]
    );
    let wrong = plan(CITY, "084012,1,1,2\n084012,1,1,\n080000,1,1,").unwrap_err();
    assert_eq!(
        told(wrong),
        [
            (3, "unit", AllocationError::Twice(2)),
            (2, "ordered_back", AllocationError::NotHeld(1)),
            (4, "unit", AllocationError::NotOurs { unit: unit(DISTRICT), desk: unit(CITY) }),
        ]
    );
}

/// More than 3 % of a batch, at each level by itself (操作规程 一/九(四)).
#[test]
fn whoever_spoils_more_than_three_percent_is_liable() {
    let csv = "unit,batch,cards,wasted\n084012,A,1000,30\n084013,A,1000,31\n084012,B,100,4\n";
    let waste = tally(&lines(csv)).unwrap();
    let told_of: Vec<_> = waste
        .iter()
        .map(|w| (&*w.batch, w.unit.to_string(), w.percent.to_string(), w.liable))
        .collect();
    let row = |batch, unit: &str, percent: &str, liable| {
        (batch, unit.to_owned(), percent.to_owned(), liable)
    };
    assert_eq!(
        told_of,
        [
            row("A", CITY, "3.05", true),
            row("A", DISTRICT, "3.05", true),
            row("A", "084012", "3.00", false),
            row("A", "084013", "3.10", true),
            row("B", CITY, "4.00", true),
            row("B", DISTRICT, "4.00", true),
            row("B", "084012", "4.00", true),
        ]
    );
    assert!(tally(&lines("unit,batch,cards,wasted\n084012,A,4,4\n")).is_ok());
    let csv = "unit,batch,cards,wasted\n084012,A,1,0\n084012,A,1,0\n084013,A,0,0\n084014,A,1,2\n";
    assert_eq!(
        told(tally(&lines(csv)).unwrap_err()),
        [
            (3, "batch", WasteError::Twice(2)),
            (4, "cards", WasteError::NoCards),
            (5, "wasted", WasteError::MoreThanCards(1)),
        ]
    );
}

const LEDGER: &str = "day,movement,cards,counterpart,slip
2026-09-01,received,1100260100000014..1100260100000105,080000,J1
2026-09-02,7,1100260100000014..1100260100000030,,
2026-09-03,交回入库,1100260100000022,,
2026-09-03,fault up,1100260100000022,080000,J2
2026-09-04,moved in,1100250100000015,051001,
";

#[test]
fn what_came_in_and_did_not_go_out_is_in_stock() {
    let ledger = Ledger::new(unit(SCHOOL), &lines(LEDGER)).unwrap();
    let in_stock = |day: &str| ledger.in_stock(date(day)).count();
    assert_eq!(
        ["2026-08-31", "2026-09-01", "2026-09-02", "2026-09-03", "2026-09-04"].map(in_stock),
        [0, 10, 7, 7, 8]
    );
    assert_eq!(ledger.moved(Movement::Personalised, date("2026-09-30")), 3);
    assert_eq!(ledger.moved(Movement::Personalised, date("2026-09-01")), 0);
    let stay = ledger.in_stock(date("2026-09-04")).next().unwrap();
    assert_eq!((stay.movement, stay.since), (Movement::MovedIn, date("2026-09-04")));
}

#[test]
fn nothing_goes_out_that_is_not_there_and_nothing_comes_in_twice() {
    let with = |more: &str| {
        let csv = format!("{LEDGER}{more}");
        told(Ledger::new(unit(SCHOOL), &lines(&csv)).unwrap_err())
    };
    let cards = |first, last| range(first, last).serials().collect::<Cards>();
    // Card 1 is with its pupil; 10 is there, and 11 has never been.
    assert_eq!(
        with("2026-09-05,personalised,1100260100000014,,"),
        [(7, "cards", StockError::NotInStock(cards(1, 1)))]
    );
    assert_eq!(
        with("2026-09-05,personalised,1100260100000105..1100260100000113,,"),
        [(7, "cards", StockError::NotInStock(cards(11, 11)))]
    );
    assert_eq!(
        with("2026-09-05,received,1100260100000097..1100260100000113,080000,"),
        [(7, "cards", StockError::InStock(cards(9, 10)))]
    );
    // Before it came in.
    assert_eq!(
        with("2026-08-31,personalised,1100260100000048,,"),
        [(7, "cards", StockError::NotInStock(cards(4, 4)))]
    );
    assert_eq!(
        with("2026-09-02,7,1100260100000014..1100260100000030,,"),
        [(7, "day", StockError::Twice(3))]
    );
    let many = with("2026-09-05,received,1100270100000013..1100270199999992,080000,");
    assert_eq!(many, [(7, "cards", StockError::TooMany)]);
}

#[test]
fn each_level_has_its_movements_and_its_partners() {
    let of = |own: &str, line: &str| {
        let csv = format!("day,movement,cards,counterpart,slip\n2026-09-01,{line}");
        Ledger::new(unit(own), &lines(&csv)).map(drop).map_err(|errors| told(errors).remove(0))
    };
    let card = "1100260100000014";
    let allowed = [
        (CITY, format!("received,{card},,")),
        (DISTRICT, format!("received,{card},000000,")),
        (SCHOOL, format!("received,{card},080000,")),
        (SCHOOL, format!("moved in,{card},051001,")),
        (SCHOOL, format!("returned,{card},,")),
        (DISTRICT, format!("fault in,{card},084012,")),
        (CITY, format!("recalled in,{card},080000,")),
    ];
    for (own, line) in allowed {
        assert_eq!(of(own, &line), Ok(()), "{own} {line}");
    }
    let wrong_side = [
        (CITY, format!("received,{card},000000,")),
        (DISTRICT, format!("received,{card},,")),
        (SCHOOL, format!("received,{card},000000,")),
        (SCHOOL, format!("received,{card},050000,")),
        (SCHOOL, format!("moved in,{card},,")),
        (SCHOOL, format!("moved in,{card},050000,")),
        (SCHOOL, format!("returned,{card},080000,")),
        (CITY, format!("fault in,{card},084012,")),
        (DISTRICT, format!("recalled in,{card},051001,")),
    ];
    for (own, line) in wrong_side {
        let (line_number, field, problem) = of(own, &line).unwrap_err();
        assert_eq!((line_number, field), (2, "counterpart"), "{own} {line}");
        assert!(matches!(problem, StockError::Counterpart { .. }), "{problem}");
    }
    let not_there = [
        (DISTRICT, format!("returned,{card},,")),
        (CITY, format!("moved in,{card},051001,")),
        (SCHOOL, format!("recalled in,{card},084013,")),
        (SCHOOL, format!("handed out,{card},084013,")),
        (CITY, format!("personalised,{card},,")),
        (CITY, format!("recalled up,{card},,")),
    ];
    for (own, line) in not_there {
        let (_, field, problem) = of(own, &line).unwrap_err();
        assert_eq!(field, "movement", "{own} {line}");
        assert!(matches!(problem, StockError::NotAtLevel { .. }), "{problem}");
    }
}

/// Ten working days from the level above, the spare cards excepted (暂行办法 六(一)).
#[test]
fn cards_stay_ten_working_days() {
    let holidays = Holidays::published();
    let ledger = Ledger::new(unit(SCHOOL), &lines(LEDGER)).unwrap();
    let overdue = |day: &str, keep| {
        let overdue = ledger.overdue(date(day), keep, &holidays).unwrap();
        overdue.iter().map(|o| (o.due.to_string(), o.cards.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(overdue("2026-09-15", 0), []);
    let due = "2026-09-15".to_owned();
    // Neither the card that came with a pupil nor those that left.
    let cards = "1100260100000048..1100260100000105".to_owned();
    assert_eq!(overdue("2026-09-16", 0), [(due.clone(), cards)]);
    let cards = "1100260100000048..1100260100000055".to_owned();
    assert_eq!(overdue("2026-09-16", 5), [(due, cards)]);
    assert_eq!(overdue("2026-09-16", 7), []);
    // The card that came with a pupil stays, however long.
    let kept = "1100260100000048..1100260100000105".to_owned();
    assert_eq!(overdue("2026-12-31", 0), [("2026-09-15".to_owned(), kept)]);
    let city = "day,movement,cards\n2026-09-01,received,1100260100000014";
    let city = Ledger::new(UnitCode::CITY, &lines(city)).unwrap();
    assert_eq!(city.overdue(date("2026-12-31"), 0, &holidays), Ok(Vec::new()));
}

const DISTRICT_LEDGER: &str = "day,movement,cards,counterpart,slip
2026-08-30,received,1100260100000014..1100260100000188,000000,C1
2026-09-01,handed out,1100260100000014..1100260100000048,084012,J1
2026-09-01,handed out,1100260100000063..1100260100000105,084012,J1
2026-09-01,handed out,1100260100000113,084013,J2
2026-09-02,handed out,1100260100000121,084013,J2
";

fn counted(csv: &str) -> Cards {
    Cards::in_lines(&lines::<CountedCards>(csv), |line| line.cards).unwrap()
}

fn numbered<T>(values: impl IntoIterator<Item = T>) -> Vec<Numbered<T>> {
    (2..).zip(values).map(|(line, value)| Numbered { line, value }).collect()
}

/// A slip that differs is made anew; one that does not becomes the receiver's entries
/// (操作规程 一/九(四)).
#[test]
fn cards_go_with_a_slip_that_the_receiver_counts() {
    let sender = Ledger::new(unit(DISTRICT), &lines(DISTRICT_LEDGER)).unwrap();
    let slip = Slip::of_ledger(&sender, "J1").unwrap();
    assert_eq!(slip.cards().count(), 9);
    let lines_of: Vec<SlipLine> = slip.lines().collect();
    assert_eq!(lines_of.iter().map(|line| line.count).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(Slip::new(&numbered(lines_of)), Ok(slip.clone()));

    let short =
        counted("cards\n1100260100000014..1100260100000048\n1100260100000071..1100260100000113");
    let difference = slip.clone().receive(&short).unwrap_err();
    assert_eq!(
        difference.to_string(),
        "9 cards counted, expected 9; missing 1: 1100260100000063; unexpected 1: 1100260100000113"
    );
    for (cards, missing, unexpected) in
        [("1100260100000014..1100260100000048", 5, 0), ("1100260100000014..1100260100000105", 0, 1)]
    {
        let difference = slip.clone().receive(&counted(&format!("cards\n{cards}"))).unwrap_err();
        let found = (difference.missing.count(), difference.unexpected.count());
        assert_eq!(found, (missing, unexpected), "{cards}");
    }
    let all =
        counted("cards\n1100260100000063..1100260100000105\n1100260100000014..1100260100000048");
    let received = slip.receive(&all).unwrap();
    // Never before the day they left.
    let entries: Vec<StockEntry> = received.entries(date("2026-08-01")).collect();
    assert_eq!((entries.len(), entries[0].day), (2, date("2026-09-01")));
    assert_eq!(entries[0].movement, Movement::Received);
    let school = Ledger::new(unit(SCHOOL), &numbered(entries)).unwrap();
    assert_eq!(school.in_stock(date("2026-09-02")).count(), 9);

    assert_eq!(Slip::of_ledger(&sender, "J2"), Err(UnknownSlip::Several("J2".into())));
    // C1 is the slip of cards that came in.
    assert!(matches!(Slip::of_ledger(&sender, "C1"), Err(UnknownSlip::NoEntry { .. })));
}

#[test]
fn a_slip_is_one_slip_and_counts_right() {
    let many = lines::<CountedCards>("cards\n1100270100000013..1100270199999992");
    let many = told(Cards::in_lines(&many, |line| line.cards).unwrap_err());
    assert_eq!(many, [(2, "cards", CardsError::TooMany)]);
    let heading = "slip,day,from,to,movement,cards,count\n";
    let slip = |rows: &str| Slip::new(&lines(&format!("{heading}{rows}"))).map_err(told);
    let first = "J1,2026-09-01,080000,084012,handed out,1100260100000014..1100260100000048,4\n";
    assert!(slip(first).is_ok());
    let second = |row: &str| slip(&format!("{first}{row}")).unwrap_err();
    assert_eq!(
        second("J2,2026-09-02,080000,084012,handed out,1100260100000055,2"),
        [
            (3, "slip", SlipError::Other),
            (3, "day", SlipError::Other),
            (3, "count", SlipError::Count(1))
        ]
    );
    let fields = |row: &str| second(row).iter().map(|error| error.1).collect::<Vec<_>>();
    assert_eq!(fields("J1,2026-09-01,080000,084013,handed out,1100260100000055,1"), ["to"]);
    assert_eq!(fields("J1,2026-09-01,000000,084012,handed out,1100260100000055,1"), ["from", "to"]);
    assert_eq!(
        fields("J1,2026-09-01,080000,084012,fault up,1100260100000055,1"),
        ["movement", "to"]
    );
    let twice = second("J1,2026-09-01,080000,084012,handed out,1100260100000048,1");
    assert_eq!(twice, [(3, "cards", SlipError::Cards(CardsError::Twice(serial(4))))]);
    for way in
        ["080000,051001,handed out", "084012,080000,handed out", "084012,080000,personalised"]
    {
        let wrong = slip(&format!("J1,2026-09-01,{way},1100260100000014,1")).unwrap_err();
        assert!(matches!(wrong[..], [(2, "to", SlipError::Way { .. })]), "{wrong:?}");
    }
    assert!(slip("J1,2026-09-01,084012,080000,fault up,1100260100000014,1").is_ok());
    assert_eq!(slip(""), Err(Vec::new()));
}

#[test]
fn an_application_is_filed_through_the_district() {
    let heading = "filing,application,owner,name,filed_by,day\n";
    let register = |rows: &str| Applications::new(&lines(&format!("{heading}{rows}")));
    let rows = "20070001,00A1,084012,食堂,080000,2007-09-01\n20070002,00A2,080000,图书,080000,2007-09-01\n20070003,00A3,000000,x,000000,2007-09-01\n";
    let filed = register(rows).unwrap();
    let application = |filing: &str, code: &str, owner: &str, on: &str| {
        let (filing, code) = (filing.parse().unwrap(), code.parse().unwrap());
        filed.application(filing, code, unit(owner), date(on)).map(|filed| filed.name.clone())
    };
    assert_eq!(application("20070001", "00a1", SCHOOL, "2007-09-01"), Ok("食堂".to_owned()));
    let refused = |filing: &str, code: &str, owner: &str, on: &str| {
        application(filing, code, owner, on).unwrap_err()
    };
    assert!(matches!(refused("20070009", "00A1", SCHOOL, "2007-09-01"), NotFiled::Unknown(_)));
    assert!(matches!(refused("20070001", "00A1", SCHOOL, "2007-08-31"), NotFiled::Later { .. }));
    assert!(matches!(refused("20070001", "00A1", DISTRICT, "2007-09-01"), NotFiled::Owner { .. }));
    assert!(matches!(refused("20070001", "00A2", SCHOOL, "2007-09-01"), NotFiled::Code { .. }));

    let wrong = register(
        "20070001,00A1,084012,x,084012,2007-09-01\n20070001,00A1,080000,x,000000,2007-09-01\n",
    );
    let filed_by = |found: &str, owner: &str| RegisterError::FiledBy {
        found: unit(found),
        owner: unit(owner),
        expected: unit(DISTRICT),
    };
    assert_eq!(
        told(wrong.unwrap_err()),
        [
            (3, "filing", RegisterError::Twice(2)),
            (2, "filed_by", filed_by(SCHOOL, SCHOOL)),
            (3, "filed_by", filed_by(CITY, DISTRICT)),
        ]
    );
}

#[test]
fn a_sam_is_registered_until_it_is_withdrawn() {
    let heading = "sam,reader,unit,handed_to,day,withdrawn\n";
    let register = |rows: &str| Sams::new(&lines(&format!("{heading}{rows}")));
    let sams = register(
        "0000084012000001,R-0001,084012,080000,2007-09-01,2008-01-31\n\
         0000084012000003,R-0001,084012,080000,2008-01-31,\n\
         0000000000000001,R-0002,000000,000000,2007-09-01,\n",
    )
    .unwrap();
    let sam = |serial: &str, at: Option<&str>, on: &str| {
        sams.sam(serial.parse().unwrap(), at.map(unit), date(on)).map(|sam| sam.unit)
    };
    let (school, city) = ("0000084012000001", "0000000000000001");
    assert_eq!(sam(school, Some(SCHOOL), "2008-01-30"), Ok(unit(SCHOOL)));
    assert_eq!(sam(city, None, "2026-01-01"), Ok(UnitCode::CITY));
    let refused = |serial, at, on| sam(serial, at, on).unwrap_err();
    assert!(matches!(
        refused(school, None, "2008-01-31"),
        NotRegistered::Withdrawn { day, .. } if day == date("2008-01-31")
    ));
    assert!(matches!(refused(school, None, "2007-08-31"), NotRegistered::Later { .. }));
    assert!(matches!(refused(school, Some("084013"), "2007-09-01"), NotRegistered::Unit { .. }));
    assert!(matches!(refused("0000084012000002", None, "2007-09-01"), NotRegistered::Unknown(_)));

    assert!(register("0000084012000001,R-0001,084012,080000,2007-09-01,2007-09-01\n").is_ok());
    let wrong = register(
        "0000084012000001,R-0001,084013,050000,2007-09-01,2007-08-31\n\
         0000084012000001,R-0002,084012,080000,2007-09-01,2008-01-31\n\
         0000084012000002,R-0002,084012,080000,2008-01-30,\n",
    );
    let expected = unit(DISTRICT);
    assert_eq!(
        told(wrong.unwrap_err()),
        [
            (3, "sam", RegisterError::Twice(2)),
            (2, "unit", RegisterError::SamUnit { expected: unit(SCHOOL) }),
            (2, "handed_to", RegisterError::HandedTo { unit: unit("084013"), expected }),
            (2, "withdrawn", RegisterError::Backdated(date("2007-09-01"))),
            (4, "reader", RegisterError::InReader(3)),
        ]
    );
}

/// A movement of one card of twelve on one of eight days.
fn moved() -> impl Strategy<Value = (u32, i32, bool)> {
    (1..=12u32, 0..8i32, any::<bool>())
}

fn entry((card, day, inwards): (u32, i32, bool), slip: usize) -> StockEntry {
    StockEntry {
        day: date("2026-09-01").add_days(day).unwrap(),
        movement: if inwards { Movement::Returned } else { Movement::Personalised },
        cards: serial(card).into(),
        counterpart: None,
        slip: Some(slip.to_string()),
    }
}

/// Whether no card is ever less than nowhere or twice in stock, counted at the end of each day.
fn never_negative(moves: &[(u32, i32, bool)]) -> bool {
    let mut days = BTreeMap::<(u32, i32), i32>::new();
    for (card, day, inwards) in moves {
        *days.entry((*card, *day)).or_default() += if *inwards { 1 } else { -1 };
    }
    (1..=12).all(|card| {
        let of_card = days.range((card, i32::MIN)..=(card, i32::MAX));
        let stock = of_card.scan(0, |stock, (_, change)| {
            *stock += change;
            Some(*stock)
        });
        { stock }.all(|stock| (0..=1).contains(&stock))
    })
}

proptest! {
    /// The ledger takes exactly what never leaves a card below nothing or above one.
    #[test]
    fn no_stock_is_negative(moves in proptest::collection::vec(moved(), 0..20)) {
        let entries = moves.iter().enumerate().map(|(index, moved)| entry(*moved, index));
        let ledger = Ledger::new(unit(SCHOOL), &numbered(entries));
        prop_assert_eq!(ledger.is_ok(), never_negative(&moves), "{:?}", ledger);
    }

    /// In minus out is the stock, on every day and whatever the order of the lines.
    #[test]
    fn the_balance_is_in_minus_out(
        (moves, shuffled) in proptest::collection::vec((1..=12u32, 1..4i32), 0..40).prop_flat_map(|steps| {
            // Every card comes and goes in turn, so that the ledger is right.
            let mut days = BTreeMap::<u32, (i32, bool)>::new();
            let moves: Vec<_> = steps.into_iter().enumerate().map(|(index, (card, wait))| {
                let (day, inside) = days.entry(card).or_default();
                *day += wait - 1;
                *inside = !*inside;
                entry((card, *day, *inside), index)
            }).collect();
            (Just(moves.clone()), Just(moves).prop_shuffle())
        })
    ) {
        let ledger = Ledger::new(unit(SCHOOL), &numbered(moves)).unwrap();
        prop_assert_eq!(&Ledger::new(unit(SCHOOL), &numbered(shuffled)).unwrap(), &ledger);
        for day in 0..120 {
            let day = date("2026-09-01").add_days(day).unwrap();
            let sum = |direction| -> u64 {
                let of = Movement::ALL.iter().filter(|m| m.direction() == direction);
                of.map(|movement| ledger.moved(*movement, day)).sum()
            };
            let stock = ledger.in_stock(day).count() as u64;
            prop_assert_eq!(stock + sum(Direction::Out), sum(Direction::In));
        }
    }

    /// Ranges are the cards, and the fewest there can be.
    #[test]
    fn cards_and_ranges(numbers in proptest::collection::btree_set(0..40u32, 0..20)) {
        let cards: Cards = numbers.iter().map(|number| serial(*number)).collect();
        let ranges = cards.ranges();
        let again: Vec<_> = ranges.iter().flat_map(|range| range.serials()).collect();
        prop_assert_eq!(&again, &cards.iter().collect::<Vec<_>>());
        let gaps = numbers.iter().filter(|n| **n > 0 && !numbers.contains(&(**n - 1))).count();
        prop_assert_eq!(ranges.len(), gaps + usize::from(numbers.contains(&0)));
    }
}
