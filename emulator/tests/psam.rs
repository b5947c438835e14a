//! The PSAM: files, published purchases, status words, power cuts, and that no sequence number ever
//! stands for two purchases.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use proptest::prelude::*;
use support::{Reply, ask, bytes, memory, power_up, send, sw};
use xuejika_card_model::factory;
use xuejika_card_model::file::Ef;
use xuejika_card_model::file::tree::CardKind;
use xuejika_card_model::nvm::{Cut, NvmError, RamNvm, Torn};
use xuejika_card_model::psam::{
    Factors, KeyKind, MAC2_LIMIT, PsamIssue, PsamKey, PsamView, PurchaseProof, PurchaseRequest,
};
use xuejika_card_model::record::Profile;
use xuejika_card_model::wallet::EnableFlag;
use xuejika_emulator::{VirtualCard, test_card};
use xuejika_keyscheme::legacy::{
    ExternalAuthKey, Fen, InternalEncryptKey, InternalMacKey, LineKey, Mac2, Moment, PurchaseKey,
    PurchaseKind, TerminalId, test_keys,
};
use xuejika_reader::wallet::psam::{CardPsam, Psam, PsamError, SoftPsam};

const TERMINAL: TerminalId = TerminalId([0x12, 0x00, 0x80, 0x80, 0x00, 0x01]);
const NUMBER: [u8; 8] = [0x10, 0x00, 0x75, 0x10, 0x12, 0x34, 0x56, 0x78];
const AT: Moment = Moment { date: [0x20, 0x26, 0x09, 0x01], time: [0x07, 0x30, 0x00] };

/// Selects the application.
const SELECT: &str = "00 A4 00 00 02 3F 01 00";
/// A MAC2 that is wrong but once in 2^32 purchases.
const WRONG_MAC2: &str = "80 72 00 00 04 00 00 00 00";

fn new_psam() -> VirtualCard {
    power_up(test_card::psam(TERMINAL).unwrap())
}

/// A PSAM with its application selected.
fn ready() -> VirtualCard {
    selected(new_psam())
}

fn selected(mut card: VirtualCard) -> VirtualCard {
    assert_eq!(ask(&mut card, SELECT).sw, 0x9000);
    card
}

/// A file of the PSAM, by its identifier.
fn file(fid: u16) -> &'static Ef {
    CardKind::Psam.tree().all().find_map(|df| df.by_fid(fid)).unwrap()
}

/// A PSAM whose next sequence number is this.
fn with_sequence(sequence: u32) -> VirtualCard {
    let mut memory = memory(&new_psam());
    memory[file(0x18).offset..][..4].copy_from_slice(&sequence.to_be_bytes());
    selected(power_up(RamNvm::new(memory)))
}

fn sequence(card: &VirtualCard) -> u32 {
    PsamView::of(card.model()).unwrap().sequence()
}

fn failures(card: &VirtualCard) -> u8 {
    PsamView::of(card.model()).unwrap().mac2_failures()
}

fn request(amount: u32) -> PurchaseRequest {
    PurchaseRequest {
        random: [0xA0, 0xA1, 0xA2, 0xA3],
        sequence: 7,
        amount: Fen(amount),
        kind: PurchaseKind::Wallet,
        at: AT,
        version: 0x01,
        algorithm: 0x00,
        factors: Factors::card(NUMBER),
    }
}

/// INITIALIZE FOR PURCHASE with this data and Le.
fn initialise_with(data: &[u8], le: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).unwrap();
    [&[0x80, 0x70, 0x00, 0x00, length], data, le].concat()
}

fn initialise(request: &PurchaseRequest) -> Vec<u8> {
    initialise_with(&request.emit(), &[0x08])
}

fn begin(card: &mut VirtualCard, request: &PurchaseRequest) -> PurchaseProof {
    let reply = send(card, &initialise(request));
    assert_eq!(reply.sw, 0x9000);
    PurchaseProof::parse(&reply.data).unwrap()
}

fn credit(mac2: [u8; 4]) -> Vec<u8> {
    [&[0x80, 0x72, 0x00, 0x00, 0x04], &mac2[..]].concat()
}

/// MAC2 of the card that got this proof.
fn mac2(request: &PurchaseRequest, proof: &PurchaseProof) -> [u8; 4] {
    let key = test_keys::root::<PurchaseKey>().card_key(NUMBER);
    let session = key.session(request.random, request.sequence, proof.sequence);
    let purchase = request.purchase(TERMINAL);
    session.verify(&purchase.mac1(request.at), proof.mac1).expect("the card takes MAC1");
    session.code(&purchase.mac2()).into()
}

#[test]
fn files_are_read_without_select() {
    let mut card = new_psam();
    let public = ask(&mut card, "00 B0 95 00 00");
    assert_eq!(public.sw, 0x9000);
    assert_eq!(public.data, bytes("00 00 91 00 12 00 80 80 00 01 01 01 00 00"));
    assert_eq!(ask(&mut card, "00 B0 95 00 0E"), public);
    assert_eq!(ask(&mut card, "00 B0 96 00 06").data, TERMINAL.0);
    assert_eq!(ask(&mut card, "00 B0 96 00 07"), sw(0x6C06));
    assert_eq!(ask(&mut card, "00 B0 97 00 00"), sw(0x6A82));
    let mut card = selected(card);
    let application = ask(&mut card, "00 B0 97 00 19");
    let expected = "01 10 00 00 00 00 00 00 00 10 00 00 00 00 00 00 00 20 26 09 01 20 38 08 31";
    assert_eq!((application.sw, application.data), (0x9000, bytes(expected)));
    assert_eq!(ask(&mut card, "00 B0 98 00 04").data, [0; 4]);
    begin(&mut card, &request(1));
    assert_eq!(ask(&mut card, "00 B0 98 00 04").data, [0, 0, 0, 1]);
}

#[test]
fn the_key_file_is_for_nobody() {
    let mut card = new_psam();
    assert_eq!(ask(&mut card, "00 B0 81 00 00"), sw(0x6982));
    assert_eq!(ask(&mut card, "00 A4 00 00 02 00 01"), sw(0x9000));
    assert_eq!(ask(&mut card, "00 B0 00 00 00"), sw(0x6982));
    for sfi in ["81", "95", "96"] {
        assert_eq!(ask(&mut card, &format!("00 D6 {sfi} 00 01 00")), sw(0x6982));
    }
    let mut card = selected(card);
    for sfi in ["97", "98"] {
        assert_eq!(ask(&mut card, &format!("00 D6 {sfi} 00 01 00")), sw(0x6982));
    }
    assert_eq!(ask(&mut card, "00 B0 80 00 00"), sw(0x6A82));
}

/// A purchase that somebody published: what the terminal knew, MAC1 and MAC2.
#[test]
fn published_purchases_replay_byte_for_byte() {
    let wanted = ["fm1208-purchase-complete", "tutorial-purchase"];
    let files: Vec<_> = xuejika_vectors::bundled().collect();
    let found: Vec<_> = files
        .iter()
        .flat_map(|file| &file.vectors)
        .filter(|vector| wanted.contains(&vector.id.as_str()))
        .collect();
    assert_eq!(found.len(), wanted.len());
    for vector in found {
        let fields = vector.fields();
        let hex = |name: &str| fields.hex(name).unwrap();
        let terminal = TerminalId(fields.array("terminal").unwrap());
        // The published key is a card's own: there is no root above it.
        let key = PsamKey::new(KeyKind::Purchase, 0, 1, fields.array("key_dpk").unwrap()).unwrap();
        let mut memory = factory::psam(&PsamIssue::test(terminal).unwrap(), &[key]);
        memory[file(0x18).offset..][..4].copy_from_slice(&hex("terminal_seq"));
        let mut card = selected(power_up(RamNvm::new(memory)));

        let data = ["card_random", "offline_seq", "amount", "tx_type", "date", "time"];
        let data = [data.map(hex).concat(), vec![0x01, 0x00]].concat();
        let answer = [hex("terminal_seq"), hex("mac1")].concat();
        let reply = send(&mut card, &initialise_with(&data, &[0x08]));
        assert_eq!(reply, Reply { data: answer, sw: 0x9000 }, "{}", vector.id);
        let mac2 = fields.array("mac2").unwrap();
        assert_eq!(send(&mut card, &credit(mac2)), sw(0x9000), "{}", vector.id);
    }
}

#[test]
fn every_purchase_has_a_number_of_its_own() {
    let mut card = ready();
    for number in 0..3 {
        let request = request(100 + number);
        let proof = begin(&mut card, &request);
        assert_eq!(proof.sequence, number);
        assert_eq!(send(&mut card, &credit(mac2(&request, &proof))), sw(0x9000));
    }
    // Given up by the terminal, by a reset, by a wrong MAC2: the number is gone each time.
    begin(&mut card, &request(1));
    assert_eq!(begin(&mut card, &request(2)).sequence, 4);
    card.reset().unwrap();
    let mut card = selected(card);
    assert_eq!(begin(&mut card, &request(3)).sequence, 5);
    assert_eq!(ask(&mut card, WRONG_MAC2), sw(0x9302));
    assert_eq!(begin(&mut card, &request(4)).sequence, 6);
}

#[test]
fn a_purchase_waits_for_its_mac2() {
    let mut card = ready();
    assert_eq!(ask(&mut card, WRONG_MAC2), sw(0x6901));
    let request = request(250);
    let proof = begin(&mut card, &request);
    let mac2 = credit(mac2(&request, &proof));
    // The terminal may look at files and ask another card for a proof in between.
    assert_eq!(ask(&mut card, "00 B0 97 00 19").sw, 0x9000);
    assert_eq!(ask(&mut card, "80 1A 25 01 08 10 00 75 10 12 34 56 78"), sw(0x9000));
    assert_eq!(send(&mut card, &mac2), sw(0x9000));
    assert_eq!(send(&mut card, &mac2), sw(0x6901), "once");
    // Another INITIALIZE, even a refused one, and SELECT give it up.
    begin(&mut card, &request);
    let mut unknown = request;
    unknown.version = 0x02;
    assert_eq!(send(&mut card, &initialise(&unknown)), sw(0x9403));
    assert_eq!(send(&mut card, &mac2), sw(0x6901));
    begin(&mut card, &request);
    assert_eq!(send(&mut selected(card), &mac2), sw(0x6901));
}

#[test]
fn wrong_mac2_locks_for_good() {
    let mut card = ready();
    let request = request(1);
    for failed in 1..MAC2_LIMIT {
        begin(&mut card, &request);
        assert_eq!(ask(&mut card, WRONG_MAC2), sw(0x9302));
        assert_eq!(failures(&card), failed);
    }
    // A right one forgives.
    let proof = begin(&mut card, &request);
    assert_eq!(send(&mut card, &credit(mac2(&request, &proof))), sw(0x9000));
    assert_eq!(failures(&card), 0);
    for _ in 0..MAC2_LIMIT {
        begin(&mut card, &request);
        assert_eq!(ask(&mut card, WRONG_MAC2), sw(0x9302));
    }
    let before = memory(&card);
    for _ in 0..2 {
        assert_eq!(send(&mut card, &initialise(&request)), sw(0x9303));
        assert_eq!(ask(&mut card, WRONG_MAC2), sw(0x6901));
        card = selected(power_up(RamNvm::new(memory(&card))));
    }
    assert!(memory(&card) == before);
    assert_eq!(ask(&mut card, "00 B0 98 00 04").sw, 0x9000);
}

#[test]
fn the_last_number_is_never_given() {
    let mut card = with_sequence(0xFFFF_FFFE);
    assert_eq!(begin(&mut card, &request(1)).sequence, 0xFFFF_FFFE);
    for _ in 0..2 {
        assert_eq!(send(&mut card, &initialise(&request(1))), sw(0x9402));
        card = selected(power_up(RamNvm::new(memory(&card))));
        assert_eq!(sequence(&card), u32::MAX);
    }
}

#[test]
fn every_refusal_of_initialise_has_its_status_word() {
    let mut card = ready();
    let good = request(1).emit();
    let before = memory(&card);
    let ask_with =
        |card: &mut VirtualCard, data: &[u8], le: &[u8]| send(card, &initialise_with(data, le)).sw;
    // Levels that no key has: 0, 2 and 3.
    let (base, factor) = good.split_at(20);
    for levels in [0, 2, 3] {
        let data = [base, &factor.repeat(levels)].concat();
        assert_eq!(ask_with(&mut card, &data, &[0x08]), 0x9403, "{levels} levels");
    }
    assert_eq!(ask_with(&mut card, &[base, &factor.repeat(4)].concat(), &[0x08]), 0x6700);
    for cut in [0, 19, 27] {
        assert_eq!(ask_with(&mut card, &good[..cut], &[]), 0x6700);
    }
    for code in [0x00, 0x01, 0x02, 0x03, 0x07, 0x08, 0x0A, 0xFF] {
        let mut data = good.clone();
        data[10] = code;
        assert_eq!(ask_with(&mut card, &data, &[0x08]), 0x6A80, "type {code:02X}");
    }
    assert_eq!(ask_with(&mut card, &good, &[0x07]), 0x6C08);
    for p in ["80 70 01 00", "80 70 00 01"] {
        assert_eq!(ask(&mut card, &format!("{p} 1C {} 08", hex::encode(&good))), sw(0x6A86));
    }
    assert_eq!(ask(&mut card, &format!("00 70 00 00 1C {}", hex::encode(&good))), sw(0x6D00));
    assert!(memory(&card) == before, "a refusal changed something");
    // Outside the application there are no purchases.
    assert_eq!(send(&mut new_psam(), &initialise(&request(1))), sw(0x6985));
    assert_eq!(ask(&mut new_psam(), WRONG_MAC2), sw(0x6985));
    // Without Le, and with 00, the answer is the same as with 08.
    assert_eq!(ask_with(&mut card, &good, &[]), 0x9000);
    assert_eq!(ask_with(&mut card, &good, &[0x00]), 0x9000);
}

#[test]
fn every_refusal_of_the_other_commands_has_its_status_word() {
    let mut card = ready();
    begin(&mut card, &request(1));
    for (apdu, status) in [
        ("80 72 00 00 03 00 00 00", 0x6700),
        ("80 72 00 00 04 00 00 00 00 04", 0x6700),
        ("80 72 01 00 04 00 00 00 00", 0x6A86),
        ("80 72 00 02 04 00 00 00 00", 0x6A86),
        // DELIVERY KEY: undefined kind, wrong number of factors, no such key, a purchase key.
        ("80 1A 21 01 08 10 00 75 10 12 34 56 78", 0x6A86),
        ("80 1A 45 01 08 10 00 75 10 12 34 56 78", 0x6700),
        ("80 1A 25 01 07 10 00 75 10 12 34 56", 0x6700),
        ("80 1A 25 01 08 10 00 75 10 12 34 56 78 00", 0x6700),
        ("80 1A 25 02 08 10 00 75 10 12 34 56 78", 0x9403),
        ("80 1A 05 01", 0x9403),
        ("80 1A 28 01 08 10 00 75 10 12 34 56 78", 0x9403),
        ("80 1A 22 01 08 10 00 75 10 12 34 56 78", 0x6982),
        // CIPHER DATA without a working key.
        ("80 FA 00 00 08 00 00 00 00 00 00 00 00 08", 0x6985),
        ("80 FA 05 00 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 04", 0x6985),
        // Under a MAC key, which does not encrypt.
        ("80 1A 26 01 08 10 00 75 10 12 34 56 78", 0x9000),
        ("80 FA 00 00 08 00 00 00 00 00 00 00 00 08", 0x6982),
        ("80 FA 01 00 08 00 00 00 00 00 00 00 00 04", 0x6985),
        ("80 FA 07 00 08 00 00 00 00 00 00 00 00 04", 0x6700),
        ("80 FA 05 00 08 00 00 00 00 00 00 00 00 04", 0x6700),
        ("80 FA 05 00 09 00 00 00 00 00 00 00 00 00 04", 0x6700),
        ("80 FA 05 00 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 05", 0x6C04),
        ("80 FA 04 00 08 00 00 00 00 00 00 00 00 08", 0x6A86),
        ("80 FA 05 01 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 04", 0x6A86),
        // Under an encryption key, which makes no MACs.
        ("80 1A 27 01 08 10 00 75 10 12 34 56 78", 0x9000),
        ("80 FA 05 00 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 04", 0x6982),
        ("80 FA 00 00 00", 0x6700),
        ("80 FA 02 00 07 00 00 00 00 00 00 00", 0x6700),
        ("80 FA 00 00 08 00 00 00 00 00 00 00 00 07", 0x6C08),
        // A refused delivery leaves no working key.
        ("80 1A 27 02 08 10 00 75 10 12 34 56 78", 0x9403),
        ("80 FA 00 00 08 00 00 00 00 00 00 00 00 08", 0x6985),
        // Commands of other cards.
        ("80 F0 01 00 00", 0x6D00),
        ("00 84 00 00 08", 0x6D00),
        ("00 B2 01 B4 00", 0x6A82),
        ("00 B2 01 C4 00", 0x6981),
    ] {
        assert_eq!(ask(&mut card, apdu).sw, status, "{apdu}");
    }
    assert_eq!(failures(&card), 0);
    // SELECT and reset forget the working key.
    assert_eq!(ask(&mut card, "80 1A 27 01 08 10 00 75 10 12 34 56 78"), sw(0x9000));
    let mut card = selected(card);
    assert_eq!(ask(&mut card, "80 FA 00 00 08 00 00 00 00 00 00 00 00 08"), sw(0x6985));
}

/// A purchase key in CIPHER DATA would give away session keys: E(key, random ‖ numbers).
#[test]
fn no_command_computes_under_a_purchase_key_but_a_purchase() {
    let mut card = ready();
    for kind in 0..=0x1F_u8 {
        let deliver = format!("80 1A {:02X} 01 08 10 00 75 10 12 34 56 78", 0x20 | kind);
        if ask(&mut card, &deliver).sw != 0x9000 {
            continue;
        }
        let block = "A0 A1 A2 A3 00 07 00 00";
        let reply = ask(&mut card, &format!("80 FA 00 00 08 {block} 08"));
        let key = test_keys::root::<PurchaseKey>().card_key(NUMBER);
        let session = key.session([0xA0, 0xA1, 0xA2, 0xA3], 7, 0);
        assert_ne!(reply.data, session.expose());
    }
}

#[test]
fn working_keys_do_what_cards_expect() {
    let mut psam = SoftPsam::test(TERMINAL).unwrap();
    let mut card = CardPsam::new(ready()).unwrap();
    let psams: [&mut dyn Psam; 2] = [&mut psam, &mut card];
    let factors = Factors::card(NUMBER);
    for psam in psams {
        assert_eq!(psam.terminal(), Ok(TERMINAL));
        psam.deliver_key(KeyKind::ExternalAuthentication, 1, &factors).unwrap();
        let key = test_keys::root::<ExternalAuthKey>().card_key(NUMBER);
        let answer = psam.encrypt(&[1, 2, 3, 4, 0, 0, 0, 0]).unwrap();
        assert_eq!(key.verify([1, 2, 3, 4].into(), &answer), Ok(()));

        psam.deliver_key(KeyKind::Maintenance, 1, &factors).unwrap();
        let key = test_keys::root::<LineKey>().card_key(NUMBER);
        let message = bytes("04 D6 85 00 09 00 00 00 00 01 80 00 00 00 00 00");
        let challenge = [9, 8, 7, 6, 0, 0, 0, 0];
        let mac = psam.mac(challenge, &message).unwrap();
        let line = key.line_mac(&challenge.into(), &message[..10]);
        assert_eq!(mac, <[u8; 4]>::from(line));
        let plain = bytes("07 01 02 03 04 05 06 07");
        let cryptogram = psam.encrypt(&plain).unwrap();
        assert_eq!(key.decrypt_data(&cryptogram).unwrap().as_slice(), &plain[1..]);

        psam.deliver_key(KeyKind::Mac, 1, &factors).unwrap();
        let key = test_keys::root::<InternalMacKey>().card_key(NUMBER);
        let long = [&[0x5A; 199][..], &[0x80]].concat();
        let expected: [u8; 4] = key.mac(&long[..199]).into();
        assert_eq!(psam.mac([0; 8], &long), Ok(expected));

        psam.deliver_key(KeyKind::Encryption, 1, &factors).unwrap();
        let key = test_keys::root::<InternalEncryptKey>().card_key(NUMBER);
        let (mut expected, long) = ([0xC3; 200], [0xC3; 200]);
        key.encrypt(&mut expected).unwrap();
        assert_eq!(psam.encrypt(&long), Ok(expected.to_vec()));

        let refused = psam.deliver_key(KeyKind::Purchase, 1, &factors);
        assert_eq!(refused, Err(PsamError::KeyUse));
        assert_eq!(psam.encrypt(&[0; 8]), Err(PsamError::OutOfOrder));
    }
}

/// One thing a host may ask of a PSAM.
#[derive(Clone, Debug)]
enum Step {
    Initialise { amount: u32, version: u8, levels: usize },
    CreditRight,
    CreditWrong,
    Deliver { kind: KeyKind, version: u8 },
    Encrypt(usize),
    Mac(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(KeyKind::ALL.to_vec());
    prop_oneof![
        4 => (any::<u32>(), 1_u8..=2, 0_usize..=3)
            .prop_map(|(amount, version, levels)| Step::Initialise { amount, version, levels }),
        4 => (any::<u32>()).prop_map(|amount| Step::Initialise { amount, version: 1, levels: 1 }),
        6 => Just(Step::CreditRight),
        1 => Just(Step::CreditWrong),
        2 => (kind, 1_u8..=2).prop_map(|(kind, version)| Step::Deliver { kind, version }),
        2 => (0_usize..120).prop_map(Step::Encrypt),
        2 => (0_usize..120).prop_map(Step::Mac),
    ]
}

/// What came of a step, for comparison.
fn perform(
    psam: &mut dyn Psam,
    step: &Step,
    pending: &mut Option<(PurchaseRequest, PurchaseProof)>,
) -> Result<Vec<u8>, PsamError> {
    match step {
        Step::Initialise { amount, version, levels } => {
            let factors = Factors::new(&vec![NUMBER; *levels]).unwrap();
            let request = PurchaseRequest { version: *version, factors, ..request(*amount) };
            let proof = psam.initialise_purchase(&request)?;
            *pending = Some((request, proof));
            Ok(proof.emit().to_vec())
        }
        Step::CreditRight => {
            let mac2 = pending.as_ref().map_or([0; 4], |(request, proof)| mac2(request, proof));
            psam.credit_purchase(Mac2::from(mac2)).map(|()| Vec::new())
        }
        Step::CreditWrong => psam.credit_purchase(Mac2::from([0; 4])).map(|()| Vec::new()),
        Step::Deliver { kind, version } => {
            psam.deliver_key(*kind, *version, &Factors::card(NUMBER)).map(|()| Vec::new())
        }
        Step::Encrypt(len) => psam.encrypt(&vec![0x3C; *len]),
        Step::Mac(len) => psam.mac([1; 8], &vec![0x3C; *len]).map(Vec::from),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The PSAM in software and the one that is a card cannot be told apart.
    #[test]
    fn both_psams_are_one(steps in prop::collection::vec(step(), 1..40)) {
        let mut soft = SoftPsam::test(TERMINAL).unwrap();
        let mut card = CardPsam::new(ready()).unwrap();
        let (mut of_soft, mut of_card) = (None, None);
        for step in &steps {
            let expected = perform(&mut soft, step, &mut of_soft);
            prop_assert_eq!(perform(&mut card, step, &mut of_card), expected, "{:?}", step);
        }
        prop_assert_eq!(
            soft.view().unwrap().sequence(), sequence(card.channel()), "after {:?}", steps
        );
    }
}

/// The recipe of a terminal, command by command, with a student-record card.
#[test]
fn a_student_pays_at_a_psam() {
    let issuance =
        test_card::issuance("1100070100000017".parse().unwrap(), Profile::CpuAes).unwrap();
    let mut setup = test_card::wallet(&issuance);
    (setup.balance, setup.flag) = (Fen(1000), EnableFlag::Open);
    let memory = test_card::student_memory_with(&issuance, &setup).unwrap();
    let (mut student, mut psam) = (power_up(RamNvm::new(memory)), ready());
    let number = ask(&mut student, "00 B0 84 00 08").data;
    assert_eq!(ask(&mut student, "00 A4 00 00 02 10 01 00").sw, 0x9000);
    let terminal = hex::encode(TERMINAL.0);
    let at = hex::encode([&AT.date[..], &AT.time].concat());
    for (count, balance) in [(0_u32, 1000_u32), (1, 750)] {
        let initialise = format!("80 50 01 02 0B 01 000000FA {terminal} 0F");
        let card = ask(&mut student, &initialise);
        assert_eq!(card.sw, 0x9000);
        assert_eq!(card.data[..4], balance.to_be_bytes());
        let [sequence, version, random] =
            [4..6, 9..11, 11..15].map(|range| hex::encode(&card.data[range]));
        let number = hex::encode(&number);
        let init =
            format!("80 70 00 00 1C {random} {sequence} 000000FA 06 {at} {version} {number} 08");
        let proof = ask(&mut psam, &init);
        assert_eq!((proof.sw, &proof.data[..4]), (0x9000, &count.to_be_bytes()[..]));
        let (sequence, mac1) = proof.data.split_at(4);
        let [sequence, mac1] = [sequence, mac1].map(hex::encode);
        let debit = ask(&mut student, &format!("80 54 01 00 0F {sequence} {at} {mac1} 08"));
        assert_eq!(debit.sw, 0x9000);
        let mac2 = hex::encode(&debit.data[4..]);
        assert_eq!(ask(&mut psam, &format!("80 72 00 00 04 {mac2}")), sw(0x9000));
    }
    assert_eq!(ask(&mut student, "80 5C 00 02 04").data, 500_u32.to_be_bytes());
}

// --- Power cuts ------------------------------------------------------------------------------

/// Every place where power can go while `apdu` runs on a PSAM prepared by `prepare`, under every
/// torn model.
fn cuts(prepare: impl Fn() -> VirtualCard, apdu: &[u8]) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut before = prepare().model().nvm().bytes_written();
    for after_writes in 0.. {
        let mut card = prepare();
        let start = card.model().nvm().writes();
        card.cut_power(Cut::before_write(after_writes));
        let _ = card.transmit(apdu, &mut Vec::new());
        if card.model().nvm().writes() - start <= after_writes {
            return cuts;
        }
        let written = card.model().nvm().bytes_written();
        let length = usize::try_from(written - before).unwrap();
        before = written;
        for after_bytes in 0..=length {
            let torn = [
                Torn::Prefix,
                Torn::Erased(0xFF),
                Torn::Erased(0x00),
                Torn::Random(after_writes << 16 | after_bytes as u64 | 1),
            ];
            cuts.extend(torn.map(|torn| Cut { after_writes, after_bytes, torn }));
        }
    }
    cuts
}

/// Powers a PSAM up after a cut, in the same process and in another one, which must agree.
fn recovered(mut card: VirtualCard) -> VirtualCard {
    let torn = memory(&card);
    card.nvm_mut().arm(None);
    card.power_on().unwrap();
    let writes = card.model().nvm().writes();
    card.power_on().unwrap();
    assert_eq!(card.model().nvm().writes(), writes, "a second power-up writes");
    assert!(memory(&power_up(RamNvm::new(torn))) == memory(&card), "power-ups differ");
    selected(card)
}

/// Cuts `apdu` everywhere; `judge` gets what was answered, if anything, and the PSAM after recovery.
fn sweep(
    prepare: impl Fn() -> VirtualCard,
    apdu: &[u8],
    judge: impl Fn(Option<Reply>, VirtualCard),
) -> usize {
    let cuts = cuts(&prepare, apdu);
    for cut in &cuts {
        let mut card = prepare();
        card.cut_power(*cut);
        let mut response = Vec::new();
        let reply = match card.transmit(apdu, &mut response) {
            Ok(()) => {
                let (data, status) = response.split_last_chunk().unwrap();
                Some(Reply { data: data.to_vec(), sw: u16::from_be_bytes(*status) })
            }
            Err(error) => {
                assert_eq!(error, NvmError::PowerLost);
                None
            }
        };
        judge(reply, recovered(card));
    }
    cuts.len()
}

#[test]
fn a_cut_initialise_never_gives_a_number_twice() {
    for start in [0, 0xFF, 0x0000_FFFF, 0xFFFF_FFFD] {
        let apdu = initialise(&request(100));
        let count = sweep(
            || with_sequence(start),
            &apdu,
            |reply, mut card| {
                let told = reply.map(|reply| PurchaseProof::parse(&reply.data).unwrap().sequence);
                let next = sequence(&card);
                assert!([start, start + 1].contains(&next), "neither old nor new: {next:08X}");
                if let Some(told) = told {
                    assert_eq!((told, next), (start, start + 1), "told and not stored");
                }
                // Two more purchases, which must not meet the number again.
                for number in next..=next + 1 {
                    let request = request(200);
                    match send(&mut card, &initialise(&request)) {
                        Reply { data, sw: 0x9000 } => {
                            let proof = PurchaseProof::parse(&data).unwrap();
                            assert_eq!(proof.sequence, number);
                            assert_ne!(Some(proof.sequence), told);
                            let mac2 = credit(mac2(&request, &proof));
                            assert_eq!(send(&mut card, &mac2), sw(0x9000));
                        }
                        refused => {
                            assert_eq!((refused, number), (sw(0x9402), u32::MAX));
                        }
                    }
                }
            },
        );
        assert!(count > 50, "{count} cuts");
    }
}

/// Power goes when the purchase is begun and not ended: at any time up to CREDIT FOR PURCHASE.
#[test]
fn a_cut_between_the_steps_uses_the_number_up() {
    let mut card = ready();
    let first = begin(&mut card, &request(100));
    card.power_off();
    let mut card = recovered(card);
    let proof = begin(&mut card, &request(100));
    assert_eq!(proof.sequence, first.sequence + 1);
    assert_ne!(<[u8; 4]>::from(proof.mac1), <[u8; 4]>::from(first.mac1));
    assert_eq!(send(&mut card, &credit(mac2(&request(100), &proof))), sw(0x9000));
}

/// A PSAM at which this many MAC2 have failed and a purchase waits for the next.
fn waiting(failed: u8) -> (VirtualCard, [u8; 4]) {
    let mut card = ready();
    for _ in 0..failed {
        begin(&mut card, &request(1));
        assert_eq!(ask(&mut card, WRONG_MAC2), sw(0x9302));
    }
    let request = request(250);
    let proof = begin(&mut card, &request);
    (card, mac2(&request, &proof))
}

#[test]
fn a_cut_credit_counts_before_it_tells() {
    for failed in 0..MAC2_LIMIT {
        let prepare = || waiting(failed).0;
        let next = sequence(&prepare());
        let count = sweep(prepare, &bytes(WRONG_MAC2), |reply, mut card| {
            assert_eq!(sequence(&card), next);
            assert!([failed, failed + 1].contains(&failures(&card)));
            if let Some(reply) = reply {
                assert_eq!((reply, failures(&card)), (sw(0x9302), failed + 1));
            }
            let expected = if failures(&card) == MAC2_LIMIT { 0x9303 } else { 0x9000 };
            assert_eq!(send(&mut card, &initialise(&request(1))).sw, expected);
        });
        assert!(count > 50, "{count} cuts");
    }
}

#[test]
fn a_cut_credit_forgives_wholly_or_not() {
    for failed in 0..MAC2_LIMIT {
        let (card, mac2) = waiting(failed);
        let next = sequence(&card);
        let count = sweep(
            || waiting(failed).0,
            &credit(mac2),
            |reply, card| {
                assert_eq!(sequence(&card), next);
                assert!([failed, 0].contains(&failures(&card)));
                if let Some(reply) = reply {
                    assert_eq!((reply, failures(&card)), (sw(0x9000), 0));
                }
            },
        );
        assert_eq!(count > 0, failed > 0, "a right MAC2 writes only to forgive");
    }
}

/// Every bit of a stored key is checked when the PSAM is opened.
#[test]
fn a_damaged_key_is_no_key() {
    let good = memory(&new_psam());
    let keys = file(0x01);
    for bit in 8..8 * (1 + 5 * PsamKey::LEN) {
        let mut bad = good.clone();
        bad[keys.offset + bit / 8] ^= 1 << (bit % 8);
        let opened = VirtualCard::new(RamNvm::new(bad), xuejika_emulator::Env::from_seed(1));
        assert!(opened.is_err(), "bit {bit}");
    }
}

/// Each proof above fails when what it proves is broken.
#[cfg(faults)]
#[test]
fn every_seeded_fault_is_noticed() {
    use xuejika_card_model::fault::{Fault, seed};
    for (fault, proof) in [
        (Fault::TerminalSequenceReused, every_purchase_has_a_number_of_its_own as fn()),
        (Fault::TerminalSequenceVolatile, a_cut_between_the_steps_uses_the_number_up),
        (Fault::Mac2LimitIgnored, wrong_mac2_locks_for_good),
        (Fault::Mac2NotChecked, a_cut_credit_counts_before_it_tells),
    ] {
        proof();
        seed(Some(fault));
        let noticed = std::panic::catch_unwind(proof).is_err();
        seed(None);
        assert!(noticed, "{fault:?} goes unnoticed");
    }
}
