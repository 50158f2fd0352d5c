//! Measures at their limits: more features than examples, dead and broken layers, rank one,
//! a few examples far away.

use crate::support::layers::{assert_close, compare, gaussian, golden, rounded};
use stratagram::similarity::{Dimensions, Estimator, Measure, Settings, Undefined, cka};

#[test]
fn more_features_than_examples_are_ordinary() {
    let (n, p) = (24, 300);
    let x = gaussian(n, p, 1);
    let y: Vec<f64> = x.iter().zip(gaussian(n, p, 2)).map(|(x, e)| x + 0.7 * e).collect();
    let settings = Settings { neighbours: 5, ..Settings::default() };
    for &measure in Measure::ALL {
        let (x, y) = (rounded(&x), rounded(&y));
        let matrix = compare(&[&x, &y], n, measure, &settings);
        let best = if measure.is_distance() { 0.0 } else { 1.0 };
        assert_close(matrix.value(0, 0), best, 1e-5, measure.name());
        let value = matrix.value(0, 1);
        // All directions of 24 examples are in both.
        if matches!(
            measure,
            Measure::Cca | Measure::CcaR2 | Measure::Svcca | Measure::Pwcca
        ) {
            assert_close(value, 1.0, 1e-5, measure.name());
        } else {
            assert!((value - best).abs() > 1e-3, "{}: {value}", measure.name());
        }
    }
}

#[test]
fn dead_broken_and_short_layers_are_undefined_to_every_measure() {
    let settings = Settings::default();
    for &measure in Measure::ALL {
        let reason = |x: &[f32], n: usize| {
            measure.signature(x, n, x.len() / n, &settings).unwrap_err()
        };
        for value in [0.0, 0.1, -3000.7] {
            let dead = vec![value; 40 * 6];
            assert_eq!(reason(&dead, 40), Undefined::DeadLayer, "{}", measure.name());
        }
        let mut broken = rounded(&gaussian(40, 6, 1));
        broken[33] = f32::NAN;
        assert_eq!(reason(&broken, 40), Undefined::NonFinite, "{}", measure.name());
        for n in 1..4 {
            let short = rounded(&gaussian(n, 6, 1));
            assert_eq!(reason(&short, n), Undefined::TooFewExamples { n });
        }
    }
    let few = rounded(&gaussian(10, 6, 1));
    let reason = Measure::MutualKnn.signature(&few, 10, 6, &settings).unwrap_err();
    assert_eq!(reason, Undefined::TooFewNeighbours { n: 10, k: 10 });
    let mut zero = rounded(&gaussian(40, 6, 1));
    zero[12..18].fill(0.0);
    let reason = Measure::MutualKnn.signature(&zero, 40, 6, &settings).unwrap_err();
    assert_eq!(reason, Undefined::ZeroExample);
    zero[12..18].fill(2.0);
    let reason = Measure::Rsa.signature(&zero, 40, 6, &settings).unwrap_err();
    assert_eq!(reason, Undefined::ConstantExample);
    let mut equal = vec![1.0f32; 40 * 2];
    equal[3] = 5.0;
    let reason = Measure::CkaRbf.signature(&equal, 40, 2, &settings).unwrap_err();
    assert_eq!(reason, Undefined::CoincidingExamples);
}

/// One direction: canonical correlations are those of two numbers, the kernels agree.
#[test]
fn rank_one_layers_are_defined() {
    let n = 60;
    let along = gaussian(n, 1, 7);
    let layer = |p: usize, direction: fn(usize) -> f64| -> Vec<f32> {
        (0..n * p).map(|k| (along[k / p] * direction(k % p)) as f32).collect()
    };
    let (a, b) = (layer(7, |c| c as f64 - 2.0), layer(5, |c| (c as f64 + 0.5).sin()));
    for measure in [
        Measure::Cka,
        Measure::CkaRbf,
        Measure::Procrustes,
        Measure::Cca,
        Measure::CcaR2,
        Measure::Svcca,
        Measure::Pwcca,
    ] {
        let matrix = compare(&[&a, &b], n, measure, &Settings::default());
        assert_close(matrix.value(0, 1), 1.0, 1e-5, measure.name());
    }
    let found = Dimensions::of(&a, n, 7).unwrap();
    assert_close(found.effective_rank, 1.0, 1e-4, "effective rank");
    assert_close(found.stable_rank, 1.0, 1e-6, "stable rank");
}

/// Translating a subset far away makes linear CKA a matter of the subset alone (Davari et
/// al. 2022): the limit in closed form, and `Dominance` as the way out of it.
#[test]
fn a_subset_far_away_decides_linear_cka() {
    let [x, ..] = golden();
    for (subset, expected) in [(vec![0], 0.163847423), (vec![0, 3, 5], 0.050730098)] {
        let mut far = x.clone();
        for &i in &subset {
            far[i * 4] += 1e9;
        }
        let signature = |x: &[f64]| cka::signature(x, 12, 4, Estimator::Biased).unwrap();
        let (a, b) = (signature(&x), signature(&far));
        let value = cka::matrix(&[Ok(&a), Ok(&b)], 12, Estimator::Biased).value(0, 1);
        assert_close(value, expected, 1e-6, "limit");
        let fraction = subset.len() as f64 / 12.0 - 1e-9;
        let mut dominance = stratagram::similarity::Dominance::new(12);
        dominance.add(&x);
        dominance.add(&far);
        let kept = dominance.kept(fraction);
        assert!(subset.iter().all(|i| !kept.contains(i)), "{kept:?}");
        assert_eq!(kept.len(), 12 - subset.len());
    }
}
