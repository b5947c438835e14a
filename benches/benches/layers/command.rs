//! Whole commands in process.

use std::hint::black_box;

use xuejika_benches::Bench;
use xuejika_emulator::transport::Slot;

use crate::cards::{self, NullCard, READ_32, SELECT_EDUCATION, SELECT_WALLET};

pub(crate) fn run(bench: &mut Bench) {
    let (card, _) = cards::wallet();
    let plain = [
        ("SELECT education zone, in process", SELECT_EDUCATION),
        ("SELECT wallet, in process", SELECT_WALLET),
        ("READ BINARY 32, in process", READ_32),
    ];
    for (what, command) in plain {
        let mut card = cards::fresh(&card);
        let mut response = Vec::new();
        cards::ask(&mut card, SELECT_EDUCATION, &mut response);
        cards::ask(&mut card, command, &mut response);
        let answer = response.clone();
        let mut copy = Vec::new();
        let mut null: Box<dyn Slot> = Box::new(NullCard::new());
        bench
            .row(what)
            .ours(|| card.transmit(black_box(command), &mut response).unwrap())
            .floor(|| {
                copy.clear();
                copy.extend_from_slice(black_box(&answer));
                copy.len()
            })
            .against("card that does nothing", || {
                null.transmit(black_box(command), &mut response).unwrap();
            })
            .done();
    }
}
