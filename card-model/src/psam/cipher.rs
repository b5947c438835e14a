//! The working key that DELIVERY KEY derives and CIPHER DATA uses.

use alloc::vec::Vec;

use xuejika_keyscheme::legacy::mac::{BLOCK_LEN, Padding};
use xuejika_keyscheme::legacy::proof::CODE_LEN;
use xuejika_keyscheme::legacy::{DesMac, InternalEncryptKey, TdesKey};
use zeroize::Zeroizing;

use super::PsamError;
use super::key::KeyKind;

/// Most bytes under one MAC, initial value included (project-defined).
pub const MAC_MESSAGE_LIMIT: usize = 1024;

/// Which part of a message comes to be MAC'd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacPart {
    /// All of it: initial value (8) ‖ padded message.
    Whole,
    /// Its beginning: initial value (8) ‖ blocks.
    First,
    /// More blocks.
    Next,
    /// The last blocks, padded.
    Last,
}

/// A key derived for one card. It lives until the next one or a reset.
pub(super) struct WorkingKey {
    kind: KeyKind,
    key: TdesKey<InternalEncryptKey>,
    /// Initial value and blocks of a MAC that has begun.
    message: Zeroizing<Vec<u8>>,
}

impl WorkingKey {
    pub(super) fn new(kind: KeyKind, key: TdesKey<InternalEncryptKey>) -> Self {
        Self { kind, key, message: Zeroizing::new(Vec::new()) }
    }

    /// Encrypts whole blocks in place (ECB).
    pub(super) fn encrypt(&self, data: &mut [u8]) -> Result<(), PsamError> {
        if !self.kind.encrypts() {
            return Err(PsamError::KeyUse(self.kind.code()));
        }
        if data.is_empty() {
            return Err(PsamError::Length);
        }
        self.key.encrypt(data).map_err(|_| PsamError::Length)
    }

    /// Takes a part of a message; with the end of it gives the retail MAC, left four bytes. Any
    /// refusal forgets the message.
    pub(super) fn mac(
        &mut self,
        part: MacPart,
        data: &[u8],
    ) -> Result<Option<[u8; CODE_LEN]>, PsamError> {
        let mut message = core::mem::take(&mut self.message);
        if !self.kind.makes_macs() {
            return Err(PsamError::KeyUse(self.kind.code()));
        }
        match part {
            MacPart::Whole | MacPart::First => message.clear(),
            MacPart::Next | MacPart::Last if message.is_empty() => {
                return Err(PsamError::NoWorkingKey);
            }
            MacPart::Next | MacPart::Last => {}
        }
        if data.is_empty()
            || !data.len().is_multiple_of(BLOCK_LEN)
            || message.len() + data.len() > MAC_MESSAGE_LIMIT
        {
            return Err(PsamError::Length);
        }
        message.extend_from_slice(data);
        match (part, message.split_first_chunk()) {
            (MacPart::Whole | MacPart::Last, Some((iv, blocks @ [_, ..]))) => {
                let mac = DesMac::retail(self.key.expose());
                let [a, b, c, d, ..] = mac.tag(*iv, Padding::Zeros, blocks);
                Ok(Some([a, b, c, d]))
            }
            (MacPart::Whole | MacPart::Last, _) => Err(PsamError::Length),
            (MacPart::First | MacPart::Next, _) => {
                self.message = message;
                Ok(None)
            }
        }
    }
}

impl core::fmt::Debug for WorkingKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "WorkingKey({})", self.kind.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;
    use xuejika_keyscheme::legacy::{Challenge, LineKey};

    fn key(kind: KeyKind, bytes: [u8; 16]) -> WorkingKey {
        WorkingKey::new(kind, TdesKey::import_reporting(bytes).0)
    }

    proptest! {
        /// The MAC of a padded message is the line MAC a card checks, however it is cut into parts.
        #[test]
        fn mac_is_the_line_mac(
            bytes: [u8; 16],
            random: [u8; 4],
            message in prop::collection::vec(any::<u8>(), 1..200),
            cut in 1_usize..20,
        ) {
            let line = TdesKey::<LineKey>::import_reporting(bytes).0;
            let challenge = Challenge::from(random);
            let expected: [u8; 4] = line.line_mac(&challenge, &message).into();
            let mut data = challenge.block().to_vec();
            data.extend(&message);
            data.push(0x80);
            data.resize(data.len().next_multiple_of(8), 0);
            let mut key = key(KeyKind::Maintenance, bytes);
            prop_assert_eq!(key.mac(MacPart::Whole, &data), Ok(Some(expected)));

            let mut parts = data.chunks(8 * cut).peekable();
            let mut part = MacPart::First;
            while let Some(chunk) = parts.next() {
                if parts.peek().is_none() && part != MacPart::First {
                    prop_assert_eq!(key.mac(MacPart::Last, chunk), Ok(Some(expected)));
                } else {
                    prop_assert_eq!(key.mac(part, chunk), Ok(None));
                }
                part = MacPart::Next;
            }
        }
    }

    #[test]
    fn a_kind_of_key_does_only_what_it_is_for() {
        for kind in KeyKind::ALL {
            let mut key = key(kind, [7; 16]);
            assert_eq!(key.encrypt(&mut [0; 8]).is_ok(), kind.encrypts());
            assert_eq!(key.mac(MacPart::Whole, &[0; 16]).is_ok(), kind.makes_macs());
        }
    }

    #[test]
    fn broken_blocks_and_parts_out_of_order_are_refused() {
        let mut key = key(KeyKind::MacAndEncryption, [7; 16]);
        for len in [0, 1, 7, 9] {
            assert_eq!(key.encrypt(&mut vec![0; len]), Err(PsamError::Length));
            assert_eq!(key.mac(MacPart::First, &vec![0; len]), Err(PsamError::Length));
        }
        assert_eq!(key.mac(MacPart::Whole, &[0; 8]), Err(PsamError::Length));
        assert_eq!(key.mac(MacPart::Last, &[0; 8]), Err(PsamError::NoWorkingKey));
        assert_eq!(key.mac(MacPart::First, &[0; MAC_MESSAGE_LIMIT]), Ok(None));
        assert_eq!(key.mac(MacPart::Next, &[0; 8]), Err(PsamError::Length));
        assert_eq!(key.mac(MacPart::Next, &[0; 8]), Err(PsamError::NoWorkingKey));
    }
}
