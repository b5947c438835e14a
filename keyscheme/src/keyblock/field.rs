//! The coded fields of a key block header (ANSI X9.143:2021 §6.3, tables 2 to 6), as far as they
//! concern symmetric keys.
//!
//! One table per field serves both directions.

use alloc::string::ToString;
use core::fmt;

use super::error::{Field, FormatError};
use super::material::KeyKind;

macro_rules! coded {
    (
        $(#[$doc:meta])*
        $name:ident in $field:ident {
            $($(#[$variant_doc:meta])* $variant:ident = $code:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The characters in the header.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// The value with these characters.
            ///
            /// # Errors
            /// Returns [`FormatError::Unknown`] when there is none.
            pub fn from_code(code: &str) -> Result<Self, FormatError> {
                let known = Self::ALL.iter().find(|known| known.code() == code);
                known.copied().ok_or_else(|| FormatError::Unknown {
                    field: Field::$field,
                    value: code.to_string(),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}

coded! {
    /// Version of the key block: which cipher protects it and how (§6.2, table 1).
    BlockVersion in Version {
        /// TDES, keys as variants of the protection key (TR-31:2005); deprecated, read only.
        A = "A",
        /// TDES, keys derived from the protection key.
        B = "B",
        /// TDES, keys as variants of the protection key (TR-31:2010); deprecated, read only.
        C = "C",
        /// AES, keys derived from the protection key.
        D = "D",
    }
}

coded! {
    /// What the key is for (§6.3.1, table 2).
    Usage in Usage {
        /// Base derivation key of DUKPT.
        DukptBase = "B0",
        /// Initial key of DUKPT.
        DukptInitial = "B1",
        /// Base key of key variants; deprecated.
        VariantBase = "B2",
        /// Derivation key outside DUKPT: the roots of a card scheme.
        Derivation = "B3",
        /// Card verification.
        CardVerification = "C0",
        /// Data encryption.
        DataEncryption = "D0",
        /// Encryption of decimalisation tables.
        DecimalisationTable = "D2",
        /// Encryption of sensitive data.
        SensitiveData = "D3",
        /// EMV issuer master key: application cryptograms.
        EmvCryptogram = "E0",
        /// EMV issuer master key: confidentiality of secure messaging.
        EmvConfidentiality = "E1",
        /// EMV issuer master key: integrity of secure messaging.
        EmvIntegrity = "E2",
        /// EMV issuer master key: data authentication code.
        EmvDataAuthentication = "E3",
        /// EMV issuer master key: dynamic numbers.
        EmvDynamicNumber = "E4",
        /// EMV issuer master key: personalisation.
        EmvPersonalisation = "E5",
        /// EMV issuer master key: other.
        EmvOther = "E6",
        /// Initialisation vector.
        InitialVector = "I0",
        /// Key encryption.
        KeyEncryption = "K0",
        /// Protection key of key blocks.
        KeyBlockProtection = "K1",
        /// Protection key of ISO 20038 key blocks.
        Iso20038Protection = "K4",
        /// MAC of ISO 16609 with TDES.
        MacIso16609 = "M0",
        /// ISO/IEC 9797-1 MAC algorithm 1.
        Mac1 = "M1",
        /// ISO/IEC 9797-1 MAC algorithm 2.
        Mac2 = "M2",
        /// ISO/IEC 9797-1 MAC algorithm 3 (retail MAC).
        RetailMac = "M3",
        /// ISO/IEC 9797-1 MAC algorithm 4.
        Mac4 = "M4",
        /// ISO/IEC 9797-1:1999 MAC algorithm 5.
        Mac5 = "M5",
        /// ISO/IEC 9797-1:2011 MAC algorithm 5 (CMAC).
        Cmac = "M6",
        /// HMAC.
        Hmac = "M7",
        /// ISO/IEC 9797-1 MAC algorithm 6.
        Mac6 = "M8",
        /// PIN encryption.
        PinEncryption = "P0",
        /// PIN generation.
        PinGeneration = "P1",
        /// PIN verification, other.
        PinVerification = "V0",
        /// PIN verification, IBM 3624.
        PinVerificationIbm = "V1",
        /// PIN verification value of Visa.
        PinVerificationVisa = "V2",
        /// PIN verification, ANSI X9.132 algorithm 1.
        PinVerificationX9132A1 = "V3",
        /// PIN verification, ANSI X9.132 algorithm 2.
        PinVerificationX9132A2 = "V4",
        /// PIN verification, ANSI X9.132 algorithm 3.
        PinVerificationX9132A3 = "V5",
    }
}

coded! {
    /// Algorithm the key is for (§6.3.2, table 3). No letter is assigned to SM4.
    KeyAlgorithm in Algorithm {
        /// AES.
        Aes = "A",
        /// TDES.
        Tdes = "T",
    }
}

coded! {
    /// Operations the key may perform (§6.3.3, table 4).
    ModeOfUse in Mode {
        /// Encrypt and decrypt, wrap and unwrap.
        Both = "B",
        /// Generate and verify MACs.
        Mac = "C",
        /// Decrypt or unwrap only.
        Decrypt = "D",
        /// Encrypt or wrap only.
        Encrypt = "E",
        /// Generate MACs only.
        MacGenerate = "G",
        /// No restriction beyond the usage.
        Unrestricted = "N",
        /// Verify MACs only.
        MacVerify = "V",
        /// Derive other keys.
        Derive = "X",
        /// Create key variants.
        Variant = "Y",
    }
}

coded! {
    /// Whether the receiver may pass the key on (§6.3.5, table 6).
    Exportability in Exportability {
        /// In a key block under a trusted key.
        Trusted = "E",
        /// Not at all.
        NonExportable = "N",
        /// Also in forms other than a key block.
        Sensitive = "S",
    }
}

coded! {
    /// Whether the block is for storage or exchange (§6.2, table 1).
    KeyContext in Context {
        /// Either.
        Any = "0",
        /// Storage.
        Storage = "1",
        /// Exchange.
        Exchange = "2",
    }
}

impl KeyAlgorithm {
    /// The kinds of its keys, the longest one last. Single DES is not among them, although old
    /// equipment writes it under T.
    pub(super) const fn kinds(self) -> &'static [KeyKind] {
        match self {
            Self::Aes => &[KeyKind::Aes128, KeyKind::Aes192, KeyKind::Aes256],
            Self::Tdes => &[KeyKind::Tdes2, KeyKind::Tdes3],
        }
    }
}

/// The key version field (§6.3.4, table 5): two letters or digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VersionNumber([u8; 2]);

impl VersionNumber {
    /// `00`: key versions are not used.
    pub const UNUSED: Self = Self(*b"00");

    /// A version of two ASCII letters or digits.
    ///
    /// # Errors
    /// Returns [`FormatError::Unknown`] when it is anything else.
    pub fn new(code: &str) -> Result<Self, FormatError> {
        match *code.as_bytes() {
            [a, b] if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() => Ok(Self([a, b])),
            _ => Err(FormatError::Unknown { field: Field::VersionNumber, value: code.to_string() }),
        }
    }

    /// Number of the component, when the block holds a component of a key (`c` and its number).
    #[must_use]
    pub const fn component(self) -> Option<char> {
        match self.0 {
            [b'c', number] => Some(number as char),
            _ => None,
        }
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.0.map(char::from);
        write!(f, "{a}{b}")
    }
}
