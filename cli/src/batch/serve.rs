//! Virtual cards of a batch under the published test roots, for `emulate --batch`: made from their
//! rows, one in the field at a time, the next one whenever power goes.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use xuejika_batch::chip::hex_bytes;
use xuejika_batch::one_row::{self, OneRow};
use xuejika_batch::{Column, Delivery};
use xuejika_card_model::card::UID_LEN;
use xuejika_card_model::factory;
use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::record::Issuance;
use xuejika_card_model::wallet::{WalletKeys, WalletSetup};
use xuejika_emulator::transport::{CardDied, Slot};
use xuejika_emulator::{Env, VirtualCard};
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::{KeyId, test_keys};

use super::sample;
use crate::clock::fork;
use crate::exit::{Failure, Outcome};
use crate::keys;

/// Cards of a batch.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cards of a batch")]
pub(crate) struct DeckArgs {
    /// Serve virtual cards of the batch in this folder, under the test keys, changes in memory only.
    #[arg(long, value_name = "DIR", conflicts_with = "image")]
    pub(crate) batch: Option<PathBuf>,
    /// The card with this serial.
    #[arg(long, value_name = "S", requires = "batch")]
    serial: Option<CardSerial>,
    /// The card in this row, from 1; by default the first one.
    #[arg(long, value_name = "N", requires = "batch", conflicts_with = "serial")]
    index: Option<u32>,
    /// The cards of a sample, each time that power goes the next one.
    #[arg(long, value_name = "FILE", requires = "batch", conflicts_with_all = ["serial", "index"])]
    sample: Option<PathBuf>,
}

/// Cards that lie on top of each other; the top one is in the field.
pub(crate) struct Deck {
    cards: Vec<VirtualCard>,
    top: usize,
    powered: bool,
}

impl Deck {
    /// The cards that the arguments name.
    pub(crate) fn open(args: &DeckArgs, batch: &std::path::Path, env: &mut Env) -> Outcome<Self> {
        let delivery = Delivery::open(batch)?;
        let plan = one_row::plan(&delivery)?;
        let sample = args.sample.as_deref().map(sample::read).transpose()?;
        let drawn: Option<Vec<u32>> =
            sample.map(|(sample, _)| sample.cards.iter().map(|card| card.row).collect());
        let first = args.index.unwrap_or(1);
        let (rows, _) =
            one_row::read(&delivery, &plan, |serial, row| match (&drawn, args.serial) {
                (Some(drawn), _) => drawn.contains(&row),
                (None, Some(wanted)) => serial == Some(wanted),
                (None, None) => row == first,
            })?;
        let order: Vec<u32> = drawn.unwrap_or_else(|| rows.keys().copied().collect());
        if order.is_empty() {
            return Err(Failure::usage(anyhow!("the batch has no such card")));
        }
        keys::announce();
        let card = |row: &u32| {
            let row = rows.get(row).context("the batch has no such card")?;
            let memory = memory(row).with_context(|| format!("row {}", row.number))?;
            Ok(VirtualCard::new(RamNvm::new(memory), Env::with_rng(fork(env)))?)
        };
        let cards = order.iter().map(card).collect::<anyhow::Result<Vec<_>>>();
        Ok(Self { cards: cards.map_err(Failure::usage)?, top: 0, powered: false })
    }

    /// The cards, the first one on top.
    pub(crate) fn cards(&self) -> &[VirtualCard] {
        &self.cards
    }

    fn top(&mut self) -> Option<&mut VirtualCard> {
        self.cards.get_mut(self.top)
    }
}

/// Memory of the card of a row, keys under the published test roots.
fn memory(one: &OneRow) -> anyhow::Result<Vec<u8>> {
    let image = hex_bytes::<{ Issuance::LEN }>(one.text(Column::IMAGE));
    let issuance = match image {
        Some(image) => Issuance::parse(&image)?,
        None => one.record.context("has neither an image nor all that makes one")?,
    };
    let uid: [u8; UID_LEN] = one.row.uid.context("has no UID")?;
    let number = one.row.wallet_number.context("has no wallet; scrap cards are not served")?;
    let serial = CardId(issuance.card_serial.bytes());
    let key = |id: &KeyId| test_keys::root(id).card(id, serial);
    let wallet = WalletSetup::new(WalletKeys::test(number));
    factory::student(&issuance, uid, key, &wallet).context("its profile has no processor")
}

impl Slot for Deck {
    fn atr(&self) -> &[u8] {
        self.cards.get(self.top).map_or(&[], VirtualCard::atr)
    }

    fn power_on(&mut self) {
        self.powered = true;
        if let Some(card) = self.top() {
            Slot::power_on(card);
        }
    }

    fn power_off(&mut self) {
        if let Some(card) = self.top() {
            Slot::power_off(card);
        }
        // Whoever takes power away takes the card out of the field.
        if core::mem::take(&mut self.powered) {
            self.top = (self.top + 1) % self.cards.len().max(1);
        }
    }

    fn reset(&mut self) {
        if let Some(card) = self.top() {
            Slot::reset(card);
        }
    }

    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), CardDied> {
        self.top().map_or(Err(CardDied), |card| Slot::transmit(card, command, response))
    }
}
