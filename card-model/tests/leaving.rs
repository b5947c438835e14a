//! A pupil leaves: to another school, or the card goes back. What each event asks for besides key,
//! state and unit, what it writes, and what it leaves nothing of.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

mod support;

use support::scene::{
    NEW_NUMBER, SECTOR, application_key, carry_out, execute, in_record, out_record, pupil_taken_in,
    put_entry, put_ring, put_sector, put_transfers, scene,
};
use support::{
    CITY, OTHER_DISTRICT, OTHER_SCHOOL, OWN_DISTRICT, OWN_SCHOOL, actor, card_in, file, issuance,
    open, pupil, put, put_pupil, put_status, request, status, tree, unit,
};
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::Date;
use xuejika_card_model::event::{Body, Condition, Request};
use xuejika_card_model::file::tree::{sfi, wallet_sfi};
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::nvm::{Cut, Nvm, RamNvm, Torn};
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{
    Issuance, Personalisation, Sector, Status, StatusFlags, Transfer, TransferOperation,
};
use xuejika_card_model::state::LifeCycleState as S;
use xuejika_card_model::{Card, CardError};
use xuejika_keyscheme::KeyNumber;

/// Expects a refusal that leaves every byte of the memory as it was.
fn refused(card: &mut Card<RamNvm>, request: &Request, of: &str) -> CardError {
    let before = card.nvm().bytes().to_vec();
    let error = carry_out(card, request, of).unwrap_err();
    assert!(card.nvm().bytes() == before, "{} wrote and failed", request.event.rule().name);
    error
}

fn condition(card: &mut Card<RamNvm>, event: Event, of: &str) -> Condition {
    match refused(card, &request(event), of) {
        CardError::Condition(condition) => {
            assert!(Condition::of(event).contains(&condition), "{condition}");
            condition
        }
        other => panic!("{}: {other}", event.rule().name),
    }
}

fn newest(card: &Card<RamNvm>) -> Transfer {
    let record = card.record(file(sfi::TRANSFER), 1, Some(KeyNumber::READ)).unwrap();
    Transfer::parse(record).unwrap()
}

/// Writes the pupil's files as a school does between begin and commit.
fn write_pupil(card: &mut Card<RamNvm>, pupil: &Pupil, of: &str) -> Result<(), CardError> {
    let actor = Some(actor(KeyNumber::PERSONALISE, of));
    card.update(file(sfi::IDENTITY), 0, &pupil.identity.emit(), actor)?;
    card.update(file(sfi::ENROLMENT), 0, &pupil.enrolment.emit(), actor)
}

/// Puts the wallet into a state: its enable flag, and a balance in fen.
fn put_wallet(memory: &mut [u8], flag: u8, balance: u32) {
    let wallet = tree().wallet.as_ref().unwrap();
    put(memory, wallet.by_sfi(wallet_sfi::CONTROL).unwrap(), &[flag]);
    let mut purse = open(memory).purse().unwrap();
    purse.balance = xuejika_keyscheme::legacy::Fen(balance);
    put(memory, wallet.by_sfi(wallet_sfi::PURSE).unwrap(), &purse.emit());
}

#[test]
fn a_transfer_out_says_who_leaves_which_school_for_where() {
    for (promotion, to, reason, operation, said) in [
        (false, Some(OTHER_SCHOOL), None, TransferOperation::OutTransfer, Reason::TransferredOut),
        (true, None, None, TransferOperation::OutPromotion, Reason::Promoted),
        (
            false,
            Some(OWN_SCHOOL),
            Some(Reason::Graduated),
            TransferOperation::OutTransfer,
            Reason::Graduated,
        ),
    ] {
        let mut card = open(&card_in(S::Active));
        let body = Body::TransferOut { promotion, to: to.map(unit) };
        let request = Request { body, reason, ..request(Event::TransferOut) };
        carry_out(&mut card, &request, OWN_SCHOOL).unwrap();
        let expected = Transfer {
            operation,
            reason: said,
            to: to.map(unit),
            out_date: request.date,
            out_terminal: request.terminal,
            ..out_record(None)
        };
        assert_eq!(newest(&card), expected);
        assert_eq!(card.state(), Ok(S::TransferredOut));
    }
}

#[test]
fn transfers_are_numbered_and_a_withdrawal_is_kept() {
    let mut card = open(&card_in(S::Active));
    for sequence in 1..=3 {
        execute(&mut card, Event::TransferOut, OWN_SCHOOL).unwrap();
        let out = newest(&card);
        assert_eq!(out.sequence, sequence);
        execute(&mut card, Event::TransferWithdraw, OWN_SCHOOL).unwrap();
        let withdrawn = Transfer { operation: TransferOperation::Withdrawn, ..out };
        assert_eq!(newest(&card), withdrawn);
        assert_eq!(card.state(), Ok(S::Active));
    }
}

#[test]
fn a_transfer_in_completes_the_record_of_the_transfer_out() {
    let mut card = open(&scene(Event::TransferIn, S::TransferredOut));
    execute(&mut card, Event::TransferIn, OTHER_SCHOOL).unwrap();
    let in_date = Some(request(Event::TransferIn).date);
    assert_eq!(newest(&card), Transfer { in_date, ..in_record() });

    // The new school personalises; until then the pupil's old data stays.
    let begin = request(Event::PersonaliseBegin);
    assert_eq!(refused(&mut card, &begin, OWN_SCHOOL), CardError::ForeignUnit);
    execute(&mut card, Event::PersonaliseBegin, OTHER_SCHOOL).unwrap();
    write_pupil(&mut card, &pupil_taken_in(), OTHER_SCHOOL).unwrap();
    execute(&mut card, Event::PersonaliseCommit, OTHER_SCHOOL).unwrap();
    assert_eq!(card.pupil(), Ok(pupil_taken_in()));
    execute(&mut card, Event::Register, OTHER_SCHOOL).unwrap();
    assert_eq!(refused(&mut card, &request(Event::Freeze), OWN_SCHOOL), CardError::ForeignUnit);
    let back = Body::TransferOut { promotion: false, to: Some(unit(OWN_SCHOOL)) };
    carry_out(&mut card, &Request { body: back, ..request(Event::TransferOut) }, OTHER_SCHOOL)
        .unwrap();
    assert_eq!((newest(&card).sequence, newest(&card).from), (2, unit(OTHER_SCHOOL)));
}

#[test]
fn a_pupil_goes_where_the_record_says_or_anywhere_when_it_says_nothing() {
    let with = |to| {
        let mut memory = card_in(S::TransferredOut);
        put_transfers(&mut memory, &[out_record(to)]);
        open(&memory)
    };
    let request = request(Event::TransferIn);
    let mut elsewhere = with(Some(OWN_SCHOOL));
    assert_eq!(refused(&mut elsewhere, &request, OTHER_SCHOOL), CardError::ForeignUnit);
    for to in [None, Some(OTHER_SCHOOL)] {
        carry_out(&mut with(to), &request, OTHER_SCHOOL).unwrap();
        for of in [OWN_DISTRICT, CITY] {
            assert_eq!(refused(&mut with(to), &request, of), CardError::ForeignUnit);
        }
    }
    // The new number is one of the new school.
    let mut card = with(None);
    let other = CardError::Condition(Condition::OtherPupil);
    assert_eq!(refused(&mut card, &request, OWN_SCHOOL), other);
    // A date before the transfer out is a mistake.
    let early = Request { date: Date::new(2006, 9, 1).unwrap(), ..request };
    assert!(matches!(refused(&mut card, &early, OTHER_SCHOOL), CardError::Records(_)));
}

/// 新学段新号: the number after a move is one of the new school, of the next stage after a promotion,
/// of the same stage after a transfer, whatever the pupil's residence.
#[test]
fn the_new_number_fits_the_move() {
    use TransferOperation::{OutPromotion, OutTransfer};
    // Type 3 schools have all stages; categories 0, 1, 2, and 4 to 6, 7 to 9 for guests.
    let number = |unit: &str, category: u8| format!("01{unit}{category}0903175");
    for (operation, old, fits) in [
        (OutPromotion, 0, &[1, 5, 8][..]),
        (OutPromotion, 8, &[2, 6, 9]),
        (OutPromotion, 2, &[]),
        (OutTransfer, 4, &[0, 4, 7]),
        (OutTransfer, 1, &[1, 5, 8]),
        (OutTransfer, 9, &[2, 6, 9]),
    ] {
        for (from, to) in [("083012", "083013"), ("083012", "083012")] {
            let mut memory = card_in(S::TransferredOut);
            let old_number = number(from, old).parse().unwrap();
            let out = Transfer { operation, from: unit(from), old_number, ..out_record(None) };
            put_transfers(&mut memory, &[out]);
            let take_in = |of: &str, number: &str| {
                let body = Body::TransferIn { new_number: number.parse().unwrap() };
                let request = Request { body, ..request(Event::TransferIn) };
                carry_out(&mut open(&memory), &request, of).map(drop)
            };
            let other = Err(CardError::Condition(Condition::OtherPupil));
            for category in [0, 1, 2, 4, 5, 6, 7, 8, 9] {
                let expected = if fits.contains(&category) { Ok(()) } else { other.clone() };
                let new = number(to, category);
                assert_eq!(take_in(to, &new), expected, "{operation} from {old} to {new}");
                assert_eq!(take_in("083014", &new), other, "{new} at another school");
            }
        }
    }
}

/// A pupil who comes back in the same stage has the old number again.
#[test]
fn a_pupil_who_comes_back_may_have_the_old_number() {
    let mut card = open(&scene(Event::TransferIn, S::TransferredOut));
    execute(&mut card, Event::TransferIn, OTHER_SCHOOL).unwrap();
    execute(&mut card, Event::PersonaliseBegin, OTHER_SCHOOL).unwrap();
    write_pupil(&mut card, &pupil_taken_in(), OTHER_SCHOOL).unwrap();
    execute(&mut card, Event::PersonaliseCommit, OTHER_SCHOOL).unwrap();
    let back = Body::TransferOut { promotion: false, to: Some(unit(OWN_SCHOOL)) };
    let out = Request { body: back, ..request(Event::TransferOut) };
    carry_out(&mut card, &out, OTHER_SCHOOL).unwrap();
    // Called back once, and sent again.
    execute(&mut card, Event::TransferWithdraw, OTHER_SCHOOL).unwrap();
    carry_out(&mut card, &out, OTHER_SCHOOL).unwrap();
    let body = Body::TransferIn { new_number: pupil().identity.student_number };
    carry_out(&mut card, &Request { body, ..request(Event::TransferIn) }, OWN_SCHOOL).unwrap();
    execute(&mut card, Event::PersonaliseBegin, OWN_SCHOOL).unwrap();
    write_pupil(&mut card, &pupil(), OWN_SCHOOL).unwrap();
    execute(&mut card, Event::PersonaliseCommit, OWN_SCHOOL).unwrap();
    execute(&mut card, Event::Register, OWN_SCHOOL).unwrap();
}

#[test]
fn only_an_open_transfer_is_completed_or_withdrawn() {
    let withdrawn =
        Transfer { operation: TransferOperation::Withdrawn, ..out_record(Some(OTHER_SCHOOL)) };
    let mut taken_in = card_in(S::TransferredOut);
    put_pupil(&mut taken_in, &pupil_taken_in());
    for (memory, records, former) in [
        (card_in(S::TransferredOut), &[][..], OWN_SCHOOL),
        (card_in(S::TransferredOut), &[out_record(None), withdrawn], OWN_SCHOOL),
        (taken_in, &[out_record(None), in_record()], OTHER_SCHOOL),
    ] {
        for (event, of) in [(Event::TransferIn, OTHER_SCHOOL), (Event::TransferWithdraw, former)] {
            let mut memory = memory.clone();
            put_transfers(&mut memory, records);
            assert_eq!(condition(&mut open(&memory), event, of), Condition::NoOpenTransfer);
        }
    }
}

/// The receiving school is read from the transfer record, whoever wrote the status in between.
#[test]
fn a_freeze_in_between_does_not_change_whose_pupil_it_is() {
    for by in [OWN_DISTRICT, CITY] {
        let mut taken_in = open(&scene(Event::Freeze, S::TransferredIn));
        execute(&mut taken_in, Event::Freeze, by).unwrap();
        execute(&mut taken_in, Event::Unfreeze, by).unwrap();
        let begin = request(Event::PersonaliseBegin);
        assert_eq!(refused(&mut taken_in, &begin, OWN_SCHOOL), CardError::ForeignUnit);
        carry_out(&mut taken_in, &begin, OTHER_SCHOOL).unwrap();

        let mut out = open(&scene(Event::Freeze, S::TransferredOut));
        execute(&mut out, Event::Freeze, by).unwrap();
        // Out, the former school still answers for the card, also while it is frozen.
        let cancel = request(Event::Cancel);
        assert_eq!(refused(&mut out, &cancel, OTHER_SCHOOL), CardError::ForeignUnit);
        execute(&mut out, Event::Unfreeze, by).unwrap();
        execute(&mut out, Event::TransferIn, OTHER_SCHOOL).unwrap();
    }
    let mut frozen = open(&scene(Event::Freeze, S::TransferredIn));
    execute(&mut frozen, Event::Freeze, OTHER_SCHOOL).unwrap();
    assert_eq!(refused(&mut frozen, &request(Event::Cancel), OWN_SCHOOL), CardError::ForeignUnit);
    execute(&mut frozen, Event::Unfreeze, OTHER_SCHOOL).unwrap();
}

#[test]
fn a_temporary_card_and_one_with_the_schools_sectors_is_not_transferred() {
    let mut memory = card_in(S::Active);
    let flags = StatusFlags { temporary: true, ..StatusFlags::default() };
    put_status(&mut memory, &Status { flags, ..status(S::Active) });
    let refusal = condition(&mut open(&memory), Event::TransferOut, OWN_SCHOOL);
    assert_eq!(refusal, Condition::Temporary);

    for (owner, stays) in [(OWN_SCHOOL, false), (OWN_DISTRICT, true), (CITY, true)] {
        let mut memory = card_in(S::Active);
        put_sector(&mut memory, SECTOR, owner);
        let mut card = open(&memory);
        if stays {
            execute(&mut card, Event::TransferOut, OWN_SCHOOL).unwrap();
        } else {
            let refusal = condition(&mut card, Event::TransferOut, OWN_SCHOOL);
            assert_eq!(refusal, Condition::SectorsOpen);
        }
    }
    // What cannot be read may be the school's.
    let mut memory = card_in(S::Active);
    memory[file(sfi::DIRECTORY).offset + 3] ^= 1;
    let refusal = condition(&mut open(&memory), Event::TransferOut, OWN_SCHOOL);
    assert_eq!(refusal, Condition::SectorsOpen);
}

#[test]
fn a_correction_keeps_the_student_number() {
    let mut card = open(&card_in(S::Active));
    execute(&mut card, Event::PersonaliseBegin, OWN_SCHOOL).unwrap();
    let before = card.nvm().bytes().to_vec();
    let other = "0108401220903183".parse().unwrap();
    let mut corrected = pupil();
    corrected.identity.student_number = other;
    let actor_of = Some(actor(KeyNumber::PERSONALISE, OWN_SCHOOL));
    for (offset, bytes) in [(0, &corrected.identity.emit()[..]), (7, &[0x83])] {
        let error = card.update(file(sfi::IDENTITY), offset, bytes, actor_of).unwrap_err();
        assert_eq!(error, CardError::Condition(Condition::OtherPupil));
    }
    assert!(card.nvm().bytes() == before);

    let mut corrected = pupil();
    corrected.identity.name = "王晓明".parse().unwrap();
    // In pieces, over a number that is written again as it was.
    let (identity, file_of) = (corrected.identity.emit(), file(sfi::IDENTITY));
    for (offset, piece) in [(0, &identity[..5]), (5, &identity[5..])] {
        card.update(file_of, offset, piece, actor_of).unwrap();
    }
    execute(&mut card, Event::PersonaliseCommit, OWN_SCHOOL).unwrap();
    assert_eq!(card.pupil(), Ok(corrected));
    // A card of the stock takes any pupil.
    let mut fresh = open(&card_in(S::Personalising));
    fresh.update(file_of, 7, &[0x83], actor_of).unwrap();
}

#[test]
fn a_pupil_who_was_taken_in_gets_the_number_of_the_transfer() {
    let mut memory = scene(Event::PersonaliseBegin, S::TransferredIn);
    let mut other = pupil_taken_in();
    other.identity.student_number = "0108401320903183".parse().unwrap();
    let mut card = open(&memory);
    execute(&mut card, Event::PersonaliseBegin, OTHER_SCHOOL).unwrap();
    write_pupil(&mut card, &other, OTHER_SCHOOL).unwrap();
    let refusal = condition(&mut card, Event::PersonaliseCommit, OTHER_SCHOOL);
    assert_eq!(refusal, Condition::OtherPupil);
    write_pupil(&mut card, &pupil_taken_in(), OTHER_SCHOOL).unwrap();
    execute(&mut card, Event::PersonaliseCommit, OTHER_SCHOOL).unwrap();

    // Inside one school, where a number was wrong, both sides are the same.
    let old = pupil().identity.student_number;
    let number = "0108401220903183".parse().unwrap();
    put_transfers(&mut memory, &[out_record(Some(OWN_SCHOOL))]);
    put_status(&mut memory, &status(S::TransferredOut));
    let mut card = open(&memory);
    let body = Body::TransferIn { new_number: number };
    carry_out(&mut card, &Request { body, ..request(Event::TransferIn) }, OWN_SCHOOL).unwrap();
    assert_eq!((newest(&card).old_number, newest(&card).new_number), (old, Some(number)));
    execute(&mut card, Event::PersonaliseBegin, OWN_SCHOOL).unwrap();
}

/// A card with everything a pupil can leave on it, in its files and behind it in the journal.
fn full_card(state: S, temporary: bool) -> Vec<u8> {
    let mut memory = card_in(state);
    let record = Personalisation {
        count: 3,
        date: Date::new(2006, 9, 1).unwrap(),
        unit: unit(OWN_SCHOOL),
        terminal: request(Event::Freeze).terminal,
        issued: true,
    };
    put(&mut memory, file(sfi::PERSONALISATION), &record.emit());
    put_ring(&mut memory, file(sfi::REGISTRATION), &vec![vec![0x5A; 16]; 24]);
    put_ring(&mut memory, file(sfi::TRANSFER), &vec![vec![0xA5; 48]; 8]);
    let flags = StatusFlags { temporary, issued: true, ..StatusFlags::default() };
    put_status(&mut memory, &Status { flags, previous: S::Active, ..status(state) });
    let left = [&pupil().identity.emit()[..], &pupil().enrolment.emit()].concat();
    let key = *application_key(1, OWN_SCHOOL).expose();
    let left = [&left[..], &key, &[0xD1; 100]].concat();
    let end = memory.len();
    memory[end - left.len()..].copy_from_slice(&left);
    memory
}

/// Whether any part of `what` is to be found in memory, the journal included.
fn holds(card: &Card<RamNvm>, what: &[u8]) -> bool {
    card.nvm().bytes().windows(6).any(|window| what.windows(6).any(|part| part == window))
}

fn is_wiped(card: &Card<RamNvm>) -> bool {
    [sfi::IDENTITY, sfi::ENROLMENT, sfi::PERSONALISATION, sfi::REGISTRATION, sfi::TRANSFER]
        .into_iter()
        .map(file)
        .all(|file| {
            card.nvm().bytes()[file.offset..][..file.structure.storage()].iter().all(|b| *b == 0)
        })
}

#[test]
fn a_recall_wipes_the_pupil_and_leaves_nothing_in_the_journal() {
    for state in [S::Personalising, S::Active, S::TransferredOut, S::TransferredIn, S::Frozen] {
        let mut card = open(&full_card(state, false));
        assert!(!is_wiped(&card));
        execute(&mut card, Event::Recall, OWN_SCHOOL).unwrap();
        assert_eq!(card.state(), Ok(S::Recalled));
        assert_eq!(card.status().unwrap().current.flags, StatusFlags::default());
        assert!(is_wiped(&card), "{}", state.english());
        for what in [
            &pupil().identity.emit()[..8],
            &pupil().identity.name.bytes(),
            &pupil().enrolment.school_name.bytes(),
        ] {
            let what: Vec<_> = what.iter().copied().filter(|byte| *byte != 0).collect();
            assert!(!holds(&card, &what), "{}", state.english());
        }
    }
}

/// Wherever power goes, a card that says it was recalled holds nothing any more.
#[test]
fn a_recall_that_was_cut_leaves_nothing_either() {
    let mut kept = 0;
    for after_writes in 0.. {
        let mut card = open(&full_card(S::Active, false));
        card.nvm_mut().arm(Some(Cut { after_writes, after_bytes: 7, torn: Torn::Prefix }));
        let done = execute(&mut card, Event::Recall, OWN_SCHOOL).is_ok();
        card.nvm_mut().arm(None);
        card.power_on().unwrap();
        if card.state() == Ok(S::Active) {
            kept += 1;
            assert_eq!(card.pupil(), Ok(pupil()));
        } else {
            assert!(is_wiped(&card) && !holds(&card, &pupil().identity.name.bytes()[..6]));
        }
        if done {
            assert!(after_writes > 8, "{after_writes} writes");
            break;
        }
    }
    assert_eq!(kept, 1, "the first write decides");
}

#[test]
fn a_recall_from_stock_wipes_and_writes_nothing_but_status_and_log() {
    for state in [S::Initialised, S::Recalled] {
        let mut card = open(&card_in(state));
        let outcome = execute(&mut card, Event::Recall, OWN_SCHOOL).unwrap();
        assert_eq!(outcome.state, state);
    }
}

/// 操作规程 四/七: the guardian has the wallet stopped and refunded first.
#[test]
fn a_recall_needs_a_wallet_that_is_closed_and_empty() {
    for (flag, balance, settled) in
        [(0, 0, true), (0, 1, false), (1, 0, false), (2, 0, false), (3, 1, false), (3, 0, true)]
    {
        let mut memory = card_in(S::Active);
        put_wallet(&mut memory, flag, balance);
        let mut card = open(&memory);
        if settled {
            execute(&mut card, Event::Recall, OWN_SCHOOL).unwrap();
        } else {
            let refusal = condition(&mut card, Event::Recall, OWN_SCHOOL);
            assert_eq!(refusal, Condition::WalletInUse, "flag {flag}, {balance} fen");
        }
    }
}

#[test]
fn a_recall_needs_every_sector_reclaimed() {
    for owner in [OWN_SCHOOL, OWN_DISTRICT, CITY] {
        let mut memory = card_in(S::Active);
        put_sector(&mut memory, 8, owner);
        let refusal = condition(&mut open(&memory), Event::Recall, OWN_SCHOOL);
        assert_eq!(refusal, Condition::SectorsOpen);
        put_entry(&mut memory, 8, Sector::Closed);
        execute(&mut open(&memory), Event::Recall, OWN_SCHOOL).unwrap();
    }
}

#[test]
fn an_inspected_card_goes_back_to_stock_as_the_next_generation() {
    let mut card = open(&card_in(S::Recalled));
    for of in [OWN_SCHOOL, OTHER_DISTRICT] {
        assert_eq!(refused(&mut card, &request(Event::Restock), of), CardError::ForeignUnit);
    }
    for (generation, of) in (1..).zip([OWN_DISTRICT, CITY]) {
        execute(&mut card, Event::Restock, of).unwrap();
        let stored = Issuance::parse(card.read(file(sfi::ISSUANCE), None).unwrap()).unwrap();
        assert_eq!(stored, Issuance { generation, ..issuance() });
        assert_eq!(card.state(), Ok(S::Initialised));
        // The card is any school's again.
        execute(&mut card, Event::PersonaliseBegin, OTHER_SCHOOL).unwrap();
        execute(&mut card, Event::Recall, OTHER_SCHOOL).unwrap();
    }
    let mut memory = card_in(S::Recalled);
    put(&mut memory, file(sfi::ISSUANCE), &Issuance { generation: 255, ..issuance() }.emit());
    let refusal = condition(&mut open(&memory), Event::Restock, OWN_DISTRICT);
    assert_eq!(refusal, Condition::WornOut);
}

#[test]
fn a_temporary_card_comes_back_wiped_with_its_sectors() {
    for state in [S::Personalising, S::Active, S::Frozen] {
        let mut memory = full_card(state, true);
        for (index, owner) in [(1, OWN_SCHOOL), (8, CITY)] {
            put_sector(&mut memory, index, owner);
        }
        let mut card = open(&memory);
        execute(&mut card, Event::TemporaryReturn, OWN_SCHOOL).unwrap();
        assert_eq!(card.state(), Ok(S::Initialised));
        assert_eq!(card.status().unwrap().current.flags, StatusFlags::default());
        assert!(is_wiped(&card));
        for (index, owner) in [(1, OWN_SCHOOL), (8, CITY)] {
            let df = &tree().dfs[index];
            assert_eq!(card.key_slots(df, KeyNumber::APPLICATION), Ok(None));
            let number = u8::try_from(index).unwrap();
            assert!(!holds(&card, application_key(number, owner).expose()));
            assert!(!holds(&card, &[0xD0 + number; 6]));
        }
        // It is stock again, for an ordinary pupil.
        execute(&mut card, Event::PersonaliseBegin, OTHER_SCHOOL).unwrap();
        assert!(!card.status().unwrap().current.flags.temporary);
    }
}

#[test]
fn only_a_temporary_card_with_an_untouched_wallet_is_returned() {
    let mut ordinary = open(&full_card(S::Active, false));
    let refusal = condition(&mut ordinary, Event::TemporaryReturn, OWN_SCHOOL);
    assert_eq!(refusal, Condition::NotTemporary);
    for flag in [1, 2, 3] {
        let mut memory = full_card(S::Active, true);
        put_wallet(&mut memory, flag, 0);
        let refusal = condition(&mut open(&memory), Event::TemporaryReturn, OWN_SCHOOL);
        assert_eq!(refusal, Condition::WalletOpened);
    }
}

#[test]
fn a_blank_card_is_initialised_by_the_city_alone() {
    let mut card = open(&card_in(S::Blank));
    for of in [OWN_SCHOOL, OWN_DISTRICT] {
        assert_eq!(refused(&mut card, &request(Event::Initialise), of), CardError::ForeignUnit);
    }
    execute(&mut card, Event::Initialise, CITY).unwrap();
    execute(&mut card, Event::PersonaliseBegin, OWN_SCHOOL).unwrap();
}

/// The record of the event is checked against its event also when it did not come as bytes.
#[test]
fn an_event_with_the_data_of_another_is_refused() {
    for event in [Event::TransferIn, Event::Register, Event::ExtensionReclaim, Event::Freeze] {
        let state = if event == Event::TransferIn { S::TransferredOut } else { S::Active };
        let body = Body::TransferOut { promotion: true, to: None };
        let of = if event == Event::TransferIn { OTHER_SCHOOL } else { OWN_SCHOOL };
        let mut card = open(&scene(event, state));
        let error = refused(&mut card, &Request { body, ..request(event) }, of);
        assert_eq!(error, CardError::EventData);
    }
    assert_ne!(NEW_NUMBER, pupil().identity.student_number.to_string());
}
