//! The pipeline: the one place that orders the steps of a command, and the table of commands.

use xuejika_apdu::chain::Assembled;
use xuejika_apdu::class::{Family, Security};
use xuejika_apdu::command::Command;
use xuejika_apdu::{Response, StatusWord};
use xuejika_card_model::Card;
use xuejika_card_model::event::Actor;
use xuejika_card_model::nvm::{Nvm, NvmError};
use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::auth::CardChallenge;

use zeroize::Zeroize;

use crate::command;
use crate::env::Env;
use crate::state::{Link, Power, State};
use crate::status_map::Refusal;

/// How a command may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// In the clear only.
    Plain,
    /// In the clear or inside a session; the file decides what it needs.
    Either,
    /// Inside a session only.
    Session,
}

/// One row of the command table.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// Name, as in ISO 7816-4 where it has one.
    pub name: &'static str,
    /// Interindustry (class 00) or proprietary (class 80).
    pub family: Family,
    /// INS.
    pub instruction: u8,
    /// How it may come.
    pub protection: Protection,
    operation: Operation,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Select,
    ReadBinary,
    UpdateBinary,
    ReadRecord,
    ManageSecurityEnvironment,
    GetChallenge,
    MutualAuthenticate,
    ChangeLifeCycle,
    PutKey,
    /// Answered by the link, before any application sees it.
    GetResponse,
}

const fn row(
    name: &'static str,
    family: Family,
    instruction: u8,
    protection: Protection,
    operation: Operation,
) -> CommandSpec {
    CommandSpec { name, family, instruction, protection, operation }
}

/// Every command the card answers.
pub const COMMANDS: [CommandSpec; 10] = {
    use Family::{Interindustry as Iso, Proprietary as Own};
    use Operation as O;
    use Protection as P;
    [
        row("SELECT", Iso, 0xA4, P::Plain, O::Select),
        row("READ BINARY", Iso, 0xB0, P::Either, O::ReadBinary),
        row("READ RECORD", Iso, 0xB2, P::Either, O::ReadRecord),
        row("UPDATE BINARY", Iso, 0xD6, P::Either, O::UpdateBinary),
        row("GET RESPONSE", Iso, GET_RESPONSE, P::Plain, O::GetResponse),
        row("MANAGE SECURITY ENVIRONMENT", Iso, 0x22, P::Plain, O::ManageSecurityEnvironment),
        row("GET CHALLENGE", Iso, 0x84, P::Plain, O::GetChallenge),
        row("MUTUAL AUTHENTICATE", Iso, 0x82, P::Plain, O::MutualAuthenticate),
        row("CHANGE LIFE CYCLE", Own, 0xF0, P::Session, O::ChangeLifeCycle),
        row("PUT KEY", Own, 0xD8, P::Session, O::PutKey),
    ]
};

const GET_RESPONSE: u8 = 0xC0;

/// What a command works on.
pub(crate) struct Context<'a, N: Nvm> {
    pub(crate) card: &'a mut Card<N>,
    pub(crate) env: &'a mut Env,
    pub(crate) state: &'a mut State,
    /// The challenge the command before left, for this one alone.
    pub(crate) challenge: Option<CardChallenge>,
    /// Key and SAM of the session this command came in, if it did.
    pub(crate) peer: Option<Actor>,
}

impl<N: Nvm> Context<'_, N> {
    /// Number of the key the peer has proved in the current DF.
    pub(crate) fn key(&self) -> Option<KeyNumber> {
        self.peer.map(|peer| peer.key)
    }
}

/// A command on its way to the application.
enum Step<'a> {
    Execute {
        command: Command<'a>,
        outer_ne: u32,
        secured: bool,
    },
    /// The link has answered already.
    Done(StatusWord),
}

/// Runs one command from its bytes to the bytes of its response, and says why it was refused.
///
/// # Errors
/// Returns an [`NvmError`] when there can be no answer.
pub(crate) fn run<N: Nvm>(
    card: &mut Card<N>,
    env: &mut Env,
    Power { link, state }: &mut Power,
    apdu: &[u8],
    out: &mut Vec<u8>,
) -> Result<Option<Refusal>, NvmError> {
    let challenge = state.challenge.take();
    let Link { assembler, splitter, pending, plain, data } = link;
    let accepted = Command::parse(apdu).map_err(Refusal::from).and_then(|command| {
        if is_get_response(&command) && splitter.remaining() > 0 {
            return get_response(&command, splitter, *pending, out).map(Step::Done);
        }
        splitter.clear();
        accept(command, assembler, plain, state)
    });
    let (command, outer_ne, secured) = match accepted {
        Ok(Step::Execute { command, outer_ne, secured }) => (command, outer_ne, secured),
        Ok(Step::Done(status)) => {
            out.extend_from_slice(&status.bytes());
            return Ok(None);
        }
        Err(refusal) => {
            assembler.clear();
            splitter.clear();
            state.session = None;
            out.extend_from_slice(&refusal.status().bytes());
            return Ok(Some(refusal));
        }
    };
    let peer = if secured { state.session.as_ref().map(|session| session.peer) } else { None };
    data.clear();
    let mut context = Context { card, env, state, challenge, peer };
    let refusal = execute(&mut context, &command, data).err();
    // It may have held a key.
    plain.zeroize();
    if let Some(error) = refusal.as_ref().and_then(Refusal::is_mute) {
        return Err(error);
    }
    let status = refusal.as_ref().map_or(StatusWord::SUCCESS, Refusal::status);
    if refusal.is_some() {
        data.clear();
    }
    match &mut state.session {
        Some(session) if secured => {
            session.sm.wrap_response(&Response { data, status }, out);
            out.truncate(out.len() - status.bytes().len());
        }
        _ => out.extend_from_slice(data),
    }
    let ne = if outer_ne == 0 { out.len() } else { outer_ne as usize };
    let kept = splitter.cut(out, 0, ne);
    *pending = status;
    let status = if kept > 0 { StatusWord::more_data(kept) } else { status };
    out.extend_from_slice(&status.bytes());
    Ok(refusal)
}

/// From a parsed command to one the application may see: class, chain, secure messaging.
fn accept<'a>(
    command: Command<'a>,
    assembler: &'a mut xuejika_apdu::chain::Assembler,
    plain: &'a mut Vec<u8>,
    state: &mut State,
) -> Result<Step<'a>, Refusal> {
    let class = command.class.fields().ok_or(Refusal::Class)?;
    if class.channel != 0 {
        return Err(Refusal::Channel);
    }
    match class.security {
        Security::Proprietary | Security::Body => Err(Refusal::SecureMessaging),
        Security::Header if class.chaining => Err(Refusal::Chaining),
        Security::Header => {
            assembler.clear();
            let session = state.session.as_mut().ok_or(Refusal::NoSession)?;
            let outer_ne = command.ne;
            let command = session.sm.unwrap_command(&command, plain)?;
            Ok(Step::Execute { command, outer_ne, secured: true })
        }
        Security::None => {
            state.session = None;
            Ok(match assembler.push(command, class.chaining)? {
                Assembled::Pending => Step::Done(StatusWord::SUCCESS),
                Assembled::Complete(command) => {
                    Step::Execute { command, outer_ne: command.ne, secured: false }
                }
            })
        }
    }
}

/// Finds the command's row, checks how it came, and executes it.
fn execute<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let family = command.class.fields().ok_or(Refusal::Class)?.family;
    let spec = COMMANDS
        .iter()
        .find(|spec| spec.family == family && spec.instruction == command.instruction)
        .ok_or(Refusal::Instruction)?;
    match (spec.protection, context.peer) {
        (Protection::Plain, Some(_)) => return Err(Refusal::SecureMessaging),
        (Protection::Session, None) => return Err(Refusal::SessionNeeded),
        _ => {}
    }
    match spec.operation {
        Operation::Select => command::select(context, command, out),
        Operation::ReadBinary => command::read_binary(context, command, out),
        Operation::UpdateBinary => command::update_binary(context, command),
        Operation::ReadRecord => command::read_record(context, command, out),
        Operation::ManageSecurityEnvironment => command::set_authentication(context, command),
        Operation::GetChallenge => command::challenge(context, command, out),
        Operation::MutualAuthenticate => command::mutual_authenticate(context, command, out),
        Operation::ChangeLifeCycle => command::change_life_cycle(context, command, out),
        Operation::PutKey => command::put_key(context, command, out),
        // With something to fetch, the link has answered before.
        Operation::GetResponse => Err(Refusal::OutOfOrder),
    }
}

fn is_get_response(command: &Command<'_>) -> bool {
    command.class.0 == 0x00 && command.instruction == GET_RESPONSE
}

/// The next piece of a split response (ISO 7816-4:2020 §11.7.1). The session goes on: this is
/// transport, not an application command.
fn get_response(
    command: &Command<'_>,
    splitter: &mut xuejika_apdu::chain::Splitter,
    pending: StatusWord,
    out: &mut Vec<u8>,
) -> Result<StatusWord, Refusal> {
    if (command.p1, command.p2) != (0, 0) {
        return Err(Refusal::P1P2);
    }
    if command.ne == 0 || !command.data.is_empty() {
        return Err(Refusal::Length);
    }
    let remaining = splitter.next(command.ne as usize, out);
    Ok(if remaining > 0 { StatusWord::more_data(remaining) } else { pending })
}
