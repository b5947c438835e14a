//! A manifest whose every value was read and which contradicts itself nowhere.

use core::num::NonZeroU8;
use core::str::FromStr;
use std::collections::BTreeMap;

use xuejika_card_model::bcd::Digits;
use xuejika_card_model::card::UID_LEN;
use xuejika_card_model::date::Date;
use xuejika_card_model::file::tree::PROFILE_VERSION;
use xuejika_card_model::ident::{CardSerial, SerialRange};
use xuejika_card_model::record::Profile;
use xuejika_keyscheme::{Algorithm, KeyVersion};

use crate::catalogue::Check;
use crate::chip::{Pattern, hex_bytes};
use crate::finding::{Finding, shown};
use crate::manifest::{Count, Limits, Manifest};
use crate::schema::{KeyPlace, KeySlot};

/// Longest name of a box, in characters.
const MAX_BOX_NAME: usize = 32;

/// What the rows of a batch are checked against.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Batch number.
    pub number: Digits<6>,
    /// Vendor code.
    pub vendor: Digits<2>,
    /// Card profile.
    pub profile: Profile,
    /// Algorithm of the education and extension keys.
    pub algorithm: Algorithm,
    /// Key-set version.
    pub key_version: KeyVersion,
    /// First and last day of initialisation.
    pub initialised: (Date, Date),
    /// First and last day of the education application.
    pub valid: (Date, Date),
    /// Initialisation sites.
    pub sites: Vec<[u8; 2]>,
    /// First bytes of every UID.
    pub uid_prefix: Vec<u8>,
    /// What an ATR looks like.
    pub atr: Pattern,
    /// What an ATS looks like.
    pub ats: Pattern,
    /// How many cards.
    pub count: Count,
    /// What the contract allows.
    pub limits: Limits,
    /// Serials of the batch, ascending.
    pub serials: Vec<SerialRange>,
    /// Boxes, in the order of the manifest.
    pub boxes: Vec<PlannedBox>,
    /// Check value of each root.
    pub root_kcv: [[u8; 3]; KeySlot::COUNT],
    box_by_name: BTreeMap<String, usize>,
}

/// A box.
#[derive(Clone, Debug)]
pub struct PlannedBox {
    /// Name.
    pub name: String,
    /// Its serials.
    pub serials: SerialRange,
    /// Cards in it.
    pub count: u32,
}

impl Plan {
    /// Reads a manifest.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(manifest: &Manifest) -> Result<Self, Vec<Finding>> {
        let mut r = Reader { findings: Vec::new() };
        let head = &manifest.batch;
        let profile = r.profile(&head.profile);
        r.number("batch.profile-version", head.profile_version, u32::from(PROFILE_VERSION));
        let vendor = r.parse::<Digits<2>>("batch.vendor", &head.vendor, "4 digits");
        let key_version = r.key_version(manifest.keys.version);
        let serials = r.ranges(manifest, vendor);
        let boxes = r.boxes(manifest, &serials);
        r.limits(&manifest.limits);
        let algorithm = profile.map(|(_, algorithm)| algorithm);
        let root_kcv = r.roots(manifest, algorithm);
        let plan = (|| {
            Some(Self {
                number: r.parse("batch.number", &head.number, "12 digits")?,
                vendor: vendor?,
                profile: profile?.0,
                algorithm: algorithm?,
                key_version: key_version?,
                initialised: r.days(
                    ["batch.initialised-from", "batch.initialised-until"],
                    [&head.initialised_from, &head.initialised_until],
                )?,
                valid: r.days(
                    ["batch.valid-from", "batch.valid-until"],
                    [&head.valid_from, &head.valid_until],
                )?,
                sites: r.sites(&head.sites)?,
                uid_prefix: r.uid_prefix(&head.uid_prefix)?,
                atr: r.parse("batch.atr", &head.atr, Pattern::EXPECTED)?,
                ats: r.parse("batch.ats", &head.ats, Pattern::EXPECTED)?,
                count: manifest.count,
                limits: manifest.limits,
                serials,
                box_by_name: by_name(&boxes),
                boxes,
                root_kcv,
            })
        })();
        plan.filter(|_| r.findings.is_empty()).ok_or(r.findings)
    }

    /// The number of the box with this name.
    #[must_use]
    pub fn box_number(&self, name: &str) -> Option<usize> {
        self.box_by_name.get(name).copied()
    }

    /// Whether the batch has this serial.
    #[must_use]
    pub fn has(&self, serial: CardSerial) -> bool {
        self.serials.iter().any(|range| range.contains(serial))
    }

    /// The key-set version as the issuance record has it.
    #[must_use]
    pub fn key_set(&self) -> NonZeroU8 {
        NonZeroU8::new(self.key_version.number()).unwrap_or(NonZeroU8::MIN)
    }
}

/// In front of the check value of a root: the one method of its key.
#[must_use]
pub fn kcv_method(slot: KeySlot, algorithm: Algorithm) -> &'static str {
    match (slot.place(), algorithm) {
        (KeyPlace::Wallet(_), _) => "zero-block:",
        (KeyPlace::Card(..), Algorithm::Aes128) => "cmac-aes:",
        (KeyPlace::Card(..), Algorithm::Sm4) => "cmac-sm4:",
    }
}

fn by_name(boxes: &[PlannedBox]) -> BTreeMap<String, usize> {
    boxes.iter().enumerate().map(|(at, planned)| (planned.name.clone(), at)).collect()
}

/// Reads fields and notes what is wrong with them.
struct Reader {
    findings: Vec<Finding>,
}

impl Reader {
    #[allow(clippy::needless_pass_by_value, reason = "takes values and references alike")]
    fn wrong(&mut self, check: Check, field: impl ToString, expected: &str, found: impl ToString) {
        self.findings.push(Finding::new(check, expected, found).field(field.to_string()));
    }

    fn parse<T: FromStr>(&mut self, field: &str, text: &str, expected: &str) -> Option<T> {
        let value = text.parse().ok();
        if value.is_none() {
            self.wrong(Check::ManifestField, field, expected, shown(text));
        }
        value
    }

    fn number(&mut self, field: &str, found: u32, expected: u32) {
        if found != expected {
            self.wrong(Check::ManifestField, field, &expected.to_string(), found);
        }
    }

    fn limits(&mut self, limits: &Limits) {
        for (field, percent) in [
            ("limits.scrap-percent", limits.scrap_percent),
            ("limits.spare-percent", limits.spare_percent),
        ] {
            if percent > 100 {
                self.wrong(Check::ManifestField, field, "0 to 100", percent);
            }
        }
    }

    fn profile(&mut self, text: &str) -> Option<(Profile, Algorithm)> {
        match text {
            "cpu-aes" => Some((Profile::CpuAes, Algorithm::Aes128)),
            "cpu-sm4" => Some((Profile::CpuSm4, Algorithm::Sm4)),
            _ => {
                let expected = "cpu-aes or cpu-sm4";
                self.wrong(Check::ManifestField, "batch.profile", expected, shown(text));
                None
            }
        }
    }

    fn key_version(&mut self, number: u32) -> Option<KeyVersion> {
        let version = u8::try_from(number).ok().and_then(KeyVersion::new);
        if version.is_none() {
            self.wrong(Check::ManifestField, "keys.version", "1 to 254", number);
        }
        version
    }

    fn days(&mut self, fields: [&str; 2], texts: [&str; 2]) -> Option<(Date, Date)> {
        let [(a, from), (b, until)] = [(fields[0], texts[0]), (fields[1], texts[1])];
        let from = self.parse::<Date>(a, from, "a day as 2026-07-01");
        let until = self.parse::<Date>(b, until, "a day as 2026-07-01");
        let (from, until) = (from?, until?);
        if until < from {
            self.wrong(Check::ManifestField, b, &format!("{from} or later"), until);
        }
        Some((from, until))
    }

    fn sites(&mut self, texts: &[String]) -> Option<Vec<[u8; 2]>> {
        let expected = "4 hexadecimal digits, one site at least";
        let sites: Vec<_> = texts.iter().filter_map(|text| hex_bytes(text)).collect();
        if sites.is_empty() || sites.len() != texts.len() {
            self.wrong(Check::ManifestField, "batch.sites", expected, texts.len());
            return None;
        }
        Some(sites)
    }

    fn uid_prefix(&mut self, text: &str) -> Option<Vec<u8>> {
        let mut buffer = [0; UID_LEN];
        let prefix = crate::chip::decode_hex(text, &mut buffer).map(<[u8]>::to_vec);
        if prefix.is_none() {
            let expected = "up to 14 hexadecimal digits";
            self.wrong(Check::ManifestField, "batch.uid-prefix", expected, shown(text));
        }
        prefix
    }

    fn range(&mut self, check: Check, field: &str, texts: [&str; 2]) -> Option<SerialRange> {
        let [first, last] = texts.map(|text| text.parse::<CardSerial>().ok());
        let same = |a: CardSerial, b: CardSerial| (a.year(), a.vendor()) == (b.year(), b.vendor());
        match (first, last) {
            (Some(first), Some(last)) if first <= last && same(first, last) => {
                Some(SerialRange { first, last })
            }
            _ => {
                let expected = "two serials of one year and vendor, the smaller one first";
                let [first, last] = texts.map(shown);
                self.wrong(check, field, expected, format!("{first} to {last}"));
                None
            }
        }
    }

    fn ranges(&mut self, manifest: &Manifest, vendor: Option<Digits<2>>) -> Vec<SerialRange> {
        let check = Check::ManifestSerials;
        let mut ranges = Vec::new();
        for (at, range) in manifest.serials.iter().enumerate() {
            let field = format!("serials[{at}]");
            let Some(range) = self.range(check, &field, [&range.first, &range.last]) else {
                continue;
            };
            let number = u64::from(range.first.vendor());
            if vendor.is_some_and(|vendor| vendor.value() % 100 != number) {
                self.wrong(check, field, "serials of the vendor of the batch", range.first);
            }
            ranges.push(range);
        }
        ranges.sort_unstable();
        if manifest.serials.is_empty() {
            self.wrong(check, "serials", "one range at least", "none");
        }
        for (before, after) in ranges.iter().zip(ranges.iter().skip(1)) {
            if after.first <= before.last {
                self.wrong(check, "serials", "ranges without a serial in common", after.first);
            }
        }
        ranges
    }

    fn boxes(&mut self, manifest: &Manifest, serials: &[SerialRange]) -> Vec<PlannedBox> {
        let check = Check::ManifestBoxes;
        let mut boxes: Vec<PlannedBox> = Vec::new();
        for (at, carton) in manifest.boxes.iter().enumerate() {
            let field = format!("box[{at}]");
            let name = carton.id.clone();
            let bad = |c: char| c.is_control() || c.is_whitespace() || c == '"' || c == ',';
            if name.is_empty() || name.chars().count() > MAX_BOX_NAME || name.contains(bad) {
                let expected = "a name of up to 32 characters without spaces, commas and quotes";
                self.wrong(check, &field, expected, shown(&name));
            }
            let range = self.range(check, &field, [&carton.first, &carton.last]);
            let Some(range) = range else { continue };
            if !serials.iter().any(|all| all.contains(range.first) && all.contains(range.last)) {
                self.wrong(check, &field, "serials of the batch", range.first);
            }
            boxes.push(PlannedBox { name, serials: range, count: carton.count });
        }
        self.disjoint(&boxes);
        boxes
    }

    fn disjoint(&mut self, boxes: &[PlannedBox]) {
        let mut names: Vec<_> = boxes.iter().map(|planned| &planned.name).collect();
        names.sort_unstable();
        for (before, after) in names.iter().zip(names.iter().skip(1)) {
            if before == after {
                self.wrong(Check::ManifestBoxes, "box", "names that differ", shown(after));
            }
        }
        let mut ranges: Vec<_> = boxes.iter().map(|planned| planned.serials).collect();
        ranges.sort_unstable();
        for (before, after) in ranges.iter().zip(ranges.iter().skip(1)) {
            if after.first <= before.last {
                let expected = "boxes without a serial in common";
                self.wrong(Check::ManifestBoxes, "box", expected, after.first);
            }
        }
    }

    fn roots(
        &mut self,
        manifest: &Manifest,
        algorithm: Option<Algorithm>,
    ) -> [[u8; 3]; KeySlot::COUNT] {
        let mut values = [[0; 3]; KeySlot::COUNT];
        let known = &manifest.keys.root_kcv;
        for (slot, value) in KeySlot::all().zip(&mut values) {
            let Some(algorithm) = algorithm else { break };
            let method = kcv_method(slot, algorithm);
            let text = known.get(slot.name()).map(String::as_str).unwrap_or_default();
            match text.strip_prefix(method).and_then(hex_bytes) {
                Some(bytes) => *value = bytes,
                None => {
                    let field = format!("keys.root-kcv.{}", slot.name());
                    let expected = format!("{method} and 6 hexadecimal digits");
                    self.wrong(Check::ManifestKeys, field, &expected, shown(text));
                }
            }
        }
        for name in known.keys().filter(|name| KeySlot::from_name(name).is_none()) {
            let field = format!("keys.root-kcv.{}", shown(name));
            self.wrong(Check::ManifestKeys, field, "keys of the schema alone", "another one");
        }
        values
    }
}
