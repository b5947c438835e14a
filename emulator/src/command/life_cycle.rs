//! CHANGE LIFE CYCLE (project-defined): `8C F0 event 00`, always inside a session.

use xuejika_apdu::command::Command;
use xuejika_card_model::event::{Outcome, Request};
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::nvm::Nvm;
use xuejika_keyscheme::Zone;

use super::exact_le;
use crate::dispatch::Context;
use crate::status_map::Refusal;

pub(crate) fn change_life_cycle<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let event = Event::from_code(command.p1).ok_or(Refusal::P1P2)?;
    if command.p2 != 0 {
        return Err(Refusal::P1P2);
    }
    exact_le(command, Outcome::LEN)?;
    let actor = context.peer.ok_or(Refusal::SessionNeeded)?;
    if context.state.df.zone() != Zone::EDUCATION {
        return Err(Refusal::OutOfOrder);
    }
    let (request, key) = Request::parse_with_key(event, command.data)?;
    let outcome = context.card.execute_with_key(&request, key.as_ref(), actor)?;
    out.extend_from_slice(&outcome.emit());
    Ok(())
}
