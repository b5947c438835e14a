//! A purchase on the card: INITIALIZE FOR PURCHASE, then DEBIT FOR PURCHASE with its commit.

use std::hint::black_box;
use std::time::Duration;

use cipher::{Block, BlockCipherEncrypt, KeyInit};
use des::{Des, TdesEde2};
use xuejika_benches::Bench;
use xuejika_card_model::wallet::WalletSetup;
use xuejika_card_model::wallet::message::{Demand, Initialise, PurchaseAnswer};
use xuejika_card_model::wallet::store::KID;
use xuejika_emulator::VirtualCard;
use xuejika_keyscheme::legacy::{Fen, Moment, Purchase, PurchaseKind, TerminalId};

use crate::cards::{self, SELECT_WALLET};

const TERMINAL: TerminalId = TerminalId([0x12, 0x00, 0x80, 0x80, 0x00, 0x01]);
const AT: Moment = Moment { date: [0x20, 0x26, 0x09, 0x01], time: [0x07, 0x30, 0x00] };

pub(crate) fn run(bench: &mut Bench) {
    let (card, setup) = cards::wallet();
    let script = Script::record(&card, &setup);
    bench
        .row("purchase with commit, card in process")
        .ours_timed(|repeats| script.play(&card, repeats))
        .floor(|| blocks(black_box([9; 16])))
        .against("des crate, a schedule for each code", || schedules(black_box([9; 16])))
        .done();
}

/// What the card must run: the session key by one TDES block, MAC1 over 3 blocks, MAC2 over 1, under
/// one schedule; the TAC over 3 under another.
fn blocks(key: [u8; 16]) -> [Block<Des>; 2] {
    let mut session = Block::<Des>::default();
    TdesEde2::new(&key.into()).encrypt_block(&mut session);
    let codes = Des::new(&session);
    let mac1 = chain(&codes, 3);
    black_box(mac1);
    let mac2 = chain(&codes, 1);
    let [half, _] = key.as_chunks().0 else { return [mac2, mac1] };
    [mac2, chain(&Des::new(half.into()), 3)]
}

/// The codes without a card around them, as one would write them with the published crate.
fn schedules(key: [u8; 16]) -> [Block<Des>; 3] {
    let mut session = Block::<Des>::default();
    TdesEde2::new(&key.into()).encrypt_block(&mut session);
    [3, 1, 3].map(|count| chain(&Des::new(&black_box(session)), count))
}

fn chain(cipher: &Des, count: usize) -> Block<Des> {
    let mut block = Block::<Des>::default();
    for _ in 0..count {
        cipher.encrypt_block(&mut block);
    }
    block
}

/// Purchases of one fen as a terminal would ask for them of a card with known randomness.
struct Script(Vec<[Vec<u8>; 2]>);

impl Script {
    const LEN: usize = 500;

    fn record(card: &VirtualCard, setup: &WalletSetup) -> Self {
        let mut card = cards::fresh(card);
        let mut response = Vec::new();
        cards::ask(&mut card, SELECT_WALLET, &mut response);
        let request = Initialise { kid: KID, amount: Fen(1), terminal: TERMINAL };
        let initialise = [b"\x80\x50\x01\x02\x0B", &request.emit()[..]].concat();
        let purchase = Purchase { kind: PurchaseKind::Wallet, amount: Fen(1), terminal: TERMINAL };
        let turn = |sequence: u32| {
            cards::ask(&mut card, &initialise, &mut response);
            let answer =
                PurchaseAnswer::parse(response.split_last_chunk::<2>().unwrap().0).unwrap();
            let session = setup.keys.purchase.session(answer.random, answer.sequence, sequence);
            let demand = Demand { sequence, at: AT, mac1: session.code(&purchase.mac1(AT)) };
            let debit = [b"\x80\x54\x01\x00\x0F", &demand.emit()[..]].concat();
            cards::ask(&mut card, &debit, &mut response);
            [initialise.clone(), debit]
        };
        Self((1..).take(Self::LEN).map(turn).collect())
    }

    fn play(&self, card: &VirtualCard, repeats: u64) -> Duration {
        cards::play(card, SELECT_WALLET, &self.0, repeats)
    }
}
