//! SP 800-108 counter mode with CMAC.

use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::kdf;

use super::cipher::AnyCipher;
use super::outcome::{Check, Problem, expect};
use crate::vector::Fields;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    let cipher = AnyCipher::new(entry.text("prf")?, &entry.hex("ki")?)?;
    let (before, after) = fixed_input(entry)?;
    let counter_len = bytes(entry, "rlen_bits")?;
    let mut out = vec![0; entry.hex("ko")?.len()];
    if out.len() != bytes(entry, "L_bits")? {
        return Err(entry.error("L_bits", "the length of ko").into());
    }
    with_cipher!(cipher, cipher => {
        kdf::counter_mode(&Cmac::new(cipher), &before, counter_len, &after, &mut out);
    });
    expect(entry, "ko", &out)
}

/// What stands before and behind the counter.
fn fixed_input(entry: &Fields<'_>) -> Result<(Vec<u8>, Vec<u8>), Problem> {
    match entry.text("ctr_location")? {
        "BEFORE_FIXED" => Ok((Vec::new(), entry.hex("fixed_input")?)),
        "AFTER_FIXED" => Ok((entry.hex("fixed_input")?, Vec::new())),
        "MIDDLE_FIXED" => Ok((entry.hex("data_before_ctr")?, entry.hex("data_after_ctr")?)),
        _ => Err(entry.error("ctr_location", "BEFORE_FIXED, MIDDLE_FIXED or AFTER_FIXED").into()),
    }
}

fn bytes(entry: &Fields<'_>, field: &str) -> Result<usize, Problem> {
    match entry.count(field)? {
        bits if bits.is_multiple_of(8) => Ok(bits / 8),
        _ => Err(entry.error(field, "a whole number of bytes").into()),
    }
}
