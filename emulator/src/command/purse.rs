//! GET BALANCE, INITIALIZE, CREDIT FOR LOAD, DEBIT, UPDATE CAPP DATA CACHE and GET TRANSACTION PROVE:
//! the purse commands of PBOC, for the wallet (EP) alone.
//!
//! Le may be absent; otherwise it is the exact length or 00.

use xuejika_apdu::command::Command;
use xuejika_card_model::CardError;
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::wallet::compound::RecordName;
use xuejika_card_model::wallet::message::{
    Consent, Demand, Initialise, OnlineAnswer, PurchaseAnswer,
};
use xuejika_card_model::wallet::{Pending, WalletError};
use xuejika_keyscheme::legacy::{Purse, TransactionType};

use super::{no_data, no_le};
use crate::dispatch::Context;
use crate::status_map::Refusal;

/// P2 of purse commands: the wallet. This card has no passbook.
const WALLET: u8 = Purse::Wallet.code();

/// P1 of INITIALIZE.
const LOAD: u8 = 0x00;
const PURCHASE: u8 = 0x01;
const COMPOUND: u8 = 0x03;
const UNLOAD: u8 = 0x05;

/// P1 of DEBIT.
const DEBIT_PURCHASE: u8 = 0x01;
const DEBIT_UNLOAD: u8 = 0x03;

/// Length of balances and codes, in bytes.
const CODE_LEN: usize = 4;

/// What a command that has nothing under way, or something else, is told.
const WRONG_STATE: Refusal = Refusal::Card(CardError::Wallet(WalletError::State));

/// Le is absent, 00, or `length`.
fn optional_le(command: &Command<'_>, length: usize) -> Result<(), Refusal> {
    match command.ne {
        0 | 256.. => Ok(()),
        ne if ne as usize == length => Ok(()),
        _ => Err(Refusal::ExactLength(length)),
    }
}

pub(crate) fn balance<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if (command.p1, command.p2) != (0x00, WALLET) {
        return Err(Refusal::P1P2);
    }
    no_data(command)?;
    optional_le(command, CODE_LEN)?;
    out.extend_from_slice(&context.card.purse()?.balance.emit());
    Ok(())
}

/// Begins a transaction.
pub(crate) fn initialise<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let length = match (command.p1, command.p2) {
        (LOAD | UNLOAD, WALLET) => OnlineAnswer::LEN,
        (PURCHASE | COMPOUND, WALLET) => PurchaseAnswer::LEN,
        _ => return Err(Refusal::P1P2),
    };
    let request = Initialise::parse(command.data).ok_or(Refusal::Length)?;
    optional_le(command, length)?;
    Pending::check_initialise(context.transaction.as_ref(), command.p1 == COMPOUND)?;
    let (random, security) = (context.env.random(), context.state.security);
    let card = &mut context.card;
    let pending = match command.p1 {
        LOAD => {
            let (answer, pending) = card.initialise_load(&request, random, security)?;
            out.extend_from_slice(&answer.emit());
            Pending::Load(pending)
        }
        UNLOAD => {
            let (answer, pending) = card.initialise_unload(&request, random, security)?;
            out.extend_from_slice(&answer.emit());
            Pending::Unload(pending)
        }
        COMPOUND => {
            let (answer, pending) = card.initialise_compound(&request, random, security)?;
            out.extend_from_slice(&answer.emit());
            Pending::Compound(pending)
        }
        _ => {
            let (answer, pending) = card.initialise_purchase(&request, random, security)?;
            out.extend_from_slice(&answer.emit());
            Pending::Purchase(pending)
        }
    };
    context.state.transaction = Some(pending);
    Ok(())
}

/// CREDIT FOR LOAD.
pub(crate) fn credit<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if (command.p1, command.p2) != (0x00, 0x00) {
        return Err(Refusal::P1P2);
    }
    let consent = Consent::parse(command.data).ok_or(Refusal::Length)?;
    optional_le(command, CODE_LEN)?;
    let Some(Pending::Load(pending)) = context.transaction.take() else { return Err(WRONG_STATE) };
    let tac: [u8; CODE_LEN] = context.card.credit_load(pending, consent)?.into();
    used_up(context);
    out.extend_from_slice(&tac);
    Ok(())
}

/// DEBIT FOR PURCHASE, FOR CAPP PURCHASE and FOR UNLOAD.
pub(crate) fn debit<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match (command.p1, command.p2) {
        (DEBIT_PURCHASE, 0x00) => debit_purchase(context, command, out),
        (DEBIT_UNLOAD, 0x00) => debit_unload(context, command, out),
        _ => Err(Refusal::P1P2),
    }
}

fn debit_purchase<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let demand = Demand::parse(command.data).ok_or(Refusal::Length)?;
    optional_le(command, 2 * CODE_LEN)?;
    let Some(Pending::Purchase(pending) | Pending::Cached(pending)) = context.transaction.take()
    else {
        return Err(WRONG_STATE);
    };
    let (tac, mac2) = context.card.debit_purchase(pending, demand)?;
    let codes: [[u8; CODE_LEN]; 2] = [tac.into(), mac2.into()];
    used_up(context);
    out.extend_from_slice(codes.as_flattened());
    Ok(())
}

fn debit_unload<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let consent = Consent::parse(command.data).ok_or(Refusal::Length)?;
    optional_le(command, CODE_LEN)?;
    let Some(Pending::Unload(pending)) = context.transaction.take() else {
        return Err(WRONG_STATE);
    };
    let mac3: [u8; CODE_LEN] = context.card.debit_unload(pending, consent)?.into();
    used_up(context);
    out.extend_from_slice(&mac3);
    Ok(())
}

/// FMCOS: what was verified serves one transaction.
fn used_up<N: Nvm>(context: &mut Context<'_, N>) {
    context.state.security = context.state.security.used_up();
}

/// P2 of UPDATE CAPP DATA CACHE, low bits: P1 is the tag or the number of the record.
const BY_TAG: u8 = 0x00;
const BY_NUMBER: u8 = 0x04;

pub(crate) fn update_cache<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    let name = match command.p2 & 0x07 {
        BY_TAG => RecordName::Tag(command.p1),
        BY_NUMBER => RecordName::Number(command.p1),
        _ => return Err(Refusal::P1P2),
    };
    no_le(command)?;
    if command.data.is_empty() {
        return Err(Refusal::Length);
    }
    let (card, sfi, data) = (&context.card, command.p2 >> 3, command.data);
    let pending = match context.transaction.take() {
        Some(Pending::Compound(pending)) => card.cache_first(pending, sfi, name, data)?,
        Some(Pending::Cached(pending)) => card.cache(pending, sfi, name, data)?,
        _ => return Err(WRONG_STATE),
    };
    context.state.transaction = Some(Pending::Cached(pending));
    Ok(())
}

pub(crate) fn prove<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let kind = TransactionType::from_code(command.p2)
        .filter(|kind| command.p1 == 0x00 && *kind != TransactionType::Credit);
    let kind = kind.ok_or(Refusal::P1P2)?;
    let &[high, low] = command.data else { return Err(Refusal::Length) };
    optional_le(command, 2 * CODE_LEN)?;
    let proof = context.card.prove(kind, u16::from_be_bytes([high, low]))?;
    out.extend_from_slice(&proof.mac);
    out.extend_from_slice(&proof.tac);
    Ok(())
}
