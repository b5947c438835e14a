//! Three-pass mutual authentication of a card and a SAM, and the session keys that come out of it.
//!
//! The shape is ISO/IEC 9798-4 with a MAC, the key derivation that of SCP03 under the project's own
//! label; message bytes are project-defined. Roles, key, card serial, reader identity and both
//! nonces are inside every token, so a token proves nothing anywhere else.
//!
//! Each side is a value that is used up by its step: a challenge can be answered once, and session
//! keys exist only after the peer has proved itself.
//!
//! ```
//! use xuejika_keyscheme::auth::{CardChallenge, CardId, ReaderId, respond};
//! use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};
//!
//! let id = KeyId {
//!     zone: Zone::EDUCATION,
//!     number: KeyNumber::READ,
//!     version: KeyVersion::FIRST,
//!     algorithm: Algorithm::Aes128,
//! };
//! let card = CardId(*b"\x11\x00\x07\x01\x00\x00\x00\x17");
//! let key = test_keys::root(&id).card(&id, card);
//!
//! // Random in earnest, fixed here.
//! let challenge = CardChallenge::new(id, card, [0xA0; 16]);
//! let (request, awaiting) = respond(&key, id, card, ReaderId([0; 8]), challenge.nonce(), [0xC0; 16]);
//! let (answer, card_session) = challenge.verify(&key, &request)?;
//! let reader_session = awaiting.verify(&answer)?;
//! assert!(card_session.keys == reader_session);
//! # Ok::<(), xuejika_keyscheme::Mismatch>(())
//! ```

use cipher::BlockCipherEncrypt;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::algorithm::BLOCK_LEN;
use crate::bytes::concat;
use crate::cmac::Cmac;
use crate::error::{InvalidLength, Mismatch};
use crate::kdf::{self, LABEL_LEN};
use crate::key::{Card, Key, KeyId, Purpose, SessionEnc, SessionMac};

/// Length of a nonce and of a token, in bytes.
pub const TOKEN_LEN: usize = 16;

/// Label of every derivation (project-defined): the scheme's tag where SCP03 has zeros.
pub const LABEL: [u8; LABEL_LEN] = *b"XUEJIKA1\0\0\0";

/// Serial number of a card (8 bytes, SN.ICC). Not the radio UID, which may be random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CardId(pub [u8; 8]);

/// Serial number of a SAM (8 bytes, ID.IFD).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReaderId(pub [u8; 8]);

/// Derivation constants (project-defined).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Constant {
    CardToken = 0x01,
    ReaderToken = 0x02,
    SessionEnc = 0x04,
    SessionMac = 0x06,
    EnvelopeEnc = 0x11,
    EnvelopeMac = 0x12,
    /// 10 was that of a key that did not depend on the whole grant; it never comes back.
    UnlockKek = 0x13,
}

/// What both sides derive from: who talks to whom, under which key, with which nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Context {
    id: KeyId,
    card: CardId,
    reader: ReaderId,
    card_nonce: [u8; TOKEN_LEN],
    reader_nonce: [u8; TOKEN_LEN],
}

impl Context {
    const LEN: usize = KeyId::LEN + 8 + 8 + 2 * TOKEN_LEN;

    fn emit(&self) -> [u8; Self::LEN] {
        concat(&[
            &self.id.emit(),
            &self.card.0,
            &self.reader.0,
            &self.card_nonce,
            &self.reader_nonce,
        ])
    }
}

/// Everything one handshake derives. Both sides always derive all of it, so that a failure takes
/// as long as a success.
struct Derived {
    reader_token: Zeroizing<[u8; TOKEN_LEN]>,
    card_token: Zeroizing<[u8; TOKEN_LEN]>,
    keys: SessionKeys,
}

impl Derived {
    fn new(key: &Key<Card>, context: &Context) -> Self {
        use Constant::{CardToken, ReaderToken, SessionEnc, SessionMac};
        let constants = [ReaderToken, CardToken, SessionEnc, SessionMac].map(|it| it as u8);
        let blocks = kdf::scp03_blocks(&key.mac(), &LABEL, constants, &context.emit());
        let [reader_token, card_token, enc, mac] = blocks.map(<[u8; BLOCK_LEN]>::from);
        let [reader_token, card_token] = [reader_token, card_token].map(Zeroizing::new);
        let algorithm = key.algorithm();
        let keys = SessionKeys { enc: Key::new(algorithm, enc), mac: Key::new(algorithm, mac) };
        Self { reader_token, card_token, keys }
    }

    /// Whether this is the reader's proof; compared in constant time.
    fn proves(&self, token: &[u8; TOKEN_LEN]) -> bool {
        equal(&self.reader_token, token)
    }
}

/// Compares in constant time, eight bytes at once.
fn equal(one: &[u8; TOKEN_LEN], other: &[u8; TOKEN_LEN]) -> bool {
    let (one, other) = (one.as_chunks().0, other.as_chunks().0);
    let words = one.iter().zip(other).map(|(a, b)| [a, b].map(|word| u64::from_ne_bytes(*word)));
    words.fold(Choice::from(1), |same, [a, b]| same & a.ct_eq(&b)).into()
}

/// One 16-byte output of the scheme's derivation function.
pub(crate) fn derive<C: BlockCipherEncrypt>(
    mac: &Cmac<C>,
    constant: Constant,
    context: &[u8],
) -> [u8; BLOCK_LEN] {
    let mut out = [0; BLOCK_LEN];
    kdf::scp03(mac, &LABEL, constant as u8, context, &mut out);
    out
}

/// Derives a key of purpose `Q` from a key of purpose `P`.
pub(crate) fn derive_key<P: Purpose, Q: Purpose>(
    key: &Key<P>,
    constant: Constant,
    context: &[u8],
) -> Key<Q> {
    Key::new(key.algorithm(), derive(&key.mac(), constant, context))
}

/// The two keys of a secure-messaging session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKeys {
    /// Encrypts data (KSenc).
    pub enc: Key<SessionEnc>,
    /// Authenticates messages (KSmac).
    pub mac: Key<SessionMac>,
}

/// The reader's half of the proof: the command data of MUTUAL AUTHENTICATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// RND.IFD.
    pub nonce: [u8; TOKEN_LEN],
    /// ID.IFD.
    pub reader: ReaderId,
    /// T.IFD.
    pub token: [u8; TOKEN_LEN],
}

impl Request {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = TOKEN_LEN + 8 + TOKEN_LEN;

    /// Reads RND.IFD (16) ‖ ID.IFD (8) ‖ T.IFD (16).
    ///
    /// # Errors
    /// Returns [`InvalidLength`] unless there are exactly [`Self::LEN`] bytes.
    pub fn parse(data: &[u8]) -> Result<Self, InvalidLength> {
        let wrong = || InvalidLength {
            what: "authentication data",
            actual: data.len(),
            expected: Self::LEN,
        };
        let (nonce, rest) = data.split_first_chunk().ok_or_else(wrong)?;
        let (reader, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
        let token = rest.try_into().map_err(|_| wrong())?;
        Ok(Self { nonce: *nonce, reader: ReaderId(*reader), token })
    }

    /// RND.IFD (16) ‖ ID.IFD (8) ‖ T.IFD (16).
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        concat(&[&self.nonce, &self.reader.0, &self.token])
    }
}

/// Card side: a challenge that has been sent and may be answered once.
#[derive(Debug)]
#[must_use = "a challenge that nobody answers proves nothing"]
pub struct CardChallenge {
    id: KeyId,
    card: CardId,
    nonce: [u8; TOKEN_LEN],
}

impl CardChallenge {
    /// Binds a fresh random nonce to the key that was chosen for it.
    pub const fn new(id: KeyId, card: CardId, nonce: [u8; TOKEN_LEN]) -> Self {
        Self { id, card, nonce }
    }

    /// RND.ICC, the bytes sent to the reader.
    #[must_use]
    pub const fn nonce(&self) -> [u8; TOKEN_LEN] {
        self.nonce
    }

    /// The key this challenge was made for.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Checks the reader's proof and, when it holds, gives the card's own (T.ICC) and the session.
    ///
    /// # Errors
    /// Returns [`Mismatch`] when the token is not the expected one, whatever the reason.
    pub fn verify(
        self,
        key: &Key<Card>,
        request: &Request,
    ) -> Result<([u8; TOKEN_LEN], CardSession), Mismatch> {
        let derived = Derived::new(
            key,
            &Context {
                id: self.id,
                card: self.card,
                reader: request.reader,
                card_nonce: self.nonce,
                reader_nonce: request.nonce,
            },
        );
        if !derived.proves(&request.token) {
            return Err(Mismatch);
        }
        let Derived { card_token, keys, .. } = derived;
        Ok((*card_token, CardSession { id: self.id, reader: request.reader, keys }))
    }
}

/// What the card knows of its proven peer.
#[derive(Debug)]
pub struct CardSession {
    /// The key the peer holds.
    pub id: KeyId,
    /// The SAM that took part.
    pub reader: ReaderId,
    /// Keys of the session.
    pub keys: SessionKeys,
}

/// Reader side, first step: answers a card's challenge with the reader's proof.
pub fn respond(
    key: &Key<Card>,
    id: KeyId,
    card: CardId,
    reader: ReaderId,
    card_nonce: [u8; TOKEN_LEN],
    reader_nonce: [u8; TOKEN_LEN],
) -> (Request, AwaitingCard) {
    let derived = Derived::new(key, &Context { id, card, reader, card_nonce, reader_nonce });
    let request = Request { nonce: reader_nonce, reader, token: *derived.reader_token };
    (request, AwaitingCard { derived })
}

/// Reader side: waiting for the card's proof, session keys under lock.
#[must_use = "the card has not proved itself yet"]
pub struct AwaitingCard {
    derived: Derived,
}

impl AwaitingCard {
    /// Checks T.ICC and gives the session keys.
    ///
    /// # Errors
    /// Returns [`Mismatch`] when the card is not the one it claims to be.
    pub fn verify(self, card_token: &[u8]) -> Result<SessionKeys, Mismatch> {
        let Derived { card_token: expected, keys, .. } = self.derived;
        match card_token.try_into() {
            Ok(token) if equal(&expected, token) => Ok(keys),
            _ => Err(Mismatch),
        }
    }
}

impl core::fmt::Debug for AwaitingCard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AwaitingCard(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;
    use crate::key::{KeyNumber, KeyVersion, Zone};
    use proptest::prelude::*;

    const CARD: CardId = CardId([0x11, 0, 7, 1, 0, 0, 0, 0x17]);
    const READER: ReaderId = ReaderId([0, 0, 0x11, 1, 5, 0, 0, 0x42]);

    fn id(algorithm: Algorithm) -> KeyId {
        KeyId {
            zone: Zone::EDUCATION,
            number: KeyNumber::READ,
            version: KeyVersion::FIRST,
            algorithm,
        }
    }

    proptest! {
        #[test]
        fn both_sides_agree(key: [u8; 16], card_nonce: [u8; 16], reader_nonce: [u8; 16], sm4: bool) {
            let algorithm = if sm4 { Algorithm::Sm4 } else { Algorithm::Aes128 };
            let (id, key) = (id(algorithm), Key::new(algorithm, key));
            let challenge = CardChallenge::new(id, CARD, card_nonce);
            let (request, awaiting) = respond(&key, id, CARD, READER, card_nonce, reader_nonce);
            prop_assert_eq!(Request::parse(&request.emit()), Ok(request));
            let (answer, session) = challenge.verify(&key, &request).unwrap();
            prop_assert_eq!(session.reader, READER);
            prop_assert!(awaiting.verify(&answer).unwrap() == session.keys);
            prop_assert!(session.keys.enc.expose() != session.keys.mac.expose());
        }

        #[test]
        fn any_flipped_bit_is_refused(bit in 0..8 * Request::LEN, answer_bit in 0..8 * TOKEN_LEN) {
            let id = id(Algorithm::Aes128);
            let key = Key::new(Algorithm::Aes128, [7; 16]);
            let (request, awaiting) = respond(&key, id, CARD, READER, [1; 16], [2; 16]);
            let mut bytes = request.emit();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let tampered = Request::parse(&bytes).unwrap();
            prop_assert!(CardChallenge::new(id, CARD, [1; 16]).verify(&key, &tampered).is_err());
            let (mut answer, _) = CardChallenge::new(id, CARD, [1; 16]).verify(&key, &request).unwrap();
            answer[answer_bit / 8] ^= 1 << (answer_bit % 8);
            prop_assert!(awaiting.verify(&answer).is_err());
        }
    }

    #[test]
    fn reflected_token_and_wrong_lengths_are_refused() {
        let id = id(Algorithm::Aes128);
        let key = Key::new(Algorithm::Aes128, [7; 16]);
        let answer = |answer: &[u8]| {
            respond(&key, id, CARD, READER, [1; 16], [2; 16]).1.verify(answer).is_ok()
        };
        let (request, _) = respond(&key, id, CARD, READER, [1; 16], [2; 16]);
        assert_eq!(CardChallenge::new(id, CARD, [3; 16]).nonce(), [3; 16]);
        assert!(!answer(&request.token));
        assert!(!answer(&[]));
        let (token, _) = CardChallenge::new(id, CARD, [1; 16]).verify(&key, &request).unwrap();
        assert!(answer(&token));
        assert!(!answer(&token[..15]));
        // Nor does the card take its own token for the reader's.
        let reflected = Request { token, ..request };
        assert!(CardChallenge::new(id, CARD, [1; 16]).verify(&key, &reflected).is_err());
        for length in [0, 39, 41] {
            assert!(Request::parse(&alloc::vec![0; length]).is_err());
        }
    }
}
