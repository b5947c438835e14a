//! The cards and commands of the measurements.

use core::time::Duration;

use xuejika_benches::Clock;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::record::Profile;
use xuejika_card_model::wallet::{EnableFlag, WalletSetup};
use xuejika_emulator::transport::{CardDied, Slot};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::legacy::Fen;

pub(crate) const SERIAL: &str = "1100070100000017";

/// SELECT the education zone by name.
pub(crate) const SELECT_EDUCATION: &[u8] = b"\x00\xA4\x04\x00\x07\xF0BJEDU\x01\x00";
/// SELECT the wallet by identifier.
pub(crate) const SELECT_WALLET: &[u8] = b"\x00\xA4\x00\x00\x02\x10\x01\x00";
/// READ BINARY, 32 bytes of the issuance file, which anyone may read.
pub(crate) const READ_32: &[u8] = b"\x00\xB0\x85\x00\x20";

/// Seed of every card: two with the same commands answer the same.
const SEED: u64 = 7;

/// A card with an open wallet of 1000 yuan, and the keys of the wallet.
pub(crate) fn wallet() -> (VirtualCard, WalletSetup) {
    let issuance = test_card::issuance(SERIAL.parse().unwrap(), Profile::CpuAes).unwrap();
    let setup = test_card::wallet(&issuance);
    let setup = WalletSetup { flag: EnableFlag::Open, balance: Fen(100_000), ..setup };
    let memory = test_card::student_memory_with(&issuance, &setup).unwrap();
    (VirtualCard::new(RamNvm::new(memory), Env::from_seed(SEED)).unwrap(), setup)
}

/// A copy of this card with the randomness it began with, powered.
pub(crate) fn fresh(card: &VirtualCard) -> VirtualCard {
    let mut card = card.fork(Env::from_seed(SEED));
    card.power_on().unwrap();
    card
}

/// Sends a command that must succeed.
pub(crate) fn ask(card: &mut VirtualCard, command: &[u8], response: &mut Vec<u8>) {
    card.transmit(command, response).unwrap();
    assert!(response.ends_with(&[0x90, 0x00]), "{command:02X?} {response:02X?}");
}

/// The time that so many turns of a script take, begun anew on a fresh card whenever it ends.
pub(crate) fn play<const N: usize>(
    card: &VirtualCard,
    select: &[u8],
    script: &[[Vec<u8>; N]],
    repeats: u64,
) -> Duration {
    let mut response = Vec::with_capacity(64);
    let mut taken = Duration::ZERO;
    let mut left = usize::try_from(repeats).unwrap();
    while left > 0 {
        let mut card = fresh(card);
        ask(&mut card, select, &mut response);
        let turns = left.min(script.len());
        let clock = Clock::start();
        for command in script.iter().take(turns).flatten() {
            card.transmit(command, &mut response).unwrap();
        }
        taken += clock.elapsed();
        assert!(response.ends_with(&[0x90, 0x00]));
        left -= turns;
    }
    taken
}

/// A card that does nothing but answer the same to everything.
pub(crate) struct NullCard(Vec<u8>);

impl NullCard {
    pub(crate) fn new() -> Self {
        Self(vec![0x90, 0x00])
    }
}

impl Slot for NullCard {
    fn atr(&self) -> &[u8] {
        &[0x3B, 0x80, 0x01, 0x81]
    }

    fn power_on(&mut self) {}

    fn power_off(&mut self) {}

    fn reset(&mut self) {}

    fn transmit(&mut self, _: &[u8], response: &mut Vec<u8>) -> Result<(), CardDied> {
        response.clear();
        response.extend_from_slice(&self.0);
        Ok(())
    }
}
