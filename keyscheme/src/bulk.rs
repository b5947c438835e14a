//! Check values of the keys of many cards at once, for whoever checks a batch of cards against its
//! roots. The results are those of one card at a time; only the order of work differs.
//!
//! ```
//! use xuejika_keyscheme::auth::CardId;
//! use xuejika_keyscheme::kcv::{Kcv, KcvMethod};
//! use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};
//!
//! let algorithm = Algorithm::Aes128;
//! let id = KeyId {
//!     zone: Zone::EDUCATION,
//!     number: KeyNumber::READ,
//!     version: KeyVersion::FIRST,
//!     algorithm,
//! };
//! let root = test_keys::root(&id);
//! let cards = [CardId([1; 8]), CardId([2; 8]), CardId([3; 8])];
//! let mut values = [Kcv::new(KcvMethod::Cmac(algorithm), [0; 3]); 3];
//! root.card_kcvs(&id, &cards, &mut values)?;
//! assert_eq!(values[1], root.card(&id, cards[1]).kcv());
//! # Ok::<(), xuejika_keyscheme::bulk::UnequalLengths>(())
//! ```
//!
//! AES goes block by block through groups wide enough for the processor's instructions. SM4, like
//! the [wallet's TDES](crate::legacy::bulk), is bitsliced: one card per lane, no table, constant
//! time. Nothing here starts a thread; callers cut the cards into parts.

mod aes;
pub(crate) mod lanes;
mod sm4;
#[cfg(test)]
mod tests;
#[cfg(any(test, all(feature = "simd", target_arch = "x86_64")))]
pub(crate) mod wide;

use cipher::BlockCipherEncrypt;
use cipher::consts::U16;
use zeroize::Zeroize;

use crate::algorithm::{Algorithm, BLOCK_LEN};
use crate::auth::CardId;
use crate::cmac::Cmac;
use crate::diversify::{MESSAGE_LEN, Step};
use crate::kcv::Kcv;
use crate::key::{District, Key, KeyId, Purpose, Root, School};

/// The caller's buffer does not fit the cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cards} cards with room for {places} check values, expected as many")]
pub struct UnequalLengths {
    /// How many cards there are.
    pub cards: usize,
    /// How many check values fit.
    pub places: usize,
}

impl UnequalLengths {
    pub(crate) fn check(cards: usize, places: usize) -> Result<(), Self> {
        if cards == places { Ok(()) } else { Err(Self { cards, places }) }
    }
}

macro_rules! card_kcvs {
    ($($level:ident)*) => {$(
        impl Key<$level> {
            /// The check value of the key of each card: what [`card`](Self::card)`(id,
            /// card).`[`kcv`](Self::kcv)`()` gives for one.
            ///
            /// # Errors
            /// Returns [`UnequalLengths`] when the slices differ in length.
            pub fn card_kcvs(
                &self,
                id: &KeyId,
                cards: &[CardId],
                out: &mut [Kcv],
            ) -> Result<(), UnequalLengths> {
                fill(self, id, cards, out)
            }
        }
    )*};
}

card_kcvs!(Root District School);

fn fill<P: Purpose>(
    key: &Key<P>,
    id: &KeyId,
    cards: &[CardId],
    out: &mut [Kcv],
) -> Result<(), UnequalLengths> {
    UnequalLengths::check(cards.len(), out.len())?;
    match key.algorithm() {
        Algorithm::Aes128 => aes::fill(key, id, cards, out),
        Algorithm::Sm4 => sm4::fill(key, id, cards, out),
    }
    Ok(())
}

/// What [`Step::Card`] puts through the cipher: two blocks, of which only the first names the card.
struct Inputs {
    /// The message of the card with serial zero.
    message: [u8; MESSAGE_LEN],
    /// The second block with the padding and the subkey of CMAC.
    last: [u8; BLOCK_LEN],
}

impl Inputs {
    fn new<C: BlockCipherEncrypt<BlockSize = U16>>(mac: &Cmac<C>, id: &KeyId) -> Self {
        let message = Step::Card(CardId([0; 8])).message(id);
        let (_, rest) = message.split_at(BLOCK_LEN);
        Self { message, last: mac.last_block(rest).into() }
    }

    /// The first block: counter, serial, what is the same for all.
    fn first(&self, CardId([a, b, c, d, e, f, g, h]): CardId) -> [u8; BLOCK_LEN] {
        let [counter, _, _, _, _, _, _, _, _, i, j, k, l, m, n, o, ..] = self.message;
        [counter, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o]
    }
}

impl Drop for Inputs {
    fn drop(&mut self) {
        self.last.zeroize();
    }
}
