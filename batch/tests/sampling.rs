//! Sampling plans against published numbers, and the arithmetic against a second way to do it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use xuejika_batch::sampling::{Level, PlanError, SamplePlan, draw};

/// Code letters of single rows of the table, S-1 to III.
const LETTERS: [(u32, &str); 11] = [
    (2, "AAAAAAB"),
    (15, "AAAAABC"),
    (26, "ABBCCDE"),
    (50, "ABBCCDE"),
    (90, "BBCCCEF"),
    (280, "BCDEEGH"),
    (1200, "CCEFGJK"),
    (1201, "CDEGHKL"),
    (35_000, "CDFHKMN"),
    (500_000, "DEGJMPQ"),
    (500_001, "DEHKNQR"),
];

/// Level II: AQL in thousandths of a percent, lot, and the letter, size and acceptance number.
const PLANS: [(u32, u32, char, u32, u32); 16] = [
    (1000, 1_500_000, 'Q', 1250, 21),
    (650, 1_500_000, 'Q', 1250, 14),
    (400, 1_500_000, 'Q', 1250, 10),
    (250, 1_500_000, 'Q', 1250, 7),
    (150, 1_500_000, 'Q', 1250, 5),
    (100, 1_500_000, 'Q', 1250, 3),
    (65, 1_500_000, 'Q', 1250, 2),
    (40, 1_500_000, 'Q', 1250, 1),
    (10, 1_500_000, 'Q', 1250, 0),
    // Arrows: two letters behind the zero plan, one behind it, and before it.
    (25, 1_500_000, 'R', 2000, 1),
    (15, 1_500_000, 'P', 800, 0),
    (10, 1000, 'Q', 1000, 0),
    (1000, 1000, 'J', 80, 2),
    (1000, 20, 'E', 13, 0),
    (6500, 1_500_000, 'L', 200, 21),
    (1500, 1_500_000, 'P', 800, 21),
];

#[test]
fn letters_are_those_of_the_table() {
    for (lot, letters) in LETTERS {
        let found: String = Level::ALL.iter().map(|(level, _)| level.letter(lot)).collect();
        assert_eq!(found, letters, "{lot}");
    }
}

#[test]
fn plans_are_those_of_the_table() {
    for (limit, lot, letter, size, accept) in PLANS {
        let plan = SamplePlan::single(Level::II, limit, lot).unwrap();
        let expected = SamplePlan { lot, size, accept, letter: Some(letter) };
        assert_eq!(plan, expected, "AQL {limit}, lot {lot}");
    }
    assert_eq!(SamplePlan::single(Level::II, 300, 10), Err(PlanError::Limit));
    assert_eq!(SamplePlan::single(Level::II, 1000, 0), Err(PlanError::EmptyLot));
}

#[test]
fn a_lot_of_the_acceptable_quality_is_mostly_accepted() {
    // The standards choose plans so that a lot exactly at the limit passes with about 88 % to 99 %.
    let lot = 3_000_000;
    for limit in [10, 15, 25, 40, 65, 100, 150, 250, 400, 650, 1000, 1500, 2500, 4000, 6500] {
        for (level, name) in Level::ALL {
            let plan = SamplePlan::single(level, limit, lot).unwrap();
            let passes = plan.acceptance(lot / 100_000 * limit);
            // Plans reached by an arrow are harder or easier, but never absurd.
            assert!((0.77..0.9995).contains(&passes), "{limit} {name}: {plan:?} {passes}");
        }
    }
}

#[test]
fn samples_without_failure_prove_what_is_published() {
    // 1 - 0.05^(1/n), in hundredths of a percent, for lots that are large beside the sample.
    for (size, bound) in [(125, 2.37), (500, 0.597), (1250, 0.239)] {
        let plan = SamplePlan { lot: 1_500_000, size, accept: 0, letter: None };
        let percent = f64::from(plan.proves(0)) / 15_000.0;
        assert!((percent - bound).abs() < bound / 100.0, "{size}: {percent}");
    }
    // ln 0.05 / ln 0.9999 = 29 956 for an endless lot, a little less for this one.
    let plan = SamplePlan::zero_failure(0.0001, 1_500_000).unwrap();
    assert!((29_400..29_956).contains(&plan.size), "{plan:?}");
}

#[test]
fn a_zero_failure_plan_is_the_smallest_that_proves_it() {
    for (share, lot) in [(0.01, 100), (0.01, 5000), (0.002, 250_000), (0.5, 3), (0.0001, 50)] {
        let plan = SamplePlan::zero_failure(share, lot).unwrap();
        let most = share * f64::from(lot);
        assert!(f64::from(plan.proves(0)) <= most.max(0.0), "{plan:?}");
        if plan.size > 1 {
            let smaller = SamplePlan { size: plan.size - 1, ..plan };
            assert!(f64::from(smaller.proves(0)) > most, "{plan:?}");
        }
    }
    for share in [0.0, 1.0, -1.0, f64::NAN] {
        assert_eq!(SamplePlan::zero_failure(share, 10), Err(PlanError::Share));
    }
}

/// The same probability by counting all samples.
fn counted(lot: u32, failing: u32, size: u32, accept: u32) -> f64 {
    let (mut all, mut good) = (0_u32, 0_u32);
    for sample in 0_u32..1 << lot {
        if sample.count_ones() == size {
            all += 1;
            let failures = (sample & ((1 << failing) - 1)).count_ones();
            good += u32::from(failures <= accept);
        }
    }
    f64::from(good) / f64::from(all)
}

#[test]
fn probabilities_are_those_of_counting() {
    for lot in 1..=9 {
        for failing in 0..=lot {
            for size in 0..=lot {
                for accept in 0..=lot {
                    let plan = SamplePlan { lot, size, accept, letter: None };
                    let expected = counted(lot, failing, size, accept);
                    let found = plan.acceptance(failing);
                    assert!((found - expected).abs() < 1e-12, "{plan:?} {failing}: {found}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_draw_has_its_size_and_every_box_its_share(
        boxes in proptest::collection::vec(0..400_u32, 0..40), size in 0..5000_u32, seed: u64,
    ) {
        let mut state = seed;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state ^ state.rotate_left(29)
        };
        let drawn = draw(&boxes, size, &mut random);
        let all: u32 = boxes.iter().sum();
        let taken: usize = drawn.iter().map(std::collections::BTreeSet::len).sum();
        prop_assert_eq!(taken, size.min(all) as usize);
        for (cards, place) in boxes.iter().zip(&drawn) {
            prop_assert!(place.iter().all(|card| card < cards));
            let share = f64::from(*cards) * f64::from(size.min(all)) / f64::from(all.max(1));
            prop_assert!((place.len() as f64 - share).abs() < 1.0);
        }
    }
}

#[test]
fn every_card_is_drawn_about_as_often() {
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let mut times: BTreeMap<u32, u32> = BTreeMap::new();
    for _ in 0..20_000 {
        for card in &draw(&[10], 3, &mut random)[0] {
            *times.entry(*card).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 10);
    assert!(times.values().all(|count| (5600..6400).contains(count)), "{times:?}");
}
