//! The one road to a card: bytes out, bytes back.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A powered card that answers command APDUs.
///
/// Implemented by the virtual card in process, by a TCP peer and by a PC/SC reader, so that
/// everything above works on any of them.
pub trait CardChannel {
    /// Sends one command APDU and leaves the response APDU (data, then SW1 SW2) in `response`,
    /// replacing what it held.
    ///
    /// # Errors
    /// Returns a [`ChannelError`] when no complete response came back. What the card did with the
    /// command is then unknown.
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError>;

    /// Resets the card without removing power and returns its answer to reset.
    ///
    /// # Errors
    /// Returns a [`ChannelError`] when the card does not answer.
    fn reset(&mut self) -> Result<Vec<u8>, ChannelError>;
}

impl<C: CardChannel + ?Sized> CardChannel for &mut C {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        (**self).transmit(command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        (**self).reset()
    }
}

impl<C: CardChannel + ?Sized> CardChannel for alloc::boxed::Box<C> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        (**self).transmit(command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        (**self).reset()
    }
}

/// Why no response came back from a [`CardChannel`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The card left the field, lost power or closed the connection.
    #[error("the card was removed or lost power")]
    Removed,
    /// The card did not answer in time.
    #[error("the card did not answer within {0} ms")]
    Timeout(u64),
    /// The peer answered something that is not a response APDU or ATR.
    #[error("the card answered {0}")]
    Malformed(String),
    /// The command is longer than this channel can carry.
    #[error("a command of {length} bytes exceeds the channel's limit of {limit}")]
    TooLong {
        /// Length of the refused command, in bytes.
        length: usize,
        /// The channel's limit, in bytes.
        limit: usize,
    },
    /// The connection or the reader failed.
    #[error("{0}")]
    Io(String),
}

impl ChannelError {
    /// Wraps the message of a lower error.
    pub fn io(error: &impl core::fmt::Display) -> Self {
        Self::Io(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::vec;

    /// Answers with the command, and to a reset with its own name.
    struct Echo;

    impl CardChannel for Echo {
        fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
            response.clear();
            response.extend_from_slice(command);
            Ok(())
        }

        fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
            Ok(b"echo".to_vec())
        }
    }

    fn meets_a_card(mut channel: impl CardChannel) {
        let mut response = vec![1, 2, 3];
        assert_eq!(channel.transmit(&[4, 5], &mut response), Ok(()));
        assert_eq!(response, [4, 5]);
        assert_eq!(channel.reset(), Ok(b"echo".to_vec()));
    }

    #[test]
    fn borrowed_and_boxed_channels_are_channels() {
        meets_a_card(Echo);
        meets_a_card(&mut Echo);
        meets_a_card(Box::new(Echo) as Box<dyn CardChannel>);
    }
}
