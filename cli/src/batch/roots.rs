//! The roots of a batch: the published ones only when they were asked for.

use anyhow::anyhow;
use clap::Args;
use xuejika_card_model::batch::{KeySlot, KeySource, Plan};
use xuejika_keyscheme::legacy::WalletRoots;
use xuejika_keyscheme::provider::{KeyProvider, Roots};
use xuejika_keyscheme::{Algorithm, KeyId, KeyVersion, test_keys};
use xuejika_reader::channel::key_file::{KeyFile, RootName};
#[cfg(feature = "hsm")]
use xuejika_reader::channel::token::Token;

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
pub(crate) enum BatchRoots {
    /// None.
    None,
    /// In the memory of this process.
    Host(KeyFile),
    /// The city's, in a token.
    #[cfg(feature = "hsm")]
    Token(Token),
}

impl BatchRoots {
    /// Opens the source, and refuses published roots that were not asked for as `test`.
    pub(crate) fn open(args: &RootArgs, plan: &Plan) -> Outcome<Self> {
        if args.source.keys == NONE {
            return Ok(Self::None);
        }
        match Source::open(&args.source)? {
            Source::Test => {
                keys::announce();
                Self::test(plan.key_version, plan.algorithm)
            }
            Source::File(keys) => {
                refuse_test_keys(&keys.roots, keys.roots.ids().copied())?;
                refuse_wallet_test_keys(&keys.wallet)?;
                Ok(Self::Host(keys))
            }
            #[cfg(feature = "hsm")]
            Source::Token(token) => {
                refuse_test_keys(&token, token.ids())?;
                Ok(Self::Token(token))
            }
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
        Ok(Self::Host(KeyFile { roots, wallet: WalletRoots::test() }))
    }

    /// The city's roots, if there are any.
    pub(crate) fn provider(&self) -> Option<&(dyn KeyProvider + Sync)> {
        match self {
            Self::None => None,
            Self::Host(keys) => Some(&keys.roots),
            #[cfg(feature = "hsm")]
            Self::Token(token) => Some(token),
        }
    }

    /// The roots as the checks take them.
    pub(crate) fn source(&self, version: KeyVersion, algorithm: Algorithm) -> KeySource<'_> {
        let wallet = match self {
            Self::Host(keys) => Some(&keys.wallet),
            _ => None,
        };
        KeySource::new(self.provider(), wallet, version, algorithm)
    }
}

fn refuse_test_keys(roots: &dyn KeyProvider, ids: impl IntoIterator<Item = KeyId>) -> Outcome<()> {
    for id in ids {
        refuse(id.into(), roots.is_test_key(&id)?)?;
    }
    Ok(())
}

fn refuse_wallet_test_keys(wallet: &WalletRoots) -> Outcome<()> {
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
