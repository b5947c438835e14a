//! The host side of the vpcd protocol ([`xuejika_apdu::frame`]): plays the driver's part to a card
//! that listens on a TCP port.
//!
//! The stream holds no message numbers, so an answer that comes late would be taken for the answer
//! to the next command. After any error the connection is closed, and every further call returns
//! [`ChannelError::Removed`].

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};

use xuejika_apdu::frame::{self, Control, MAX_BODY};
use xuejika_apdu::{CardChannel, ChannelError};

use super::deadline::Deadline;

/// Length of the length, in bytes.
const HEADER: usize = 2;
/// Longest answer to reset, in bytes (ISO 7816-3 §8.2).
const MAX_ATR: usize = 33;

/// A virtual card behind a TCP port.
#[derive(Debug)]
pub struct TcpChannel {
    stream: TcpStream,
    deadline: Deadline,
    atr: Vec<u8>,
    inbox: Box<[u8]>,
    outbox: Vec<u8>,
}

impl TcpChannel {
    /// Connects to the card at `address` (HOST:PORT) and powers it on. `timeout` bounds the
    /// connection and afterwards each command with its whole answer, GET RESPONSE included; it should
    /// exceed the card's own budget.
    ///
    /// # Errors
    /// Returns [`ChannelError::Io`] when nothing listens there, and as [`Self::power_on`]. A card
    /// that is serving another host does not answer: [`ChannelError::Timeout`].
    pub fn connect(address: &str, timeout: Duration) -> Result<Self, ChannelError> {
        let stream = dial(address, timeout)
            .map_err(|error| ChannelError::Io(format!("cannot connect to {address}: {error}")))?;
        let mut channel = Self {
            stream,
            deadline: Deadline::new(timeout),
            atr: Vec::new(),
            inbox: vec![0; HEADER + MAX_BODY].into_boxed_slice(),
            outbox: Vec::new(),
        };
        channel.power_on()?;
        Ok(channel)
    }

    /// The answer to the last power-up or reset.
    #[must_use]
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    /// Powers the card on (cold reset) and returns its answer to reset.
    ///
    /// # Errors
    /// Returns [`ChannelError::Removed`] when the card is gone, [`ChannelError::Timeout`] when it
    /// does not answer and [`ChannelError::Malformed`] when the answer is no ATR.
    pub fn power_on(&mut self) -> Result<&[u8], ChannelError> {
        self.closing_on_error(|channel| channel.activate(Control::PowerOn))?;
        Ok(&self.atr)
    }

    /// Powers the card off; volatile state is gone. The connection stays.
    ///
    /// # Errors
    /// Returns [`ChannelError::Removed`] when the card is gone.
    pub fn power_off(&mut self) -> Result<(), ChannelError> {
        self.closing_on_error(|channel| {
            channel.deadline.start();
            channel.queue(&[Control::PowerOff.code()]);
            channel.flush()
        })
    }

    fn closing_on_error<T>(
        &mut self,
        exchange: impl FnOnce(&mut Self) -> Result<T, ChannelError>,
    ) -> Result<T, ChannelError> {
        let result = exchange(self);
        if result.is_err() {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
        result
    }

    /// Sends `control` and asks for the ATR in one write, as the driver does.
    fn activate(&mut self, control: Control) -> Result<(), ChannelError> {
        self.deadline.start();
        self.queue(&[control.code()]);
        self.queue(&[Control::GetAtr.code()]);
        self.flush()?;
        let atr = self.receive()?;
        if atr.len() > MAX_ATR {
            let found = format!("an answer to reset of {} bytes, expected 2 to 33", atr.len());
            return Err(ChannelError::Malformed(found));
        }
        self.atr = atr.to_owned();
        Ok(())
    }

    /// Adds a frame to the outbox. `body` is at most [`MAX_BODY`] long.
    fn queue(&mut self, body: &[u8]) {
        if let Some(header) = frame::header(body.len()) {
            self.outbox.extend_from_slice(&header);
            self.outbox.extend_from_slice(body);
        }
    }

    fn flush(&mut self) -> Result<(), ChannelError> {
        let outbox = mem::take(&mut self.outbox);
        let mut rest = &*outbox;
        while !rest.is_empty() {
            self.limit(TcpStream::set_write_timeout)?;
            match self.stream.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(&error)),
            }
        }
        Ok(())
    }

    /// Lets the next call on the stream take what is left of the time.
    fn limit(
        &self,
        set: impl Fn(&TcpStream, Option<Duration>) -> io::Result<()>,
    ) -> Result<(), ChannelError> {
        set(&self.stream, Some(self.deadline.left()?)).map_err(|error| self.failure(&error))
    }

    /// Reads one frame of two bytes or more and returns its body.
    fn receive(&mut self) -> Result<&[u8], ChannelError> {
        let mut filled = 0;
        loop {
            self.limit(TcpStream::set_read_timeout)?;
            let room = self.inbox.get_mut(filled..).unwrap_or_default();
            match self.stream.read(room) {
                Ok(0) => return Err(ChannelError::Removed),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(&error)),
            }
            let received = self.inbox.get(..filled).unwrap_or_default();
            if let Some((header, body)) = received.split_first_chunk::<HEADER>() {
                let length = usize::from(u16::from_be_bytes(*header));
                if body.len() >= length {
                    check_length(length, body.len())?;
                    break;
                }
            }
        }
        Ok(self.inbox.get(HEADER..filled).unwrap_or_default())
    }

    fn failure(&self, error: &io::Error) -> ChannelError {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.deadline.timed_out(),
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected => ChannelError::Removed,
            _ => ChannelError::io(error),
        }
    }
}

impl CardChannel for TcpChannel {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        response.clear();
        if command.len() > MAX_BODY {
            return Err(ChannelError::TooLong { length: command.len(), limit: MAX_BODY });
        }
        if command.len() < 2 {
            let reason = "a command shorter than two bytes would be taken for a control";
            return Err(ChannelError::Io(reason.to_owned()));
        }
        self.closing_on_error(|channel| {
            channel.deadline.begin(command);
            channel.queue(command);
            channel.flush()?;
            response.extend_from_slice(channel.receive()?);
            channel.deadline.answered(response);
            Ok(())
        })
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.closing_on_error(|channel| channel.activate(Control::Reset))?;
        Ok(self.atr.clone())
    }
}

/// Connects to the first address behind `address` that answers.
fn dial(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut outcome = Err(ErrorKind::NotFound.into());
    let candidates: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    for candidate in candidates {
        outcome = TcpStream::connect_timeout(&candidate, timeout);
        if outcome.is_ok() {
            break;
        }
    }
    let stream = outcome?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// An empty body is how the protocol says "no card"; one byte is no answer to anything.
fn check_length(length: usize, received: usize) -> Result<(), ChannelError> {
    match length {
        0 => Err(ChannelError::Removed),
        1 => Err(ChannelError::Malformed("one byte, expected two or more".to_owned())),
        _ if received > length => {
            Err(ChannelError::Malformed(format!("{} bytes more than announced", received - length)))
        }
        _ => Ok(()),
    }
}
