//! Whole transcripts: everything between two commands must come out, the commands themselves too.

use xuejika_keyscheme::legacy::session::{offline_block, online_block};
use xuejika_keyscheme::legacy::{
    Challenge, Code, DesKey, ExternalAuthKey, Fen, Input, InternalDecryptKey, InternalEncryptKey,
    InternalMac, InternalMacKey, Load, LoadKey, PurchaseKey, Purpose, Root, TacKey, TransportKey,
};

use super::{
    Names, expect_code, expect_cryptogram, expect_line_mac, fen, key, long_number, number,
};
use crate::vector::Fields;
use crate::verify::outcome::{Check, Problem, expect, expect_if_any};

const NAMES: Names =
    Names { kind: "tx_type", amount: "amount", terminal: "terminal", date: "date", time: "time" };

pub(super) fn check(entry: &Fields<'_>) -> Check {
    match entry.text("kind")? {
        "ep-load" => load(entry),
        "ep-purchase" => purchase(entry),
        "internal-authenticate" => internal_authenticate(entry),
        "external-authenticate" => external_authenticate(entry),
        "line-protection-mac" => {
            let challenge = Challenge::from(entry.array::<8>("iv")?);
            let message = entry.hex("mac_input")?;
            expect_line_mac(entry, "mac", &key(entry, "key")?, &challenge, &message)
        }
        "write-key-encrypted-mac" => write_key(entry),
        "key-diversification" => diversification(entry),
        _ => Err(Problem::NotSupported("kind unknown")),
    }
}

fn load(entry: &Fields<'_>) -> Check {
    let load = NAMES.load(entry)?;
    let (random, sequence) = (entry.array("card_random")?, number(entry, "online_seq")?);
    let old_balance = fen(entry, "old_balance")?;
    let session = key::<LoadKey>(entry, "key_dlk")?.session(random, sequence);
    beside_the_point(|| {
        expect_if_any(entry, "session_key_input", &online_block(random, sequence))?;
        expect(entry, "session_key", session.expose())?;
        let card = <[u8; 4]>::from(session.code(&load.mac1(old_balance)));
        expect_if_any(entry, "expected_mac1", &card)?;
        initialize_for_load(entry, &load)
    })?;
    expect_input(entry, ("mac1_input", "mac1"), &session, &load.mac1(old_balance))?;
    if !entry.has("mac2") {
        return Ok(());
    }

    let at = NAMES.moment(entry)?;
    expect_input(entry, ("mac2_input", "mac2"), &session, &load.mac2(at))?;
    let (date, time, mac2) = (&at.date, &at.time, entry.hex("mac2")?);
    let credit = [&[0x80, 0x52, 0x00, 0x00, 0x0B], &date[..], &time[..], &mac2].concat();
    expect(entry, "credit_capdu", &credit)?;
    if !entry.has("tac") {
        return Ok(());
    }

    let new_balance = old_balance.checked_add(load.amount).unwrap_or(Fen(u32::MAX));
    expect(entry, "new_balance", &new_balance.emit())?;
    expect_tac(entry, &load.tac(new_balance, sequence, at))
}

/// The identifier of the key is not stated for every transcript and stands there as `kk`.
fn initialize_for_load(entry: &Fields<'_>, load: &Load) -> Check {
    let (purse, amount) = (load.purse.code(), hex::encode(load.amount.emit()));
    let command = format!("805000{purse:02x}0bkk{amount}{}", hex::encode(load.terminal.0));
    match entry.text_or_empty("init_capdu")? {
        "" => Ok(()),
        stated if stated == command => Ok(()),
        stated => {
            Err(Problem::Wrong(format!("init_capdu: computed {command}, the file says {stated}")))
        }
    }
}

fn purchase(entry: &Fields<'_>) -> Check {
    let purchase = NAMES.purchase(entry)?;
    let (random, sequence) = (entry.array("card_random")?, number(entry, "offline_seq")?);
    let terminal_sequence = long_number(entry, "terminal_seq")?;
    let at = NAMES.moment(entry)?;
    let session =
        key::<PurchaseKey>(entry, "key_dpk")?.session(random, sequence, terminal_sequence);
    let block = offline_block(random, sequence, terminal_sequence);
    expect(entry, "session_key_input", &block)?;
    expect(entry, "session_key", session.expose())?;

    expect_input(entry, ("mac1_input", "mac1"), &session, &purchase.mac1(at))?;
    let (sequence, mac1) = (terminal_sequence.to_be_bytes(), entry.hex("mac1")?);
    let head = [0x80, 0x54, 0x01, 0x00, 0x0F];
    let debit = [&head, &sequence[..], &at.date[..], &at.time[..], &mac1, &[0x08]].concat();
    expect(entry, "debit_capdu", &debit)?;
    expect_input(entry, ("mac2_input", "mac2"), &session, &purchase.mac2())?;
    if !entry.has("tac") {
        return Ok(());
    }
    expect_tac(entry, &purchase.tac(terminal_sequence, at))
}

fn expect_tac<M: Code>(entry: &Fields<'_>, input: &Input<TacKey, M>) -> Check {
    let key = key::<TacKey>(entry, "tac_key")?.folded();
    expect(entry, "tac_session_key", key.expose())?;
    expect_input(entry, ("tac_input", "tac"), &key, input)
}

fn expect_input<P: Purpose, M: Code>(
    entry: &Fields<'_>,
    (input_field, field): (&str, &str),
    key: &DesKey<P>,
    input: &Input<P, M>,
) -> Check {
    beside_the_point(|| expect(entry, input_field, input.bytes()))?;
    expect_code(entry, field, key, input)
}

fn internal_authenticate(entry: &Fields<'_>) -> Check {
    let data = entry.hex("data")?;
    let [p1] = entry.array("p1")?;
    let mut response = data.clone();
    match p1 {
        0x00 => key::<InternalEncryptKey>(entry, "key")?.encrypt(&mut response)?,
        0x01 => key::<InternalDecryptKey>(entry, "key")?.decrypt(&mut response)?,
        0x02 => {
            let key = key::<InternalMacKey>(entry, "key")?;
            response = <[u8; 4]>::from(key.mac(&data)).to_vec();
            key.verify(&data, InternalMac::from(entry.array("response")?))?;
        }
        _ => return Err(entry.error("p1", "00, 01 or 02").into()),
    }
    expect(entry, "response", &response)?;
    expect_command(entry, [0x00, 0x88, p1], &data)
}

fn external_authenticate(entry: &Fields<'_>) -> Check {
    let challenge = Challenge::from(entry.array::<4>("challenge")?);
    expect(entry, "challenge_padded", &challenge.block())?;
    let key = key::<ExternalAuthKey>(entry, "key")?;
    let answer = key.answer(&challenge);
    key.verify(challenge, &answer)?;
    expect_command(entry, [0x00, 0x82, 0x00], &answer)
}

/// The command with its data; the key it names is free.
fn expect_command(entry: &Fields<'_>, [cla, ins, p1]: [u8; 3], data: &[u8]) -> Check {
    let stated = entry.hex("capdu")?;
    let [_, _, _, p2, lc, ..] = *stated else {
        return Err(entry.error("capdu", "a command with data").into());
    };
    if usize::from(lc) != data.len() {
        return Err(entry.error("capdu", "the length of its data").into());
    }
    expect(entry, "capdu", &[&[cla, ins, p1, p2, lc], data].concat())
}

fn write_key(entry: &Fields<'_>) -> Check {
    let challenge = Challenge::from(entry.array::<4>("challenge")?);
    expect(entry, "iv", &challenge.block())?;
    let key = key::<TransportKey>(entry, "master_key")?;
    let record = expect_cryptogram(&key, ("ld_padded", entry), ("cryptogram", entry))?;
    expect(entry, "plain_record", &record)?;

    let message = entry.hex("mac_input")?;
    let (cryptogram, mac) = (entry.hex("cryptogram")?, entry.hex("mac")?);
    if !message.ends_with(&cryptogram) {
        return Err(entry.error("mac_input", "the cryptogram at its end").into());
    }
    expect_line_mac(entry, "mac", &key, &challenge, &message)?;
    expect(entry, "capdu", &[message, mac].concat())
}

fn diversification(entry: &Fields<'_>) -> Check {
    let factor: [u8; 8] = entry.array("factor")?;
    expect(entry, "factor_inverted", &factor.map(|byte| !byte))?;
    let derived = key::<Root<PurchaseKey>>(entry, "master_key")?.card_key(factor);
    expect(entry, "diversified_key", derived.expose())?;
    let (left, right) = derived.expose().split_at(8);
    expect(entry, "left", left)?;
    expect(entry, "right", right)
}

/// Values that must hold also where the entry is there to be refused.
fn beside_the_point(check: impl FnOnce() -> Check) -> Check {
    check().map_err(Problem::in_any_case)
}
