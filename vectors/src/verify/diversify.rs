//! One diversification step of AN10922.

use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::diversify;

use super::cipher::AnyCipher;
use super::outcome::{Check, Problem, expect};
use crate::vector::Fields;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    if entry.text("alg")? != "AES-128" {
        return Err(Problem::NotSupported("AN10922 for keys other than AES-128"));
    }
    if entry.has("div_constants") && entry.hex_list("div_constants")? != [[0x01]] {
        return Err(entry.error("div_constants", "01, the constant of AES-128").into());
    }
    let input = entry.hex("div_input_m")?;
    let AnyCipher::Aes128(cipher) = AnyCipher::new("AES", &entry.hex("master_key")?)? else {
        return Err(entry.error("master_key", "16 bytes").into());
    };
    match diversify::an10922(&Cmac::new(cipher), &input) {
        Ok(key) => expect(entry, "diversified_key", &key),
        Err(_) => Err(Problem::NotSupported("AN10922 with an input below 16 bytes")),
    }
}
