//! What each measure is declared to be invariant and sensitive to.

use crate::support::layers::{
    TOLERANCE, assert_close, compare, gaussian, orthogonal, related, rounded, times,
};
use stratagram::similarity::{Invariance, Measure, Settings};

/// Y after the map that an invariance speaks of.
fn mapped(y: &[f64], p: usize, invariance: Invariance) -> Vec<f64> {
    match invariance {
        Invariance::Scaling => y.iter().map(|y| 0.037 * y).collect(),
        Invariance::Translation => {
            let offsets = gaussian(1, p, 5);
            y.iter().enumerate().map(|(k, y)| y + 20.0 * offsets[k % p]).collect()
        }
        Invariance::FeatureOrder => {
            y.chunks(p).flat_map(|row| row.iter().rev().copied()).collect()
        }
        Invariance::Orthogonal => times(y, &orthogonal(p), p),
        Invariance::Linear => {
            let stretch = |k: usize| 0.05 + (k % p).pow(2) as f64;
            times(
                &y.iter().enumerate().map(|(k, y)| y * stretch(k)).collect::<Vec<_>>(),
                &orthogonal(p),
                p,
            )
        }
    }
}

const ALL_INVARIANCES: [Invariance; 5] = [
    Invariance::Scaling,
    Invariance::Translation,
    Invariance::FeatureOrder,
    Invariance::Orthogonal,
    Invariance::Linear,
];

/// What a measure declares holds; what it does not declare changes it.
#[test]
fn invariances_are_those_declared_and_no_more() {
    let (n, p) = (120, 17);
    let [x, y] = related(n, p);
    let original = rounded(&x);
    let settings = Settings::default();
    for &measure in Measure::ALL {
        // The mapped one comes first: the weights of PWCCA are its.
        let of = |y: &[f64]| {
            compare(&[&rounded(y), &original], n, measure, &settings).value(0, 1)
        };
        let value = of(&y);
        for invariance in ALL_INVARIANCES {
            let difference = (of(&mapped(&y, p, invariance)) - value).abs();
            let what = format!("{} under {invariance:?}: {difference:e}", measure.name());
            if measure.invariances().contains(&invariance) {
                assert!(difference < TOLERANCE, "{what}");
            } else {
                assert!(difference > 1e-3, "{what}");
            }
        }
    }
}

/// Guards against correlations over the wrong axis, and against tests that a constant would
/// pass: all measures tell equal from shuffled examples.
#[test]
fn measures_know_equal_from_shuffled_examples() {
    let (n, p) = (120, 17);
    let [x, y] = related(n, p);
    let permuted = |x: &[f64]| -> Vec<f32> {
        (0..n)
            .flat_map(|i| x[(i * 7 % n) * p..][..p].to_vec())
            .map(|x| x as f32)
            .collect()
    };
    for &measure in Measure::ALL {
        let settings = Settings::default();
        let of =
            |a: &[f32], b: &[f32]| compare(&[a, b], n, measure, &settings).value(0, 1);
        let (a, b) = (rounded(&x), rounded(&y));
        let (value, moved) = (of(&a, &b), of(&permuted(&x), &permuted(&y)));
        assert_close(moved, value, TOLERANCE, measure.name());
        // The angle of almost equal ones has half the digits.
        let best = if measure.is_distance() { 0.0 } else { 1.0 };
        assert_close(of(&a, &a), best, 1e-5, measure.name());
        let shuffled = of(&a, &permuted(&x));
        assert!((shuffled - best).abs() > 0.2, "{}: {shuffled}", measure.name());
        // Neither copies nor views share memory: ReLU after the fact changes nothing.
        let mut relu = a.clone();
        relu.iter_mut().for_each(|x| *x = x.max(0.0));
        assert!((of(&a, &relu) - best).abs() > 1e-3, "{}", measure.name());
    }
}

/// Guards against Gram matrices of uncentred features, absolute thresholds, and squares that
/// leave the range of f32, in all measures.
#[test]
fn offsets_and_units_cost_no_digits() {
    let (n, p) = (100, 30);
    let pair = related(n, p);
    let settings = Settings::default();
    let precise = |measure: Measure, map: &dyn Fn(f64, usize) -> f64| {
        let signature = |x: &Vec<f64>| {
            let x: Vec<f64> = x
                .iter()
                .enumerate()
                .map(|(k, x)| f64::from(map(*x, k % p) as f32))
                .collect();
            measure.signature(&x, n, p, &settings).unwrap()
        };
        let (a, b) = (signature(&pair[0]), signature(&pair[1]));
        measure.matrix(&[Ok(&a), Ok(&b)], n, &settings).value(0, 1)
    };
    for &measure in Measure::ALL {
        let single = |map: &dyn Fn(f64, usize) -> f64| {
            let layers = pair.each_ref().map(|x| -> Vec<f32> {
                x.iter().enumerate().map(|(k, x)| map(*x, k % p) as f32).collect()
            });
            compare(&[&layers[0], &layers[1]], n, measure, &settings).value(0, 1)
        };
        for offset in [30.0, 1000.0, 10_000.0] {
            let map = |x: f64, j: usize| x + offset * (0.5 + j as f64 / p as f64);
            let what = format!("{} at offset {offset}", measure.name());
            assert_close(single(&map), precise(measure, &map), TOLERANCE, &what);
        }
        let plain = single(&|x, _| x);
        for scale in [1e-30, 1e-10, 1e10, 1e30] {
            let what = format!("{} at scale {scale:e}", measure.name());
            // Rounding to f32 at another scale moves the features themselves.
            assert_close(single(&|x, _| x * scale), plain, 1e-4, &what);
        }
    }
}

/// The metric axioms of the angular shape metric (Williams et al. 2021).
#[test]
fn the_shape_metric_is_a_metric() {
    let (n, p) = (40, 6);
    let layers: Vec<Vec<f32>> = (0..7)
        .map(|t| {
            let noise = gaussian(n, p, 20 + t);
            let base = gaussian(n, p, 4);
            rounded(
                &base
                    .iter()
                    .zip(noise)
                    .map(|(b, e)| b + 0.3 * t as f64 * e)
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    let layers: Vec<&[f32]> = layers.iter().map(Vec::as_slice).collect();
    let matrix = compare(&layers, n, Measure::Shape, &Settings::default());
    for i in 0..7 {
        for j in 0..7 {
            assert_eq!(matrix.value(i, j).to_bits(), matrix.value(j, i).to_bits());
            for k in 0..7 {
                let detour = matrix.value(i, k) + matrix.value(k, j);
                assert!(matrix.value(i, j) <= detour + 1e-6, "({i}, {k}, {j})");
            }
        }
    }
}
