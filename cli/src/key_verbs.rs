//! `keys`: making, splitting, wrapping and checking root keys. What comes out are check values; a
//! secret leaves only into a new file of mode 0600, a descriptor or a token.

mod block;
mod ceremony;
mod secret;
mod show;
pub(crate) mod source;
#[cfg(feature = "hsm")]
mod token;

use core::fmt;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;
use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::ceremony::MAX_COMPONENTS;
use xuejika_keyscheme::kcv::Kcv;
use xuejika_keyscheme::legacy::WalletKeyType;
use xuejika_reader::channel::secret::SecretSource;

use crate::exit::{Code, Outcome, say};
use crate::output::Output;
use secret::Kind;
pub(crate) use secret::SecretArg;
use source::{SourceArgs, TOKEN, key_id, wallet_type};

const SECRETS: &str = "\
Secrets (SECRET) come from
  FILE    a file of mode 0600 that belongs to you
  fd:N    a descriptor that you opened; - is fd:0
  prompt  the terminal, without echo
and never from the command line or the environment. The text is the key in hexadecimal, before it
its kind if it is not AES, and on a second line kcv and its check value:
  sm4 00112233445566778899AABBCCDDEEFF
  kcv cmac-sm4:012345
A component has two lines more, its place and the check value of the whole key:
  component 1 of 3
  key cmac-sm4:678900
Weak keys are refused: bytes that repeat, weak DES keys, one DES key twice.

Keys (OUT) go to a new FILE of mode 0600, to fd:N (- is fd:1), a pipe or such a file, and where it
says so to a pkcs11: URI.";

/// `keys`.
#[derive(Debug, Subcommand)]
#[command(after_help = SECRETS)]
pub(crate) enum KeysCommand {
    /// Make a random key, in a file or inside a token.
    #[command(after_help = SECRETS)]
    Generate(GenerateArgs),
    /// Show check values.
    #[command(after_help = SECRETS)]
    Kcv(KcvArgs),
    /// Derive the key of one card and show its check value.
    #[command(after_help = SECRETS)]
    Derive(DeriveArgs),
    /// Split a key into components, one per custodian.
    #[command(after_help = SECRETS)]
    Split(SplitArgs),
    /// Combine the components of a key.
    #[command(after_help = SECRETS)]
    Combine(CombineArgs),
    /// Put a key into an X9.143 key block, or a root into an envelope.
    #[command(after_help = SECRETS)]
    Wrap(WrapArgs),
    /// Check a key block and take the key out.
    #[command(after_help = SECRETS)]
    Unwrap(UnwrapArgs),
    /// List or remove the roots in a PKCS#11 token.
    #[cfg(feature = "hsm")]
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Show what a key block says, or whose roots a key file holds, without any key.
    Inspect {
        /// The key block or key file, or fd:N; `-` for stdin.
        #[arg(value_name = "FILE")]
        block: SecretSource,
    },
}

/// `keys generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Kind of the key.
    #[arg(long, value_enum, default_value = "aes-128")]
    kind: Kind,
    #[command(flatten)]
    to: DestinationArgs,
}

/// Where a key goes.
#[derive(Debug, Args)]
pub(crate) struct DestinationArgs {
    /// New file, fd:N, or pkcs11: URI of a token.
    #[arg(short, long, value_name = "OUT", value_parser = destination)]
    output: Destination,
    /// Name of the root in a token, as DF01-01-01-01: zone, number, version, algorithm.
    #[arg(long, value_name = "ID", value_parser = key_id)]
    key: Option<KeyId>,
}

/// `keys kcv`.
#[derive(Debug, Args)]
pub(crate) struct KcvArgs {
    /// A key.
    #[arg(value_name = "SECRET", conflicts_with_all = ["keys", "kbpk", "kek", "key", "wallet_type"])]
    secret: Option<SecretArg>,
    /// Kind of the key.
    #[arg(long, value_enum, requires = "secret")]
    kind: Option<Kind>,
    #[command(flatten)]
    source: Option<SourceArgs>,
    /// Root whose check value is wanted. By default all of the source.
    #[arg(long, value_name = "ID", value_parser = key_id, requires = "keys")]
    key: Vec<KeyId>,
    /// Wallet keys whose root's check value is wanted: an FMCOS type, as 3E.
    #[arg(long, value_name = "TT", value_parser = wallet_type, requires = "keys")]
    wallet_type: Vec<WalletKeyType>,
}

/// `keys derive`.
#[derive(Debug, Args)]
pub(crate) struct DeriveArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The root, as DF01-01-01-01: zone, number, version, algorithm.
    #[arg(long, value_name = "ID", value_parser = key_id)]
    key: KeyId,
    /// Serial of the card: 16 digits.
    #[arg(long, value_name = "S", value_parser = show::card)]
    card: xuejika_keyscheme::auth::CardId,
    /// District of a district's or a school's key: the first 4 digits of its 学籍号.
    #[arg(long, value_name = "DDDD", value_parser = show::district)]
    district: Option<[u8; 2]>,
    /// School of a school's key: its unit code, 6 digits.
    #[arg(long, value_parser = show::unit, requires = "district")]
    unit: Option<[u8; 3]>,
    /// New file or fd:N for the card's key.
    #[arg(short, long, value_name = "OUT", value_parser = place)]
    output: Option<SecretSource>,
}

/// `keys split`.
#[derive(Debug, Args)]
pub(crate) struct SplitArgs {
    /// The key.
    #[arg(value_name = "SECRET")]
    secret: SecretArg,
    /// Kind of the key.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Number of components.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    parts: u8,
    /// Start of the names of the new files: -1, -2, ... follow.
    #[arg(short, long, value_name = "NAME", value_parser = ceremony::start_of_names)]
    output: PathBuf,
}

/// `keys combine`.
#[derive(Debug, Args)]
pub(crate) struct CombineArgs {
    /// All components of the key, each with its check value.
    #[arg(value_name = "SECRET", required = true, num_args = 1..=MAX_COMPONENTS)]
    components: Vec<SecretArg>,
    /// Number of components, for those of other programs that say neither their place nor the check
    /// value of the key.
    #[arg(long, value_name = "N", requires = "kcv", value_parser = clap::value_parser!(u8).range(2..=16))]
    parts: Option<u8>,
    /// Kind of the key.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Check value that the key must have, as cmac-aes:xxxxxx or xxxxxx.
    #[arg(long, value_name = "KCV")]
    kcv: Option<String>,
    #[command(flatten)]
    to: DestinationArgs,
}

/// `keys wrap`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("name").args(["key", "wallet_type"]))]
pub(crate) struct WrapArgs {
    /// The key.
    #[arg(value_name = "SECRET")]
    secret: SecretArg,
    /// Kind of the key.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Protection key of the block: AES for version D, TDES for version B.
    #[arg(long, value_name = "SECRET", required_unless_present = "kek")]
    kbpk: Option<SecretArg>,
    /// Version that the block must have: D or B.
    #[arg(long, value_name = "V", value_parser = block::version, requires = "kbpk")]
    version: Option<xuejika_keyscheme::keyblock::BlockVersion>,
    /// Key of an envelope, for roots of any algorithm.
    #[arg(long, value_name = "SECRET", conflicts_with = "kbpk", requires = "name")]
    kek: Option<SecretArg>,
    /// Name of a root, as DF01-01-01-01. It is bound to the key.
    #[arg(long, value_name = "ID", value_parser = key_id, conflicts_with_all = ["usage", "mode"])]
    key: Option<KeyId>,
    /// Wallet keys whose root it is: an FMCOS type, as 3E. It is bound to the key, of kind tdes-2.
    #[arg(long, value_name = "TT", value_parser = wallet_type, requires = "kek", conflicts_with_all = ["kbpk", "usage", "mode"])]
    wallet_type: Option<WalletKeyType>,
    /// Usage of a key that is no root, as in X9.143.
    #[arg(long, value_name = "UU", default_value = "B3", value_parser = block::usage)]
    usage: xuejika_keyscheme::keyblock::Usage,
    /// Mode of use of a key that is no root, as in X9.143.
    #[arg(long, value_name = "M", default_value = "X", value_parser = block::mode)]
    mode: xuejika_keyscheme::keyblock::ModeOfUse,
    /// New file, or fd:N. By default standard output: the block is no secret.
    #[arg(short, long, value_name = "OUT", value_parser = place)]
    output: Option<SecretSource>,
}

/// `keys unwrap`.
#[derive(Debug, Args)]
pub(crate) struct UnwrapArgs {
    /// The key block: a file, or fd:N; `-` for stdin.
    #[arg(value_name = "FILE")]
    block: SecretSource,
    /// Its protection key.
    #[arg(long, value_name = "SECRET")]
    kbpk: SecretArg,
    /// Take the deprecated versions A and C as well.
    #[arg(long)]
    read_old: bool,
    /// New file or fd:N for the key, or pkcs11: URI of a token. By default the key is only checked.
    #[arg(short, long, value_name = "OUT", value_parser = destination)]
    output: Option<Destination>,
    /// Name of the root in a token. By default the one in the block.
    #[arg(long, value_name = "ID", value_parser = key_id, requires = "output")]
    key: Option<KeyId>,
}

/// Runs one of the commands.
pub(crate) fn run(command: &KeysCommand, out: &Output) -> Outcome<Code> {
    match command {
        KeysCommand::Generate(args) => ceremony::generate(args, out),
        KeysCommand::Kcv(args) => show::kcv(args, out),
        KeysCommand::Derive(args) => show::derive(args, out),
        KeysCommand::Split(args) => ceremony::split(args, out),
        KeysCommand::Combine(args) => ceremony::combine(args, out),
        KeysCommand::Wrap(args) => block::wrap(args, out),
        KeysCommand::Unwrap(args) => block::unwrap(args, out),
        #[cfg(feature = "hsm")]
        KeysCommand::Token(command) => token::run(command, out),
        KeysCommand::Inspect { block } => block::inspect(block, out),
    }
}

/// Where a key goes.
#[derive(Clone, Debug)]
enum Destination {
    /// A token, by its URI.
    Token(String),
    /// A file or a descriptor.
    Place(SecretSource),
}

impl Destination {
    const fn place(&self) -> Option<&SecretSource> {
        match self {
            Self::Token(_) => None,
            Self::Place(place) => Some(place),
        }
    }
}

fn destination(text: &str) -> Result<Destination, core::convert::Infallible> {
    Ok(match text.starts_with(TOKEN) {
        true => Destination::Token(text.to_owned()),
        false => Destination::Place(place(text)?),
    })
}

/// A place to write to: `-` is the standard output.
fn place(text: &str) -> Result<SecretSource, core::convert::Infallible> {
    if text == "-" { Ok(STDOUT) } else { text.parse() }
}

const STDOUT: SecretSource = SecretSource::Descriptor(1);

/// Reports on a key: on stderr when the key itself went to standard output.
fn report(key: &KeyReport, to: Option<&SecretSource>, out: &Output) -> Outcome<()> {
    if to == Some(&STDOUT) {
        say(key);
        return Ok(());
    }
    out.report(key)
}

/// A key in a report: its check value and what is known of it.
#[derive(Debug, Serialize)]
struct KeyReport {
    /// What it is: a file, the name of a root, a card.
    key: String,
    kcv: String,
    /// Whether it is a published test key, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<bool>,
}

impl KeyReport {
    fn new(key: impl fmt::Display, kcv: Kcv) -> Self {
        Self { key: key.to_string(), kcv: kcv.to_string(), test: None }
    }
}

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.key, self.kcv)?;
        if self.test == Some(true) { f.write_str("  published TEST key") } else { Ok(()) }
    }
}
