//! MANAGE SECURITY ENVIRONMENT, GET CHALLENGE, MUTUAL AUTHENTICATE (ISO 7816-4:2020 §11.5), and PUT
//! KEY (project-defined after GlobalPlatform).

use xuejika_apdu::command::Command;
use xuejika_apdu::sm::CardSm;
use xuejika_apdu::tlv::{Tag, TlvReader};
use xuejika_card_model::event::Actor;
use xuejika_card_model::key_load::KeyData;
use xuejika_card_model::nvm::Nvm;
use xuejika_keyscheme::auth::{CardChallenge, Request, TOKEN_LEN};
use xuejika_keyscheme::slots::KeySlots;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion};

use super::{exact_le, no_data, no_le};
use crate::dispatch::Context;
use crate::state::{Challenge, Session};
use crate::status_map::Refusal;

/// P1 P2 of MANAGE SECURITY ENVIRONMENT: set the template for authentication.
const SET_AUTHENTICATION: (u8, u8) = (0xC1, 0xA4);

/// Cryptographic mechanism reference: the algorithm identifier.
const MECHANISM: Tag = Tag::of(0x80);

/// Key reference: number and version.
const KEY_REFERENCE: Tag = Tag::of(0x83);

/// Length of a key check value, in bytes.
const KCV_LEN: usize = 3;

/// Chooses the key of the next authentication.
pub(crate) fn set_authentication<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    if (command.p1, command.p2) != SET_AUTHENTICATION {
        return Err(Refusal::P1P2);
    }
    no_le(command)?;
    context.state.key = None;
    let mut objects = TlvReader::new(command.data);
    let (&[algorithm], &[number, version]) =
        (objects.expect(MECHANISM)?, objects.expect(KEY_REFERENCE)?)
    else {
        return Err(Refusal::Data);
    };
    objects.finish()?;
    let id = KeyId {
        zone: context.state.df.zone(),
        number: KeyNumber(number),
        version: KeyVersion::new(version).ok_or(Refusal::KeyNotFound)?,
        algorithm: Algorithm::from_code(algorithm).ok_or(Refusal::KeyNotFound)?,
    };
    usable_slots(context, &id)?;
    context.state.key = Some(id);
    Ok(())
}

/// The slots that hold the named key.
fn usable_slots<N: Nvm>(context: &Context<'_, N>, id: &KeyId) -> Result<KeySlots, Refusal> {
    context
        .card
        .key_slots(context.state.df, id.number)?
        .filter(|slots| slots.algorithm() == id.algorithm)
        .filter(|slots| slots.key(id.version).is_some())
        .ok_or(Refusal::KeyNotFound)
}

/// Gives a nonce that the very next command may answer.
pub(crate) fn challenge<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if (command.p1, command.p2) != (0, 0) {
        return Err(Refusal::P1P2);
    }
    no_data(command)?;
    exact_le(command, TOKEN_LEN)?;
    let id = context.state.key.ok_or(Refusal::OutOfOrder)?;
    let random = context.env.random();
    let challenge = CardChallenge::new(id, context.card.header().serial, random);
    out.extend_from_slice(&challenge.nonce());
    context.state.challenge = Some(Challenge::Zone(challenge));
    Ok(())
}

/// Checks the reader's proof, gives the card's, and opens a session.
pub(crate) fn mutual_authenticate<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if (command.p1, command.p2) != (0, 0) {
        return Err(Refusal::P1P2);
    }
    let request = Request::parse(command.data)?;
    exact_le(command, TOKEN_LEN)?;
    let Some(Challenge::Zone(challenge)) = context.challenge.take() else {
        return Err(Refusal::OutOfOrder);
    };
    let id = challenge.id();
    let slots = usable_slots(context, &id)?;
    let key = slots.key(id.version).ok_or(Refusal::KeyNotFound)?;
    // The counter is stored before the verdict is told.
    match challenge.verify(key, &request) {
        Ok((token, session)) => {
            context.card.count_success(context.state.df, id.number, id.version)?;
            out.extend_from_slice(&token);
            context.state.session = Some(Box::new(Session {
                sm: CardSm::new(&session.keys),
                peer: Actor { key: id.number, reader: session.reader },
            }));
            Ok(())
        }
        Err(_) => {
            context.state.key = None;
            context.card.count_failure(context.state.df, id.number)?;
            Err(Refusal::AuthenticationFailed)
        }
    }
}

/// Version byte of PUT KEY that retires the fall-back version instead of loading one.
const RETIRE: u8 = 0xFF;

/// Loads a newer version of a key, or retires the old one.
pub(crate) fn put_key<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let (df, number, actor) = (context.state.df, KeyNumber(command.p1), context.peer);
    if command.p2 == RETIRE {
        no_data(command)?;
        no_le(command)?;
        return Ok(context.card.retire_key(df, number, actor)?);
    }
    let version = KeyVersion::new(command.p2).ok_or(Refusal::P1P2)?;
    let data = KeyData::parse(command.data)?;
    exact_le(command, KCV_LEN)?;
    let kcv = context.card.load_key(df, number, version, data, actor)?;
    out.extend_from_slice(&kcv);
    Ok(())
}
