//! What the card keeps, read from its memory byte by byte.

use xuejika_card_model::file::Structure;
use xuejika_card_model::file::tree::{CardKind, wallet_sfi};

use super::ledger::{Kept, Lock, Proof, Secret};

/// Length of a key entry, and where the tries stand in it and in the entry of the PIN.
const KEY: usize = 25;
const KEY_TRIES: usize = 6;
const PIN_TRIES: usize = 4;

/// Keys in their order in the store; those without a secret have no tries.
const ORDER: [Option<Secret>; 11] = [
    None,
    Some(Secret::Load),
    None,
    Some(Secret::Unload),
    Some(Secret::Line),
    Some(Secret::Unblock),
    Some(Secret::Reload),
    None,
    None,
    None,
    None,
];

/// All that a wallet keeps.
pub(crate) fn kept(memory: &[u8]) -> Kept {
    let df = CardKind::Student.tree().wallet.as_ref().expect("a wallet");
    let file = |sfi: u8| {
        let file = df.by_sfi(sfi).expect("a file of the wallet");
        (&memory[file.offset..file.offset + file.structure.storage()], file.structure)
    };
    let (purse, _) = file(wallet_sfi::PURSE);
    let number = |at: usize| u16::from_be_bytes([purse[at], purse[at + 1]]);
    let four = |at: usize| -> [u8; 4] { purse[at..at + 4].try_into().unwrap() };
    let proof = Proof { kind: purse[8], counter: number(9), mac: four(11), tac: four(15) };
    let store = &memory[df.keys_offset..df.keys_offset + df.keys_len()];
    let mut kept = Kept {
        balance: u32::from_be_bytes(four(4)),
        offline: number(0),
        online: number(2),
        flag: file(wallet_sfi::CONTROL).0[0],
        tries: [0; 6],
        pin: Vec::new(),
        lock: Lock::None,
        card_blocked: false,
        log: records(file(wallet_sfi::LOG)),
        proof: (proof.kind != 0).then_some(proof),
        compound: records(file(wallet_sfi::COMPOUND)).try_into().expect("four records"),
    };
    let (keys, rest) = store.split_at(KEY * ORDER.len());
    for (secret, entry) in ORDER.iter().zip(keys.chunks(KEY)) {
        if let Some(secret) = secret {
            kept.set_tries(*secret, entry[KEY_TRIES] & 0x0F);
        }
    }
    kept.set_tries(Secret::Pin, rest[PIN_TRIES] & 0x0F);
    kept.pin = super::security::stripped(&rest[PIN_TRIES + 1..PIN_TRIES + 9]).to_vec();
    let [application, card, ..] = rest[PIN_TRIES + 11..] else { panic!("no lock") };
    kept.card_blocked = card != 0;
    kept.lock = match application {
        0 => Lock::None,
        1 => Lock::UntilUnblocked,
        _ => Lock::ForGood,
    };
    kept
}

/// Records, the newest of a log first.
fn records((bytes, structure): (&[u8], Structure)) -> Vec<Vec<u8>> {
    (1..=u8::MAX).map_while(|number| Some(structure.record(bytes, number)?.to_vec())).collect()
}
