//! `emulate --fresh`: a card that is a new copy of its image whenever power comes up after it was off.
//! A warm reset leaves it as it is.

use std::path::{Path, PathBuf};

use xuejika_emulator::transport::{CardDied, Slot};
use xuejika_emulator::{Env, VirtualCard};

use crate::exit::Outcome;
use crate::target::copy_image;

/// The card in the slot, and where the next one comes from.
pub(super) struct Renewed {
    image: PathBuf,
    env: Env,
    card: VirtualCard,
}

impl Renewed {
    /// The first card.
    pub(super) fn new(image: &Path, mut env: Env) -> Outcome<Self> {
        let card = copy_image(image, &mut env)?;
        Ok(Self { image: image.to_owned(), env, card })
    }

    /// The card in the slot.
    pub(super) const fn card(&self) -> &VirtualCard {
        &self.card
    }
}

impl Slot for Renewed {
    fn atr(&self) -> &[u8] {
        Slot::atr(&self.card)
    }

    fn power_on(&mut self) {
        if !self.card.is_powered() {
            // An image that went away meanwhile leaves the card as it was.
            if let Ok(card) = copy_image(&self.image, &mut self.env) {
                self.card = card;
            }
        }
        Slot::power_on(&mut self.card);
    }

    fn power_off(&mut self) {
        Slot::power_off(&mut self.card);
    }

    fn reset(&mut self) {
        Slot::reset(&mut self.card);
    }

    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), CardDied> {
        Slot::transmit(&mut self.card, command, response)
    }
}
