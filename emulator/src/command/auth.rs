//! EXTERNAL AUTHENTICATE (外部认证) and INTERNAL AUTHENTICATE (内部认证) of the wallet and the MF above
//! it, after FMCOS.

use xuejika_apdu::command::Command;
use xuejika_card_model::CardError;
use xuejika_card_model::file::Application;
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::wallet::auth::{ANSWER_LEN, InternalUse};
use xuejika_card_model::wallet::{SecurityState, WalletError};

use super::exact_le;
use super::line::take_challenge;
use crate::dispatch::Context;
use crate::status_map::Refusal;

impl<N: Nvm> Context<'_, N> {
    /// Takes over what a proof has shown. What had been shown in the DF is void after a wrong one.
    pub(super) fn prove(
        &mut self,
        verdict: Result<SecurityState, CardError>,
    ) -> Result<(), Refusal> {
        match verdict {
            Ok(security) => {
                self.state.security = security;
                Ok(())
            }
            Err(error) => {
                if let CardError::Wallet(WalletError::Wrong(_) | WalletError::Answer) = error {
                    let in_master = self.state.df.application == Application::Master;
                    self.state.security = self.state.security.authenticated(0, in_master);
                }
                Err(key_not_found(error))
            }
        }
    }
}

/// `00 82 00 KID 08`: the terminal answers the challenge.
pub(crate) fn external_authenticate<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    if command.p1 != 0 {
        return Err(Refusal::P1P2);
    }
    let answer: &[u8; ANSWER_LEN] = command.data.try_into().map_err(|_| Refusal::Length)?;
    let challenge = take_challenge(context)?;
    let (state, df) = (context.state.security, context.state.df);
    let in_master = df.application == Application::Master;
    let card = &mut *context.card;
    let verdict = card.external_authenticate(command.p2, challenge, answer, state, in_master);
    context.prove(verdict)
}

/// `00 88 use KID`: the card answers.
pub(crate) fn internal_authenticate<N: Nvm>(
    context: &Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let purpose = InternalUse::from_code(command.p1).ok_or(Refusal::P1P2)?;
    let state = context.state.security;
    let answer = context.card.internal_authenticate(purpose, command.p2, command.data, state);
    let answer = answer.map_err(|error| key_not_found(error.into()))?;
    // Clients differ in sending Le.
    if command.ne != 0 {
        exact_le(command, answer.len())?;
    }
    out.extend_from_slice(&answer);
    Ok(())
}

/// Where the purse has a status word of its own for a key that is not there, these have that of ISO
/// 7816-4.
fn key_not_found(error: CardError) -> Refusal {
    match error {
        CardError::Wallet(WalletError::KeyNotFound) => Refusal::KeyNotFound,
        error => error.into(),
    }
}
