//! The PSAM.

use xuejika_card_model::file::tree::CardKind;
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::psam::{MAC2_LIMIT, PurchaseProof};
use xuejika_emulator::dispatch::Operation;
use xuejika_emulator::test_card;

use super::{Case, Expect, World, after};
use crate::case::{Bound, Card};
use crate::client::{Client, apdu, psam_mac2, psam_request};
use crate::support::{Reply, send};
use crate::view::{Counter, NUMBER, View};

/// A PSAM whose next purchase gets this number.
fn psam(world: &World, number: u32) -> Vec<u8> {
    let mut memory = test_card::psam(world.client.terminal).expect("a PSAM").bytes().to_vec();
    let tree = CardKind::Psam.tree();
    let file = tree.dfs[0].by_sfi(0x18).expect("the file of the number");
    memory[file.offset..file.offset + 4].copy_from_slice(&number.to_be_bytes());
    memory
}

fn select(card: &mut Card) -> Reply {
    send(card, &[0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x01])
}

fn initialise(client: &Client) -> Vec<u8> {
    apdu([0x80, 0x70, 0x00, 0x00], &psam_request(client, 250).emit())
}

/// A purchase up to CREDIT FOR PURCHASE.
fn credit(client: &Client, card: &mut Card) -> Vec<u8> {
    select(card);
    let reply = send(card, &initialise(client));
    let proof = PurchaseProof::parse(&reply.data).expect("INITIALIZE FOR PURCHASE");
    let mac2 = psam_mac2(client, &psam_request(client, 250), &proof, client.terminal);
    apdu([0x80, 0x72, 0x00, 0x00], &mac2)
}

/// A PSAM at which this many MAC2 were wrong.
fn failed(world: &World, number: u32, times: u8) -> Vec<u8> {
    let liar = world.client.lying();
    after(&psam(world, number), world.seed, |card| {
        for _ in 0..times {
            let command = credit(&liar, card);
            send(card, &command);
        }
    })
}

/// INITIALIZE FOR PURCHASE.
pub(super) fn begins(world: &mut World) -> Vec<Case> {
    const O: Operation = Operation::PsamInitialisePurchase;
    let some = u32::from_be_bytes(world.rng.bytes());
    let ask = |client: &Client, card: &mut Card| {
        select(card);
        initialise(client)
    };
    let mut cases: Vec<_> = [0, 0xFF, 0xFFFF, some, 0xFFFF_FFFE]
        .map(|number| {
            let expect = Expect::change(&[NUMBER])
                .until(move |view: &View| view.number() == number.checked_add(1));
            world.case(O, &format!("number {number:08X}"), psam(world, number), expect, ask)
        })
        .into();
    let worn = psam(world, u32::MAX);
    cases.push(world.case(O, "no number left", worn, Expect::nothing(0x9402), ask));
    let locked = failed(world, some, MAC2_LIMIT);
    cases.push(world.case(O, "a locked PSAM", locked, Expect::nothing(0x9303), ask));
    // A purchase that is given up has had its number.
    let expect = Expect::change(&[NUMBER]);
    cases.push(world.case(O, "after one given up", psam(world, 7), expect, |client, card| {
        select(card);
        send(card, &initialise(client));
        initialise(client)
    }));
    cases
}

/// A purchase, if the PSAM takes one.
pub(super) fn follow_up(world: &World, memory: Vec<u8>, view: &View) -> Option<Case> {
    if view.used(Counter::Mac2) >= MAC2_LIMIT.into() || view.number() == Some(u32::MAX) {
        return None;
    }
    let operation = Operation::PsamInitialisePurchase;
    Some(world.case(operation, "another", memory, Expect::change(&[NUMBER]), |client, card| {
        select(card);
        initialise(client)
    }))
}

/// CREDIT FOR PURCHASE.
pub(super) fn ends(world: &mut World) -> Vec<Case> {
    const O: Operation = Operation::PsamCreditPurchase;
    let number = u32::from_be_bytes(world.rng.bytes()) >> 1;
    let mut cases = Vec::new();
    for times in 0..MAC2_LIMIT {
        let start = failed(world, number, times);
        let expect = Expect::change(&[Counter::Mac2.part()])
            .bound(Bound::Once)
            .until(|view| view.used(Counter::Mac2) == 0);
        let name = format!("right after {times} wrong");
        cases.push(world.case(O, &name, start.clone(), expect, credit));
        let expect = Expect::failure(0x9302, Counter::Mac2).bound(Bound::Once);
        let name = format!("wrong after {times} wrong");
        cases.push(
            world.case(O, &name, start, expect, |client, card| credit(&client.lying(), card)),
        );
    }
    cases
}

/// DELIVERY KEY and CIPHER DATA.
pub(super) fn looks(operation: Operation, world: &World) -> Vec<Case> {
    let deliver = apdu([0x80, 0x1A, 0x27, 0x01], &[0x10, 0x00, 0x75, 0x10, 0x12, 0x34, 0x56, 0x78]);
    let start = psam(world, 1);
    vec![world.case(operation, "a working key", start, Expect::nothing(0x9000), move |_, card| {
        select(card);
        if operation == Operation::PsamDeliverKey {
            return deliver.clone();
        }
        assert_eq!(send(card, &deliver).sw, 0x9000);
        apdu([0x80, 0xFA, 0x00, 0x00], &[0; 8])
    })]
}
