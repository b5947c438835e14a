//! The host's side of the wallet's security commands, under the test keys of the card.

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::wallet::lock::ApplicationLock;
use xuejika_card_model::wallet::{WalletKeys, WalletSetup};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::legacy::line::Protects;
use xuejika_keyscheme::legacy::{Challenge, PinUnblockKey, TdesKey};

use super::{Reply, ask, model, power_up, power_up_with, send, sw};

/// The PIN of a new card.
pub(crate) const PIN: [u8; 3] = [0x12, 0x34, 0x56];

pub(crate) const SELECT_MF: &str = "00 A4 00 00 02 3F 00";
pub(crate) const SELECT_WALLET: &str = "00 A4 00 00 02 10 01";

/// Randomness that is no surprise.
struct Recorded(Vec<u8>);

impl TryRng for Recorded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        to.iter_mut().zip(self.0.iter().cycle()).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

impl TryCryptoRng for Recorded {}

pub(crate) fn setup() -> WalletSetup {
    model::wallet(&model::issuance())
}

pub(crate) fn keys() -> WalletKeys {
    setup().keys
}

/// A card with this wallet, selected.
pub(crate) fn card_with(setup: &WalletSetup) -> VirtualCard {
    in_wallet(power_up(memory_with(setup)))
}

/// As [`card_with`]; its challenges are all the same.
pub(crate) fn recorded_card(setup: &WalletSetup, challenge: &[u8]) -> VirtualCard {
    let env = Env::with_rng(Recorded(challenge.to_vec()));
    in_wallet(power_up_with(memory_with(setup), env))
}

/// A new card with its wallet selected.
pub(crate) fn wallet_card() -> VirtualCard {
    card_with(&setup())
}

fn memory_with(setup: &WalletSetup) -> RamNvm {
    RamNvm::new(test_card::student_memory_with(&model::issuance(), setup).unwrap())
}

pub(crate) fn in_wallet(mut card: VirtualCard) -> VirtualCard {
    assert_eq!(ask(&mut card, SELECT_WALLET).sw, 0x9000);
    card
}

/// GET CHALLENGE, four bytes.
pub(crate) fn challenge<N: Nvm>(card: &mut VirtualCard<N>) -> Challenge {
    let reply = ask(card, "00 84 00 00 04");
    assert_eq!(reply.sw, 0x9000);
    <[u8; 4]>::try_from(reply.data).unwrap().into()
}

/// A command with this data, which may be enciphered, and its MAC.
pub(crate) fn protect<P: Protects>(
    key: &TdesKey<P>,
    challenge: &Challenge,
    header: [u8; 4],
    data: &[u8],
) -> Vec<u8> {
    let lc = u8::try_from(data.len() + 4).unwrap();
    let mut apdu = [&header[..], &[lc], data].concat();
    let mac: [u8; 4] = key.line_mac(challenge, &apdu).into();
    apdu.extend(mac);
    apdu
}

/// Takes a challenge and sends a command of the operator.
pub(crate) fn operate(card: &mut VirtualCard, header: [u8; 4], data: &[u8]) -> Reply {
    let challenge = challenge(card);
    send(card, &protect(&keys().line, &challenge, header, data))
}

/// The same with a wrong MAC.
pub(crate) fn operate_wrongly(card: &mut VirtualCard, header: [u8; 4], data: &[u8]) -> Reply {
    let challenge = challenge(card);
    let mut apdu = protect(&keys().line, &challenge, header, data);
    *apdu.last_mut().unwrap() ^= 1;
    send(card, &apdu)
}

pub(crate) const BLOCK: [u8; 4] = [0x84, 0x1E, 0x00, 0x00];
pub(crate) const BLOCK_FOR_GOOD: [u8; 4] = [0x84, 0x1E, 0x00, 0x01];
pub(crate) const UNBLOCK: [u8; 4] = [0x84, 0x18, 0x00, 0x00];
pub(crate) const BLOCK_CARD: [u8; 4] = [0x84, 0x16, 0x00, 0x00];

/// EXTERNAL AUTHENTICATE with this answer.
pub(crate) fn authenticate_with(answer: [u8; 8]) -> Vec<u8> {
    [&[0x00, 0x82, 0x00, 0x01, 0x08][..], &answer].concat()
}

/// Takes a challenge and answers it.
pub(crate) fn authenticate(card: &mut VirtualCard) -> Reply {
    let answer = keys().external.answer(&challenge(card));
    send(card, &authenticate_with(answer))
}

/// VERIFY.
pub(crate) fn verify<N: Nvm>(card: &mut VirtualCard<N>, pin: &[u8]) -> Reply {
    let lc = u8::try_from(pin.len()).unwrap();
    send(card, &[&[0x00, 0x20, 0x00, 0x01, lc][..], pin].concat())
}

/// RELOAD PIN with the MAC of this key, one bit of it flipped if `wrong`.
pub(crate) fn reload(card: &mut VirtualCard, pin: &[u8], wrong: bool) -> Reply {
    let mut mac: [u8; 4] = keys().pin_reload.pin_mac(pin).into();
    mac[0] ^= u8::from(wrong);
    let lc = u8::try_from(pin.len() + 4).unwrap();
    send(card, &[&[0x80, 0x5E, 0x00, 0x01, lc][..], pin, &mac].concat())
}

/// PIN UNBLOCK.
pub(crate) fn unblock_pin(
    card: &mut VirtualCard,
    key: &TdesKey<PinUnblockKey>,
    (p1, p2): (u8, u8),
    pin: &[u8],
) -> Reply {
    let challenge = challenge(card);
    let data = key.encrypt_data(pin).unwrap();
    send(card, &protect(key, &challenge, [0x84, 0x24, p1, p2], &data))
}

/// Makes the PIN blocked.
pub(crate) fn use_up_pin(card: &mut VirtualCard) {
    for left in [2, 1, 0] {
        assert_eq!(verify(card, &[0x00, 0x00]), sw(0x63C0 + left));
    }
    assert_eq!(verify(card, &PIN), sw(0x6983));
}

pub(crate) fn pin_tries(card: &VirtualCard) -> u8 {
    card.model().wallet_pin().unwrap().tries.left()
}

pub(crate) fn application_lock(card: &VirtualCard) -> ApplicationLock {
    card.model().wallet_lock().unwrap().application
}
