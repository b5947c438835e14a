//! Key check values: recomputed from the roots, and told apart when they are wrong.

use core::fmt;
use std::collections::BTreeMap;

use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::kcv::Kcv;
use xuejika_keyscheme::key::{Card, Key};
use xuejika_keyscheme::legacy::{NoWalletRoot, PurchaseKey, TdesKey, WalletKeyType, WalletRoots};
use xuejika_keyscheme::provider::{KeyProvider, Path, ProviderError, TestRoots};
use xuejika_keyscheme::{Algorithm, KeyVersion};

use crate::catalogue::Check;
use crate::finding::{Finding, Place};
use crate::plan::Plan;
use crate::row::Row;
use crate::schema::{Column, KeyPlace, KeySlot};

/// A key check value.
type Value = [u8; 3];

/// Keys that cards come with, and that documents print.
const DEFAULTS: [(&str, [u8; 16]); 8] = [
    ("all zero", [0x00; 16]),
    ("all FF", [0xFF; 16]),
    ("all 01", [0x01; 16]),
    ("40 to 4F", *b"@ABCDEFGHIJKLMNO"),
    ("00 to 0F", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    (
        "0011..FF",
        [
            0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD,
            0xEE, 0xFF,
        ],
    ),
    (
        "0123456789ABCDEF twice",
        [
            0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB,
            0xCD, 0xEF,
        ],
    ),
    ("ASCII digits", *b"1234567890123456"),
];

/// The weak DES keys that are not among [`DEFAULTS`] (SP 800-67), both halves alike.
const WEAK: [[u8; 8]; 2] = [
    [0xE0, 0xE0, 0xE0, 0xE0, 0xF1, 0xF1, 0xF1, 0xF1],
    [0x1F, 0x1F, 0x1F, 0x1F, 0x0E, 0x0E, 0x0E, 0x0E],
];

/// The roots that are here.
#[derive(Clone, Copy, Default)]
pub struct Roots<'a> {
    /// The city's.
    pub city: Option<&'a (dyn KeyProvider + Sync)>,
    /// The transit operator's.
    pub wallet: Option<&'a WalletRoots>,
}

impl fmt::Debug for Roots<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").finish_non_exhaustive()
    }
}

/// Where the keys of a batch come from.
pub struct KeySource<'a> {
    roots: Roots<'a>,
    version: KeyVersion,
    algorithm: Algorithm,
}

impl fmt::Debug for KeySource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySource").field("version", &self.version).finish_non_exhaustive()
    }
}

impl<'a> KeySource<'a> {
    /// Keys of this version and algorithm from these roots, as far as they are here.
    #[must_use]
    pub const fn new(roots: Roots<'a>, version: KeyVersion, algorithm: Algorithm) -> Self {
        Self { roots, version, algorithm }
    }

    /// The check value of a root; none if it is not here.
    ///
    /// # Errors
    /// Returns a [`ProviderError`] when the place of the roots fails.
    pub fn root(&self, slot: KeySlot) -> Result<Option<Value>, ProviderError> {
        let value = match (slot.place(), slot.id(self.version, self.algorithm)) {
            (KeyPlace::Wallet(code), _) => {
                Ok(self.wallet(code, WalletRoots::kcv).map(|kcv| kcv.bytes()))
            }
            (KeyPlace::Card(..), id) => match (self.roots.city, id) {
                (Some(roots), Some(id)) => roots.kcv(&id).map(|kcv| Some(kcv.bytes())),
                _ => Ok(None),
            },
        };
        or_absent(value)
    }

    /// The check values of one key on many cards, in their order. Education and extension keys are
    /// named by card serials, wallet keys by wallet card numbers. None if the root is not here.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn check_values(
        &self,
        slot: KeySlot,
        cards: &[[u8; 8]],
    ) -> Result<Option<Vec<Value>>, ProviderError> {
        let id = slot.id(self.version, self.algorithm);
        match (slot.place(), self.roots.city, id) {
            (KeyPlace::Wallet(code), ..) => {
                let values = self.wallet(code, |roots, key_type| roots.card_kcvs(key_type, cards));
                Ok(values.map(|values| values.iter().map(Kcv::bytes).collect()))
            }
            (KeyPlace::Card(..), Some(roots), Some(id)) => {
                let cards: Vec<_> = cards.iter().copied().map(CardId).collect();
                let values = roots.card_kcvs(&id, &cards);
                or_absent(values.map(|values| Some(values.iter().map(Kcv::bytes).collect())))
            }
            _ => Ok(None),
        }
    }

    /// What [`Self::check_values`] gives, one card at a time with the library's single-block ciphers:
    /// the measure of how much the other way gains.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn check_values_singly(
        &self,
        slot: KeySlot,
        cards: &[[u8; 8]],
    ) -> Result<Option<Vec<Value>>, ProviderError> {
        let id = slot.id(self.version, self.algorithm);
        match (slot.place(), self.roots.city, id) {
            (KeyPlace::Wallet(code), ..) => Ok(self.wallet(code, |roots, key_type| {
                let one = |number: &[u8; 8]| Ok(roots.card_kcv(key_type, *number)?.bytes());
                cards.iter().map(one).collect()
            })),
            (KeyPlace::Card(..), Some(roots), Some(id)) => {
                let one = |card: &[u8; 8]| {
                    Ok(roots.card_key(&id, Path::City, CardId(*card))?.kcv().bytes())
                };
                or_absent(cards.iter().map(one).collect::<Result<_, _>>().map(Some))
            }
            _ => Ok(None),
        }
    }

    /// What the wallet roots give for a key type; none if its root is not here.
    fn wallet<T>(
        &self,
        code: u8,
        give: impl FnOnce(&WalletRoots, WalletKeyType) -> Result<T, NoWalletRoot>,
    ) -> Option<T> {
        give(self.roots.wallet?, WalletKeyType::new(code)?).ok()
    }

    /// The key of one card in another version, or from another place.
    fn card_key(
        &self,
        roots: &dyn KeyProvider,
        slot: KeySlot,
        card: CardId,
        version: Option<KeyVersion>,
    ) -> Option<Key<Card>> {
        roots.card_key(&slot.id(version?, self.algorithm)?, Path::City, card).ok()
    }
}

/// A root that is not there is no failure here: its keys stay unchecked.
fn or_absent<T>(result: Result<Option<T>, ProviderError>) -> Result<Option<T>, ProviderError> {
    match result {
        Err(ProviderError::NoRoot(_)) => Ok(None),
        other => other,
    }
}

/// Compares the roots with the manifest, before any row.
///
/// # Errors
/// As [`KeySource::root`].
pub fn check_roots(source: &KeySource<'_>, plan: &Plan) -> Result<Vec<Finding>, ProviderError> {
    let mut findings = Vec::new();
    let mut absent = Vec::new();
    let mut known = BTreeMap::new();
    for (slot, declared) in KeySlot::all().zip(plan.root_kcv) {
        let field = format!("keys.root-kcv.{}", slot.name());
        match source.root(slot)? {
            None => absent.push(slot.name()),
            Some(value) if value != declared => {
                let finding = Finding::new(Check::KeyRootOther, hex(declared), hex(value));
                findings.push(finding.field(field.clone()));
            }
            Some(_) => {}
        }
        let wallet = slot.is_wallet();
        if let Some(other) = known.insert((wallet, declared), slot) {
            let found = format!("{}, as {}", hex(declared), other.name());
            findings.push(Finding::new(Check::KeyRootsEqual, "another one", found).field(field));
        }
    }
    if !absent.is_empty() {
        let found = absent.join(" ");
        findings.push(Finding::new(Check::KeyNotChecked, "roots of all keys", found));
    }
    Ok(findings)
}

/// What came out of a block of rows.
#[derive(Debug)]
pub struct Checked {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Number of check values that were recomputed.
    pub values: u64,
}

/// Recomputes the check values of a block of rows.
///
/// # Errors
/// As [`KeySource::root`].
pub fn check_block(
    source: &KeySource<'_>,
    known: &KnownValues,
    rows: &[(Place, Row)],
) -> Result<Checked, ProviderError> {
    let mut expected = vec![[None; KeySlot::COUNT]; rows.len()];
    let mut values = 0;
    for slot in KeySlot::all() {
        let (places, cards) = cards_with(slot, rows);
        let Some(computed) = source.check_values(slot, &cards)? else { continue };
        values += computed.len() as u64;
        for (at, value) in places.into_iter().zip(computed) {
            let cell = expected.get_mut(at).and_then(|row| row.get_mut(slot.index()));
            cell.into_iter().for_each(|cell| *cell = Some(value));
        }
    }
    let wrong = |(row, expected): (&(Place, Row), &[Option<Value>; KeySlot::COUNT])| {
        row_findings(source, known, row, expected)
    };
    Ok(Checked { findings: rows.iter().zip(&expected).flat_map(wrong).collect(), values })
}

/// The rows that have a check value of this key, and the numbers of their cards.
fn cards_with(slot: KeySlot, rows: &[(Place, Row)]) -> (Vec<usize>, Vec<[u8; 8]>) {
    let number = |row: &Row| match slot.place() {
        KeyPlace::Wallet(_) => row.wallet_number,
        KeyPlace::Card(..) => row.serial.map(|serial| serial.bytes()),
    };
    rows.iter()
        .enumerate()
        .filter(|(_, (_, row))| row.kcv.get(slot.index()).is_some_and(Option::is_some))
        .filter_map(|(at, (_, row))| Some((at, number(row)?)))
        .unzip()
}

/// One finding per kind of fault, naming all columns that have it.
fn row_findings(
    source: &KeySource<'_>,
    known: &KnownValues,
    (place, row): &(Place, Row),
    expected: &[Option<Value>; KeySlot::COUNT],
) -> Vec<Finding> {
    let mut by_check: BTreeMap<Check, (Vec<&str>, String, String)> = BTreeMap::new();
    for ((slot, found), value) in KeySlot::all().zip(row.kcv).zip(expected) {
        let (Some(found), Some(value)) = (found, *value) else { continue };
        if found != value {
            let (check, what) = diagnose(source, known, row, expected, (slot, found));
            let (columns, ..) = by_check
                .entry(check)
                .or_insert_with(|| (Vec::new(), hex(value), format!("{}{what}", hex(found))));
            columns.push(Column::kcv(slot).name());
        }
    }
    let finding = |(check, (columns, expected, found)): (_, (Vec<_>, _, _))| {
        Finding::new(check, expected, found).field(columns.join(" ")).at(*place)
    };
    by_check.into_iter().map(finding).collect()
}

/// Why a check value is wrong, as far as it can be told.
fn diagnose(
    source: &KeySource<'_>,
    known: &KnownValues,
    row: &Row,
    expected: &[Option<Value>; KeySlot::COUNT],
    (slot, found): (KeySlot, Value),
) -> (Check, String) {
    let wallet = slot.is_wallet();
    if let Some((check, name)) = known.name(wallet, found) {
        return (check, format!(", the key {name}"));
    }
    if source.root(slot).is_ok_and(|root| root == Some(found)) {
        return (Check::KeyRoot, String::new());
    }
    let other = KeySlot::all().zip(expected).find(|(_, value)| **value == Some(found));
    if let Some((other, _)) = other {
        return (Check::KeySwapped, format!(", that of {}", other.name()));
    }
    if let KeyPlace::Wallet(code) = slot.place() {
        return (diagnose_wallet(row, code, found), String::new());
    }
    let Some(card) = row.card_id() else { return (Check::KeyWrong, String::new()) };
    let version = source.version.number();
    for other in [version.wrapping_sub(1), version.wrapping_add(1)] {
        let key = source
            .roots
            .city
            .and_then(|roots| source.card_key(roots, slot, card, KeyVersion::new(other)));
        if key.is_some_and(|key| key.kcv().bytes() == found) {
            return (Check::KeyVersion, format!(", that of version {other:02X}"));
        }
    }
    let key = source
        .roots
        .city
        .and_then(|roots| source.card_key(roots, slot, card, Some(source.version)));
    if let Some(cipher) = key.map(|key| key.cipher()) {
        for value in [Kcv::zero_block(&cipher), Kcv::ones_block(&cipher)] {
            if value.bytes() == found {
                return (Check::KeyMethod, format!(", the {} value", value.method()));
            }
        }
    }
    let test = source.card_key(&TestRoots, slot, card, Some(source.version));
    match test {
        Some(key) if key.kcv().bytes() == found => (Check::KeyTest, String::new()),
        _ => (Check::KeyWrong, String::new()),
    }
}

/// Whether a wrong check value of a wallet key is at least that of the published test key.
fn diagnose_wallet(row: &Row, code: u8, found: Value) -> Check {
    let test = row.wallet_number.zip(WalletKeyType::new(code));
    let test = test.and_then(|(number, it)| WalletRoots::test().card_kcv(it, number).ok());
    if test.is_some_and(|kcv| kcv.bytes() == found) { Check::KeyTest } else { Check::KeyWrong }
}

fn hex([a, b, c]: Value) -> String {
    format!("{a:02X}{b:02X}{c:02X}")
}

/// The check values of keys that no card may have.
#[derive(Clone, Debug)]
pub struct KnownValues {
    card: BTreeMap<Value, (Check, &'static str)>,
    wallet: BTreeMap<Value, (Check, &'static str)>,
}

impl KnownValues {
    /// Computes the values for cards of this algorithm.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let tdes = |bytes| TdesKey::<PurchaseKey>::import_reporting(bytes).0.kcv().bytes();
        let default = |name| (Check::KeyDefault, name);
        let card = DEFAULTS
            .iter()
            .map(|&(name, bytes)| (Key::<Card>::new(algorithm, bytes).kcv().bytes(), default(name)))
            .collect();
        let weak = WEAK.iter().map(|half| {
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(half.iter().cycle()).for_each(|(to, from)| *to = *from);
            (tdes(bytes), (Check::KeyWeak, "weak for DES"))
        });
        let wallet = DEFAULTS
            .iter()
            .map(|&(name, bytes)| (tdes(bytes), default(name)))
            .chain(weak)
            .collect();
        Self { card, wallet }
    }

    fn name(&self, wallet: bool, value: Value) -> Option<(Check, &'static str)> {
        let table = if wallet { &self.wallet } else { &self.card };
        table.get(&value).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xuejika_keyscheme::Zone;

    fn source(wallet: &WalletRoots, algorithm: Algorithm) -> KeySource<'_> {
        let roots = Roots { city: Some(&TestRoots), wallet: Some(wallet) };
        KeySource::new(roots, KeyVersion::FIRST, algorithm)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn many_cards_at_once_are_as_one_by_one(
            cards in proptest::collection::vec(any::<[u8; 8]>(), 0..40),
        ) {
            for algorithm in [Algorithm::Aes128, Algorithm::Sm4] {
                let roots = WalletRoots::test();
                let source = source(&roots, algorithm);
                for slot in KeySlot::all() {
                    let values = source.check_values(slot, &cards).unwrap();
                    prop_assert_eq!(values.as_ref().map(Vec::len), Some(cards.len()));
                    prop_assert_eq!(values, source.check_values_singly(slot, &cards).unwrap());
                }
            }
        }
    }

    #[test]
    fn a_test_key_among_others_is_named() {
        let algorithm = Algorithm::Aes128;
        let slot = KeySlot::from_name("k1").unwrap();
        let id = slot.id(KeyVersion::FIRST, algorithm).unwrap();
        let mut roots = xuejika_keyscheme::provider::Roots::new();
        roots.add(id, Box::new(Key::new(algorithm, *b"a root of a city"))).unwrap();
        let source = KeySource::new(
            Roots { city: Some(&roots), wallet: None },
            KeyVersion::FIRST,
            algorithm,
        );
        let serial = xuejika_card_model::ident::CardSerial::new(26, 1, 1).unwrap();
        let test = TestRoots.card_key(&id, Path::City, CardId(serial.bytes())).unwrap();
        let mut row = Row { serial: Some(serial), ..Row::default() };
        row.kcv[slot.index()] = Some(test.kcv().bytes());
        let known = KnownValues::new(algorithm);
        let checked = check_block(&source, &known, &[(Place::row(1), row)]).unwrap();
        assert_eq!(checked.values, 1);
        let checks: Vec<_> = checked.findings.iter().map(|finding| finding.check).collect();
        assert_eq!(checks, [Check::KeyTest]);
        assert_eq!(id.zone, Zone::EDUCATION);
    }

    #[test]
    fn wallet_keys_are_checked_as_far_as_their_roots_are_here() {
        let algorithm = Algorithm::Aes128;
        let number = [0x10, 0, 0x75, 0x10, 0, 0, 0, 1];
        let (load, purchase) = (0x3F, 0x3E);
        let mut roots = WalletRoots::new();
        roots.add(WalletKeyType::new(purchase).unwrap(), b"an own test root").unwrap();
        let source = KeySource::new(
            Roots { city: None, wallet: Some(&roots) },
            KeyVersion::FIRST,
            algorithm,
        );
        let slot = |name| KeySlot::from_name(name).unwrap();
        let kcv = |roots: &WalletRoots, code| {
            roots.card_kcv(WalletKeyType::new(code).unwrap(), number).unwrap().bytes()
        };
        let test = WalletRoots::test();
        let mut row = Row { wallet_number: Some(number), ..Row::default() };
        row.kcv[slot("w3f").index()] = Some(kcv(&test, load));
        let known = KnownValues::new(algorithm);
        let mut found = |value| {
            row.kcv[slot("w3e").index()] = Some(value);
            let checked = check_block(&source, &known, &[(Place::row(1), row.clone())]).unwrap();
            // The root of w3f is not here.
            assert_eq!(checked.values, 1);
            checked.findings.iter().map(|finding| finding.check).collect::<Vec<_>>()
        };
        assert_eq!(found(kcv(&roots, purchase)), []);
        assert_eq!(found([1, 2, 3]), [Check::KeyWrong]);
        assert_eq!(found(kcv(&test, purchase)), [Check::KeyTest]);
        assert_eq!(
            found(roots.kcv(WalletKeyType::new(purchase).unwrap()).unwrap().bytes()),
            [Check::KeyRoot]
        );
    }
}
