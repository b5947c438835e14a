//! The commands of an SCP03 session after its opening (GlobalPlatform Amendment D §6.2): chained
//! command checksums, response checksums, and the encryption of either.

use xuejika_keyscheme::algorithm::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt};
use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::{cbc, padding};

use super::super::cipher::AnyCipher;
use super::super::outcome::{Check, Problem, expect};
use crate::vector::Fields;

/// Security-level bits.
const COMMAND_ENCRYPTION: u8 = 0x02;
const RESPONSE_CHECKSUM: u8 = 0x10;
const RESPONSE_ENCRYPTION: u8 = 0x20;

/// CLA INS P1 P2 Lc.
const HEADER_LEN: usize = 5;

/// Runs the commands behind EXTERNAL AUTHENTICATE, whose full checksum is `chain`.
pub(super) fn commands(entry: &Fields<'_>, mut chain: Vec<u8>, token: usize) -> Check {
    let [level] = entry.array("security_level")?;
    for (counter, command) in (1_u128..).zip(entry.children("commands")?) {
        let protected = command.hex("protected")?;
        let (message, checksum, le) =
            split(&protected, token).ok_or_else(|| command.error("protected", "CLA to C-MAC"))?;
        chain = tag(entry, "s_mac", &[&chain, message])?;
        same(&command, "protected", &chain, checksum)?;
        let data = message.get(HEADER_LEN..).unwrap_or(&[]);
        let iv = counter.to_be_bytes();
        let plain = decrypt(entry, level & COMMAND_ENCRYPTION != 0, iv, data)?;
        expect(&command, "plain", &rebuilt(&protected, &plain, le))?;
        if command.has("protected_response") {
            response(entry, &command, &chain, (level, counter), token)?;
        }
    }
    Ok(())
}

/// Data, then a checksum over the chain, the data and the status word; below that level, data alone.
fn response(
    entry: &Fields<'_>,
    command: &Fields<'_>,
    chain: &[u8],
    (level, counter): (u8, u128),
    token: usize,
) -> Check {
    let protected = command.hex("protected_response")?;
    if level & RESPONSE_CHECKSUM == 0 {
        return expect(command, "plain_response", &protected);
    }
    let (data, checksum) = protected
        .split_at_checked(protected.len().wrapping_sub(token))
        .ok_or_else(|| command.error("protected_response", "data and R-MAC"))?;
    let expected = tag(entry, "s_rmac", &[chain, data, &command.hex("sw")?])?;
    same(command, "protected_response", &expected, checksum)?;
    // The response's counter has its first bit set.
    let iv = (counter | 1 << 127).to_be_bytes();
    let plain = decrypt(entry, level & RESPONSE_ENCRYPTION != 0, iv, data)?;
    expect(command, "plain_response", &plain)
}

/// What the checksum covers, the checksum, and Le.
fn split(protected: &[u8], token: usize) -> Option<(&[u8], &[u8], &[u8])> {
    let lc = usize::from(*protected.get(HEADER_LEN - 1)?);
    let (command, le) = protected.split_at_checked(HEADER_LEN + lc)?;
    let (message, checksum) = command.split_at_checked(command.len().checked_sub(token)?)?;
    Some((message, checksum, le))
}

/// The command before protection: class without the bit, length and data as they were.
fn rebuilt(protected: &[u8], data: &[u8], le: &[u8]) -> Vec<u8> {
    let mut plain: Vec<u8> = protected.iter().take(HEADER_LEN - 1).copied().collect();
    if let Some(class) = plain.first_mut() {
        *class &= !0x04;
    }
    if !data.is_empty() {
        plain.push(u8::try_from(data.len()).unwrap_or(u8::MAX));
        plain.extend(data);
    }
    plain.extend(le);
    plain
}

fn tag(entry: &Fields<'_>, key: &str, parts: &[&[u8]]) -> Result<Vec<u8>, Problem> {
    let cipher = AnyCipher::new("AES", &entry.hex(key)?)?;
    Ok(with_cipher!(cipher, cipher => Cmac::new(cipher).tag(&parts.concat()).to_vec()))
}

/// Decrypts, when the level says so, under the encrypted counter as IV.
fn decrypt(
    entry: &Fields<'_>,
    encrypted: bool,
    counter: [u8; 16],
    data: &[u8],
) -> Result<Vec<u8>, Problem> {
    if !encrypted || data.is_empty() {
        return Ok(data.to_vec());
    }
    let cipher = AnyCipher::new("AES", &entry.hex("s_enc")?)?;
    with_cipher!(cipher, cipher => open(&cipher, counter, data))
}

fn open<C>(cipher: &C, counter: [u8; 16], data: &[u8]) -> Result<Vec<u8>, Problem>
where
    C: BlockCipherEncrypt + BlockCipherDecrypt,
{
    let refused = |what: &str| Problem::Refused(format!("encrypted data: {what}"));
    let mut iv = Block::<C>::default();
    iv.iter_mut().zip(counter).for_each(|(to, from)| *to = from);
    cipher.encrypt_block(&mut iv);
    let mut plain = data.to_vec();
    cbc::decrypt(cipher, &iv, &mut plain).map_err(|_| refused("no whole blocks"))?;
    Ok(padding::unpad(&plain).map_err(|_| refused("no padding"))?.to_vec())
}

fn same(entry: &Fields<'_>, field: &str, tag: &[u8], given: &[u8]) -> Check {
    if tag.starts_with(given) && !given.is_empty() {
        return Ok(());
    }
    Err(Problem::Refused(format!("{field}: the checksum differs at {}", entry.vector().id)))
}
