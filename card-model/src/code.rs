//! Code tables of the pupil's data. One row of a table gives the byte on the card, the code as
//! people write it, the English and the Chinese name; both directions come from that row.
//!
//! Sources: GB/T 2261.1 (sex), the form guide of the national pupil record (document type, boarding
//! and entry), school record systems (reasons). Rows marked so are project-defined.

use alloc::string::String;

/// A text that names no row of a code table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not in the code table of {table}, expected {expected}")]
pub struct CodeError {
    /// Name of the table.
    pub table: &'static str,
    /// The codes that exist, with their names.
    pub expected: &'static str,
    /// The text given.
    pub text: String,
}

/// Writes an enum and its lookups from one table: byte, code text, English, Chinese.
macro_rules! codes {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($variant:ident = $code:literal, $text:literal, $english:literal, $chinese:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name {
            $(
                #[doc = concat!("Code ", $text, ": ", $english, " (", $chinese, ").")]
                $variant,
            )+
        }

        impl $name {
            /// Every row of the table, in code order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the row with this byte, if there is one.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Returns the byte on the card.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// Returns the code as people write it.
            #[must_use]
            pub const fn code_text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// Returns the English name.
            #[must_use]
            pub const fn english(self) -> &'static str {
                match self {
                    $(Self::$variant => $english,)+
                }
            }

            /// Returns the Chinese name.
            #[must_use]
            pub const fn chinese(self) -> &'static str {
                match self {
                    $(Self::$variant => $chinese,)+
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.english())
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::code::CodeError;

            /// Reads the code, the English or the Chinese name.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text | $english | $chinese => Ok(Self::$variant),)+
                    _ => Err($crate::code::CodeError {
                        table: stringify!($name),
                        expected: concat!(
                            $($text, " (", $english, ", ", $chinese, ") ",)+ "or one of these names"
                        ),
                        text: text.into(),
                    }),
                }
            }
        }
    };
}
pub(crate) use codes;

codes! {
    /// Sex (性别码), GB/T 2261.1; one binary byte.
    pub enum Sex {
        Unknown = 0, "0", "unknown", "未知";
        Male = 1, "1", "male", "男";
        Female = 2, "2", "female", "女";
        NotStated = 9, "9", "not stated", "未说明";
    }
}

codes! {
    /// Type of identity document (证件类型), national pupil record; one ASCII byte.
    pub enum IdType {
        ResidentIdCard = b'1', "1", "resident identity card", "居民身份证";
        HongKong = b'6', "6", "Hong Kong document", "香港特区护照/身份证明";
        Macao = b'7', "7", "Macao document", "澳门特区护照/身份证明";
        Taiwan = b'8', "8", "Taiwan travel permit", "台湾居民来往大陆通行证";
        PermanentResidence = b'9', "9", "permanent residence permit", "境外永久居住证";
        Passport = b'A', "A", "passport", "护照";
        Other = b'Z', "Z", "other", "其他";
    }
}

codes! {
    /// Way of attending (就读方式), national pupil record; one binary byte.
    pub enum Boarding {
        Day = 1, "1", "day pupil", "走读";
        Boarder = 2, "2", "boarder", "住校";
    }
}

codes! {
    /// Way of entry (入学方式), national pupil record; one BCD byte.
    pub enum Entry {
        Nearby = 0x11, "11", "nearby school", "就近入学";
        OtherCompulsory = 0x12, "12", "other, compulsory education", "其他(义务教育)";
        UnifiedExam = 0x21, "21", "unified examination", "统一招生考试";
        Sports = 0x22, "22", "sports admission", "体育特招";
        Arts = 0x23, "23", "arts admission", "艺术特招";
        Other = 0x99, "99", "other", "其他";
    }
}

codes! {
    /// Why a status changed or a pupil moved: changes of the school record (学籍异动) 11 to 33, and
    /// card reasons 51 to 57 (project-defined); one BCD byte.
    pub enum Reason {
        Enrolled = 0x11, "11", "enrolled", "招生";
        Resumed = 0x12, "12", "resumed", "复学";
        TransferredIn = 0x13, "13", "transferred in", "转入";
        Graduated = 0x21, "21", "graduated", "毕业";
        Completed = 0x22, "22", "completed without graduation", "结业";
        Suspended = 0x23, "23", "suspended", "休学";
        Withdrew = 0x24, "24", "withdrew", "退学";
        Expelled = 0x25, "25", "expelled", "开除";
        Died = 0x26, "26", "died", "死亡";
        TransferredOut = 0x27, "27", "transferred out", "转出";
        DroppedOut = 0x28, "28", "dropped out", "辍学";
        Promoted = 0x31, "31", "promoted", "升级";
        ClassChanged = 0x32, "32", "class changed", "转班";
        Repeating = 0x33, "33", "repeating a grade", "留级";
        LostAndFound = 0x51, "51", "lost and found", "失而复得";
        LeftSchool = 0x52, "52", "left school", "离校";
        Misuse = 0x53, "53", "misuse", "冒用";
        Fault = 0x54, "54", "fault", "故障";
        Replaced = 0x55, "55", "replaced", "已补卡";
        RecallOrder = 0x56, "56", "recall order", "回收通知";
        Clerical = 0x57, "57", "clerical correction", "登记更正";
    }
}

codes! {
    /// State of the school record (学籍状态); one binary byte (project-defined).
    pub enum EnrolmentState {
        InSchool = 0, "0", "in school", "在校";
        Suspended = 1, "1", "suspended", "休学";
        KeptElsewhere = 2, "2", "record kept while studying elsewhere", "保留学籍";
    }
}

codes! {
    /// Kind of school record (学籍类别), 暂行办法 二(一); two bits (project-defined).
    pub enum RecordType {
        Formal = 0, "0", "formal", "正式";
        Temporary = 1, "1", "temporary", "临时";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! check_table {
        ($name:ident, $rows:literal) => {
            assert_eq!($name::ALL.len(), $rows);
            assert!($name::ALL.is_sorted_by_key(|row| row.code()));
            assert_eq!((0..=u8::MAX).filter_map($name::from_code).count(), $rows);
            for row in $name::ALL {
                assert_eq!($name::from_code(row.code()), Some(*row));
                for text in [row.code_text(), row.english(), row.chinese()] {
                    assert_eq!(text.parse(), Ok(*row));
                }
            }
            assert!("".parse::<$name>().is_err());
        };
    }

    #[test]
    fn tables_invert() {
        check_table!(Sex, 4);
        check_table!(IdType, 7);
        check_table!(Boarding, 2);
        check_table!(Entry, 6);
        check_table!(Reason, 21);
        check_table!(EnrolmentState, 3);
        check_table!(RecordType, 2);
    }

    #[test]
    fn bcd_codes_read_as_written() {
        for row in Reason::ALL {
            assert_eq!(alloc::format!("{:02X}", row.code()), row.code_text());
        }
        for row in Entry::ALL {
            assert_eq!(alloc::format!("{:02X}", row.code()), row.code_text());
        }
    }

    #[test]
    fn unknown_text_names_the_table() {
        let error = "3".parse::<Sex>().unwrap_err();
        assert_eq!(
            alloc::string::ToString::to_string(&error),
            "\"3\" is not in the code table of Sex"
        );
    }
}
