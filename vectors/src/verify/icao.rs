//! What stands around secure messaging in travel documents: session keys from a hash, and the
//! mutual authentication of Basic Access Control (ICAO 9303-11 §4.3, §9.7).
//!
//! The student-record card has neither, so only ciphers and MACs come from the project's crates;
//! the hashes are the `sha1` and `sha2` crates.

use sha1::{Digest, Sha1};
use sha2::Sha256;
use xuejika_keyscheme::cbc;
use xuejika_keyscheme::legacy::DesMac;
use xuejika_keyscheme::legacy::check::set_odd_parity;
use xuejika_keyscheme::legacy::mac::{Padding, ZERO_IV};

use super::cipher::AnyCipher;
use super::outcome::{Check, Problem, expect};
use crate::vector::Fields;

/// Keys from a secret and a counter, in the three forms of the files.
pub(super) fn check_derivation(entry: &Fields<'_>) -> Check {
    if entry.has("mrz_information") {
        return check_access_keys(entry);
    }
    if entry.has("secret") {
        let (secret, counter) = (entry.hex("secret")?, entry.hex("counter")?);
        return expect(entry, "key", &derive(entry.text("alg")?, &secret, &counter)?);
    }
    if !entry.text("hash")?.starts_with("SHA-1") {
        return Err(Problem::NotSupported("hash unknown"));
    }
    let secret = entry.hex("shared_secret_k")?;
    expect(entry, "ks_enc", &derive("128", &secret, &entry.hex("c_enc")?)?)?;
    expect(entry, "ks_mac", &derive("128", &secret, &entry.hex("c_mac")?)?)
}

/// The keys of Basic Access Control, from what is printed on the document (Appendix D.1, D.2).
fn check_access_keys(entry: &Fields<'_>) -> Check {
    let digest = Sha1::digest(entry.text("mrz_information")?);
    expect(entry, "sha1", &digest)?;
    let (seed, _) = digest.split_at(16);
    expect(entry, "k_seed", seed)?;
    expect(entry, "k_enc", &derive("TDES", seed, &entry.hex("c_enc")?)?)?;
    expect(entry, "k_mac", &derive("TDES", seed, &entry.hex("c_mac")?)?)
}

/// `hash(secret ‖ counter)`, cut to the key (ICAO 9303-11 §9.7.1).
fn derive(cipher: &str, secret: &[u8], counter: &[u8]) -> Result<Vec<u8>, Problem> {
    let input = [secret, counter].concat();
    let (mut key, length) = match cipher {
        "TDES" | "128" => (Sha1::digest(input).to_vec(), 16),
        "192" => (Sha256::digest(input).to_vec(), 24),
        "256" => (Sha256::digest(input).to_vec(), 32),
        _ => return Err(Problem::NotSupported("keys of this length")),
    };
    key.truncate(length);
    if cipher == "TDES" {
        set_odd_parity(&mut key);
    }
    Ok(key)
}

/// The terminal's last step: the card's answer `E(RND.IC ‖ RND.IFD ‖ K.IC) ‖ MAC` (§4.3,
/// Appendix D.3).
pub(super) fn check_mutual_authentication(entry: &Fields<'_>) -> Check {
    let answer = entry.array::<40>("response_data")?;
    let (sent, checksum) = answer.split_at(32);
    let tag = DesMac::retail(&entry.array("k_mac")?).tag(ZERO_IV, Padding::Marker, sent);
    if tag != checksum {
        return Err(Problem::Refused("response_data: its MAC does not verify".into()));
    }
    let AnyCipher::TdesEde2(cipher) = AnyCipher::new("TDES", &entry.hex("k_enc")?)? else {
        return Err(entry.error("k_enc", "16 bytes").into());
    };
    let mut plain = sent.to_vec();
    cbc::decrypt(&cipher, &ZERO_IV.into(), &mut plain)?;
    let nonces = [entry.array::<8>("rnd_ic")?, entry.array("rnd_ifd")?].concat();
    if plain.starts_with(&nonces) {
        Ok(())
    } else {
        Err(Problem::Refused("response_data: not the nonces of this run".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{VectorFile, bundled};

    /// The files hold altered answers only. Each is refused for its own reason, and with the
    /// alteration undone it is the one of ICAO 9303-11 Appendix D.3, which is accepted.
    #[test]
    fn altered_answers_are_refused_for_their_reason() {
        let file: VectorFile = bundled().find(|file| file.name == "icao_bac_3des_sm").unwrap();
        for (id, undo, reason) in [
            ("derived-neg-MIC-bit", Some(("response_data", "7448", "7449")), "MAC"),
            ("derived-neg-stale-rnd-ic", Some(("rnd_ic", "2213", "2212")), "nonces"),
            ("derived-neg-reflection", None, "nonces"),
        ] {
            let mut vector = file.vectors.iter().find(|vector| vector.id == id).unwrap().clone();
            let refused = check_mutual_authentication(&vector.fields());
            assert!(matches!(&refused, Err(Problem::Refused(text)) if text.contains(reason)));
            if let Some((field, altered, published)) = undo {
                let text = vector.map[field].as_str().unwrap();
                let text = [text.strip_suffix(altered).unwrap(), published].concat();
                vector.map.insert(field.into(), text.into());
                assert!(check_mutual_authentication(&vector.fields()).is_ok());
            }
        }
    }
}
