//! `keys kcv` and `keys derive`: what a key is, without telling it.

use anyhow::anyhow;
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::keyblock::KeyMaterial;
use xuejika_keyscheme::provider::Path;
use xuejika_reader::channel::key_file::RootName;

use super::ceremony::write;
use super::secret::KeyText;
use super::source::Source;
use super::{DeriveArgs, KcvArgs, KeyReport, report};
use crate::exit::{Code, Failure, Outcome};
use crate::hex;
use crate::keys;
use crate::output::Output;

/// Shows the check values of a key, or of roots.
pub(super) fn kcv(args: &KcvArgs, out: &Output) -> Outcome<Code> {
    if let Some(secret) = &args.secret {
        let KeyText { key, place, .. } = secret.key_text("key", args.kind, false)?;
        if place.is_none() {
            key.check_strength()?;
        }
        out.report(&KeyReport::new(secret, key.kcv()))?;
        return Ok(Code::AsExpected);
    }
    let missing = || anyhow!("expected a SECRET or --keys SOURCE");
    let source = args.source.as_ref().ok_or_else(|| Failure::usage(missing()))?;
    let source = Source::open(source)?;
    let wallet = source.wallet();
    let (mut ids, mut types) = (args.key.clone(), args.wallet_type.clone());
    if ids.is_empty() && types.is_empty() {
        ids = source.ids();
        if let Source::File(_) = source {
            types = wallet.types().collect();
        }
    }
    if ids.is_empty() && types.is_empty() {
        return Err(Failure::usage(anyhow!("the source names no roots; name some with --key ID")));
    }
    for id in ids {
        let kcv = source.provider().kcv(&id)?;
        let test = Some(source.announce(&id)?);
        out.report(&KeyReport { test, ..KeyReport::new(id, kcv) })?;
    }
    for key_type in types {
        let kcv = wallet.kcv(key_type)?;
        let test = wallet.is_test_key(key_type)?;
        if test {
            keys::announce();
        }
        let name = RootName::Wallet(key_type);
        out.report(&KeyReport { test: Some(test), ..KeyReport::new(name, kcv) })?;
    }
    Ok(Code::AsExpected)
}

/// Derives the key of one card.
pub(super) fn derive(args: &DeriveArgs, out: &Output) -> Outcome<Code> {
    let path = match (args.district, args.unit) {
        (None, _) => Path::City,
        (Some(district), None) => Path::District(district),
        (Some(district), Some(unit)) => Path::School { district, unit },
    };
    let source = Source::open(&args.source)?;
    let key = source.provider().card_key(&args.key, path, args.card)?;
    let test = Some(source.announce(&args.key)?);
    if let Some(output) = &args.output {
        write(&KeyMaterial::from(&key), output)?;
    }
    let name = format!("{} of card {}", args.key, hex::emit(&args.card.0));
    let key = KeyReport { test, ..KeyReport::new(name, key.kcv()) };
    report(&key, args.output.as_ref(), out)?;
    Ok(Code::AsExpected)
}

/// Reads the serial of a card.
pub(super) fn card(text: &str) -> Result<CardId, String> {
    digits(text).map(CardId)
}

/// Reads the code of a district.
pub(super) fn district(text: &str) -> Result<[u8; 2], String> {
    digits(text)
}

/// Reads a unit code.
pub(super) fn unit(text: &str) -> Result<[u8; 3], String> {
    digits(text)
}

/// Digits as BCD.
fn digits<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let bytes = text.bytes().all(|c| c.is_ascii_digit()).then(|| hex::parse(text).ok());
    let bytes = bytes.flatten().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| format!("expected {} digits", 2 * N))
}
