//! `keys generate`, `keys split` and `keys combine`: how a key comes into the world.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use rand_core::CryptoRng;
use xuejika_emulator::Env;
use xuejika_emulator::files::{self, Access, Existing, FileError, NewFile};
use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::ceremony::{self, CeremonyError, Component, ComponentError, ParityRule};
use xuejika_keyscheme::key::{Key, Root};
use xuejika_keyscheme::keyblock::{KeyKind, KeyMaterial};
use xuejika_keyscheme::test_keys;
use xuejika_reader::channel::label;
use zeroize::Zeroizing;

use super::secret::{KeyText, SecretArg, is_kcv};
use super::source::TOKEN;
use super::{CombineArgs, DestinationArgs, GenerateArgs, KeyReport, SplitArgs};
use crate::clock;
use crate::exit::{Code, Failure, Outcome, say};
use crate::keys;
use crate::output::Output;

/// Makes a random key. In a token the key is made by the token.
pub(super) fn generate(args: &GenerateArgs, out: &Output) -> Outcome<Code> {
    if args.to.output.starts_with(TOKEN) {
        generate_in_token(args, out)?;
    } else {
        let key = random(args.kind.key_kind(), randomness()?.rng())?;
        store(&key, &args.to, out)?;
    }
    Ok(Code::AsExpected)
}

/// Splits a key into files.
pub(super) fn split(args: &SplitArgs, out: &Output) -> Outcome<Code> {
    let key = args.secret.key("key", args.kind)?.key;
    let parts = usize::from(args.parts);
    recommend(parts);
    let components = ceremony::split(&key, parts, randomness()?.rng())?;
    let (mut files, mut written) = (Vec::new(), Vec::new());
    for (number, component) in (1..).zip(&components) {
        let path = component_path(&args.output, number);
        let remark = format!("component {number} of {parts}");
        let mut file = NewFile::create(&path, Existing::Refuse, Access::Owner)?;
        file.write_all(component_text(component, &remark)?.as_bytes())
            .map_err(|error| FileError::of(&path, error))?;
        files.push(file);
        written.push(path);
    }
    files::commit_all(files)?;
    for (path, component) in written.iter().zip(&components) {
        out.report(&KeyReport::new(path.display(), component.kcv()))?;
    }
    out.report(&KeyReport::new("key", key.kcv()))?;
    Ok(Code::AsExpected)
}

/// Combines components into a file or a token.
pub(super) fn combine(args: &CombineArgs, out: &Output) -> Outcome<Code> {
    let read = |(number, secret): (usize, &SecretArg)| component(secret, number, args);
    let components = (1..).zip(&args.components).map(read).collect::<Outcome<Vec<_>>>()?;
    recommend(components.len());
    let key = ceremony::combine(&components, None)?;
    if args.kcv.as_deref().is_some_and(|kcv| !is_kcv(&key, kcv)) {
        let error = anyhow!("the key has check value {}, expected another", key.kcv());
        return Err(Failure::Because(Code::Findings, error));
    }
    store(&key, &args.to, out)?;
    Ok(Code::AsExpected)
}

/// Writes a key where it belongs and reports its check value.
pub(super) fn store(key: &KeyMaterial, to: &DestinationArgs, out: &Output) -> Outcome<()> {
    if to.output.starts_with(TOKEN) {
        let id = name(to)?;
        import(key, &id, &to.output)?;
        out.report(&KeyReport::new(label::emit(&id), key.kcv()))
    } else {
        write(key, to.output.as_ref())?;
        out.report(&KeyReport::new(&to.output, key.kcv()))
    }
}

/// Writes a key into a new file.
pub(super) fn write(key: &KeyMaterial, path: &Path) -> Outcome<()> {
    let text = KeyText::emit(key, "secret: keep it to yourself");
    Ok(files::write(path, text.as_bytes(), Existing::Refuse, Access::Owner)?)
}

/// A key as a root of this name.
pub(super) fn root(key: &KeyMaterial, id: &KeyId) -> Outcome<Key<Root>> {
    let root = key.to_key::<Root>().filter(|root| root.algorithm() == id.algorithm);
    let wrong = || anyhow!("the key is of {}, but key {id} is named", key.kind());
    let root = root.ok_or_else(|| Failure::usage(wrong()))?;
    if root == test_keys::root(id) {
        keys::announce();
    }
    Ok(root)
}

/// The name of a root that goes into a token.
fn name(to: &DestinationArgs) -> Outcome<KeyId> {
    to.key.ok_or_else(|| Failure::usage(anyhow!("a root in a token needs its name: --key ID")))
}

#[cfg(feature = "hsm")]
pub(super) fn import(key: &KeyMaterial, id: &KeyId, uri: &str) -> Outcome<()> {
    let root = root(key, id)?;
    Ok(super::source::token(uri)?.import(id, &root)?)
}

#[cfg(feature = "hsm")]
fn generate_in_token(args: &GenerateArgs, out: &Output) -> Outcome<()> {
    use xuejika_keyscheme::provider::KeyProvider;

    let id = name(&args.to)?;
    if args.kind.key_kind() != KeyKind::Aes128 {
        return Err(Failure::usage(anyhow!("a token makes roots of aes-128 only")));
    }
    let token = super::source::token(&args.to.output)?;
    token.generate(&id)?;
    out.report(&KeyReport::new(label::emit(&id), token.kcv(&id)?))
}

#[cfg(not(feature = "hsm"))]
pub(super) fn import(_key: &KeyMaterial, _id: &KeyId, _uri: &str) -> Outcome<()> {
    Err(super::source::no_hsm())
}

#[cfg(not(feature = "hsm"))]
fn generate_in_token(args: &GenerateArgs, _out: &Output) -> Outcome<()> {
    name(&args.to)?;
    Err(super::source::no_hsm())
}

/// The operating system's randomness.
pub(super) fn randomness() -> Outcome<Env> {
    clock::env(None)
}

/// A random key that is not weak.
fn random(kind: KeyKind, rng: &mut dyn CryptoRng) -> Outcome<KeyMaterial> {
    let mut bytes = Zeroizing::new(vec![0; kind.len()]);
    loop {
        rng.fill_bytes(&mut bytes);
        let key = KeyMaterial::new(kind, &bytes).map_err(Failure::usage)?.with_odd_parity();
        if !key.is_weak() {
            return Ok(key);
        }
    }
}

/// Says on stderr when two custodians suffice.
fn recommend(parts: usize) {
    let enough = ceremony::RECOMMENDED_COMPONENTS;
    if parts < enough {
        say(format_args!("xuejika: WARNING: {parts} components, {enough} or more are recommended"));
    }
}

/// Reads a component, which must have its check value.
fn component(secret: &SecretArg, number: usize, args: &CombineArgs) -> Outcome<Component> {
    let KeyText { key, printed } = secret.key(&format!("component {number}"), args.kind)?;
    let missing = || anyhow!("{secret}: a component needs its check value, as kcv cmac-aes:xxxxxx");
    let printed = printed.ok_or_else(|| Failure::usage(missing()))?;
    let component = Component::enter(key.kind(), key.expose(), printed.bytes(), ParityRule::Odd);
    component.map_err(|error| {
        let code = match error {
            ComponentError::Zero => Code::Unsafe,
            ComponentError::CheckValue(_) => Code::Findings,
            _ => Code::Usage,
        };
        Failure::Because(code, anyhow::Error::from(error).context(secret.to_string()))
    })
}

fn component_text(component: &Component, remark: &str) -> Outcome<Zeroizing<String>> {
    let key = KeyMaterial::new(component.kind(), component.expose()).map_err(Failure::usage)?;
    Ok(KeyText::emit(&key, remark))
}

fn component_path(name: &Path, number: usize) -> PathBuf {
    let mut path = name.as_os_str().to_owned();
    path.push(format!("-{number}"));
    path.into()
}

impl From<CeremonyError> for Failure {
    fn from(error: CeremonyError) -> Self {
        let code = match error {
            CeremonyError::Weak | CeremonyError::Equal => Code::Unsafe,
            CeremonyError::CheckValue(_) => Code::Findings,
            _ => Code::Usage,
        };
        Self::Because(code, error.into())
    }
}
