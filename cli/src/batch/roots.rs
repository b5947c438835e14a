//! The roots of a batch: the published ones only when they were asked for.

use anyhow::anyhow;
use clap::Args;
use xuejika_batch::generate::TestKeys;
use xuejika_batch::{Plan, Roots};
use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::legacy::WalletRoots;
use xuejika_keyscheme::provider::KeyProvider;
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
    /// The published ones.
    Test(TestKeys),
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
                let roots = TestKeys::new(plan.key_version, plan.algorithm);
                Ok(Self::Test(roots.map_err(Failure::device)?))
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

    /// The roots as the checks take them.
    pub(crate) fn roots(&self) -> Roots<'_> {
        match self {
            Self::None => Roots::default(),
            Self::Test(roots) => roots.roots(),
            Self::Host(keys) => Roots { city: Some(&keys.roots), wallet: Some(&keys.wallet) },
            #[cfg(feature = "hsm")]
            Self::Token(token) => Roots { city: Some(token), wallet: None },
        }
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
