//! One connection: the host's frames in, the card's answers out.

use std::net::Shutdown;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use xuejika_apdu::StatusWord;
use xuejika_apdu::frame::{Control, Message};

use super::lobby::Guest;
use super::watchdog::Watchdog;
use super::wire::{Inbox, Outbox, Wire};
use super::{End, Event, Service, Slot};

/// Answers a command whose response fits no frame.
const NO_DIAGNOSIS: [u8; 2] = StatusWord::UNKNOWN_ERROR.bytes();

/// Lends `slot` to `guest` until either side ends it. `others` looks for hosts that wait and says
/// whether one is ready; it is asked often. Returns whether it ever sent a frame.
pub(super) fn serve<S: Slot + ?Sized>(
    guest: Guest,
    slot: &mut S,
    service: &Service<'_>,
    others: &mut dyn FnMut() -> bool,
) -> bool {
    let Guest { stream, host, mut inbox, .. } = guest;
    let stream = &stream;
    service.report(&Event::Connected(host));
    let watchdog = Watchdog::default();
    let mut spoke = false;
    let end = thread::scope(|scope| {
        let (_alive, ended) = mpsc::channel();
        let watchdog = &watchdog;
        let watch = move || {
            watchdog.watch(service.budget, &ended, || {
                let _ = stream.shutdown(Shutdown::Both);
                service.report(&Event::Disconnected(host, End::Overran(service.budget)));
            });
        };
        let wire = Wire::new(stream, service);
        let started = thread::Builder::new().spawn_scoped(scope, watch);
        let session = wire.and_then(|wire| started.map(|_| wire)).map(|wire| Session {
            atr: slot.atr().to_vec(),
            powered: false,
            asked: Instant::now(),
            slot: &mut *slot,
            wire,
            watchdog,
            outbox: Outbox::default(),
            response: Vec::new(),
        });
        match session {
            Ok(session) => session.run(&mut inbox, others, &mut spoke),
            Err(error) => End::Failed(error.to_string()),
        }
    });
    let _ = stream.shutdown(Shutdown::Both);
    slot.power_off();
    if !watchdog.fired() {
        service.report(&Event::Disconnected(host, end));
    }
    spoke
}

struct Session<'a, S: ?Sized> {
    slot: &'a mut S,
    wire: Wire<'a>,
    watchdog: &'a Watchdog,
    outbox: Outbox,
    response: Vec<u8>,
    atr: Vec<u8>,
    powered: bool,
    /// When the host last asked something of the card: a command or power, not the ATR.
    asked: Instant,
}

impl<S: Slot + ?Sized> Session<'_, S> {
    fn run(mut self, inbox: &mut Inbox, others: &mut dyn FnMut() -> bool, spoke: &mut bool) -> End {
        loop {
            let step = inbox.next(&self.wire, self.asked, others).and_then(|body| {
                *spoke = true;
                self.answer(Message::parse(body))
            });
            if let Err(end) = step {
                return end;
            }
        }
    }

    fn answer(&mut self, message: Message<'_>) -> Result<(), End> {
        match message {
            Message::Control(Control::GetAtr) => {
                let frame = self.outbox.pack(&self.atr).unwrap_or_default();
                self.wire.send(frame)
            }
            Message::Control(control) => {
                self.contact(control);
                self.asked = Instant::now();
                Ok(())
            }
            Message::Command(command) => {
                let done = self.execute(command);
                self.asked = Instant::now();
                done
            }
            Message::Undefined => Ok(()),
        }
    }

    /// Changes power. A PC/SC service that missed a removal resets a card it believes to be on:
    /// without power that is a power-up.
    fn contact(&mut self, control: Control) {
        let change = match control {
            Control::PowerOff => S::power_off,
            Control::Reset if self.powered => S::reset,
            _ => S::power_on,
        };
        self.watchdog.guard(|| change(self.slot));
        self.powered = control != Control::PowerOff;
        self.slot.atr().clone_into(&mut self.atr);
    }

    fn execute(&mut self, command: &[u8]) -> Result<(), End> {
        self.response.clear();
        self.watchdog.guard(|| self.slot.transmit(command, &mut self.response))?;
        if self.response.len() < NO_DIAGNOSIS.len() {
            self.response = NO_DIAGNOSIS.to_vec();
        }
        let frame = match self.outbox.pack(&self.response) {
            Some(frame) => frame,
            None => self.outbox.pack(&NO_DIAGNOSIS).unwrap_or_default(),
        };
        self.wire.send(frame)
    }
}
