//! Loads, purchases and unloads: what they do, at every edge, and what is refused.

use xuejika_card_model::wallet::lock::ApplicationLock;
use xuejika_card_model::wallet::pin;
use xuejika_card_model::wallet::{EnableFlag, MAX_BALANCE, WalletSetup};
use xuejika_emulator::dispatch::Operation;
use xuejika_keyscheme::legacy::TransactionType as Type;

use super::{Case, Expect, World, after};
use crate::case::{Bound, Card};
use crate::client::{Client, apdu, setup, student};
use crate::rng::Rng;
use crate::support::send;
use crate::view::{Counter, Part, View};

/// Types of the keys of load, purchase and unload.
const LOAD_KEY: u8 = 0x3F;
const PURCHASE_KEY: u8 = 0x3E;
const UNLOAD_KEY: u8 = 0x3D;

/// Leads a card up to the last command of a transaction.
type Road = fn(&Client, &mut Card, u32) -> Vec<u8>;

const LOAD: (Type, u8, Road) =
    (Type::WalletLoad, LOAD_KEY, |client, card, amount| client.load(card, amount));
const PURCHASE: (Type, u8, Road) =
    (Type::WalletPurchase, PURCHASE_KEY, |client, card, amount| client.purchase(card, amount, &[]));
const COMPOUND: (Type, u8, Road) =
    (Type::CompoundPurchase, PURCHASE_KEY, |client, card, amount| {
        let [tag, rest] =
            (amount % 4 + 1).to_be_bytes()[2..].try_into().map(|[_, t]: [u8; 2]| [t, 46]).unwrap();
        let filler = amount.to_be_bytes()[3];
        let long = [&[tag, rest][..], &[filler; 46]].concat();
        let short = vec![tag % 4 + 1, 2, filler, !filler];
        let records = if amount.is_multiple_of(2) { vec![long, short] } else { vec![long] };
        client.purchase(card, amount, &records)
    });
const UNLOAD: (Type, u8, Road) =
    (Type::Unload, UNLOAD_KEY, |client, card, amount| client.unload(card, amount));

/// Whether wrong MACs under this key are counted: a purchase wins nothing by guessing.
const fn has_tries(key: u8) -> bool {
    key != PURCHASE_KEY
}

/// A transaction that succeeds.
fn done(
    world: &World,
    operation: Operation,
    name: &str,
    start: Vec<u8>,
    (kind, key, road): (Type, u8, Road),
    amount: u32,
) -> Case {
    let before = View::of(&start).flag();
    let empty = View::of(&start).purse().is_some_and(|purse| purse.balance.0 == amount);
    let flag = match (kind, before) {
        (Type::WalletLoad, Some(EnableFlag::NotOpened)) => Some(EnableFlag::Open),
        (Type::Unload, Some(EnableFlag::Suspended)) if empty => Some(EnableFlag::Closed),
        (_, flag) => flag,
    };
    let counter = Counter::WalletKey(key);
    let mut expect = Expect::money(world.client.money(kind, amount), key)
        .until(move |view| view.flag() == flag && view.used(counter) == 0);
    if has_tries(key) {
        expect = expect.spending(counter);
    }
    world.case(operation, name, start, expect, move |client, card| road(client, card, amount))
}

/// A transaction with a wrong MAC, `before` of which were wrong already.
fn wrong(
    world: &World,
    operation: Operation,
    (_, key, road): (Type, u8, Road),
    before: u16,
) -> Case {
    let liar = world.client.lying();
    let start = after(&world.wallet, world.seed, |card| {
        for _ in 0..before {
            let command = road(&liar, card, 1);
            send(card, &command);
        }
    });
    let counter = Counter::WalletKey(key);
    let expect = if has_tries(key) {
        let last = move |view: &View| view.used(counter) == before + 1;
        Expect::failure(0x9302, counter).spending(counter).until(last)
    } else {
        Expect::nothing(0x9302)
    };
    let expect = expect.bound(Bound::Next);
    let name = format!("wrong MAC number {} of a key {key:02X}", before + 1);
    world.case(operation, &name, start, expect, move |client, card| road(&client.lying(), card, 1))
}

/// A card on which a transaction has failed twice.
fn tried(world: &World, (_, _, road): (Type, u8, Road)) -> Vec<u8> {
    let liar = world.client.lying();
    after(&world.wallet, world.seed, |card| {
        for _ in 0..2 {
            let command = road(&liar, card, 1);
            send(card, &command);
        }
    })
}

/// A load or a purchase of 1 fen, if the wallet takes one.
pub(super) fn follow_up(world: &World, memory: &[u8], view: &View, rng: &mut Rng) -> Option<Case> {
    let purse = view.purse()?;
    let unlocked = view.lock()?.application == ApplicationLock::None;
    if !unlocked || view.flag() != Some(EnableFlag::Open) {
        return None;
    }
    let may_try = |counter| view.used(counter) < 3;
    let pin = may_try(Counter::Pin) && view.part(Part::Pin)[5..8] == pin::DEFAULT[..3];
    let load = pin
        && may_try(Counter::WalletKey(LOAD_KEY))
        && purse.balance < MAX_BALANCE
        && purse.online < u16::MAX;
    let pay = purse.balance.0 > 0 && purse.offline < u16::MAX;
    let (name, operation, road) = match (load, pay) {
        (true, false) => ("a load", Operation::CreditForLoad, LOAD),
        (true, true) if rng.one_in(2) => ("a load", Operation::CreditForLoad, LOAD),
        (_, true) => ("a purchase", Operation::Debit, PURCHASE),
        (false, false) => return None,
    };
    Some(done(world, operation, name, memory.to_vec(), road, 1))
}

/// CREDIT FOR LOAD.
pub(super) fn credits(world: &mut World) -> Vec<Case> {
    const O: Operation = Operation::CreditForLoad;
    let room = MAX_BALANCE.0 - world.balance;
    let some = u32::try_from(world.rng.below(room as usize)).unwrap();
    let start = || world.wallet.clone();
    let last = student(&WalletSetup { online: 0xFFFE, ..world.holding(0) });
    vec![
        done(world, O, "the first load", student(&setup()), LOAD, some),
        done(world, O, "a load", start(), LOAD, some),
        done(world, O, "a load up to the ceiling", start(), LOAD, room),
        done(world, O, "the last load of a card", last, LOAD, MAX_BALANCE.0),
        done(world, O, "a load after two wrong MACs", tried(world, LOAD), LOAD, 1),
        wrong(world, O, LOAD, 0),
        wrong(world, O, LOAD, 2),
        world.case(
            O,
            "with nothing under way",
            start(),
            Expect::nothing(0x6901),
            |client, card| {
                client.select(card);
                apdu([0x80, 0x52, 0x00, 0x00], &[0; 11])
            },
        ),
    ]
}

/// DEBIT.
pub(super) fn debits(world: &mut World) -> Vec<Case> {
    const O: Operation = Operation::Debit;
    let balance = world.balance;
    let some = u32::try_from(world.rng.below(balance as usize)).unwrap();
    let start = || world.wallet.clone();
    let suspended = WalletSetup { flag: EnableFlag::Suspended, ..world.holding(some + 1) };
    let last = student(&WalletSetup { offline: 0xFFFE, online: 0xFFFE, ..world.holding(balance) });
    let mut cases = vec![
        done(world, O, "a purchase", start(), PURCHASE, some),
        done(world, O, "a purchase of nothing", start(), PURCHASE, 0),
        done(world, O, "a purchase of all there is", start(), PURCHASE, balance),
        done(world, O, "the last purchase of a card", last.clone(), PURCHASE, balance),
        done(world, O, "a purchase after two wrong MACs", tried(world, PURCHASE), PURCHASE, 1),
        done(world, O, "a compound purchase", start(), COMPOUND, some),
        done(world, O, "a compound purchase of all there is", start(), COMPOUND, balance),
        done(world, O, "an unload", start(), UNLOAD, some),
        done(world, O, "the last unload of a card", last, UNLOAD, 1),
        done(world, O, "an unload that closes", student(&suspended), UNLOAD, some + 1),
        world.case(
            O,
            "a compound purchase without a record",
            start(),
            Expect::nothing(0x6901),
            |client, card| {
                client.select(card);
                send(card, &client.initialise(0x03, 1));
                apdu([0x80, 0x54, 0x01, 0x00], &[0; 15])
            },
        ),
    ];
    for road in [PURCHASE, COMPOUND, UNLOAD] {
        cases.push(wrong(world, O, road, 0));
        cases.push(wrong(world, O, road, 2));
    }
    cases
}

/// INITIALIZE: what a wallet agrees to and what it refuses.
#[allow(clippy::too_many_lines, reason = "a case after the other, told once")]
pub(super) fn begins(world: &mut World) -> Vec<Case> {
    use EnableFlag::{Closed, NotOpened, Open, Suspended};
    let (balance, full) = (world.balance, MAX_BALANCE.0);
    let holding = |balance| world.holding(balance);
    let state = |flag, balance| WalletSetup { flag, ..holding(balance) };
    let worn = WalletSetup { online: 0xFFFF, offline: 0xFFFF, ..holding(balance) };
    // Flag, balance and counters before; P1; amount; whether the PIN was verified; status word.
    let table: Vec<(WalletSetup, u8, u32, bool, u16)> = vec![
        (holding(full), 0x00, 0, true, 0x9000),
        (holding(full), 0x00, 1, true, 0x6985),
        (holding(balance), 0x00, full - balance + 1, true, 0x6985),
        (holding(balance), 0x00, 0x8000_0000, true, 0x6985),
        (holding(balance), 0x00, u32::MAX, true, 0x6985),
        (holding(balance), 0x00, u32::MAX - balance + 1, true, 0x6985),
        (holding(balance), 0x00, 1, false, 0x6982),
        (holding(balance), 0x05, 1, false, 0x6982),
        (holding(balance), 0x01, balance, false, 0x9000),
        (holding(balance), 0x03, balance, false, 0x9000),
        (holding(balance), 0x05, balance, true, 0x9000),
        (holding(balance), 0x01, balance + 1, false, 0x9401),
        (holding(balance), 0x03, balance + 1, false, 0x9401),
        (holding(balance), 0x05, balance + 1, true, 0x9401),
        (holding(balance), 0x01, 0x8000_0000, false, 0x9401),
        (holding(balance), 0x01, u32::MAX, false, 0x9401),
        (holding(0), 0x01, 1, false, 0x9401),
        (worn.clone(), 0x00, 1, true, 0x9402),
        (worn.clone(), 0x01, 1, false, 0x9402),
        (worn.clone(), 0x03, 1, false, 0x9402),
        (worn, 0x05, 1, true, 0x9402),
        (state(NotOpened, 0), 0x00, 1, true, 0x9000),
        (state(NotOpened, balance), 0x01, 1, false, 0x6985),
        (state(NotOpened, balance), 0x05, 1, true, 0x6985),
        (state(Suspended, balance), 0x00, 1, true, 0x6985),
        (state(Suspended, balance), 0x01, 1, false, 0x6985),
        (state(Suspended, balance), 0x03, 1, false, 0x6985),
        (state(Suspended, balance), 0x05, 1, true, 0x9000),
        (state(Closed, balance), 0x00, 1, true, 0x6985),
        (state(Closed, balance), 0x01, 1, false, 0x6985),
        (state(Closed, balance), 0x05, 1, true, 0x6985),
        (state(Open, balance), 0x00, 0, true, 0x9000),
    ];
    let mut cases = Vec::new();
    for (setup, p1, amount, pin, status) in table {
        let name = format!(
            "P1 {p1:02X} of {amount} fen, {} with {}, counters {:04X} {:04X}",
            setup.flag.english(),
            setup.balance.0,
            setup.online,
            setup.offline
        );
        let expect = Expect::nothing(status);
        cases.push(world.case(
            Operation::InitialiseTransaction,
            &name,
            student(&setup),
            expect,
            move |client, card| {
                client.select(card);
                if pin {
                    client.verify(card);
                }
                client.initialise(p1, amount)
            },
        ));
    }
    let after_a_load = Expect::nothing(0x6982);
    let start = student(&holding(0));
    cases.push(world.case(
        Operation::InitialiseTransaction,
        "a second load with one PIN",
        start,
        after_a_load,
        |client, card| {
            let credit = client.load(card, 1);
            assert_eq!(send(card, &credit).sw, 0x9000);
            client.initialise(0x00, 1)
        },
    ));
    cases
}

/// UPDATE CAPP DATA CACHE.
pub(super) fn caches(world: &World) -> Vec<Case> {
    let start = world.wallet.clone();
    let expect = Expect::nothing(0x9000);
    vec![world.case(Operation::UpdateCache, "a record", start, expect, |client, card| {
        client.select(card);
        send(card, &client.initialise(0x03, 1));
        apdu([0x80, 0xDC, 0x01, 0x19 << 3], &[0x01, 0x01, 0xA5])
    })]
}

/// GET TRANSACTION PROVE of a purchase that was made, and of others.
pub(super) fn proofs(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    // What is added to type and sequence number, and the status word.
    for (kind, sequence, status) in
        [(0, 0, 0x9000), (3, 0, 0x9406), (0, 1, 0x9406), (0, 0xFFFF, 0x9406)]
    {
        let name = format!("type + {kind}, number + {sequence}");
        let start = world.wallet.clone();
        let expect = Expect::nothing(status);
        cases.push(world.case(Operation::Prove, &name, start, expect, move |client, card| {
            let debit = client.purchase(card, 1, &[]);
            assert_eq!(send(card, &debit).sw, 0x9000);
            let made = card.model().purse().expect("a purse").offline;
            let sequence = made.wrapping_add(sequence).to_be_bytes();
            apdu([0x80, 0x5A, 0x00, Type::WalletPurchase.code() + kind], &sequence)
        }));
    }
    cases
}
