//! A card in a PC/SC reader, held exclusively so that nobody gets between two commands.
//!
//! PC/SC has no time-out for a command: a call returns when the card or the reader answers. But a card
//! that gives its answer in pieces gets no more time than one that gives it whole.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use std::thread;
use std::time::Instant;

use pcsc::{
    Card, Context, Disposition, Error, MAX_BUFFER_SIZE_EXTENDED, Protocols, Scope, ShareMode,
};
use xuejika_apdu::{CardChannel, ChannelError};

use super::deadline::Deadline;

/// How long another program's hold on the card is waited out: one that just ended may linger.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a command with its whole answer may take before no more of the answer is fetched.
const LIMIT: Duration = Duration::from_secs(30);
/// Pause between two attempts.
const RETRY: Duration = Duration::from_millis(50);

/// The names of the readers PC/SC knows, in its order; none is an empty list.
///
/// # Errors
/// Returns [`ChannelError::Io`] when the PC/SC service does not run.
pub fn readers() -> Result<Vec<String>, ChannelError> {
    let names = reader_names(&establish()?)?;
    Ok(names.iter().map(|name| name.to_string_lossy().into_owned()).collect())
}

/// A powered card in a PC/SC reader.
pub struct PcscChannel {
    card: Card,
    reader: String,
    inbox: Box<[u8]>,
    deadline: Deadline,
}

impl PcscChannel {
    /// Takes the card in `reader`: an index into [`readers`], a reader's name or a part of one
    /// that fits no other (letter case does not matter).
    ///
    /// # Errors
    /// Returns [`ChannelError::Io`] when no reader or more than one fits, or another program
    /// holds the card for more than 2 s, and [`ChannelError::Removed`] when the reader is empty.
    pub fn open(reader: &str) -> Result<Self, ChannelError> {
        let context = establish()?;
        let names = reader_names(&context)?;
        let name = choose(&names, reader)?;
        let card = patiently(|| context.connect(name, ShareMode::Exclusive, Protocols::ANY))?;
        Ok(Self {
            card,
            reader: name.to_string_lossy().into_owned(),
            inbox: vec![0; MAX_BUFFER_SIZE_EXTENDED].into_boxed_slice(),
            deadline: Deadline::new(LIMIT),
        })
    }

    /// The full name of the reader.
    #[must_use]
    pub fn reader(&self) -> &str {
        &self.reader
    }

    /// The answer to the last reset; for a contactless card the one the reader makes up.
    ///
    /// # Errors
    /// Returns [`ChannelError::Removed`] when the card is gone.
    pub fn atr(&self) -> Result<Vec<u8>, ChannelError> {
        let status = self.card.status2_owned().map_err(failure)?;
        Ok(status.atr().to_vec())
    }

    /// Takes power from the card and gives it back (cold reset); returns the answer to reset.
    ///
    /// # Errors
    /// Returns [`ChannelError::Removed`] when the card does not come back.
    pub fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.restart(Disposition::UnpowerCard)
    }

    fn restart(&mut self, how: Disposition) -> Result<Vec<u8>, ChannelError> {
        patiently(|| self.card.reconnect(ShareMode::Exclusive, Protocols::ANY, how))?;
        self.atr()
    }
}

impl CardChannel for PcscChannel {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        response.clear();
        if command.len() > MAX_BUFFER_SIZE_EXTENDED {
            return Err(ChannelError::TooLong {
                length: command.len(),
                limit: MAX_BUFFER_SIZE_EXTENDED,
            });
        }
        if command.len() < 2 {
            let reason = "a command shorter than two bytes would be taken for a control";
            return Err(ChannelError::Io(reason.to_owned()));
        }
        self.deadline.begin(command);
        self.deadline.left()?;
        match self.card.transmit(command, &mut self.inbox).map_err(failure)? {
            // What a driver reports when the card dies with the command pending.
            [] => Err(ChannelError::Removed),
            [_] => Err(ChannelError::Malformed("one byte, expected two or more".to_owned())),
            answer => {
                response.extend_from_slice(answer);
                self.deadline.answered(answer);
                Ok(())
            }
        }
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.restart(Disposition::ResetCard)
    }
}

impl core::fmt::Debug for PcscChannel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PcscChannel").field("reader", &self.reader).finish_non_exhaustive()
    }
}

fn establish() -> Result<Context, ChannelError> {
    Context::establish(Scope::User).map_err(failure)
}

fn reader_names(context: &Context) -> Result<Vec<CString>, ChannelError> {
    match context.list_readers_owned() {
        Err(Error::NoReadersAvailable) => Ok(Vec::new()),
        names => names.map_err(failure),
    }
}

/// The reader that `wanted` names: by index, else by exact name, else by the only name holding it.
fn choose<'n>(names: &'n [CString], wanted: &str) -> Result<&'n CString, ChannelError> {
    if let Ok(index) = wanted.parse::<usize>() {
        let missing = || {
            let count = names.len();
            ChannelError::Io(format!("there is no reader {index}, PC/SC has {count}"))
        };
        return names.get(index).ok_or_else(missing);
    }
    if let Some(exact) = names.iter().find(|name| name.to_string_lossy() == wanted) {
        return Ok(exact);
    }
    let part = wanted.to_lowercase();
    let mut fitting =
        names.iter().filter(|name| name.to_string_lossy().to_lowercase().contains(&part));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(ChannelError::Io(format!("no reader's name holds {wanted:?}"))),
        (Some(a), Some(b)) => {
            Err(ChannelError::Io(format!("{wanted:?} fits {a:?} and {b:?}, expected one reader")))
        }
    }
}

/// Repeats `attempt` while another program holds the card.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, ChannelError> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(Error::SharingViolation) if begun.elapsed() < PATIENCE => thread::sleep(RETRY),
            outcome => return outcome.map_err(failure),
        }
    }
}

fn failure(error: Error) -> ChannelError {
    match error {
        Error::NoSmartcard
        | Error::RemovedCard
        | Error::ResetCard
        | Error::UnpoweredCard
        | Error::UnresponsiveCard
        | Error::NotTransacted => ChannelError::Removed,
        other => ChannelError::Io(format!("PC/SC: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_chosen_by_index_name_or_the_only_fitting_part() {
        let names: Vec<CString> = ["Virtual PCD 00 00", "Virtual PCD 00 01", "ACME Reader"]
            .map(|name| CString::new(name).unwrap())
            .into();
        let chosen = |wanted| choose(&names, wanted).ok().and_then(|name| name.to_str().ok());
        assert_eq!(chosen("0"), Some("Virtual PCD 00 00"));
        assert_eq!(chosen("2"), Some("ACME Reader"));
        assert_eq!(chosen("3"), None);
        assert_eq!(chosen("acme"), Some("ACME Reader"));
        assert_eq!(chosen("Virtual PCD 00 01"), Some("Virtual PCD 00 01"));
        assert_eq!(chosen("virtual"), None);
        assert_eq!(chosen("nothing"), None);
    }
}
