//! A card as a value: copied, stored and read again, and a hundred thousand of them in one process.

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use xuejika_benches::{Bench, Clock};
use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::image;
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_emulator::transport::Slot;
use xuejika_emulator::{Env, VirtualCard, test_card};

use crate::cards::{self, NullCard, READ_32, SELECT_EDUCATION};

const CARDS: u32 = 100_000;

pub(crate) fn run(bench: &mut Bench) {
    let (card, _) = cards::wallet();
    let memory = |card: &VirtualCard| card.model().nvm().bytes().to_vec();
    bench
        .row("fork a card")
        .ours(|| card.fork(Env::from_seed(1)))
        .floor(|| memory(black_box(&card)))
        .against("image written and opened", || {
            let stored = image::emit(card.model().nvm().bytes()).unwrap();
            let memory = image::parse(&stored).unwrap().to_vec();
            VirtualCard::new(RamNvm::new(memory), Env::from_seed(1)).unwrap()
        })
        .done();
    farm(bench);
}

/// Each card in turn answers SELECT and READ BINARY.
fn farm(bench: &mut Bench) {
    let contents = test_card::student(cards::SERIAL).unwrap().bytes().len();
    let before = resident();
    let clock = Clock::start();
    let mut cards: Vec<VirtualCard> = (0..CARDS).map(independent).collect();
    let made = clock.elapsed();
    let mut response = Vec::with_capacity(256);
    let first = in_turn(&mut cards, &mut response, 2 * u64::from(CARDS));
    let each = (resident() - before) as f64 / f64::from(CARDS) - contents as f64;
    bench.note(format!(
        "{CARDS} cards in one process: {each:.0} bytes a card beside its {contents} bytes of files and \
         journal, all powered; made in {made:.1?}; first round {:.2} M commands/s",
        2.0 * f64::from(CARDS) / first.as_secs_f64() / 1e6,
    ));
    let mut alone = [independent(0)];
    let mut null: Vec<NullCard> = (0..CARDS).map(|_| NullCard::new()).collect();
    bench
        .row("a command, 100,000 cards in turn")
        .ours_timed(|repeats| in_turn(&mut cards, &mut Vec::with_capacity(256), repeats))
        .floor_timed(|repeats| in_turn(&mut alone, &mut Vec::with_capacity(256), repeats))
        .against_timed("cards that do nothing", |repeats| {
            in_turn(&mut null, &mut Vec::with_capacity(256), repeats)
        })
        .done();
}

fn independent(number: u32) -> VirtualCard {
    let serial = CardSerial::new(26, 1, number).unwrap().to_string();
    let mut card =
        VirtualCard::new(test_card::student(&serial).unwrap(), Env::from_seed(number.into()))
            .unwrap();
    card.power_on().unwrap();
    card
}

/// So many commands, two for each card before the next one has its turn.
fn in_turn<S: Slot>(cards: &mut [S], response: &mut Vec<u8>, commands: u64) -> Duration {
    let clock = Clock::start();
    let mut left = commands;
    while left > 0 {
        for card in &mut *cards {
            if left == 0 {
                break;
            }
            card.transmit(black_box(SELECT_EDUCATION), response).unwrap();
            card.transmit(black_box(READ_32), response).unwrap();
            left = left.saturating_sub(2);
        }
    }
    clock.elapsed()
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let pages: Option<usize> = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse().ok());
    pages.unwrap_or(0) * 4096
}
