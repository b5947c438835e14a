//! The commands of a PSAM: INITIALIZE FOR PURCHASE, CREDIT FOR PURCHASE, DELIVERY KEY, CIPHER DATA
//! (operators' terminals as seen; which status word answers which failure is project-defined).

use xuejika_apdu::command::Command;
use xuejika_card_model::file::tree::PSAM_FID;
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::psam::{
    Factors, KeyKind, MacPart, Psam, PurchaseProof, PurchaseRequest, split_usage,
};
use xuejika_keyscheme::legacy::Mac2;

use super::{exact_le, no_le};
use crate::dispatch::Context;
use crate::status_map::Refusal;

/// P1 of CIPHER DATA: encrypt, the last or only piece.
const ENCRYPT: u8 = 0x00;
/// P1 of CIPHER DATA: MAC, last blocks.
const MAC_LAST: u8 = 0x01;
/// P1 of CIPHER DATA: encrypt, more to come.
const ENCRYPT_MORE: u8 = 0x02;
/// P1 of CIPHER DATA: MAC, more blocks.
const MAC_NEXT: u8 = 0x03;
/// P1 of CIPHER DATA: MAC over one whole message.
const MAC_WHOLE: u8 = 0x05;
/// P1 of CIPHER DATA: MAC, first blocks.
const MAC_FIRST: u8 = 0x07;

/// Length of a MAC, in bytes.
const MAC_LEN: usize = 4;

/// `80 70 00 00`: sequence number and MAC1 for a card's answer to INITIALIZE FOR PURCHASE.
pub(crate) fn initialise_purchase<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    let request = PurchaseRequest::parse(command.data)?;
    optional_le(command, PurchaseProof::LEN)?;
    let proof = psam(context)?.initialise_purchase(&request)?;
    out.extend_from_slice(&proof.emit());
    Ok(())
}

/// `80 72 00 00`: checks the card's MAC2.
pub(crate) fn credit_purchase<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    no_le(command)?;
    let mac2: [u8; MAC_LEN] = command.data.try_into().map_err(|_| Refusal::Length)?;
    Ok(psam(context)?.credit_purchase(Mac2::from(mac2))?)
}

/// `80 1A usage version`: derives the working key of CIPHER DATA.
pub(crate) fn deliver_key<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    no_le(command)?;
    let (_, kind) = split_usage(command.p1);
    let kind = KeyKind::from_code(kind).ok_or(Refusal::P1P2)?;
    let factors = Factors::parse(command.data)
        .filter(|factors| factors.usage(kind) == command.p1)
        .ok_or(Refusal::Length)?;
    Ok(psam(context)?.deliver_key(kind, command.p2, &factors)?)
}

/// `80 FA P1 00`: encrypts or makes a MAC under the working key.
pub(crate) fn cipher_data<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if command.p2 != 0 {
        return Err(Refusal::P1P2);
    }
    let part = match command.p1 {
        ENCRYPT | ENCRYPT_MORE => {
            optional_le(command, command.data.len())?;
            out.extend_from_slice(command.data);
            return Ok(psam(context)?.encrypt(out)?);
        }
        MAC_WHOLE => MacPart::Whole,
        MAC_FIRST => MacPart::First,
        MAC_NEXT => MacPart::Next,
        MAC_LAST => MacPart::Last,
        _ => return Err(Refusal::P1P2),
    };
    match part {
        MacPart::Whole | MacPart::Last => optional_le(command, MAC_LEN)?,
        MacPart::First | MacPart::Next => no_le(command)?,
    }
    out.extend(psam(context)?.mac(part, command.data)?.into_iter().flatten());
    Ok(())
}

/// The PSAM, while its application is selected.
fn psam<'a, N: Nvm>(context: &'a mut Context<'_, N>) -> Result<Psam<'a, N>, Refusal> {
    if context.state.df.fid != PSAM_FID {
        return Err(Refusal::OutOfOrder);
    }
    Psam::of(context.card, &mut context.state.psam).ok_or(Refusal::OutOfOrder)
}

fn no_parameters(command: &Command<'_>) -> Result<(), Refusal> {
    if (command.p1, command.p2) == (0, 0) { Ok(()) } else { Err(Refusal::P1P2) }
}

/// Le may be absent, as terminals differ; what is there must fit.
fn optional_le(command: &Command<'_>, length: usize) -> Result<(), Refusal> {
    if command.ne == 0 { Ok(()) } else { exact_le(command, length) }
}
