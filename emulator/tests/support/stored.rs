//! A card in a file.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use xuejika_card_model::event::Outcome;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::nvm::{Nvm, NvmError};
use xuejika_card_model::state::LifeCycleState;
use xuejika_emulator::file_store::create;
use xuejika_emulator::{FileNvm, VirtualCard};
use xuejika_keyscheme::KeyNumber;

use super::{Reply, change, memory_in, model, power_up, session};

/// A card in use in a file of its own directory.
pub(crate) fn stored_card() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("card.img");
    create(&path, &memory_in(LifeCycleState::Active)).unwrap();
    (directory, path)
}

pub(crate) fn open(path: &Path) -> VirtualCard<FileNvm> {
    power_up(FileNvm::open(path).unwrap())
}

/// Freezes or unfreezes the card. Returns the counter of the status it answers.
pub(crate) fn toggle<N: Nvm>(card: &mut VirtualCard<N>) -> Result<u16, NvmError> {
    let event = match card.model().state().unwrap() {
        LifeCycleState::Frozen => Event::Unfreeze,
        _ => Event::Freeze,
    };
    let data = model::request(event).emit();
    let mut session = session(card, KeyNumber::STATUS);
    let apdu = session.wrap(&change(event, &data));
    let mut response = Vec::new();
    let result = card.transmit(&apdu, &mut response);
    assert_eq!(result.is_err(), response.is_empty(), "an answer or an error");
    result?;
    let (data, status) = response.split_at(response.len() - 2);
    let reply = Reply { data: data.to_vec(), sw: u16::from_be_bytes([status[0], status[1]]) };
    Ok(Outcome::parse(&session.unwrap(&reply).data).unwrap().counter)
}
