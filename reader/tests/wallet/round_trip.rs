//! What is stored or sent reads back.

use proptest::prelude::*;
use xuejika_keyscheme::legacy::{Fen, Moment, TerminalId, TransactionType};
use xuejika_reader::wallet::{
    CardNumber, InDoubt, OnlineAnswer, Proof, PurchaseAnswer, Transaction,
};

prop_compose! {
    fn transaction()(
        card: [u8; 8], kind in 1_u8..=9, amount: u32, old_balance: u32, sequence: u16,
        terminal: [u8; 6], terminal_sequence: u32, date: [u8; 4], time: [u8; 3],
    ) -> Transaction {
        Transaction {
            card: CardNumber(card),
            kind: TransactionType::from_code(kind).unwrap(),
            amount: Fen(amount),
            old_balance: Fen(old_balance),
            sequence,
            terminal: TerminalId(terminal),
            terminal_sequence,
            at: Moment { date, time },
        }
    }
}

proptest! {
    #[test]
    fn transactions(transaction in transaction(), bit: prop::sample::Index) {
        let bytes = transaction.emit();
        prop_assert_eq!(bytes.len(), Transaction::LEN);
        prop_assert_eq!(Transaction::parse(&bytes), Some(transaction));
        let doubt = InDoubt::parse(&bytes).unwrap();
        prop_assert_eq!(doubt.emit(), bytes.clone());
        prop_assert_eq!(doubt.transaction(), &transaction);

        let mut damaged = bytes.clone();
        let at = bit.index(8 * bytes.len());
        damaged[at / 8] ^= 1 << (at % 8);
        prop_assert_eq!(Transaction::parse(&damaged), None);
        prop_assert_eq!(Transaction::parse(&bytes[..at / 8]), None);
    }

    #[test]
    fn answers(bytes: [u8; 16]) {
        prop_assert_eq!(OnlineAnswer::parse(&bytes).unwrap().emit(), bytes);
        let purchase = &bytes[1..];
        prop_assert_eq!(&PurchaseAnswer::parse(purchase).unwrap().emit()[..], purchase);
        let proof = &bytes[8..];
        prop_assert_eq!(&Proof::parse(proof).unwrap().emit()[..], proof);
        for length in 0..16 {
            let cut = &bytes[..length];
            prop_assert_eq!(OnlineAnswer::parse(cut), None);
            prop_assert_eq!(PurchaseAnswer::parse(cut).is_some(), length == 15);
            prop_assert_eq!(Proof::parse(cut).is_some(), length == 8);
        }
    }

    #[test]
    fn anything_parses_or_not(bytes: Vec<u8>) {
        let _ = Transaction::parse(&bytes);
    }
}
