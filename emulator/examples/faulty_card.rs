//! A card with a seeded fault, for programs that have to notice it: `faulty_card IMAGE FAULT` serves
//! it over TCP, at each power-up a new copy of the image. FAULT is a name of [`Fault`].

use core::error::Error;
use core::sync::atomic::AtomicBool;
use std::path::Path;

use xuejika_card_model::fault::{Fault, seed};
use xuejika_card_model::nvm::RamNvm;
use xuejika_emulator::file_store::read_image;
use xuejika_emulator::transport::{CardDied, Event, Listener, Peers, Service, Slot};
use xuejika_emulator::{Env, VirtualCard};

/// A card, and the one it becomes at each power-up.
struct Renewed {
    new: VirtualCard,
    card: VirtualCard,
    power_ups: u64,
}

impl Slot for Renewed {
    fn atr(&self) -> &[u8] {
        Slot::atr(&self.card)
    }

    fn power_on(&mut self) {
        if !self.card.is_powered() {
            self.power_ups += 1;
            self.card = self.new.fork(Env::seeded(self.power_ups));
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

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(image), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("usage: faulty_card IMAGE FAULT".into());
    };
    let named = |fault: &&Fault| format!("{fault:?}") == name;
    let fault = Fault::ALL.iter().find(named).ok_or_else(|| format!("there is no fault {name}"))?;
    let new = VirtualCard::new(RamNvm::new(read_image(Path::new(&image))?), Env::seeded(0))?;
    let mut slot = Renewed { card: new.fork(Env::seeded(0)), new, power_ups: 0 };
    seed(Some(*fault));
    let log = |event: &Event| println!("{event}");
    let stop = AtomicBool::new(false);
    Listener::bind("127.0.0.1:0", Peers::Loopback)?.run(&mut slot, &Service::new(&stop, &log));
    Ok(())
}
