//! PIN, authentication, line protection and blocking of the wallet.

use xuejika_card_model::file::tree::{sfi, wallet_sfi};
use xuejika_card_model::wallet::EnableFlag;
use xuejika_card_model::wallet::lock::ApplicationLock;
use xuejika_card_model::wallet::pin;
use xuejika_emulator::dispatch::Operation;

use super::{Case, Expect, World, after};
use crate::case::{Bound, Card};
use crate::client::{Client, apdu};
use crate::support::send;
use crate::view::{Counter, FLAG, Part, View};

const LINE: Counter = Counter::WalletKey(0x36);
const PIN_UNBLOCK: Counter = Counter::WalletKey(0x37);
const PIN_RELOAD: Counter = Counter::WalletKey(0x38);

/// FID of the MF.
const MF: u16 = 0x3F00;

/// The card after a command was sent wrongly this often.
fn tried(world: &World, times: u16, prepare: impl Fn(&Client, &mut Card) -> Vec<u8>) -> Vec<u8> {
    let liar = world.client.lying();
    after(&world.wallet, world.seed, |card| {
        for _ in 0..times {
            let command = prepare(&liar, card);
            send(card, &command);
        }
    })
}

/// How often a secret was wrong before: never, and all times but the last.
const TRIED: [u16; 2] = [0, 2];

fn locked(lock: ApplicationLock) -> impl Fn(&View) -> bool {
    move |view| view.lock().is_some_and(|stored| stored.application == lock)
}

/// A command that tries a secret, right and wrong, with all tries and with the last.
fn attempts(
    world: &World,
    operation: Operation,
    counter: Counter,
    right: impl Fn() -> Expect,
    wrong: impl Fn(u16) -> Expect,
    prepare: fn(&Client, &mut Card) -> Vec<u8>,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for times in TRIED {
        let start = || tried(world, times, prepare);
        let expect = right().spending(counter);
        let name = format!("right after {times} wrong, {:?}", counter.part());
        cases.push(world.case(operation, &name, start(), expect, prepare));
        let mut expect = wrong(times);
        expect.counts = Some(counter);
        let name = format!("wrong after {times} wrong, {:?}", counter.part());
        let lie = move |client: &Client, card: &mut Card| prepare(&client.lying(), card);
        cases.push(world.case(operation, &name, start(), expect.spending(counter), lie));
    }
    cases
}

/// The same command, right, when no try is left.
fn without_tries(
    world: &World,
    operation: Operation,
    prepare: fn(&Client, &mut Card) -> Vec<u8>,
) -> Case {
    let start = tried(world, 3, prepare);
    world.case(operation, "without a try", start, Expect::nothing(0x6983), prepare)
}

/// A wrong MAC under a key of the operator.
fn wrong_mac(status: u16) -> impl Fn(u16) -> Expect {
    move |_| Expect::nothing(status).bound(Bound::Next)
}

/// VERIFY.
pub(super) fn verifications(world: &World) -> Vec<Case> {
    const O: Operation = Operation::Verify;
    let prepare = |client: &Client, card: &mut Card| {
        client.select(card);
        let mut pin = pin::DEFAULT;
        pin[2] ^= u8::from(client.lies);
        apdu([0x00, 0x20, 0x00, 0x01], &pin[..3])
    };
    let right = || Expect::nothing(0x9000).until(|view| view.used(Counter::Pin) == 0);
    let wrong = |times| Expect::nothing(0x63C2 - times);
    let mut cases = attempts(world, O, Counter::Pin, right, wrong, prepare);
    cases.push(without_tries(world, O, prepare));
    cases
}

/// EXTERNAL AUTHENTICATE in the wallet and in the MF: a right one frees the operator's keys, a wrong
/// one changes nothing.
pub(super) fn authentications(world: &World) -> Vec<Case> {
    const O: Operation = Operation::ExternalAuthenticate;
    const FREED: [Counter; 3] = [LINE, PIN_UNBLOCK, PIN_RELOAD];
    let locked = tried(world, 3, |client, card| {
        client.select(card);
        client.protected(card, &client.keys.line, [0x84, 0x1E, 0x00, 0x00], &[])
    });
    let mut cases = Vec::new();
    let select = |client: &Client, card: &mut Card, place: &str| match place {
        "MF" => client.select_mf(card),
        _ => client.select(card),
    };
    for place in ["wallet", "MF"] {
        let freed = |view: &View| FREED.iter().all(|counter| view.used(*counter) == 0);
        let right = Expect::change(&FREED.map(Counter::part)).until(freed).bound(Bound::Next);
        let wrong = Expect::nothing(0x6300).bound(Bound::Next);
        let name = format!("right in the {place}");
        cases.push(world.case(O, &name, locked.clone(), right, move |client, card| {
            select(client, card, place);
            client.authenticate(card)
        }));
        let name = format!("wrong in the {place}");
        cases.push(world.case(O, &name, locked.clone(), wrong, move |client, card| {
            select(client, card, place);
            client.lying().authenticate(card)
        }));
    }
    cases
}

/// RELOAD PIN and CHANGE PIN.
pub(super) fn pin_changes(world: &World) -> Vec<Case> {
    const O: Operation = Operation::ChangePin;
    const NEW: [u8; 3] = [0x65, 0x43, 0x21];
    let is_new = |view: &View| view.part(Part::Pin)[5..8] == NEW && view.used(Counter::Pin) == 0;
    let changed = move || Expect::change(&[Part::Pin]).until(is_new);
    let wrong = |times| Expect::nothing(0x63C2 - times);
    let mut cases = attempts(world, O, Counter::Pin, changed, wrong, |client, card| {
        client.select(card);
        let mut pin = pin::DEFAULT;
        pin[2] ^= u8::from(client.lies);
        apdu([0x80, 0x5E, 0x01, 0x01], &[&pin[..3], &[0xFF], &NEW].concat())
    });
    let wrong = |times| Expect { bound: Bound::Free, ..wrong_mac(0x9302)(times) };
    cases.extend(attempts(world, O, PIN_RELOAD, changed, wrong, |client, card| {
        client.select(card);
        let mut mac: [u8; 4] = client.keys.pin_reload.pin_mac(&NEW).into();
        mac[3] ^= u8::from(client.lies);
        apdu([0x80, 0x5E, 0x00, 0x01], &[&NEW[..], &mac].concat())
    }));
    cases
}

/// PIN UNBLOCK of a blocked PIN.
pub(super) fn pin_unblocks(world: &World) -> Vec<Case> {
    const O: Operation = Operation::PinUnblock;
    let right = || {
        Expect::change(&[Part::Pin])
            .bound(Bound::Next)
            .until(|view| view.part(Part::Pin)[5..7] == [0x77, 0x77])
    };
    let prepare = |client: &Client, card: &mut Card| {
        client.select(card);
        let pin = client.keys.pin_unblock.encrypt_data(&[0x77, 0x77]).unwrap();
        client.protected(card, &client.keys.pin_unblock, [0x84, 0x24, 0x00, 0x01], &pin)
    };
    let mut cases = attempts(world, O, PIN_UNBLOCK, right, wrong_mac(0x6988), prepare);
    for case in &mut cases {
        case.start = after(&case.start, world.seed, |card| {
            for _ in 0..3 {
                world.client.select(card);
                send(card, &[0x00, 0x20, 0x00, 0x01, 0x02, 0x00, 0x00]);
            }
        });
    }
    cases
}

/// READ BINARY and READ RECORD: in the clear, and under line protection.
pub(super) fn reads(operation: Operation, world: &World) -> Vec<Case> {
    let right = || Expect::nothing(0x9000).bound(Bound::Next);
    let (plain, mut cases): (&[u8], _) = if operation == Operation::ReadBinary {
        let prepare = |client: &Client, card: &mut Card| {
            client.select(card);
            let header = [0x04, 0xB0, 0x80 | wallet_sfi::HOLDER, 0x00];
            client.protected(card, &client.keys.line, header, &[])
        };
        let mut cases = attempts(world, operation, LINE, right, wrong_mac(0x6988), prepare);
        cases.push(without_tries(world, operation, prepare));
        (&[0x00, 0xB0, 0x95, 0x00, 0x00], cases)
    } else {
        let cases = attempts(world, operation, LINE, right, wrong_mac(0x6988), |client, card| {
            client.select(card);
            let header = [0x04, 0xB2, 0x01, wallet_sfi::COMPOUND << 3 | 4];
            client.protected(card, &client.keys.line, header, &[])
        });
        (&[0x00, 0xB2, 0x01, wallet_sfi::COMPOUND << 3 | 4, 0x00], cases)
    };
    let start = world.wallet.clone();
    cases.push(world.case(
        operation,
        "in the clear",
        start,
        Expect::nothing(0x9000),
        move |client, card| {
            client.select(card);
            plain.to_vec()
        },
    ));
    cases
}

/// UPDATE BINARY by the operator.
pub(super) fn updates(world: &World) -> Vec<Case> {
    const O: Operation = Operation::UpdateBinary;
    let suspended = || {
        Expect::change(&[FLAG])
            .bound(Bound::Next)
            .until(|view| view.flag() == Some(EnableFlag::Suspended))
    };
    let mut cases = attempts(world, O, LINE, suspended, wrong_mac(0x6988), |client, card| {
        client.select(card);
        let header = [0x04, 0xD6, 0x80 | wallet_sfi::CONTROL, 0x00];
        client.protected(card, &client.keys.line, header, &[EnableFlag::Suspended.code()])
    });
    let counter = || Expect::change(&[Part::File(MF, sfi::COUNTER)]).bound(Bound::Next);
    cases.extend(attempts(world, O, LINE, counter, wrong_mac(0x6988), |client, card| {
        client.select_mf(card);
        let header = [0x04, 0xD6, 0x80 | sfi::COUNTER, 0x00];
        client.protected(card, &client.keys.line, header, &[0, 0, 0, 0, 1])
    }));
    let issuer = Part::File(0x1001, wallet_sfi::ISSUER);
    let written = || Expect::change(&[issuer]).bound(Bound::Next);
    cases.extend(attempts(world, O, LINE, written, wrong_mac(0x6988), |client, card| {
        client.select(card);
        let header = [0x04, 0xD6, 0x80 | wallet_sfi::ISSUER, 0x00];
        client.protected(card, &client.keys.line, header, &[0x5A; 30])
    }));
    let start = || world.wallet.clone();
    let mut wrong = Expect::nothing(0x6988).spending(LINE).bound(Bound::Next);
    wrong.counts = Some(LINE);
    cases.push(world.case(O, "other data than the MAC's", start(), wrong, |client, card| {
        client.select(card);
        let header = [0x04, 0xD6, 0x80 | wallet_sfi::ISSUER, 0x00];
        let mut command = client.protected(card, &client.keys.line, header, &[0x5A; 30]);
        command[20] ^= 1;
        command
    }));
    cases.push(world.case(
        O,
        "an enable flag that is not allowed",
        start(),
        Expect::nothing(0x6985).spending(LINE).bound(Bound::Next),
        |client, card| {
            client.select(card);
            let header = [0x04, 0xD6, 0x80 | wallet_sfi::CONTROL, 0x00];
            client.protected(card, &client.keys.line, header, &[EnableFlag::Closed.code()])
        },
    ));
    cases
}

/// APPLICATION BLOCK, APPLICATION UNBLOCK and CARD BLOCK.
pub(super) fn blocks(operation: Operation, world: &World) -> Vec<Case> {
    let wrong = wrong_mac(0x6988);
    let lock = |lock| move || Expect::change(&[Part::Lock]).until(locked(lock)).bound(Bound::Next);
    match operation {
        Operation::ApplicationBlock => {
            let temporary = lock(ApplicationLock::Temporary);
            let mut cases = attempts(world, operation, LINE, temporary, &wrong, |client, card| {
                client.select(card);
                client.protected(card, &client.keys.line, [0x84, 0x1E, 0x00, 0x00], &[])
            });
            let permanent = lock(ApplicationLock::Permanent);
            cases.extend(attempts(world, operation, LINE, permanent, &wrong, |client, card| {
                client.select(card);
                client.protected(card, &client.keys.line, [0x84, 0x1E, 0x00, 0x01], &[])
            }));
            cases.push(blocked_wallet(world));
            cases
        }
        Operation::ApplicationUnblock => {
            let tries = [0x3F, 0x3D].map(Counter::WalletKey);
            let unblocked = || {
                tries
                    .iter()
                    .fold(Expect::change(&[Part::Lock]), |expect, tries| expect.also(tries.part()))
            };
            let right = move || {
                unblocked().bound(Bound::Next).until(move |view| {
                    locked(ApplicationLock::None)(view)
                        && tries.iter().all(|tries| view.used(*tries) == 0)
                })
            };
            let mut cases = attempts(world, operation, LINE, right, &wrong, |client, card| {
                client.select(card);
                client.protected(card, &client.keys.line, [0x84, 0x18, 0x00, 0x00], &[])
            });
            for case in &mut cases {
                case.start = after(&case.start, world.seed, |card| {
                    for _ in 0..3 {
                        let command = world.client.lying().load(card, 1);
                        send(card, &command);
                    }
                });
            }
            cases
        }
        _ => {
            let right = || {
                Expect::change(&[Part::Lock])
                    .bound(Bound::Next)
                    .until(|view| view.lock().is_some_and(|lock| lock.card))
            };
            let mut cases = attempts(world, operation, LINE, right, &wrong, |client, card| {
                client.select_mf(card);
                let honest = Client { lies: false, ..client.clone() };
                let command = honest.authenticate(card);
                send(card, &command);
                client.protected(card, &client.keys.line, [0x84, 0x16, 0x00, 0x00], &[])
            });
            let expect = Expect::nothing(0x6982).spending(LINE);
            let name = "after an authentication and a reset";
            let start = world.wallet.clone();
            cases.push(world.case(operation, name, start, expect, |client, card| {
                client.select_mf(card);
                let command = client.authenticate(card);
                assert_eq!(send(card, &command).sw, 0x9000);
                card.reset().expect("power");
                client.protected(card, &client.keys.line, [0x84, 0x16, 0x00, 0x00], &[])
            }));
            cases
        }
    }
}

/// What a blocked wallet is asked that it does not do.
fn blocked_wallet(world: &World) -> Case {
    let start = after(&world.wallet, world.seed, |card| {
        let client = &world.client;
        client.select(card);
        let command = client.protected(card, &client.keys.line, [0x84, 0x1E, 0x00, 0x00], &[]);
        assert_eq!(send(card, &command).sw, 0x9000);
    });
    let expect = Expect::nothing(0x6985);
    let name = "a purchase from a blocked wallet";
    world.case(Operation::ApplicationBlock, name, start, expect, |client, card| {
        client.select(card);
        client.initialise(0x01, 1)
    })
}
