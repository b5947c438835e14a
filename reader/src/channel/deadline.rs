//! How long a command may take, its whole answer included.

use core::time::Duration;
use std::time::Instant;

use xuejika_apdu::{ChannelError, Response};

/// Instruction of GET RESPONSE.
const GET_RESPONSE: u8 = 0xC0;

/// A clock for commands. A command and the GET RESPONSEs that fetch its answer have one limit
/// together: a card cannot gain time by giving its answer in pieces.
#[derive(Debug)]
pub(super) struct Deadline {
    limit: Duration,
    end: Instant,
    /// Whether the card has said that more of the answer is to be fetched (61xx).
    more: bool,
}

impl Deadline {
    /// A limit for each command.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, end: Instant::now(), more: false }
    }

    /// Starts the clock for something new.
    pub(super) fn start(&mut self) {
        self.more = false;
        self.end = Instant::now() + self.limit;
    }

    /// Starts the clock for a command, unless it fetches more of the last answer.
    pub(super) fn begin(&mut self, command: &[u8]) {
        let fetches = command.get(1) == Some(&GET_RESPONSE);
        if !(self.more && fetches) {
            self.start();
        }
    }

    /// Takes note of an answer.
    pub(super) fn answered(&mut self, response: &[u8]) {
        let status = Response::parse(response).map(|response| response.status.bytes());
        self.more = matches!(status, Some([0x61, _]));
    }

    /// The time that is left, which is not zero.
    ///
    /// # Errors
    /// Returns [`ChannelError::Timeout`] when none is left.
    pub(super) fn left(&self) -> Result<Duration, ChannelError> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.timed_out()) } else { Ok(left) }
    }

    /// The error of a command that took too long.
    pub(super) fn timed_out(&self) -> ChannelError {
        ChannelError::Timeout(self.limit.as_millis().try_into().unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SELECT: [u8; 5] = [0x00, 0xA4, 0x00, 0x00, 0x00];
    const MORE: [u8; 5] = [0x00, GET_RESPONSE, 0x00, 0x00, 0x00];

    /// When the time of a command ends after this command and answer before it.
    fn ends_anew(command: &[u8], answer: &[u8], next: &[u8]) -> bool {
        let mut deadline = Deadline::new(Duration::from_secs(3600));
        deadline.begin(command);
        deadline.answered(answer);
        deadline.end -= Duration::from_secs(60);
        let before = deadline.end;
        deadline.begin(next);
        deadline.end != before
    }

    #[test]
    fn an_answer_in_pieces_has_one_limit() {
        assert!(!ends_anew(&SELECT, &[0x61, 0x01], &MORE));
        assert!(!ends_anew(&MORE, &[0xAA, 0x61, 0x01], &MORE));
        assert!(ends_anew(&SELECT, &[0x61, 0x01], &SELECT));
        assert!(ends_anew(&SELECT, &[0x90, 0x00], &MORE), "nothing was left to fetch");
    }

    #[test]
    fn no_time_is_left_at_the_end() {
        let mut deadline = Deadline::new(Duration::ZERO);
        deadline.begin(&SELECT);
        assert_eq!(deadline.left(), Err(ChannelError::Timeout(0)));
        let mut deadline = Deadline::new(Duration::from_secs(3600));
        deadline.begin(&SELECT);
        assert!(deadline.left().unwrap() > Duration::from_secs(60));
    }
}
