//! SP 800-108 key derivation in counter mode with CMAC as the pseudo-random function.

use cipher::consts::U16;
use cipher::{Block, BlockCipherEncrypt};

use crate::algorithm::BLOCK_LEN;
use crate::bytes::concat;
use crate::cmac::Cmac;

/// Fills `out` from `before ‖ counter ‖ after` (SP 800-108r1 §4.1).
///
/// The counter starts at 1 and is `counter_len` bytes wide, 1 to 4. With an empty `before` it stands
/// in front of the fixed input, with an empty `after` behind it.
pub fn counter_mode<C: BlockCipherEncrypt>(
    prf: &Cmac<C>,
    before: &[u8],
    counter_len: usize,
    after: &[u8],
    out: &mut [u8],
) {
    for (counter, chunk) in (1_u32..).zip(out.chunks_mut(C::block_size())) {
        let counter = counter.to_be_bytes();
        let start = counter.len().saturating_sub(counter_len);
        let counter = counter.get(start..).unwrap_or(&[]);
        let block = prf.start().with(before).with(counter).with(after).finish();
        chunk.iter_mut().zip(&block).for_each(|(to, from)| *to = *from);
    }
}

/// Length of the label in front of the derivation constant.
pub const LABEL_LEN: usize = 11;

/// Derives with the block layout of GlobalPlatform SCP03 (Amendment D §4.1.5):
/// `label (11) ‖ constant ‖ 00 ‖ length in bits (2) ‖ counter (1) ‖ context`.
///
/// SCP03 itself uses a label of zeros. `out` holds at most 32 bytes there; longer outputs count on.
pub fn scp03<C: BlockCipherEncrypt>(
    prf: &Cmac<C>,
    label: &[u8; LABEL_LEN],
    constant: u8,
    context: &[u8],
    out: &mut [u8],
) {
    counter_mode(prf, &fixed_input(label, constant, out.len()), 1, context, out);
}

/// The SCP03 derivations of one block each with these constants, side by side. What stands in front
/// of the context is one block of a 16-byte cipher.
pub(crate) fn scp03_blocks<C: BlockCipherEncrypt<BlockSize = U16>, const N: usize>(
    prf: &Cmac<C>,
    label: &[u8; LABEL_LEN],
    constants: [u8; N],
    context: &[u8],
) -> [Block<C>; N] {
    let first =
        |constant| -> [u8; BLOCK_LEN] { concat(&[&fixed_input(label, constant, BLOCK_LEN), &[1]]) };
    prf.tags(constants.map(|constant| first(constant).into()), context)
}

/// What stands in front of the counter: label ‖ constant ‖ 00 ‖ length in bits.
fn fixed_input(label: &[u8; LABEL_LEN], constant: u8, out_len: usize) -> [u8; LABEL_LEN + 4] {
    let bits = u16::try_from(out_len * 8).unwrap_or(u16::MAX).to_be_bytes();
    concat(&[label, &[constant, 0], &bits])
}
