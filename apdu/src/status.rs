//! Status words (ISO 7816-4:2020 §5.6), with plain words in English and Chinese.

use alloc::borrow::Cow;
use alloc::format;

/// SW1 SW2 as one number. Unknown values are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusWord(pub u16);

/// Language of a plain-words text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    English,
    /// Chinese (中文).
    Chinese,
}

/// What kind of outcome a status word announces (ISO 7816-4:2020 table 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// 9000 and 61xx: done.
    Normal,
    /// 62xx and 63xx: done, with a warning.
    Warning,
    /// 64xx to 66xx: execution failed.
    ExecutionError,
    /// 67xx to 6Fxx: the command was refused.
    CheckingError,
    /// Values defined by an application, such as the 93xx and 94xx of PBOC.
    Proprietary,
}

macro_rules! status_words {
    ($($name:ident = $value:literal, $english:literal, $chinese:literal;)*) => {
        impl StatusWord {
            $(
                #[doc = concat!($english, " (", $chinese, ").")]
                pub const $name: Self = Self($value);
            )*

            /// Every named status word.
            pub const NAMED: &[Self] = &[$(Self::$name,)*];

            /// The plain words of a named status word.
            const fn named(self) -> Option<(&'static str, &'static str)> {
                match self.0 {
                    $($value => Some(($english, $chinese)),)*
                    _ => None,
                }
            }
        }
    };
}

status_words! {
    SUCCESS = 0x9000, "success", "成功";
    FILE_INVALIDATED = 0x6283, "selected file deactivated", "选定的文件无效";
    AUTHENTICATION_FAILED = 0x6300, "authentication failed", "鉴别失败";
    EXECUTION_ERROR = 0x6400, "execution error, card unchanged", "执行出错，卡状态未变";
    MEMORY_FAILURE = 0x6581, "memory failure", "存储器故障";
    WRONG_LENGTH = 0x6700, "wrong length", "长度错误";
    CHANNEL_NOT_SUPPORTED = 0x6881, "logical channel not supported", "不支持逻辑通道";
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882, "secure messaging not supported", "不支持安全报文";
    LAST_OF_CHAIN_EXPECTED = 0x6883, "last command of the chain expected", "链未结束";
    CHAINING_NOT_SUPPORTED = 0x6884, "command chaining not supported", "不支持命令链";
    INCOMPATIBLE_FILE = 0x6981, "command incompatible with file structure", "命令与文件结构不相容";
    PURSE_STATE = 0x6901, "wrong transaction state", "交易状态错误";
    SECURITY_STATUS = 0x6982, "security status not satisfied", "不满足安全状态";
    METHOD_BLOCKED = 0x6983, "authentication method blocked", "认证方法锁定";
    REFERENCE_DATA_NOT_USABLE = 0x6984, "reference data not usable", "引用数据无效";
    CONDITIONS_OF_USE = 0x6985, "conditions of use not satisfied", "使用条件不满足";
    NO_CURRENT_EF = 0x6986, "no current EF", "没有选择当前文件";
    SM_OBJECT_MISSING = 0x6987, "secure-messaging data object missing", "缺少安全报文数据对象";
    SM_OBJECT_INCORRECT = 0x6988, "secure-messaging data object incorrect", "安全报文数据对象不正确";
    WRONG_DATA = 0x6A80, "wrong data", "数据域参数错误";
    FUNCTION_NOT_SUPPORTED = 0x6A81, "function not supported", "功能不支持";
    FILE_NOT_FOUND = 0x6A82, "file or application not found", "未找到文件或应用";
    RECORD_NOT_FOUND = 0x6A83, "record not found", "未找到记录";
    RECORD_TOO_LONG = 0x6A84, "not enough room in the record", "记录空间不足";
    WRONG_P1_P2 = 0x6A86, "wrong P1 P2", "P1 P2 参数错误";
    REFERENCE_NOT_FOUND = 0x6A88, "referenced data not found", "未找到引用数据";
    WRONG_OFFSET = 0x6B00, "offset outside the file", "偏移超出文件";
    INSTRUCTION_NOT_SUPPORTED = 0x6D00, "instruction not supported", "指令代码不支持";
    CLASS_NOT_SUPPORTED = 0x6E00, "class not supported", "命令类别不支持";
    UNKNOWN_ERROR = 0x6F00, "no precise diagnosis", "未知错误";
    PURSE_MAC_WRONG = 0x9302, "MAC wrong", "MAC 无效";
    PURSE_BLOCKED = 0x9303, "application blocked for good", "应用永久锁定";
    PURSE_FUNDS = 0x9401, "not enough money", "金额不足";
    PURSE_COUNTER = 0x9402, "transaction counter at its maximum", "交易计数器达到最大值";
    PURSE_KEY_NOT_FOUND = 0x9403, "key index not supported", "密钥索引不支持";
    PURSE_NO_PROOF = 0x9406, "no proof of this transaction", "所需MAC不可用";
}

impl StatusWord {
    /// 61xx: `remaining` more bytes wait for GET RESPONSE (00 stands for 256 or more).
    #[must_use]
    pub fn more_data(remaining: usize) -> Self {
        Self(0x6100 | u16::from(u8::try_from(remaining).unwrap_or(0)))
    }

    /// 6Cxx: wrong Le, `exact` is right (00 stands for 256).
    #[must_use]
    pub fn exact_length(exact: usize) -> Self {
        Self(0x6C00 | u16::from(u8::try_from(exact).unwrap_or(0)))
    }

    /// 63Cx: wrong, x tries left (at most 15).
    #[must_use]
    pub fn tries_left(left: u8) -> Self {
        Self(0x63C0 | u16::from(left.min(0x0F)))
    }

    /// SW1 SW2.
    #[must_use]
    pub const fn bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// Whether this is 9000.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 == Self::SUCCESS.0
    }

    /// The kind of outcome.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self.0 {
            0x9000 | 0x6100..=0x61FF => Outcome::Normal,
            0x6200..=0x63FF => Outcome::Warning,
            0x6400..=0x66FF => Outcome::ExecutionError,
            0x6700..=0x6FFF => Outcome::CheckingError,
            _ => Outcome::Proprietary,
        }
    }

    /// Says in plain words what the card said.
    #[must_use]
    pub fn text(self, language: Language) -> Cow<'static, str> {
        let [_, low] = self.bytes();
        let pick = |english, chinese| match language {
            Language::English => Cow::Borrowed(english),
            Language::Chinese => Cow::Borrowed(chinese),
        };
        if let Some((english, chinese)) = self.named() {
            return pick(english, chinese);
        }
        match (self.0, language) {
            (0x6100..=0x61FF, Language::English) => {
                format!("{} more bytes available", amount(low)).into()
            }
            (0x6100..=0x61FF, Language::Chinese) => format!("还有 {} 字节可取", amount(low)).into(),
            (0x6C00..=0x6CFF, Language::English) => {
                format!("wrong Le, {} is right", amount(low)).into()
            }
            (0x6C00..=0x6CFF, Language::Chinese) => format!("Le 错误，应为 {}", amount(low)).into(),
            (0x63C0..=0x63CF, Language::English) => {
                format!("wrong, {} tries left", low & 0x0F).into()
            }
            (0x63C0..=0x63CF, Language::Chinese) => {
                format!("验证失败，还可尝试 {} 次", low & 0x0F).into()
            }
            _ => match self.outcome() {
                Outcome::Normal => pick("success", "成功"),
                Outcome::Warning => pick("warning", "警告"),
                Outcome::ExecutionError => pick("execution error", "执行错误"),
                Outcome::CheckingError => pick("command refused", "命令被拒绝"),
                Outcome::Proprietary => pick("application-defined status", "应用自定义状态"),
            },
        }
    }
}

/// xx of 61xx and 6Cxx as a number of bytes.
fn amount(low: u8) -> u16 {
    if low == 0 { 256 } else { low.into() }
}

impl core::fmt::Display for StatusWord {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl core::fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{self} ({})", self.text(Language::English))
    }
}
