//! Waits for hosts that play the driver's part and serves them one after another.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::net::TcpListener;
use std::thread;

use super::lobby::Lobby;
use super::{Event, Peers, Service, Slot, TransportError, session};

/// How often an idle listener looks for a host.
const POLL: Duration = Duration::from_millis(10);

/// A card behind a TCP port.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens at `address` (HOST:PORT; port 0 picks a free one).
    ///
    /// # Errors
    /// Returns [`TransportError::Address`] when the address cannot be resolved,
    /// [`TransportError::NotLoopback`] when `peers` does not allow it and
    /// [`TransportError::Bind`] when the port is taken.
    pub fn bind(address: &str, peers: Peers) -> Result<Self, TransportError> {
        let candidates = peers.resolve(address)?;
        let bind = || -> io::Result<Self> {
            let socket = TcpListener::bind(candidates.as_slice())?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        bind().map_err(|source| TransportError::Bind { address: address.to_owned(), source })
    }

    /// The address hosts connect to.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves `slot` to one host at a time until [`Service::stop`]; further hosts wait. A host gets
    /// the card when its first message is here, and keeps it until it goes, or asks nothing of it for
    /// [`Service::idle_deadline`] while another one is ready.
    pub fn run<S: Slot + ?Sized>(&self, slot: &mut S, service: &Service<'_>) {
        service.report(&Event::Listening(self.address));
        let mut lobby = Lobby::new(&self.socket);
        while !service.stopped() {
            lobby.look(service);
            match lobby.next() {
                Some(guest) => {
                    session::serve(guest, slot, service, &mut || lobby.glance(service));
                }
                None => thread::sleep(POLL),
            }
        }
    }
}
