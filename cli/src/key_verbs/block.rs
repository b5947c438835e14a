//! `keys wrap`, `keys unwrap` and `keys inspect`: keys on their way between systems.

use core::fmt;
use std::fs::File;
use std::io::Read;

use anyhow::{Context, anyhow};
use serde::Serialize;
use xuejika_keyscheme::keyblock::{
    self, BlockVersion, Claims, Header, KeyAlgorithm, KeyBlock, KeyKind, KeyMaterial, ModeOfUse,
    ReadError, Reader, Usage, WriteError,
};
use xuejika_keyscheme::legacy::{WalletKeyType, WalletRoots};
use xuejika_reader::channel::key_file::{self, Claim, Form};
use xuejika_reader::channel::secret::SecretSource;
use xuejika_reader::channel::{key_block, label};

use super::ceremony::{import, put, randomness, root, write};
use super::secret::Kind;
use super::source::{kek, protection_key};
use super::{Destination, KeyReport, STDOUT, UnwrapArgs, WrapArgs, report};
use crate::exit::{Code, Failure, Outcome, say};
use crate::keys;
use crate::output::Output;
use crate::shown::{Document, Lines, Show};

/// Longest text, in bytes: more than any key block or key file has.
const MAX_LEN: u64 = 1 << 20;

/// Wraps a key.
pub(super) fn wrap(args: &WrapArgs, out: &Output) -> Outcome<Code> {
    let kind = args.kind.or(args.wallet_type.map(|_| Kind::Tdes2));
    let key = args.secret.key("key", kind)?;
    let text = match (&args.kek, &args.key, args.wallet_type) {
        (Some(secret), Some(id), None) => {
            let sealed = key_file::seal(&kek(secret)?, id, &root(&key, id)?);
            key_file::emit(id, &Form::Envelope(&sealed))
        }
        (Some(secret), None, Some(key_type)) => {
            let roots = wallet_root(&key, key_type)?;
            let sealed = key_file::seal_wallet(&kek(secret)?, key_type, roots.expose(key_type)?);
            key_file::emit_wallet(key_type, &sealed)
        }
        _ => block(&key, args)? + "\n",
    };
    match args.output.as_ref().filter(|to| **to != STDOUT) {
        None => {
            say(KeyReport::new("xuejika: wrapped", key.kcv()));
            out.lines(&Document(&text))?;
        }
        Some(to) => {
            // No secret, but a key file is to be private whatever is in it.
            put(to, text.as_bytes())?;
            out.report(&KeyReport::new(to, key.kcv()))?;
        }
    }
    Ok(Code::AsExpected)
}

/// Checks a block and takes the key out of it.
pub(super) fn unwrap(args: &UnwrapArgs, out: &Output) -> Outcome<Code> {
    let text = read(&args.block)?;
    let protection = protection_key(&args.kbpk)?;
    let reader = Reader::new();
    let reader = if args.read_old { reader.allow_variant_versions() } else { reader };
    let block = reader.read(text.trim_end(), &protection)?;
    let id = args.key.or_else(|| key_block::name(block.header()));
    let key = take(block)?;
    if let Some(id) = &id {
        root(&key, id)?;
    }
    match &args.output {
        None => {}
        Some(Destination::Token(uri)) => {
            let missing = || anyhow!("the block names no root; name it with --key ID");
            import(&key, &id.ok_or_else(|| Failure::usage(missing()))?, uri)?;
        }
        Some(Destination::Place(to)) => write(&key, to)?,
    }
    let name = id.map_or_else(|| key.kind().to_string(), |id| label::emit(&id));
    let to = args.output.as_ref().and_then(Destination::place);
    report(&KeyReport::new(name, key.kcv()), to, out)?;
    Ok(Code::AsExpected)
}

/// Shows the header of a block, or the names in a key file.
pub(super) fn inspect(from: &SecretSource, out: &Output) -> Outcome<Code> {
    let text = read(from)?;
    if text.lines().any(|line| line.starts_with("[[")) {
        let claims = key_file::inspect(from.to_string().as_ref(), &text)?;
        claims.into_iter().try_for_each(|claim| out.report(&RootView::new(claim)))?;
        return Ok(Code::AsExpected);
    }
    let claims = keyblock::inspect(text.trim_end()).map_err(ReadError::from)?;
    let view = View::new(&claims);
    out.report(&view)?;
    Ok(Code::of(!view.deprecated))
}

/// Reads a version on the command line.
pub(super) fn version(text: &str) -> Result<BlockVersion, String> {
    match BlockVersion::from_code(&text.to_ascii_uppercase()) {
        Ok(version @ (BlockVersion::B | BlockVersion::D)) => Ok(version),
        _ => Err("expected D or B; the other versions are deprecated".to_owned()),
    }
}

/// Reads a usage on the command line.
pub(super) fn usage(text: &str) -> Result<Usage, String> {
    Usage::from_code(&text.to_ascii_uppercase()).map_err(|error| error.to_string())
}

/// Reads a mode of use on the command line.
pub(super) fn mode(text: &str) -> Result<ModeOfUse, String> {
    ModeOfUse::from_code(&text.to_ascii_uppercase()).map_err(|error| error.to_string())
}

fn block(key: &KeyMaterial, args: &WrapArgs) -> Outcome<String> {
    let missing = || anyhow!("expected --kbpk SECRET");
    let protection = protection_key(args.kbpk.as_ref().ok_or_else(|| Failure::usage(missing()))?)?;
    if let Some(version) = args.version
        && version != protection.version()
    {
        let written = protection.version();
        let error = anyhow!("version {version} is wanted, but this protection key gives {written}");
        return Err(Failure::usage(error));
    }
    let mut env = randomness()?;
    let text = match &args.key {
        Some(id) => key_block::write(id, &root(key, id)?, &protection, env.rng()),
        None => {
            let algorithm =
                if key.kind().has_parity() { KeyAlgorithm::Tdes } else { KeyAlgorithm::Aes };
            let header = Header::new(args.usage, algorithm, args.mode);
            keyblock::write(&header, key, &protection, env.rng())
        }
    };
    Ok(text?)
}

/// A key as the root of wallet keys.
fn wallet_root(key: &KeyMaterial, key_type: WalletKeyType) -> Outcome<WalletRoots> {
    let wrong = || anyhow!("the key is of {}, expected one of two-key TDES", key.kind());
    let bytes = (key.kind() == KeyKind::Tdes2).then(|| key.expose().try_into().ok()).flatten();
    let mut roots = WalletRoots::new();
    roots.add(key_type, bytes.ok_or_else(|| Failure::usage(wrong()))?)?;
    keys::announce_in(&roots);
    Ok(roots)
}

/// The key in an authentic block, for what the block says it is for.
fn take(block: KeyBlock) -> Outcome<KeyMaterial> {
    let (usage, mode, kind) = (block.header().usage, block.header().mode, block.kind());
    let key = block.into_key(usage, mode, kind).map_err(Failure::usage)?.into_material();
    key.check_strength()?;
    Ok(key)
}

fn read(from: &SecretSource) -> Outcome<String> {
    let path = match from {
        SecretSource::File(path) => path.clone(),
        SecretSource::Descriptor(number) => format!("/dev/fd/{number}").into(),
    };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_LEN + 1).read_to_string(&mut text));
    let length = read.with_context(|| from.to_string()).map_err(Failure::usage)?;
    if length as u64 > MAX_LEN {
        return Err(Failure::usage(anyhow!("{from}: longer than {MAX_LEN} bytes")));
    }
    Ok(text)
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let code = match error {
            ReadError::Authenticator | ReadError::CheckValue(_) => Code::Findings,
            ReadError::VariantVersion(_) | ReadError::SingleDes | ReadError::Strength { .. } => {
                Code::Unsafe
            }
            _ => Code::Usage,
        };
        Self::Because(code, error.into())
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let code = match error {
            WriteError::Strength { .. } | WriteError::WeakProtectionKey(_) => Code::Unsafe,
            _ => Code::Usage,
        };
        Self::Because(code, error.into())
    }
}

/// What a key file says of a root.
#[derive(Debug, Serialize)]
struct RootView {
    key: String,
    /// The field that holds it.
    form: &'static str,
}

impl RootView {
    fn new(Claim { name, form }: Claim) -> Self {
        Self { key: name.to_string(), form }
    }
}

impl fmt::Display for RootView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.key, self.form)
    }
}

/// What a block says of itself.
#[derive(Debug, Serialize)]
struct View {
    version: &'static str,
    usage: &'static str,
    algorithm: &'static str,
    mode: &'static str,
    key_version: String,
    exportability: &'static str,
    /// The root it says it is.
    root: Option<String>,
    /// Check values of the key and of the protection key, with the code of their method.
    kc: Option<String>,
    kp: Option<String>,
    /// Other optional blocks.
    optional: Vec<String>,
    /// Whether the version is a deprecated one.
    deprecated: bool,
}

impl View {
    fn new(claims: &Claims) -> Self {
        let Claims { version, header, key_check, protection_check, .. } = claims;
        Self {
            version: version.code(),
            usage: header.usage.code(),
            algorithm: header.algorithm.code(),
            mode: header.mode.code(),
            key_version: header.number.to_string(),
            exportability: header.exportability.code(),
            root: key_block::name(header).map(|id| label::emit(&id)),
            kc: key_check.clone(),
            kp: protection_check.clone(),
            optional: header.optional.iter().map(|block| block.id.clone()).collect(),
            deprecated: matches!(version, BlockVersion::A | BlockVersion::C),
        }
    }
}

impl Show for View {
    fn show(&self, to: &mut Lines) {
        let warning = if self.deprecated { ", deprecated" } else { "" };
        to.line(format_args!("version         {}{warning}", self.version));
        to.line(format_args!("usage           {}", self.usage));
        to.line(format_args!("algorithm       {}", self.algorithm));
        to.line(format_args!("mode of use     {}", self.mode));
        to.line(format_args!("key version     {}", self.key_version));
        to.line(format_args!("exportability   {}", self.exportability));
        to.line(format_args!("root            {}", or_none(self.root.as_deref())));
        to.line(format_args!("key             {}", check_value(self.kc.as_deref())));
        to.line(format_args!("protection key  {}", check_value(self.kp.as_deref())));
        let blocks = Some(self.optional.join(" ")).filter(|blocks| !blocks.is_empty());
        to.line(format_args!("optional blocks {}", or_none(blocks.as_deref())));
    }
}

fn or_none(text: Option<&str>) -> &str {
    text.unwrap_or("none")
}

/// A check value of a header as other check values are shown: method, colon, three bytes.
fn check_value(value: Option<&str>) -> String {
    let Some((code, digits)) = value.and_then(|value| value.split_at_checked(2)) else {
        return or_none(None).to_owned();
    };
    let method = if code == "00" { "zero-block" } else { "cmac" };
    let digits = digits.get(..6).unwrap_or(digits).to_lowercase();
    format!("{method}:{digits}")
}
