//! The other side of the wallet and of the PSAM, as far as a scene needs it.

use xuejika_card_model::file::tree::wallet_sfi;
use xuejika_card_model::psam::{Factors, PurchaseProof, PurchaseRequest};
use xuejika_card_model::wallet::message::{
    Consent, Demand, Initialise, OnlineAnswer, PurchaseAnswer,
};
use xuejika_card_model::wallet::{PurseRecord, WalletKeys, WalletSetup, pin, store};
use xuejika_emulator::test_card;
use xuejika_keyscheme::legacy::line::Protects;
use xuejika_keyscheme::legacy::{
    Challenge, Fen, Load, Moment, Purchase, PurchaseKey, PurchaseKind, Purse, TdesKey, TerminalId,
    TransactionType, Unload, test_keys,
};

use super::case::{Card, Money};
use super::rng::Rng;
use super::support::{Reply, model, send};

/// Number of the card whose purchases a lone PSAM serves.
const NUMBER: [u8; 8] = [0x10, 0x00, 0x75, 0x10, 0x12, 0x34, 0x56, 0x78];

/// The wallet of the test card.
pub(crate) fn setup() -> WalletSetup {
    model::wallet(&model::issuance())
}

/// A student's card with this wallet.
pub(crate) fn student(setup: &WalletSetup) -> Vec<u8> {
    test_card::student_memory_with(&model::issuance(), setup).expect("a card")
}

/// A terminal, a host and an operator in one.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) keys: WalletKeys,
    pub(crate) terminal: TerminalId,
    pub(crate) at: Moment,
    /// The terminal's own sequence number.
    pub(crate) sequence: u32,
    /// Whether MACs have a wrong last bit.
    pub(crate) lies: bool,
}

impl Client {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let [a, b, c] = rng.bytes();
        let terminal = TerminalId([0x12, 0x00, 0x80, 0x80, a, b]);
        let at = Moment { date: [0x20, 0x26, 0x09, c], time: rng.bytes() };
        let sequence = u32::from_be_bytes(rng.bytes());
        Self { keys: setup().keys, terminal, at, sequence, lies: false }
    }

    pub(crate) fn lying(&self) -> Self {
        Self { lies: true, ..self.clone() }
    }

    fn spoil<M: From<[u8; 4]> + Into<[u8; 4]>>(&self, mac: M) -> M {
        let [a, b, c, d] = mac.into();
        [a, b, c, d ^ u8::from(self.lies)].into()
    }

    /// Sends a command without Le.
    pub(crate) fn send(&self, card: &mut Card, header: [u8; 4], data: &[u8]) -> Reply {
        send(card, &apdu(header, data))
    }

    pub(crate) fn select(&self, card: &mut Card) -> Reply {
        self.send(card, [0x00, 0xA4, 0x00, 0x00], &[0x10, 0x01])
    }

    pub(crate) fn select_mf(&self, card: &mut Card) -> Reply {
        self.send(card, [0x00, 0xA4, 0x00, 0x00], &[0x3F, 0x00])
    }

    /// VERIFY with the PIN of a new card.
    pub(crate) fn verify(&self, card: &mut Card) {
        assert_eq!(self.send(card, [0x00, 0x20, 0x00, store::KID], &pin::DEFAULT[..3]).sw, 0x9000);
    }

    /// The command that begins a transaction.
    pub(crate) fn initialise(&self, p1: u8, amount: u32) -> Vec<u8> {
        let request = Initialise { kid: store::KID, amount: Fen(amount), terminal: self.terminal };
        apdu([0x80, 0x50, p1, 0x02], &request.emit())
    }

    /// A load up to its last command.
    pub(crate) fn load(&self, card: &mut Card, amount: u32) -> Vec<u8> {
        self.select(card);
        self.verify(card);
        let reply = send(card, &self.initialise(0x00, amount));
        let answer = OnlineAnswer::parse(&reply.data).expect("INITIALIZE FOR LOAD");
        let load = Load { purse: Purse::Wallet, amount: Fen(amount), terminal: self.terminal };
        let session = self.keys.load.session(answer.random, answer.sequence);
        session.verify(&load.mac1(answer.balance), answer.mac1).expect("MAC1");
        let mac2 = self.spoil(session.code(&load.mac2(self.at)));
        apdu([0x80, 0x52, 0x00, 0x00], &Consent { at: self.at, mac2 }.emit())
    }

    /// An unload up to its last command.
    pub(crate) fn unload(&self, card: &mut Card, amount: u32) -> Vec<u8> {
        self.select(card);
        self.verify(card);
        let reply = send(card, &self.initialise(0x05, amount));
        let answer = OnlineAnswer::parse(&reply.data).expect("INITIALIZE FOR UNLOAD");
        let unload = Unload { amount: Fen(amount), terminal: self.terminal };
        let session = self.keys.unload.session(answer.random, answer.sequence);
        session.verify(&unload.mac1(answer.balance), answer.mac1).expect("MAC1");
        let mac2 = self.spoil(session.code(&unload.mac2(self.at)));
        apdu([0x80, 0x54, 0x03, 0x00], &Consent { at: self.at, mac2 }.emit())
    }

    /// A purchase up to its last command; compound when it has records.
    pub(crate) fn purchase(&self, card: &mut Card, amount: u32, records: &[Vec<u8>]) -> Vec<u8> {
        self.select(card);
        let kind = kind_of(records);
        let p1 = if kind == PurchaseKind::Compound { 0x03 } else { 0x01 };
        let reply = send(card, &self.initialise(p1, amount));
        let answer = PurchaseAnswer::parse(&reply.data).expect("INITIALIZE FOR PURCHASE");
        for record in records {
            let header = [0x80, 0xDC, record[0], wallet_sfi::COMPOUND << 3];
            assert_eq!(self.send(card, header, record).sw, 0x9000);
        }
        let purchase = Purchase { kind, amount: Fen(amount), terminal: self.terminal };
        let session = self.keys.purchase.session(answer.random, answer.sequence, self.sequence);
        let mac1 = self.spoil(session.code(&purchase.mac1(self.at)));
        let demand = Demand { sequence: self.sequence, at: self.at, mac1 };
        apdu([0x80, 0x54, 0x01, 0x00], &demand.emit())
    }

    /// What a load, unload or purchase must do.
    pub(crate) fn money(&self, kind: TransactionType, amount: u32) -> Money {
        let &Self { terminal, at, sequence, .. } = self;
        Money { kind, amount: Fen(amount), terminal, at, is_right, sequence }
    }

    /// GET CHALLENGE.
    pub(crate) fn challenge(&self, card: &mut Card) -> Challenge {
        let reply = send(card, &[0x00, 0x84, 0x00, 0x00, 0x04]);
        <[u8; 4]>::try_from(reply.data).expect("GET CHALLENGE").into()
    }

    /// A command under line protection, after its challenge.
    pub(crate) fn protected<P: Protects>(
        &self,
        card: &mut Card,
        key: &TdesKey<P>,
        header: [u8; 4],
        data: &[u8],
    ) -> Vec<u8> {
        let challenge = self.challenge(card);
        let mut command = apdu(header, data);
        command[4] += 4;
        if data.is_empty() {
            command.truncate(5);
        }
        let mac: [u8; 4] = self.spoil(key.line_mac(&challenge, &command)).into();
        command.extend(mac);
        command
    }

    /// EXTERNAL AUTHENTICATE, after its challenge.
    pub(crate) fn authenticate(&self, card: &mut Card) -> Vec<u8> {
        let challenge = self.challenge(card);
        let mut answer = self.keys.external.answer(&challenge);
        answer[7] ^= u8::from(self.lies);
        apdu([0x00, 0x82, 0x00, store::KID], &answer)
    }
}

/// A PSAM's purchase, as its terminal asks for it.
pub(crate) fn psam_request(client: &Client, amount: u32) -> PurchaseRequest {
    PurchaseRequest {
        random: [0xA0, 0xA1, 0xA2, 0xA3],
        sequence: 7,
        amount: Fen(amount),
        kind: PurchaseKind::Wallet,
        at: client.at,
        version: 1,
        algorithm: 0,
        factors: Factors::card(NUMBER),
    }
}

/// The card's MAC2 for a PSAM's purchase; its last bit is wrong when the client lies.
pub(crate) fn psam_mac2(
    client: &Client,
    request: &PurchaseRequest,
    proof: &PurchaseProof,
    terminal: TerminalId,
) -> [u8; 4] {
    let key = test_keys::root::<PurchaseKey>().card_key(NUMBER);
    let session = key.session(request.random, request.sequence, proof.sequence);
    let purchase = request.purchase(terminal);
    session.verify(&purchase.mac1(request.at), proof.mac1).expect("MAC1");
    client.spoil(session.code(&purchase.mac2())).into()
}

/// Whether the TAC of a load or purchase is right. MAC3 of an unload hangs on a session key; hosts
/// check it in the ledger.
fn is_right(money: &Money, before: &PurseRecord, answer: &[u8]) -> bool {
    let (key, Money { amount, terminal, at, sequence, .. }) = (setup().keys.tac.folded(), *money);
    let Some((tac, _)) = answer.split_first_chunk::<4>() else { return false };
    let purchase = |kind| {
        let purchase = Purchase { kind, amount, terminal };
        key.verify(&purchase.tac(sequence, at), (*tac).into()).is_ok()
    };
    match money.kind {
        TransactionType::WalletLoad => {
            let load = Load { purse: Purse::Wallet, amount, terminal };
            let after = Fen(before.balance.0 + amount.0);
            key.verify(&load.tac(after, before.online, at), (*tac).into()).is_ok()
        }
        TransactionType::WalletPurchase => purchase(PurchaseKind::Wallet),
        TransactionType::CompoundPurchase => purchase(PurchaseKind::Compound),
        _ => true,
    }
}

fn kind_of(records: &[Vec<u8>]) -> PurchaseKind {
    if records.is_empty() { PurchaseKind::Wallet } else { PurchaseKind::Compound }
}

/// A command with data.
pub(crate) fn apdu(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    [&header[..], &[u8::try_from(data.len()).unwrap()], data].concat()
}
