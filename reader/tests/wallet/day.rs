//! What works, and what the card refuses, named.

use xuejika_apdu::StatusWord;
use xuejika_card_model::file::tree::wallet_sfi;
use xuejika_card_model::wallet::EnableFlag;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::Algorithm;
use xuejika_keyscheme::legacy::{Fen, TransactionType};
use xuejika_reader::wallet::{
    Booking, CacheRecord, CacheUpdate, Direction, EntryState, Evidence, HostError, Meaning, Order,
    SoftLoadHost, Stopped, WalletCard, WalletError,
};

use crate::support::{
    AT, TERMINAL, balance, card, load, loaded, order, pay, pin, terminal, transfer,
};

/// What the card said when it refused.
fn meaning<T>(result: Result<T, Stopped>) -> Meaning {
    match result {
        Err(Stopped::NotDone(error)) => error.meaning().expect("a refusal of the card"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the card did it"),
    }
}

#[test]
fn a_wallet_goes_through_its_life() {
    let (mut card, mut host) = (card(), SoftLoadHost::test());
    let flag = |card: &mut VirtualCard| WalletCard::select(card).unwrap().flag().unwrap();
    assert_eq!(flag(&mut card), EnableFlag::NotOpened);

    let booked = load(&mut card, &mut host, 1000).unwrap();
    assert_eq!((booked.booking, booked.recovered), (Booking::First, false));
    assert_eq!(booked.transaction.new_balance(), Some(Fen(1000)));
    assert_eq!(flag(&mut card), EnableFlag::Open);

    let mut terminal = terminal(TERMINAL);
    let paid = pay(&mut card, &mut terminal, 250).unwrap();
    assert_eq!((paid.evidence, paid.recovered), (Evidence::Mac2, false));
    assert_eq!(paid.transaction.new_balance(), Some(Fen(750)));
    assert_eq!(host.collect(&paid), Ok(Booking::First));
    let again = pay(&mut card, &mut terminal, 50).unwrap();
    assert_eq!(again.transaction.terminal_sequence, paid.transaction.terminal_sequence + 1);
    assert_eq!(host.collect(&again), Ok(Booking::First));

    let mut wallet = WalletCard::select(&mut card).unwrap();
    let log = wallet.log().unwrap();
    let seen: Vec<_> = log.iter().map(|r| (r.kind, r.sequence, r.amount.0)).collect();
    let expected = [
        (TransactionType::WalletPurchase, 2, 50),
        (TransactionType::WalletPurchase, 1, 250),
        (TransactionType::WalletLoad, 1, 1000),
    ];
    assert_eq!(seen, expected);
    assert!(log.iter().all(|record| record.terminal == TERMINAL && record.at == AT));
    assert_eq!(wallet.balance(), Ok(Fen(700)));

    transfer(&mut card, &mut host, Direction::Unload, 100).unwrap();
    assert_eq!(balance(&mut card), 600);

    let mut wallet = WalletCard::select(&mut card).unwrap();
    wallet.set_flag(&mut host, EnableFlag::Suspended).unwrap();
    assert_eq!(meaning(pay(&mut card, &mut terminal, 1)), Meaning::ConditionsOfUse);
    assert_eq!(meaning(load(&mut card, &mut host, 1)), Meaning::ConditionsOfUse);
    WalletCard::select(&mut card).unwrap().set_flag(&mut host, EnableFlag::Open).unwrap();
    pay(&mut card, &mut terminal, 100).unwrap();

    let mut wallet = WalletCard::select(&mut card).unwrap();
    let refunded = wallet.refund(&mut host, &pin(), TERMINAL, AT).unwrap().unwrap();
    assert_eq!(refunded.transaction.amount, Fen(500));
    assert_eq!(wallet.flag(), Ok(EnableFlag::Closed));
    assert_eq!(balance(&mut card), 0);
    // Once more: nothing is left to do.
    let mut wallet = WalletCard::select(&mut card).unwrap();
    assert_eq!(wallet.refund(&mut host, &pin(), TERMINAL, AT), Ok(None));
    assert_eq!(host.total(TransactionType::WalletLoad, EntryState::Final), 1000);
    assert_eq!(host.total(TransactionType::Unload, EntryState::Final), 600);
    assert_eq!(host.total(TransactionType::WalletPurchase, EntryState::Final), 300);
}

#[test]
fn a_compound_purchase_writes_its_record_with_the_debit() {
    let (mut card, mut host) = loaded(1000);
    let record = [0x02, 0x03, 0xA1, 0xA2, 0xA3];
    let update =
        CacheUpdate { file: wallet_sfi::COMPOUND, record: CacheRecord::Tag(2), data: &record };
    let mut terminal = terminal(TERMINAL);
    let order = Order { cache: &[update], ..order(300) };
    let mut wallet = WalletCard::select(&mut card).unwrap();
    let paid = terminal.purchase(&mut wallet, &order).unwrap();
    assert_eq!(paid.transaction.kind, TransactionType::CompoundPurchase);
    assert_eq!(host.collect(&paid), Ok(Booking::First));
    let mut answer = Vec::new();
    let read = [0x00, 0xB2, 0x02, wallet_sfi::COMPOUND << 3 | 4, 0x00];
    card.transmit(&read, &mut answer).unwrap();
    assert_eq!(answer[..5], record);
    assert_eq!(balance(&mut card), 700);
}

#[test]
fn what_the_card_refuses_is_named() {
    let (mut card, mut host) = (card(), SoftLoadHost::test());
    let mut terminal = terminal(TERMINAL);
    assert_eq!(meaning(pay(&mut card, &mut terminal, 1)), Meaning::ConditionsOfUse);

    let mut wallet = WalletCard::select(&mut card).unwrap();
    let unasked = wallet.transfer(&mut host, Direction::Load, Fen(1), TERMINAL, AT);
    assert_eq!(meaning(unasked), Meaning::SecurityStatus);
    let wrong = wallet.verify(&"654321".parse().unwrap());
    assert_eq!(wrong.unwrap_err().meaning(), Some(Meaning::TriesLeft(2)));
    wallet.verify(&pin()).unwrap();
    let wrong = wallet.verify(&"654321".parse().unwrap());
    assert_eq!(wrong.unwrap_err().meaning(), Some(Meaning::TriesLeft(2)));
    wallet.verify(&pin()).unwrap();
    assert_eq!(wallet.prove(TransactionType::WalletLoad, 1), Ok(None));

    load(&mut card, &mut host, 100).unwrap();
    assert_eq!(meaning(pay(&mut card, &mut terminal, 101)), Meaning::InsufficientBalance);
    assert_eq!(meaning(load(&mut card, &mut host, 100_000)), Meaning::ConditionsOfUse);
    let unload = transfer(&mut card, &mut host, Direction::Unload, 101);
    assert_eq!(meaning(unload), Meaning::InsufficientBalance);
    let mut wallet = WalletCard::select(&mut card).unwrap();
    let close = wallet.set_flag(&mut host, EnableFlag::Closed);
    assert_eq!(close.unwrap_err().meaning(), Some(Meaning::ConditionsOfUse));
    assert_eq!(balance(&mut card), 100);
    assert_eq!(host.entries().count(), 1, "what was refused is not booked");
}

#[test]
fn a_refusal_names_command_status_and_meaning() {
    let (mut card, _) = loaded(100);
    let refused = pay(&mut card, &mut terminal(TERMINAL), 101).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "INITIALIZE FOR PURCHASE: the card answered 9401 (the balance is too small)"
    );
    let Stopped::NotDone(WalletError::Refused { status, .. }) = refused else { panic!() };
    assert_eq!(status, StatusWord(0x9401));
}

#[test]
fn another_kind_of_card_has_no_wallet() {
    let unit = "084012".parse().unwrap();
    let memory = test_card::management(Algorithm::Aes128, unit, "2027-08-31".parse().unwrap());
    let mut card = VirtualCard::new(memory, Env::from_seed(1)).unwrap();
    card.power_on().unwrap();
    assert_eq!(WalletCard::select(card).unwrap_err(), WalletError::NoWallet);
}

#[test]
fn books_know_a_transaction_by_card_number_and_type() {
    let (mut card, mut host) = loaded(1000);
    let paid = pay(&mut card, &mut terminal(TERMINAL), 100).unwrap();
    assert_eq!(host.collect(&paid), Ok(Booking::First));
    assert_eq!(host.collect(&paid), Ok(Booking::Repeated));
    let mut other = paid.clone();
    other.transaction.sequence += 1;
    assert_eq!(host.collect(&other), Err(HostError::Duplicate));
    let mut other = paid.clone();
    other.transaction.amount = Fen(1);
    assert_eq!(host.collect(&other), Err(HostError::NotGenuine));
    assert_eq!(host.total(TransactionType::WalletPurchase, EntryState::Final), 100);
}

#[test]
fn a_host_books_what_it_agreed_to_once() {
    let (mut card, mut host) = (card(), SoftLoadHost::test());
    let mut wallet = WalletCard::select(&mut card).unwrap();
    wallet.verify(&pin()).unwrap();
    let begun = wallet.initialise_online(Direction::Load, Fen(500), TERMINAL).unwrap();
    let request = *begun.request();
    let first = host.authorise_at(&request);
    // The message comes twice.
    assert_eq!(host.authorise_at(&request), first);
    assert_eq!(host.total(TransactionType::WalletLoad, EntryState::Open), 500);
    let mut forged = request;
    forged.amount = Fen(50_000);
    assert_eq!(host.authorise_at(&forged), Err(HostError::NotGenuine));

    // A new attempt with another amount has to wait until the first is settled.
    wallet.verify(&pin()).unwrap();
    let begun = wallet.initialise_online(Direction::Load, Fen(700), TERMINAL).unwrap();
    let refused = begun.complete(&mut host, AT).unwrap_err();
    assert_eq!(refused, Stopped::NotDone(WalletError::Host(HostError::Unsettled)));
    wallet.verify(&pin()).unwrap();
    let begun = wallet.initialise_online(Direction::Load, Fen(500), TERMINAL).unwrap();
    let booked = begun.complete(&mut host, AT).unwrap();
    assert_eq!(booked.booking, Booking::First);
    assert_eq!(host.authorise_at(&request), Err(HostError::Booked));
    assert_eq!(host.total(TransactionType::WalletLoad, EntryState::Final), 500);
    assert_eq!(balance(&mut card), 500);
}

/// The host's answer, for comparison.
trait AuthoriseAt {
    fn authorise_at(
        &mut self,
        request: &xuejika_reader::wallet::OnlineRequest,
    ) -> Result<[u8; 4], HostError>;
}

impl AuthoriseAt for SoftLoadHost {
    fn authorise_at(
        &mut self,
        request: &xuejika_reader::wallet::OnlineRequest,
    ) -> Result<[u8; 4], HostError> {
        use xuejika_reader::wallet::LoadHost;
        self.authorise(request, AT).map(|consent| consent.mac2.into())
    }
}
