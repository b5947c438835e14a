//! The roots from which the suite computes what a card has to answer.

use clap::Args;
use xuejika_vectors::conformance::{Ics, Kind};

use crate::exit::Outcome;
use crate::key_verbs::SecretArg;
use crate::key_verbs::source::{Source, SourceArgs};
use crate::keys;

/// Roots of the education zone, of management cards and of extension sectors. Those of the transit
/// operator are always the published ones.
#[derive(Debug, Args)]
pub(super) struct RootArgs {
    /// Root keys of the cards: `test` for the published ones, a key file, a key block, or a pkcs11:
    /// URI (feature hsm). Wallet and PSAM have the published ones always.
    #[arg(long, value_name = "SOURCE", default_value = "test")]
    keys: String,
    /// Key that opens the key blocks in a key file.
    #[arg(long, value_name = "SECRET")]
    kbpk: Option<SecretArg>,
    /// Key that opens the envelopes in a key file.
    #[arg(long, value_name = "SECRET")]
    kek: Option<SecretArg>,
}

impl RootArgs {
    /// Opens the source, and says so when any published root is in use.
    pub(super) fn open(&self, ics: &Ics) -> Outcome<Source> {
        let Self { keys, kbpk, kek } = self;
        let args = SourceArgs { keys: keys.clone(), kbpk: kbpk.clone(), kek: kek.clone() };
        let source = Source::open(&args)?;
        for id in source.ids() {
            source.announce(&id)?;
        }
        let operator = ics.claims("wallet") || ics.kinds.contains(&Kind::Psam);
        if operator || matches!(source, Source::Test) {
            keys::announce();
        }
        Ok(source)
    }
}
