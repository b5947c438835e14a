//! Key components: what was split comes together again, and nothing else is taken.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
#![allow(clippy::cast_possible_truncation, reason = "test code")]

mod rng;

use proptest::prelude::*;
use rng::TestRng;
use xuejika_keyscheme::ceremony::{
    CeremonyError, Component, ComponentError, MAX_COMPONENTS, MIN_COMPONENTS, ParityRule, Part,
    PartFault, Place, RECOMMENDED_COMPONENTS, assemble, combine, split,
};
use xuejika_keyscheme::key::Root;
use xuejika_keyscheme::keyblock::rand_core::Rng;
use xuejika_keyscheme::keyblock::{KeyKind, KeyMaterial};
use xuejika_keyscheme::weak::WeakKey;
use xuejika_keyscheme::{Algorithm, Key};

const KINDS: [KeyKind; 7] = [
    KeyKind::Aes128,
    KeyKind::Aes192,
    KeyKind::Aes256,
    KeyKind::Sm4,
    KeyKind::Des,
    KeyKind::Tdes2,
    KeyKind::Tdes3,
];

fn random(kind: KeyKind, seed: u64) -> KeyMaterial {
    let mut bytes = vec![0; kind.len()];
    TestRng(seed).fill_bytes(&mut bytes);
    KeyMaterial::new(kind, &bytes).unwrap().with_odd_parity()
}

/// A component whose custodian makes no mistake.
fn enter(kind: KeyKind, bytes: &[u8]) -> Result<Component, ComponentError> {
    let printed = KeyMaterial::new(kind, bytes)?.kcv().bytes();
    Component::enter(kind, bytes, printed, ParityRule::Any)
}

proptest! {
    #[test]
    fn combine_reverses_split(
        kind in prop::sample::select(&KINDS[..]),
        parts in MIN_COMPONENTS..=MAX_COMPONENTS,
        seed: u64,
    ) {
        let key = random(kind, seed);
        let mut split = split(&key, parts, &mut TestRng(!seed)).unwrap();
        prop_assert_eq!(split.len(), parts);
        let combined = assemble(&split);
        prop_assert_eq!(combined.as_ref(), Ok(&key));
        split.rotate_left(seed as usize % parts);
        let components = components(&split);

        // As typed in by the custodians, in any order.
        let mut entered: Vec<_> = components
            .iter()
            .map(|part| Component::enter(kind, part.expose(), part.kcv().bytes(), ParityRule::Odd))
            .collect::<Result<_, _>>()
            .unwrap();
        entered.reverse();
        prop_assert_eq!(combine(&entered, None), Ok(key));

        // One missing is named; without their places, it gives another key.
        let place = split[0].place;
        let (number, count) = (place.number(), place.count());
        prop_assert_eq!(assemble(&split[1..]), Err(CeremonyError::Missing { number, count }));
        if parts > MIN_COMPONENTS {
            let without = combine(&components[1..], Some(place.key().bytes()));
            prop_assert!(matches!(without, Err(CeremonyError::CheckValue(_))));
        }
    }
}

fn components(parts: &[Part]) -> Vec<Component> {
    parts.iter().map(|part| part.component.clone()).collect()
}

#[test]
fn foreign_and_repeated_components_are_named() {
    let keys = [1, 2].map(|seed| random(KeyKind::Aes128, seed));
    let [one, two] =
        keys.each_ref().map(|key| split(key, 3, &mut TestRng(key.expose()[0].into())).unwrap());
    let [actual, expected] = [&keys[1], &keys[0]].map(KeyMaterial::kcv);
    let foreign = [one[0].clone(), one[1].clone(), two[2].clone()];
    let fault = PartFault::Key { actual, expected };
    assert_eq!(assemble(&foreign), Err(CeremonyError::Part { at: 2, fault }));
    let repeated = [one[0].clone(), one[2].clone(), one[2].clone()];
    let fault = PartFault::Repeated(3);
    assert_eq!(assemble(&repeated), Err(CeremonyError::Part { at: 2, fault }));
    // Another split of the same key.
    let again = split(&keys[0], 4, &mut TestRng(9)).unwrap();
    let fault = PartFault::Count { actual: 4, expected: 3 };
    let mixed = [one[0].clone(), again[1].clone()];
    assert_eq!(assemble(&mixed), Err(CeremonyError::Part { at: 1, fault }));
    // One that says it belongs here and does not.
    let forged = Part { place: one[2].place, component: two[2].component.clone() };
    let wrong = assemble(&[one[0].clone(), one[1].clone(), forged]);
    assert!(matches!(wrong, Err(CeremonyError::CheckValue(_))));
    let same_count = split(&keys[0], 3, &mut TestRng(9)).unwrap();
    let wrong = assemble(&[one[0].clone(), one[1].clone(), same_count[2].clone()]);
    assert!(matches!(wrong, Err(CeremonyError::CheckValue(_))));
    assert_eq!(assemble(&[]), Err(CeremonyError::TooFew(0)));
}

#[test]
fn places_are_of_two_to_sixteen() {
    let key = random(KeyKind::Aes128, 1);
    for (number, count) in [(0, 2), (3, 2), (1, 1), (1, 0), (1, 17), (17, 16)] {
        let error = Place::new(number, count, key.kcv()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("component {number} of {count}, expected")), "{error}");
    }
    assert!(Place::new(16, 16, key.kcv()).is_ok());
    assert_eq!(split(&key, 17, &mut TestRng(1)).unwrap_err(), CeremonyError::TooMany(17));
}

#[test]
fn every_mistyped_bit_is_noticed() {
    for kind in KINDS {
        let part = random(kind, 1);
        let printed = part.kcv().bytes();
        for bit in 0..8 * kind.len() {
            let mut bytes = part.expose().to_vec();
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
            let refused = Component::enter(kind, &bytes, printed, ParityRule::Odd).unwrap_err();
            if kind.has_parity() && bit % 8 == 7 {
                assert_eq!(refused, ComponentError::Parity);
                assert!(Component::enter(kind, &bytes, printed, ParityRule::Any).is_ok());
            } else {
                assert!(matches!(refused, ComponentError::CheckValue(_)));
            }
        }
    }
}

#[test]
fn three_components_are_recommended_and_two_needed() {
    assert_eq!((MIN_COMPONENTS, RECOMMENDED_COMPONENTS), (2, 3));
    let key = random(KeyKind::Aes128, 1);
    for parts in [0, 1] {
        let refused = split(&key, parts, &mut TestRng(2)).unwrap_err();
        assert_eq!(refused, CeremonyError::TooFew(parts));
        let components = components(&split(&key, 2, &mut TestRng(2)).unwrap());
        assert_eq!(combine(&components[..parts], None), Err(CeremonyError::TooFew(parts)));
    }
    assert_eq!(CeremonyError::TooFew(1).to_string(), "1 components, expected at least 2");
}

#[test]
fn equal_components_are_refused_whatever_their_parity() {
    for kind in KINDS {
        let part = random(kind, 1);
        let other = random(kind, 2);
        let entered = |key: &KeyMaterial| enter(kind, key.expose()).unwrap();
        let components = [entered(&part), entered(&other), entered(&part)];
        assert_eq!(combine(&components, None), Err(CeremonyError::Equal));
        if kind.has_parity() {
            let even: Vec<u8> = part.expose().iter().map(|byte| byte ^ 1).collect();
            let components = [entered(&part), enter(kind, &even).unwrap()];
            assert_eq!(combine(&components, None), Err(CeremonyError::Equal));
        }
    }
}

#[test]
fn components_of_different_kinds_are_refused() {
    let components = [KeyKind::Aes128, KeyKind::Aes256].map(|kind| {
        let part = random(kind, 1);
        enter(kind, part.expose()).unwrap()
    });
    let (actual, expected) = (KeyKind::Aes256, KeyKind::Aes128);
    assert_eq!(combine(&components, None), Err(CeremonyError::Kind { actual, expected }));
    let long = Component::enter(KeyKind::Aes128, &[1; 17], [0; 3], ParityRule::Any);
    assert_eq!(long.unwrap_err().to_string(), "component: key has 17 bytes, expected 16");
}

/// Components that add up to `key`.
fn components_of(kind: KeyKind, key: &[u8]) -> [Component; 3] {
    let (one, two) = (random(kind, 1), random(kind, 2));
    let three: Vec<u8> =
        key.iter().zip(one.expose()).zip(two.expose()).map(|((a, b), c)| a ^ b ^ c).collect();
    [one.expose(), two.expose(), &three].map(|bytes| enter(kind, bytes).unwrap())
}

#[test]
fn degenerate_keys_are_refused() {
    let good = *b"\x01\x23\x45\x67\x89\xAB\xCD\xEF";
    let other = *b"\xFE\xDC\xBA\x98\x76\x54\x32\x10";
    let weak = *b"\x1F\x1F\x1F\x1F\x0E\x0E\x0E\x0E";
    let semi_weak = *b"\x01\xFE\x01\xFE\x01\xFE\x01\xFE";
    let weak_without_parity = *b"\x1E\x1E\x1E\x1E\x0E\x0E\x0E\x0E";
    let good_without_parity = good.map(|byte| byte ^ 1);
    for (kind, key) in [
        (KeyKind::Aes128, vec![0; 16]),
        (KeyKind::Aes256, vec![0; 32]),
        (KeyKind::Sm4, vec![0; 16]),
        (KeyKind::Aes128, vec![0xFF; 16]),
        (KeyKind::Aes192, [good, good, good].concat()),
        (KeyKind::Sm4, [good, good].concat()),
        (KeyKind::Des, vec![1; 8]),
        (KeyKind::Des, weak_without_parity.to_vec()),
        (KeyKind::Tdes2, vec![0; 16]),
        (KeyKind::Tdes2, [weak, good].concat()),
        (KeyKind::Tdes2, [good, semi_weak].concat()),
        (KeyKind::Tdes2, [good, good].concat()),
        (KeyKind::Tdes2, [good, good_without_parity].concat()),
        (KeyKind::Tdes3, [good, other, good].concat()),
        (KeyKind::Tdes3, [good, other, good_without_parity].concat()),
        (KeyKind::Tdes3, [good, other, weak_without_parity].concat()),
    ] {
        let refused = combine(&components_of(kind, &key), None);
        let weak = CeremonyError::Weak(WeakKey(kind));
        assert_eq!(refused, Err(weak), "{kind}: {key:02X?}");
        let key = KeyMaterial::new(kind, &key).unwrap().with_odd_parity();
        let refused = split(&key, 3, &mut TestRng(1)).unwrap_err();
        assert_eq!(refused, weak, "{kind}");
    }
    let key = [good, other].concat();
    let combined = combine(&components_of(KeyKind::Tdes2, &key), None).unwrap();
    assert_eq!(combined.expose(), key);
}

#[test]
fn a_zero_component_and_even_parity_are_refused() {
    let zero = [0; 16];
    assert_eq!(enter(KeyKind::Sm4, &zero).unwrap_err(), ComponentError::Zero);
    assert_eq!(enter(KeyKind::Tdes2, &[1; 16]).unwrap_err(), ComponentError::Zero);
    let even = KeyMaterial::new(KeyKind::Tdes2, b"0123456789ABCDEF").unwrap();
    assert_eq!(split(&even, 2, &mut TestRng(1)).unwrap_err(), CeremonyError::Parity);
}

#[test]
fn check_values_name_their_method() {
    for (kind, method) in [
        (KeyKind::Aes128, "cmac-aes:"),
        (KeyKind::Aes256, "cmac-aes:"),
        (KeyKind::Sm4, "cmac-sm4:"),
        (KeyKind::Tdes2, "zero-block:"),
    ] {
        let part = random(kind, 1);
        let component = enter(kind, part.expose()).unwrap();
        assert!(component.kcv().to_string().starts_with(method));
        assert_eq!(component.kcv(), part.kcv());
        let refused = Component::enter(kind, part.expose(), [0; 3], ParityRule::Odd).unwrap_err();
        let method = method.trim_end_matches(':');
        let message = format!("component does not have the printed {method} check value");
        assert_eq!(refused.to_string(), message);
    }
}

#[test]
fn a_root_can_be_split_and_comes_back() {
    for algorithm in [Algorithm::Aes128, Algorithm::Sm4] {
        let root = Key::<Root>::new(algorithm, *b"a root of 16 by.");
        let parts = split(&KeyMaterial::from(&root), 3, &mut TestRng(1)).unwrap();
        assert_eq!(assemble(&parts).unwrap().to_key::<Root>(), Some(root));
    }
    assert_eq!(random(KeyKind::Tdes2, 1).to_key::<Root>(), None);
}

#[test]
fn no_secret_is_printed() {
    let component = enter(KeyKind::Sm4, &[0xA5; 16]).unwrap();
    assert_eq!(format!("{component:?}"), "Component(SM4)");
}
