//! The enable flag, first byte of the application control file (EF 05): whether the guardian has the
//! wallet in use. The operator changes it on the guardian's request (操作规程 四/七). The values 00 and
//! 01 are those public clients know; 02, 03 and the transitions are project-defined.

/// Whether the wallet is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EnableFlag {
    /// Never opened (未开通). The first load opens it.
    NotOpened = 0x00,
    /// In use (已启用).
    Open = 0x01,
    /// Stopped (停用): no purchase and no load; the rest can be paid out.
    Suspended = 0x02,
    /// Closed (已退): stopped, and the rest was paid out.
    Closed = 0x03,
}

impl EnableFlag {
    /// The flag with this code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0x00 => Some(Self::NotOpened),
            0x01 => Some(Self::Open),
            0x02 => Some(Self::Suspended),
            0x03 => Some(Self::Closed),
            _ => None,
        }
    }

    /// The byte in the file.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Plain English.
    #[must_use]
    pub const fn english(self) -> &'static str {
        match self {
            Self::NotOpened => "not opened",
            Self::Open => "open",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }

    /// Plain Chinese.
    #[must_use]
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::NotOpened => "未开通",
            Self::Open => "已启用",
            Self::Suspended => "停用",
            Self::Closed => "已退",
        }
    }

    /// Whether the operator may write `next` over this flag: open, stop, resume, refund, open again.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::NotOpened | Self::Closed, Self::Open)
            | (Self::Open, Self::Suspended)
            | (Self::Suspended, Self::Open | Self::Closed) => true,
            _ => self.code() == next.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EnableFlag::{Closed, NotOpened, Open, Suspended};

    #[test]
    fn flags_have_a_code_and_a_name_in_both_languages() {
        for (code, flag, english, chinese) in [
            (0, NotOpened, "not opened", "未开通"),
            (1, Open, "open", "已启用"),
            (2, Suspended, "suspended", "停用"),
            (3, Closed, "closed", "已退"),
        ] {
            assert_eq!((EnableFlag::from_code(code), flag.code()), (Some(flag), code));
            assert_eq!((flag.english(), flag.chinese()), (english, chinese));
        }
        assert!((4..=0xFF).all(|code| EnableFlag::from_code(code).is_none()));
    }

    #[test]
    fn a_flag_becomes_what_the_operator_may_make_of_it() {
        let all = [NotOpened, Open, Suspended, Closed];
        let allowed = all.map(|now| all.map(|next| now.may_become(next)));
        let (yes, no) = (true, false);
        assert_eq!(
            allowed,
            [[yes, yes, no, no], [no, yes, yes, no], [no, yes, yes, yes], [no, yes, no, yes]]
        );
    }
}
