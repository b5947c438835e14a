//! Lost answers: at every step, before and after the card's commit, with the card staying or taken
//! away; and the wrong card coming back. Whatever happens, the purchase is done once or not at all,
//! and the terminal knows which.

use xuejika_apdu::CardChannel;
use xuejika_card_model::file::tree::wallet_sfi;
use xuejika_card_model::nvm::{Cut, Torn};
use xuejika_card_model::wallet::EnableFlag;
use xuejika_emulator::VirtualCard;
use xuejika_keyscheme::legacy::TransactionType;
use xuejika_reader::wallet::psam::SoftPsam;
use xuejika_reader::wallet::{
    Booked, Booking, CacheRecord, CacheUpdate, Debited, Direction, EntryState, Evidence, Fate,
    InDoubt, Order, SoftLoadHost, Stopped, Terminal, WalletCard, WalletError,
};

use crate::support::{
    AT, LOSSES, Loss, OTHER_TERMINAL, Road, SERIAL, TERMINAL, balance, card, card_of, load, loaded,
    order, pay, pin, terminal, transfer,
};

const START: u32 = 1000;
const AMOUNT: u32 = 300;

/// A simple and a compound purchase.
fn orders() -> [Order<'static>; 2] {
    const RECORD: CacheUpdate<'static> = CacheUpdate {
        file: wallet_sfi::COMPOUND,
        record: CacheRecord::Tag(1),
        data: &[0x01, 0x02, 0xAA, 0xBB],
    };
    [order(AMOUNT), Order { cache: &[RECORD], ..order(AMOUNT) }]
}

fn purchase(
    road: impl CardChannel,
    terminal: &mut Terminal<SoftPsam>,
    order: &Order<'_>,
) -> Result<Debited, Stopped> {
    terminal.purchase(&mut WalletCard::select(road)?, order)
}

/// Exchanges of a whole purchase, selecting included.
fn steps(order: &Order<'_>) -> usize {
    let (mut card, _) = loaded(START);
    let mut road = Road::sound(&mut card);
    purchase(&mut road, &mut terminal(TERMINAL), order).unwrap();
    road.count
}

/// Checks that money and books say the same.
fn check(card: &mut VirtualCard, ended: &Result<Debited, Stopped>, host: &mut SoftLoadHost) {
    card.power_on().unwrap();
    let paid = match ended {
        Ok(done) => {
            assert_eq!(host.collect(done), Ok(Booking::First));
            assert_eq!(host.collect(done), Ok(Booking::Repeated));
            AMOUNT
        }
        Err(Stopped::NotDone(_)) => 0,
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(balance(card), START - paid, "{ended:?}");
    // The next one works.
    pay(card, &mut terminal(OTHER_TERMINAL), 1).unwrap();
}

#[test]
fn a_purchase_interrupted_anywhere_is_decided_at_once() {
    for order in &orders() {
        let mut done = 0;
        for (step, loss) in (0..steps(order)).flat_map(|step| LOSSES.map(|loss| (step, loss))) {
            let ((mut card, mut host), mut terminal) = (loaded(START), terminal(TERMINAL));
            let road = Road::broken(&mut card, step, loss, false);
            let ended = purchase(road, &mut terminal, order);
            if let Ok(done) = &ended {
                assert!(done.recovered);
                assert_eq!(done.evidence, Evidence::Mac2);
            }
            done += usize::from(ended.is_ok());
            check(&mut card, &ended, &mut host);
        }
        assert_eq!(done, 1, "only the answer to DEBIT can be lost after the commit");
    }
}

#[test]
fn a_card_taken_away_leaves_a_doubt_that_ends_when_it_is_back() {
    for order in &orders() {
        let last = steps(order) - 1;
        for loss in LOSSES {
            let ((mut card, mut host), mut terminal) = (loaded(START), terminal(TERMINAL));
            let road = Road::broken(&mut card, last, loss, true);
            let Err(Stopped::InDoubt { doubt, cause }) = purchase(road, &mut terminal, order)
            else {
                panic!("no doubt")
            };
            assert!(matches!(cause, WalletError::Channel(_)));
            // The terminal serves another card and forgets all but the stored doubt.
            card.power_on().unwrap();
            let (mut other, _) = loaded_of("1100260100000014", START);
            pay(&mut other, &mut terminal, 1).unwrap();
            let doubt = InDoubt::parse(&doubt.emit()).unwrap();

            let wrong = terminal.settle(&mut WalletCard::select(&mut other).unwrap(), doubt);
            let Err(Stopped::InDoubt { doubt: same, cause }) = wrong else { panic!("{wrong:?}") };
            assert_eq!(same, doubt);
            assert!(matches!(cause, WalletError::OtherCard { .. }));
            assert!(cause.to_string().contains(&doubt.transaction().card.to_string()));

            let settle = |card: &mut VirtualCard, terminal: &mut Terminal<SoftPsam>| {
                terminal.settle(&mut WalletCard::select(card).unwrap(), doubt)
            };
            let ended = settle(&mut card, &mut terminal);
            assert_eq!(ended.is_ok(), loss == Loss::Answer);
            // Presented twice, settled twice: the same.
            assert_eq!(settle(&mut card, &mut terminal), ended);
            if let Ok(done) = &ended {
                assert_eq!(done.evidence, Evidence::TacOnly);
            }
            check(&mut card, &ended, &mut host);
        }
    }
}

fn loaded_of(serial: &str, fen: u32) -> (VirtualCard, SoftLoadHost) {
    let (mut card, mut host) = (card_of(serial), SoftLoadHost::test());
    load(&mut card, &mut host, fen).unwrap();
    (card, host)
}

#[test]
fn a_power_cut_in_any_write_of_a_purchase_is_decided() {
    for order in &orders() {
        let (mut write, mut done) = (0, 0);
        loop {
            let ((mut card, mut host), mut terminal) = (loaded(START), terminal(TERMINAL));
            card.cut_power(Cut { after_writes: write, after_bytes: 1, torn: Torn::Random(write) });
            let ended = purchase(&mut card, &mut terminal, order);
            card.nvm_mut().arm(None);
            check(&mut card, &ended, &mut host);
            match ended {
                Ok(Debited { recovered: false, .. }) => break,
                Ok(_) => done += 1,
                Err(_) => {}
            }
            write += 1;
        }
        assert!(write >= 2 && done >= 1, "{write} writes, {done} done");
    }
}

/// Loads and unloads, interrupted anywhere, decided at once.
#[test]
fn a_transfer_interrupted_anywhere_is_decided_at_once() {
    for direction in [Direction::Load, Direction::Unload] {
        let steps = {
            let (mut card, mut host) = loaded(START);
            let mut road = Road::sound(&mut card);
            transfer(&mut road, &mut host, direction, AMOUNT).unwrap();
            road.count
        };
        let mut done = 0;
        for (step, loss) in (0..steps).flat_map(|step| LOSSES.map(|loss| (step, loss))) {
            let (mut card, mut host) = loaded(START);
            let road = Road::broken(&mut card, step, loss, false);
            let ended = transfer(road, &mut host, direction, AMOUNT);
            card.power_on().unwrap();
            let moved = match &ended {
                Ok(booked) => {
                    assert!(booked.recovered);
                    assert_eq!(booked.booking, Booking::First);
                    done += 1;
                    AMOUNT
                }
                Err(Stopped::NotDone(_)) => 0,
                Err(other) => panic!("{other:?}"),
            };
            check_transfer(&mut card, &host, direction, moved);
        }
        assert_eq!(done, 1);
    }
}

fn check_transfer(card: &mut VirtualCard, host: &SoftLoadHost, direction: Direction, moved: u32) {
    let (loads, unloads) = match direction {
        Direction::Load => (START + moved, 0),
        Direction::Unload => (START, moved),
    };
    assert_eq!(balance(card), loads - unloads);
    let total = |kind, state| host.total(kind, state);
    assert_eq!(total(TransactionType::WalletLoad, EntryState::Final), u64::from(loads));
    assert_eq!(total(TransactionType::Unload, EntryState::Final), u64::from(unloads));
    assert_eq!(total(TransactionType::WalletLoad, EntryState::Open), 0);
    assert_eq!(total(TransactionType::Unload, EntryState::Open), 0);
}

#[test]
fn a_power_cut_in_any_write_of_a_transfer_is_decided() {
    for direction in [Direction::Load, Direction::Unload] {
        let (mut write, mut done) = (0, 0);
        loop {
            let (mut card, mut host) = loaded(START);
            card.cut_power(Cut { after_writes: write, after_bytes: 1, torn: Torn::Erased(0xFF) });
            let ended = transfer(&mut card, &mut host, direction, AMOUNT);
            card.nvm_mut().arm(None);
            card.power_on().unwrap();
            check_transfer(&mut card, &host, direction, if ended.is_ok() { AMOUNT } else { 0 });
            match ended {
                Ok(Booked { recovered: false, .. }) => break,
                Ok(_) => done += 1,
                Err(stopped) => assert!(matches!(stopped, Stopped::NotDone(_)), "{stopped:?}"),
            }
            write += 1;
        }
        assert!(write >= 2 && done >= 1, "{write} writes, {done} done");
    }
}

#[test]
fn a_transfer_of_a_card_taken_away_is_settled_later() {
    for direction in [Direction::Load, Direction::Unload] {
        for loss in LOSSES {
            let (mut card, mut host) = loaded(START);
            // Select (3), VERIFY, INITIALIZE, and then the one that moves money.
            let road = Road::broken(&mut card, 5, loss, true);
            let ended = transfer(road, &mut host, direction, AMOUNT);
            let Err(Stopped::InDoubt { doubt, .. }) = ended else { panic!("{ended:?}") };
            card.power_on().unwrap();
            let doubt = InDoubt::parse(&doubt.emit()).unwrap();
            // A terminal does not settle what a host has to.
            let mut wallet = WalletCard::select(&mut card).unwrap();
            let wrong = terminal(TERMINAL).settle(&mut wallet, doubt);
            assert!(matches!(
                wrong,
                Err(Stopped::InDoubt { cause: WalletError::WrongSide(_), .. })
            ));
            let settled = wallet.settle_online(&mut host, doubt);
            let again = wallet.settle_online(&mut host, doubt);
            let moved = match (loss, settled, again) {
                (Loss::Answer, Ok(first), Ok(second)) => {
                    assert_eq!(first.booking, Booking::First);
                    assert_eq!(second.booking, Booking::Repeated);
                    AMOUNT
                }
                (Loss::Command, Err(first), Err(second)) => {
                    assert_eq!(first, Stopped::NotDone(WalletError::Interrupted));
                    assert_eq!(second, first);
                    0
                }
                other => panic!("{other:?}"),
            };
            check_transfer(&mut card, &host, direction, moved);
        }
    }
}

#[test]
fn a_refund_interrupted_anywhere_goes_on_where_it_was() {
    let steps = {
        let (mut card, mut host) = loaded(START);
        let mut road = Road::sound(&mut card);
        let mut wallet = WalletCard::select(&mut road).unwrap();
        wallet.refund(&mut host, &pin(), TERMINAL, AT).unwrap();
        road.count
    };
    for (step, loss) in (3..steps).flat_map(|step| LOSSES.map(|loss| (step, loss))) {
        let (mut card, mut host) = loaded(START);
        let road = Road::broken(&mut card, step, loss, false);
        let ended = refund(road, &mut host);
        card.power_on().unwrap();
        if ended.is_err() {
            refund(Road::sound(&mut card), &mut host).unwrap();
        }
        assert_eq!(balance(&mut card), 0);
        let flag = WalletCard::select(&mut card).unwrap().flag();
        assert_eq!(flag, Ok(EnableFlag::Closed), "step {step} {loss:?}");
        assert_eq!(host.total(TransactionType::Unload, EntryState::Final), u64::from(START));
    }
}

fn refund(road: Road<'_>, host: &mut SoftLoadHost) -> Result<Option<Booked>, Stopped> {
    WalletCard::select(road)?.refund(host, &pin(), TERMINAL, AT)
}

/// A doubt about a purchase: the answer, or the command, was lost and the card went away.
fn doubtful(card: &mut VirtualCard, loss: Loss) -> InDoubt {
    let last = steps(&order(AMOUNT)) - 1;
    let road = Road::broken(card, last, loss, true);
    match purchase(road, &mut terminal(TERMINAL), &order(AMOUNT)) {
        Err(Stopped::InDoubt { doubt, .. }) => {
            card.power_on().unwrap();
            doubt
        }
        other => panic!("{other:?}"),
    }
}

fn ask(card: &mut VirtualCard, doubt: &InDoubt) -> Result<Fate, WalletError> {
    WalletCard::select(card).unwrap().ask(doubt)
}

#[test]
fn when_others_were_in_between_the_log_decides() {
    // A purchase elsewhere replaces the proof.
    let (mut card, _) = loaded(START);
    let doubt = doubtful(&mut card, Loss::Answer);
    assert!(matches!(ask(&mut card, &doubt), Ok(Fate::Done(_))));
    pay(&mut card, &mut terminal(OTHER_TERMINAL), 1).unwrap();
    let Ok(Fate::Logged(record)) = ask(&mut card, &doubt) else { panic!("not logged") };
    assert_eq!(record.amount, doubt.transaction().amount);
    let settled = terminal(TERMINAL).settle(&mut WalletCard::select(&mut card).unwrap(), doubt);
    let transaction = *doubt.transaction();
    assert_eq!(settled, Err(Stopped::Unproven { transaction, record }));

    // So does a load, which counts apart.
    let (mut card, mut host) = loaded(START);
    let doubt = doubtful(&mut card, Loss::Answer);
    load(&mut card, &mut host, 1).unwrap();
    assert!(matches!(ask(&mut card, &doubt), Ok(Fate::Logged(_))));

    // Not done, and another purchase took the number.
    let (mut card, _) = loaded(START);
    let doubt = doubtful(&mut card, Loss::Command);
    pay(&mut card, &mut terminal(OTHER_TERMINAL), AMOUNT).unwrap();
    let proof = WalletCard::select(&mut card).unwrap();
    let number = doubt.transaction().proof_sequence().unwrap();
    assert!({ proof }.prove(TransactionType::WalletPurchase, number).unwrap().is_some());
    assert_eq!(ask(&mut card, &doubt), Ok(Fate::NotDone), "the proof is another purchase's");

    // Not done, and ten loads since: nobody has used the number.
    let (mut card, mut host) = loaded(START);
    pay(&mut card, &mut terminal(OTHER_TERMINAL), 1).unwrap();
    let doubt = doubtful(&mut card, Loss::Command);
    load(&mut card, &mut host, 1).unwrap();
    assert_eq!(ask(&mut card, &doubt), Ok(Fate::NotDone));
    for _ in 0..9 {
        load(&mut card, &mut host, 1).unwrap();
    }
    assert_eq!(ask(&mut card, &doubt), Err(WalletError::LogRolledOver));
}

#[test]
fn nothing_was_done_on_a_new_card() {
    let mut card = card();
    load(&mut card, &mut SoftLoadHost::test(), AMOUNT).unwrap();
    let doubt = doubtful(&mut card, Loss::Command);
    let mut replaced = card_of(SERIAL);
    assert_eq!(ask(&mut replaced, &doubt), Ok(Fate::NotDone));
}
