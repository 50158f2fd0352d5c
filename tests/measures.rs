//! Every measure against values worked out in f64 by definition, and what each is declared
//! to be invariant and sensitive to.

use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stratagram::array_file::{Array, read_npy};
use stratagram::similarity::neighbours::{self, Nearness};
use stratagram::similarity::{
    Columns, Dimensions, EpochMatrix, Estimator, FeatureSignature, Invariance, Measure,
    Settings, Undefined, alignment, cka, feature_matrix, rbf, streamed_signature,
};

const TOLERANCE: f64 = 1e-5;

fn oracle(name: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(name).join(file)
}

fn expected(name: &str) -> serde_json::Value {
    let json = std::fs::read_to_string(oracle(name, "expected.json")).unwrap();
    serde_json::from_str(&json).unwrap()
}

#[track_caller]
fn assert_close(actual: f64, expected: f64, tolerance: f64, what: &str) {
    let difference = (actual - expected).abs();
    assert!(
        difference <= tolerance,
        "{what}: {actual} is not {expected}; they differ by {difference:e} > {tolerance:e}"
    );
}

fn compare(
    layers: &[&[f32]],
    n: usize,
    measure: Measure,
    settings: &Settings,
) -> EpochMatrix {
    let signatures: Vec<_> =
        layers.iter().map(|x| measure.signature(x, n, x.len() / n, settings)).collect();
    let signatures: Vec<_> =
        signatures.iter().map(|s| s.as_deref().map_err(|&reason| reason)).collect();
    measure.matrix(&signatures, n, settings)
}

/// The oracle's name of a measure, and the settings it stands for.
fn cases() -> Vec<(&'static str, Measure, Settings)> {
    let debiased = Settings::default();
    let with = |estimator| Settings { estimator, ..debiased };
    vec![
        ("cka_linear_biased", Measure::Cka, with(Estimator::Biased)),
        ("cka_linear_debiased", Measure::Cka, debiased),
        ("cka_linear_minibatch64", Measure::Cka, with(Estimator::Minibatch { size: 64 })),
        ("cka_rbf05_biased", Measure::CkaRbf, with(Estimator::Biased)),
        ("cka_rbf05_debiased", Measure::CkaRbf, debiased),
        ("procrustes_nuclear", Measure::Procrustes, debiased),
        ("cca_mean", Measure::Cca, debiased),
        ("svcca99_mean", Measure::Svcca, debiased),
        ("pwcca", Measure::Pwcca, debiased),
        ("mutual_knn10_cosine", Measure::MutualKnn, debiased),
        ("rsa_spearman", Measure::Rsa, debiased),
    ]
}

#[test]
fn every_measure_meets_the_oracles() {
    for (name, n_epochs) in [("activations-small", 5), ("activations-offset", 4)] {
        let expected = expected(name);
        let arrays: Vec<Array> = (0..n_epochs)
            .map(|t| read_npy(&oracle(name, &format!("epoch-{t:06}.npy"))).unwrap())
            .collect();
        let n = arrays[0].shape[0];
        let layers: Vec<Vec<f32>> = arrays.iter().map(Array::to_f32).collect();
        let layers: Vec<&[f32]> = layers.iter().map(Vec::as_slice).collect();
        for (key, measure, settings) in cases() {
            let matrix = compare(&layers, n, measure, &settings);
            // Counts of neighbours are exact.
            let tolerance = if measure == Measure::MutualKnn { 1e-15 } else { TOLERANCE };
            for i in 0..n_epochs {
                for j in 0..n_epochs {
                    let value = expected[key][i][j].as_f64().unwrap();
                    let what = format!("{name} {key} ({i}, {j})");
                    assert_close(matrix.value(i, j), value, tolerance, &what);
                }
            }
        }
        for (x, ranks) in layers.iter().zip(expected["ranks"].as_array().unwrap()) {
            let found = Dimensions::of(x, n, x.len() / n).unwrap();
            for (key, value) in [
                ("effective_rank", found.effective_rank),
                ("participation_ratio", found.participation_ratio),
                ("stable_rank", found.stable_rank),
            ] {
                assert_close(value, ranks[key].as_f64().unwrap(), TOLERANCE, key);
            }
        }
    }
}

/// X, Y and W of METHODOLOGY's golden example, values computed in f64.
fn golden() -> [Vec<f64>; 3] {
    let at = |p: usize, f: fn(usize, usize) -> f64| -> Vec<f64> {
        (0..12 * p).map(|k| f(k / p, k % p)).collect()
    };
    [
        at(4, |i, j| ((7 * i + 3 * j + i * j) % 11) as f64 / 10.0),
        at(3, |i, j| ((5 * i + 8 * j + i * i) % 13) as f64 / 12.0),
        at(5, |i, j| ((3 * i + 5 * j + i * i * j) % 7) as f64 / 6.0),
    ]
}

#[test]
fn the_golden_example_has_its_values() {
    let [x, y, w] = golden();
    let of = |a: &[f64], b: &[f64], measure: Measure, settings: Settings| {
        let signature =
            |x: &[f64]| measure.signature(x, 12, x.len() / 12, &settings).unwrap();
        let (a, b) = (signature(a), signature(b));
        measure.matrix(&[Ok(&a), Ok(&b)], 12, &settings).value(0, 1)
    };
    let pair = |measure, settings| of(&x, &y, measure, settings);
    let default = Settings::default();
    let with = |estimator| Settings { estimator, ..default };
    let biased = with(Estimator::Biased);
    let batches = |size| with(Estimator::Minibatch { size });
    let rbf = |estimator, threshold| {
        pair(Measure::CkaRbf, Settings { estimator, threshold, ..default })
    };
    for (what, value, expected) in [
        ("linear biased", pair(Measure::Cka, biased), 0.135041240642),
        ("linear debiased", pair(Measure::Cka, default), -0.179555643322),
        ("X and W", of(&x, &w, Measure::Cka, biased), 0.352274114213),
        ("rbf biased 1", rbf(Estimator::Biased, 1.0), 0.168869172140),
        ("rbf biased .5", rbf(Estimator::Biased, 0.5), 0.295104479628),
        ("rbf biased .2", rbf(Estimator::Biased, 0.2), 0.495780127421),
        ("rbf debiased 1", rbf(Estimator::Debiased, 1.0), -0.222519223812),
        ("rbf debiased .5", rbf(Estimator::Debiased, 0.5), -0.244346972657),
        ("rbf debiased .2", rbf(Estimator::Debiased, 0.2), -0.115034009332),
        ("batches of 6", pair(Measure::Cka, batches(6)), -0.100591422491),
        ("batches of 4", pair(Measure::Cka, batches(4)), 0.233887811334),
        ("procrustes", pair(Measure::Procrustes, default), 0.338374084352),
        ("distance", pair(Measure::ProcrustesDistance, default), 1.150326836728),
        ("angle", pair(Measure::Shape, default), 1.225607805126),
        ("mean cca", pair(Measure::Cca, default), 0.505076510820),
    ] {
        assert_close(value, expected, 1e-6, what);
    }
    let neighbours = |x: &[f64]| {
        neighbours::signature(x, 12, x.len() / 12, 3, Nearness::InnerProduct).unwrap()
    };
    let (a, b) = (neighbours(&x), neighbours(&y));
    let matrix = Measure::MutualKnn.matrix(&[Ok(&a), Ok(&b)], 12, &default);
    assert_close(matrix.value(0, 1), 1.0 / 3.0, 1e-15, "mutual knn, k = 3");
    let found = Dimensions::of(&x, 12, 4).unwrap();
    assert_close(found.effective_rank, 3.930109919337, 1e-11, "effective rank");
    assert_close(found.participation_ratio, 3.510225831007, 1e-11, "participation");
    assert_close(found.stable_rank, 2.577006386530, 1e-11, "stable rank");
}

/// The constant that Kornblith et al.'s published demonstration prints.
#[test]
fn the_published_demonstration_has_its_gaussian_value() {
    let expected = expected("google-demo")["cka_rbf05_biased"].as_f64().unwrap();
    let signature = |file| {
        let x = read_npy(&oracle("google-demo", file)).unwrap().to_f64();
        rbf::signature(&x, 100, 10, Estimator::Biased, 0.5).unwrap()
    };
    let (x, y) = (signature("x.npy"), signature("y.npy"));
    let matrix = cka::matrix(&[Ok(&x), Ok(&y)], 100, Estimator::Biased);
    assert_close(matrix.value(0, 1), expected, 1e-6, "rbf");
}

/// Its mean squared canonical correlation, `R²_CCA`, from the signatures of plain CCA: the
/// demonstration does not centre, so neither does this test.
#[test]
fn the_published_demonstration_has_its_canonical_correlations() {
    let expected = expected("google-demo")["r2_cca"].as_f64().unwrap();
    // A thousand copies beside their negatives have mean 0, and the same correlations.
    let doubled = |file| {
        let x = read_npy(&oracle("google-demo", file)).unwrap().to_f64();
        let negative: Vec<f64> = x.iter().map(|x| -x).collect();
        [x, negative].concat()
    };
    let [x, y] = ["x.npy", "y.npy"].map(|file| {
        stratagram::similarity::cca::signature(&doubled(file), 200, 10, 1.0).unwrap()
    });
    let column = |u: &[f32], c: usize| -> Vec<f64> {
        u.iter().skip(c).step_by(10).map(|&v| f64::from(v)).collect()
    };
    let mut squares = 0.0;
    for i in 0..10 {
        for j in 0..10 {
            let (a, b) = (column(&x, i), column(&y, j));
            squares += a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>().powi(2);
        }
    }
    assert_close(squares / 10.0, expected, 1e-6, "R² of CCA");
}

fn gaussian(n: usize, p: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    (0..n * p).map(|_| normal()).collect()
}

/// Two related representations of unequal variances, [n, p] each.
fn related(n: usize, p: usize) -> [Vec<f64>; 2] {
    let x: Vec<f64> = gaussian(n, p, 1)
        .iter()
        .enumerate()
        .map(|(k, x)| x * (1.0 + (k % p) as f64))
        .collect();
    let noise = gaussian(n, p, 2);
    let y = x.iter().zip(noise).map(|(x, e)| x + 3.0 * e).collect();
    [x, y]
}

/// X·M for M [p, p].
fn times(x: &[f64], m: &[f64], p: usize) -> Vec<f64> {
    let entry = |row: &[f64], c: usize| -> f64 {
        row.iter().zip(m.chunks(p)).map(|(x, m)| x * m[c]).sum()
    };
    x.chunks(p)
        .flat_map(|row| (0..p).map(|c| entry(row, c)).collect::<Vec<_>>())
        .collect()
}

/// A random orthogonal matrix, by Gram-Schmidt.
fn orthogonal(p: usize) -> Vec<f64> {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for draw in gaussian(p, p, 3).chunks(p) {
        let mut row = draw.to_vec();
        for _ in 0..2 {
            for other in &rows {
                let along: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let norm = row.iter().map(|a| a * a).sum::<f64>().sqrt();
        rows.push(row.iter().map(|a| a / norm).collect());
    }
    rows.concat()
}

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

fn rounded(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
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
        if matches!(measure, Measure::Cca | Measure::Svcca | Measure::Pwcca) {
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

/// Guards against batches of the last one alone, and unequal weights of unequal batches.
#[test]
fn minibatches_average_the_unbiased_estimator_over_all_batches() {
    let (n, p) = (70, 9);
    let [x, y] = related(n, p).map(|x| rounded(&x));
    let settings = |size| Settings {
        estimator: Estimator::Minibatch { size },
        ..Settings::default()
    };
    let value = |size| compare(&[&x, &y], n, Measure::Cka, &settings(size)).value(0, 1);
    // HSIC₁ of the batches 0..16, 16..32, 32..48, 48..70 in three terms.
    let hsic = |a: &[f32], b: &[f32]| -> f64 {
        [0..16, 16..32, 32..48, 48..n]
            .map(|batch| {
                hsic1(
                    &a[batch.start * p..batch.end * p],
                    &b[batch.start * p..batch.end * p],
                    batch.len(),
                )
            })
            .iter()
            .sum()
    };
    let plain = hsic(&x, &y) / (hsic(&x, &x) * hsic(&y, &y)).sqrt();
    assert_close(value(16), plain, TOLERANCE, "batches of 16");
    let whole = compare(&[&x, &y], n, Measure::Cka, &Settings::default()).value(0, 1);
    assert_eq!(value(n).to_bits(), whole.to_bits());
    // A batch that is dead has nothing to say.
    let mut dead = x.clone();
    dead[..16 * p].fill(0.25);
    let matrix = compare(&[&dead, &y], n, Measure::Cka, &settings(16));
    let own = (hsic(&dead, &dead) * hsic(&y, &y)).sqrt();
    assert_close(matrix.value(0, 1), hsic(&dead, &y) / own, TOLERANCE, "dead batch");
}

/// Song et al.'s estimator in three terms.
fn hsic1(x: &[f32], y: &[f32], n: usize) -> f64 {
    let gram = |x: &[f32]| -> Vec<f64> {
        let p = x.len() / n;
        let at = |i: usize, c: usize| f64::from(x[i * p + c]);
        (0..n * n)
            .map(|k| {
                let (i, j) = (k / n, k % n);
                if i == j { 0.0 } else { (0..p).map(|c| at(i, c) * at(j, c)).sum() }
            })
            .collect()
    };
    let (k, l) = (gram(x), gram(y));
    let size = n as f64;
    let row = |m: &[f64], i: usize| m[i * n..][..n].iter().sum::<f64>();
    let trace: f64 = k.iter().zip(&l).map(|(a, b)| a * b).sum();
    let rows: f64 = (0..n).map(|i| row(&k, i) * row(&l, i)).sum();
    let sums = k.iter().sum::<f64>() * l.iter().sum::<f64>();
    (trace + sums / ((size - 1.0) * (size - 2.0)) - 2.0 / (size - 2.0) * rows)
        / (size * (size - 3.0))
}

/// The delete-one jackknife by force: every example left out, everything computed again.
#[test]
fn standard_errors_are_those_of_the_jackknife() {
    let (n, p) = (41, 6);
    let [x, y] = related(n, p).map(|x| rounded(&x));
    let z = rounded(&gaussian(n, p, 9));
    let with = |estimator| Settings { estimator, ..Settings::default() };
    for (measure, settings) in [
        (Measure::Cka, with(Estimator::Debiased)),
        (Measure::Cka, with(Estimator::Biased)),
        (Measure::RsaPearson, with(Estimator::Debiased)),
    ] {
        let matrix = compare(&[&x, &y, &z], n, measure, &settings);
        let without = |x: &[f32], m: usize| [&x[..m * p], &x[(m + 1) * p..]].concat();
        let estimates: Vec<EpochMatrix> = (0..n)
            .map(|m| {
                let layers = [&x, &y, &z].map(|x| without(x, m));
                compare(&[&layers[0], &layers[1], &layers[2]], n - 1, measure, &settings)
            })
            .collect();
        for (i, j) in [(0, 1), (0, 2), (1, 2), (2, 1)] {
            let values: Vec<f64> = estimates.iter().map(|e| e.value(i, j)).collect();
            let expected = jackknife(&values);
            let what = format!("{} {settings:?} ({i}, {j})", measure.name());
            assert!(expected > 0.01, "{what}: an uninformative example");
            let se = matrix.error(i, j).unwrap();
            assert_close(se, expected, 1e-4 * expected, &what);
        }
        assert_eq!(matrix.error(1, 1), Some(0.0));
    }
}

/// √((n−1)/n · Σ (`θ_m` − mean)²).
fn jackknife(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    ((n - 1.0) / n * squares).sqrt()
}

/// With minibatches, an example is left out of its own batch; the others stay as they are.
#[test]
fn standard_errors_of_minibatches_are_those_of_the_jackknife() {
    let (n, p) = (30, 6);
    let [x, y] = related(n, p).map(|x| rounded(&x));
    let settings =
        Settings { estimator: Estimator::Minibatch { size: 10 }, ..Settings::default() };
    let matrix = compare(&[&x, &y], n, Measure::Cka, &settings);
    let hsic = |a: &[f32], b: &[f32], left_out: usize| -> f64 {
        (0..3)
            .map(|k| {
                let rows = (k * 10..k * 10 + 10).filter(|i| *i != left_out);
                let of = |x: &[f32]| -> Vec<f32> {
                    rows.clone().flat_map(|i| x[i * p..][..p].to_vec()).collect()
                };
                let (a, b) = (of(a), of(b));
                hsic1(&a, &b, a.len() / p)
            })
            .sum()
    };
    let estimate =
        |m: usize| hsic(&x, &y, m) / (hsic(&x, &x, m) * hsic(&y, &y, m)).sqrt();
    let expected = jackknife(&(0..n).map(estimate).collect::<Vec<_>>());
    let se = matrix.error(0, 1).unwrap();
    assert_close(se, expected, 1e-4 * expected, "minibatches of 10");
}

/// Guards against an error that is right in form alone: over many draws of examples the
/// similarities spread as much as it says.
#[test]
fn standard_errors_are_the_spread_over_draws_of_examples() {
    let (n, p, draws) = (80, 5, 60);
    let [x, y] = related(n * draws, p).map(|x| rounded(&x));
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let settings = Settings { estimator, ..Settings::default() };
        let (mut values, mut errors) = (vec![], 0.0);
        for draw in 0..draws {
            let rows = draw * n * p..(draw + 1) * n * p;
            let layers = [&x[rows.clone()], &y[rows]];
            let matrix = compare(&layers, n, Measure::Cka, &settings);
            values.push(matrix.value(0, 1));
            errors += matrix.error(0, 1).unwrap() / draws as f64;
        }
        let mean = values.iter().sum::<f64>() / draws as f64;
        let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let spread = (square / (draws as f64 - 1.0)).sqrt();
        let ratio = errors / spread;
        assert!((0.75..1.35).contains(&ratio), "{estimator:?}: {ratio}");
    }
}

/// Half the root mean square difference of the halves is the spread of one cell.
#[test]
fn the_noise_floor_is_the_spread_over_draws_of_examples() {
    let (n, p, draws) = (80, 5, 60);
    let [x, y] = related(n * draws, p).map(|x| rounded(&x));
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let (mut values, mut squares) = (vec![], 0.0);
        for draw in 0..draws {
            let rows = draw * n * p..(draw + 1) * n * p;
            let signature = |x: &[f32]| cka::signature(x, n, p, estimator).unwrap();
            let (a, b) = (signature(&x[rows.clone()]), signature(&y[rows]));
            let rows = [Ok(a.as_slice()), Ok(b.as_slice())];
            values.push(cka::matrix(&rows, n, estimator).value(0, 1));
            let floor = stratagram::similarity::noise_floor(&rows, n, estimator);
            squares += floor * floor / draws as f64;
        }
        let mean = values.iter().sum::<f64>() / draws as f64;
        let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let spread = (square / (draws as f64 - 1.0)).sqrt();
        let ratio = squares.sqrt() / spread;
        assert!((0.7..1.4).contains(&ratio), "{estimator:?}: {ratio}");
    }
    assert!(stratagram::similarity::noise_floor(&[], 40, Estimator::Debiased).is_nan());
}

/// The floor is worked out from parts of signatures: the same as from half of the features.
#[test]
fn the_noise_floor_needs_no_features() {
    let (n, p) = (31, 7);
    let [x, y] = related(n, p).map(|x| rounded(&x));
    let half = |x: &[f32], parity: usize| -> Vec<f32> {
        x.chunks(p).skip(parity).step_by(2).flatten().copied().collect()
    };
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let settings = Settings { estimator, ..Settings::default() };
        let value = |parity| {
            let (a, b) = (half(&x, parity), half(&y, parity));
            let size = a.len() / p;
            compare(&[&a, &b], size, Measure::Cka, &settings).value(0, 1)
        };
        let signature = |x: &[f32]| cka::signature(x, n, p, estimator).unwrap();
        let (a, b) = (signature(&x), signature(&y));
        let floor = stratagram::similarity::noise_floor(&[Ok(&a), Ok(&b)], n, estimator);
        let expected = (value(0) - value(1)).abs() / 2.0;
        assert_close(floor, expected, 1e-5, "floor");
    }
}

/// The kernel of labels: a layer that tells the classes apart and nothing else has 1, and
/// the labels may be any that one chooses.
#[test]
fn alignment_tells_true_from_noisy_labels() {
    let n = 60;
    let labels: Vec<u8> = (0..n).map(|i| (i % 3) as u8).collect();
    let noisy: Vec<u8> = labels
        .iter()
        .enumerate()
        .map(|(i, y)| if i % 5 == 0 { (y + 1) % 3 } else { *y })
        .collect();
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let one_hot: Vec<f32> = labels
            .iter()
            .flat_map(|y| (0..3).map(move |c| f32::from(u8::from(*y == c))))
            .collect();
        let x = cka::signature(&one_hot, n, 3, estimator).unwrap();
        let with = |labels: &[u8]| {
            let labels = alignment::label_signature(labels, estimator).unwrap();
            alignment::alignment(&x, &labels)
        };
        assert_close(with(&labels), 1.0, 1e-6, "true labels");
        let other = with(&noisy);
        assert!((0.3..0.8).contains(&other), "noisy labels: {other}");
    }
    let one_class = alignment::label_signature(&[2; 20], Estimator::Debiased);
    assert_eq!(one_class.unwrap_err(), Undefined::DeadLayer);
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

/// A matrix to which epochs are added has the bits of one made at once, whether or not some
/// of them are undefined.
#[test]
fn a_grown_matrix_is_the_whole_one() {
    let (n, p) = (40, 9);
    let settings = Settings { neighbours: 5, ..Settings::default() };
    for &measure in Measure::ALL {
        let count = if measure == Measure::Cka { 37 } else { 6 };
        let signatures: Vec<_> = (0..count)
            .map(|t| {
                let x = rounded(&gaussian(n, p, t));
                let x = if t == 3 { vec![1.0; n * p] } else { x };
                measure.signature(&x, n, p, &settings)
            })
            .collect();
        let signatures: Vec<_> =
            signatures.iter().map(|s| s.as_deref().map_err(|&reason| reason)).collect();
        let whole = measure.matrix(&signatures, n, &settings);
        for steps in [vec![2, 4], vec![count as usize - 1]] {
            let mut grown = measure.matrix(&[], n, &settings);
            for m in steps.into_iter().chain([count as usize]) {
                grown = measure.grown(&grown, &signatures[..m], n, &settings);
            }
            let bits = |values: &[f64]| -> Vec<u64> {
                values.iter().map(|value| value.to_bits()).collect()
            };
            assert_eq!(bits(&grown.values), bits(&whole.values), "{measure:?}");
            let errors = |matrix: &EpochMatrix| bits(matrix.se.as_deref().unwrap_or(&[]));
            assert_eq!(errors(&grown), errors(&whole), "{measure:?}");
            assert_eq!(grown.reasons, whole.reasons);
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

#[test]
fn the_same_epoch_of_other_seeds_is_the_scale() {
    let (n, p) = (50, 6);
    let settings = Settings::default();
    let run = |seed: u64| -> Vec<Vec<f32>> {
        // Epoch 0: unrelated; epoch 1: nearly the same in all runs.
        let base = gaussian(n, p, 99);
        let noise = gaussian(n, p, seed);
        let late: Vec<f64> = base.iter().zip(&noise).map(|(b, e)| b + 0.1 * e).collect();
        [noise, late]
            .map(|x| cka::signature(&x, n, p, settings.estimator).unwrap())
            .to_vec()
    };
    let runs = [run(1), run(2), run(3)];
    let rows: Vec<Vec<_>> =
        runs.iter().map(|run| run.iter().map(|s| Ok(s.as_slice())).collect()).collect();
    let scale = Measure::Cka.across_seeds(&rows, n, &settings);
    let pair = |a: usize, b: usize| {
        cka::matrix(&[rows[a][1], rows[b][1]], n, settings.estimator).value(0, 1)
    };
    let mean = (pair(0, 1) + pair(0, 2) + pair(1, 2)) / 3.0;
    assert_close(scale[1], mean, 1e-12, "mean over pairs of runs");
    assert!(scale[1] > 0.9 && scale[0].abs() < 0.2, "{scale:?}");
    assert!(Measure::Cka.across_seeds(&rows[..1], n, &settings)[0].is_nan());
}

#[test]
fn the_bytes_of_every_measure_are_the_same_at_any_number_of_threads() {
    let (n, p) = (140, 33);
    let layers: Vec<Vec<f32>> = (0..4).map(|t| rounded(&gaussian(n, p, t))).collect();
    let layers: Vec<&[f32]> = layers.iter().map(Vec::as_slice).collect();
    let settings = Settings::default();
    let with = |threads: usize| -> Vec<u64> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let matrices =
                Measure::ALL.iter().map(|m| compare(&layers, n, *m, &settings));
            matrices
                .flat_map(|m| [m.values, m.se.unwrap_or_default()].concat())
                .map(f64::to_bits)
                .collect()
        })
    };
    let one = with(1);
    for threads in [2, 3, 8] {
        assert!(with(threads) == one, "{threads} threads");
    }
}

/// Many examples of few features: the route without Gram matrices gives what they give.
#[test]
fn the_feature_space_gives_what_gram_matrices_give() {
    let n = 300;
    let [x, y] = related(n, 7).map(|x| rounded(&x));
    let z: Vec<f32> = gaussian(n, 4, 9).iter().map(|z| (*z + 30.0) as f32).collect();
    let dead = vec![2.0f32; n * 3];
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let layers: [&[f32]; 4] = [&x, &y, &z, &dead];
        let settings = Settings { estimator, ..Settings::default() };
        let expected = compare(&layers, n, Measure::Cka, &settings);
        let signatures: Vec<_> = layers
            .iter()
            .map(|x| FeatureSignature::of(x, n, x.len() / n, estimator))
            .collect();
        let signatures: Vec<_> =
            signatures.iter().map(|s| s.as_ref().map_err(|&reason| reason)).collect();
        let found = feature_matrix(&signatures);
        assert_eq!(found.reasons, expected.reasons);
        for i in 0..3 {
            for j in 0..3 {
                let what = format!("{estimator:?} ({i}, {j})");
                assert_close(found.value(i, j), expected.value(i, j), 1e-6, &what);
                let (a, b) = (found.error(i, j).unwrap(), expected.error(i, j).unwrap());
                assert_close(a, b, 1e-6 + 1e-3 * b, &format!("error, {what}"));
            }
        }
    }
}

/// Features on disk, panel by panel.
struct InMemory {
    features: Vec<f32>,
    n: usize,
    /// Panels read so far.
    reads: usize,
    fails: bool,
}

impl Columns for InMemory {
    fn shape(&self) -> (usize, usize) {
        (self.n, self.features.len() / self.n)
    }

    fn read(
        &mut self,
        columns: std::ops::Range<usize>,
        panel: &mut [f32],
    ) -> std::io::Result<()> {
        if self.fails {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.reads += 1;
        let p = self.features.len() / self.n;
        let width = columns.len();
        for (to, from) in panel.chunks_mut(width).zip(self.features.chunks(p)) {
            to.copy_from_slice(&from[columns.clone()]);
        }
        Ok(())
    }
}

#[test]
fn streamed_signatures_are_those_of_features_in_memory() {
    let n = 30;
    for (p, panels) in [(7, 1), (4096, 1), (9001, 3)] {
        let mut x = rounded(&gaussian(n, p, 5));
        // Panels of unequal scale, one of them dead.
        for row in x.chunks_mut(p) {
            for (j, x) in row.iter_mut().enumerate() {
                *x =
                    if j >= 8192 { 3.0 } else { *x * if j < 4096 { 1.0 } else { 900.0 } };
            }
        }
        for estimator in [Estimator::Debiased, Estimator::Biased] {
            let mut source = InMemory { features: x.clone(), n, reads: 0, fails: false };
            let streamed = streamed_signature(&mut source, estimator).unwrap().unwrap();
            assert_eq!(source.reads, panels);
            let whole = cka::signature(&x, n, p, estimator).unwrap();
            assert!(streamed == whole, "[{n}, {p}] {estimator:?}");
        }
    }
    // One example of large norm: products are worked out again in f64.
    let mut x = rounded(&gaussian(n, 50, 5));
    x[150..200].iter_mut().for_each(|x| *x *= 1e4);
    let mut source = InMemory { features: x.clone(), n, reads: 0, fails: false };
    let streamed = streamed_signature(&mut source, Estimator::Debiased).unwrap().unwrap();
    assert_eq!(source.reads, 2);
    assert!(streamed == cka::signature(&x, n, 50, Estimator::Debiased).unwrap());
    source.fails = true;
    assert!(streamed_signature(&mut source, Estimator::Debiased).is_err());
    for (features, reason) in [
        (vec![1.0; n * 5], Undefined::DeadLayer),
        (vec![f32::NAN; n * 5], Undefined::NonFinite),
        (vec![], Undefined::DeadLayer),
    ] {
        let mut source = InMemory { features, n, reads: 0, fails: false };
        let result = streamed_signature(&mut source, Estimator::Biased).unwrap();
        assert_eq!(result.unwrap_err(), reason);
    }
}
