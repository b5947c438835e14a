//! The project's own key scheme: diversification, mutual authentication, unlock key. Its
//! secure-messaging entries are those of [`super::sm`].

use xuejika_keyscheme::auth::{self, CardChallenge, CardId, ReaderId, Request, SessionKeys};
use xuejika_keyscheme::key::{Card, District, Purpose, Root, Sam, School};
use xuejika_keyscheme::{
    Algorithm, Key, KeyId, KeyNumber, KeyVersion, Zone, an10922, diversify, kdf,
};

use super::outcome::{Check, Problem, expect, expect_if_any};
use super::{pboc, sm};
use crate::vector::{FieldError, Fields};

pub(super) fn check(entry: &Fields<'_>) -> Check {
    match entry.text_or_empty("kind")? {
        "diversify" => diversification(entry),
        "mutual-authentication" => mutual_authentication(entry),
        "management-card-unlock" => superseded_unlock(entry),
        "management-card-unlock-record" => unlock(entry),
        kind if kind.starts_with("secure-messaging") => sm::check(entry),
        "" if entry.has("m") => an10922_is_sp800_108(entry),
        "" if entry.has("factor") => pboc::diversification_is_ecb(entry),
        _ => Err(Problem::NotSupported("kind unknown")),
    }
}

/// Follows the path of the scope, and every step of it from its written-out input.
fn diversification(entry: &Fields<'_>) -> Check {
    let (id, card) = (key_id(entry)?, CardId(entry.array("sn_icc")?));
    let root: Key<Root> = key(entry, "root")?;
    let steps = entry.children("steps")?;
    let mut last = *root.expose();
    for step in &steps {
        let parent = Key::<Root>::new(id.algorithm, last);
        last = diversified(step, &parent, &step.hex("m")?)?;
        expect(step, "out", &last)?;
    }
    expect(entry, "card_key", &last)?;

    let card_key = match (entry.text("scope")?, &*steps) {
        ("city", [_]) => root.card(&id, card),
        ("district", [district, _]) => district_key(&root, &id, district)?.card(&id, card),
        ("school", [district, school, _]) => {
            let district = district_key(&root, &id, district)?;
            school_key(&district, &id, school)?.card(&id, card)
        }
        _ => {
            return Err(entry.error("steps", "one step per level of the scope").into());
        }
    };
    expect(entry, "card_key", card_key.expose())
}

fn district_key(root: &Key<Root>, id: &KeyId, step: &Fields<'_>) -> Result<Key<District>, Problem> {
    let [.., high, low] = unit(step)?;
    let key = root.district(id, [high, low]);
    expect(step, "out", key.expose())?;
    Ok(key)
}

fn school_key(
    district: &Key<District>,
    id: &KeyId,
    step: &Fields<'_>,
) -> Result<Key<School>, Problem> {
    let [.., high, middle, low] = unit(step)?;
    let key = district.school(id, [high, middle, low]);
    expect(step, "out", key.expose())?;
    Ok(key)
}

/// The identifier at the start of a derivation input.
fn unit(step: &Fields<'_>) -> Result<[u8; 8], FieldError> {
    let input: [u8; diversify::INPUT_LEN] = step.array("m")?;
    let [a, b, c, d, e, f, g, h, ..] = input;
    Ok([a, b, c, d, e, f, g, h])
}

/// Both halves of a handshake with fixed nonces.
struct Handshake {
    key: Key<Card>,
    id: KeyId,
    card: CardId,
    reader: ReaderId,
    card_nonce: [u8; 16],
    reader_nonce: [u8; 16],
}

impl Handshake {
    fn of(entry: &Fields<'_>) -> Result<Self, Problem> {
        let handshake = Self {
            key: key(entry, "card_key")?,
            id: key_id(entry)?,
            card: CardId(entry.array("sn_icc")?),
            reader: ReaderId(entry.array("id_ifd")?),
            card_nonce: entry.array("rnd_icc")?,
            reader_nonce: entry.array("rnd_ifd")?,
        };
        expect(entry, "alg_id", &[handshake.id.algorithm.code()])?;
        Ok(handshake)
    }

    fn respond(&self) -> (Request, auth::AwaitingCard) {
        let Self { key, id, card, reader, card_nonce, reader_nonce } = self;
        auth::respond(key, *id, *card, *reader, *card_nonce, *reader_nonce)
    }

    fn challenge(&self) -> CardChallenge {
        CardChallenge::new(self.id, self.card, self.card_nonce)
    }
}

fn mutual_authentication(entry: &Fields<'_>) -> Check {
    let handshake = Handshake::of(entry)?;
    expect_if_any(entry, "card_sw", &SW_AUTHENTICATION_FAILED).map_err(Problem::in_any_case)?;
    if entry.has("t_ifd") {
        card_side(entry, &handshake)?;
    }
    if entry.has("t_icc") {
        reader_side(entry, &handshake)?;
    }
    derivation_inputs(entry, &handshake).map_err(Problem::in_any_case)?;
    messages(entry, &handshake).map_err(Problem::in_any_case)
}

/// The card answers every failed authentication alike.
const SW_AUTHENTICATION_FAILED: [u8; 2] = [0x63, 0x00];

/// The card takes the reader's token and gives its own.
fn card_side(entry: &Fields<'_>, handshake: &Handshake) -> Check {
    let (own, _) = handshake.respond();
    expect_if_any(entry, "expected_t_ifd", &own.token).map_err(Problem::in_any_case)?;
    let request = Request { token: entry.array("t_ifd")?, ..own };
    let (token, session) = handshake
        .challenge()
        .verify(&handshake.key, &request)
        .map_err(|error| Problem::Refused(format!("t_ifd: {error}")))?;
    expect_if_any(entry, "t_icc", &token)?;
    session_keys(entry, &session.keys).map_err(Problem::in_any_case)
}

/// The reader takes the card's token.
fn reader_side(entry: &Fields<'_>, handshake: &Handshake) -> Check {
    let (request, awaiting) = handshake.respond();
    let (own, _) = handshake.challenge().verify(&handshake.key, &request)?;
    expect_if_any(entry, "expected_t_icc", &own).map_err(Problem::in_any_case)?;
    let keys = awaiting
        .verify(&entry.hex("t_icc")?)
        .map_err(|error| Problem::Refused(format!("t_icc: {error}")))?;
    session_keys(entry, &keys).map_err(Problem::in_any_case)
}

fn session_keys(entry: &Fields<'_>, keys: &SessionKeys) -> Check {
    expect_if_any(entry, "ks_enc", keys.enc.expose())?;
    expect_if_any(entry, "ks_mac", keys.mac.expose())
}

/// Every output is the CMAC of the input written out beside it.
fn derivation_inputs(entry: &Fields<'_>, handshake: &Handshake) -> Check {
    let Handshake { key, id, card, reader, card_nonce, reader_nonce } = handshake;
    let context = [&id.emit()[..], &card.0, &reader.0, card_nonce, reader_nonce].concat();
    expect_if_any(entry, "context", &context)?;
    for (input, constant, output) in [
        ("kdf_input_t_icc", 0x01, "t_icc"),
        ("kdf_input_t_ifd", 0x02, "t_ifd"),
        ("kdf_input_ks_enc", 0x04, "ks_enc"),
        ("kdf_input_ks_mac", 0x06, "ks_mac"),
    ] {
        if entry.has(input) {
            let written = derivation_input(constant, &context);
            expect(entry, input, &written)?;
            expect(entry, output, &key.mac().tag(&written))?;
        }
    }
    Ok(())
}

/// Label ‖ constant ‖ 00 ‖ length in bits ‖ counter ‖ context.
fn derivation_input(constant: u8, context: &[u8]) -> Vec<u8> {
    [&auth::LABEL[..], &[constant, 0x00, 0x00, 0x80, 0x01], context].concat()
}

/// The commands and responses of the handshake, byte for byte.
fn messages(entry: &Fields<'_>, handshake: &Handshake) -> Check {
    const SW_OK: [u8; 2] = [0x90, 0x00];
    if handshake.id.zone != Zone::EDUCATION {
        return Ok(());
    }
    let (number, version) = (handshake.id.number.0, handshake.id.version.number());
    let algorithm = handshake.id.algorithm.code();
    let (request, _) = handshake.respond();
    let (token, _) = handshake.challenge().verify(&handshake.key, &request)?;
    let select = [&[0x00, 0xA4, 0x04, 0x00, 0x07][..], b"\xF0BJEDU\x01", &[0x00]];
    let mse = [0x00, 0x22, 0xC1, 0xA4, 0x07, 0x80, 0x01, algorithm, 0x83, 0x02, number, version];
    let authenticate = [&[0x00, 0x82, 0x00, 0x00, 0x28][..], &request.emit(), &[0x10]];
    for (field, message) in [
        ("select_capdu", select.concat()),
        ("mse_capdu", mse.to_vec()),
        ("get_challenge_capdu", vec![0x00, 0x84, 0x00, 0x00, 0x10]),
        ("get_challenge_rapdu", [&handshake.card_nonce[..], &SW_OK].concat()),
        ("mutual_auth_capdu", authenticate.concat()),
        ("mutual_auth_rapdu", [&token[..], &SW_OK].concat()),
        ("ssc", vec![0; 16]),
    ] {
        expect_if_any(entry, field, &message)?;
    }
    Ok(())
}

/// The key that opens a SAM's key file.
fn unlock(entry: &Fields<'_>) -> Check {
    let (sam, management) = (ReaderId(entry.array("id_sam")?), CardId(entry.array("sn_mgmt")?));
    let secret: Key<Sam> = key(entry, "k_sam")?;
    let kek = secret.unlock(&entry.array("record")?, sam, management);
    unlock_key(entry, &secret, kek.expose())
}

/// As [`unlock`], in the scheme that it took the place of: the key did not depend on what was
/// permitted, nor on the lowest versions.
fn superseded_unlock(entry: &Fields<'_>) -> Check {
    const CONSTANT: u8 = 0x10;
    let fields = ["role", "unit", "key_set", "valid_to", "id_sam", "sn_mgmt", "unlock_secret"];
    let fields = fields.map(|field| entry.hex(field));
    let context = fields.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    let secret: Key<Sam> = key(entry, "k_sam")?;
    let mut kek = [0; 16];
    kdf::scp03(&secret.mac(), &auth::LABEL, CONSTANT, &context, &mut kek);
    unlock_key(entry, &secret, &kek)
}

fn unlock_key(entry: &Fields<'_>, secret: &Key<Sam>, kek: &[u8; 16]) -> Check {
    if let Some(input) = entry.hex_if_any("kdf_input")? {
        expect(entry, "kek", &secret.mac().tag(&input))?;
    }
    expect_if_any(entry, "expected_kek", kek).map_err(Problem::in_any_case)?;
    expect(entry, "kek", kek)
}

/// One step of AN10922 is CMAC of 01 ‖ M and SP 800-108 at once.
fn an10922_is_sp800_108(entry: &Fields<'_>) -> Check {
    let key = Key::<Root>::new(Algorithm::Aes128, entry.array("key")?);
    let (mac, input) = (key.mac(), entry.hex("m")?);
    expect(entry, "out", &diversified(entry, &key, &input)?)?;
    expect(entry, "out", &mac.start().with(&[0x01]).with(&input).finish())?;
    let mut derived = [0; 16];
    kdf::counter_mode(&mac, &[], 1, &input, &mut derived);
    expect(entry, "out", &derived)
}

fn diversified(entry: &Fields<'_>, key: &Key<Root>, m: &[u8]) -> Result<[u8; 16], Problem> {
    let key = an10922::diversify(&key.mac(), m).map_err(|_| entry.error("m", "1 to 31 bytes"))?;
    Ok(key.into())
}

fn key<P: Purpose>(entry: &Fields<'_>, field: &str) -> Result<Key<P>, Problem> {
    Ok(Key::new(algorithm(entry)?, entry.array(field)?))
}

fn key_id(entry: &Fields<'_>) -> Result<KeyId, Problem> {
    let [number] = entry.array("key_no")?;
    let [version] = entry.array("key_ver")?;
    Ok(KeyId {
        zone: Zone(u16::from_be_bytes(entry.array("zone")?)),
        number: KeyNumber(number),
        version: KeyVersion::new(version).ok_or_else(|| entry.error("key_ver", "01 to FE"))?,
        algorithm: algorithm(entry)?,
    })
}

fn algorithm(entry: &Fields<'_>) -> Result<Algorithm, Problem> {
    match entry.text("alg")? {
        "AES-128" => Ok(Algorithm::Aes128),
        "SM4" => Ok(Algorithm::Sm4),
        _ => Err(Problem::NotSupported("algorithm unknown")),
    }
}
