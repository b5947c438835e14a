//! A scene for every command of the dispatch table.
//!
//! [`scenes`] matches every [`Operation`]: a new command without an entry does not compile.

mod purse;
mod sam;
mod security;
mod terminal;
mod zone;

use std::rc::Rc;

use xuejika_card_model::file::tree::CardKind;
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::wallet::{EnableFlag, MAX_BALANCE, WalletSetup};
use xuejika_emulator::dispatch::{COMMANDS, Operation};
use xuejika_emulator::{Env, VirtualCard};
use xuejika_keyscheme::legacy::Fen;

use super::case::{Card, Case, Expect};
use super::client::{Client, setup, student};
use super::memory::Memory;
use super::rng::Rng;
use super::view::{View, kind};

/// What a seed varies: amounts, times, terminals, counters, prior history.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) rng: Rng,
    pub(crate) client: Rc<Client>,
    /// A student's card with an open wallet that has a history.
    pub(crate) wallet: Vec<u8>,
    /// Its balance.
    pub(crate) balance: u32,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, "world");
        let client = Rc::new(Client::new(&mut rng));
        let balance = 100 + u32::try_from(rng.below(MAX_BALANCE.0 as usize - 200)).unwrap();
        let counter = |rng: &mut Rng| u16::try_from(rng.below(0xFFF0)).unwrap();
        let setup = WalletSetup {
            flag: EnableFlag::Open,
            balance: Fen(balance),
            online: counter(&mut rng),
            offline: counter(&mut rng),
            ..setup()
        };
        let history = rng.pick(&[0, 1, 2, 2, 3, 11]);
        let wallet = after(&student(&setup), seed, |card| {
            for _ in 0..history {
                let command = match rng.one_in(2) {
                    true => client.purchase(card, 1, &[]),
                    false => client.load(card, 1),
                };
                super::support::send(card, &command);
            }
        });
        let balance = View::of(&wallet).purse().map_or(0, |purse| purse.balance.0);
        Self { seed, rng, client, wallet, balance }
    }

    /// A student's card whose open wallet holds this, and has no history.
    pub(crate) fn holding(&self, balance: u32) -> WalletSetup {
        WalletSetup { flag: EnableFlag::Open, balance: Fen(balance), ..setup() }
    }

    /// A case whose last command the client leads up to.
    pub(crate) fn case(
        &self,
        operation: Operation,
        name: &str,
        start: Vec<u8>,
        expect: Expect,
        prepare: impl Fn(&Client, &mut Card) -> Vec<u8> + 'static,
    ) -> Case {
        let client = Rc::clone(&self.client);
        let prepare = Box::new(move |card: &mut Card| prepare(&client, card));
        Case { name: name.into(), operation, start, prepare, expect, seed: self.seed }
    }
}

/// The scenes of a command.
pub(crate) struct Scenes {
    /// Whether it ever writes.
    pub(crate) writes: bool,
    pub(crate) cases: Vec<Case>,
}

fn reads(cases: Vec<Case>) -> Scenes {
    Scenes { writes: false, cases }
}

fn writes(cases: Vec<Case>) -> Scenes {
    Scenes { writes: true, cases }
}

/// The scenes of what a command does, under this seed.
pub(crate) fn scenes(operation: Operation, world: &mut World) -> Scenes {
    use Operation as O;
    match operation {
        O::Select
        | O::ManageSecurityEnvironment
        | O::GetChallenge
        | O::GetResponse
        | O::TransitChallenge
        | O::GetBalance
        | O::UpdateCache
        | O::Prove
        | O::InternalAuthenticate => reads(looks(operation, world)),
        O::InitialiseTransaction => reads(purse::begins(world)),
        // Under line protection they spend a try of the key.
        O::ReadBinary | O::ReadRecord => writes(security::reads(operation, world)),
        O::UpdateBinary => {
            writes([security::updates(world), zone::updates(world)].into_iter().flatten().collect())
        }
        O::MutualAuthenticate => writes(zone::authentications(world)),
        O::ChangeLifeCycle => writes(zone::events(world)),
        O::PutKey => writes(zone::keys(world)),
        O::CreditForLoad => writes(purse::credits(world)),
        O::Debit => writes(purse::debits(world)),
        O::Verify => writes(security::verifications(world)),
        O::ExternalAuthenticate => writes(security::authentications(world)),
        O::ChangePin => writes(security::pin_changes(world)),
        O::PinUnblock => writes(security::pin_unblocks(world)),
        O::ApplicationBlock | O::ApplicationUnblock | O::CardBlock => {
            writes(security::blocks(operation, world))
        }
        O::PsamInitialisePurchase => writes(terminal::begins(world)),
        O::PsamCreditPurchase => writes(terminal::ends(world)),
        O::PsamDeliverKey | O::PsamCipherData => reads(terminal::looks(operation, world)),
        O::SamUnlock | O::SamDate => writes(sam::days(operation, world)),
        O::SamState
        | O::SamVersion
        | O::SamRespond
        | O::SamOpen
        | O::SamWrap
        | O::SamUnwrap
        | O::SamWrapKey
        | O::SamWrapOpening
        | O::SamClose
        | O::SamLock => reads(sam::looks(operation, world)),
    }
}

/// A transaction that a card takes after whatever has happened to it; `None` when it takes none.
pub(crate) fn follow_up(world: &World, memory: Vec<u8>, rng: &mut Rng) -> Option<Case> {
    let view = View::of(&memory);
    match kind(&memory) {
        CardKind::Psam => terminal::follow_up(world, memory, &view),
        CardKind::Sam => Some(sam::follow_up(world, memory)),
        CardKind::Management => zone::follow_up(world, memory, &view),
        CardKind::Student if view.lock().is_some_and(|lock| lock.card) => None,
        CardKind::Student if rng.one_in(4) => zone::follow_up(world, memory, &view),
        CardKind::Student => purse::follow_up(world, &memory, &view, rng)
            .or_else(|| zone::follow_up(world, memory, &view)),
    }
}

/// What the commands of the dispatch table do, each once.
pub(crate) fn operations() -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    for spec in &COMMANDS {
        if !operations.contains(&spec.operation) {
            operations.push(spec.operation);
        }
    }
    operations
}

/// Commands in the clear that change nothing.
fn looks(operation: Operation, world: &World) -> Vec<Case> {
    use Operation as O;
    let (in_wallet, command): (bool, &[u8]) = match operation {
        O::Select => (false, &[0x00, 0xA4, 0x00, 0x00, 0x02, 0x10, 0x01]),
        O::ManageSecurityEnvironment => return zone::choices(world),
        O::GetChallenge => return zone::challenges(world),
        O::GetResponse => return zone::rests(world),
        O::TransitChallenge => (true, &[0x00, 0x84, 0x00, 0x00, 0x04]),
        O::GetBalance => (true, &[0x80, 0x5C, 0x00, 0x02, 0x04]),
        O::UpdateCache => return purse::caches(world),
        O::Prove => return purse::proofs(world),
        _ => (true, &[0x00, 0x88, 0x00, 0x01, 0x08, 1, 2, 3, 4, 5, 6, 7, 8]),
    };
    let expect = Expect::nothing(0x9000);
    let start = world.wallet.clone();
    vec![world.case(operation, "in the clear", start, expect, move |client, card| {
        if in_wallet {
            client.select(card);
        }
        command.to_vec()
    })]
}

/// A memory after this was done to its card.
pub(crate) fn after(memory: &[u8], seed: u64, act: impl FnOnce(&mut Card)) -> Vec<u8> {
    let memory = Memory::new(memory.to_vec());
    let mut card = VirtualCard::new(memory, Env::from_seed(!seed)).expect("a card");
    card.power_on().expect("power");
    act(&mut card);
    card.model().nvm().bytes().to_vec()
}
