//! 256 lanes in one word, for processors with vectors of that width.

use core::ops::{BitAnd, BitOr, BitXor, BitXorAssign, Not, Shl, Shr};

use zeroize::DefaultIsZeroes;

use super::lanes::{BITS, Word};

/// 256 lanes. Aligned as one vector, because half of all accesses would touch two cache lines.
#[derive(Clone, Copy, Default)]
#[repr(align(32))]
pub(crate) struct Wide([u64; 4]);

impl DefaultIsZeroes for Wide {}

impl Word for Wide {
    const ZERO: Self = Self([0; 4]);
    const LANES: usize = 4 * BITS;

    #[inline(always)]
    fn repeat(group: u64) -> Self {
        Self([group; 4])
    }

    #[inline(always)]
    fn groups(&mut self) -> &mut [u64] {
        &mut self.0
    }
}

macro_rules! gates {
    ($($gate:ident $function:ident $operator:tt)*) => {$(
        impl $gate for Wide {
            type Output = Self;
            #[inline(always)]
            fn $function(mut self, other: Self) -> Self {
                self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a $operator b);
                self
            }
        }
    )*};
}

gates!(BitAnd bitand &= BitOr bitor |= BitXor bitxor ^=);

impl BitXorAssign for Wide {
    #[inline(always)]
    fn bitxor_assign(&mut self, other: Self) {
        *self = *self ^ other;
    }
}

impl Not for Wide {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        self ^ Self([u64::MAX; 4])
    }
}

impl Shl<usize> for Wide {
    type Output = Self;
    #[inline(always)]
    fn shl(mut self, by: usize) -> Self {
        self.0.iter_mut().for_each(|group| *group <<= by);
        self
    }
}

impl Shr<usize> for Wide {
    type Output = Self;
    #[inline(always)]
    fn shr(mut self, by: usize) -> Self {
        self.0.iter_mut().for_each(|group| *group >>= by);
        self
    }
}
