//! The wallet (电子钱包), at the gate and at the operator's desk.

use xuejika_card_model::wallet::EnableFlag;
use xuejika_keyscheme::legacy::TransactionType;
use xuejika_reader::wallet::{Direction, Order, Stopped, WalletCard, WalletError};

use super::super::found::Found;
use super::super::script::{Money, Transaction};
use super::super::world::{Field, World};

/// PIN of test cards.
const PIN: &str = "123456";

impl World {
    /// A load or an unload.
    pub(super) fn transfer(
        &mut self,
        direction: Direction,
        money: &Money,
    ) -> anyhow::Result<Found> {
        let (at, terminal, pin) = (self.moment(), self.gate.number(), PIN.parse()?);
        let Self { cards, host, .. } = self;
        let field = cards.get_mut(&money.card);
        let field = field.ok_or_else(|| anyhow::anyhow!("there is no card {:?}", money.card))?;
        let act = || -> Result<Found, Stopped> {
            let mut wallet = WalletCard::select(field)?;
            wallet.verify(&pin)?;
            let done = wallet.transfer(host, direction, money.amount.0, terminal, at)?;
            Ok(standing(&mut wallet)?.with("recovered", done.recovered))
        };
        Ok(act().unwrap_or_else(Found::from))
    }

    pub(super) fn purchase(&mut self, money: &Money) -> anyhow::Result<Found> {
        let order = Order { amount: money.amount.0, at: self.moment(), cache: &[] };
        let Self { cards, host, gate, .. } = self;
        let field = cards.get_mut(&money.card);
        let field = field.ok_or_else(|| anyhow::anyhow!("there is no card {:?}", money.card))?;
        let act = || -> Result<Found, Stopped> {
            let mut wallet = WalletCard::select(field)?;
            let paid = gate.purchase(&mut wallet, &order)?;
            host.collect(&paid).map_err(WalletError::from)?;
            Ok(standing(&mut wallet)?.with("recovered", paid.recovered))
        };
        Ok(act().unwrap_or_else(Found::from))
    }

    /// Whether the card can prove a transaction (GET TRANSACTION PROVE).
    pub(super) fn prove(
        &mut self,
        card: &str,
        transaction: Transaction,
        sequence: u16,
    ) -> anyhow::Result<Found> {
        let kind = match transaction {
            Transaction::Load => TransactionType::WalletLoad,
            Transaction::Unload => TransactionType::Unload,
            Transaction::Purchase => TransactionType::WalletPurchase,
        };
        let field = self.card(card)?;
        let proven = WalletCard::select(field).and_then(|mut card| card.prove(kind, sequence));
        Ok(match proven {
            Ok(proof) => Found::done("asked for a proof").with("proven", proof.is_some()),
            Err(error) => error.into(),
        })
    }

    /// Balance, flag and number of log records.
    pub(super) fn wallet(&mut self, card: &str) -> anyhow::Result<Found> {
        let field = self.card(card)?;
        let shown = WalletCard::select(field).and_then(|mut wallet| standing(&mut wallet));
        Ok(shown.unwrap_or_else(Found::from))
    }

    /// Sets the enable flag as the operator.
    pub(super) fn set_flag(&mut self, card: &str, flag: EnableFlag) -> anyhow::Result<Found> {
        let mut host = self.host.clone();
        let set = WalletCard::select(self.card(card)?).and_then(|mut wallet| {
            wallet.set_flag(&mut host, flag)?;
            standing(&mut wallet)
        });
        Ok(set.unwrap_or_else(Found::from))
    }

    /// Stops the wallet, pays out what is in it, and closes it.
    pub(super) fn refund(&mut self, card: &str) -> anyhow::Result<Found> {
        let (at, terminal, pin) = (self.moment(), self.gate.number(), PIN.parse()?);
        let Self { cards, host, .. } = self;
        let field = cards.get_mut(card);
        let field = field.ok_or_else(|| anyhow::anyhow!("there is no card {card:?}"))?;
        let act = || -> Result<Found, Stopped> {
            let mut wallet = WalletCard::select(field)?;
            wallet.refund(host, &pin, terminal, at)?;
            Ok(standing(&mut wallet)?)
        };
        Ok(act().unwrap_or_else(Found::from))
    }
}

fn standing(wallet: &mut WalletCard<&mut Field>) -> Result<Found, WalletError> {
    let (balance, flag, log) = (wallet.balance()?, wallet.flag()?, wallet.log()?.len());
    Ok(Found::done(format!("{balance} yuan, {}", flag.english()))
        .with("balance", balance)
        .with("flag", flag.english())
        .with("log", log))
}
