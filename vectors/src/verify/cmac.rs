//! CMAC tags, whole or cut on the right.

use xuejika_keyscheme::cmac::Cmac;

use super::cipher::AnyCipher;
use super::outcome::{Check, Problem, expect_if_any, expect_prefix};
use crate::vector::Fields;

/// GB/T 15852.1-2020 numbers its algorithms; this one is CMAC.
const GBT_CMAC: &str = "MAC algorithm 5";

pub(super) fn check(entry: &Fields<'_>) -> Check {
    let algorithm = entry.text("alg")?;
    if algorithm.contains("MAC algorithm") && !algorithm.ends_with(GBT_CMAC) {
        return Err(Problem::NotSupported("block cipher MACs other than CMAC"));
    }
    // GB/T names the cipher apart from the MAC.
    let cipher = if entry.has("cipher") { entry.text("cipher")? } else { algorithm };
    let cipher = AnyCipher::new(cipher, &entry.hex("key")?)?;
    let message = entry.hex("msg")?;
    let tag = with_cipher!(cipher, cipher => Cmac::new(cipher).tag(&message).to_vec());
    expect_prefix(entry, "tag", &tag)?;
    expect_if_any(entry, "full_tag", &tag)
}
