//! The roots from which the suite computes what a card has to answer.

use clap::Args;
use xuejika_keyscheme::legacy::WalletRoots;
use xuejika_vectors::conformance::{Ics, Kind};

use crate::exit::Outcome;
use crate::key_verbs::source::{DefaultSourceArgs, Source};
use crate::keys;

/// Roots of the education zone, of management cards and of extension sectors, and those of the
/// transit operator.
#[derive(Debug, Args)]
pub(super) struct RootArgs {
    #[command(flatten)]
    source: DefaultSourceArgs,
}

/// The roots of a run.
pub(super) struct RunRoots {
    pub(super) source: Source,
    /// Of wallet and PSAM: those of the source, or the published ones where it has none at all.
    pub(super) wallet: WalletRoots,
}

impl RootArgs {
    /// Opens the source, and says so when any published root is in use.
    pub(super) fn open(&self, ics: &Ics) -> Outcome<RunRoots> {
        let source = self.source.open()?;
        for id in source.ids() {
            source.announce(&id)?;
        }
        if matches!(source, Source::Test) {
            keys::announce();
        }
        let given = source.wallet();
        let wallet = if given.is_empty() { WalletRoots::test() } else { given };
        if ics.claims("wallet") || ics.kinds.contains(&Kind::Psam) {
            keys::announce_in(&wallet);
        }
        Ok(RunRoots { source, wallet })
    }
}
