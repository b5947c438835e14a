//! The report of an earlier run as a card: it gives the answers that were given then.

use std::collections::VecDeque;

use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_vectors::conformance::report::{Exchange, ExchangeKind, Report};
use xuejika_vectors::conformance::{Bench, BenchError, Kind, Verdict};

use crate::hex;

/// A recorded run.
#[derive(Debug)]
pub(super) struct Replay {
    report: Report,
    /// What is left of the case that runs.
    rest: VecDeque<Exchange>,
    reason: Option<String>,
    can_cut: bool,
}

impl Replay {
    pub(super) fn new(report: Report) -> Self {
        let mut exchanges = report.cases.iter().flat_map(|case| &case.exchanges);
        let can_cut = exchanges.any(|exchange| exchange.kind == ExchangeKind::Cut);
        Self { report, rest: VecDeque::new(), reason: None, can_cut }
    }

    /// The next recorded exchange, which has to be this one.
    fn next(&mut self, kind: ExchangeKind, command: &str) -> Result<Vec<u8>, ChannelError> {
        let next = self.rest.pop_front().ok_or_else(|| {
            ChannelError::Malformed("nothing: the recording ends here".to_owned())
        })?;
        if next.kind != kind || next.command != command {
            let recorded = format!("{:?} {}", next.kind, next.command).to_lowercase();
            return Err(ChannelError::Malformed(format!("another command then: {recorded}")));
        }
        self.reason = next.reason;
        match next.error {
            Some(error) if error.removed => Err(ChannelError::Removed),
            Some(error) => Err(ChannelError::Io(error.text)),
            None => hex::parse(&next.response)
                .map_err(|error| ChannelError::Malformed(error.to_string())),
        }
    }
}

impl CardChannel for Replay {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        response.clear();
        *response = self.next(ExchangeKind::Transmit, &hex::emit(command))?;
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.next(ExchangeKind::Reset, "")
    }
}

impl Bench for Replay {
    fn begin(&mut self, case: &str, _kind: Kind) -> Result<(), BenchError> {
        let recorded = self.report.cases.iter().find(|recorded| recorded.id == case);
        match recorded.filter(|recorded| recorded.verdict != Verdict::NotApplicable) {
            Some(recorded) => {
                self.rest = recorded.exchanges.iter().cloned().collect();
                Ok(())
            }
            None => Err(BenchError::Unable("replay a case that was not recorded")),
        }
    }

    fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.next(ExchangeKind::Power, "")
    }

    fn cut_after(&mut self, writes: u64) -> Result<(), BenchError> {
        self.next(ExchangeKind::Cut, &format!("{writes:X}")).map(drop)?;
        Ok(())
    }

    fn abilities(&self) -> &[&str] {
        if self.can_cut { &["cut"] } else { &[] }
    }

    fn renews(&self) -> bool {
        true
    }

    fn reason(&self) -> Option<String> {
        self.reason.clone()
    }
}
