//! Many cards at once against one card at a time.

use super::*;
use crate::bulk::lanes::Job;
use crate::kcv::KcvMethod;
use crate::key::{Card, KeyNumber, KeyVersion, Zone};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const EMPTY: Kcv = Kcv::new(KcvMethod::ZeroBlock, [0; 3]);

fn id(algorithm: Algorithm) -> KeyId {
    KeyId {
        zone: Zone(0xDF11),
        number: KeyNumber::APPLICATION,
        version: KeyVersion::FIRST,
        algorithm,
    }
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop_oneof![Just(Algorithm::Aes128), Just(Algorithm::Sm4)]
}

proptest! {
    /// Any number of cards, whole groups or not, under the key of each level.
    #[test]
    fn check_values_are_those_of_single_cards(
        algorithm in algorithms(),
        bytes: [u8; 16],
        serials in prop::collection::vec(any::<[u8; 8]>(), 0..600),
    ) {
        let id = id(algorithm);
        let cards: Vec<CardId> = serials.into_iter().map(CardId).collect();
        let mut out = vec![EMPTY; cards.len()];
        macro_rules! check {
            ($($level:ty)*) => {$(
                let key = Key::<$level>::new(algorithm, bytes);
                let expected: Vec<Kcv> =
                    cards.iter().map(|card| key.card(&id, *card).kcv()).collect();
                out.fill(EMPTY);
                key.card_kcvs(&id, &cards, &mut out).unwrap();
                prop_assert_eq!(&out, &expected);
            )*};
        }
        check!(Root District School);
    }

    /// The narrowest lanes too, whatever this machine has.
    #[test]
    fn narrow_lanes_agree(
        key: [u8; 16], serials in prop::collection::vec(any::<[u8; 8]>(), 0..200),
    ) {
        let (id, key) = (id(Algorithm::Sm4), Key::<Root>::new(Algorithm::Sm4, key));
        let cards: Vec<CardId> = serials.into_iter().map(CardId).collect();
        let (mut narrow, mut widest) = (vec![EMPTY; cards.len()], vec![EMPTY; cards.len()]);
        let inputs = Inputs::new(&key.mac(), &id);
        sm4::CheckValues { key: key.expose(), inputs: &inputs, cards: &cards, out: &mut narrow }
            .run::<u64>();
        key.card_kcvs(&id, &cards, &mut widest).unwrap();
        prop_assert_eq!(narrow, widest);
    }

    /// Two blocks and no third: the cut of the message is that of CMAC.
    #[test]
    fn inputs_are_the_message_of_the_card(key: [u8; 16], serial: [u8; 8]) {
        let (id, key) = (id(Algorithm::Aes128), Key::<Root>::new(Algorithm::Aes128, key));
        let mac = key.mac();
        let inputs = Inputs::new(&mac, &id);
        let mut block = inputs.first(CardId(serial)).into();
        mac.cipher().encrypt_block(&mut block);
        crate::cbc::xor(&mut block, &inputs.last);
        mac.cipher().encrypt_block(&mut block);
        let card: Key<Card> = key.card(&id, CardId(serial));
        prop_assert_eq!(&block[..], card.expose());
    }
}

#[test]
fn slices_of_different_length_are_refused_untouched() {
    let id = id(Algorithm::Aes128);
    let root = crate::test_keys::root(&id);
    let mut out = [EMPTY; 2];
    for cards in [&[CardId([1; 8])][..], &[CardId([1; 8]); 3]] {
        let expected = UnequalLengths { cards: cards.len(), places: 2 };
        assert_eq!(root.card_kcvs(&id, cards, &mut out), Err(expected));
        assert_eq!(out, [EMPTY; 2]);
    }
    assert_eq!(root.card_kcvs(&id, &[], &mut []), Ok(()));
}
