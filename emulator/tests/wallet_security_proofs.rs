//! What holds of the wallet's security commands wherever power goes and whatever is sent: no try is
//! refunded, no verdict is told before its price is paid, no challenge serves twice, nothing passes
//! under a wrong MAC, and blocks are whole. Each rule is broken on purpose in the copy that `.ci/faults` patches.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use proptest::prelude::*;
use support::line::{
    BLOCK, BLOCK_CARD, BLOCK_FOR_GOOD, PIN, SELECT_MF, SELECT_WALLET, UNBLOCK, application_lock,
    authenticate, authenticate_with, challenge, keys, operate, operate_wrongly, pin_tries, protect,
    verify, wallet_card,
};
use support::{Reply, ask, bytes, memory, power_up, send, sw};
use xuejika_card_model::file::tree::{CardKind, wallet_sfi};
use xuejika_card_model::nvm::{Cut, RamNvm, Torn};
use xuejika_card_model::wallet::lock::ApplicationLock;
use xuejika_emulator::VirtualCard;
use xuejika_keyscheme::legacy::PinReloadKey;

const TORN: [Torn; 4] = [Torn::Prefix, Torn::Erased(0xFF), Torn::Erased(0x00), Torn::Random(7)];

/// More than the bytes of any write here.
const LONGEST_WRITE: usize = 48;

/// A command on a card, and what was done before it.
struct Scene {
    memory: Vec<u8>,
    prepare: fn(&mut VirtualCard),
}

impl Scene {
    fn new(prepare: fn(&mut VirtualCard)) -> Self {
        Self { memory: memory(&wallet_card()), prepare }
    }

    fn card(&self) -> VirtualCard {
        let mut card = power_up(RamNvm::new(self.memory.clone()));
        ask(&mut card, SELECT_WALLET);
        (self.prepare)(&mut card);
        card
    }

    /// How many writes the command makes.
    fn writes(&self, apdu: &[u8]) -> u64 {
        let mut card = self.card();
        let before = card.nvm_mut().writes();
        send(&mut card, apdu);
        card.nvm_mut().writes() - before
    }

    /// Sends the command and cuts power in the midst of it.
    fn cut(&self, apdu: &[u8], cut: Cut) -> Aftermath {
        let mut card = self.card();
        card.cut_power(cut);
        let mut response = Vec::new();
        let answered = card.transmit(apdu, &mut response).is_ok();
        let at_cut = memory(&card);
        card.cut_power(Cut::before_write(u64::MAX));
        card.power_on().unwrap();
        ask(&mut card, SELECT_WALLET);
        Aftermath { response: answered.then_some(response), at_cut, card }
    }
}

/// Takes a challenge: the same on every card of a scene.
fn draw(card: &mut VirtualCard) {
    challenge(card);
}

/// What a power cut has left.
struct Aftermath {
    /// The answer, if there was one.
    response: Option<Vec<u8>>,
    /// The memory at the moment of the cut.
    at_cut: Vec<u8>,
    /// The card after the next power-up.
    card: VirtualCard,
}

/// Every place where power can go in so many writes.
fn cuts(writes: u64) -> impl Iterator<Item = Cut> {
    (0..=writes).flat_map(|after_writes| {
        (0..=LONGEST_WRITE)
            .flat_map(move |after_bytes| TORN.map(|torn| Cut { after_writes, after_bytes, torn }))
    })
}

/// Wherever power goes: as soon as right and wrong could be told apart, by an answer or by what the
/// card has written, the try of the wrong one is spent; and the right one still works afterwards.
fn no_cut_refunds_a_try(
    scene: &Scene,
    right: &[u8],
    wrong: &[u8],
    tries: fn(&VirtualCard) -> u8,
    again: fn(&mut VirtualCard) -> Reply,
) {
    let writes = scene.writes(right).max(scene.writes(wrong));
    assert!(writes >= 4, "a try is spent and given back");
    for cut in cuts(writes) {
        let mut true_one = scene.cut(right, cut);
        let mut false_one = scene.cut(wrong, cut);
        let distinct = true_one.at_cut != false_one.at_cut;
        if distinct || true_one.response.is_some() || false_one.response.is_some() {
            assert_eq!(tries(&false_one.card), 2, "{cut:?}");
        }
        assert!(tries(&false_one.card) <= 3 && tries(&true_one.card) >= 2, "{cut:?}");
        for aftermath in [&mut true_one, &mut false_one] {
            assert_eq!(again(&mut aftermath.card), sw(0x9000), "{cut:?}");
            assert_eq!(tries(&aftermath.card), 3);
        }
    }
}

fn verify_cannot_be_cut_for_free() {
    let scene = Scene::new(|_| ());
    let (right, wrong) = (bytes("00 20 00 01 03 12 34 56"), bytes("00 20 00 01 03 12 34 57"));
    no_cut_refunds_a_try(&scene, &right, &wrong, pin_tries, |card| verify(card, &PIN));
    let (right, wrong) = (
        bytes("80 5E 01 01 07 12 34 56 FF 12 34 56"),
        bytes("80 5E 01 01 07 12 34 57 FF 12 34 56"),
    );
    no_cut_refunds_a_try(&scene, &right, &wrong, pin_tries, |card| verify(card, &PIN));
}

fn reload_cannot_be_cut_for_free() {
    let scene = Scene::new(|_| ());
    let mac: [u8; 4] = keys().pin_reload.pin_mac(&PIN).into();
    let right = [&[0x80, 0x5E, 0x00, 0x01, 0x07][..], &PIN, &mac].concat();
    let mut wrong = right.clone();
    *wrong.last_mut().unwrap() ^= 1;
    no_cut_refunds_a_try(&scene, &right, &wrong, reload_tries, |card| {
        let mac: [u8; 4] = keys().pin_reload.pin_mac(&PIN).into();
        send(card, &[&[0x80, 0x5E, 0x00, 0x01, 0x07][..], &PIN, &mac].concat())
    });
}

fn reload_tries(card: &VirtualCard) -> u8 {
    card.model().wallet_key::<PinReloadKey>(1).unwrap().tries.left()
}

#[test]
fn no_cut_of_verify_or_change_pin_refunds_a_try() {
    verify_cannot_be_cut_for_free();
}

#[test]
fn no_cut_of_reload_pin_refunds_a_try() {
    reload_cannot_be_cut_for_free();
}

/// The last wrong MAC: either nothing was compared, or the key is lost.
#[test]
fn no_cut_of_the_last_wrong_mac_leaves_another() {
    let header = [0x04, 0xD6, 0x95, 0x00];
    let mut scene = Scene::new(draw);
    let mut card = scene.card();
    for _ in 0..2 {
        assert_eq!(operate_wrongly(&mut card, header, &[1]), sw(0x6988));
    }
    scene.memory = memory(&card);
    let drawn = challenge(&mut Scene::new(|_| ()).card());
    let mut apdu = protect(&keys().line, &drawn, header, &[1]);
    *apdu.last_mut().unwrap() ^= 1;
    for cut in cuts(scene.writes(&apdu)) {
        let Aftermath { response, mut card, .. } = scene.cut(&apdu, cut);
        let spent =
            response.is_some() || memory_but_journal(&card) != memory_but_journal(&scene.card());
        let expected = if spent { sw(0x6983) } else { sw(0x9000) };
        assert_eq!(operate(&mut card, header, &[1]), expected, "{cut:?}");
    }
}

fn memory_but_journal(card: &VirtualCard) -> Vec<u8> {
    memory(card)[..CardKind::Student.tree().journal].to_vec()
}

/// A block is there or not, and there once it was told.
#[test]
fn no_cut_leaves_half_a_block() {
    use ApplicationLock::{None, Permanent, Temporary};
    let blocked = |card: &mut VirtualCard| {
        assert_eq!(operate(card, BLOCK, &[]), sw(0x9000));
    };
    for (header, from, to) in [
        (BLOCK, None, Temporary),
        (BLOCK_FOR_GOOD, None, Permanent),
        (BLOCK_FOR_GOOD, Temporary, Permanent),
        (UNBLOCK, Temporary, None),
    ] {
        let mut scene = Scene::new(draw);
        if from == Temporary {
            let mut card = Scene::new(|_| ()).card();
            blocked(&mut card);
            scene.memory = memory(&card);
        }
        let drawn = challenge(&mut Scene::new(|_| ()).card());
        let apdu = protect(&keys().line, &drawn, header, &[]);
        assert_eq!(send(&mut scene.card(), &apdu), sw(0x9000));
        for cut in cuts(scene.writes(&apdu)) {
            let Aftermath { response, card, .. } = scene.cut(&apdu, cut);
            let lock = application_lock(&card);
            assert!(lock == to || (lock == from && response.is_none()), "{header:02X?} {cut:?}");
        }
    }
}

/// A new PIN is there as a whole or not at all.
#[test]
fn no_cut_leaves_half_a_pin() {
    let scene = Scene::new(|_| ());
    let apdu = bytes("80 5E 01 01 07 12 34 56 FF 65 43 21");
    for cut in cuts(scene.writes(&apdu)) {
        let Aftermath { response, mut card, .. } = scene.cut(&apdu, cut);
        let new = verify(&mut card, b"\x65\x43\x21") == sw(0x9000);
        assert!(new || response.is_none());
        assert_eq!(verify(&mut card, &PIN).sw == 0x9000, !new, "{cut:?}");
    }
}

fn a_challenge_serves_once() {
    let mut card = wallet_card();
    let answer = keys().external.answer(&challenge(&mut card));
    assert_eq!(send(&mut card, &authenticate_with([0; 8])), sw(0x6300));
    assert_eq!(send(&mut card, &authenticate_with(answer)), sw(0x6984));
}

fn only_the_last_challenge_serves() {
    let mut card = wallet_card();
    let answer = keys().external.answer(&challenge(&mut card));
    challenge(&mut card);
    assert_eq!(send(&mut card, &authenticate_with(answer)), sw(0x6300));
}

/// Every bit of the command counts.
fn a_flipped_bit_is_refused() {
    let mut card = wallet_card();
    let drawn = challenge(&mut card);
    let whole = memory(&card);
    let apdu = protect(&keys().line, &drawn, [0x04, 0xD6, 0x95, 0x00], &[0xA5; 30]);
    for bit in 0..8 * apdu.len() {
        let mut card = power_up(RamNvm::new(whole.clone()));
        ask(&mut card, SELECT_WALLET);
        challenge(&mut card);
        let mut other = apdu.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let reply = send(&mut card, &other);
        assert_ne!(reply.sw, 0x9000, "bit {bit}");
        assert!(reply.data.is_empty());
        let file = CardKind::Student.tree().wallet.as_ref().unwrap();
        let file = file.by_sfi(wallet_sfi::ISSUER).unwrap();
        let stored = file.offset..file.offset + file.structure.storage();
        assert_eq!(memory(&card)[stored.clone()], whole[stored], "bit {bit}");
    }
    assert_eq!(operate(&mut wallet_card(), [0x04, 0xD6, 0x95, 0x00], &[0xA5; 30]), sw(0x9000));
}

fn a_block_survives_a_reset() {
    let mut card = wallet_card();
    assert_eq!(operate(&mut card, BLOCK, &[]), sw(0x9000));
    card.reset().unwrap();
    assert_eq!(ask(&mut card, SELECT_WALLET).sw, 0x6A81);
}

fn a_blocked_wallet_does_nothing() {
    let mut card = wallet_card();
    assert_eq!(operate(&mut card, BLOCK, &[]), sw(0x9000));
    assert_eq!(ask(&mut card, "00 B0 95 00 00"), sw(0x6985));
    assert_eq!(verify(&mut card, &PIN), sw(0x6985));
    assert_eq!(ask(&mut card, "80 5C 00 02 04"), sw(0x6985));
}

fn a_proof_dies_with_a_reset() {
    let mut card = wallet_card();
    ask(&mut card, SELECT_MF);
    assert_eq!(authenticate(&mut card), sw(0x9000));
    card.reset().unwrap();
    assert_eq!(operate(&mut card, BLOCK_CARD, &[]), sw(0x6982));
    // The PIN for a load, too.
    let load = "80 50 00 02 0B 01 00 00 00 01 12 00 80 80 00 01 10";
    ask(&mut card, SELECT_WALLET);
    assert_eq!(verify(&mut card, &PIN), sw(0x9000));
    card.reset().unwrap();
    ask(&mut card, SELECT_WALLET);
    assert_eq!(ask(&mut card, load), sw(0x6982));
}

#[test]
fn proofs_challenges_and_blocks_last_as_long_as_they_should() {
    a_challenge_serves_once();
    only_the_last_challenge_serves();
    a_block_survives_a_reset();
    a_blocked_wallet_does_nothing();
    a_proof_dies_with_a_reset();
}

#[test]
fn a_flipped_bit_is_always_refused() {
    a_flipped_bit_is_refused();
}

#[cfg(faults)]
#[test]
fn every_seeded_fault_is_noticed() {
    use std::panic::catch_unwind;
    use xuejika_card_model::fault::{Fault, seed};

    let checks: [(Fault, fn()); 9] = [
        (Fault::PinVerdictBeforeCounter, verify_cannot_be_cut_for_free),
        (Fault::TryRefundedByCut, verify_cannot_be_cut_for_free),
        (Fault::TryRefundedByCut, reload_cannot_be_cut_for_free),
        (Fault::ChallengeNotConsumed, a_challenge_serves_once),
        (Fault::PreviousChallengeAccepted, only_the_last_challenge_serves),
        (Fault::LineMacSkipped, a_flipped_bit_is_refused),
        (Fault::LineMacOverHeaderOnly, a_flipped_bit_is_refused),
        (Fault::BlockNotPersisted, a_block_survives_a_reset),
        (Fault::BlockIgnored, a_blocked_wallet_does_nothing),
    ];
    let rest = [(Fault::SecurityStateSurvivesReset, a_proof_dies_with_a_reset as fn())];
    for (fault, check) in checks.into_iter().chain(rest) {
        seed(Some(fault));
        let noticed = catch_unwind(check).is_err();
        seed(None);
        assert!(noticed, "{fault:?} goes unnoticed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What is written under protection is read back under protection, in every file.
    #[test]
    fn protected_data_round_trips(
        data in prop::collection::vec(any::<u8>(), 1..=30), enciphered: bool, eight: bool,
    ) {
        let mut card = wallet_card();
        let key = keys().line;
        let sfi = if enciphered { wallet_sfi::HOLDER } else { wallet_sfi::COMMON };
        let draw = |card: &mut VirtualCard| if eight {
            <[u8; 8]>::try_from(ask(card, "00 84 00 00 08").data).unwrap().into()
        } else {
            challenge(card)
        };
        let sent = if enciphered { key.encrypt_data(&data).unwrap() } else { data.clone() };
        let drawn = draw(&mut card);
        let apdu = protect(&key, &drawn, [0x04, 0xD6, 0x80 | sfi, 0x01], &sent);
        prop_assert_eq!(send(&mut card, &apdu), sw(0x9000));
        let drawn = draw(&mut card);
        let mut apdu = protect(&key, &drawn, [0x04, 0xB0, 0x80 | sfi, 0x01], &[]);
        apdu.push(u8::try_from(data.len()).unwrap());
        let reply = send(&mut card, &apdu);
        let (body, mac) = reply.data.split_last_chunk::<4>().unwrap();
        prop_assert!(key.verify_line(&drawn, body, (*mac).into()).is_ok());
        let read = if enciphered {
            key.decrypt_data(body).unwrap().to_vec()
        } else {
            body.to_vec()
        };
        prop_assert_eq!(read, data);
    }

    /// However often and whatever is guessed, with power going anywhere: three verdicts, then none.
    #[test]
    fn guesses_are_counted_through_power_cuts(
        guesses in prop::collection::vec((any::<[u8; 2]>(), prop::option::of((0_u64..4, 0_usize..32))), 3..20),
    ) {
        let mut card = wallet_card();
        let mut verdicts = 0;
        for (guess, cut) in guesses {
            if let Some((after_writes, after_bytes)) = cut {
                card.cut_power(Cut { after_writes, after_bytes, torn: Torn::Prefix });
            }
            let apdu = [&[0x00, 0x20, 0x00, 0x01, 0x02][..], &guess].concat();
            let mut response = Vec::new();
            if card.transmit(&apdu, &mut response).is_ok() && response[0] == 0x63 {
                verdicts += 1;
            }
            card.cut_power(Cut::before_write(u64::MAX));
            card.power_on().unwrap();
            ask(&mut card, SELECT_WALLET);
        }
        prop_assert!(verdicts <= 3);
        prop_assert!(pin_tries(&card) + verdicts <= 3);
    }

    /// No bytes whatever pass for a command of the operator.
    #[test]
    fn noise_is_no_operator(
        ins in prop::sample::select(vec![0xD6_u8, 0xB0, 0xB2, 0x24, 0x1E, 0x18, 0x16]),
        p1: u8, p2: u8, data in prop::collection::vec(any::<u8>(), 0..=40),
    ) {
        let mut card = wallet_card();
        let lock = card.model().wallet_lock();
        let files = memory_but_store(&card);
        let class = if ins < 0x80 { 0x84 } else { 0x04 };
        challenge(&mut card);
        let lc = u8::try_from(data.len()).unwrap();
        let apdu = [&[class, ins, p1, p2][..], &[lc][..usize::from(lc > 0)], &data].concat();
        let reply = send(&mut card, &apdu);
        prop_assert!(matches!(reply.sw, 0x6700 | 0x6987 | 0x6988), "{:04X}", reply.sw);
        prop_assert_eq!(card.model().wallet_lock(), lock);
        prop_assert_eq!(memory_but_store(&card), files);
    }
}

/// Everything but the journal and the keys with their counters.
fn memory_but_store(card: &VirtualCard) -> Vec<u8> {
    let wallet = CardKind::Student.tree().wallet.as_ref().unwrap();
    let memory = memory_but_journal(card);
    [&memory[..wallet.keys_offset], &memory[wallet.keys_offset + wallet.keys_len()..]].concat()
}
