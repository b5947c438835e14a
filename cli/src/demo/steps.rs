//! The steps, in their order.

use anyhow::{Context, bail, ensure};
use xuejika_apdu::{CardChannel, ChannelError, Class, Command, Response, StatusWord};
use xuejika_card_model::date::Date;
use xuejika_card_model::file::tree::EDUCATION_NAME;
use xuejika_card_model::nvm::{Cut, Torn};
use xuejika_card_model::record::{SchoolYear, Term};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::verdict::{Reason, Verdict};
use xuejika_keyscheme::auth::{ReaderId, respond};
use xuejika_keyscheme::key::{Card, Key};
use xuejika_keyscheme::{KeyId, KeyNumber, KeyVersion, Zone};
use xuejika_reader::sam::{Sam, SamError};
use xuejika_reader::{Error, Locked};

use super::world::{ALGORITHM, Field, Office, World};
use super::{Ending, Finding, Step, purse};
use crate::hex;

/// The write in which power goes: the pupil's identity is on its way to its place.
const CUT: Cut = Cut { after_writes: 5, after_bytes: 20, torn: Torn::Random(1) };

const fn step(
    id: &'static str,
    title: &'static str,
    expected: Ending,
    run: fn(&mut World) -> anyhow::Result<Finding>,
) -> Step {
    Step { id, title, expected, run }
}

/// All steps.
pub(super) const STEPS: &[Step] = {
    use Ending::{Done, Interrupted, Refused};
    &[
        step("create", "create an initialised card", Done, create),
        step("locked", "use the reader before it is unlocked", Refused, locked),
        step(
            "foreign-management",
            "unlock with another school's management card",
            Refused,
            foreign,
        ),
        step("expired-management", "unlock with an expired management card", Refused, expired),
        step("unlock", "unlock with the school's management card", Done, unlock),
        step("power-cut", "personalise, and lose power in mid-write", Interrupted, power_cut),
        step("half-personalised", "show the half-personalised card to a venue", Refused, half),
        step("personalise", "personalise again: the card resumes", Done, personalise),
        step("register", "register for the autumn term", Done, register),
        step("replay", "send the protected registration again", Refused, replay),
        step("register-twice", "register a second time: nothing is written", Done, register_twice),
        step("read", "read the card back", Done, read),
        step("verdict", "show the card to a venue", Done, accepted),
        step("lapsed", "show it on 21 March, not registered for spring", Refused, lapsed),
        step("foreign-reader", "authenticate as a reader of another key system", Refused, stranger),
        step("early-pay", "pay at a gate before the wallet is opened", Refused, purse::early),
        step("load", "load the wallet (圈存): the first load opens it", Done, purse::load),
        step("pay", "pay at a gate (消费)", Done, purse::pay),
        step(
            "pay-cut",
            "pay again, and lose power in the first write",
            Interrupted,
            purse::early_cut,
        ),
        step("prove-unpaid", "present the card again: it has not paid", Done, purse::prove_unpaid),
        step(
            "pay-late-cut",
            "pay again, and lose power in the last write",
            Interrupted,
            purse::late_cut,
        ),
        step("prove", "present the card again: it proves that it paid", Done, purse::prove_paid),
        step("poor", "pay more than there is", Refused, purse::poor),
    ]
};

fn create(world: &mut World) -> anyhow::Result<Finding> {
    let card = world.card.channel();
    let state = card.model().state()?;
    ensure!(state == LifeCycleState::Initialised, "the card is {state}");
    let header = card.header();
    let (serial, uid) = (hex::emit(&header.serial.0), hex::emit(&header.uid));
    let (english, chinese) = (state.english(), state.chinese());
    let atr = hex::emit(card.atr());
    Ok(Finding::Done(format!("serial {serial}, UID {uid}, ATR {atr}, {english} {chinese}")))
}

fn locked(world: &mut World) -> anyhow::Result<Finding> {
    let Office::Sam(mut sam) = core::mem::replace(&mut world.office, Office::Lost) else {
        bail!("the SAM is in use already");
    };
    let key = sam.version(Zone::EDUCATION, KeyNumber::READ, ALGORITHM, &[KeyVersion::FIRST]);
    world.office = Office::Locked(Locked::new(sam));
    match key {
        Err(error @ SamError::Locked) => Ok(Finding::Refused(error.to_string())),
        Err(error) => Err(error.into()),
        Ok(version) => Ok(Finding::Done(format!("K1 version {version} can be used"))),
    }
}

fn foreign(world: &mut World) -> anyhow::Result<Finding> {
    match world.present("084013".parse()?, World::unlocked_until()?)? {
        Err(error @ Error::Sam(SamError::OtherUnit)) => Ok(Finding::Refused(error.to_string())),
        other => unlocked(other),
    }
}

fn expired(world: &mut World) -> anyhow::Result<Finding> {
    match world.present(world.pupil.enrolment.unit, "2026-08-31".parse()?)? {
        Err(error @ Error::Sam(SamError::Expired(_))) => Ok(Finding::Refused(error.to_string())),
        other => unlocked(other),
    }
}

fn unlock(world: &mut World) -> anyhow::Result<Finding> {
    unlocked(world.present(world.pupil.enrolment.unit, World::unlocked_until()?)?)?;
    let Office::Unlocked(reader) = &world.office else { bail!("the reader is not unlocked") };
    let grant = reader.grant();
    Ok(Finding::Done(format!("unit {}, until {}", grant.unit, grant.valid_until)))
}

fn unlocked(result: Result<(), Error>) -> anyhow::Result<Finding> {
    result?;
    Ok(Finding::Done("the reader is unlocked".to_owned()))
}

fn power_cut(world: &mut World) -> anyhow::Result<Finding> {
    world.card.channel().cut_power(CUT);
    let (pupil, stamp) = (world.pupil, world.stamp);
    match world.connect()?.personalise(&pupil, stamp, true) {
        Err(error @ Error::Channel(ChannelError::Removed)) => {
            world.card.power_on()?;
            Ok(Finding::Interrupted(format!("{error}; it is powered on again")))
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(Finding::Done("personalised, power held".to_owned())),
    }
}

fn half(world: &mut World) -> anyhow::Result<Finding> {
    let today = world.stamp.date;
    let contents = world.connect()?.read()?;
    match contents.verdict(today) {
        Verdict::Refuse(reason @ Reason::State(LifeCycleState::Personalising)) => {
            Ok(Finding::Refused(both(&reason)))
        }
        other => bail!("the verdict is {other:?}"),
    }
}

fn personalise(world: &mut World) -> anyhow::Result<Finding> {
    let (pupil, stamp) = (world.pupil, world.stamp);
    let done = world.connect()?.personalise(&pupil, stamp, true)?;
    ensure!(done.resumed, "the card did not resume");
    let (name, number) = (pupil.identity.name, pupil.identity.student_number);
    let state = done.outcome.state;
    let (english, chinese) = (state.english(), state.chinese());
    Ok(Finding::Done(format!("{name}, 学籍号 {number}, {english} {chinese}")))
}

/// The term in which the demonstration takes place.
fn period() -> anyhow::Result<(SchoolYear, Term)> {
    Ok((SchoolYear::new(2026)?, Term::Autumn))
}

fn register(world: &mut World) -> anyhow::Result<Finding> {
    let ((year, term), stamp) = (period()?, world.stamp);
    let outcome = world.connect()?.register(year, term, stamp)?.outcome;
    ensure!(!outcome.repeated, "the card says it was registered before");
    let (english, chinese) = (term.english(), term.chinese());
    let counter = outcome.counter;
    Ok(Finding::Done(format!("{year} {english} {chinese}, counter {counter}")))
}

/// Plays the last command again into the session it came from.
fn replay(world: &mut World) -> anyhow::Result<Finding> {
    let command = world.card.last_command().to_vec();
    let status = transmit(&mut world.card, &command)?.1;
    if status.is_success() {
        return Ok(Finding::Done("the card took it".to_owned()));
    }
    ensure!(status == StatusWord::SM_OBJECT_INCORRECT, "the card answered {status:?}");
    Ok(Finding::Refused(format!("{status:?}, and the session is over")))
}

fn register_twice(world: &mut World) -> anyhow::Result<Finding> {
    let ((year, term), stamp) = (period()?, world.stamp);
    let outcome = world.connect()?.register(year, term, stamp)?.outcome;
    ensure!(outcome.repeated, "the card registered twice");
    Ok(Finding::Done(format!("registered already, counter still {}", outcome.counter)))
}

fn read(world: &mut World) -> anyhow::Result<Finding> {
    let contents = world.connect()?.read()?;
    ensure!(contents.pupil == Some(world.pupil), "another pupil is on the card");
    let (registrations, log) = (contents.registrations.len(), contents.log.len());
    ensure!(registrations == 1, "{registrations} registrations are on the card, expected 1");
    world.contents = Some(contents);
    let pupil = &world.pupil;
    let (name, school) = (pupil.identity.name, pupil.enrolment.school_name);
    let grade = pupil.enrolment.grade;
    Ok(Finding::Done(format!("{name}, {school}, grade {grade}, 1 registration, {log} log records")))
}

fn accepted(world: &mut World) -> anyhow::Result<Finding> {
    match verdict(world, world.stamp.date)? {
        Verdict::Accept { registered_until } => {
            Ok(Finding::Done(format!("accepted, registered until {registered_until}")))
        }
        Verdict::Refuse(reason) => Ok(Finding::Refused(both(&reason))),
        other => bail!("the verdict is {other:?}"),
    }
}

fn lapsed(world: &mut World) -> anyhow::Result<Finding> {
    let last_day = Date::new(world.stamp.date.year() + 1, 3, 20)?;
    let still = verdict(world, last_day)?;
    ensure!(matches!(still, Verdict::Accept { .. }), "on 20 March the verdict is {still:?}");
    match verdict(world, last_day.add_days(1).context("no next day")?)? {
        Verdict::Refuse(reason @ Reason::NotRegistered(_)) => Ok(Finding::Refused(both(&reason))),
        other => bail!("the verdict is {other:?}"),
    }
}

fn verdict(world: &World, today: Date) -> anyhow::Result<Verdict> {
    Ok(world.contents.as_ref().context("the card was not read")?.verdict(today))
}

fn both(reason: &Reason) -> String {
    format!("{reason} {}", reason.chinese())
}

/// Runs the authentication with a card key of other roots.
fn stranger(world: &mut World) -> anyhow::Result<Finding> {
    let serial = world.card.channel().header().serial;
    let (number, version) = (KeyNumber::READ, KeyVersion::FIRST);
    let id = KeyId { zone: Zone::EDUCATION, number, version, algorithm: ALGORITHM };
    let key = Key::<Card>::new(ALGORITHM, world.env.random());
    let nonce = world.env.random();
    let card = &mut world.card;
    let select = Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(&EDUCATION_NAME);
    ask(card, &select.with_ne(256))?;
    let reference = [0x80, 0x01, ALGORITHM.code(), 0x83, 0x02, number.0, version.number()];
    ask(card, &Command::new(Class::ISO, 0x22, 0xC1, 0xA4).with_data(&reference))?;
    let challenge = ask(card, &Command::new(Class::ISO, 0x84, 0, 0).with_ne(16))?;
    let challenge = challenge.as_slice().try_into()?;
    let reader = ReaderId([0, 0, 0x08, 0x40, 0x12, 0, 0, 0x42]);
    let proof = respond(&key, id, serial, reader, challenge, nonce).0.emit();
    let prove = Command::new(Class::ISO, 0x82, 0, 0).with_data(&proof).with_ne(16).to_vec()?;
    match transmit(card, &prove)?.1 {
        status @ StatusWord::AUTHENTICATION_FAILED => Ok(Finding::Refused(format!("{status:?}"))),
        StatusWord::SUCCESS => Ok(Finding::Done("the card opened a session".to_owned())),
        status => bail!("the card answered {status:?}"),
    }
}

/// Sends a command that has to succeed.
fn ask(card: &mut Field, command: &Command<'_>) -> anyhow::Result<Vec<u8>> {
    let (data, status) = transmit(card, &command.to_vec()?)?;
    ensure!(status.is_success(), "the card answered {status:?}");
    Ok(data)
}

fn transmit(card: &mut Field, command: &[u8]) -> anyhow::Result<(Vec<u8>, StatusWord)> {
    let mut response = Vec::new();
    card.transmit(command, &mut response)?;
    let response = Response::parse(&response).context("the card gave no status word")?;
    Ok((response.data.to_vec(), response.status))
}
