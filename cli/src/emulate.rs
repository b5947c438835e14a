//! `emulate`: serves a card to a PC/SC driver or to hosts over TCP.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;
use xuejika_card_model::nvm::Nvm;
use xuejika_emulator::VirtualCard;
use xuejika_emulator::transport::{Client, Event, Listener, Peers, Service};

use crate::args::EmulateArgs;
use crate::card::Summary;
use crate::clock;
use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;
use crate::target::{copy_image, open_image};

/// Serves until interrupted.
pub(crate) fn run(args: &EmulateArgs, out: &Output) -> Outcome<Code> {
    let mut env = clock::env(args.seed)?;
    if args.volatile {
        serve(copy_image(&args.image, &mut env)?, args, out)
    } else {
        serve(open_image(&args.image, &mut env)?, args, out)
    }
}

/// Where the hosts are.
enum Road {
    Driver(Client),
    Hosts(Listener),
}

fn serve<N: Nvm>(mut card: VirtualCard<N>, args: &EmulateArgs, out: &Output) -> Outcome<Code> {
    let peers = if args.allow_remote { Peers::Any } else { Peers::Loopback };
    let road = match (&args.vpcd, &args.listen) {
        (Some(address), _) => Road::Driver(Client::new(address, peers)?),
        (None, Some(address)) => Road::Hosts(Listener::bind(address, peers)?),
        (None, None) => {
            let neither = anyhow::anyhow!("expected --vpcd HOST:PORT or --listen HOST:PORT");
            return Err(Failure::usage(neither));
        }
    };
    let stop = stop_on_interrupt()?;
    let state = card.model().state().map_err(Failure::usage)?;
    out.report(&Summary::of(args.image.display().to_string(), card.header(), state))?;
    // A service goes on when nobody reads its log.
    let log = |event: &Event| drop(out.report(&Change::new(event)));
    let service = Service::new(&stop, &log);
    match road {
        Road::Driver(client) => client.run(&mut card, &service),
        Road::Hosts(listener) => listener.run(&mut card, &service),
    }
    Ok(Code::AsExpected)
}

fn stop_on_interrupt() -> Outcome<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .context("cannot wait for an interrupt")
        .map_err(Failure::device)?;
    Ok(stop)
}

/// A change of the connection.
#[derive(Serialize)]
struct Change {
    event: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    address: String,
    text: String,
}

impl Change {
    fn new(event: &Event) -> Self {
        let (name, address) = match event {
            Event::Listening(address) => ("listening", address.to_string()),
            Event::Connected(host) => ("connected", host.to_string()),
            Event::Disconnected(host, _) => ("disconnected", host.to_string()),
            Event::Unreachable(address, _) => ("unreachable", address.clone()),
            _ => ("other", String::new()),
        };
        Self { event: name, address, text: event.to_string() }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
