//! One step of a transaction: the inputs, the bytes under the code, the code.

use xuejika_keyscheme::legacy::session::{offline_block, online_block};
use xuejika_keyscheme::legacy::{
    Challenge, Code, DesKey, ExternalAuthKey, Input, InternalDecryptKey, InternalMac,
    InternalMacKey, Load, LoadKey, PurchaseKey, Purpose, Root, TransportKey,
};

use super::{
    Names, expect_code, expect_cryptogram, expect_line_mac, expect_zero_iv, fen, key, long_number,
    number,
};
use crate::vector::{FieldError, Fields};
use crate::verify::outcome::{Check, Problem, expect};

const NAMES: Names =
    Names { kind: "type1", amount: "amount4", terminal: "terminal6", date: "date4", time: "time3" };

pub(super) fn check(entry: &Fields<'_>) -> Check {
    let step = Step { entry, inputs: entry.child("inputs")? };
    match entry.text("op")? {
        "session_key_online" => step.session_key_online(),
        "session_key_offline" => step.session_key_offline(),
        "load_mac1" => {
            let input = step.load()?.mac1(fen(&step.inputs, "old_balance4")?);
            step.code(&input)
        }
        "load_mac2" => step.code(&step.load()?.mac2(NAMES.moment(&step.inputs)?)),
        "load_tac" => step.load_tac(),
        "purchase_tac" => step.purchase_tac(),
        "diversify_left_right" => {
            let root = key::<Root<PurchaseKey>>(&step.inputs, "master16")?;
            expect(entry, "expected", root.card_key(step.inputs.array("factor8")?).expose())
        }
        "sm_encrypt_ecb_ld80" => {
            let key = key::<TransportKey>(&step.inputs, "key")?;
            let plain = ("plaintext_with_ld_and_pad", &step.inputs);
            expect_cryptogram(&key, plain, ("expected", entry)).map(drop)
        }
        "sm_mac_retail" | "sm_mac_des" => step.line_mac(),
        "external_auth_des" => step.external_authentication(),
        "internal_auth_des_dec" => {
            let mut data = step.inputs.hex("data")?;
            key::<InternalDecryptKey>(&step.inputs, "key")?.decrypt(&mut data)?;
            expect(entry, "expected", &data)
        }
        "internal_auth_mac" => step.internal_mac(),
        _ => Err(Problem::NotSupported("step unknown")),
    }
}

struct Step<'a> {
    entry: &'a Fields<'a>,
    inputs: Fields<'a>,
}

impl Step<'_> {
    fn session_key_online(&self) -> Check {
        let random = self.inputs.array("rnd4")?;
        let sequence = number(&self.inputs, "online_seq2")?;
        expect(&self.inputs, "block", &online_block(random, sequence))?;
        let session = key::<LoadKey>(&self.inputs, "key")?.session(random, sequence);
        expect(self.entry, "expected", session.expose())
    }

    fn session_key_offline(&self) -> Check {
        let random = self.inputs.array("rnd4")?;
        let sequence = number(&self.inputs, "offline_seq2")?;
        let terminal = long_number(&self.inputs, "terminal_seq4")?;
        expect(&self.inputs, "block", &offline_block(random, sequence, terminal))?;
        let session = key::<PurchaseKey>(&self.inputs, "key")?.session(random, sequence, terminal);
        expect(self.entry, "expected", session.expose())
    }

    fn load(&self) -> Result<Load, FieldError> {
        NAMES.load(&self.inputs)
    }

    fn load_tac(&self) -> Check {
        let balance = fen(&self.inputs, "new_balance4")?;
        let sequence = number(&self.inputs, "online_seq2_before")?;
        self.code(&self.load()?.tac(balance, sequence, NAMES.moment(&self.inputs)?))
    }

    fn purchase_tac(&self) -> Check {
        let purchase = NAMES.purchase(&self.inputs)?;
        let sequence = long_number(&self.inputs, "terminal_seq4")?;
        self.code(&purchase.tac(sequence, NAMES.moment(&self.inputs)?))
    }

    fn code<P: Purpose, M: Code>(&self, input: &Input<P, M>) -> Check {
        expect(&self.inputs, "message", input.bytes())?;
        expect_zero_iv(&self.inputs)?;
        let key = DesKey::new(self.inputs.array("key8")?);
        expect_code(self.entry, "expected", &key, input)
    }

    fn line_mac(&self) -> Check {
        let challenge = Challenge::from(self.inputs.array::<8>("iv")?);
        if self.inputs.has("rnd4") {
            let random = Challenge::from(self.inputs.array::<4>("rnd4")?);
            expect(&self.inputs, "iv", &random.block())?;
        }
        let key = key::<TransportKey>(&self.inputs, "key")?;
        let message = self.inputs.hex("message")?;
        expect_line_mac(self.entry, "expected", &key, &challenge, &message)
    }

    fn external_authentication(&self) -> Check {
        let padded = self.inputs.has("rnd4_zero_padded");
        let field = if padded { "rnd4_zero_padded" } else { "rnd8" };
        let challenge = Challenge::from(self.inputs.array::<8>(field)?);
        if padded {
            let [a, b, c, d, ..] = challenge.block();
            expect(&self.inputs, field, &Challenge::from([a, b, c, d]).block())?;
        }
        let key = key::<ExternalAuthKey>(&self.inputs, "key")?;
        expect(self.entry, "expected", &key.answer(&challenge))?;
        Ok(key.verify(challenge, &self.entry.hex("expected")?)?)
    }

    fn internal_mac(&self) -> Check {
        expect_zero_iv(&self.inputs)?;
        let key = key::<InternalMacKey>(&self.inputs, "key")?;
        let data = self.inputs.hex("data")?;
        expect(self.entry, "expected", &<[u8; 4]>::from(key.mac(&data)))?;
        key.verify(&data, InternalMac::from(self.entry.array("expected")?))?;
        Ok(())
    }
}
