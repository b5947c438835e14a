//! The education zone, the extension sectors and the management card.

use xuejika_apdu::{Class, Command};
use xuejika_card_model::event::Outcome;
use xuejika_card_model::file::tree::{CardKind, sfi};
use xuejika_card_model::file::{Df, Ef};
use xuejika_card_model::key_load::KeyData;
use xuejika_card_model::lifecycle::{Event, STATES, TABLE};
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::record::Issuance;
use xuejika_card_model::state::LifeCycleState;
use xuejika_keyscheme::slots::{FAILURE_CAP, SUCCESS_CREDIT};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion};

use xuejika_emulator::dispatch::Operation;

use super::{Case, Expect, World};
use crate::case::{Bound, Card};
use crate::support::model::scene::{event_data, put_sector, right_unit, scene};
use crate::support::model::{
    self, CITY, OWN_SCHOOL, card_in, education, file, issuance, key, management_card, new_card,
    open, tree,
};
use crate::support::{
    authenticate, change, choose, key_id, mutual_authenticate, prepare, prove, sam, select, send,
};
use crate::view::{Counter, Part, USES, View, kind};

fn slots(df: &Df, number: KeyNumber) -> Counter {
    Counter::Slots(df.fid, number.0)
}

/// A student's card in use, on which a key failed this often.
fn failed(df: &'static Df, number: KeyNumber, times: u16) -> Vec<u8> {
    let mut memory = if df.zone() == education().zone() {
        card_in(LifeCycleState::Active)
    } else {
        management_card()
    };
    let offset = df.key_offset(number).expect("a key");
    memory[offset..offset + 2].copy_from_slice(&times.to_be_bytes());
    memory
}

/// MUTUAL AUTHENTICATE on both kinds of card.
pub(super) fn authentications(world: &World) -> Vec<Case> {
    const O: Operation = Operation::MutualAuthenticate;
    let management: &'static Df = &CardKind::Management.tree().dfs[0];
    let mut cases = Vec::new();
    for (df, number) in [(education(), KeyNumber::READ), (management, KeyNumber::MANAGEMENT)] {
        let counter = slots(df, number);
        for (right, times) in
            [(true, 0), (true, 1), (true, 500), (false, 0), (false, 0xFF), (false, 999)]
        {
            let start = failed(df, number, times);
            let expect = if right {
                let credited = times.saturating_sub(SUCCESS_CREDIT);
                // A management card counts how often it was used.
                let uses = (df.zone() != education().zone()).then_some(USES);
                let changes: Vec<_> = [counter.part()].into_iter().chain(uses).collect();
                Expect::change(&changes).until(move |view: &View| {
                    let counted = uses.is_none_or(|uses| view.part(uses) == [0, 0, 0, 1]);
                    view.used(counter) == credited && counted
                })
            } else {
                Expect::failure(0x6300, counter)
            };
            let word = if right { "right" } else { "wrong" };
            let name = format!("{word} in {:04X} after {times} wrong", df.fid);
            let expect = expect.bound(Bound::Next);
            cases
                .push(world.case(O, &name, start, expect, move |_, card| {
                    attempt(card, df, number, right)
                }));
        }
        // The count stops; nothing is blocked.
        let often = failed(df, number, FAILURE_CAP);
        let expect = Expect::nothing(0x6300).bound(Bound::Next);
        let name = format!("wrong in {:04X} once more", df.fid);
        cases.push(
            world.case(O, &name, often, expect, move |_, card| attempt(card, df, number, false)),
        );
    }
    cases
}

/// MUTUAL AUTHENTICATE, right or wrong.
fn attempt(card: &mut Card, df: &'static Df, number: KeyNumber, right: bool) -> Vec<u8> {
    let id = key_id(card, df, number);
    let challenge = prepare(card, df, &id);
    let (mut request, _) = prove(card, &id, sam(OWN_SCHOOL), challenge);
    request.token[15] ^= u8::from(!right);
    mutual_authenticate(&request)
}

/// A failed authentication, which every card takes and counts until the count stops.
pub(super) fn follow_up(world: &World, memory: Vec<u8>, view: &View) -> Option<Case> {
    let df: &'static Df = &kind(&memory).tree().dfs[0];
    let number = *df.keys.last().expect("a key");
    let counter = slots(df, number);
    if view.used(counter) >= FAILURE_CAP {
        return None;
    }
    let (operation, expect) = (Operation::MutualAuthenticate, Expect::failure(0x6300, counter));
    Some(
        world.case(operation, "wrong", memory, expect, move |_, card| {
            attempt(card, df, number, false)
        }),
    )
}

/// CHANGE LIFE CYCLE: every event, once where it changes the state and once where it does not.
pub(super) fn events(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for event in TABLE.map(|rule| rule.event) {
        let start = |moves: bool| {
            let next = move |state| event.next(state, LifeCycleState::TransferredOut);
            STATES.into_iter().find(|&from| next(from).is_some_and(|to| (from != to) == moves))
        };
        for state in [start(true), start(false)].into_iter().flatten() {
            cases.push(event_case(world, event, state));
        }
    }
    cases
}

fn event_case(world: &World, event: Event, state: LifeCycleState) -> Case {
    let memory = scene(event, state);
    let of = right_unit(event, state);
    let uncut = {
        let mut card = open(&memory);
        model::scene::execute(&mut card, event, of).expect("an event that is allowed");
        View::of(card.nvm().bytes())
    };
    // Which parts an event changes is the model's business; all of them or none is ours.
    let expect = Expect::change(&View::of(&memory).difference(&uncut))
        .until(move |view| view.without(&[]) == uncut.without(&[]))
        .bound(Bound::Next);
    let name = format!("{} in state {}", event.rule().name, state.english());
    world.case(Operation::ChangeLifeCycle, &name, memory, expect, move |_, card| {
        let mut session = authenticate(card, education(), event.rule().key, sam(of));
        session
            .wrap(&change(event, &event_data(event)).with_ne(u32::try_from(Outcome::LEN).unwrap()))
    })
}

/// PUT KEY: loading and retiring.
pub(super) fn keys(world: &World) -> Vec<Case> {
    const O: Operation = Operation::PutKey;
    let (df, number, next) = (education(), KeyNumber::STATUS, KeyVersion::new(2).unwrap());
    let part = slots(df, number).part();
    let load = Expect::change(&[part]).bound(Bound::Next);
    let first = world.case(O, "a new version", failed(df, number, 7), load, move |_, card| {
        let id = KeyId { zone: df.zone(), number, version: next, algorithm: Algorithm::Aes128 };
        let data = KeyData::emit(&key(&id, card.header().serial));
        let put = Command::new(Class::OWN, 0xD8, number.0, next.number());
        let mut session = authenticate(card, df, KeyNumber::MASTER, sam(CITY));
        session.wrap(&put.with_data(&*data).with_ne(3))
    });
    // A card on which the second version is in use.
    let mut card = open(&new_card());
    let id = KeyId { zone: df.zone(), number, version: next, algorithm: Algorithm::Aes128 };
    let data = KeyData::emit(&key(&id, card.header().serial));
    let data = KeyData::parse(&*data).expect("key data");
    let city = model::actor(KeyNumber::MASTER, CITY);
    card.load_key(df, number, next, data, Some(city)).expect("a new version");
    card.count_success(df, number, next).expect("its first use");
    let retire = Expect::change(&[part]).bound(Bound::Next);
    let memory = card.nvm().bytes().to_vec();
    let second = world.case(O, "an old version retired", memory, retire, move |_, card| {
        let mut session = authenticate(card, df, KeyNumber::MASTER, sam(CITY));
        session.wrap(&Command::new(Class::OWN, 0xD8, number.0, 0xFF))
    });
    vec![first, second]
}

/// UPDATE BINARY of every file that readers write.
pub(super) fn updates(world: &mut World) -> Vec<Case> {
    let noise: [u8; 96] = world.rng.bytes();
    let whole = Issuance { generation: 1, ..issuance() }.emit();
    let last = usize::from(tree().dfs.len() != 1) * (tree().dfs.len() - 1);
    let targets: [(&'static Df, &'static Ef, KeyNumber, LifeCycleState, Vec<u8>); 4] = [
        (
            education(),
            file(sfi::ISSUANCE),
            KeyNumber::MASTER,
            LifeCycleState::Initialised,
            whole.to_vec(),
        ),
        (
            education(),
            file(sfi::IDENTITY),
            KeyNumber::PERSONALISE,
            LifeCycleState::Personalising,
            noise.to_vec(),
        ),
        (
            education(),
            file(sfi::ENROLMENT),
            KeyNumber::PERSONALISE,
            LifeCycleState::Personalising,
            noise[..1].to_vec(),
        ),
        (
            &tree().dfs[last],
            &tree().dfs[last].files[0],
            KeyNumber::APPLICATION,
            LifeCycleState::Active,
            noise[..64].to_vec(),
        ),
    ];
    let case = |(df, file, number, state, bytes): (
        &'static Df,
        &'static Ef,
        KeyNumber,
        LifeCycleState,
        Vec<u8>,
    )| {
        let mut memory = card_in(state);
        if number == KeyNumber::APPLICATION {
            put_sector(&mut memory, u8::try_from(last).unwrap(), OWN_SCHOOL);
        }
        let written = bytes.clone();
        let part = Part::File(df.fid, file.sfi);
        let expect = Expect::change(&[part])
            .bound(Bound::Next)
            .until(move |view| view.part(part)[..written.len()] == written);
        let name = format!("{} of {:04X}", file.name, df.fid);
        world.case(Operation::UpdateBinary, &name, memory, expect, move |_, card| {
            let update = Command::new(Class::ISO, 0xD6, 0x80 | file.sfi, 0x00);
            let reader = if number == KeyNumber::MASTER { sam(CITY) } else { sam(OWN_SCHOOL) };
            let mut session = session(card, df, number, reader);
            session.wrap(&update.with_data(&bytes))
        })
    };
    targets.map(case).into()
}

/// A session; the key of a sector is its owner's.
fn session(
    card: &mut Card,
    df: &'static Df,
    number: KeyNumber,
    reader: xuejika_keyscheme::auth::ReaderId,
) -> crate::support::Session {
    if number != KeyNumber::APPLICATION {
        return authenticate(card, df, number, reader);
    }
    let id = key_id(card, df, number);
    let challenge = prepare(card, df, &id);
    let index = u8::try_from(df.fid & 0x0F).unwrap();
    let key = model::scene::application_key(index, OWN_SCHOOL);
    let serial = card.header().serial;
    let (request, awaiting) =
        xuejika_keyscheme::auth::respond(&key, id, serial, reader, challenge, [0xC0; 16]);
    let reply = send(card, &mutual_authenticate(&request));
    let keys = awaiting.verify(&reply.data).expect("the owner's key");
    crate::support::Session::new(xuejika_apdu::sm::ReaderSm::new(&keys))
}

fn in_zone(
    world: &World,
    operation: Operation,
    act: impl Fn(&mut Card) -> Vec<u8> + 'static,
) -> Vec<Case> {
    let start = card_in(LifeCycleState::Active);
    let expect = Expect::nothing(0x9000);
    vec![world.case(operation, "in the education zone", start, expect, move |_, card| {
        select(card, education());
        act(card)
    })]
}

/// MANAGE SECURITY ENVIRONMENT.
pub(super) fn choices(world: &World) -> Vec<Case> {
    in_zone(world, Operation::ManageSecurityEnvironment, |card| {
        let id = key_id(card, education(), KeyNumber::READ);
        let [_, _, number, version, algorithm] = id.emit();
        vec![0x00, 0x22, 0xC1, 0xA4, 7, 0x80, 1, algorithm, 0x83, 2, number, version]
    })
}

/// GET CHALLENGE for mutual authentication.
pub(super) fn challenges(world: &World) -> Vec<Case> {
    in_zone(world, Operation::GetChallenge, |card| {
        let id = key_id(card, education(), KeyNumber::READ);
        choose(card, &id);
        vec![0x00, 0x84, 0x00, 0x00, 0x10]
    })
}

/// GET RESPONSE.
pub(super) fn rests(world: &World) -> Vec<Case> {
    in_zone(world, Operation::GetResponse, |card| {
        let select = Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(education().name);
        send(card, &select.with_ne(5).to_vec().unwrap());
        vec![0x00, 0xC0, 0x00, 0x00, 0x00]
    })
}
