//! Every measure against values worked out in f64 by definition.

use std::path::{Path, PathBuf};

use crate::conformance::table::{Case, cases, expected};
use crate::support::layers::{
    TOLERANCE, assert_close, compare, golden, hsic1, related, rounded,
};
use stratagram::array_file::{Array, read_npy};
use stratagram::similarity::{
    Dimensions, Estimator, Measure, Settings, Undefined, cka,
    neighbours::{self, Nearness},
    rbf, without,
};

fn oracle(name: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(name).join(file)
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
        for Case { key, measure, settings, tolerance } in cases() {
            let matrix = compare(&layers, n, measure, &settings);
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
        ("mean of squares", pair(Measure::CcaR2, default), 0.332286634461),
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

/// Its mean squared canonical correlation, `R²_CCA`: the demonstration does not centre, so
/// neither does this test.
#[test]
fn the_published_demonstration_has_its_canonical_correlations() {
    let expected = expected("google-demo")["r2_cca"].as_f64().unwrap();
    // Copies beside their negatives have mean 0, and the same correlations.
    let doubled = |file| {
        let x = read_npy(&oracle("google-demo", file)).unwrap().to_f64();
        let negative: Vec<f64> = x.iter().map(|x| -x).collect();
        rounded(&[x, negative].concat())
    };
    let [x, y] = ["x.npy", "y.npy"].map(doubled);
    let matrix = compare(&[&x, &y], 200, Measure::CcaR2, &Settings::default());
    assert_close(matrix.value(0, 1), expected, 1e-6, "R² of CCA");
}

/// CKA of what the golden example's Y does not explain of X and W, and of the saved
/// activations without those of epoch 0.
#[test]
fn deconfounded_similarities_meet_the_oracles() {
    let [x, y, w] = golden();
    let signature =
        |x: &[f64]| cka::signature(x, 12, x.len() / 12, Estimator::Biased).unwrap();
    let confounder = signature(&y);
    let [a, b] = [x, w].map(|x| without(&signature(&x), &confounder).unwrap());
    let matrix = cka::matrix(&[Ok(&a), Ok(&b)], 12, Estimator::Biased);
    assert_close(matrix.value(0, 1), 0.345650373348, 1e-6, "X and W without Y");
    for (name, n_epochs) in [("activations-small", 5), ("activations-offset", 4)] {
        let expected = expected(name);
        for estimator in [Estimator::Biased, Estimator::Debiased] {
            let signatures: Vec<Vec<f32>> = (0..n_epochs)
                .map(|t| {
                    let file = oracle(name, &format!("epoch-{t:06}.npy"));
                    let x = read_npy(&file).unwrap();
                    let n = x.shape[0];
                    cka::signature(&x.to_f32(), n, x.shape[1], estimator).unwrap()
                })
                .collect();
            let rest: Vec<_> =
                signatures.iter().map(|s| without(s, &signatures[0])).collect();
            assert_eq!(rest[0], Err(Undefined::Confounded));
            let rest: Vec<_> =
                rest.iter().map(|s| s.as_deref().map_err(|reason| *reason)).collect();
            let n = (signatures[0].len() * 2).isqrt();
            let matrix = cka::matrix(&rest, n, estimator);
            let key = format!("dcka_linear_{}", estimator.name());
            for (i, j) in (1..n_epochs).flat_map(|i| (1..n_epochs).map(move |j| (i, j))) {
                let value = expected[&key][i][j].as_f64().unwrap();
                assert_close(
                    matrix.value(i, j),
                    value,
                    TOLERANCE,
                    &format!("{name} {key}"),
                );
            }
        }
    }
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
