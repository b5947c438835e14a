//! Where root keys come from: `test`, a key file, or a token.

use anyhow::anyhow;
use clap::Args;
use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::key::{Kek, Key};
use xuejika_keyscheme::keyblock::ProtectionKey;
use xuejika_keyscheme::legacy::{InvalidWalletRoot, WalletKeyType, WalletRoots};
use xuejika_keyscheme::provider::{KeyProvider, ProviderError, TestRoots};
use xuejika_reader::channel::key_file::{self, KeyFile, KeyFileError, Protection};
use xuejika_reader::channel::label;
#[cfg(feature = "hsm")]
use xuejika_reader::channel::token::{Token, TokenError, TokenUri};

use super::secret::SecretArg;
use crate::exit::{Code, Failure, Outcome, say};
use crate::keys;

/// What every PKCS#11 URI starts with.
pub(crate) const TOKEN: &str = "pkcs11:";

/// Root keys.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Root keys: `test`, a key file, a key block, or a pkcs11: URI (feature hsm).
    #[arg(long, value_name = "SOURCE")]
    pub(crate) keys: String,
    /// Key that opens the key blocks in a key file.
    #[arg(long, value_name = "SECRET")]
    pub(crate) kbpk: Option<SecretArg>,
    /// Key that opens the envelopes in a key file.
    #[arg(long, value_name = "SECRET")]
    pub(crate) kek: Option<SecretArg>,
}

/// Root keys, by default the published ones.
#[derive(Debug, Args)]
pub(crate) struct DefaultSourceArgs {
    /// Root keys: `test` for the published ones, a key file, a key block, or a pkcs11: URI (feature
    /// hsm). Those of the wallet come from a key file with [[wallet-root]] tables.
    #[arg(long, value_name = "SOURCE", default_value = "test")]
    keys: String,
    /// Key that opens the key blocks in a key file.
    #[arg(long, value_name = "SECRET")]
    kbpk: Option<SecretArg>,
    /// Key that opens the envelopes in a key file.
    #[arg(long, value_name = "SECRET")]
    kek: Option<SecretArg>,
}

impl DefaultSourceArgs {
    /// Opens the source and says on stderr where its keys live.
    pub(crate) fn open(&self) -> Outcome<Source> {
        let Self { keys, kbpk, kek } = self;
        let args = SourceArgs { keys: keys.clone(), kbpk: kbpk.clone(), kek: kek.clone() };
        Source::open(&args)
    }
}

/// An open source of root keys.
pub(crate) enum Source {
    /// The published roots.
    Test,
    /// Roots from a file.
    File(KeyFile),
    /// Roots in a token.
    #[cfg(feature = "hsm")]
    Token(Token),
}

impl Source {
    /// Opens the source and says on stderr where its keys live.
    pub(crate) fn open(args: &SourceArgs) -> Outcome<Self> {
        let source = match args.keys.as_str() {
            "test" => Self::Test,
            uri if uri.starts_with(TOKEN) => open_token(uri)?,
            path => Self::File(key_file::open(path.as_ref(), &protection(args)?)?),
        };
        say(format_args!("xuejika: {}", source.provider().custody()));
        Ok(source)
    }

    /// The source as a provider.
    pub(crate) fn provider(&self) -> &dyn KeyProvider {
        match self {
            Self::Test => &TestRoots,
            Self::File(keys) => &keys.roots,
            #[cfg(feature = "hsm")]
            Self::Token(token) => token,
        }
    }

    /// The names of all its roots; none where every name has one.
    pub(crate) fn ids(&self) -> Vec<KeyId> {
        match self {
            Self::Test => Vec::new(),
            Self::File(keys) => keys.roots.ids().copied().collect(),
            #[cfg(feature = "hsm")]
            Self::Token(token) => token.ids(),
        }
    }

    /// The roots of the wallet that it has; a token has none.
    pub(crate) fn wallet(&self) -> WalletRoots {
        match self {
            Self::Test => WalletRoots::test(),
            Self::File(keys) => keys.wallet.clone(),
            #[cfg(feature = "hsm")]
            Self::Token(_) => WalletRoots::new(),
        }
    }

    /// Says on stderr when a root is a published one.
    pub(crate) fn announce(&self, id: &KeyId) -> Outcome<bool> {
        let published = self.provider().is_test_key(id)?;
        if published {
            keys::announce();
        }
        Ok(published)
    }
}

/// The name of a root: `DF01-01-01-01`, with or without `xjk-` in front.
pub(crate) fn key_id(text: &str) -> Result<KeyId, String> {
    let upper = text.to_ascii_uppercase();
    let fields = upper.strip_prefix("XJK-").unwrap_or(&upper);
    label::parse(&format!("{}{fields}", label::PREFIX)).ok_or_else(|| {
        "expected zone, number, version and algorithm in hexadecimal, as DF01-01-01-01".to_owned()
    })
}

/// An FMCOS type of wallet keys: two hexadecimal digits.
pub(crate) fn wallet_type(text: &str) -> Result<WalletKeyType, String> {
    let code = u8::from_str_radix(text, 16).ok();
    code.and_then(WalletKeyType::new).ok_or_else(|| {
        let known: Vec<_> =
            WalletKeyType::all().map(|known| format!("{:02X}", known.code())).collect();
        format!("expected an FMCOS type of wallet keys: {}", known.join(" "))
    })
}

/// Reads a protection key of key blocks.
pub(crate) fn protection_key(secret: &SecretArg) -> Outcome<ProtectionKey> {
    let key = secret.key("key block protection key", None)?;
    ProtectionKey::new(key).map_err(Failure::usage)
}

/// Reads a key-encryption key.
pub(crate) fn kek(secret: &SecretArg) -> Outcome<Key<Kek>> {
    let key = secret.key("key-encryption key", None)?;
    let wrong = || anyhow!("a key-encryption key is of aes-128 or sm4, not of {}", key.kind());
    key.to_key().ok_or_else(|| Failure::usage(wrong()))
}

fn protection(args: &SourceArgs) -> Outcome<Protection> {
    Ok(Protection {
        kbpk: args.kbpk.as_ref().map(protection_key).transpose()?,
        kek: args.kek.as_ref().map(kek).transpose()?,
    })
}

#[cfg(feature = "hsm")]
fn open_token(uri: &str) -> Outcome<Source> {
    token(uri).map(Source::Token)
}

/// Opens a token and says on stderr which of its roots are not used, and which may do too much.
#[cfg(feature = "hsm")]
pub(crate) fn token(uri: &str) -> Outcome<Token> {
    let token = quiet_token(uri)?;
    for fault in token.faults() {
        say(format_args!("xuejika: WARNING: not used: {fault}"));
    }
    for (id, misuse) in token.misuses() {
        say(format_args!("xuejika: WARNING: root {}: {misuse}", label::emit(&id)));
    }
    Ok(token)
}

/// Opens a token; without `pin-source` in the URI its PIN is asked for.
#[cfg(feature = "hsm")]
pub(crate) fn quiet_token(uri: &str) -> Outcome<Token> {
    use xuejika_reader::channel::token::UriError;

    let uri: TokenUri = uri.parse().map_err(|error: UriError| {
        let code = if error == UriError::PinValue { Code::Unsafe } else { Code::Usage };
        Failure::Because(code, anyhow!(error))
    })?;
    let pin = match &uri.pin {
        Some(source) => super::secret::text_from(source)?,
        None => super::secret::prompt("PIN of the token")?,
    };
    Ok(Token::open(&uri, pin.trim_end_matches(['\r', '\n']))?)
}

#[cfg(not(feature = "hsm"))]
fn open_token(_uri: &str) -> Outcome<Source> {
    Err(no_hsm())
}

/// What a program without PKCS#11 says.
#[cfg(not(feature = "hsm"))]
pub(crate) fn no_hsm() -> Failure {
    Failure::usage(anyhow!("this program was built without PKCS#11; build it with --features hsm"))
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        let code = if error.is_refusal() { Code::Unsafe } else { Code::Usage };
        Self::Because(code, error.into())
    }
}

impl From<InvalidWalletRoot> for Failure {
    fn from(error: InvalidWalletRoot) -> Self {
        let code = match error {
            InvalidWalletRoot::Weak { .. } => Code::Unsafe,
            _ => Code::Usage,
        };
        Self::Because(code, error.into())
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        let code = match error {
            ProviderError::NoRoot(_) | ProviderError::Unfit(_) => Code::Usage,
            ProviderError::Refused(_) => Code::Unsafe,
            _ => Code::Device,
        };
        Self::Because(code, error.into())
    }
}

#[cfg(feature = "hsm")]
impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let code = match error {
            _ if error.is_refusal() => Code::Unsafe,
            _ if error.is_unfit() => Code::Usage,
            TokenError::WrongPin { .. } => Code::Usage,
            _ => Code::Device,
        };
        Self::Because(code, error.into())
    }
}
