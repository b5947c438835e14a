//! Sketch of reader firmware: the crates without a standard library or an operating system.
//!
//! A firmware written in C links this static library and calls it through C functions. It brings
//! the radio ([`Transceive`]); `runtime.rs` brings the heap and the panic handler.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_card_model::date::Date;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::verdict::Verdict;
use xuejika_keyscheme::algorithm::{Aes128, BLOCK_LEN, cipher::KeyInit};
use xuejika_keyscheme::auth::{CardChallenge, CardId, ReaderId, respond};
use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Mismatch, Zone, test_keys};
use xuejika_reader::{Locked, sam::SoftSam};

mod runtime;

/// SELECT of the education zone by its name (ISO 7816-4:2020 §11.2.2; the name is project-defined).
const SELECT_EDUCATION: &[u8] = b"\x00\xA4\x04\x00\x07\xF0BJEDU\x01\x00";

/// Longest response APDU with a short Le, in bytes.
const MAX_RESPONSE: usize = 256 + 2;

/// Sends a command APDU to the card in the field, writes its response and returns the response's
/// length in bytes, or a negative number when the card left.
pub type Transceive =
    extern "C" fn(command: *const u8, length: usize, response: *mut u8, capacity: usize) -> isize;

/// Resets the card in the field; `true` when it is back.
pub type Reset = extern "C" fn() -> bool;

/// Power-up self-test: a published CMAC, then a handshake with itself. Firmware that gets `false`
/// must not start.
#[unsafe(no_mangle)]
pub extern "C" fn xuejika_self_test() -> bool {
    check_cmac().and_then(|()| check_handshake()).is_ok()
}

/// Selects the education zone of the card in the field and returns its status word, or 0 when no
/// card answered.
#[unsafe(no_mangle)]
pub extern "C" fn xuejika_select_education(transceive: Transceive, reset: Reset) -> u16 {
    let mut field = Field { transceive, reset };
    let mut response = Vec::new();
    match field.transmit(SELECT_EDUCATION, &mut response) {
        Ok(()) => response.last_chunk().map_or(0, |status| u16::from_be_bytes(*status)),
        Err(_) => 0,
    }
}

/// Fills `length` bytes with true randomness.
pub type Random = extern "C" fn(bytes: *mut u8, length: usize);

/// A whole venue decision: unlock by the management card, read the student card, judge it.
///
/// `today` is BCD YYYYMMDD. Returns 0 when the card is accepted, 1 when it is refused, 2 when the
/// reader stays locked and 3 when the card cannot be read. Under published TEST keys.
#[unsafe(no_mangle)]
pub extern "C" fn xuejika_judge(
    management: Transceive,
    student: Transceive,
    reset: Reset,
    random: Random,
    today: u32,
) -> u8 {
    let (Ok(today), Ok(valid_until), Ok(unit), Ok(number)) = (
        Date::from_bytes(today.to_be_bytes()),
        Date::new(2038, 8, 31),
        "084012".parse(),
        "000042".parse(),
    ) else {
        return 2;
    };
    let serial = SamSerial { unit, number };
    let sam = SoftSam::test(Algorithm::Aes128, serial, valid_until, Noise(random));
    let mut field = Field { transceive: management, reset };
    let Ok(mut reader) = Locked::new(sam).unlock(&mut field, today) else { return 2 };
    let field = Field { transceive: student, reset };
    match reader.connect(field, today).and_then(|mut card| card.read()) {
        Ok(contents) => u8::from(!matches!(contents.verdict(today), Verdict::Accept { .. })),
        Err(_) => 3,
    }
}

/// The firmware's source of randomness.
struct Noise(Random);

impl TryRng for Noise {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        (self.0)(bytes.as_mut_ptr(), bytes.len());
        Ok(())
    }
}

impl TryCryptoRng for Noise {}

/// RFC 4493 §4, example 2.
fn check_cmac() -> Result<(), Mismatch> {
    const KEY: [u8; BLOCK_LEN] = 0x2B7E_1516_28AE_D2A6_ABF7_1588_09CF_4F3C_u128.to_be_bytes();
    const MESSAGE: [u8; BLOCK_LEN] = 0x6BC1_BEE2_2E40_9F96_E93D_7E11_7393_172A_u128.to_be_bytes();
    const TAG: [u8; BLOCK_LEN] = 0x070A_16B4_6B4D_4144_F79B_DD9D_D04A_287C_u128.to_be_bytes();
    Cmac::new(Aes128::new(&KEY.into())).start().with(&MESSAGE).verify(&TAG)
}

/// Both halves of a mutual authentication under the published TEST key of the read access.
fn check_handshake() -> Result<(), Mismatch> {
    let id = KeyId {
        zone: Zone::EDUCATION,
        number: KeyNumber::READ,
        version: KeyVersion::FIRST,
        algorithm: Algorithm::Aes128,
    };
    let card = CardId([0; 8]);
    let key = test_keys::root(&id).card(&id, card);
    let challenge = CardChallenge::new(id, card, [0xA0; 16]);
    let (request, awaiting) =
        respond(&key, id, card, ReaderId([0; 8]), challenge.nonce(), [0xC0; 16]);
    let (answer, session) = challenge.verify(&key, &request)?;
    if awaiting.verify(&answer)? == session.keys { Ok(()) } else { Err(Mismatch) }
}

/// The card in the field of the firmware's radio.
struct Field {
    transceive: Transceive,
    reset: Reset,
}

impl CardChannel for Field {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        response.clear();
        response.resize(MAX_RESPONSE, 0);
        let length = (self.transceive)(
            command.as_ptr(),
            command.len(),
            response.as_mut_ptr(),
            response.len(),
        );
        let length = usize::try_from(length).map_err(|_| ChannelError::Removed)?;
        if length > MAX_RESPONSE {
            return Err(ChannelError::Malformed(alloc::format!("{length} bytes")));
        }
        response.truncate(length);
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        // A contactless card has no ATR of its own; the radio's driver keeps what it answered.
        if (self.reset)() { Ok(Vec::new()) } else { Err(ChannelError::Removed) }
    }
}
