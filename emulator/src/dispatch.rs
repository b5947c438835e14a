//! The pipeline: the one place that orders the steps of a command, and the table of commands.

use xuejika_apdu::chain::Assembled;
use xuejika_apdu::class::{Family, Security};
use xuejika_apdu::command::Command;
use xuejika_apdu::{Response, StatusWord};
use xuejika_card_model::Card;
use xuejika_card_model::event::Actor;
use xuejika_card_model::file::{Application, Caller};
use xuejika_card_model::nvm::{Nvm, NvmError};
use xuejika_card_model::wallet::{Operator, Pending};

use zeroize::Zeroize;

use crate::command::{self, purse, sam};
use crate::env::Env;
use crate::state::{Challenge, Link, Power, State};
use crate::status_map::Refusal;

/// How a command may come. Protected means: inside a secure-messaging session where the project's
/// own rules hold, under line protection (线路保护) in the wallet and the MF above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// In the clear only.
    Plain,
    /// In the clear or protected; the file decides what it needs.
    Either,
    /// Protected only.
    Protected,
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
    /// Where it exists.
    pub applications: &'static [Application],
    /// How it may come.
    pub protection: Protection,
    /// What it does.
    pub operation: Operation,
}

/// What a command does. Exhaustive on purpose: whoever must treat every command finds out at compile
/// time about a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// SELECT.
    Select,
    /// READ BINARY.
    ReadBinary,
    /// UPDATE BINARY.
    UpdateBinary,
    /// READ RECORD.
    ReadRecord,
    /// MANAGE SECURITY ENVIRONMENT.
    ManageSecurityEnvironment,
    /// GET CHALLENGE for mutual authentication.
    GetChallenge,
    /// MUTUAL AUTHENTICATE.
    MutualAuthenticate,
    /// CHANGE LIFE CYCLE.
    ChangeLifeCycle,
    /// PUT KEY.
    PutKey,
    /// GET RESPONSE: answered by the link, before any application sees it.
    GetResponse,
    /// GET CHALLENGE of the wallet and the MF above it.
    TransitChallenge,
    /// GET BALANCE.
    GetBalance,
    /// INITIALIZE FOR LOAD, PURCHASE, CAPP PURCHASE and UNLOAD.
    InitialiseTransaction,
    /// CREDIT FOR LOAD.
    CreditForLoad,
    /// DEBIT FOR PURCHASE, CAPP PURCHASE and UNLOAD.
    Debit,
    /// UPDATE CAPP DATA CACHE.
    UpdateCache,
    /// GET TRANSACTION PROVE.
    Prove,
    /// VERIFY.
    Verify,
    /// EXTERNAL AUTHENTICATE.
    ExternalAuthenticate,
    /// INTERNAL AUTHENTICATE.
    InternalAuthenticate,
    /// RELOAD PIN and CHANGE PIN.
    ChangePin,
    /// PIN UNBLOCK.
    PinUnblock,
    /// APPLICATION BLOCK.
    ApplicationBlock,
    /// APPLICATION UNBLOCK.
    ApplicationUnblock,
    /// CARD BLOCK.
    CardBlock,
    /// PSAM: INITIALIZE FOR PURCHASE.
    PsamInitialisePurchase,
    /// PSAM: CREDIT FOR PURCHASE.
    PsamCreditPurchase,
    /// PSAM: DELIVERY KEY.
    PsamDeliverKey,
    /// PSAM: CIPHER DATA.
    PsamCipherData,
    /// SAM: GET SAM STATE.
    SamState,
    /// SAM: CHOOSE KEY VERSION.
    SamVersion,
    /// SAM: RESPOND TO CHALLENGE.
    SamRespond,
    /// SAM: OPEN SESSION.
    SamOpen,
    /// SAM: WRAP COMMAND.
    SamWrap,
    /// SAM: UNWRAP RESPONSE.
    SamUnwrap,
    /// SAM: WRAP KEY.
    SamWrapKey,
    /// SAM: WRAP OPENING.
    SamWrapOpening,
    /// SAM: CLOSE SESSION.
    SamClose,
    /// SAM: UNLOCK SAM.
    SamUnlock,
    /// SAM: SET DATE.
    SamDate,
    /// SAM: LOCK SAM.
    SamLock,
}

impl Operation {
    /// Whether its success leaves a purse transaction under way; everything else ends it, and so does
    /// an error.
    const fn keeps_transaction(self) -> bool {
        matches!(self, Self::GetBalance | Self::Prove | Self::InternalAuthenticate)
    }
}

const fn row(
    name: &'static str,
    (family, instruction): (Family, u8),
    applications: &'static [Application],
    protection: Protection,
    operation: Operation,
) -> CommandSpec {
    CommandSpec { name, family, instruction, applications, protection, operation }
}

use Application::{Master, Psam, Sam, Wallet, Zone};

/// Where the files' commands exist.
const ALL: &[Application] = &[Zone, Master, Wallet, Psam, Sam];
/// Where the project's own key scheme holds.
const OWN: &[Application] = &[Zone];
/// Where the operator's keys hold.
const TRANSIT: &[Application] = &[Master, Wallet];
/// Where the purse is.
const PURSE: &[Application] = &[Wallet];

/// Where a PSAM's keys hold.
const PSAM: &[Application] = &[Psam];
/// Where a reader's SAM answers its host.
const SAM: &[Application] = &[Sam];

/// Every command the card answers.
pub static COMMANDS: [CommandSpec; 41] = {
    use Family::{Interindustry as Iso, Proprietary as Own};
    use Operation as O;
    use Protection::{Either, Plain, Protected};
    [
        row("SELECT", (Iso, 0xA4), ALL, Plain, O::Select),
        row("READ BINARY", (Iso, 0xB0), ALL, Either, O::ReadBinary),
        row("READ RECORD", (Iso, 0xB2), ALL, Either, O::ReadRecord),
        row("UPDATE BINARY", (Iso, 0xD6), ALL, Either, O::UpdateBinary),
        row("GET RESPONSE", (Iso, GET_RESPONSE), ALL, Plain, O::GetResponse),
        row("MANAGE SECURITY ENVIRONMENT", (Iso, 0x22), OWN, Plain, O::ManageSecurityEnvironment),
        row("GET CHALLENGE", (Iso, 0x84), OWN, Plain, O::GetChallenge),
        row("MUTUAL AUTHENTICATE", (Iso, 0x82), OWN, Plain, O::MutualAuthenticate),
        row("CHANGE LIFE CYCLE", (Own, 0xF0), OWN, Protected, O::ChangeLifeCycle),
        row("PUT KEY", (Own, 0xD8), OWN, Protected, O::PutKey),
        row("GET CHALLENGE", (Iso, 0x84), TRANSIT, Plain, O::TransitChallenge),
        row("GET BALANCE", (Own, 0x5C), PURSE, Plain, O::GetBalance),
        row("INITIALIZE TRANSACTION", (Own, 0x50), PURSE, Plain, O::InitialiseTransaction),
        row("CREDIT FOR LOAD", (Own, 0x52), PURSE, Plain, O::CreditForLoad),
        row("DEBIT", (Own, 0x54), PURSE, Plain, O::Debit),
        row("UPDATE CAPP DATA CACHE", (Own, 0xDC), PURSE, Plain, O::UpdateCache),
        row("GET TRANSACTION PROVE", (Own, 0x5A), PURSE, Plain, O::Prove),
        row("VERIFY", (Iso, 0x20), PURSE, Plain, O::Verify),
        row("EXTERNAL AUTHENTICATE", (Iso, 0x82), TRANSIT, Plain, O::ExternalAuthenticate),
        row("INTERNAL AUTHENTICATE", (Iso, 0x88), PURSE, Plain, O::InternalAuthenticate),
        row("RELOAD / CHANGE PIN", (Own, 0x5E), PURSE, Plain, O::ChangePin),
        row("PIN UNBLOCK", (Own, 0x24), PURSE, Protected, O::PinUnblock),
        row("APPLICATION BLOCK", (Own, 0x1E), PURSE, Protected, O::ApplicationBlock),
        row("APPLICATION UNBLOCK", (Own, 0x18), PURSE, Protected, O::ApplicationUnblock),
        row("CARD BLOCK", (Own, 0x16), TRANSIT, Protected, O::CardBlock),
        row("INITIALIZE FOR PURCHASE", (Own, 0x70), PSAM, Plain, O::PsamInitialisePurchase),
        row("CREDIT FOR PURCHASE", (Own, 0x72), PSAM, Plain, O::PsamCreditPurchase),
        row("DELIVERY KEY", (Own, 0x1A), PSAM, Plain, O::PsamDeliverKey),
        row("CIPHER DATA", (Own, 0xFA), PSAM, Plain, O::PsamCipherData),
        row("GET SAM STATE", (Own, 0xCA), SAM, Plain, O::SamState),
        row("CHOOSE KEY VERSION", (Own, 0x30), SAM, Plain, O::SamVersion),
        row("RESPOND TO CHALLENGE", (Own, 0x32), SAM, Plain, O::SamRespond),
        row("OPEN SESSION", (Own, 0x34), SAM, Plain, O::SamOpen),
        row("WRAP COMMAND", (Own, 0x36), SAM, Plain, O::SamWrap),
        row("UNWRAP RESPONSE", (Own, 0x38), SAM, Plain, O::SamUnwrap),
        row("WRAP KEY", (Own, 0x3A), SAM, Plain, O::SamWrapKey),
        row("WRAP OPENING", (Own, 0x3C), SAM, Plain, O::SamWrapOpening),
        row("CLOSE SESSION", (Own, 0x3E), SAM, Plain, O::SamClose),
        row("UNLOCK SAM", (Own, 0x40), SAM, Plain, O::SamUnlock),
        row("SET DATE", (Own, 0x42), SAM, Plain, O::SamDate),
        row("LOCK SAM", (Own, 0x44), SAM, Plain, O::SamLock),
    ]
};

const GET_RESPONSE: u8 = 0xC0;

/// What a command works on.
pub(crate) struct Context<'a, N: Nvm> {
    pub(crate) card: &'a mut Card<N>,
    pub(crate) env: &'a mut Env,
    pub(crate) state: &'a mut State,
    /// The challenge the command before left, for this one alone.
    pub(crate) challenge: Option<Challenge>,
    /// Key and SAM of the session this command came in, if it did.
    pub(crate) peer: Option<Actor>,
    /// The operator, if this command came under line protection.
    pub(crate) operator: Option<Operator>,
    /// The purse transaction under way. Whoever lets it go on puts it back into the state.
    pub(crate) transaction: Option<Pending>,
}

impl<N: Nvm> Context<'_, N> {
    /// Who asks for a file.
    pub(crate) fn caller(&self) -> Caller {
        match (self.operator, self.peer) {
            (Some(operator), _) => Caller::Operator(operator),
            (None, Some(peer)) => Caller::Peer(peer),
            (None, None) => Caller::Unproven,
        }
    }
}

/// How a command came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carriage {
    /// In the clear.
    Plain,
    /// Inside a session, unwrapped.
    Session,
    /// Under line protection, still to be opened.
    Line,
}

/// A command on its way to the application.
enum Step<'a> {
    Execute {
        command: Command<'a>,
        outer_ne: u32,
        carriage: Carriage,
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
    let challenge = state.take_challenge();
    let transaction = state.transaction.take();
    let Link { assembler, splitter, pending, plain, data } = link;
    let accepted = Command::parse(apdu).map_err(Refusal::from).and_then(|command| {
        command::check_card(card)?;
        if is_get_response(&command) && splitter.remaining() > 0 {
            return get_response(&command, splitter, *pending, out).map(Step::Done);
        }
        splitter.clear();
        accept(command, assembler, plain, state)
    });
    let (command, outer_ne, carriage) = match accepted {
        Ok(Step::Execute { command, outer_ne, carriage }) => (command, outer_ne, carriage),
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
    let secured = carriage == Carriage::Session;
    let peer = if secured { state.session.as_ref().map(|session| session.peer) } else { None };
    // The answer before, if that was of a management card, held its secret.
    data.zeroize();
    let mut context = Context { card, env, state, challenge, peer, operator: None, transaction };
    let refusal = execute(&mut context, &command, carriage, data).err();
    // It may have held a key.
    if !plain.is_empty() {
        plain.zeroize();
    }
    if let Some(error) = refusal.as_ref().and_then(Refusal::is_mute) {
        return Err(error);
    }
    let status = refusal.as_ref().map_or(StatusWord::SUCCESS, Refusal::status);
    if refusal.as_ref().is_some_and(|refusal| !refusal.keeps_data()) {
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
    let line = TRANSIT.contains(&state.df.application);
    match class.security {
        Security::Body => Err(Refusal::SecureMessaging),
        Security::Proprietary if !line => Err(Refusal::SecureMessaging),
        Security::Header | Security::Proprietary if class.chaining => Err(Refusal::Chaining),
        Security::Proprietary => {
            assembler.clear();
            // The MAC of the answer comes on top of what Le asks for.
            Ok(Step::Execute { command, outer_ne: 0, carriage: Carriage::Line })
        }
        Security::Header => {
            assembler.clear();
            let session = state.session.as_mut().ok_or(Refusal::NoSession)?;
            let outer_ne = command.ne;
            let command = session.sm.unwrap_command(&command, plain)?;
            Ok(Step::Execute { command, outer_ne, carriage: Carriage::Session })
        }
        Security::None => {
            state.session = None;
            Ok(match assembler.push(command, class.chaining)? {
                Assembled::Pending => Step::Done(StatusWord::SUCCESS),
                Assembled::Complete(command) => {
                    Step::Execute { command, outer_ne: command.ne, carriage: Carriage::Plain }
                }
            })
        }
    }
}

/// Finds the command's row, executes it, and decides what becomes of the purse transaction under way.
fn execute<N: Nvm>(
    context: &mut Context<'_, N>,
    command: &Command<'_>,
    carriage: Carriage,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let family = command.class.fields().ok_or(Refusal::Class)?.family;
    let key = (family, command.instruction);
    let spec = COMMANDS
        .iter()
        .filter(|spec| (spec.family, spec.instruction) == key)
        .find(|spec| spec.applications.contains(&context.state.df.application))
        .ok_or(Refusal::Instruction)?;
    let result = carry_out(context, spec, command, carriage, out);
    if result.is_ok() && spec.operation.keeps_transaction() {
        context.state.transaction = context.transaction.take();
    }
    result
}

/// Checks how the command came, opens line protection, and executes it.
fn carry_out<N: Nvm>(
    context: &mut Context<'_, N>,
    spec: &CommandSpec,
    command: &Command<'_>,
    carriage: Carriage,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    command::check_application(context, spec.operation)?;
    match (spec.protection, carriage) {
        (Protection::Plain, Carriage::Session | Carriage::Line) => {
            return Err(Refusal::SecureMessaging);
        }
        (Protection::Protected, Carriage::Plain) => return Err(Refusal::SessionNeeded),
        _ => {}
    }
    if carriage != Carriage::Line {
        return perform(context, spec.operation, command, out);
    }
    let opened = command::open_line(context, spec.operation, command)?;
    perform(context, spec.operation, &opened.command(), out)?;
    opened.close(context, out)
}

/// Executes a command that came as it must.
fn perform<N: Nvm>(
    context: &mut Context<'_, N>,
    operation: Operation,
    command: &Command<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match operation {
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
        Operation::TransitChallenge => command::transit_challenge(context, command, out),
        Operation::GetBalance => purse::balance(context, command, out),
        Operation::InitialiseTransaction => purse::initialise(context, command, out),
        Operation::CreditForLoad => purse::credit(context, command, out),
        Operation::Debit => purse::debit(context, command, out),
        Operation::UpdateCache => purse::update_cache(context, command),
        Operation::Prove => purse::prove(context, command, out),
        Operation::Verify => command::verify(context, command),
        Operation::ExternalAuthenticate => command::external_authenticate(context, command),
        Operation::InternalAuthenticate => command::internal_authenticate(context, command, out),
        Operation::ChangePin => command::change_pin(context, command),
        Operation::PinUnblock => command::unblock_pin(context, command),
        Operation::ApplicationBlock => command::block_application(context, command),
        Operation::ApplicationUnblock => command::unblock_application(context, command),
        Operation::CardBlock => command::block_card(context, command),
        Operation::PsamInitialisePurchase => {
            command::psam::initialise_purchase(context, command, out)
        }
        Operation::PsamCreditPurchase => command::psam::credit_purchase(context, command),
        Operation::PsamDeliverKey => command::psam::deliver_key(context, command),
        Operation::PsamCipherData => command::psam::cipher_data(context, command, out),
        Operation::SamState => sam::state(context, command, out),
        Operation::SamVersion => sam::choose_version(context, command, out),
        Operation::SamRespond => sam::respond(context, command, out),
        Operation::SamOpen => sam::open(context, command),
        Operation::SamWrap => sam::wrap(context, command, out),
        Operation::SamUnwrap => sam::unwrap(context, command, out),
        Operation::SamWrapKey => sam::wrap_key(context, command, out),
        Operation::SamWrapOpening => sam::wrap_opening(context, command, out),
        Operation::SamClose => sam::close(context, command),
        Operation::SamUnlock => sam::unlock(context, command, out),
        Operation::SamDate => sam::set_date(context, command, out),
        Operation::SamLock => sam::lock(context, command),
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
