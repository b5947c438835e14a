//! `emulate`: serves a card to a PC/SC driver or to hosts over TCP.

mod renewed;
mod stored;

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;
use xuejika_card_model::file::tree::CardKind;
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::record::Profile;
use xuejika_emulator::misbehave::{Misbehaving, Plan, Who};
use xuejika_emulator::transport::{Client, Event, Listener, Peers, Service, Slot};
use xuejika_emulator::{Env, VirtualCard};
use xuejika_keyscheme::Algorithm;

use crate::args::EmulateArgs;
use crate::card::Summary;
use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;
use crate::recorder::{self, Tapped};
use crate::target::{copy_image, memory_of, open_image, other_serial};

use renewed::Renewed;
use stored::Stored;

/// Serves until interrupted.
pub(crate) fn run(args: &EmulateArgs, out: &Output) -> Outcome<Code> {
    let mut env = recorder::env(&out.trace, args.seed)?;
    #[cfg(unix)]
    if let Some(batch) = &args.deck.batch {
        let mut deck = crate::batch::serve::Deck::open(&args.deck, batch, &mut env)?;
        let name = batch.display().to_string();
        let summary = |card| summary(name.clone(), card);
        let summaries: Vec<_> = deck.cards().iter().map(summary).collect::<Outcome<_>>()?;
        return serve(&mut deck, &summaries, args, out);
    }
    let Some(image) = &args.image else {
        return Err(Failure::usage(anyhow::anyhow!("expected an image")));
    };
    let name = image.display().to_string();
    if let Some(plan) = args.misbehave {
        let card = copy_image(image, &mut env)?;
        let summary = summary(name, &card)?;
        serve(&mut misbehaving(card, plan)?, &[summary], args, out)
    } else if args.fresh {
        let mut slot = Renewed::new(image, env)?;
        let summary = summary(name, slot.card())?;
        serve(&mut slot, &[summary], args, out)
    } else if args.volatile {
        let mut card = copy_image(image, &mut env)?;
        let summary = summary(name, &card)?;
        serve(&mut card, &[summary], args, out)
    } else {
        let card = open_image(image, &mut env)?;
        let summary = summary(name, &card)?;
        serve(&mut Stored(card), &[summary], args, out)
    }
}

/// The card, to misbehave as planned.
fn misbehaving(card: VirtualCard, plan: Plan) -> Outcome<Misbehaving> {
    let (kind, algorithm) = (card.header().kind, card.header().algorithm);
    let (expected, of) = match plan.what.card {
        Who::Student => (CardKind::Student, "student"),
        Who::Management => (CardKind::Management, "management"),
    };
    if kind != expected {
        return Err(Failure::usage(anyhow::anyhow!("{plan} is for {of} cards")));
    }
    let profile = match algorithm {
        Algorithm::Aes128 => Profile::CpuAes,
        Algorithm::Sm4 => Profile::CpuSm4,
    };
    let other = memory_of(other_serial(&card.header().serial.0), profile)?;
    let other = VirtualCard::new(other, Env::from_seed(0)).map_err(Failure::device)?;
    Ok(Misbehaving::new(card, other, Some(plan)))
}

fn summary<N: Nvm>(name: String, card: &VirtualCard<N>) -> Outcome<Summary> {
    let state = card.model().state().map_err(Failure::usage)?;
    Ok(Summary::of(name, card.header(), state))
}

/// Where the hosts are.
enum Road {
    Driver(Client),
    Hosts(Listener),
}

fn serve(
    slot: &mut impl Slot,
    summaries: &[Summary],
    args: &EmulateArgs,
    out: &Output,
) -> Outcome<Code> {
    let peers = if args.allow_remote { Peers::Any } else { Peers::Loopback };
    let road = match (&args.vpcd, &args.listen) {
        (Some(address), _) => Road::Driver(Client::new(address, peers)?),
        (None, Some(address)) => Road::Hosts(Listener::bind(address, peers)?),
        (None, None) => {
            let neither = anyhow::anyhow!("expected --vpcd HOST:PORT or --listen HOST:PORT");
            return Err(Failure::usage(neither));
        }
    };
    let name = args.vpcd.as_ref().or(args.listen.as_ref()).map_or("", String::as_str);
    let mut slot = Tapped { slot, tap: out.trace.tap(name, "served card") };
    let stop = stop_on_interrupt()?;
    summaries.iter().try_for_each(|summary| out.report(summary))?;
    // A service goes on when nobody reads its log.
    let log = |event: &Event| drop(out.report(&Change::new(event)));
    let service = Service::new(&stop, &log);
    match road {
        Road::Driver(client) => client.run(&mut slot, &service),
        Road::Hosts(listener) => listener.run(&mut slot, &service),
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
            Event::Refused(host, _) => ("refused", host.to_string()),
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
