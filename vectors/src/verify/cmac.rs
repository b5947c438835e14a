//! CMAC tags, whole or cut on the right.

use xuejika_keyscheme::cmac::Cmac;

use super::cipher::AnyCipher;
use super::outcome::{Check, expect_if_any, expect_prefix};
use crate::vector::Fields;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    let cipher = AnyCipher::new(entry.text("alg")?, &entry.hex("key")?)?;
    let message = entry.hex("msg")?;
    let tag = with_cipher!(cipher, cipher => Cmac::new(cipher).tag(&message).to_vec());
    expect_prefix(entry, "tag", &tag)?;
    expect_if_any(entry, "full_tag", &tag)
}
