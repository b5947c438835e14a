//! The published test keys: saying so when they are in use.

use std::sync::Once;

use xuejika_card_model::Card;
use xuejika_card_model::file::Df;
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::psam::PsamView;
use xuejika_card_model::sam::SamStore;
use xuejika_keyscheme::legacy::{NoWalletRoot, WalletRoots};
use xuejika_keyscheme::slots::KeySlots;
use xuejika_keyscheme::{KeyId, KeyNumber, KeyVersion, test_keys};

use crate::exit::{Failure, say};

/// Says on stderr, once in a run, that test keys are in use.
pub(crate) fn announce() {
    static SAID: Once = Once::new();
    SAID.call_once(|| say(format_args!("xuejika: WARNING: {}", test_keys::WARNING)));
}

/// Says so when one of these roots is a test key.
pub(crate) fn announce_in(roots: &WalletRoots) {
    if roots.types().any(|key_type| roots.is_test_key(key_type) == Ok(true)) {
        announce();
    }
}

impl From<NoWalletRoot> for Failure {
    fn from(error: NoWalletRoot) -> Self {
        Self::usage(error)
    }
}

/// Says so when the card holds a test key.
pub(crate) fn announce_on<N: Nvm>(card: &Card<N>) {
    if holds_test_keys(card) {
        announce();
    }
}

fn holds_test_keys<N: Nvm>(card: &Card<N>) -> bool {
    let of_psam = PsamView::of(card)
        .is_some_and(|psam| psam.keys().any(|key| key.is_ok_and(|key| key.is_test())));
    let of_zones = card.tree().all().any(|df| {
        df.keys.iter().any(|&number| match card.key_slots(df, number) {
            Ok(Some(slots)) => is_test_key(card, df, number, &slots, slots.active_version()),
            _ => false,
        })
    });
    let sam = SamStore::of(card).ok().flatten();
    of_zones || of_psam || sam.is_some_and(|store| store.is_test())
}

/// Whether the named version is derived from its published root.
pub(crate) fn is_test_key<N: Nvm>(
    card: &Card<N>,
    df: &Df,
    number: KeyNumber,
    slots: &KeySlots,
    version: KeyVersion,
) -> bool {
    let id = KeyId { zone: df.zone(), number, version, algorithm: slots.algorithm() };
    slots.key(version) == Some(&test_keys::root(&id).card(&id, card.header().serial))
}
