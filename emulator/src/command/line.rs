//! Line protection (线路保护) of the MF and the wallet, and the challenge it is chained from.
//!
//! `CLA INS P1 P2 Lc data MAC [Le]`: the MAC covers everything in front of it, as it was sent. The
//! answer is protected when it has data. Each command needs a challenge of its own.

use xuejika_apdu::command::Command;
use xuejika_apdu::sm::SmError;
use xuejika_card_model::file::Ef;
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::wallet::Operator;
use xuejika_card_model::wallet::line::is_enciphered;
use xuejika_keyscheme::legacy::line::Protects;
use xuejika_keyscheme::legacy::{self, LineKey, PinUnblockKey, WalletPurpose};
use zeroize::Zeroizing;

use super::file::SHORT_IDENTIFIER;
use super::no_data;
use crate::dispatch::{Context, Operation};
use crate::state::Challenge;
use crate::status_map::Refusal;

/// Lengths a challenge may have, in bytes.
const SHORT: u32 = 4;
const LONG: u32 = 8;

/// Le of a command that asks for all there is.
const ALL: u32 = 256;

/// Gives four or eight random bytes that the very next command may use.
pub(crate) fn transit_challenge<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if (command.p1, command.p2) != (0, 0) {
        return Err(Refusal::P1P2);
    }
    no_data(command)?;
    let challenge = match command.ne {
        0 => return Err(Refusal::Length),
        SHORT => {
            let bytes: [u8; 4] = context.env.random();
            out.extend_from_slice(&bytes);
            legacy::Challenge::from(bytes)
        }
        LONG | ALL.. => {
            let bytes: [u8; 8] = context.env.random();
            out.extend_from_slice(&bytes);
            legacy::Challenge::from(bytes)
        }
        _ => return Err(Refusal::ExactLength(LONG as usize)),
    };
    context.state.challenge = Some(Challenge::Transit(challenge));
    Ok(())
}

/// The challenge that the command before asked for.
pub(super) fn take_challenge<N: Nvm>(
    context: &mut Context<'_, N>,
) -> Result<legacy::Challenge, Refusal> {
    match context.challenge.take() {
        Some(Challenge::Transit(challenge)) => Ok(challenge),
        _ => Err(Refusal::NoChallenge),
    }
}

/// A command whose MAC was verified, and what its answer needs.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    command: Command<'a>,
    deciphered: Option<Zeroizing<Vec<u8>>>,
    challenge: legacy::Challenge,
    operator: Operator,
    enciphered: bool,
}

impl Opened<'_> {
    /// The command without its MAC, deciphered.
    pub(crate) fn command(&self) -> Command<'_> {
        match &self.deciphered {
            Some(data) => self.command.with_data(data),
            None => self.command,
        }
    }

    /// Protects the data of the answer, if there is any.
    pub(crate) fn close<N: Nvm>(
        self,
        context: &Context<'_, N>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        if !out.is_empty() {
            let data = core::mem::take(out);
            let Self { challenge, enciphered, operator, .. } = self;
            *out = context.card.seal_line(&challenge, data, enciphered, operator)?;
        }
        Ok(())
    }
}

/// Verifies the MAC of a command under line protection and takes it off. Its Le means what a plain
/// command's does; without one a reading command asks for all there is.
pub(crate) fn open_line<'a, N: Nvm>(
    context: &mut Context<'_, N>,
    operation: Operation,
    command: &Command<'a>,
) -> Result<Opened<'a>, Refusal> {
    match operation {
        Operation::PinUnblock => open::<PinUnblockKey, N>(context, command, true),
        Operation::ReadBinary | Operation::ReadRecord => {
            let enciphered = addressed(context, operation, command).is_some_and(is_enciphered);
            let opened = open::<LineKey, N>(context, command, false)?;
            let ne = if command.ne == 0 { ALL } else { command.ne };
            Ok(Opened { command: opened.command.with_ne(ne), enciphered, ..opened })
        }
        _ => {
            let enciphered = addressed(context, operation, command).is_some_and(is_enciphered);
            open::<LineKey, N>(context, command, enciphered)
        }
    }
}

fn open<'a, P: WalletPurpose + Protects, N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'a>,
    enciphered: bool,
) -> Result<Opened<'a>, Refusal> {
    let nc = u8::try_from(command.data.len()).map_err(|_| Refusal::Length)?;
    let (body, &mac) = command.data.split_last_chunk::<4>().ok_or(SmError::Missing)?;
    let challenge = take_challenge(context)?;
    let message = [&command.header(), &[nc][..], body].concat();
    let operator = context.card.verify_line::<P>(&challenge, &message, mac.into())?;
    context.operator = Some(operator);
    let deciphered = match enciphered {
        true => Some(context.card.decipher_line::<P>(body, operator)?),
        false => None,
    };
    // Clients differ in sending Le where there is nothing to answer.
    let command = command.with_data(body).with_ne(0);
    Ok(Opened { command, deciphered, challenge, operator, enciphered })
}

/// The file that P1 P2 name. It does not become current: nothing is proved yet.
fn addressed<N: Nvm>(
    context: &Context<'_, N>,
    operation: Operation,
    command: &Command<'_>,
) -> Option<&'static Ef> {
    let sfi = match operation {
        Operation::ReadRecord => command.p2 >> 3,
        Operation::ReadBinary | Operation::UpdateBinary => {
            match command.p1 & SHORT_IDENTIFIER {
                0 => 0,
                // Here 0 is no short identifier, and does not stand for the current EF.
                _ => return context.state.df.by_sfi(command.p1 & !SHORT_IDENTIFIER),
            }
        }
        _ => return None,
    };
    if sfi == 0 { context.state.ef } else { context.state.df.by_sfi(sfi) }
}
