//! VERIFY (校验个人密码), RELOAD / CHANGE PIN (重装、修改个人密码) and PIN UNBLOCK (解锁个人密码) of the
//! wallet, after PBOC and FMCOS.

use core::ops::RangeInclusive;

use xuejika_apdu::command::Command;
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::wallet::pin;
use xuejika_card_model::wallet::store::KID;

use crate::dispatch::Context;
use crate::status_map::Refusal;

/// P1 of RELOAD / CHANGE PIN: by the issuer.
const RELOAD: u8 = 0x00;
/// P1 of RELOAD / CHANGE PIN: by the holder.
const CHANGE: u8 = 0x01;

/// Lengths of the data of VERIFY, of CHANGE PIN (two PINs and FF between them), and of RELOAD PIN (a
/// PIN and its MAC).
const VERIFY_LENGTHS: RangeInclusive<usize> = 2..=pin::PIN_LEN;
const CHANGE_LENGTHS: RangeInclusive<usize> = 5..=13;
const RELOAD_LENGTHS: RangeInclusive<usize> = 6..=10;

/// Byte between the old and the new PIN.
const SEPARATOR: u8 = 0xFF;

/// `00 20 00 KID`: the holder shows the PIN.
pub(crate) fn verify<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    if command.p1 != 0 {
        return Err(Refusal::P1P2);
    }
    reference(command.p2)?;
    within(command, &VERIFY_LENGTHS)?;
    let verdict = context.card.verify_pin(command.data, context.state.security);
    context.prove(verdict)
}

/// `80 5E P1 KID`: a new PIN, from the holder or from the issuer.
pub(crate) fn change_pin<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    match command.p1 {
        RELOAD => {
            reference(command.p2)?;
            within(command, &RELOAD_LENGTHS)?;
            let (new, &mac) = command.data.split_last_chunk::<4>().ok_or(Refusal::Length)?;
            Ok(context.card.reload_pin(new, mac.into())?)
        }
        CHANGE => {
            reference(command.p2)?;
            within(command, &CHANGE_LENGTHS)?;
            let mut pins = command.data.splitn(2, |&byte| byte == SEPARATOR);
            let (Some(old), Some(new)) = (pins.next(), pins.next()) else {
                return Err(Refusal::Data);
            };
            Ok(context.card.change_pin(old, new, context.state.security)?)
        }
        _ => Err(Refusal::P1P2),
    }
}

/// `84 24 P1 P2`, under the unblock key: a new PIN for a blocked one.
pub(crate) fn unblock_pin<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    // The identifier comes in P2, in P1, or not at all.
    if !matches!((command.p1, command.p2), (0, 0 | KID) | (KID, 0)) {
        return Err(Refusal::P1P2);
    }
    let operator = context.operator.ok_or(Refusal::SessionNeeded)?;
    Ok(context.card.unblock_pin(command.data, operator)?)
}

/// The PIN is meant by its identifier, or by none.
fn reference(p2: u8) -> Result<(), Refusal> {
    if matches!(p2, 0 | KID) { Ok(()) } else { Err(Refusal::KeyNotFound) }
}

fn within(command: &Command<'_>, lengths: &RangeInclusive<usize>) -> Result<(), Refusal> {
    if lengths.contains(&command.data.len()) { Ok(()) } else { Err(Refusal::Length) }
}
