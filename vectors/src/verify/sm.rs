//! Secure messaging, with AES, SM4 or TDES: every message is wrapped by one end and unwrapped
//! by the other, and must come out byte for byte both times.

use xuejika_apdu::sm::{CardSm, Checksum, Profile, ReaderSm, SmError};
use xuejika_apdu::{Class, Command, Response, StatusWord};
use xuejika_keyscheme::algorithm::cipher::{Block, KeyInit};
use xuejika_keyscheme::algorithm::{Aes128, Aes192, Aes256, Sm4, TdesEde2};
use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::legacy::DesMac;

use super::cipher::AnyCipher;
use super::icao;
use super::outcome::{Check, Problem, expect, expect_if_any, expect_prefix};
use crate::vector::Fields;
use crate::waiting::waiting;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    match entry.text("kind")? {
        "key-derivation" => return icao::check_derivation(entry),
        "three-pass-mutual-authentication" => return icao::check_mutual_authentication(entry),
        _ => {}
    }
    // The worked example of BSI names no algorithm; its keys are those of AES-128.
    let name = if entry.has("alg") { entry.text("alg")? } else { "AES" };
    match AnyCipher::new(name, &entry.hex("ks_enc")?)? {
        AnyCipher::Aes128(enc) => Keys::new(entry, enc)?.check(entry),
        AnyCipher::Aes192(enc) => Keys::new(entry, enc)?.check(entry),
        AnyCipher::Aes256(enc) => Keys::new(entry, enc)?.check(entry),
        AnyCipher::Sm4(enc) => Keys::new(entry, enc)?.check(entry),
        AnyCipher::TdesEde2(enc) => Keys::new(entry, enc)?.check(entry),
        AnyCipher::Des(_) | AnyCipher::TdesEde3(_) => {
            Err(Problem::NotSupported("secure messaging with this cipher"))
        }
    }
}

/// A cipher of secure messaging, with MAC keys that any number of sessions can start from.
trait Suite: Profile + Clone {
    type MacKey;

    fn mac_key(bytes: &[u8]) -> Option<Self::MacKey>;

    fn mac(key: &Self::MacKey) -> Self::Mac;
}

macro_rules! cmac_suites {
    ($($cipher:ty),*) => {$(
        impl Suite for $cipher {
            type MacKey = Self;

            fn mac_key(bytes: &[u8]) -> Option<Self> {
                Self::new_from_slice(bytes).ok()
            }

            fn mac(key: &Self) -> Self::Mac {
                Cmac::new(key.clone())
            }
        }
    )*};
}

cmac_suites!(Aes128, Aes192, Aes256, Sm4);

impl Suite for TdesEde2 {
    type MacKey = DesMac;

    fn mac_key(bytes: &[u8]) -> Option<DesMac> {
        bytes.try_into().ok().map(DesMac::retail)
    }

    fn mac(key: &DesMac) -> DesMac {
        key.clone()
    }
}

/// The keys of a session, from which either end can be set up at any count.
struct Keys<C: Suite> {
    enc: C,
    mac: C::MacKey,
}

impl<C: Suite> Keys<C> {
    /// An entry that shows only a cryptogram has no MAC key; the other one takes its place.
    fn new(entry: &Fields<'_>, enc: C) -> Result<Self, Problem> {
        let field = if entry.has("ks_mac") { "ks_mac" } else { "ks_enc" };
        let mac = C::mac_key(&entry.hex(field)?)
            .ok_or_else(|| entry.error(field, "a key as long as ks_enc"))?;
        Ok(Self { enc, mac })
    }

    fn check(&self, entry: &Fields<'_>) -> Check {
        match entry.text("kind")? {
            "secure-messaging-command" => self.command(entry, ssc_before::<C>(entry)?),
            "secure-messaging-response" => self.response(entry, ssc_before::<C>(entry)?),
            "secure-messaging-exchange" => self.exchange(entry),
            "secure-messaging-run" => self.run(entry),
            "DO87-decrypt" => self.cryptogram(entry),
            "AES-SM primitives" => self.worked_example(entry),
            _ => Err(Problem::NotSupported("kind unknown")),
        }
    }

    fn reader(&self, ssc: u128) -> ReaderSm<C> {
        ReaderSm::with_keys(self.enc.clone(), self.mac(), ssc)
    }

    fn waiting(&self, ssc: u128) -> Result<ReaderSm<C>, Problem> {
        waiting(self.enc.clone(), self.mac(), ssc).map_err(|error| refused("ssc", &error))
    }

    fn card(&self, ssc: u128) -> CardSm<C> {
        CardSm::with_keys(self.enc.clone(), self.mac(), ssc)
    }

    fn mac(&self) -> C::Mac {
        C::mac(&self.mac)
    }

    /// A command and its response.
    fn exchange(&self, entry: &Fields<'_>) -> Check {
        let before = ssc_before::<C>(entry)?;
        self.command(entry, before)?;
        self.response(entry, before + 1)?;
        expect(entry, "ssc_after", &counter::<C>(before + 2))
    }

    fn command(&self, entry: &Fields<'_>, before: u128) -> Check {
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

    fn response(&self, entry: &Fields<'_>, before: u128) -> Check {
        let protected = entry.hex("protected_rapdu")?;
        let mut data = Vec::new();
        let status = self
            .waiting(before)?
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
        let mut count = count::<C>(entry, "ssc_start")?;
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
        let before = count_before::<C>(entry, "ssc")?;
        let plain = entry.hex("plain")?;
        let mut wrapped = Vec::new();
        let sent = Response { data: &plain, status: StatusWord::SUCCESS };
        self.card(before).wrap_response(&sent, &mut wrapped);
        expect_prefix(entry, "do87_value", wrapped.get(2..).unwrap_or(&[]))?;
        let mut data = Vec::new();
        self.waiting(before)?
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
        self.reader(count_before::<C>(&first, "ssc")?)
            .wrap_command(&command, &mut wrapped)
            .map_err(|error| refused("plain", &error))?;
        // CLA INS P1 P2 Lc 87 L 01 stand before the cryptogram.
        expect_prefix(&first, "cryptogram", wrapped.get(8..).unwrap_or(&[]))?;

        let before = count_before::<C>(&second, "ssc")?;
        let mut wrapped = Vec::new();
        let sent = Response { data: &[], status: StatusWord::SUCCESS };
        self.card(before).wrap_response(&sent, &mut wrapped);
        // 99 02 SW1 SW2, then 8E 08 before the checksum.
        let objects = wrapped.get(..4).unwrap_or(&[]);
        let mac_input = [&counter::<C>(before + 1), objects].concat();
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
        expect_if_any(&shown, "iv", &self.enc.iv(counter::<C>(ssc)))?;
        expect(&shown, "cc", &self.mac().checksum(&[&shown.hex("mac_input")?]))?;
        match shown.hex_if_any("cryptogram")? {
            Some(cryptogram) => contains(&shown, "cryptogram", protected, &cryptogram),
            None => Ok(()),
        }
    }

    /// The checksum of `protected` is that of the input shown, which starts with the counter.
    fn checksummed(
        &self,
        shown: &Fields<'_>,
        [ssc, input]: [&str; 2],
        count: u128,
        protected: &[u8],
    ) -> Check {
        expect(shown, ssc, &counter::<C>(count))?;
        let checksum = self.mac().checksum(&[&shown.hex(input)?]);
        contains(shown, input, protected, &[&[0x8E, 0x08], &checksum[..]].concat())
    }
}

/// The counter before the message. Entries of the key scheme give the counter of the message.
fn ssc_before<C: Profile>(entry: &Fields<'_>) -> Result<u128, Problem> {
    if entry.has("ssc_before") {
        count::<C>(entry, "ssc_before")
    } else {
        count_before::<C>(entry, "ssc")
    }
}

/// The counter before the one in the field.
fn count_before<C: Profile>(entry: &Fields<'_>, field: &str) -> Result<u128, Problem> {
    let before = count::<C>(entry, field)?.checked_sub(1);
    before.ok_or_else(|| entry.error(field, "a counter above zero").into())
}

/// A counter one block wide, far from its end.
fn count<C: Profile>(entry: &Fields<'_>, field: &str) -> Result<u128, Problem> {
    let count = Block::<C>::try_from(&entry.hex(field)?[..]).ok();
    count
        .map(|block| block.iter().fold(0, |count, byte| count << 8 | u128::from(*byte)))
        .filter(|count| *count < u128::from(u64::MAX) - 2)
        .ok_or_else(|| entry.error(field, "a counter one block wide, below 2^64 - 3").into())
}

/// The bytes of a counter.
fn counter<C: Profile>(count: u128) -> Block<C> {
    let mut block = Block::<C>::default();
    block.iter_mut().rev().zip(count.to_le_bytes()).for_each(|(to, from)| *to = from);
    block
}

fn parse<'b>(entry: &Fields<'_>, field: &str, bytes: &'b [u8]) -> Result<Command<'b>, Problem> {
    Command::parse(bytes)
        .map_err(|error| Problem::Refused(format!("{}: {error}", entry.path_of(field))))
}

fn response<'b>(entry: &Fields<'_>, field: &str, bytes: &'b [u8]) -> Result<Response<'b>, Problem> {
    Response::parse(bytes).ok_or_else(|| entry.error(field, "at least two bytes").into())
}

fn wrap<C: Profile>(
    reader: &mut ReaderSm<C>,
    entry: &Fields<'_>,
    plain: &[u8],
) -> Result<Vec<u8>, Problem> {
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
