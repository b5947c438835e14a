//! The roots of a batch: the published ones only when they were asked for.

use anyhow::anyhow;
use clap::Args;
use xuejika_card_model::batch::{KeySlot, KeySource, Plan};
use xuejika_keyscheme::legacy::WalletRoots;
use xuejika_keyscheme::provider::{KeyProvider, Roots};
use xuejika_keyscheme::{Algorithm, KeyVersion, test_keys};
use xuejika_reader::channel::key_file::{KeyFile, RootName};

use crate::exit::{Code, Failure, Outcome};
use crate::key_verbs::source::{Source, SourceArgs};
use crate::keys;

/// Check without roots.
const NONE: &str = "none";

/// Roots of a batch.
#[derive(Debug, Args)]
pub(crate) struct RootArgs {
    #[command(flatten)]
    source: SourceArgs,
}

/// The roots that are here: the city's, and the operator's as far as it gave them.
pub(crate) struct BatchRoots(Option<KeyFile>);

impl BatchRoots {
    /// Opens the source, and refuses published roots that were not asked for as `test`.
    pub(crate) fn open(args: &RootArgs, plan: &Plan) -> Outcome<Self> {
        if args.source.keys == NONE {
            return Ok(Self(None));
        }
        match Source::open(&args.source)? {
            Source::Test => {
                keys::announce();
                Self::test(plan.key_version, plan.algorithm)
            }
            Source::File(keys) => {
                refuse_test_keys(&keys)?;
                Ok(Self(Some(keys)))
            }
            #[cfg(feature = "hsm")]
            Source::Token(_) => Err(Failure::usage(anyhow!(
                "a token derives one key at a time; a batch takes its roots from a key file"
            ))),
        }
    }

    /// The published test roots of this version and of its neighbours, which a wrong card may have.
    pub(crate) fn test(version: KeyVersion, algorithm: Algorithm) -> Outcome<Self> {
        let number = version.number();
        let versions = [number - 1, number, number.saturating_add(1)].map(KeyVersion::new);
        let mut roots = Roots::new();
        for version in versions.into_iter().flatten() {
            for id in KeySlot::all().filter_map(|slot| slot.id(version, algorithm)) {
                roots.add(id, Box::new(test_keys::root(&id))).map_err(Failure::device)?;
            }
        }
        Ok(Self(Some(KeyFile { roots, wallet: WalletRoots::test() })))
    }

    /// The city's roots, if there are any.
    pub(crate) fn provider(&self) -> Option<&dyn KeyProvider> {
        self.0.as_ref().map(|keys| &keys.roots as &dyn KeyProvider)
    }

    /// The roots as the checks take them.
    pub(crate) fn source(&self, version: KeyVersion, algorithm: Algorithm) -> KeySource<'_> {
        match &self.0 {
            Some(KeyFile { roots, wallet }) => {
                KeySource::new(Some(roots), Some(wallet), version, algorithm)
            }
            None => KeySource::new(None, None, version, algorithm),
        }
    }
}

fn refuse_test_keys(KeyFile { roots, wallet }: &KeyFile) -> Outcome<()> {
    for id in roots.ids() {
        refuse((*id).into(), roots.is_test_key(id)?)?;
    }
    for key_type in wallet.types() {
        refuse(key_type.into(), wallet.is_test_key(key_type)?)?;
    }
    Ok(())
}

fn refuse(name: RootName, published: bool) -> Outcome<()> {
    if !published {
        return Ok(());
    }
    let error = anyhow!(
        "the root of {name} is a published TEST key, which protects nothing; only --keys test \
         checks a batch of test cards"
    );
    Err(Failure::Because(Code::Unsafe, error))
}
