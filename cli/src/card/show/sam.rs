//! The files of a SAM; of its keys nothing.

use serde::Serialize;
use xuejika_card_model::file::Ef;
use xuejika_card_model::sam::SamStore;

use crate::shown::{Lines, Show};

/// What is in a file of a SAM.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Held {
    /// Its own secret and the root shared with management cards.
    Secrets { test_keys: bool },
    /// The roots of card keys, sealed.
    KeyFile,
    /// The latest day on which it worked.
    LastDay(Option<String>),
}

impl Held {
    pub(super) fn new(store: &SamStore, file: &Ef) -> Self {
        match file.fid {
            0x0001 => Self::Secrets { test_keys: store.is_test() },
            0x0002 => Self::KeyFile,
            _ => Self::LastDay(store.last_seen().map(|date| date.to_string())),
        }
    }
}

impl Show for Held {
    fn show(&self, to: &mut Lines) {
        match self {
            Self::Secrets { test_keys } => {
                let test = if *test_keys { " (test keys)" } else { "" };
                to.line(format_args!("two keys{test}, not shown"));
            }
            Self::KeyFile => to.line("sealed until a management card opens it"),
            Self::LastDay(date) => date.iter().for_each(|date| to.line(date)),
        }
    }
}
