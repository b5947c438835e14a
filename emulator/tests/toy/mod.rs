//! A card whose every answer is predictable, and the harness that serves it.

#![allow(dead_code, reason = "each test program uses its own part")]

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use xuejika_emulator::transport::{CardDied, Client, Event, Listener, Peers, Service, Slot};

pub(crate) const ATR: [u8; 4] = [0x3B, 0x80, 0x01, 0x81];
/// Long enough for anything to happen, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the toy does with a command, by its second byte; any other is echoed with SW 9000.
pub(crate) const DIE: u8 = 0xD1;
pub(crate) const SLEEP_FOREVER: u8 = 0x5E;
/// Takes 20 ms.
pub(crate) const NAP: u8 = 0x5A;
/// Answers as many bytes as P1 P2 say (plus 65536 when the class is FF), no status word added.
pub(crate) const BYTES: u8 = 0xB5;

/// What happened to the toy, seen from outside while it is being served.
#[derive(Default)]
pub(crate) struct Diary {
    pub(crate) entries: Mutex<Vec<&'static str>>,
    pub(crate) atr_reads: AtomicUsize,
    pub(crate) release: AtomicBool,
    pub(crate) log: Mutex<Vec<String>>,
}

impl Diary {
    fn note(&self, entry: &'static str) {
        self.entries.lock().unwrap().push(entry);
    }

    pub(crate) fn entries(&self) -> Vec<&'static str> {
        self.entries.lock().unwrap().clone()
    }

    /// Waits until the log holds a line with `text`.
    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_until(text, || self.log.lock().unwrap().iter().any(|line| line.contains(text)));
    }

    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "never came: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) struct Toy<'a>(pub(crate) &'a Diary);

impl Slot for Toy<'_> {
    fn atr(&self) -> &[u8] {
        self.0.atr_reads.fetch_add(1, Ordering::SeqCst);
        &ATR
    }

    fn power_on(&mut self) {
        self.0.note("on");
    }

    fn power_off(&mut self) {
        self.0.note("off");
    }

    fn reset(&mut self) {
        self.0.note("reset");
    }

    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), CardDied> {
        self.0.note("command");
        response.clear();
        match command {
            [_, DIE, ..] => return Err(CardDied),
            [_, NAP, ..] => {
                thread::sleep(Duration::from_millis(20));
                response.extend_from_slice(&[0x90, 0x00]);
            }
            [_, SLEEP_FOREVER, ..] => {
                wait_until("release", || self.0.release.load(Ordering::SeqCst));
            }
            [class, BYTES, high, low, ..] => {
                let more = if *class == 0xFF { 0x1_0000 } else { 0 };
                let length = more + usize::from(u16::from_be_bytes([*high, *low]));
                response.resize(length, BYTES);
            }
            _ => response.extend_from_slice(&[command, &[0x90, 0x00]].concat()),
        }
        Ok(())
    }
}

/// Serves a toy on a port while `test` runs.
pub(crate) fn listening<T>(test: impl FnOnce(SocketAddr, &Diary) -> T) -> T {
    listening_under(Limits::default(), test)
}

/// As [`listening`], with other limits than the defaults.
pub(crate) fn listening_under<T>(limits: Limits, test: impl FnOnce(SocketAddr, &Diary) -> T) -> T {
    let listener = Listener::bind("127.0.0.1:0", Peers::Loopback).unwrap();
    let address = listener.local_addr();
    served(limits, |slot, service| listener.run(slot, service), |diary| test(address, diary))
}

/// Serves a toy to the driver `client` dials while `test` runs.
pub(crate) fn dialling<T>(client: &Client, test: impl FnOnce(&Diary) -> T) -> T {
    served(Limits::default(), |slot, service| client.run(slot, service), test)
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) budget: Option<Duration>,
    pub(crate) frame_deadline: Option<Duration>,
    pub(crate) idle_deadline: Option<Duration>,
}

/// Runs `serve` beside `test`, and stops it afterwards, also when the test fails.
fn served<T>(
    limits: Limits,
    serve: impl FnOnce(&mut Toy<'_>, &Service<'_>) + Send,
    test: impl FnOnce(&Diary) -> T,
) -> T {
    struct Stop<'a>(&'a AtomicBool, &'a Diary);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
            self.1.release.store(true, Ordering::SeqCst);
        }
    }

    let diary = Diary::default();
    let stop = AtomicBool::new(false);
    let log = |event: &Event| diary.log.lock().unwrap().push(event.to_string());
    let mut service = Service::new(&stop, &log);
    service.budget = limits.budget.unwrap_or(service.budget);
    service.frame_deadline = limits.frame_deadline.unwrap_or(service.frame_deadline);
    service.idle_deadline = limits.idle_deadline.unwrap_or(service.idle_deadline);
    thread::scope(|scope| {
        let _stop = Stop(&stop, &diary);
        scope.spawn(|| serve(&mut Toy(&diary), &service));
        test(&diary)
    })
}

/// A host that speaks the protocol byte by byte.
pub(crate) struct Host(pub(crate) TcpStream);

impl Host {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, body: &[u8]) {
        self.raw(&frame(body));
    }

    pub(crate) fn receive(&mut self) -> Vec<u8> {
        self.try_receive().unwrap()
    }

    fn try_receive(&mut self) -> std::io::Result<Vec<u8>> {
        let mut header = [0; 2];
        self.0.read_exact(&mut header)?;
        let mut body = vec![0; u16::from_be_bytes(header).into()];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }

    pub(crate) fn ask(&mut self, body: &[u8]) -> Vec<u8> {
        self.send(body);
        self.receive()
    }

    /// As [`Self::ask`], for a host that may be sent away.
    pub(crate) fn try_ask(&mut self, body: &[u8]) -> std::io::Result<Vec<u8>> {
        self.0.write_all(&frame(body))?;
        self.try_receive()
    }

    /// Waits for the card to close the connection, and fails if it says anything before.
    pub(crate) fn expect_removal(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty(), "the card spoke before it went"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}

pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    [&u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

pub(crate) fn echo(command: &[u8]) -> Vec<u8> {
    [command, &[0x90, 0x00]].concat()
}
