//! Fixed-length encodings put together from their fields.

/// The parts one behind the other. What they do not fill stays 00, what does not fit is left out.
///
/// Lengths known at compile time make this a few moves; a loop over bytes would not.
#[inline(always)]
#[must_use]
pub fn concat<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    let mut rest = out.as_mut_slice();
    for part in parts {
        let length = part.len().min(rest.len());
        let (to, later) = core::mem::take(&mut rest).split_at_mut(length);
        to.copy_from_slice(part.get(..length).unwrap_or(&[]));
        rest = later;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_one_behind_the_other() {
        assert_eq!(concat(&[b"ab", b"", b"c"]), *b"abc");
        assert_eq!(concat(&[b"ab"]), *b"ab\0\0");
        assert_eq!(concat(&[b"ab", b"cd", b"ef"]), *b"abc");
        assert_eq!(concat(&[]), [0; 2]);
    }
}
