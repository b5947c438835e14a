//! Hosts that have connected and do not have the card yet.
//!
//! A host gets the card when its first message is here, whole. So silence, half a message and bytes
//! that are none hold nobody up; they cost a descriptor and a buffer each, for [`MOST`] hosts at most.
//! Further hosts wait in the system's own queue, and one of them takes the place of the host that has
//! been silent longest. The same happens when the process is short of descriptors: [`SPARE`] of them stay
//! free for what a card has to write.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use super::wire::Inbox;
use super::{End, Event, Service, TICK};

/// Most hosts that wait here.
const MOST: usize = 64;

/// How long a host may be silent before another one may take its place.
const GRACE: Duration = Duration::from_millis(100);

/// Descriptors that hosts who wait must leave to the rest of the process: an image is written with a
/// temporary file, its folder and a lock.
const SPARE: usize = 4;

/// A connected host, and what it has sent so far.
pub(super) struct Guest {
    pub(super) stream: TcpStream,
    pub(super) host: SocketAddr,
    pub(super) inbox: Inbox,
    since: Instant,
    ready: bool,
}

impl Guest {
    pub(super) fn new(stream: TcpStream, host: SocketAddr) -> Self {
        Self { stream, host, inbox: Inbox::new(), since: Instant::now(), ready: false }
    }

    /// Takes what has come. Fails when the host is gone before it was ready.
    fn listen(&mut self) -> Result<(), End> {
        if !self.ready {
            self.ready = self.inbox.holds_message(&self.stream)?;
        }
        Ok(())
    }
}

/// The hosts behind a listening socket.
pub(super) struct Lobby<'a> {
    socket: &'a TcpListener,
    guests: VecDeque<Guest>,
    looked: Instant,
    failing: bool,
    /// Whether fewer than [`SPARE`] descriptors were left.
    short: bool,
}

impl<'a> Lobby<'a> {
    /// Of a socket whose calls do not block.
    pub(super) fn new(socket: &'a TcpListener) -> Self {
        let guests = VecDeque::new();
        Self { socket, guests, looked: Instant::now(), failing: false, short: false }
    }

    /// Looks, once in a [`TICK`] at most, and says whether a host is ready: no, in between.
    pub(super) fn glance(&mut self, service: &Service<'_>) -> bool {
        if self.looked.elapsed() < TICK {
            return false;
        }
        self.look(service);
        self.guests.iter().any(|guest| guest.ready)
    }

    /// Lets hosts in and hears those who are here. Never blocks.
    pub(super) fn look(&mut self, service: &Service<'_>) {
        self.looked = Instant::now();
        self.guests.retain_mut(|guest| {
            let late = !guest.ready && guest.since.elapsed() >= service.frame_deadline;
            if late {
                let end = End::Stalled(service.frame_deadline);
                service.report(&Event::Refused(guest.host, end));
            }
            !late && guest.listen().is_ok()
        });
        for _ in 0..MOST {
            if !(self.has_room(service) && self.admit(service)) {
                break;
            }
        }
    }

    /// The host that is ready and came first.
    pub(super) fn next(&mut self) -> Option<Guest> {
        let first = self.guests.iter().position(|guest| guest.ready)?;
        self.guests.remove(first)
    }

    /// Lets one host in. Returns whether there was one.
    fn admit(&mut self, service: &Service<'_>) -> bool {
        match self.socket.accept() {
            Ok((stream, host)) => {
                self.failing = false;
                let mut guest = Guest::new(stream, host);
                if guest.stream.set_nonblocking(true).is_ok() && guest.listen().is_ok() {
                    self.guests.push_back(guest);
                }
                self.short = !self.leaves_enough();
                true
            }
            Err(error) => {
                self.short = !self.leaves_enough();
                if error.kind() != ErrorKind::WouldBlock && !self.failing {
                    self.failing = true;
                    let address = self.socket.local_addr().map_or_else(
                        |_| "the listening socket".to_owned(),
                        |address| address.to_string(),
                    );
                    service.report(&Event::Unreachable(address, error.to_string()));
                }
                false
            }
        }
    }

    /// Whether [`SPARE`] descriptors can be opened.
    fn leaves_enough(&self) -> bool {
        let spare: Result<Vec<_>, _> = (0..SPARE).map(|_| self.socket.try_clone()).collect();
        spare.is_ok()
    }

    /// Whether a host can be let in: always, unless the lobby is full of hosts that are ready or new.
    fn has_room(&mut self, service: &Service<'_>) -> bool {
        self.short = self.short && !self.leaves_enough();
        let crowded = self.short && !self.guests.is_empty();
        if self.guests.len() < MOST && !crowded {
            return true;
        }
        // They stand in the order they came in.
        let silent = self.guests.iter().position(|guest| !guest.ready);
        let Some(silent) = silent.and_then(|at| self.guests.get(at).map(|guest| (at, guest)))
        else {
            return false;
        };
        let (at, guest) = silent;
        if guest.since.elapsed() < GRACE {
            return false;
        }
        service.report(&Event::Refused(guest.host, End::GaveWay(GRACE)));
        self.guests.remove(at);
        true
    }
}
