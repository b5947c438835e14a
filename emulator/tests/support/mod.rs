//! A powered card under the published test keys, and a reader that can authenticate to it.

#![allow(dead_code, reason = "each test program uses its own part")]

pub(crate) mod line;
#[path = "../../../card-model/tests/support/mod.rs"]
pub(crate) mod model;
pub(crate) mod rng;
pub(crate) mod stored;
pub(crate) mod walk;
pub(crate) mod wallet;

use model::{key, unit};
use xuejika_apdu::sm::ReaderSm;
use xuejika_apdu::{Class, Command, Response, StatusWord};
use xuejika_card_model::bcd::Digits;
use xuejika_card_model::file::tree::MF_FID;
use xuejika_card_model::file::{Df, Ef, Structure};
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::record::ExtensionIndex;
use xuejika_card_model::state::LifeCycleState;
use xuejika_emulator::{Env, VirtualCard};
use xuejika_keyscheme::auth::{self, AwaitingCard, ReaderId, Request};
use xuejika_keyscheme::{KeyId, KeyNumber, KeyVersion};

/// Seed of every card whose randomness does not matter.
const SEED: u64 = 7;

/// What a card answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) data: Vec<u8>,
    pub(crate) sw: u16,
}

impl Reply {
    fn parse(response: &[u8]) -> Self {
        let Response { data, status } = Response::parse(response).expect("two status bytes");
        Self { data: data.to_vec(), sw: status.0 }
    }
}

/// Status word alone.
pub(crate) const fn sw(sw: u16) -> Reply {
    Reply { data: Vec::new(), sw }
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).unwrap()
}

pub(crate) fn send<N: Nvm>(card: &mut VirtualCard<N>, apdu: &[u8]) -> Reply {
    let mut response = Vec::new();
    card.transmit(apdu, &mut response).expect("the card answers");
    Reply::parse(&response)
}

/// Sends a command written in hex.
pub(crate) fn ask<N: Nvm>(card: &mut VirtualCard<N>, hex: &str) -> Reply {
    send(card, &bytes(hex))
}

pub(crate) fn power_up<N: Nvm>(nvm: N) -> VirtualCard<N> {
    power_up_with(nvm, Env::from_seed(SEED))
}

pub(crate) fn power_up_with<N: Nvm>(nvm: N, env: Env) -> VirtualCard<N> {
    let mut card = VirtualCard::new(nvm, env).unwrap();
    card.power_on().unwrap();
    card
}

/// A pupil's card in use.
pub(crate) fn active_card() -> VirtualCard {
    card_in(LifeCycleState::Active)
}

/// A card in this state, with a pupil where the state has one and every sector open to the city.
pub(crate) fn card_in(state: LifeCycleState) -> VirtualCard {
    power_up(RamNvm::new(memory_in(state)))
}

pub(crate) fn memory_in(state: LifeCycleState) -> Vec<u8> {
    let mut memory = model::card_in(state);
    for index in 1..=ExtensionIndex::MAX {
        model::scene::put_sector(&mut memory, index, model::CITY);
    }
    memory
}

/// SAM number 42 of a unit.
pub(crate) fn sam(of: &str) -> ReaderId {
    SamSerial { unit: unit(of), number: Digits::new(42).unwrap() }.reader()
}

/// Bytes of the card's memory.
pub(crate) fn memory<N: Nvm>(card: &VirtualCard<N>) -> Vec<u8> {
    card.model().nvm().bytes().to_vec()
}

pub(crate) fn failures<N: Nvm>(card: &VirtualCard<N>, df: &Df, number: KeyNumber) -> u16 {
    card.model().key_slots(df, number).unwrap().unwrap().failures()
}

/// Selects a DF by name, or the MF.
pub(crate) fn select<N: Nvm>(card: &mut VirtualCard<N>, df: &Df) -> Reply {
    let select = Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(df.name).with_ne(256);
    let mf = Command::new(Class::ISO, 0xA4, 0x00, 0x00).with_ne(256);
    let reply = send(card, &if df.fid == MF_FID { mf } else { select }.to_vec().unwrap());
    assert_eq!(reply.sw, 0x9000);
    reply
}

/// The name of the key with this number of a DF, in its first version.
pub(crate) fn key_id<N: Nvm>(card: &VirtualCard<N>, df: &Df, number: KeyNumber) -> KeyId {
    let algorithm = card.header().algorithm;
    KeyId { zone: df.zone(), number, version: KeyVersion::FIRST, algorithm }
}

/// MANAGE SECURITY ENVIRONMENT: chooses a key.
pub(crate) fn choose<N: Nvm>(card: &mut VirtualCard<N>, id: &KeyId) -> Reply {
    let [_, _, number, version, algorithm] = id.emit();
    send(card, &[0x00, 0x22, 0xC1, 0xA4, 7, 0x80, 1, algorithm, 0x83, 2, number, version])
}

/// GET CHALLENGE.
pub(crate) fn challenge<N: Nvm>(card: &mut VirtualCard<N>) -> [u8; 16] {
    let reply = ask(card, "00 84 00 00 10");
    assert_eq!(reply.sw, 0x9000);
    reply.data.try_into().unwrap()
}

/// MUTUAL AUTHENTICATE with this proof.
pub(crate) fn mutual_authenticate(request: &Request) -> Vec<u8> {
    [&[0x00, 0x82, 0x00, 0x00, 0x28][..], &request.emit(), &[0x10]].concat()
}

/// The reader's proof for a challenge, under the right key.
pub(crate) fn prove<N: Nvm>(
    card: &VirtualCard<N>,
    id: &KeyId,
    reader: ReaderId,
    challenge: [u8; 16],
) -> (Request, AwaitingCard) {
    let serial = card.header().serial;
    auth::respond(&key(id, serial), *id, serial, reader, challenge, [0xC0; 16])
}

/// Selects a DF, chooses the key and takes a challenge for it.
pub(crate) fn prepare<N: Nvm>(card: &mut VirtualCard<N>, df: &Df, id: &KeyId) -> [u8; 16] {
    select(card, df);
    assert_eq!(choose(card, id), sw(0x9000));
    challenge(card)
}

/// Opens a session in a DF under a key of the first version.
pub(crate) fn authenticate<N: Nvm>(
    card: &mut VirtualCard<N>,
    df: &Df,
    number: KeyNumber,
    reader: ReaderId,
) -> Session {
    let id = key_id(card, df, number);
    let challenge = prepare(card, df, &id);
    let (request, awaiting) = prove(card, &id, reader, challenge);
    let reply = send(card, &mutual_authenticate(&request));
    assert_eq!(reply.sw, 0x9000);
    Session { sm: ReaderSm::new(&awaiting.verify(&reply.data).unwrap()) }
}

/// Opens a session in the education zone: of the city under K0, else of the pupil's own school.
pub(crate) fn session<N: Nvm>(card: &mut VirtualCard<N>, number: KeyNumber) -> Session {
    let of = if number == KeyNumber::MASTER { model::CITY } else { model::OWN_SCHOOL };
    authenticate(card, model::education(), number, sam(of))
}

/// The reader's end of a session.
pub(crate) struct Session {
    sm: ReaderSm,
}

impl Session {
    pub(crate) const fn new(sm: ReaderSm) -> Self {
        Self { sm }
    }

    /// Protects a plain command.
    pub(crate) fn wrap(&mut self, command: &Command<'_>) -> Vec<u8> {
        let mut apdu = Vec::new();
        self.sm.wrap_command(command, &mut apdu).unwrap();
        apdu
    }

    /// Sends a plain command protected and gives the protected answer, once it is verified.
    pub(crate) fn send_raw<N: Nvm>(
        &mut self,
        card: &mut VirtualCard<N>,
        command: &Command<'_>,
    ) -> Reply {
        let reply = send(card, &self.wrap(command));
        self.unwrap(&reply);
        reply
    }

    /// Verifies a protected answer.
    pub(crate) fn unwrap(&mut self, reply: &Reply) -> Reply {
        let mut data = Vec::new();
        let response = Response { data: &reply.data, status: StatusWord(reply.sw) };
        let status = self.sm.unwrap_response(&response, &mut data).expect("a protected answer");
        Reply { data, sw: status.0 }
    }

    /// Sends a plain command under protection and gives the plain answer, fetching what did not fit.
    pub(crate) fn send<N: Nvm>(
        &mut self,
        card: &mut VirtualCard<N>,
        command: &Command<'_>,
    ) -> Reply {
        let apdu = self.wrap(command);
        let mut reply = send(card, &apdu);
        while reply.sw & 0xFF00 == 0x6100 {
            let more = ask(card, "00 C0 00 00 00");
            reply.data.extend(more.data);
            reply.sw = more.sw;
        }
        self.unwrap(&reply)
    }

    /// As [`Self::send`], with a command written in hex.
    pub(crate) fn ask<N: Nvm>(&mut self, card: &mut VirtualCard<N>, hex: &str) -> Reply {
        let apdu = bytes(hex);
        self.send(card, &Command::parse(&apdu).unwrap())
    }
}

/// A plain command that reads a file: all of it, or its first record.
pub(crate) fn read(file: &Ef) -> Command<'static> {
    match file.structure {
        Structure::Transparent { .. } => Command::new(Class::ISO, 0xB0, 0x80 | file.sfi, 0x00),
        _ => Command::new(Class::ISO, 0xB2, 0x01, file.sfi << 3 | 0x04),
    }
    .with_ne(256)
}

/// A plain command that writes the start of a file.
pub(crate) fn update<'a>(file: &Ef, data: &'a [u8]) -> Command<'a> {
    Command::new(Class::ISO, 0xD6, 0x80 | file.sfi, 0x00).with_data(data)
}

/// A plain CHANGE LIFE CYCLE with this event data.
pub(crate) fn change(event: Event, data: &[u8]) -> Command<'_> {
    Command::new(Class::OWN, 0xF0, event.code(), 0x00).with_data(data).with_ne(256)
}
