//! Dials a PC/SC driver (`vpcd` listens on one port per slot, 35963 and up) and keeps dialling.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::net::TcpStream;
use std::thread;

use super::lobby::Guest;
use super::{Event, Peers, Service, Slot, TICK, TransportError, session};

/// Pause after a loss. Longer than the 400 ms between two looks of a PC/SC service at its slot, so
/// that a card that lost power is seen to leave before it is back.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest pause between two attempts; each failure doubles it.
const RETRY_LAST: Duration = Duration::from_secs(4);
/// Longest wait for one attempt.
const CONNECT: Duration = Duration::from_secs(5);

/// A card that inserts itself into a driver's slot.
#[derive(Clone, Debug)]
pub struct Client {
    address: String,
    hosts: Vec<SocketAddr>,
}

impl Client {
    /// A client for the driver at `address` (HOST:PORT). Does not connect yet.
    ///
    /// # Errors
    /// Returns [`TransportError::Address`] when the address cannot be resolved, and
    /// [`TransportError::NotLoopback`] when `peers` does not allow it.
    pub fn new(address: &str, peers: Peers) -> Result<Self, TransportError> {
        let hosts = peers.resolve(address)?;
        Ok(Self { address: address.to_owned(), hosts })
    }

    /// Serves `slot` to the driver until [`Service::stop`], dialling again after every loss with
    /// pauses of 0.5 s to 4 s.
    pub fn run<S: Slot + ?Sized>(&self, slot: &mut S, service: &Service<'_>) {
        let mut pause = RETRY_FIRST;
        let mut reported = false;
        while !service.stopped() {
            match self.connect() {
                Ok((stream, host)) => {
                    reported = false;
                    let alone = &mut || false;
                    if session::serve(Guest::new(stream, host), slot, service, alone) {
                        pause = RETRY_FIRST;
                    }
                }
                Err(error) => {
                    if !reported {
                        let address = self.address.clone();
                        service.report(&Event::Unreachable(address, error.to_string()));
                    }
                    reported = true;
                }
            }
            sleep(pause, service);
            pause = (pause * 2).min(RETRY_LAST);
        }
    }

    /// Connects to the first address that answers.
    fn connect(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let mut outcome = Err(io::ErrorKind::NotFound.into());
        for host in &self.hosts {
            outcome = TcpStream::connect_timeout(host, CONNECT)
                .and_then(refuse_self)
                .map(|stream| (stream, *host));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

/// A port nobody listens on can be handed to the dialling socket itself, which then connects to
/// itself and keeps the driver from binding.
fn refuse_self(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

fn sleep(pause: Duration, service: &Service<'_>) {
    let mut left = pause;
    while !left.is_zero() && !service.stopped() {
        let step = left.min(TICK);
        thread::sleep(step);
        left -= step;
    }
}
