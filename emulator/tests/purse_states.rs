//! The transaction states of the wallet: every command in every state, and the state it leaves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use support::wallet::{Wallet, open_with};
use xuejika_card_model::wallet::message::{Consent, Demand};
use xuejika_keyscheme::legacy::{PurchaseKind, TransactionType};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Load,
    Unload,
    Purchase,
    Compound,
    Cached,
}

const STATES: [State; 6] =
    [State::Idle, State::Load, State::Unload, State::Purchase, State::Compound, State::Cached];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    InitialiseLoad,
    InitialiseUnload,
    InitialisePurchase,
    InitialiseCompound,
    Credit,
    DebitUnload,
    DebitPurchase,
    Cache,
    GetBalance,
    Prove,
    ProveAnother,
    InternalAuthenticate,
    /// A command that has nothing to do with the purse, and its status word.
    Other(&'static str, u16),
}

const INPUTS: [Input; 31] = [
    Input::InitialiseLoad,
    Input::InitialiseUnload,
    Input::InitialisePurchase,
    Input::InitialiseCompound,
    Input::Credit,
    Input::DebitUnload,
    Input::DebitPurchase,
    Input::Cache,
    Input::GetBalance,
    Input::Prove,
    Input::ProveAnother,
    Input::InternalAuthenticate,
    Input::Other("00 A4 00 00 02 10 01", 0x9000),
    Input::Other("00 A4 00 00 02 00 15", 0x9000),
    Input::Other("00 A4 00 00 02 99 99", 0x6A82),
    Input::Other("00 B0 95 00 1E", 0x9000),
    Input::Other("00 B0 95 00 1F", 0x6C1E),
    Input::Other("00 B2 01 C4 17", 0x9000),
    Input::Other("00 20 00 01 03 12 34 56", 0x9000),
    Input::Other("00 20 00 01 03 12 34 57", 0x63C2),
    Input::Other("00 84 00 00 04", 0x9000),
    Input::Other("00 D6 95 00 01 00", 0x6982),
    Input::Other("00 C0 00 00 00", 0x6985),
    Input::Other("00 EE 00 00 00", 0x6D00),
    Input::Other("80 50 00 01 0B 01 00000001 120080800001", 0x6A86),
    Input::Other("80 50 00 02 0B 02 00000001 120080800001", 0x9403),
    Input::Other("80 5C 00 01 04", 0x6A86),
    Input::Other("80 5A 00 06 01 00", 0x6700),
    Input::Other("FF 00 00 00", 0x6E00),
    Input::Other("01 A4 00 00", 0x6881),
    Input::Other("00 A4 00", 0x6700),
];

/// Status word and next state, as PBOC cards have them.
fn expected(state: State, input: Input) -> (u16, State) {
    use State::{Cached, Compound, Idle, Load, Purchase, Unload};
    let compound = matches!(state, Compound | Cached);
    match (input, state) {
        (Input::InitialiseLoad, _) if !compound => (0x9000, Load),
        (Input::InitialiseUnload, _) if !compound => (0x9000, Unload),
        (Input::InitialisePurchase, _) if !compound => (0x9000, Purchase),
        (Input::InitialiseCompound, Idle) => (0x9000, Compound),
        (Input::Cache, Compound | Cached) => (0x9000, Cached),
        (Input::Credit, Load)
        | (Input::DebitUnload, Unload)
        | (Input::DebitPurchase, Purchase | Cached) => (0x9000, Idle),
        (Input::GetBalance | Input::Prove | Input::InternalAuthenticate, _) => (0x9000, state),
        (Input::ProveAnother, _) => (0x9406, Idle),
        // An INITIALIZE whatever it asks for.
        (Input::Other(_, 0x9403), _) if compound => (0x6901, Idle),
        (Input::Other(_, sw), _) => (sw, Idle),
        _ => (0x6901, Idle),
    }
}

/// A wallet, and the right data for each last command of a transaction.
struct Scene {
    wallet: Wallet,
    load: Consent,
    unload: Consent,
    purchase: Demand,
}

impl Scene {
    fn in_state(state: State) -> Self {
        let mut wallet = Wallet::new(&open_with(100));
        wallet.pay(1).unwrap();
        wallet.verify();
        // Of transactions that are replaced at once: right but for the random number.
        let load = wallet.initialise_load(1).unwrap();
        let unload = wallet.initialise_unload(1).unwrap();
        let purchase = wallet.purchase_demand(PurchaseKind::Wallet, 1).unwrap();
        assert_eq!(wallet.ask("00 A4 00 00 02 00 15").sw, 0x9000);
        let mut scene = Self { wallet, load, unload, purchase };
        let way: &[Input] = match state {
            State::Idle => &[],
            State::Load => &[Input::InitialiseLoad],
            State::Unload => &[Input::InitialiseUnload],
            State::Purchase => &[Input::InitialisePurchase],
            State::Compound => &[Input::InitialiseCompound],
            State::Cached => &[Input::InitialiseCompound, Input::Cache],
        };
        for input in way {
            assert_eq!(scene.step(*input), 0x9000);
        }
        scene
    }

    fn step(&mut self, input: Input) -> u16 {
        let wallet = &mut self.wallet;
        match input {
            Input::InitialiseLoad => {
                wallet.initialise_load(1).map(|load| self.load = load).err().unwrap_or(0x9000)
            }
            Input::InitialiseUnload => {
                let unload = wallet.initialise_unload(1);
                unload.map(|unload| self.unload = unload).err().unwrap_or(0x9000)
            }
            Input::InitialisePurchase => self.initialise_purchase(PurchaseKind::Wallet),
            Input::InitialiseCompound => self.initialise_purchase(PurchaseKind::Compound),
            Input::Credit => wallet.credit(&self.load).sw,
            Input::DebitUnload => wallet.debit_unload(&self.unload).sw,
            Input::DebitPurchase => wallet.debit(&self.purchase).sw,
            Input::Cache => wallet.cache(1, &[9; 9]).sw,
            Input::GetBalance => wallet.ask("80 5C 00 02 04").sw,
            Input::Prove => wallet.prove(TransactionType::WalletPurchase, 1).sw,
            Input::ProveAnother => wallet.prove(TransactionType::WalletPurchase, 2).sw,
            Input::InternalAuthenticate => wallet.ask("00 88 00 01 08 0102030405060708").sw,
            Input::Other(command, _) => wallet.ask(command).sw,
        }
    }

    fn initialise_purchase(&mut self, kind: PurchaseKind) -> u16 {
        let demand = self.wallet.purchase_demand(kind, 1);
        demand.map(|demand| self.purchase = demand).err().unwrap_or(0x9000)
    }
}

/// Which of the last commands finds its transaction, state by state.
const PROBES: [Input; 4] = [Input::Credit, Input::DebitUnload, Input::DebitPurchase, Input::Cache];

#[test]
fn every_command_in_every_state() {
    let mut tried = 0;
    for state in STATES {
        for input in INPUTS {
            let (sw, next) = expected(state, input);
            for probe in PROBES {
                let mut scene = Scene::in_state(state);
                let before = scene.wallet.memory();
                assert_eq!(scene.step(input), sw, "{input:?} in {state:?}");
                let persistent = matches!(
                    input,
                    Input::Credit | Input::DebitUnload | Input::DebitPurchase | Input::Other(..)
                );
                assert!(persistent || scene.wallet.memory() == before, "{input:?} in {state:?}");
                let balance = scene.wallet.balance();
                let found = scene.step(probe);
                // What was begun anew has a right end; what goes on had one all the time.
                assert_eq!(
                    found,
                    expected(next, probe).0,
                    "{probe:?} after {input:?} in {state:?}"
                );
                assert!(found == 0x9000 || scene.wallet.balance() == balance);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 6 * 31 * 4);
}

#[test]
fn a_reset_ends_every_transaction() {
    for state in STATES {
        for probe in PROBES {
            let mut scene = Scene::in_state(state);
            scene.wallet.again();
            assert_eq!(scene.step(probe), 0x6901, "{probe:?} after {state:?}");
        }
    }
}

/// A wrong MAC ends the transaction: the right one comes too late.
#[test]
fn a_wrong_mac_ends_the_transaction() {
    use support::wallet::{spoilt, spoilt_mac1};
    for (state, last) in [
        (State::Load, Input::Credit),
        (State::Unload, Input::DebitUnload),
        (State::Purchase, Input::DebitPurchase),
        (State::Cached, Input::DebitPurchase),
    ] {
        let mut scene = Scene::in_state(state);
        let (load, unload, purchase) = (scene.load, scene.unload, scene.purchase);
        scene.load = spoilt(&load);
        scene.unload = spoilt(&unload);
        scene.purchase = Demand { mac1: spoilt_mac1(purchase.mac1), ..purchase };
        assert_eq!(scene.step(last), 0x9302);
        (scene.load, scene.unload, scene.purchase) = (load, unload, purchase);
        assert_eq!(scene.step(last), 0x6901);
        assert_eq!(scene.wallet.balance(), 99);
    }
}

/// The same last command twice is done once.
#[test]
fn a_finished_transaction_is_finished_once() {
    for (state, last, balance) in [
        (State::Load, Input::Credit, 100),
        (State::Unload, Input::DebitUnload, 98),
        (State::Purchase, Input::DebitPurchase, 98),
        (State::Cached, Input::DebitPurchase, 98),
    ] {
        let mut scene = Scene::in_state(state);
        assert_eq!((scene.step(last), scene.step(last)), (0x9000, 0x6901));
        assert_eq!(scene.wallet.balance(), balance);
    }
}
