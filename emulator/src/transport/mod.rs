//! The card side of the vpcd protocol: a virtual card behind a PC/SC driver or a TCP port.
//!
//! [`Client`] dials the driver and dials again after every loss, [`Listener`] waits for a host
//! that plays the driver's part. Both lend one [`Slot`] to one host at a time. The framing is
//! [`xuejika_apdu::frame`].
//!
//! Invariants, for any bytes a host sends:
//! - a command is answered exactly once, by one write; power and reset controls never are;
//! - the ATR poll is answered from memory, in any state, without touching the card;
//! - silence, half a message and bytes that are no message never hold the card, and a host that is
//!   silent or only polls the ATR does not hold it while another one is ready;
//! - a host is never left waiting: when the card dies or exceeds its budget the connection is
//!   closed, which a PC/SC host sees as a removal;
//! - losing the connection is losing the field: the card is powered off.
//!
//! The packaged driver of several distributions sends length and body in two segments and keeps
//! Nagle's algorithm on, so it waits for the acknowledgement of the first. Acknowledging at once
//! (`TCP_QUICKACK`, Linux only) is worth a factor of several hundred there.

mod address;
mod client;
mod listener;
mod lobby;
mod session;
mod watchdog;
mod wire;

use core::fmt;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;

pub use address::Peers;
pub use client::Client;
pub use listener::Listener;

/// How often a waiting thread looks at the stop flag.
const TICK: Duration = Duration::from_millis(100);

/// A card as its contacts show it: power, reset, and one response to each command.
pub trait Slot {
    /// The answer to reset (ISO 7816-3 §8), 2 to 33 bytes. Read when a host connects and after
    /// each power-up and reset, not for every poll.
    fn atr(&self) -> &[u8];

    /// Cold reset: power comes up.
    fn power_on(&mut self);

    /// Power goes; also called when the host disconnects, whatever the state.
    fn power_off(&mut self);

    /// Warm reset: volatile state goes, power stays. Called only while power is on.
    fn reset(&mut self);

    /// Executes one command APDU and leaves the response APDU in `response`, replacing what it
    /// held. `command` is as the host sent it, two bytes or more, not yet checked; nothing keeps
    /// a host from sending it without power.
    ///
    /// # Errors
    /// Returns [`CardDied`] when no response will come, for example after a power cut.
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), CardDied>;
}

/// The card lost power during a command and will not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the card lost power")]
pub struct CardDied;

/// What a [`Client`] and a [`Listener`] run under.
#[derive(Clone, Copy)]
pub struct Service<'a> {
    /// Longest time a card may spend on one command or control before it is cut off.
    pub budget: Duration,
    /// Longest time a host may take from the first to the last byte of a frame, either way.
    pub frame_deadline: Duration,
    /// Longest time for which a host that has the card may ask nothing of it, neither a command nor
    /// power, while another one is ready to have it. Polls of the ATR are no use of a card.
    pub idle_deadline: Duration,
    /// Set it to end the service; noticed within a fraction of a second.
    pub stop: &'a AtomicBool,
    /// Receives every state change once. Called from more than one thread.
    pub log: &'a (dyn Fn(&Event) + Sync),
}

impl<'a> Service<'a> {
    /// A service with a budget of 10 s, a frame deadline of 30 s and an idle deadline of 10 s.
    #[must_use]
    pub const fn new(stop: &'a AtomicBool, log: &'a (dyn Fn(&Event) + Sync)) -> Self {
        Self {
            budget: Duration::from_secs(10),
            frame_deadline: Duration::from_secs(30),
            idle_deadline: Duration::from_secs(10),
            stop,
            log,
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn report(&self, event: &Event) {
        (self.log)(event);
    }
}

impl fmt::Debug for Service<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("budget", &self.budget)
            .field("frame_deadline", &self.frame_deadline)
            .field("idle_deadline", &self.idle_deadline)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}

/// A state change of a transport; its text is one log line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A [`Listener`] accepts hosts at this address.
    Listening(SocketAddr),
    /// A host is connected; the card is in its slot.
    Connected(SocketAddr),
    /// The host is gone and the card is without power.
    Disconnected(SocketAddr, End),
    /// A host that never had the card was sent away.
    Refused(SocketAddr, End),
    /// No host could be reached or accepted; reported once, then tried until it works.
    Unreachable(String, String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening(address) => write!(f, "listening on {address}"),
            Self::Connected(host) => write!(f, "connected to {host}"),
            Self::Disconnected(host, end) => write!(f, "disconnected from {host}: {end}"),
            Self::Refused(host, end) => write!(f, "refused {host}: {end}"),
            Self::Unreachable(address, reason) => {
                write!(f, "no host at {address}, will retry: {reason}")
            }
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum End {
    /// The host closed the connection.
    #[error("the host closed the connection")]
    Closed,
    /// The card lost power during a command.
    #[error(transparent)]
    Died(#[from] CardDied),
    /// The card exceeded [`Service::budget`].
    #[error("the card took longer than {} ms", .0.as_millis())]
    Overran(Duration),
    /// The host exceeded [`Service::frame_deadline`].
    #[error("the host left a frame unfinished for {} ms", .0.as_millis())]
    Stalled(Duration),
    /// The host asked nothing of the card while another one was waiting.
    #[error("the host asked nothing for {} ms and another one was waiting", .0.as_millis())]
    GaveWay(Duration),
    /// The service was told to stop.
    #[error("stopped")]
    Stopped,
    /// The connection failed.
    #[error("{0}")]
    Failed(String),
}

/// Why a transport could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The address is not HOST:PORT or its host has no address.
    #[error("the address {address} cannot be resolved")]
    Address {
        /// The address as given.
        address: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The address leads off this machine and only loopback was allowed.
    #[error("the address {address} is {resolved}, expected a loopback address")]
    NotLoopback {
        /// The address as given.
        address: String,
        /// What it resolves to.
        resolved: SocketAddr,
    },
    /// The port cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address as given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}
