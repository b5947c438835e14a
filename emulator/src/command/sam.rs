//! The commands of a reader's SAM (SAM卡): its host asks for proofs and protected commands and never
//! gets a key (project-defined).

use xuejika_apdu::command::Command;
use xuejika_apdu::sm::{ReaderSm, SmError};
use xuejika_apdu::{Class, Response};
use xuejika_card_model::date::Date;
use xuejika_card_model::event::{self, Body};
use xuejika_card_model::file::tree::sfi;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::management::Authorisation;
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::sam::{
    Carried, Respond, SamError, SamState, SamStore, VersionChoice, key_id,
};
use xuejika_keyscheme::KeyVersion;
use xuejika_keyscheme::auth::TOKEN_LEN;
use zeroize::Zeroizing;

use super::{exact_le, no_data, no_le};
use crate::dispatch::Context;
use crate::status_map::Refusal;

/// INS of PUT KEY, which a SAM protects itself.
const PUT_KEY: u8 = 0xD8;

/// INS of CHANGE LIFE CYCLE, likewise.
const CHANGE_LIFE_CYCLE: u8 = 0xF0;

/// `80 CA 00 00 0A`: number, algorithm, locked or unlocked.
pub(crate) fn state<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    no_data(command)?;
    exact_le(command, SamState::LEN)?;
    let store = store(context)?;
    let unlocked = context.state.sam.grant().is_some();
    let state = SamState { id: store.id(), algorithm: store.algorithm(), unlocked };
    out.extend_from_slice(&state.emit());
    Ok(())
}

/// `80 30 00 00 Lc data 01`: the newest of the offered versions that may be used.
pub(crate) fn choose_version<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    let choice = VersionChoice::parse(command.data).ok_or(Refusal::Data)?;
    exact_le(command, 1)?;
    let key = (choice.zone, choice.number, choice.algorithm);
    let store = store(context)?;
    out.push(context.state.sam.version(&store, key, &choice.offered)?.number());
    Ok(())
}

/// `80 32 00 00 Lc data 28`: the proof for a card's challenge.
pub(crate) fn respond<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    let request = Respond::parse(command.data).ok_or(Refusal::Data)?;
    exact_le(command, xuejika_keyscheme::auth::Request::LEN)?;
    let (store, nonce) = (store(context)?, context.env.random());
    out.extend_from_slice(&context.state.sam.respond(&store, &request, nonce)?.emit());
    Ok(())
}

/// `80 34 00 00 10 token`: checks the card's proof and opens the session.
pub(crate) fn open<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    no_le(command)?;
    let token: [u8; TOKEN_LEN] = command.data.try_into().map_err(|_| Refusal::Length)?;
    Ok(context.state.sam.open(&token, ReaderSm::new)?)
}

/// `80 36 00 00 Lc command 00`: protects a command for the open session.
pub(crate) fn wrap<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    all(command)?;
    let plain = Command::parse(command.data).map_err(|_| Refusal::Data)?;
    context.state.sam.messaging_for(carried(&plain))?;
    in_session(context, |sm| sm.wrap_command(&plain, out))
}

/// What a command is about that the host wants to have protected.
fn carried(command: &Command<'_>) -> Carried {
    let opens = command.p1 == Event::ExtensionOpen.code();
    match command.instruction {
        _ if command.reads_all(sfi::ONLY, Authorisation::LEN) => Carried::Authorisation,
        PUT_KEY if !command.data.is_empty() => Carried::Key,
        CHANGE_LIFE_CYCLE if opens => Carried::Key,
        _ => Carried::Other,
    }
}

/// `80 38 00 00 Lc response 00`: verifies and decrypts a response; answers data and status word.
pub(crate) fn unwrap<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    all(command)?;
    let response = Response::parse(command.data).ok_or(Refusal::Data)?;
    let status = in_session(context, |sm| sm.unwrap_response(&response, out))?;
    context.state.sam.check_answer(out)?;
    out.extend_from_slice(&status.bytes());
    Ok(())
}

/// `80 3A 00 00 05 key 00`: protects PUT KEY with the named key; answers its check value, then the
/// command.
pub(crate) fn wrap_key<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    let id = command.data.try_into().map_err(|_| Refusal::Length)?;
    let id = key_id(id).ok_or(Refusal::Data)?;
    all(command)?;
    let (data, kcv) = context.state.sam.key_data(&store(context)?, &id)?;
    out.extend_from_slice(&kcv);
    let put = Command::new(Class::OWN, PUT_KEY, id.number.0, id.version.number())
        .with_data(&*data)
        .with_ne(256);
    in_session(context, |sm| sm.wrap_command(&put, out))
}

/// `80 3C version 00 Lc event 00`: protects CHANGE LIFE CYCLE that opens an extension sector, with
/// its owner's key.
pub(crate) fn wrap_opening<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let version = KeyVersion::new(command.p1).filter(|_| command.p2 == 0);
    let version = version.ok_or(Refusal::P1P2)?;
    let event = Event::ExtensionOpen;
    let request = event::Request::parse(event, command.data).map_err(|_| Refusal::Data)?;
    debug_assert!(matches!(request.body, Body::Open(_)));
    all(command)?;
    let data = context.state.sam.opening_data(&store(context)?, &request, version)?;
    let change =
        Command::new(Class::OWN, CHANGE_LIFE_CYCLE, event.code(), 0).with_data(&data).with_ne(256);
    in_session(context, |sm| sm.wrap_command(&change, out))
}

/// `80 3E 00 00`: ends the session.
pub(crate) fn close<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    bare(command)?;
    context.state.sam.close();
    Ok(())
}

/// `80 40 00 00 Lc data 12`: unlocks with the date and the protected contents of a management card.
pub(crate) fn unlock<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    let (date, response) = command.data.split_first_chunk().ok_or(Refusal::Length)?;
    let today = Date::from_bytes(*date).map_err(|_| Refusal::Data)?;
    let response = Response::parse(response).ok_or(Refusal::Length)?;
    exact_le(command, xuejika_card_model::sam::Grant::LEN)?;
    let mut contents = Zeroizing::new(Vec::new());
    let read = in_session(context, |sm| sm.unwrap_response(&response, &mut contents));
    let status = read.inspect_err(|_| context.state.sam.lock())?;
    if !status.is_success() {
        context.state.sam.lock();
        return Err(SamError::Unreadable.into());
    }
    let store = store(context)?;
    match context.state.sam.unlock(&store, &contents, today) {
        Ok(grant) => {
            store.note(context.card, today)?;
            out.extend_from_slice(&grant.emit());
            Ok(())
        }
        Err(error) => Err(refuse(error, out)),
    }
}

/// `80 42 00 00 04 date`: the date of a day on which the reader works.
pub(crate) fn set_date<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    no_parameters(command)?;
    no_le(command)?;
    let date = command.data.try_into().map_err(|_| Refusal::Length)?;
    let today = Date::from_bytes(date).map_err(|_| Refusal::Data)?;
    let store = store(context)?;
    context.state.sam.set_date(&store, today).map_err(|error| refuse(error, out))?;
    Ok(store.note(context.card, today)?)
}

/// `80 44 00 00`: locks.
pub(crate) fn lock<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
) -> Result<(), Refusal> {
    bare(command)?;
    context.state.sam.lock();
    Ok(())
}

/// The refusal, with the last day of a grant that has ended as its data.
fn refuse(error: SamError, out: &mut Vec<u8>) -> Refusal {
    if let SamError::Expired(valid_until) = error {
        out.extend_from_slice(&valid_until.bytes());
    }
    error.into()
}

/// Runs one step of the open session; any error ends it.
fn in_session<N: Nvm, T>(
    context: &mut Context<'_, N>,
    step: impl FnOnce(&mut ReaderSm) -> Result<T, SmError>,
) -> Result<T, Refusal> {
    let sam = &mut context.state.sam;
    let result = step(sam.messaging()?);
    // What cannot be carried has changed nothing; everything else is beyond repair.
    if matches!(result, Err(error) if error != SmError::NotCarried) {
        sam.close();
    }
    Ok(result?)
}

fn store<N: Nvm>(context: &Context<'_, N>) -> Result<SamStore, Refusal> {
    // The rows of the command table are for the application of a SAM alone.
    SamStore::of(context.card).ok().flatten().ok_or(Refusal::OutOfOrder)
}

fn no_parameters(command: &Command<'_>) -> Result<(), Refusal> {
    if (command.p1, command.p2) == (0, 0) { Ok(()) } else { Err(Refusal::P1P2) }
}

/// No parameters, no data, no answer.
fn bare(command: &Command<'_>) -> Result<(), Refusal> {
    no_parameters(command)?;
    no_data(command)?;
    no_le(command)
}

/// The length of the answer is the SAM's matter: Le asks for all there is.
fn all(command: &Command<'_>) -> Result<(), Refusal> {
    if command.ne < 256 { Err(Refusal::Length) } else { Ok(()) }
}
