//! Secure messaging: the AES profile of ICAO 9303-11 §9.8 / BSI TR-03110-3 §F.2, also with SM4.
//! [`Profile`] holds what depends on the cipher, the TDES profile of the same standard included.
//!
//! The send sequence counter of a card session starts at 0 and moves before every command and every
//! response, so an odd value is a command and an even one a response. Data is encrypted first (DO 87), then
//! everything is authenticated (DO 8E); the checksum is verified before anything is decrypted.
//!
//! The decoder takes one encoding only: objects in the fixed order, each at most once, nothing
//! behind them. Any error ends the session; see [`SmError`].

mod profile;

use alloc::vec::Vec;

use subtle::ConstantTimeEq;
use xuejika_keyscheme::algorithm::BLOCK_LEN;
use xuejika_keyscheme::algorithm::cipher::Block;
use xuejika_keyscheme::auth::SessionKeys;
use xuejika_keyscheme::bytes::concat;
use xuejika_keyscheme::{CardCipher, cbc, padding};

use crate::class::Security;
use crate::command::{Command, MAX_NC, MAX_NE};
use crate::response::Response;
use crate::status::StatusWord;
use crate::tlv::{Tag, TlvError, TlvReader, Writer};

pub use profile::{Checksum, Profile};

/// Commands after which a session ends.
pub const MAX_COMMANDS: u32 = 65_535;

/// Length of the checksum, in bytes.
pub const CHECKSUM_LEN: usize = 8;

/// Padding-content indicator of DO 87: padding with 80 00...
const PADDED: u8 = 0x01;

/// The most that stands in front of the padded data in DO 87: tag, length, padding indicator.
const CRYPTOGRAM_HEAD: usize = 1 + 4 + 1;

const CRYPTOGRAM: Tag = Tag::of(0x87);
const LE: Tag = Tag::of(0x97);
const STATUS: Tag = Tag::of(0x99);
const CHECKSUM: Tag = Tag::of(0x8E);

/// Why a protected message was refused. The session is over in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SmError {
    /// The checksum or another required object is missing.
    #[error("a secure-messaging object is missing")]
    Missing,
    /// An object is malformed, misplaced, unknown or does not verify.
    #[error("a secure-messaging object is incorrect")]
    Incorrect,
    /// A response without protection came inside a session.
    #[error("the card answered {0} without protection inside a session")]
    Unprotected(StatusWord),
    /// The session has carried [`MAX_COMMANDS`] commands.
    #[error("the session has carried its last command")]
    Exhausted,
    /// The command cannot be protected: odd instruction, chaining, or too long.
    #[error("this command cannot be carried under secure messaging")]
    NotCarried,
    /// A command before the answer to the one before, an answer without a command, or anything after
    /// an error.
    #[error("out of turn: commands and answers alternate, and an error ends the session")]
    OutOfTurn,
}

/// A protected command or response as its parts, in wire order.
struct Objects<'a> {
    cryptogram: Option<&'a [u8]>,
    /// DO 97 of a command, DO 99 of a response.
    control: Option<&'a [u8]>,
    /// The bytes under the checksum.
    authenticated: &'a [u8],
    checksum: &'a [u8],
}

impl<'a> Objects<'a> {
    fn parse(data: &'a [u8], control_tag: Tag) -> Result<Self, SmError> {
        let incorrect = |_: TlvError| SmError::Incorrect;
        let mut reader = TlvReader::new(data);
        let cryptogram = reader.optional(CRYPTOGRAM).map_err(incorrect)?;
        let control = reader.optional(control_tag).map_err(incorrect)?;
        let authenticated = data.len() - reader.rest().len();
        if reader.rest().is_empty() {
            return Err(SmError::Missing);
        }
        let checksum = reader.expect(CHECKSUM).map_err(incorrect)?;
        reader.finish().map_err(incorrect)?;
        if checksum.len() != CHECKSUM_LEN {
            return Err(SmError::Incorrect);
        }
        let authenticated = data.get(..authenticated).unwrap_or(&[]);
        Ok(Self { cryptogram, control, authenticated, checksum })
    }
}

/// The two keys and the counter, the same on both sides.
struct Engine<C: Profile> {
    cipher: C,
    mac: C::Mac,
    ssc: u128,
    /// Commands so far.
    commands: u32,
}

impl<C: Profile> Engine<C> {
    fn advance(&mut self) {
        // Only a counter that starts at random comes to its end, and goes on at 0.
        self.ssc = self.ssc.wrapping_add(1);
    }

    fn start_command(&mut self) -> Result<(), SmError> {
        if self.commands >= MAX_COMMANDS {
            return Err(SmError::Exhausted);
        }
        self.commands += 1;
        self.advance();
        Ok(())
    }

    /// The counter as one block.
    fn counter(&self) -> Block<C> {
        let mut block = Block::<C>::default();
        let bytes = self.ssc.to_be_bytes();
        if let Some(low) = bytes.get(bytes.len() - block.len()..) {
            block.copy_from_slice(low);
        }
        block
    }

    fn iv(&self) -> Block<C> {
        self.cipher.iv(self.counter())
    }

    /// Appends DO 87 with the encryption of `plain`.
    fn encrypt(&self, plain: &[u8], out: &mut Vec<u8>) {
        let padded = (plain.len() + 1).next_multiple_of(C::block_size());
        // Growing with the plain text in it would leave a copy behind.
        out.reserve(CRYPTOGRAM_HEAD + padded);
        Writer::new(out).head(CRYPTOGRAM, 1 + padded);
        out.push(PADDED);
        let start = out.len();
        out.extend_from_slice(plain);
        out.push(padding::MARKER);
        out.resize(start + padded, 0);
        let body = out.get_mut(start..).unwrap_or(&mut []);
        let encrypted = cbc::encrypt(&self.cipher, &self.iv(), body);
        debug_assert!(encrypted.is_ok(), "padded to whole blocks");
    }

    /// Decrypts the value of DO 87 to the end of `out`. Only after the checksum has been verified.
    fn decrypt(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), SmError> {
        let body = match value {
            [PADDED, body @ ..] => body,
            _ => return Err(SmError::Incorrect),
        };
        let start = out.len();
        out.extend_from_slice(body);
        let plain = out.get_mut(start..).unwrap_or(&mut []);
        cbc::decrypt(&self.cipher, &self.iv(), plain).map_err(|_| SmError::Incorrect)?;
        let length = match padding::unpad(plain) {
            Ok(plain) => plain.len(),
            Err(_) => return Err(SmError::Incorrect),
        };
        out.truncate(start + length);
        Ok(())
    }

    /// Over counter, header (commands only) and objects, each part padded to whole blocks.
    fn checksum(&self, header: Option<[u8; 4]>, objects: &[u8]) -> [u8; CHECKSUM_LEN] {
        let size = C::block_size();
        let (whole, rest) = objects.split_at(objects.len() - objects.len() % size);
        let header = header.map(|header| padded(&header));
        let last = if objects.is_empty() { None } else { Some(padded(rest)) };
        let [header, last] = [&header, &last]
            .map(|block| block.as_ref().and_then(|block| block.get(..size)).unwrap_or(&[]));
        self.mac.checksum(&[&self.counter(), header, whole, last])
    }

    fn append_checksum(&self, header: Option<[u8; 4]>, out: &mut Vec<u8>, start: usize) {
        let checksum = self.checksum(header, out.get(start..).unwrap_or(&[]));
        Writer::new(out).object(CHECKSUM, &checksum);
    }

    fn verify(&self, header: Option<[u8; 4]>, objects: &Objects<'_>) -> Result<(), SmError> {
        let checksum = self.checksum(header, objects.authenticated);
        if bool::from(checksum.as_slice().ct_eq(objects.checksum)) {
            Ok(())
        } else {
            Err(SmError::Incorrect)
        }
    }
}

/// The last bytes of a part, less than a block, and the padding behind them.
fn padded(rest: &[u8]) -> [u8; BLOCK_LEN] {
    concat(&[rest, &[padding::MARKER]])
}

/// The card's end of a session.
pub struct CardSm<C: Profile = CardCipher>(Engine<C>);

/// The reader's end of a session. Commands and answers strictly alternate: a second command would be
/// enciphered under the counter, and so the IV, of the card's answer, and show whoever chose its data
/// whether that answer holds the same.
pub struct ReaderSm<C: Profile = CardCipher> {
    engine: Engine<C>,
    turn: Turn,
}

/// What may come next at the reader's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Command,
    Answer,
    /// Nothing: something went wrong.
    Over,
}

macro_rules! ends {
    ($($end:ident { $engine:tt $(, $turn:ident: $first:expr)? }),*) => {$(
        impl $end<CardCipher> {
            /// Starts a session with the keys of a mutual authentication.
            #[must_use]
            pub fn new(keys: &SessionKeys) -> Self {
                Self::with_keys(keys.enc.cipher(), keys.mac.mac(), 0)
            }
        }

        impl<C: Profile> $end<C> {
            /// Starts with these keys and this value of the send sequence counter, of which as many
            /// low bytes count as a block has. A command comes next.
            pub const fn with_keys(enc: C, mac: C::Mac, ssc: u128) -> Self {
                let engine = Engine { cipher: enc, mac, ssc, commands: 0 };
                Self { $engine: engine $(, $turn: $first)? }
            }
        }

        impl<C: Profile> core::fmt::Debug for $end<C> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}(ssc {})", stringify!($end), self.$engine.ssc)
            }
        }
    )*};
}

ends!(CardSm { 0 }, ReaderSm { engine, turn: Turn::Command });

impl<C: Profile> CardSm<C> {
    /// Verifies and decrypts a command. Its data is left in `buffer`, which is overwritten.
    ///
    /// # Errors
    /// Returns an [`SmError`]; the session must be dropped then.
    pub fn unwrap_command<'b>(
        &mut self,
        command: &Command<'_>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Command<'b>, SmError> {
        self.0.start_command()?;
        let objects = Objects::parse(command.data, LE)?;
        let full = if command.extended { MAX_NE } else { 256 };
        if command.ne != full {
            return Err(SmError::Incorrect);
        }
        self.0.verify(Some(command.header()), &objects)?;
        let (ne, extended) = match objects.control {
            None => (0, false),
            Some([0]) => (256, false),
            Some([le]) => (u32::from(*le), false),
            Some([0, 0]) => (MAX_NE, true),
            Some([high, low]) => (u32::from(u16::from_be_bytes([*high, *low])), true),
            Some(_) => return Err(SmError::Incorrect),
        };
        buffer.clear();
        if let Some(value) = objects.cryptogram {
            self.0.decrypt(value, buffer)?;
        }
        let class = command.class.without_secure_messaging();
        Ok(Command { class, data: buffer, ne, extended, ..*command })
    }

    /// Protects a response and appends it, with the status word behind it, to `out`.
    pub fn wrap_response(&mut self, response: &Response<'_>, out: &mut Vec<u8>) {
        self.0.advance();
        let start = out.len();
        if !response.data.is_empty() {
            self.0.encrypt(response.data, out);
        }
        Writer::new(out).object(STATUS, &response.status.bytes());
        self.0.append_checksum(None, out, start);
        out.extend_from_slice(&response.status.bytes());
    }
}

impl<C: Profile> ReaderSm<C> {
    /// Protects a plain command and appends its bytes to `out`.
    ///
    /// # Errors
    /// Returns [`SmError::NotCarried`] for odd instructions, classes beyond channels 0 to 3 and
    /// over-long data, which changes nothing; [`SmError::OutOfTurn`] when the answer to the command
    /// before is outstanding, and [`SmError::Exhausted`] at the end of the session, which end it.
    pub fn wrap_command(
        &mut self,
        command: &Command<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), SmError> {
        if !is_carried::<C>(command) {
            return Err(SmError::NotCarried);
        }
        self.take_turn(Turn::Command)?;
        self.engine.start_command()?;
        let class = command.class.with_secure_messaging();
        let mut data = Vec::with_capacity(most_objects::<C>(command.data.len()));
        if !command.data.is_empty() {
            self.engine.encrypt(command.data, &mut data);
        }
        let [.., high, low] = command.ne.to_be_bytes();
        match (command.ne, command.extended || command.ne > 256) {
            (0, _) => {}
            (_, false) => drop(Writer::new(&mut data).object(LE, &[low])),
            (_, true) => drop(Writer::new(&mut data).object(LE, &[high, low])),
        }
        let header = Command { class, ..*command }.header();
        self.engine.append_checksum(Some(header), &mut data, 0);
        let extended = command.extended || command.ne > 256 || data.len() > 255;
        let ne = if extended { MAX_NE } else { 256 };
        Command { class, data: &data, ne, extended, ..*command }
            .emit(out)
            .map_err(|_| SmError::NotCarried)?;
        self.turn = Turn::Answer;
        Ok(())
    }

    /// Verifies and decrypts a response. Its data is left in `buffer`, which is overwritten.
    ///
    /// # Errors
    /// Returns an [`SmError`], above all [`SmError::Unprotected`] for a bare status word and
    /// [`SmError::OutOfTurn`] without a command before; the session is over then and what the card
    /// did is unknown.
    pub fn unwrap_response(
        &mut self,
        response: &Response<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<StatusWord, SmError> {
        self.take_turn(Turn::Answer)?;
        if response.data.is_empty() {
            return Err(SmError::Unprotected(response.status));
        }
        self.engine.advance();
        let objects = Objects::parse(response.data, STATUS)?;
        let status = objects.control.ok_or(SmError::Missing)?;
        self.engine.verify(None, &objects)?;
        if status != response.status.bytes() {
            return Err(SmError::Incorrect);
        }
        buffer.clear();
        if let Some(value) = objects.cryptogram {
            self.engine.decrypt(value, buffer)?;
        }
        self.turn = Turn::Command;
        Ok(response.status)
    }

    /// Begins a step that only this turn allows. Until it has succeeded, the session is over.
    fn take_turn(&mut self, turn: Turn) -> Result<(), SmError> {
        match core::mem::replace(&mut self.turn, Turn::Over) {
            now if now == turn => Ok(()),
            _ => Err(SmError::OutOfTurn),
        }
    }
}

/// Whether a command can be protected at all.
fn is_carried<C: Profile>(command: &Command<'_>) -> bool {
    let plain = command.class.fields();
    plain.is_some_and(|class| class.security == Security::None && class.channel < 4)
        && command.instruction & 1 == 0
        && most_objects::<C>(command.data.len()) <= MAX_NC
}

/// Most bytes of the objects of a command with this much data: DO 87, DO 97, DO 8E.
fn most_objects<C: Profile>(data: usize) -> usize {
    let padded = (data + 1).next_multiple_of(C::block_size());
    CRYPTOGRAM_HEAD + padded + (2 + 2) + (2 + CHECKSUM_LEN)
}
