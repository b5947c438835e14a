//! APPLICATION BLOCK (应用锁定), APPLICATION UNBLOCK (应用解锁) and CARD BLOCK (卡片锁定), after PBOC, and
//! what a blocked wallet or card still does.

use xuejika_apdu::command::Command;
use xuejika_card_model::Card;
use xuejika_card_model::file::Application;
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::wallet::WalletError;
use xuejika_card_model::wallet::lock::ApplicationLock;

use super::no_data;
use crate::dispatch::{Context, Operation};
use crate::state::State;
use crate::status_map::Refusal;

/// P2 of APPLICATION BLOCK: until it is unblocked.
const TEMPORARY: u8 = 0x00;
/// P2 of APPLICATION BLOCK: for good.
const PERMANENT: u8 = 0x01;

/// Whether the card executes anything at all.
pub(crate) fn check_card<N: Nvm>(card: &Card<N>) -> Result<(), Refusal> {
    match card.wallet_lock() {
        Ok(lock) if lock.card => Err(Refusal::CardBlocked),
        Ok(_) | Err(WalletError::Absent) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the wallet, if it is current, executes this.
pub(crate) fn check_application<N: Nvm>(
    context: &Context<'_, N>,
    operation: Operation,
) -> Result<(), Refusal> {
    use ApplicationLock as Lock;
    use Operation as O;
    if context.state.df.application != Application::Wallet {
        return Ok(());
    }
    match (context.card.wallet_lock()?.application, operation) {
        (Lock::None, _)
        | (_, O::Select | O::TransitChallenge | O::CardBlock)
        | (Lock::Temporary, O::ApplicationBlock | O::ApplicationUnblock) => Ok(()),
        (Lock::Temporary, _) => Err(WalletError::TemporarilyBlocked.into()),
        (Lock::Permanent, _) => Err(WalletError::Blocked.into()),
    }
}

/// What SELECT says about a selection that has happened: a blocked wallet can be selected, to be
/// unblocked.
pub(super) fn check_selection<N: Nvm>(card: &Card<N>, state: &State) -> Result<(), Refusal> {
    if state.df.application != Application::Wallet {
        return Ok(());
    }
    match card.wallet_lock()?.application {
        ApplicationLock::None => Ok(()),
        ApplicationLock::Temporary => Err(Refusal::WalletBlocked),
        ApplicationLock::Permanent => Err(WalletError::Blocked.into()),
    }
}

/// `84 1E 00 P2 04 MAC`.
pub(crate) fn block_application<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    let for_good = match (command.p1, command.p2) {
        (0, TEMPORARY) => false,
        (0, PERMANENT) => true,
        _ => return Err(Refusal::P1P2),
    };
    no_data(command)?;
    let operator = context.operator.ok_or(Refusal::SessionNeeded)?;
    Ok(context.card.block_application(for_good, operator)?)
}

/// `84 18 00 00 04 MAC`.
pub(crate) fn unblock_application<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    let operator = context.operator.ok_or(Refusal::SessionNeeded)?;
    Ok(context.card.unblock_application(operator)?)
}

/// `84 16 00 00 04 MAC`, after EXTERNAL AUTHENTICATE in the MF.
pub(crate) fn block_card<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    let operator = context.operator.ok_or(Refusal::SessionNeeded)?;
    Ok(context.card.block_card(context.state.security, operator)?)
}

fn no_parameters(command: &Command<'_>) -> Result<(), Refusal> {
    if (command.p1, command.p2) != (0, 0) {
        return Err(Refusal::P1P2);
    }
    no_data(command)
}
