//! A card, or somebody between card and terminal, that answers wrongly.

use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_emulator::VirtualCard;
use xuejika_keyscheme::legacy::TransactionType;
use xuejika_reader::wallet::{
    Debited, Direction, EntryState, Evidence, HostError, Meaning, Stopped, WalletCard, WalletError,
};

use crate::support::{Meddled, TERMINAL, balance, card, loaded, pay, terminal, transfer};

const DEBIT: u8 = 0x54;
const CREDIT: u8 = 0x52;
const PROVE: u8 = 0x5A;

/// A purchase in which `meddle` changes the answers to `instruction`.
fn meddled(
    card: &mut VirtualCard,
    instruction: u8,
    meddle: impl Fn(&mut Vec<u8>),
) -> Result<Debited, Stopped> {
    let meddle = |command: &[u8], answer: &mut Vec<u8>| {
        if command[1] == instruction {
            meddle(answer);
        }
    };
    pay(Meddled { card, meddle }, &mut terminal(TERMINAL), 100)
}

#[test]
fn a_wrong_mac2_is_no_payment() {
    for bit in 0..32 {
        let (mut card, mut host) = loaded(1000);
        let ended = meddled(&mut card, DEBIT, |answer| answer[4 + bit / 8] ^= 1 << (bit % 8));
        let Err(Stopped::NotGenuine { transaction, code }) = ended else { panic!("{ended:?}") };
        // The money has left this genuine card; by the TAC the operator knows.
        let (tac, evidence) = (code.into(), Evidence::TacOnly);
        host.collect(&Debited { transaction, tac, evidence, recovered: false }).unwrap();
        assert_eq!(balance(&mut card), 900);
    }
}

#[test]
fn a_mutilated_answer_is_asked_for_again() {
    for keep in 0..8 {
        let (mut card, mut host) = loaded(1000);
        let done = meddled(&mut card, DEBIT, |answer| {
            let status = answer.split_off(answer.len() - 2);
            answer.truncate(keep);
            answer.extend(status);
        })
        .unwrap();
        assert!(done.recovered);
        host.collect(&done).unwrap();
        assert_eq!(balance(&mut card), 900);
    }
    // An error of the memory says nothing of what was done; a refusal does.
    for (status, done) in
        [([0x65, 0x81], true), ([0x6F, 0x00], true), ([0x62, 0x81], true), ([0x69, 0x85], false)]
    {
        let (mut card, _) = loaded(1000);
        let ended = meddled(&mut card, DEBIT, |answer| *answer = status.to_vec());
        assert_eq!(ended.is_ok(), done, "{status:02X?}");
    }
}

/// The road delivers every command that moves money twice; the second answer arrives.
#[test]
fn a_command_delivered_twice_is_done_once() {
    struct Echo<'a>(&'a mut VirtualCard);
    impl CardChannel for Echo<'_> {
        fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
            CardChannel::transmit(self.0, command, response)?;
            if matches!(command[1], DEBIT | CREDIT) {
                CardChannel::transmit(self.0, command, response)?;
                assert_eq!(*response, [0x69, 0x01]);
            }
            Ok(())
        }

        fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
            CardChannel::reset(self.0)
        }
    }
    let (mut card, mut host) = loaded(1000);
    assert!(pay(Echo(&mut card), &mut terminal(TERMINAL), 100).unwrap().recovered);
    assert_eq!(balance(&mut card), 900);
    for (direction, left) in [(Direction::Load, 950), (Direction::Unload, 900)] {
        assert!(transfer(Echo(&mut card), &mut host, direction, 50).unwrap().recovered);
        assert_eq!(balance(&mut card), left);
    }
    // What a card says that has done nothing is the reason.
    let wrong_random = |command: &[u8], answer: &mut Vec<u8>| {
        if command[1] == 0x50 {
            answer[14] ^= 1;
        }
    };
    let road = Meddled { card: &mut card, meddle: wrong_random };
    let ended = pay(road, &mut terminal(TERMINAL), 100);
    let Err(Stopped::NotDone(error)) = ended else { panic!("{ended:?}") };
    assert_eq!(error.meaning(), Some(Meaning::WrongMac));
    assert_eq!(balance(&mut card), 900);
}

#[test]
fn a_false_proof_is_no_payment() {
    let (mut card, _) = loaded(1000);
    let meddle = |command: &[u8], answer: &mut Vec<u8>| match command[1] {
        DEBIT => *answer = vec![0x6F, 0x00],
        PROVE => answer[0] ^= 1,
        _ => {}
    };
    let ended = pay(Meddled { card: &mut card, meddle }, &mut terminal(TERMINAL), 100);
    assert!(matches!(ended, Err(Stopped::NotGenuine { .. })), "{ended:?}");
}

#[test]
fn a_host_takes_no_false_code() {
    // MAC1 of the card: nothing is booked.
    let (mut card, mut host) = loaded(1000);
    let meddle = |command: &[u8], answer: &mut Vec<u8>| {
        if command[1] == 0x50 {
            answer[15] ^= 1;
        }
    };
    let road = Meddled { card: &mut card, meddle };
    let ended = transfer(road, &mut host, Direction::Load, 100);
    assert_eq!(ended, Err(Stopped::NotDone(WalletError::Host(HostError::NotGenuine))));
    assert_eq!(host.entries().count(), 1);
    assert_eq!(balance(&mut card), 1000);

    // TAC of a load, MAC3 of an unload: what was booked stays open, nothing is final.
    for (direction, instruction) in [(Direction::Load, CREDIT), (Direction::Unload, DEBIT)] {
        let (mut card, mut host) = loaded(1000);
        let meddle = |command: &[u8], answer: &mut Vec<u8>| {
            if command[1] == instruction {
                answer[0] ^= 1;
            }
        };
        let road = Meddled { card: &mut card, meddle };
        let ended = transfer(road, &mut host, direction, 100);
        let Err(Stopped::NotGenuine { transaction, .. }) = ended else { panic!("{ended:?}") };
        assert_eq!(host.total(transaction.kind, EntryState::Open), 100);
        assert_eq!(host.total(TransactionType::Unload, EntryState::Final), 0);
    }
}

#[test]
fn a_card_takes_no_mac_of_a_stranger() {
    let (mut card, _) = loaded(1000);
    // The terminal's MAC1 is changed on its way.
    struct Changed<'a>(&'a mut VirtualCard);
    impl CardChannel for Changed<'_> {
        fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
            let mut command = command.to_vec();
            if command[1] == DEBIT {
                command[19] ^= 1;
            }
            CardChannel::transmit(self.0, &command, response)
        }

        fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
            CardChannel::reset(self.0)
        }
    }
    let ended = pay(Changed(&mut card), &mut terminal(TERMINAL), 100);
    let Err(Stopped::NotDone(error)) = ended else { panic!("{ended:?}") };
    assert_eq!(error.meaning(), Some(Meaning::WrongMac));
    assert_eq!(balance(&mut card), 1000);
}

/// Every answer of every length to every command of a purchase: an error, no panic.
#[test]
fn answers_of_any_length_are_survived() {
    for instruction in [0xA4, 0xB0, 0x50, DEBIT, PROVE, 0xB2, 0x5C] {
        for length in 0..40 {
            let mut card = card();
            let meddle = |command: &[u8], answer: &mut Vec<u8>| {
                if command[1] == instruction {
                    answer.resize(length, 0x11);
                    answer.extend([0x90, 0x00]);
                }
            };
            let road = Meddled { card: &mut card, meddle };
            let _ = pay(road, &mut terminal(TERMINAL), 100).is_ok();
            let mut card = self::card();
            if let Ok(mut wallet) = WalletCard::select(Meddled { card: &mut card, meddle }) {
                let _ = (wallet.log().is_ok(), wallet.balance().is_ok(), wallet.flag().is_ok());
            }
        }
    }
}
