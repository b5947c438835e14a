//! Secure messaging with a 16-byte block cipher: every message is wrapped by one end and unwrapped
//! by the other, and must come out byte for byte both times.

use xuejika_apdu::sm::{CardSm, ReaderSm, SmError};
use xuejika_apdu::{Class, Command, Response, StatusWord};
use xuejika_keyscheme::algorithm::cipher::consts::U16;
use xuejika_keyscheme::algorithm::cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit,
};
use xuejika_keyscheme::cmac::Cmac;

use super::cipher::AnyCipher;
use super::outcome::{Check, Problem, expect, expect_if_any, expect_prefix};
use crate::vector::Fields;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    let kind = entry.text("kind")?;
    if kind == "key-derivation" {
        return Err(Problem::NotSupported("session keys from a hash"));
    }
    // The worked example of BSI names no algorithm; its keys are those of AES-128.
    let name = if entry.has("alg") { entry.text("alg")? } else { "AES" };
    with_wide_cipher!(AnyCipher::new(name, &entry.hex("ks_enc")?)?, enc => {
        let keys = Keys::new(entry, enc)?;
        match kind {
            "secure-messaging-command" => keys.command(entry),
            "secure-messaging-response" => keys.response(entry),
            "secure-messaging-run" => keys.run(entry),
            "DO87-decrypt" => keys.cryptogram(entry),
            "AES-SM primitives" => keys.worked_example(entry),
            _ => Err(Problem::NotSupported("kind unknown")),
        }
    })
}

/// The keys of a session, from which either end can be set up at any count.
struct Keys<C> {
    enc: C,
    mac: C,
}

impl<C> Keys<C>
where
    C: BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt<BlockSize = U16> + KeyInit + Clone,
{
    /// An entry that shows only a cryptogram has no MAC key; the other one takes its place.
    fn new(entry: &Fields<'_>, enc: C) -> Result<Self, Problem> {
        let mac = match entry.hex_if_any("ks_mac")? {
            Some(key) => C::new_from_slice(&key)
                .map_err(|_| entry.error("ks_mac", "a key as long as ks_enc"))?,
            None => enc.clone(),
        };
        Ok(Self { enc, mac })
    }

    fn reader(&self, ssc: u128) -> ReaderSm<C> {
        ReaderSm::with_keys(self.enc.clone(), self.cmac(), ssc)
    }

    fn card(&self, ssc: u128) -> CardSm<C> {
        CardSm::with_keys(self.enc.clone(), self.cmac(), ssc)
    }

    fn cmac(&self) -> Cmac<C> {
        Cmac::new(self.mac.clone())
    }

    fn command(&self, entry: &Fields<'_>) -> Check {
        let before = ssc_before(entry)?;
        let protected = entry.hex("protected_capdu")?;
        let mut buffer = Vec::new();
        let unwrapped = self
            .card(before)
            .unwrap_command(&parse(entry, "protected_capdu", &protected)?, &mut buffer);
        expect_status(entry, unwrapped.as_ref().err())?;
        let unwrapped = unwrapped.map_err(|error| refused("protected_capdu", &error))?;
        self.accepted_command(entry, before, &unwrapped, &protected).map_err(Problem::in_any_case)
    }

    fn accepted_command(
        &self,
        entry: &Fields<'_>,
        before: u128,
        unwrapped: &Command<'_>,
        protected: &[u8],
    ) -> Check {
        if entry.has("plain_capdu") {
            let plain = entry.hex("plain_capdu")?;
            same_command(unwrapped, &parse(entry, "plain_capdu", &plain)?)?;
            let wrapped = wrap(&mut self.reader(before), entry, &plain)?;
            expect(entry, "protected_capdu", &wrapped)?;
        }
        self.written_out(entry, "cmd", before + 1, protected)
    }

    fn response(&self, entry: &Fields<'_>) -> Check {
        let before = ssc_before(entry)?;
        let protected = entry.hex("protected_rapdu")?;
        let mut data = Vec::new();
        let status = self
            .reader(before)
            .unwrap_response(&response(entry, "protected_rapdu", &protected)?, &mut data)
            .map_err(|error| refused("protected_rapdu", &error))?;
        let plain = Response { data: &data, status };
        self.accepted_response(entry, before, &plain, &protected).map_err(Problem::in_any_case)
    }

    fn accepted_response(
        &self,
        entry: &Fields<'_>,
        before: u128,
        unwrapped: &Response<'_>,
        protected: &[u8],
    ) -> Check {
        expect_if_any(entry, "plain_response_data", unwrapped.data)?;
        expect_if_any(entry, "plain_sw", &unwrapped.status.bytes())?;
        let mut wrapped = Vec::new();
        self.card(before).wrap_response(unwrapped, &mut wrapped);
        expect(entry, "protected_rapdu", &wrapped)?;
        self.written_out(entry, "rsp", before + 1, protected)
    }

    /// Both ends hold one session over all steps.
    fn run(&self, entry: &Fields<'_>) -> Check {
        let mut count = count(entry, "ssc_start")?;
        let (mut reader, mut card) = (self.reader(count), self.card(count));
        let mut buffer = Vec::new();
        for step in entry.children("steps")? {
            let plain = step.hex("plain_capdu")?;
            let protected = wrap(&mut reader, &step, &plain)?;
            expect(&step, "protected_capdu", &protected)?;
            let unwrapped = card
                .unwrap_command(&parse(&step, "protected_capdu", &protected)?, &mut buffer)
                .map_err(|error| refused("protected_capdu", &error))?;
            same_command(&unwrapped, &parse(&step, "plain_capdu", &plain)?)?;
            count += 1;
            self.checksummed(&step, ["ssc_cmd", "mac_input_cmd"], count, &protected)?;

            let plain = step.hex("plain_rapdu")?;
            let plain = response(&step, "plain_rapdu", &plain)?;
            let mut protected = Vec::new();
            card.wrap_response(&plain, &mut protected);
            expect(&step, "protected_rapdu", &protected)?;
            let status = reader
                .unwrap_response(&response(&step, "protected_rapdu", &protected)?, &mut buffer)
                .map_err(|error| refused("protected_rapdu", &error))?;
            expect(&step, "plain_rapdu", &[&buffer[..], &status.bytes()].concat())?;
            count += 1;
            self.checksummed(&step, ["ssc_rsp", "mac_input_rsp"], count, &protected)?;
        }
        Ok(())
    }

    /// The value of DO 87 alone, in a response.
    fn cryptogram(&self, entry: &Fields<'_>) -> Check {
        let before = count_before(entry, "ssc")?;
        let plain = entry.hex("plain")?;
        let mut wrapped = Vec::new();
        let sent = Response { data: &plain, status: StatusWord::SUCCESS };
        self.card(before).wrap_response(&sent, &mut wrapped);
        expect_prefix(entry, "do87_value", wrapped.get(2..).unwrap_or(&[]))?;
        let mut data = Vec::new();
        self.reader(before)
            .unwrap_response(&response(entry, "do87_value", &wrapped)?, &mut data)
            .map_err(|error| refused("do87_value", &error))?;
        expect(entry, "plain", &data)
    }

    /// First step: data of a command; second step: the checksum of a response without data.
    fn worked_example(&self, entry: &Fields<'_>) -> Check {
        let (first, second) = (entry.child("step1")?, entry.child("step2")?);
        let plain = first.hex("plain")?;
        let command = Command::new(Class::ISO, 0, 0, 0).with_data(&plain);
        let mut wrapped = Vec::new();
        self.reader(count_before(&first, "ssc")?)
            .wrap_command(&command, &mut wrapped)
            .map_err(|error| refused("plain", &error))?;
        // CLA INS P1 P2 Lc 87 L 01 stand before the cryptogram.
        expect_prefix(&first, "cryptogram", wrapped.get(8..).unwrap_or(&[]))?;

        let before = count_before(&second, "ssc")?;
        let mut wrapped = Vec::new();
        let sent = Response { data: &[], status: StatusWord::SUCCESS };
        self.card(before).wrap_response(&sent, &mut wrapped);
        // 99 02 SW1 SW2, then 8E 08 before the checksum.
        let objects = wrapped.get(..4).unwrap_or(&[]);
        let mac_input = [&(before + 1).to_be_bytes()[..], objects].concat();
        expect(&second, "mac_input_before_padding", &mac_input)?;
        expect_prefix(&second, "cc", wrapped.get(6..).unwrap_or(&[]))
    }

    /// The intermediate values an entry may show for one message.
    fn written_out(&self, entry: &Fields<'_>, field: &str, ssc: u128, protected: &[u8]) -> Check {
        if !entry.has(field) {
            return Ok(());
        }
        let shown = entry.child(field)?;
        self.checksummed(&shown, ["ssc", "mac_input"], ssc, protected)?;
        let mut iv: Block<C> = ssc.to_be_bytes().into();
        self.enc.encrypt_block(&mut iv);
        expect_if_any(&shown, "iv", &iv)?;
        expect_prefix(&shown, "cc", &self.cmac().tag(&shown.hex("mac_input")?))?;
        match shown.hex_if_any("cryptogram")? {
            Some(cryptogram) => contains(&shown, "cryptogram", protected, &cryptogram),
            None => Ok(()),
        }
    }

    /// The checksum of `protected` is the CMAC of the input shown, which starts with the counter.
    fn checksummed(
        &self,
        shown: &Fields<'_>,
        [ssc, input]: [&str; 2],
        count: u128,
        protected: &[u8],
    ) -> Check {
        expect(shown, ssc, &count.to_be_bytes())?;
        let mac_input = shown.hex(input)?;
        let tag = self.cmac().tag(&mac_input);
        let (checksum, _) = tag.split_at(8);
        contains(shown, input, protected, &[&[0x8E, 0x08], checksum].concat())
    }
}

/// The counter before the message. Entries of the key scheme give the counter of the message.
fn ssc_before(entry: &Fields<'_>) -> Result<u128, Problem> {
    if entry.has("ssc_before") { count(entry, "ssc_before") } else { count_before(entry, "ssc") }
}

/// The counter before the one in the field.
fn count_before(entry: &Fields<'_>, field: &str) -> Result<u128, Problem> {
    let before = count(entry, field)?.checked_sub(1);
    before.ok_or_else(|| entry.error(field, "a counter above zero").into())
}

/// A 16-byte counter, far from its end.
fn count(entry: &Fields<'_>, field: &str) -> Result<u128, Problem> {
    match u128::from_be_bytes(entry.array(field)?) {
        count if count < u128::from(u64::MAX) => Ok(count),
        _ => Err(entry.error(field, "a counter below 2^64 - 1").into()),
    }
}

fn parse<'b>(entry: &Fields<'_>, field: &str, bytes: &'b [u8]) -> Result<Command<'b>, Problem> {
    Command::parse(bytes)
        .map_err(|error| Problem::Refused(format!("{}: {error}", entry.path_of(field))))
}

fn response<'b>(entry: &Fields<'_>, field: &str, bytes: &'b [u8]) -> Result<Response<'b>, Problem> {
    Response::parse(bytes).ok_or_else(|| entry.error(field, "at least two bytes").into())
}

fn wrap<C>(reader: &mut ReaderSm<C>, entry: &Fields<'_>, plain: &[u8]) -> Result<Vec<u8>, Problem>
where
    C: BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt<BlockSize = U16>,
{
    let mut wrapped = Vec::new();
    reader
        .wrap_command(&parse(entry, "plain_capdu", plain)?, &mut wrapped)
        .map_err(|error| refused("plain_capdu", &error))?;
    Ok(wrapped)
}

/// Compares all but the form of the length fields, which the protection may lengthen.
fn same_command(unwrapped: &Command<'_>, plain: &Command<'_>) -> Check {
    let essence = |command: &Command<'_>| (command.header(), command.data.to_vec(), command.ne);
    if essence(unwrapped) == essence(plain) {
        return Ok(());
    }
    Err(Problem::Refused(format!("plain_capdu: unwrapped {unwrapped:?}, the file says {plain:?}")))
}

/// The status word a card gives for the error, where the entry names one.
fn expect_status(entry: &Fields<'_>, error: Option<&SmError>) -> Check {
    let status = match error {
        Some(SmError::Missing) => StatusWord::SM_OBJECT_MISSING,
        Some(_) => StatusWord::SM_OBJECT_INCORRECT,
        None => StatusWord::SUCCESS,
    };
    expect_if_any(entry, "card_sw", &status.bytes()).map_err(Problem::in_any_case)
}

fn contains(entry: &Fields<'_>, field: &str, message: &[u8], part: &[u8]) -> Check {
    if !part.is_empty() && message.windows(part.len()).any(|window| window == part) {
        return Ok(());
    }
    let (field, part) = (entry.path_of(field), hex::encode(part));
    Err(Problem::Refused(format!("{field}: the message does not contain {part}")))
}

fn refused(field: &str, error: &SmError) -> Problem {
    Problem::Refused(format!("{field}: {error}"))
}
