//! A card that is served to a host, with its traffic written down.

use xuejika_apdu::ChannelError;
use xuejika_emulator::transport::{CardDied, Slot};
use xuejika_reader::channel::trace::{Event, Tap};

/// A slot, and where its traffic goes.
pub(crate) struct Tapped<'a, S> {
    pub(crate) slot: &'a mut S,
    pub(crate) tap: Tap,
}

impl<S: Slot> Slot for Tapped<'_, S> {
    fn atr(&self) -> &[u8] {
        self.slot.atr()
    }

    fn power_on(&mut self) {
        self.tap.event(Event::Power);
        self.slot.power_on();
        self.tap.atr(&Ok(self.slot.atr().to_vec()));
    }

    fn power_off(&mut self) {
        self.tap.event(Event::Off);
        self.slot.power_off();
    }

    fn reset(&mut self) {
        self.tap.event(Event::Reset);
        self.slot.reset();
        self.tap.atr(&Ok(self.slot.atr().to_vec()));
    }

    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), CardDied> {
        self.tap.command(command);
        let answered = self.slot.transmit(command, response);
        self.tap.answer(&answered.map_err(|_| ChannelError::Removed), response, None);
        answered
    }
}
