//! SP 800-108 key derivation in counter mode with CMAC as the pseudo-random function.

use cipher::BlockCipherEncrypt;

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
    let bits = u16::try_from(out.len() * 8).unwrap_or(u16::MAX).to_be_bytes();
    let mut before = [0; LABEL_LEN + 4];
    let fixed = label.iter().chain([&constant, &0]).chain(&bits);
    before.iter_mut().zip(fixed).for_each(|(to, from)| *to = *from);
    counter_mode(prf, &before, 1, context, out);
}
