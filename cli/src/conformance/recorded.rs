//! `conformance run --trace`: a bench whose traffic is written down, case by case.

use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_reader::channel::trace::{Abilities, Event, Tap};
use xuejika_vectors::conformance::{Bench, BenchError, Kind};

use crate::hex;

/// A bench, and where its traffic goes.
pub(super) struct Recorded {
    bench: Box<dyn Bench>,
    tap: Tap,
}

/// What a target can do, for its plan to be made again.
pub(super) fn abilities(bench: &dyn Bench) -> Abilities {
    Abilities {
        cut: bench.abilities().contains(&"cut"),
        kinds: bench.kinds().iter().map(|kind| kind.name().to_owned()).collect(),
        renews: bench.renews(),
    }
}

impl Recorded {
    /// Writes down what is tested.
    pub(super) fn new(bench: Box<dyn Bench>, tap: Tap, can: Abilities, serial: &[u8]) -> Self {
        tap.event(Event::Run { serial: hex::emit(serial), can });
        Self { bench, tap }
    }
}

impl CardChannel for Recorded {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        self.tap.command(command);
        let answered = self.bench.transmit(command, response);
        self.tap.answer(&answered, response, self.bench.reason().as_deref());
        answered
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.tap.event(Event::Reset);
        let atr = self.bench.reset();
        self.tap.atr(&atr);
        atr
    }
}

impl Bench for Recorded {
    /// A case for which there is no card leaves no beginning in the trace.
    fn begin(&mut self, case: &str, kind: Kind) -> Result<(), BenchError> {
        let begun = self.bench.begin(case, kind);
        if let Ok(()) | Err(BenchError::Channel(_)) = &begun {
            self.tap.begin(case);
        }
        if let Err(BenchError::Channel(error)) = &begun {
            self.tap.lost(error);
        }
        begun
    }

    fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.tap.event(Event::Power);
        let atr = self.bench.power_cycle();
        self.tap.atr(&atr);
        atr
    }

    fn cut_after(&mut self, writes: u64) -> Result<(), BenchError> {
        self.bench.cut_after(writes)?;
        self.tap.event(Event::Cut { writes });
        Ok(())
    }

    fn abilities(&self) -> &[&str] {
        self.bench.abilities()
    }

    fn kinds(&self) -> &[Kind] {
        self.bench.kinds()
    }

    fn renews(&self) -> bool {
        self.bench.renews()
    }

    fn reason(&self) -> Option<String> {
        self.bench.reason()
    }
}
