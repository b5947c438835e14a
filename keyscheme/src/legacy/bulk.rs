//! Legacy: check values of the wallet keys of many cards at once.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); no fall-back between algorithms exists.
//!
//! A card key is two blocks under its root and its check value one block under itself, nine DES
//! passes and a key schedule. Here they run bitsliced, one card per lane: the derived bits are the
//! key of the next pass where they are, and a schedule costs nothing. Worth it from a handful of
//! cards; a single key takes [`card_key`](TdesKey::card_key). Unlike the single-block path this one
//! looks nothing up in tables and runs in constant time.

mod des;
mod sboxes;

use zeroize::Zeroize;

use super::check::{KEY_LEN, halves};
use super::diversify::FACTOR_LEN;
use super::key::{Root, TdesKey, WalletPurpose};
use crate::bulk::UnequalLengths;
use crate::bulk::lanes::{self, Job, Word};
use crate::kcv::{Kcv, KcvMethod};

impl<P: WalletPurpose> TdesKey<Root<P>> {
    /// The check value of the key of each card: what
    /// [`card_key`](Self::card_key)`(number).`[`kcv`](TdesKey::kcv)`()` gives for one.
    ///
    /// # Errors
    /// Returns [`UnequalLengths`] when the slices differ in length.
    pub fn card_kcvs(
        &self,
        numbers: &[[u8; FACTOR_LEN]],
        out: &mut [Kcv],
    ) -> Result<(), UnequalLengths> {
        card_kcvs(self.expose(), numbers, out)
    }
}

/// The check values of the keys of these cards under any root.
pub(super) fn card_kcvs(
    root: &[u8; KEY_LEN],
    numbers: &[[u8; FACTOR_LEN]],
    out: &mut [Kcv],
) -> Result<(), UnequalLengths> {
    UnequalLengths::check(numbers.len(), out.len())?;
    lanes::run(CheckValues { root, numbers, out });
    Ok(())
}

struct CheckValues<'a> {
    root: &'a [u8; KEY_LEN],
    numbers: &'a [[u8; FACTOR_LEN]],
    out: &'a mut [Kcv],
}

impl Job for CheckValues<'_> {
    #[inline(always)]
    fn run<W: Word>(self) {
        let schedule = des::schedule();
        let (left, right) = halves(self.root);
        let mut root = [left, right].map(|half| lanes::splat::<W>(u64::from_be_bytes(half)));
        let outputs = self.out.chunks_mut(W::LANES);
        for (numbers, out) in self.numbers.chunks(W::LANES).zip(outputs) {
            let numbers = numbers.iter().map(|number| u64::from_be_bytes(*number));
            let factors: des::Bits<W> = lanes::load(numbers);
            let mut key = [factors; 2];
            let [_, complement] = &mut key;
            complement.iter_mut().for_each(|word| *word = !*word);
            for half in &mut key {
                *half = des::encrypt(&schedule, &root, half);
            }
            let values = des::encrypt(&schedule, &key, &[W::ZERO; 64]);
            key.zeroize();

            let mut out = out.iter_mut();
            lanes::store(values, |value| {
                if let Some(out) = out.next() {
                    let [a, b, c, ..] = value.to_be_bytes();
                    *out = Kcv::new(KcvMethod::ZeroBlock, [a, b, c]);
                }
            });
        }
        root.zeroize();
    }
}

#[cfg(test)]
mod tests;
