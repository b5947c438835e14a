//! Files that people exchange.

use std::sync::LazyLock;

use xuejika_batch::manifest::{self, Manifest};
use xuejika_batch::plan::kcv_method;
use xuejika_batch::{Cells, Column, KeySlot, Plan, Row};
use xuejika_card_model::desk::Uploads;
use xuejika_card_model::list::{
    Decoder, Delta, Header, List, ListMac, Lookup, MAC_LEN, key_id, key_path,
};
use xuejika_keyscheme::keyblock::{
    BlockVersion, Header as BlockHeader, KeyAlgorithm, KeyKind, KeyMaterial, ModeOfUse,
    ProtectionKey, Reader, Usage, inspect, write,
};
use xuejika_keyscheme::provider::{KeyProvider, TestRoots};
use xuejika_keyscheme::{Algorithm, KeyVersion};
use xuejika_vectors::VectorFile;
use xuejika_vectors::conformance::{Ics, Status, Suite, glob};

/// A row of a batch, its cells separated by tabs: every finding names a column and a value, and a
/// row reads the same twice.
pub fn batch_row(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let mut cells = Cells::empty();
    for (column, cell) in Column::all().zip(text.split('\t')) {
        cells.set(column, Some(cell).filter(|cell| !cell.is_empty()));
    }
    static PLAN: LazyLock<Plan> = LazyLock::new(plan);
    let plan = &*PLAN;
    let (mut findings, mut again) = (Vec::new(), Vec::new());
    let row = Row::read(plan, &cells, &mut findings);
    let second = Row::read(plan, &cells, &mut again);
    assert_eq!(row.card_id(), second.card_id());
    assert_eq!(format!("{findings:?}"), format!("{again:?}"));
}

fn serial(sequence: u32) -> String {
    xuejika_card_model::ident::CardSerial::new(26, 1, sequence).unwrap().to_string()
}

/// A plan for 99 cards.
fn plan() -> Plan {
    let text = |text: &str| text.to_owned();
    let roots = KeySlot::all().map(|slot| {
        let method = kcv_method(slot, Algorithm::Aes128);
        (slot.name().to_owned(), format!("{method}A1B2C3"))
    });
    let manifest = Manifest {
        schema: 1,
        batch: manifest::Head {
            number: text("202607010001"),
            vendor: text("0001"),
            profile: text("cpu-aes"),
            profile_version: 1,
            initialised_from: text("2026-07-01"),
            initialised_until: text("2026-07-31"),
            valid_from: text("2026-09-01"),
            valid_until: text("2038-08-31"),
            sites: vec![text("0001")],
            uid_prefix: text("F0"),
            atr: text("3B8D80018031A8739E01C065ssssssssssxx"),
            ats: text("127880700280 31A8739E01C065ssssssssss").replace(' ', ""),
        },
        count: manifest::Count { rows: 99, ordered: 99, spare: 0, good: 99, scrap: 0 },
        limits: manifest::Limits::default(),
        keys: manifest::Keys { version: 1, root_kcv: roots.collect() },
        files: Vec::new(),
        serials: vec![manifest::Range { first: text(&serial(1)), last: text(&serial(99)) }],
        boxes: vec![manifest::Carton {
            id: text("B1"),
            first: text(&serial(1)),
            last: text(&serial(99)),
            count: 99,
        }],
    };
    Plan::new(&manifest).unwrap_or_else(|findings| panic!("{findings:?}"))
}

const PROTECTION: [u8; 32] = [0x88; 32];

/// A key block: text is refused without a panic, by the inspection and the reader alike; a block
/// made from the bytes is read back, and no longer with one character changed.
pub fn key_block(bytes: &[u8]) {
    let material = KeyMaterial::new(KeyKind::Aes256, &PROTECTION).unwrap();
    let protection = ProtectionKey::new(material).unwrap();
    let reader = Reader::new().allow_variant_versions().allow_single_des();
    if let Ok(text) = core::str::from_utf8(bytes) {
        let read = reader.read(text, &protection);
        assert!(read.is_err() || inspect(text).is_ok());
    }
    let Some((&[usage, algorithm, mode, place, change], key)) = bytes.split_first_chunk::<5>()
    else {
        return;
    };
    let header = BlockHeader::new(
        Usage::ALL[usize::from(usage) % Usage::ALL.len()],
        KeyAlgorithm::ALL[usize::from(algorithm) % KeyAlgorithm::ALL.len()],
        ModeOfUse::ALL[usize::from(mode) % ModeOfUse::ALL.len()],
    );
    let kinds = [KeyKind::Aes128, KeyKind::Aes192, KeyKind::Aes256, KeyKind::Tdes2, KeyKind::Sm4];
    let Some(key) = kinds.iter().find_map(|kind| KeyMaterial::new(*kind, key).ok()) else { return };
    let mut env = xuejika_emulator::Env::from_seed(1);
    let Ok(text) = write(&header, &key, &protection, env.rng()) else { return };
    let block = reader.read(&text, &protection).unwrap();
    assert_eq!(*block.header(), header);
    assert!(matches!(block.version(), BlockVersion::D));
    let imported = block.into_key(header.usage, header.mode, key.kind()).unwrap();
    assert_eq!(imported.into_material().expose(), key.expose());
    let mut changed = text.clone().into_bytes();
    let place = usize::from(place) % changed.len();
    changed[place] ^= change & 0x7F;
    if change & 0x7F != 0
        && let Ok(changed) = String::from_utf8(changed)
    {
        let same = changed.eq_ignore_ascii_case(&text);
        assert!(reader.read(&changed, &protection).is_err() || same);
    }
}

/// Case files, statements and vector files: a slip is named, and nothing else happens.
pub fn case_file(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Err(slip) = Suite::parse(&[("fuzz", text)]) {
        assert!(!slip.to_string().is_empty());
    }
    if let Err(slips) = Ics::parse("fuzz.toml", text) {
        assert!(!slips.is_empty());
    }
    let _ = VectorFile::parse("fuzz.json", text);
    let _ = Status::parse(text).map(|status| status.matches(xuejika_apdu::StatusWord::SUCCESS));
    if let Some((pattern, text)) = text.split_once('\n').filter(|_| text.len() < 200) {
        let _ = glob(pattern, text);
        assert!(glob("*", text));
    }
}

/// A list or a file of uploads, as it is or with the right MAC behind it: what is taken is written back as it came, a
/// piece at a time or at once, and the lookup takes the same.
pub fn list(bytes: &[u8]) {
    let Some((&mode, body)) = bytes.split_first() else { return };
    let algorithm = if mode & 2 == 0 { Algorithm::Aes128 } else { Algorithm::Sm4 };
    let id = key_id(KeyVersion::FIRST, algorithm);
    let path = key_path("084012".parse().unwrap());
    let key = TestRoots.list_key(&id, path).unwrap();
    let mut file = body.to_vec();
    if mode & 1 == 0 {
        file.extend_from_slice(&key.mac().tag(body)[..MAC_LEN]);
    }
    let mac = ListMac::new(&key, id);
    let whole = List::parse(&file, &mac);
    if let Ok(list) = &whole {
        assert_eq!(list.emit(&mac), file);
    }
    if let Ok(delta) = Delta::parse(&file, &mac) {
        assert_eq!(delta.emit(&mac), file);
    }
    if let Ok(uploads) = Uploads::parse(&file, &mac) {
        assert_eq!(uploads.emit(&mac), file);
    }
    let lookup = Lookup::parse(&file, &mac);
    assert!(whole.is_err() || lookup.is_ok());
    if let Some(header) = file.first_chunk::<{ Header::LEN }>()
        && let Ok(mut decoder) = Decoder::new(header, &mac, Vec::new())
    {
        let pieces = file[Header::LEN..].chunks(usize::from(mode).max(1));
        let taken = pieces.map(|piece| decoder.push(piece)).all(|it| it.is_ok());
        let done = taken && decoder.finish().is_ok();
        assert!(whole.is_err() || done);
    }
}
