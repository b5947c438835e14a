//! The opening of an SCP03 session: keys, cryptograms and card challenge, all from the block layout
//! that the project's own key derivation shares; then the commands sent in it.

mod session;

use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::kdf::{self, LABEL_LEN};

use super::cipher::AnyCipher;
use super::outcome::{Check, Problem, expect};
use crate::vector::Fields;

/// SCP03 has zeros where the project has its label.
const LABEL: [u8; LABEL_LEN] = [0; LABEL_LEN];

/// Derivation constants (GlobalPlatform Amendment D §4.1.5).
mod constant {
    pub(super) const CARD_CRYPTOGRAM: u8 = 0x00;
    pub(super) const HOST_CRYPTOGRAM: u8 = 0x01;
    pub(super) const CARD_CHALLENGE: u8 = 0x02;
    pub(super) const S_ENC: u8 = 0x04;
    pub(super) const S_MAC: u8 = 0x06;
    pub(super) const S_RMAC: u8 = 0x07;
}

pub(super) fn check(entry: &Fields<'_>) -> Check {
    if entry.text_or_empty("protocol")? != "SCP03" {
        return Err(Problem::NotSupported("secure channels other than SCP03"));
    }
    derivations(entry).map_err(Problem::in_any_case)?;
    initialize_update(entry)?;
    let chain = external_authenticate(entry)?;
    session::commands(entry, chain, token_len(entry)?)
}

/// Everything derived, from the values the entry gives by name.
fn derivations(entry: &Fields<'_>) -> Check {
    let (enc, mac, session_mac) =
        (entry.hex("key_enc")?, entry.hex("key_mac")?, entry.hex("s_mac")?);
    let context = [entry.hex("host_challenge")?, entry.hex("card_challenge")?].concat();
    for (field, key, constant, len) in [
        ("s_enc", &enc, constant::S_ENC, enc.len()),
        ("s_mac", &mac, constant::S_MAC, mac.len()),
        ("s_rmac", &mac, constant::S_RMAC, mac.len()),
        ("card_cryptogram", &session_mac, constant::CARD_CRYPTOGRAM, token_len(entry)?),
        ("host_cryptogram", &session_mac, constant::HOST_CRYPTOGRAM, token_len(entry)?),
    ] {
        expect(entry, field, &derive(key, constant, &context, len)?)?;
    }
    card_challenge(entry, &enc)
}

/// A pseudo-random card challenge follows from the sequence counter and the AID.
fn card_challenge(entry: &Fields<'_>, enc: &[u8]) -> Check {
    let Some(aid) = entry.hex_if_any("pseudo_random_challenge_aid")? else {
        return Ok(());
    };
    let context = [entry.hex("sequence_counter")?, aid].concat();
    let computed = derive(enc, constant::CARD_CHALLENGE, &context, token_len(entry)?)?;
    let is_pseudo_random = entry.flag("pseudo_random_challenge_ok")?;
    match expect(entry, "card_challenge", &computed) {
        Err(Problem::Refused(_)) if !is_pseudo_random => Ok(()),
        Ok(()) if !is_pseudo_random => {
            Err(Problem::Wrong("card_challenge: is pseudo-random, the file says it is not".into()))
        }
        result => result,
    }
}

/// The answer to INITIALIZE UPDATE is made of the named values.
fn initialize_update(entry: &Fields<'_>) -> Check {
    let host_challenge = entry.hex("host_challenge")?;
    let key_version = entry.hex("key_version")?;
    let mut response = entry.hex("key_diversification_data")?;
    response.extend(key_version);
    response.push(0x03);
    for field in ["i", "card_challenge", "card_cryptogram", "sequence_counter"] {
        response.extend(entry.hex_if_any(field)?.unwrap_or_default());
    }
    expect(entry, "initialize_update_response", &response)?;
    let command = entry.hex("initialize_update_capdu")?;
    if command.get(5..).is_some_and(|data| data.starts_with(&host_challenge)) {
        return Ok(());
    }
    Err(Problem::Refused("initialize_update_capdu: lacks the host challenge".into()))
}

/// EXTERNAL AUTHENTICATE carries the host cryptogram and the first checksum of the session, which is
/// returned whole.
fn external_authenticate(entry: &Fields<'_>) -> Result<Vec<u8>, Problem> {
    let [level] = entry.array("security_level")?;
    let cryptogram = entry.hex("host_cryptogram")?;
    let length = u8::try_from(2 * cryptogram.len());
    let length = length.map_err(|_| entry.error("host_cryptogram", "8 or 16 bytes"))?;
    let mut command = vec![0x84, 0x82, level, 0x00, length];
    command.extend(&cryptogram);
    let chained = [&[0; 16][..], &command].concat();
    let cipher = AnyCipher::new("AES", &entry.hex("s_mac")?)?;
    let checksum = with_cipher!(cipher, cipher => Cmac::new(cipher).tag(&chained).to_vec());
    command.extend(checksum.iter().take(cryptogram.len()));
    expect(entry, "external_authenticate_capdu", &command)?;
    Ok(checksum)
}

/// Length of challenges, cryptograms and checksums: modes S8 and S16.
fn token_len(entry: &Fields<'_>) -> Result<usize, Problem> {
    match entry.text("mode")? {
        "S8" => Ok(8),
        "S16" => Ok(16),
        _ => Err(entry.error("mode", "S8 or S16").into()),
    }
}

fn derive(key: &[u8], constant: u8, context: &[u8], len: usize) -> Result<Vec<u8>, Problem> {
    let mut out = vec![0; len];
    with_cipher!(AnyCipher::new("AES", key)?, cipher => {
        kdf::scp03(&Cmac::new(cipher), &LABEL, constant, context, &mut out);
    });
    Ok(out)
}
