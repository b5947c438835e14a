//! The one map from errors to status words.

use xuejika_apdu::StatusWord;
use xuejika_apdu::chain::ChainError;
use xuejika_apdu::command::ParseError;
use xuejika_apdu::sm::SmError;
use xuejika_apdu::tlv::TlvError;
use xuejika_card_model::CardError;
use xuejika_card_model::card::Denied;
use xuejika_card_model::nvm::NvmError;
use xuejika_card_model::psam::PsamError;
use xuejika_card_model::sam::SamError;
use xuejika_card_model::wallet::WalletError;
use xuejika_keyscheme::InvalidLength;
use xuejika_keyscheme::slots::InvalidSlots;

/// Why a command was refused, by the rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are no command APDU.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The class byte is not defined or not offered.
    #[error("class not supported")]
    Class,
    /// Another logical channel than 0.
    #[error("logical channels are not offered")]
    Channel,
    /// A form of secure messaging that is not offered, or a command that does not take it.
    #[error("secure messaging is not offered here")]
    SecureMessaging,
    /// Chaining together with secure messaging.
    #[error("chaining is not offered under secure messaging")]
    Chaining,
    /// A broken chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A protected command outside a session.
    #[error("no secure-messaging session")]
    NoSession,
    /// A protected command that does not verify.
    #[error(transparent)]
    Sm(#[from] SmError),
    /// The instruction is not defined for this class.
    #[error("instruction not supported")]
    Instruction,
    /// P1 or P2 has an undefined value.
    #[error("undefined P1 or P2")]
    P1P2,
    /// Lc or Le is absent, present or has another value than the command needs.
    #[error("wrong Lc or Le")]
    Length,
    /// Le is wrong; this many bytes can be had.
    #[error("wrong Le, {0} is right")]
    ExactLength(usize),
    /// The command data is malformed.
    #[error("malformed command data")]
    Data,
    /// There is no such file.
    #[error("file not found")]
    FileNotFound,
    /// No elementary file is selected.
    #[error("no current elementary file")]
    NoCurrentEf,
    /// The command needs a secure-messaging session.
    #[error("a session is needed")]
    SessionNeeded,
    /// The command comes out of order.
    #[error("out of order")]
    OutOfOrder,
    /// There is no such key, version or algorithm.
    #[error("no such key")]
    KeyNotFound,
    /// The peer has not proved itself.
    #[error("authentication failed")]
    AuthenticationFailed,
    /// The command before was no GET CHALLENGE.
    #[error("no challenge")]
    NoChallenge,
    /// The wallet is blocked; its FCI is answered all the same.
    #[error("the selected wallet is blocked")]
    WalletBlocked,
    /// The card is blocked for good.
    #[error("the card is blocked")]
    CardBlocked,
    /// The PSAM refused.
    #[error(transparent)]
    Psam(PsamError),
    /// The SAM refused.
    #[error(transparent)]
    Sam(SamError),
    /// The card model refused.
    #[error(transparent)]
    Card(#[from] CardError),
}

impl Refusal {
    /// What the card answers.
    #[must_use]
    pub fn status(&self) -> StatusWord {
        use StatusWord as Sw;
        match self {
            Self::Parse(_) | Self::Length | Self::Chain(ChainError::TooLong { .. }) => {
                Sw::WRONG_LENGTH
            }
            Self::Class => Sw::CLASS_NOT_SUPPORTED,
            Self::Channel => Sw::CHANNEL_NOT_SUPPORTED,
            Self::SecureMessaging => Sw::SECURE_MESSAGING_NOT_SUPPORTED,
            Self::Chaining => Sw::CHAINING_NOT_SUPPORTED,
            Self::Chain(_) => Sw::LAST_OF_CHAIN_EXPECTED,
            Self::Sm(SmError::Missing) => Sw::SM_OBJECT_MISSING,
            Self::OutOfOrder | Self::Sm(SmError::OutOfTurn) => Sw::CONDITIONS_OF_USE,
            Self::NoSession | Self::Sm(_) => Sw::SM_OBJECT_INCORRECT,
            Self::Instruction => Sw::INSTRUCTION_NOT_SUPPORTED,
            Self::P1P2 => Sw::WRONG_P1_P2,
            Self::ExactLength(length) => Sw::exact_length(*length),
            Self::Data => Sw::WRONG_DATA,
            Self::FileNotFound => Sw::FILE_NOT_FOUND,
            Self::NoCurrentEf => Sw::NO_CURRENT_EF,
            Self::SessionNeeded => Sw::SECURITY_STATUS,
            Self::KeyNotFound => Sw::REFERENCE_NOT_FOUND,
            Self::AuthenticationFailed => Sw::AUTHENTICATION_FAILED,
            Self::NoChallenge => Sw::REFERENCE_DATA_NOT_USABLE,
            Self::WalletBlocked | Self::CardBlocked => Sw::FUNCTION_NOT_SUPPORTED,
            Self::Psam(error) => psam_status(error),
            Self::Sam(error) => sam_status(error),
            Self::Card(error) => card_status(error),
        }
    }

    /// Whether the data of the answer goes out all the same.
    #[must_use]
    pub const fn keeps_data(&self) -> bool {
        matches!(self, Self::WalletBlocked | Self::Sam(SamError::Expired(_)))
    }

    /// Whether the card cannot answer at all, because power or its memory is gone.
    #[must_use]
    pub const fn is_mute(&self) -> Option<NvmError> {
        match self {
            Self::Card(CardError::Nvm(error @ (NvmError::PowerLost | NvmError::Storage))) => {
                Some(*error)
            }
            _ => None,
        }
    }
}

fn card_status(error: &CardError) -> StatusWord {
    use StatusWord as Sw;
    match error {
        CardError::Denied(Denied::Security) | CardError::ForeignUnit => Sw::SECURITY_STATUS,
        CardError::Denied(Denied::State) | CardError::Event(_) | CardError::Condition(_) => {
            Sw::CONDITIONS_OF_USE
        }
        CardError::Structure => Sw::INCOMPATIBLE_FILE,
        CardError::RecordNotFound => Sw::RECORD_NOT_FOUND,
        CardError::Offset => Sw::WRONG_OFFSET,
        CardError::Outside => Sw::WRONG_LENGTH,
        CardError::KeyNotFound => Sw::REFERENCE_NOT_FOUND,
        CardError::ForeignSerial
        | CardError::EventData
        | CardError::Untimely(_)
        | CardError::KeyCheck
        | CardError::Records(_) => Sw::WRONG_DATA,
        CardError::Corrupt | CardError::Key(_) => Sw::EXECUTION_ERROR,
        CardError::Wallet(error) => wallet_status(*error),
        _ => Sw::MEMORY_FAILURE,
    }
}

fn psam_status(error: &PsamError) -> StatusWord {
    use StatusWord as Sw;
    match error {
        PsamError::Length => Sw::WRONG_LENGTH,
        PsamError::TransactionType(_) => Sw::WRONG_DATA,
        PsamError::KeyUse(_) => Sw::SECURITY_STATUS,
        PsamError::KeyNotFound => Sw::PURSE_KEY_NOT_FOUND,
        PsamError::Exhausted => Sw::PURSE_COUNTER,
        PsamError::Mac2 => Sw::PURSE_MAC_WRONG,
        PsamError::Locked => Sw::PURSE_BLOCKED,
        PsamError::NoPurchase => Sw::PURSE_STATE,
        PsamError::NoWorkingKey => Sw::CONDITIONS_OF_USE,
        PsamError::Card(error) => card_status(error),
        _ => Sw::EXECUTION_ERROR,
    }
}

fn sam_status(error: &SamError) -> StatusWord {
    use StatusWord as Sw;
    match error {
        SamError::Locked | SamError::Confidential => Sw::SECURITY_STATUS,
        SamError::NotPermitted(_) | SamError::Authorisation(_) => Sw::REFERENCE_DATA_NOT_USABLE,
        SamError::NoVersion(_) => Sw::REFERENCE_NOT_FOUND,
        SamError::NotGenuine | SamError::ForeignGrant => Sw::AUTHENTICATION_FAILED,
        SamError::NoSector | SamError::ClockWentBack => Sw::WRONG_DATA,
        SamError::NoSession => Sw::CONDITIONS_OF_USE,
        SamError::Unreadable => Sw::FILE_NOT_FOUND,
        SamError::OtherUnit => Sw::FUNCTION_NOT_SUPPORTED,
        SamError::Expired(_) => Sw::FILE_INVALIDATED,
        SamError::Card(error) => card_status(error),
        _ => Sw::EXECUTION_ERROR,
    }
}

impl From<SamError> for Refusal {
    /// A failure of the memory stays one, whoever met it.
    fn from(error: SamError) -> Self {
        match error {
            SamError::Card(error) => Self::Card(error),
            error => Self::Sam(error),
        }
    }
}

impl From<PsamError> for Refusal {
    /// A failure of the memory stays one, whoever met it.
    fn from(error: PsamError) -> Self {
        match error {
            PsamError::Card(error) => Self::Card(error),
            error => Self::Psam(error),
        }
    }
}

fn wallet_status(error: WalletError) -> StatusWord {
    use StatusWord as Sw;
    match error {
        WalletError::Absent => Sw::FUNCTION_NOT_SUPPORTED,
        WalletError::KeyNotFound => Sw::PURSE_KEY_NOT_FOUND,
        WalletError::KeyBlocked => Sw::METHOD_BLOCKED,
        WalletError::Code => Sw::PURSE_MAC_WRONG,
        WalletError::NotEnabled(_)
        | WalletError::Flag(..)
        | WalletError::NotEmpty
        | WalletError::Ceiling
        | WalletError::NotBlocked
        | WalletError::TemporarilyBlocked => Sw::CONDITIONS_OF_USE,
        WalletError::FlagValue(_)
        | WalletError::RecordData
        | WalletError::Cryptogram
        | WalletError::PinForm => Sw::WRONG_DATA,
        WalletError::State => Sw::PURSE_STATE,
        WalletError::Funds => Sw::PURSE_FUNDS,
        WalletError::Counter => Sw::PURSE_COUNTER,
        WalletError::NoProof => Sw::PURSE_NO_PROOF,
        WalletError::FileNotFound => Sw::FILE_NOT_FOUND,
        WalletError::RecordLength => Sw::RECORD_TOO_LONG,
        WalletError::Access => Sw::SECURITY_STATUS,
        WalletError::Answer => Sw::AUTHENTICATION_FAILED,
        WalletError::Wrong(left) => Sw::tries_left(left),
        WalletError::LineMac => Sw::SM_OBJECT_INCORRECT,
        WalletError::DataLength => Sw::WRONG_LENGTH,
        WalletError::Blocked => Sw::PURSE_BLOCKED,
        // What is stored cannot be read.
        _ => Sw::EXECUTION_ERROR,
    }
}

impl From<WalletError> for Refusal {
    fn from(error: WalletError) -> Self {
        Self::Card(error.into())
    }
}

impl From<TlvError> for Refusal {
    fn from(_: TlvError) -> Self {
        Self::Data
    }
}

impl From<InvalidLength> for Refusal {
    fn from(_: InvalidLength) -> Self {
        Self::Length
    }
}

impl From<InvalidSlots> for Refusal {
    fn from(error: InvalidSlots) -> Self {
        Self::Card(error.into())
    }
}
