//! A terminal with its PSAM, and what the PSAM must hold.

use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::legacy::TerminalId;

use super::codes::{self, Code, Number};
use super::keys::wallet_key;
use super::ledger::{Pending, TRIES};
use super::support::{Reply, power_up_with, send};
use super::tdes::{Des, Tdes};

/// A terminal.
pub(crate) struct Terminal {
    card: VirtualCard,
    pub(crate) number: [u8; 6],
    /// The number that the next purchase gets.
    next: u32,
    tries: u8,
    /// Session key and amount of the purchase under way.
    pending: Option<(Des, u32)>,
}

impl Terminal {
    pub(crate) fn new(number: [u8; 6], seed: u64) -> Self {
        let psam = test_card::psam(TerminalId(number)).expect("a PSAM");
        let card = power_up_with(psam, Env::from_seed(seed));
        let mut terminal = Self { card, number, next: 0, tries: TRIES, pending: None };
        terminal.start();
        terminal
    }

    /// Reset: a purchase under way is gone.
    pub(crate) fn start(&mut self) {
        self.card.reset().unwrap();
        self.pending = None;
        let reply = send(&mut self.card, &[0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x01]);
        assert_eq!(reply.sw, 0x9000);
    }

    pub(crate) const fn is_locked(&self) -> bool {
        self.tries == 0
    }

    /// INITIALIZE FOR PURCHASE for what a card has begun: the data of DEBIT.
    pub(crate) fn demand(
        &mut self,
        number: Number,
        pending: &Pending,
        counter: u16,
        at: [u8; 7],
    ) -> Result<Option<Vec<u8>>, String> {
        let (amount, kind) = (pending.amount.to_be_bytes(), pending.kind.code());
        let head = [&pending.random[..], &counter.to_be_bytes(), &amount, &[kind], &at].concat();
        let data = [&head[..], &[1, 0], &number].concat();
        let reply = self.send(0x70, &data);
        if self.is_locked() {
            return expect(&reply, 0x9303).map(|()| None);
        }
        expect(&reply, 0x9000)?;
        let key = Tdes::new(wallet_key(0x3E, number));
        let session = codes::offline(&key, pending.random, counter, self.next);
        let mac1 = codes::code(&session, &[&amount, &[kind], &self.number, &at]);
        let answer = [&self.next.to_be_bytes()[..], &mac1].concat();
        if reply.data != answer {
            return Err(format!(
                "PSAM: answers {}, not {}",
                hex::encode(reply.data),
                hex::encode(answer)
            ));
        }
        let demand = [&answer[..4], &at, &mac1].concat();
        self.pending = Some((session, pending.amount));
        self.next += 1;
        Ok(Some(demand))
    }

    /// CREDIT FOR PURCHASE with this MAC2.
    pub(crate) fn credit(&mut self, mac2: Code) -> Result<(), String> {
        let reply = self.send(0x72, &mac2);
        let pending = self.pending.take();
        let sw = match pending {
            None => 0x6901,
            Some(_) if self.is_locked() => 0x9303,
            Some((session, amount)) if session.mac(&amount.to_be_bytes()) == mac2 => {
                self.tries = TRIES;
                0x9000
            }
            Some(_) => {
                self.tries -= 1;
                0x9302
            }
        };
        expect(&reply, sw)
    }

    fn send(&mut self, ins: u8, data: &[u8]) -> Reply {
        let length = u8::try_from(data.len()).unwrap();
        send(&mut self.card, &[&[0x80, ins, 0, 0, length], data].concat())
    }
}

fn expect(reply: &Reply, sw: u16) -> Result<(), String> {
    let answer = reply.sw;
    (answer == sw).then_some(()).ok_or_else(|| format!("PSAM: {answer:04X}, not {sw:04X}"))
}
