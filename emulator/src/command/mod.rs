//! The commands, grouped by what they are about. Each checks P1, P2, Lc and Le, then asks the model.

mod auth;
mod block;
mod file;
mod life_cycle;
mod line;
mod pin;
pub(crate) mod psam;
pub(crate) mod purse;
pub(crate) mod sam;
mod security;

pub(crate) use auth::{external_authenticate, internal_authenticate};
pub(crate) use block::{
    block_application, block_card, check_application, check_card, unblock_application,
};
pub(crate) use file::{read_binary, read_record, select, update_binary};
pub(crate) use life_cycle::change_life_cycle;
pub(crate) use line::{open_line, transit_challenge};
pub(crate) use pin::{change_pin, unblock_pin, verify};
pub(crate) use security::{challenge, mutual_authenticate, put_key, set_authentication};

use xuejika_apdu::command::Command;

use crate::status_map::Refusal;

/// Le must be `length`, or 00 for "all there is".
fn exact_le(command: &Command<'_>, length: usize) -> Result<(), Refusal> {
    match command.ne {
        0 => Err(Refusal::Length),
        256.. => Ok(()),
        ne if ne as usize == length => Ok(()),
        _ => Err(Refusal::ExactLength(length)),
    }
}

/// There must be no Le field.
fn no_le(command: &Command<'_>) -> Result<(), Refusal> {
    if command.ne == 0 { Ok(()) } else { Err(Refusal::Length) }
}

/// There must be no data.
fn no_data(command: &Command<'_>) -> Result<(), Refusal> {
    if command.data.is_empty() { Ok(()) } else { Err(Refusal::Length) }
}
