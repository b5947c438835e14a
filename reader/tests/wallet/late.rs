//! Messages to the host that are lost or come late: nothing is left open that nobody would settle.

use xuejika_card_model::wallet::EnableFlag;
use xuejika_keyscheme::legacy::{Fen, Moment, TransactionType};
use xuejika_reader::wallet::{
    Booking, Consent, Direction, EntryState, HostError, LoadHost, OnlineRequest, Receipt,
    SoftLoadHost, Stopped, Transaction, WalletCard, WalletError,
};

use crate::support::{
    AT, Meddled, OTHER_TERMINAL, TERMINAL, balance, card, load, loaded, pay, pin, terminal,
};

/// A later moment.
const LATER: Moment = Moment { time: [0x07, 0x31, 0x00], ..AT };

/// A line to the host on which answers are lost.
struct Deaf<'a> {
    host: &'a mut SoftLoadHost,
    /// Whether the answer to AUTHORISE, and the one to CANCEL, is lost.
    loses: (bool, bool),
}

impl LoadHost for Deaf<'_> {
    fn authorise(&mut self, request: &OnlineRequest, at: Moment) -> Result<Consent, HostError> {
        let answer = self.host.authorise(request, at);
        if self.loses.0 { Err(HostError::Unreachable) } else { answer }
    }

    fn confirm(
        &mut self,
        transaction: &Transaction,
        receipt: Receipt,
    ) -> Result<Booking, HostError> {
        self.host.confirm(transaction, receipt)
    }

    fn cancel(&mut self, transaction: &Transaction) -> Result<(), HostError> {
        if self.loses.1 { Err(HostError::Unreachable) } else { self.host.cancel(transaction) }
    }
}

fn open(host: &SoftLoadHost) -> u64 {
    host.total(TransactionType::WalletLoad, EntryState::Open)
}

#[test]
fn a_lost_consent_leaves_a_doubt_that_the_host_ends() {
    let (mut card, mut host) = (card(), SoftLoadHost::test());
    let mut wallet = WalletCard::select(&mut card).unwrap();
    wallet.verify(&pin()).unwrap();
    let begun = wallet.initialise_online(Direction::Load, Fen(500), TERMINAL).unwrap();
    let mut line = Deaf { host: &mut host, loses: (true, false) };
    let Err(Stopped::InDoubt { doubt, cause }) = begun.complete(&mut line, AT) else { panic!() };
    assert_eq!(cause, WalletError::Host(HostError::Unreachable));
    assert_eq!(open(&host), 500);
    let settled = wallet.settle_online(&mut host, doubt);
    assert_eq!(settled, Err(Stopped::NotDone(WalletError::Interrupted)));
    assert_eq!(open(&host), 0);
    load(&mut card, &mut host, 700).unwrap();
    assert_eq!(balance(&mut card), 700);
}

#[test]
fn what_cannot_be_taken_back_now_is_taken_back_later() {
    let (mut card, mut host) = loaded(100);
    let mut line = Deaf { host: &mut host, loses: (false, true) };
    // The card refuses MAC2, which was spoilt on its way: not done, and the host cannot be told.
    let meddle = |command: &[u8], answer: &mut Vec<u8>| {
        if command[1] == 0x52 {
            *answer = vec![0x93, 0x02];
        }
    };
    let mut wallet = WalletCard::select(Meddled { card: &mut card, meddle }).unwrap();
    wallet.verify(&pin()).unwrap();
    let begun = wallet.initialise_online(Direction::Load, Fen(500), TERMINAL).unwrap();
    let ended = begun.complete(&mut line, AT);
    assert!(matches!(ended, Err(Stopped::InDoubt { .. })), "{ended:?}");
    assert_eq!(open(&host), 500);
}

/// The number that a lost attempt did not use was used at another terminal: there is nothing to take
/// back, and nothing final in the way.
#[test]
fn a_number_that_another_load_took_ends_the_doubt() {
    let (mut card, mut host) = (card(), SoftLoadHost::test());
    let mut wallet = WalletCard::select(&mut card).unwrap();
    wallet.verify(&pin()).unwrap();
    let begun = wallet.initialise_online(Direction::Load, Fen(500), TERMINAL).unwrap();
    let request = *begun.request();
    // The request itself was lost; somebody else loads.
    let mut elsewhere = WalletCard::select(&mut card).unwrap();
    elsewhere.verify(&pin()).unwrap();
    elsewhere.transfer(&mut host, Direction::Load, Fen(300), OTHER_TERMINAL, LATER).unwrap();
    assert_eq!(host.cancel(&request.transaction(AT)), Ok(()));
    assert_eq!(host.total(TransactionType::WalletLoad, EntryState::Final), 300);
    pay(&mut card, &mut terminal(TERMINAL), 300).unwrap();
    assert_eq!(WalletCard::select(&mut card).unwrap().flag(), Ok(EnableFlag::Open));
}

#[test]
fn a_request_that_was_taken_back_is_refused_when_it_comes_late() {
    for known in [false, true] {
        let (mut card, mut host) = (card(), SoftLoadHost::test());
        let mut wallet = WalletCard::select(&mut card).unwrap();
        wallet.verify(&pin()).unwrap();
        let request = |wallet: &mut WalletCard<_>| {
            *wallet.initialise_online(Direction::Load, Fen(500), TERMINAL).unwrap().request()
        };
        let first = request(&mut wallet);
        if known {
            host.authorise(&first, AT).unwrap();
        }
        host.cancel(&first.transaction(AT)).unwrap();
        assert_eq!(host.authorise(&first, AT).map(drop), Err(HostError::Cancelled));
        assert_eq!(open(&host), 0);
        // A new attempt is another one.
        wallet.verify(&pin()).unwrap();
        let second = request(&mut wallet);
        host.authorise(&second, if known { AT } else { LATER }).unwrap();
        assert!(host.authorise(&first, AT).is_err());
        assert_eq!(open(&host), 500);
    }
}

/// A second attempt is refused while the first is open, and stays refused when its message comes
/// again after that.
#[test]
fn a_request_that_was_refused_is_not_booked_later() {
    let (mut card, mut host) = (card(), SoftLoadHost::test());
    let mut wallet = WalletCard::select(&mut card).unwrap();
    let mut request = |amount| {
        wallet.verify(&pin()).unwrap();
        *wallet.initialise_online(Direction::Load, Fen(amount), TERMINAL).unwrap().request()
    };
    let (first, second) = (request(500), request(700));
    host.authorise(&first, AT).unwrap();
    assert_eq!(host.authorise(&second, LATER).map(drop), Err(HostError::Unsettled));
    host.cancel(&first.transaction(AT)).unwrap();
    assert_eq!(host.authorise(&second, LATER).map(drop), Err(HostError::Cancelled));
    assert_eq!(open(&host), 0);
}
