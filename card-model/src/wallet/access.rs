//! The FMCOS security state and the access conditions over it.
//!
//! Two registers of four bits: one of the MF, one of the current DF. VERIFY and EXTERNAL
//! AUTHENTICATE set them to the next state of the PIN or key; they are volatile.

/// The security state registers, 0 to 15 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityState {
    mf: u8,
    df: u8,
}

impl SecurityState {
    /// After a reset.
    pub const START: Self = Self { mf: 0, df: 0 };

    /// The registers after SELECT of the MF (`in_master`) or of another DF.
    #[must_use]
    pub const fn selected(self, in_master: bool) -> Self {
        Self { mf: self.mf, df: if in_master { self.mf } else { 0 } }
    }

    /// The registers after an authentication in the MF (`in_master`) or in another DF.
    #[must_use]
    pub const fn authenticated(self, next: u8, in_master: bool) -> Self {
        let next = next & 0x0F;
        Self { mf: if in_master { next } else { self.mf }, df: next }
    }

    /// The registers after a purse transaction: what was verified for it is used up.
    #[must_use]
    pub const fn used_up(self) -> Self {
        Self { mf: self.mf, df: 0 }
    }

    /// The register of the MF.
    #[must_use]
    pub const fn mf(self) -> u8 {
        self.mf
    }

    /// The register of the current DF.
    #[must_use]
    pub const fn df(self) -> u8 {
        self.df
    }
}

/// An access condition XY of FMCOS: the DF's register from Y to X, or with X = F the MF's register
/// from Y on; never when X < Y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(pub u8);

impl Access {
    /// Always.
    pub const FREE: Self = Self(0xF0);
    /// After the PIN or a stronger authentication in the wallet.
    pub const AUTHENTICATED: Self = Self(0xE1);

    /// Whether the state satisfies the condition.
    #[must_use]
    pub const fn allows(self, state: SecurityState) -> bool {
        let (high, low) = (self.0 >> 4, self.0 & 0x0F);
        match high {
            0x0F => state.mf >= low,
            _ => low <= state.df && state.df <= high,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_compare_registers() {
        let start = SecurityState::START;
        for (mf, df) in (0..16).flat_map(|mf| (0..16).map(move |df| (mf, df))) {
            let state = start.authenticated(mf, true).authenticated(df, false);
            assert_eq!((state.mf(), state.df()), (mf, df));
            for byte in 0..=0xFF_u8 {
                let (x, y) = (byte >> 4, byte & 0x0F);
                let expected = if x == 15 { mf >= y } else { y <= df && df <= x };
                assert_eq!(Access(byte).allows(state), expected, "{byte:02X} {mf} {df}");
            }
            assert_eq!(state.selected(true).df(), mf);
            assert_eq!(state.selected(false).df(), 0);
            assert_eq!((state.used_up().mf(), state.used_up().df()), (mf, 0));
        }
        assert!(Access::FREE.allows(start));
        assert!(!Access::AUTHENTICATED.allows(start));
    }
}
