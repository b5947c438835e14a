//! `keys generate`, `keys split` and `keys combine`: how a key comes into the world.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use rand_core::CryptoRng;
use xuejika_emulator::Env;
use xuejika_emulator::files::{self, Access, Existing, FileError, NewFile};
use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::ceremony::{
    self, CeremonyError, Component, ComponentError, ParityRule, Part, Place,
};
use xuejika_keyscheme::key::{Key, Root};
use xuejika_keyscheme::keyblock::{KeyKind, KeyMaterial};
use xuejika_keyscheme::test_keys;
use xuejika_reader::channel::label;
use xuejika_reader::channel::secret::SecretSource;
use zeroize::Zeroizing;

use super::secret::{KeyText, SecretArg, is_kcv, parse_kcv};
use super::{
    CombineArgs, Destination, DestinationArgs, GenerateArgs, KeyReport, SplitArgs, report,
};
use crate::clock;
use crate::exit::{Code, Failure, Outcome, say};
use crate::keys;
use crate::output::Output;

/// First line of a file of secrets.
const REMARK: &str = "secret: keep it to yourself";

/// What `keys split` writes and other programs may not.
const PLACE: &str = "its place and the check value of the whole key, as the lines component 1 of 3 \
                     and key cmac-aes:xxxxxx; for components of other programs give --parts N and \
                     --kcv KCV";

/// Makes a random key. In a token the key is made by the token.
pub(super) fn generate(args: &GenerateArgs, out: &Output) -> Outcome<Code> {
    if let Destination::Token(uri) = &args.to.output {
        generate_in_token(args, uri, out)?;
    } else {
        let key = random(args.kind.key_kind(), randomness()?.rng())?;
        store(&key, &args.to, out)?;
    }
    Ok(Code::AsExpected)
}

/// Splits a key into files, or leaves none.
pub(super) fn split(args: &SplitArgs, out: &Output) -> Outcome<Code> {
    let key = args.secret.key("key", args.kind)?;
    let count = usize::from(args.parts);
    recommend(count);
    let parts = ceremony::split(&key, count, randomness()?.rng())?;
    let files = parts.iter().map(|part| component_file(&args.output, part));
    let files = files.collect::<Outcome<Vec<_>>>()?;
    let paths: Vec<_> = files.iter().map(|file| file.path().to_owned()).collect();
    files::commit_all(files)?;
    for (path, part) in paths.iter().zip(&parts) {
        out.report(&KeyReport::new(path.display(), part.component.kcv()))?;
    }
    out.report(&KeyReport::new("key", key.kcv()))?;
    Ok(Code::AsExpected)
}

/// Combines components into a file or a token.
pub(super) fn combine(args: &CombineArgs, out: &Output) -> Outcome<Code> {
    let read = |(number, secret): (u8, &SecretArg)| part(secret, number, args);
    let parts = (1..).zip(&args.components).map(read).collect::<Outcome<Vec<_>>>()?;
    recommend(parts.len());
    let key = ceremony::assemble(&parts).map_err(|error| named(error, args))?;
    if args.kcv.as_deref().is_some_and(|kcv| !is_kcv(&key, kcv)) {
        let error = anyhow!("the key has check value {}, expected another", key.kcv());
        return Err(Failure::Because(Code::Findings, error));
    }
    store(&key, &args.to, out)?;
    Ok(Code::AsExpected)
}

/// Writes a key where it belongs and reports its check value.
pub(super) fn store(key: &KeyMaterial, to: &DestinationArgs, out: &Output) -> Outcome<()> {
    match &to.output {
        Destination::Token(uri) => {
            let id = name(to)?;
            import(key, &id, uri)?;
            out.report(&KeyReport::new(label::emit(&id), key.kcv()))
        }
        Destination::Place(place) => {
            write(key, place)?;
            report(&KeyReport::new(place, key.kcv()), Some(place), out)
        }
    }
}

/// Writes a key where it is kept secret.
pub(super) fn write(key: &KeyMaterial, to: &SecretSource) -> Outcome<()> {
    put(to, KeyText::emit(key, None, REMARK).as_bytes())
}

/// Writes a new file for its owner alone, whole or not at all, or to a descriptor.
pub(super) fn put(to: &SecretSource, text: &[u8]) -> Outcome<()> {
    match to {
        SecretSource::File(path) => Ok(files::write(path, text, Existing::Refuse, Access::Owner)?),
        SecretSource::Descriptor(_) => Ok(to.write(text)?),
    }
}

/// Reads the start of the names of component files.
pub(super) fn start_of_names(text: &str) -> Result<PathBuf, String> {
    match text.parse::<SecretSource>() {
        Ok(SecretSource::File(path)) => Ok(path),
        _ => Err("each component goes into a file of its own; expected the start of their names"
            .to_owned()),
    }
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
fn generate_in_token(args: &GenerateArgs, uri: &str, out: &Output) -> Outcome<()> {
    use xuejika_keyscheme::provider::KeyProvider;

    let id = name(&args.to)?;
    if args.kind.key_kind() != KeyKind::Aes128 {
        return Err(Failure::usage(anyhow!("a token makes roots of aes-128 only")));
    }
    let token = super::source::token(uri)?;
    token.generate(&id)?;
    out.report(&KeyReport::new(label::emit(&id), token.kcv(&id)?))
}

#[cfg(not(feature = "hsm"))]
pub(super) fn import(_key: &KeyMaterial, _id: &KeyId, _uri: &str) -> Outcome<()> {
    Err(super::source::no_hsm())
}

#[cfg(not(feature = "hsm"))]
fn generate_in_token(args: &GenerateArgs, _uri: &str, _out: &Output) -> Outcome<()> {
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

/// Reads a component, which must have its check value. A place that it does not state is the one in
/// the order given, of as many components as the command line says.
fn part(secret: &SecretArg, number: u8, args: &CombineArgs) -> Outcome<Part> {
    let asked = args.parts.is_none();
    let KeyText { key, printed, place } =
        secret.key_text(&format!("component {number}"), args.kind, asked)?;
    let missing = |what| Failure::usage(anyhow!("{secret}: a component needs {what}"));
    let printed = printed.ok_or_else(|| missing("its check value, as kcv cmac-aes:xxxxxx"))?;
    let place = match (place, args.parts, &args.kcv) {
        (Some(place), ..) => place,
        (None, Some(count), Some(kcv)) => {
            let wrong = || Failure::usage(anyhow!("--kcv: expected a check value of the key"));
            let kcv = parse_kcv(kcv, printed.method()).ok_or_else(wrong)?;
            Place::new(number, count, kcv).map_err(Failure::usage)?
        }
        _ => return Err(missing(PLACE)),
    };
    if args.parts.is_some_and(|count| count != place.count()) {
        let (number, count) = (place.number(), place.count());
        let error = anyhow!("{secret}: component {number} of {count}, --parts says otherwise");
        return Err(Failure::Because(Code::Findings, error));
    }
    let component = Component::enter(key.kind(), key.expose(), printed.bytes(), ParityRule::Odd);
    let component = component.map_err(|error| {
        let code = match error {
            ComponentError::Zero => Code::Unsafe,
            ComponentError::CheckValue(_) => Code::Findings,
            _ => Code::Usage,
        };
        Failure::Because(code, anyhow::Error::from(error).context(secret.to_string()))
    })?;
    Ok(Part { place, component })
}

/// Says which of the components given is at fault.
fn named(error: CeremonyError, args: &CombineArgs) -> Failure {
    let place = match error {
        CeremonyError::Part { at, .. } => args.components.get(at),
        _ => None,
    };
    match (Failure::from(error), place) {
        (Failure::Because(code, error), Some(secret)) => {
            Failure::Because(code, error.context(secret.to_string()))
        }
        (failure, _) => failure,
    }
}

/// The file of a component, which gets its name together with the others.
fn component_file(name: &Path, part: &Part) -> Outcome<NewFile> {
    let mut path = name.as_os_str().to_owned();
    path.push(format!("-{}", part.place.number()));
    let path = PathBuf::from(path);
    let component = &part.component;
    let key = KeyMaterial::new(component.kind(), component.expose()).map_err(Failure::usage)?;
    let text = KeyText::emit(&key, Some(&part.place), REMARK);
    let mut file = NewFile::create(&path, Existing::Refuse, Access::Owner)?;
    file.write_all(text.as_bytes()).map_err(|error| FileError::of(&path, error))?;
    Ok(file)
}

impl From<CeremonyError> for Failure {
    fn from(error: CeremonyError) -> Self {
        let code = match error {
            CeremonyError::Weak(_) | CeremonyError::Equal => Code::Unsafe,
            CeremonyError::CheckValue(_)
            | CeremonyError::Part { .. }
            | CeremonyError::Missing { .. } => Code::Findings,
            _ => Code::Usage,
        };
        Self::Because(code, error.into())
    }
}
