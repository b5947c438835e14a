//! A served card whose every commit is in its image file. Where that fails the card dies, and the
//! program says why.

use xuejika_emulator::transport::{CardDied, Slot};
use xuejika_emulator::{FileNvm, VirtualCard};

use crate::exit::say;

/// The card in the slot.
pub(super) struct Stored(pub(super) VirtualCard<FileNvm>);

impl Slot for Stored {
    fn atr(&self) -> &[u8] {
        Slot::atr(&self.0)
    }

    fn power_on(&mut self) {
        Slot::power_on(&mut self.0);
    }

    fn power_off(&mut self) {
        Slot::power_off(&mut self.0);
    }

    fn reset(&mut self) {
        Slot::reset(&mut self.0);
    }

    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), CardDied> {
        let was_powered = self.0.is_powered();
        let answered = Slot::transmit(&mut self.0, command, response);
        let failure = self.0.model().nvm().failure().filter(|_| answered.is_err() && was_powered);
        if let Some(failure) = failure {
            say(format_args!("xuejika: the card died: {failure}"));
        }
        answered
    }
}
