//! Frames on a socket: one read and one write each where the peer allows it.

use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use xuejika_apdu::frame::{self, MAX_BODY, Message};

use super::{End, Service, TICK};

/// Length of the length, in bytes.
const HEADER: usize = 2;

/// A connected socket under the service's deadline and stop flag.
pub(super) struct Wire<'a> {
    stream: &'a TcpStream,
    service: &'a Service<'a>,
}

impl<'a> Wire<'a> {
    /// Prepares `stream`: no Nagle delay, and blocking calls that come up for air every [`TICK`].
    pub(super) fn new(stream: &'a TcpStream, service: &'a Service<'a>) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        Ok(Self { stream, service })
    }

    /// Writes `bytes`, with a single system call unless the host has stopped reading.
    pub(super) fn send(&self, mut bytes: &[u8]) -> Result<(), End> {
        let mut stalled = None;
        while !bytes.is_empty() {
            match (&*self.stream).write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if is_pause(&error) => self.wait(&mut stalled)?,
                Err(error) => return Err(lost(&error)),
            }
        }
        Ok(())
    }

    /// Reads what has arrived; 0 when nothing came within a [`TICK`].
    fn receive(&self, buffer: &mut [u8]) -> Result<usize, End> {
        acknowledge_at_once(self.stream);
        match (&*self.stream).read(buffer) {
            Ok(0) => Err(End::Closed),
            Ok(count) => Ok(count),
            Err(error) if is_pause(&error) => Ok(0),
            Err(error) => Err(lost(&error)),
        }
    }

    /// Ends the connection when told to stop.
    fn proceed(&self) -> Result<(), End> {
        if self.service.stopped() { Err(End::Stopped) } else { Ok(()) }
    }

    /// Lets a host that has asked nothing of the card since `since` stay on, unless another one is
    /// ready and that is too long ago.
    fn give_way(&self, since: Instant, others: &mut dyn FnMut() -> bool) -> Result<(), End> {
        let deadline: Duration = self.service.idle_deadline;
        let gives_way = others() && since.elapsed() >= deadline;
        if gives_way { Err(End::GaveWay(deadline)) } else { Ok(()) }
    }

    /// Lets a frame that is under way since `since` wait on, until its deadline.
    fn wait(&self, since: &mut Option<Instant>) -> Result<(), End> {
        self.proceed()?;
        let deadline: Duration = self.service.frame_deadline;
        if since.get_or_insert_with(Instant::now).elapsed() < deadline {
            Ok(())
        } else {
            Err(End::Stalled(deadline))
        }
    }
}

/// The receiving buffer: holds at least one whole frame, often several.
pub(super) struct Inbox {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; HEADER + MAX_BODY].into_boxed_slice(), start: 0, end: 0 }
    }

    /// The body of the next frame. `others` is asked whether another host is ready, for each frame and
    /// each [`TICK`] without one. The host has asked nothing of the card since `idle`.
    pub(super) fn next(
        &mut self,
        wire: &Wire<'_>,
        idle: Instant,
        others: &mut dyn FnMut() -> bool,
    ) -> Result<&[u8], End> {
        let mut begun = None;
        wire.proceed()?;
        wire.give_way(idle, others)?;
        while self.pending_body().is_none() {
            self.compact();
            if self.end == 0 {
                wire.proceed()?;
            } else {
                wire.wait(&mut begun)?;
            }
            let received = wire.receive(self.buffer.get_mut(self.end..).unwrap_or_default())?;
            self.end += received;
            if self.end == 0 {
                wire.give_way(idle, others)?;
            }
        }
        let length = self.pending_body().map_or(0, <[u8]>::len);
        let body = self.start + HEADER;
        self.start = body + length;
        Ok(self.buffer.get(body..self.start).unwrap_or_default())
    }

    /// Takes what `stream`, which does not block, has, and drops what is no message. Returns
    /// whether a whole message is here.
    pub(super) fn holds_message(&mut self, mut stream: &TcpStream) -> Result<bool, End> {
        self.compact();
        match stream.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
            Ok(0) => return Err(End::Closed),
            Ok(count) => self.end += count,
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(lost(&error)),
        }
        while let Some(body) = self.pending_body() {
            if Message::parse(body) != Message::Undefined {
                return Ok(true);
            }
            self.start += HEADER + body.len();
        }
        Ok(false)
    }

    /// The body at the front of the buffer, when all of it is there.
    fn pending_body(&self) -> Option<&[u8]> {
        let (header, rest) =
            self.buffer.get(self.start..self.end)?.split_first_chunk::<HEADER>()?;
        rest.get(..u16::from_be_bytes(*header).into())
    }

    /// Moves an unfinished frame to the front.
    fn compact(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }
}

/// The sending buffer: length and body side by side, for one write.
#[derive(Default)]
pub(super) struct Outbox {
    buffer: Vec<u8>,
}

impl Outbox {
    /// Frames `body`, or returns `None` when no frame can hold it.
    pub(super) fn pack(&mut self, body: &[u8]) -> Option<&[u8]> {
        self.buffer.clear();
        self.buffer.extend_from_slice(&frame::header(body.len())?);
        self.buffer.extend_from_slice(body);
        Some(&self.buffer)
    }
}

/// Has the kernel acknowledge the next segment immediately. It forgets after each answer, so this
/// goes before every read. A failure costs speed only.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn acknowledge_at_once(stream: &TcpStream) {
    #[cfg(target_os = "android")]
    use std::os::android::net::TcpStreamExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::TcpStreamExt;
    let _ = stream.set_quickack(true);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn acknowledge_at_once(_: &TcpStream) {}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn lost(error: &io::Error) -> End {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            End::Closed
        }
        _ => End::Failed(error.to_string()),
    }
}
