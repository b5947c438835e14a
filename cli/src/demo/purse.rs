//! The steps at the wallet (电子钱包): load, pay, power lost in mid-purchase, and the card's proof.

use anyhow::{Context, bail, ensure};
use xuejika_card_model::nvm::{Cut, Torn};
use xuejika_keyscheme::legacy::Fen;
use xuejika_reader::wallet::{
    Debited, Direction, Evidence, Meaning, Order, Stopped, WalletCard, WalletError,
};

use super::Finding;
use super::world::World;
use crate::hex;

/// What is loaded.
const LOAD: Fen = Fen(5000);

/// A fare.
const FARE: Fen = Fen(200);

/// PIN of test cards.
const PIN: &str = "123456";

pub(super) fn early(world: &mut World) -> anyhow::Result<Finding> {
    refused(world, FARE, Meaning::ConditionsOfUse)
}

pub(super) fn load(world: &mut World) -> anyhow::Result<Finding> {
    let (at, terminal) = (world.moment(), world.gate.number());
    let mut wallet = WalletCard::select(&mut world.card)?;
    wallet.verify(&PIN.parse()?)?;
    let done = wallet.transfer(&mut world.host, Direction::Load, LOAD, terminal, at)?;
    let (balance, flag) = (wallet.balance()?, wallet.flag()?);
    ensure!(Some(balance) == done.transaction.new_balance(), "the balance is {balance}");
    let (card, state) = (wallet.number(), flag.english());
    let tac = hex::emit(&done.receipt.code());
    Ok(Finding::Done(format!(
        "card {card}: {LOAD} yuan loaded, TAC {tac} checked by the host, {state} {}",
        flag.chinese()
    )))
}

pub(super) fn pay(world: &mut World) -> anyhow::Result<Finding> {
    let order = order(world, FARE);
    let before = world.card.channel().nvm_mut().writes();
    let done = world.gate.purchase(&mut WalletCard::select(&mut world.card)?, &order)?;
    world.purchase_writes = world.card.channel().nvm_mut().writes() - before;
    paid(world, &done)
}

pub(super) fn early_cut(world: &mut World) -> anyhow::Result<Finding> {
    cut(world, 0)
}

pub(super) fn late_cut(world: &mut World) -> anyhow::Result<Finding> {
    let last = world.purchase_writes.checked_sub(1).context("a purchase writes nothing")?;
    cut(world, last)
}

/// Power goes while the card writes. The gate gets no answer and cannot know.
fn cut(world: &mut World, after_writes: u64) -> anyhow::Result<Finding> {
    world.card.channel().cut_power(Cut { after_writes, after_bytes: 1, torn: Torn::Random(1) });
    let at = world.moment();
    let (gate, mut wallet) = (&mut world.gate, WalletCard::select(&mut world.card)?);
    match wallet.initialise_purchase(FARE, gate.number(), false)?.debit(gate, at) {
        Err(Stopped::InDoubt { doubt, cause }) => {
            world.doubt = Some(doubt);
            Ok(Finding::Interrupted(format!("{cause}; paid or not is in doubt")))
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(Finding::Done("paid, power held".to_owned())),
    }
}

pub(super) fn prove_unpaid(world: &mut World) -> anyhow::Result<Finding> {
    match settle(world)? {
        Err(Stopped::NotDone(WalletError::Interrupted)) => {
            let balance = world.wallet()?.balance()?;
            Ok(Finding::Done(format!("not paid, balance 余额 {balance}: it can pay anew")))
        }
        Err(error) => Err(error.into()),
        Ok(_) => bail!("the card has paid"),
    }
}

pub(super) fn prove_paid(world: &mut World) -> anyhow::Result<Finding> {
    let done = settle(world)??;
    ensure!(done.recovered, "the answer was not lost");
    paid(world, &done)
}

/// Ends the doubt: GET TRANSACTION PROVE, and the card's log.
fn settle(world: &mut World) -> anyhow::Result<Result<Debited, Stopped>> {
    let doubt = world.doubt.take().context("nothing is in doubt")?;
    world.card.power_on()?;
    Ok(world.gate.settle(&mut WalletCard::select(&mut world.card)?, doubt))
}

pub(super) fn poor(world: &mut World) -> anyhow::Result<Finding> {
    let more = world.wallet()?.balance()?.checked_add(Fen(1)).context("no such amount")?;
    refused(world, more, Meaning::InsufficientBalance)
}

const fn order(world: &World, amount: Fen) -> Order<'static> {
    Order { amount, at: world.moment(), cache: &[] }
}

/// A purchase that the card has to refuse for this reason.
fn refused(world: &mut World, amount: Fen, reason: Meaning) -> anyhow::Result<Finding> {
    let order = order(world, amount);
    match world.gate.purchase(&mut WalletCard::select(&mut world.card)?, &order) {
        Err(Stopped::NotDone(WalletError::Refused { status, meaning, .. }))
            if meaning == reason =>
        {
            Ok(Finding::Refused(format!("{status}: {meaning}")))
        }
        Err(error) => Err(error.into()),
        Ok(done) => Ok(Finding::Done(format!("{} yuan paid", done.transaction.amount))),
    }
}

/// The operator takes the purchase in, and the balance is what it has to be.
fn paid(world: &mut World, done: &Debited) -> anyhow::Result<Finding> {
    if done.evidence != Evidence::Mac2 {
        bail!("the PSAM could not check MAC2");
    }
    world.host.collect(done)?;
    let (balance, records) = {
        let mut wallet = world.wallet()?;
        (wallet.balance()?, wallet.log()?.len())
    };
    ensure!(Some(balance) == done.transaction.new_balance(), "the balance is {balance}");
    let (amount, tac) = (done.transaction.amount, hex::emit(&<[u8; 4]>::from(done.tac)));
    let how = if done.recovered { "proved paid, once" } else { "paid" };
    Ok(Finding::Done(format!(
        "{how}: {amount} yuan, TAC {tac}, balance 余额 {balance}, {records} log records"
    )))
}
