//! A command over TCP on loopback, one connection, one command under way at a time.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use xuejika_apdu::frame::Control;
use xuejika_benches::Bench;
use xuejika_emulator::transport::{Listener, Peers, Service, Slot};

use crate::cards::{self, NullCard, SELECT_EDUCATION};

pub(crate) fn run(bench: &mut Bench) {
    let (card, _) = cards::wallet();
    let mut card = cards::fresh(&card);
    let mut response = Vec::new();
    cards::ask(&mut card, SELECT_EDUCATION, &mut response);
    let (select, answer) = (frame(SELECT_EDUCATION), frame(&response));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let ours = Host::connect(&serve(scope, card, &stop)).powered();
        let null = Host::connect(&serve(scope, NullCard::new(), &stop)).powered();
        let bare = Host::connect(&echo(scope, answer));
        bench
            .row("SELECT over TCP, loopback")
            .ours_timed(|repeats| ours.repeat(&select, repeats))
            .floor_timed(|repeats| bare.repeat(&select, repeats))
            .against_timed("card that does nothing", |repeats| null.repeat(&select, repeats))
            .done();
        stop.store(true, Ordering::Relaxed);
    });
}

/// A card behind a port of its own.
fn serve<'scope, 'env, S: Slot + Send + 'scope>(
    scope: &'scope thread::Scope<'scope, 'env>,
    mut slot: S,
    stop: &'env AtomicBool,
) -> String {
    let listener = Listener::bind("127.0.0.1:0", Peers::Loopback).unwrap();
    let address = listener.local_addr().to_string();
    scope.spawn(move || listener.run(&mut slot, &Service::new(stop, &|_| {})));
    address
}

/// One read and one write for each frame, whatever it says.
fn echo<'scope>(scope: &'scope thread::Scope<'scope, '_>, answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    scope.spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut buffer = [0; 256];
        while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
            stream.write_all(&answer).unwrap();
        }
    });
    address
}

struct Host(TcpStream);

impl Host {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Gives the card power, which it does not answer.
    fn powered(self) -> Self {
        (&self.0).write_all(&frame(&[Control::PowerOn.code()])).unwrap();
        self
    }

    /// Sends the frame so many times. Two threads share the work, so the time is that of the clock on
    /// the wall.
    fn repeat(&self, frame: &[u8], repeats: u64) -> Duration {
        let started = Instant::now();
        for _ in 0..repeats {
            black_box(self.exchange(frame));
        }
        started.elapsed()
    }

    fn exchange(&self, frame: &[u8]) -> usize {
        let mut buffer = [0; 512];
        (&self.0).write_all(frame).unwrap();
        (&self.0).read(&mut buffer).unwrap()
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    [&u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}
