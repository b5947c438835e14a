//! SELECT, READ BINARY, UPDATE BINARY, READ RECORD (ISO 7816-4:2020 §11.2 to §11.4).

use xuejika_apdu::command::Command;
use xuejika_apdu::fci::{ACTIVATED, Fci, KeyInfo, PurseFci, SecurityInfo};
use xuejika_card_model::Card;
use xuejika_card_model::file::tree::{MF_FID, PROFILE_VERSION, wallet_sfi};
use xuejika_card_model::file::{Application, Caller, Df, Ef};
use xuejika_card_model::nvm::Nvm;
use xuejika_keyscheme::slots::EMPTY;
use xuejika_keyscheme::{KeyNumber, KeyVersion};

use super::{exact_le, no_data, no_le};
use crate::dispatch::Context;
use crate::status_map::Refusal;

/// P1 of SELECT: by file identifier.
const BY_IDENTIFIER: u8 = 0x00;
/// P1 of SELECT: by DF name.
const BY_NAME: u8 = 0x04;
/// P2 of SELECT: first or only occurrence, answer with the FCI.
const WITH_FCI: u8 = 0x00;
/// P2 of SELECT: first or only occurrence, no answer.
const WITHOUT_ANSWER: u8 = 0x0C;
/// P1 bit that makes its low bits a short file identifier.
pub(super) const SHORT_IDENTIFIER: u8 = 0x80;
/// P2 of READ RECORD, low bits: P1 is a record number.
const RECORD_NUMBER: u8 = 0x04;

/// The most keys a DF has.
const MAX_KEYS: usize = KeyNumber::EDUCATION.len();

/// Version of the purse application in its FCI, as FM1208 cards say it.
const PURSE_VERSION: u8 = 0x02;

/// What an identifier or a name leads to.
enum Target {
    Df(&'static Df),
    Ef(&'static Ef),
}

pub(crate) fn select<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let answer = match command.p2 {
        WITH_FCI => true,
        WITHOUT_ANSWER => false,
        _ => return Err(Refusal::P1P2),
    };
    let target = match command.p1 {
        BY_IDENTIFIER => by_identifier(context, command.data)?,
        BY_NAME => by_name(context, command.data)?,
        _ => return Err(Refusal::P1P2),
    };
    match target {
        Target::Df(df) => {
            context.state.select(df);
            if answer {
                emit_fci(context.card, df, out)?;
            }
        }
        Target::Ef(file) => context.state.ef = Some(file),
    }
    super::block::check_selection(context.card, context.state)
}

/// The MF, a file of the current DF, or any DF: they are all children of the MF.
fn by_identifier<N: Nvm>(context: &Context<'_, N>, data: &[u8]) -> Result<Target, Refusal> {
    let tree = context.card.tree();
    let fid = match data {
        [] => MF_FID,
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => return Err(Refusal::Length),
    };
    let file = context.state.df.by_fid(fid).map(Target::Ef);
    let df = || tree_all(tree).find(|df| df.fid == fid).map(Target::Df);
    file.or_else(df).ok_or(Refusal::FileNotFound)
}

fn by_name<N: Nvm>(context: &Context<'_, N>, name: &[u8]) -> Result<Target, Refusal> {
    if !(1..=16).contains(&name.len()) {
        return Err(Refusal::Length);
    }
    tree_all(context.card.tree())
        .find(|df| df.is_called(name))
        .map(Target::Df)
        .ok_or(Refusal::FileNotFound)
}

fn tree_all(
    tree: &'static xuejika_card_model::file::tree::Tree,
) -> impl Iterator<Item = &'static Df> {
    tree.all()
}

fn emit_fci<N: Nvm>(card: &Card<N>, df: &Df, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if df.application == Application::Wallet {
        let file = df.by_sfi(wallet_sfi::ISSUER).ok_or(Refusal::FileNotFound)?;
        let issuer_data = card.read(file, Caller::Unproven)?;
        let version = Some(PURSE_VERSION);
        PurseFci { df_name: df.name, version, issuer_data }.emit(out);
        return Ok(());
    }
    let mut rows = [KeyInfo { number: 0, active: EMPTY, other: EMPTY }; MAX_KEYS];
    let mut loaded = 0;
    for &number in df.keys {
        if let (Some(key), Some(row)) = (card.key_header(df, number)?, rows.get_mut(loaded)) {
            let other = key.other.map_or(EMPTY, KeyVersion::number);
            *row = KeyInfo { number: number.0, active: key.active.number(), other };
            loaded += 1;
        }
    }
    let keys = rows.get(..loaded).unwrap_or(&rows);
    let security = (!df.keys.is_empty()).then(|| SecurityInfo {
        algorithm: card.header().algorithm.code(),
        serial: card.header().serial.0,
        keys,
        profile: PROFILE_VERSION,
    });
    Fci { df_name: df.name, life_cycle: ACTIVATED, security }.emit(out);
    Ok(())
}

/// The file and the offset that P1 P2 of READ BINARY and UPDATE BINARY name. A short identifier
/// makes its file the current one.
fn binary_target<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(&'static Ef, usize), Refusal> {
    if command.p1 & SHORT_IDENTIFIER == 0 {
        let file = context.state.ef.ok_or(Refusal::NoCurrentEf)?;
        return Ok((file, usize::from(u16::from_be_bytes([command.p1, command.p2]))));
    }
    let sfi = command.p1 & !SHORT_IDENTIFIER;
    if sfi > 0x1F {
        return Err(Refusal::P1P2);
    }
    let file = context.state.df.by_sfi(sfi).ok_or(Refusal::FileNotFound)?;
    context.state.ef = Some(file);
    Ok((file, command.p2.into()))
}

pub(crate) fn read_binary<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    no_data(command)?;
    let (file, offset) = binary_target(context, command)?;
    let bytes = context.card.read(file, context.caller())?;
    let rest = match bytes.get(offset..) {
        Some(rest @ [_, ..]) => rest,
        _ => return Err(xuejika_card_model::CardError::Offset.into()),
    };
    let bytes = match command.ne {
        0 => return Err(Refusal::Length),
        ne if ne >= 256 => rest.get(..ne as usize).unwrap_or(rest),
        ne => rest.get(..ne as usize).ok_or(Refusal::ExactLength(rest.len()))?,
    };
    out.extend_from_slice(bytes);
    Ok(())
}

pub(crate) fn update_binary<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    no_le(command)?;
    if command.data.is_empty() {
        return Err(Refusal::Length);
    }
    let (file, offset) = binary_target(context, command)?;
    match context.operator {
        Some(operator) => context.card.update_as_operator(file, offset, command.data, operator)?,
        None => context.card.update(file, offset, command.data, context.peer)?,
    }
    Ok(())
}

pub(crate) fn read_record<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    no_data(command)?;
    if command.p2 & 0x07 != RECORD_NUMBER {
        return Err(Refusal::P1P2);
    }
    let file = match command.p2 >> 3 {
        0 => context.state.ef.ok_or(Refusal::NoCurrentEf)?,
        sfi => context.state.df.by_sfi(sfi).ok_or(Refusal::FileNotFound)?,
    };
    context.state.ef = Some(file);
    let bytes = context.card.record(file, command.p1, context.caller())?;
    exact_le(command, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}
