//! What docs/CONFORMANCE.md says, worked out from tests/oracles. Shared by the example that
//! writes it and the test that checks it.
#![allow(unreachable_pub, missing_docs)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use stratagram::array_file::{Array, read_npy};
use stratagram::similarity::{
    Dimensions, Estimator, Measure, Settings, cka, neighbours, neighbours::Nearness,
    without,
};

/// One line of the table.
pub struct Line {
    pub quantity: String,
    pub oracle: &'static str,
    /// Numbers compared.
    pub count: usize,
    /// The largest difference.
    pub difference: f64,
    pub tolerance: f64,
}

fn oracle(name: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(name).join(file)
}

/// `expected.json`, and what `further.json` adds to it.
pub fn expected(name: &str) -> serde_json::Value {
    let read = |file| -> Option<serde_json::Map<String, serde_json::Value>> {
        let json = std::fs::read_to_string(oracle(name, file)).ok()?;
        Some(serde_json::from_str(&json).unwrap())
    };
    let mut all = read("expected.json").unwrap();
    all.extend(read("further.json").unwrap_or_default());
    all.into()
}

fn with(estimator: Estimator) -> Settings {
    Settings { estimator, ..Settings::default() }
}

/// The similarities of all pairs.
fn values(
    layers: &[Vec<f64>],
    n: usize,
    measure: Measure,
    settings: &Settings,
) -> Vec<f64> {
    let signatures: Vec<_> = layers
        .iter()
        .map(|x| measure.signature(x, n, x.len() / n, settings).unwrap())
        .collect();
    let signatures: Vec<_> = signatures.iter().map(|s| Ok(s.as_slice())).collect();
    measure.matrix(&signatures, n, settings).values
}

/// Every line of the table.
pub fn lines() -> Vec<Line> {
    let mut lines = saved_activations();
    lines.extend(golden());
    lines.extend(demonstration());
    lines
}

/// A key of the oracles: what it stands for.
pub struct Case {
    pub key: &'static str,
    pub measure: Measure,
    pub settings: Settings,
    pub tolerance: f64,
}

/// Every measure that the oracles of saved activations have values of.
pub fn cases() -> Vec<Case> {
    [
        ("cka_linear_biased", Measure::Cka, with(Estimator::Biased)),
        ("cka_linear_debiased", Measure::Cka, with(Estimator::Debiased)),
        ("cka_linear_minibatch64", Measure::Cka, with(Estimator::Minibatch { size: 64 })),
        ("cka_rbf05_biased", Measure::CkaRbf, with(Estimator::Biased)),
        ("cka_rbf05_debiased", Measure::CkaRbf, with(Estimator::Debiased)),
        ("procrustes_nuclear", Measure::Procrustes, Settings::default()),
        ("cca_mean", Measure::Cca, Settings::default()),
        ("cca_r2", Measure::CcaR2, Settings::default()),
        ("svcca99_mean", Measure::Svcca, Settings::default()),
        ("pwcca", Measure::Pwcca, Settings::default()),
        ("mutual_knn10_cosine", Measure::MutualKnn, Settings::default()),
        ("cknna10", Measure::Cknna, Settings::default()),
        ("jaccard_knn10", Measure::JaccardKnn, Settings::default()),
        ("rsa_spearman", Measure::Rsa, Settings::default()),
    ]
    .map(|(key, measure, settings)| {
        let tolerance = if COUNTS.contains(&measure) { 1e-15 } else { 1e-5 };
        Case { key, measure, settings, tolerance }
    })
    .into()
}

/// Measures that are made of whole numbers: exact but for the last bit.
const COUNTS: &[Measure] = &[Measure::MutualKnn, Measure::JaccardKnn];

fn saved_activations() -> Vec<Line> {
    let mut lines = vec![];
    for (name, n_epochs) in [("activations-small", 5), ("activations-offset", 4)] {
        let expected = expected(name);
        let arrays: Vec<Array> = (0..n_epochs)
            .map(|t| read_npy(&oracle(name, &format!("epoch-{t:06}.npy"))).unwrap())
            .collect();
        let n = arrays[0].shape[0];
        let layers: Vec<Vec<f64>> = arrays.iter().map(Array::to_f64).collect();
        for Case { key, measure, settings, tolerance } in cases() {
            let found = values(&layers, n, measure, &settings);
            let cell = |at: usize| expected[key][at / n_epochs][at % n_epochs].as_f64();
            let difference = found
                .iter()
                .enumerate()
                .map(|(at, value)| (value - cell(at).unwrap()).abs())
                .fold(0.0, f64::max);
            lines.push(Line {
                quantity: key.into(),
                oracle: name,
                count: found.len(),
                difference,
                tolerance,
            });
        }
        lines.extend(deconfounded(name, &layers, n, &expected));
        let ranks = layers.iter().zip(expected["ranks"].as_array().unwrap());
        let difference = ranks
            .flat_map(|(x, ranks)| {
                let found = Dimensions::of(x, n, x.len() / n).unwrap();
                [
                    ("effective_rank", found.effective_rank),
                    ("participation_ratio", found.participation_ratio),
                    ("stable_rank", found.stable_rank),
                ]
                .map(|(key, value)| (value - ranks[key].as_f64().unwrap()).abs())
            })
            .fold(0.0, f64::max);
        lines.push(Line {
            quantity: "ranks".into(),
            oracle: name,
            count: 3 * n_epochs,
            difference,
            tolerance: 1e-5,
        });
    }
    lines
}

/// CKA without what epoch 0 explains, of all later epochs.
fn deconfounded(
    name: &'static str,
    layers: &[Vec<f64>],
    n: usize,
    expected: &serde_json::Value,
) -> Vec<Line> {
    let mut lines = vec![];
    for estimator in [Estimator::Biased, Estimator::Debiased] {
        let key = format!("dcka_linear_{}", estimator.name());
        let found = values_without(&layers[0], &layers[1..], n, estimator);
        let m = layers.len() - 1;
        let cell = |at: usize| expected[&key][1 + at / m][1 + at % m].as_f64().unwrap();
        let difference = found.iter().enumerate().map(|(at, v)| (v - cell(at)).abs());
        lines.push(Line {
            count: found.len(),
            difference: difference.fold(0.0, f64::max),
            quantity: key,
            oracle: name,
            tolerance: 1e-5,
        });
    }
    lines
}

/// CKA of all pairs, without what a confounder explains.
fn values_without(
    confounder: &[f64],
    layers: &[Vec<f64>],
    n: usize,
    estimator: Estimator,
) -> Vec<f64> {
    let signature = |x: &[f64]| cka::signature(x, n, x.len() / n, estimator).unwrap();
    let confounder = signature(confounder);
    let rest: Vec<_> =
        layers.iter().map(|x| without(&signature(x), &confounder).unwrap()).collect();
    let rest: Vec<_> = rest.iter().map(|s| Ok(s.as_slice())).collect();
    cka::matrix(&rest, n, estimator).values
}

fn golden() -> Vec<Line> {
    let at = |p: usize, f: fn(usize, usize) -> f64| -> Vec<f64> {
        (0..12 * p).map(|k| f(k / p, k % p)).collect()
    };
    let x = at(4, |i, j| ((7 * i + 3 * j + i * j) % 11) as f64 / 10.0);
    let y = at(3, |i, j| ((5 * i + 8 * j + i * i) % 13) as f64 / 12.0);
    let w = at(5, |i, j| ((3 * i + 5 * j + i * i * j) % 7) as f64 / 6.0);
    let dimensions = Dimensions::of(&x, 12, 4).unwrap();
    let xy = [x.clone(), y.clone()];
    let pair =
        |measure: Measure, settings: Settings| values(&xy, 12, measure, &settings)[1];
    let rbf = |estimator, threshold| {
        pair(Measure::CkaRbf, Settings { threshold, ..with(estimator) })
    };
    let batches = |size| pair(Measure::Cka, with(Estimator::Minibatch { size }));
    let plain = |measure| pair(measure, Settings::default());
    let nearest =
        |measure| pair(measure, Settings { neighbours: 3, ..Settings::default() });
    let near = |x: &[f64]| {
        neighbours::signature(x, 12, x.len() / 12, 3, Nearness::InnerProduct).unwrap()
    };
    let (a, b) = (near(&x), near(&y));
    let knn = Measure::MutualKnn
        .matrix(&[Ok(&a), Ok(&b)], 12, &Settings::default())
        .value(0, 1);
    let partial = values_without(&y, &[x.clone(), w.clone()], 12, Estimator::Biased)[1];
    let xw = values(&[x, w], 12, Measure::Cka, &with(Estimator::Biased))[1];
    let (biased, debiased) = (Estimator::Biased, Estimator::Debiased);
    [
        ("linear CKA, biased", pair(Measure::Cka, with(biased)), 0.135041240642),
        ("linear CKA, debiased", pair(Measure::Cka, with(debiased)), -0.179555643322),
        ("linear CKA of X and W, biased", xw, 0.352274114213),
        ("CKA of X and W without Y, biased", partial, 0.345650373348),
        ("Gaussian CKA, biased, threshold 1", rbf(biased, 1.0), 0.168869172140),
        ("Gaussian CKA, biased, threshold .5", rbf(biased, 0.5), 0.295104479628),
        ("Gaussian CKA, biased, threshold .2", rbf(biased, 0.2), 0.495780127421),
        ("Gaussian CKA, debiased, threshold 1", rbf(debiased, 1.0), -0.222519223812),
        ("Gaussian CKA, debiased, threshold .5", rbf(debiased, 0.5), -0.244346972657),
        ("Gaussian CKA, debiased, threshold .2", rbf(debiased, 0.2), -0.115034009332),
        ("minibatch CKA, batches of 6", batches(6), -0.100591422491),
        ("minibatch CKA, batches of 4", batches(4), 0.233887811334),
        ("Procrustes, nuclear norm", plain(Measure::Procrustes), 0.338374084352),
        ("Procrustes, distance", plain(Measure::ProcrustesDistance), 1.150326836728),
        ("Procrustes, angle", plain(Measure::Shape), 1.225607805126),
        ("mean CCA", plain(Measure::Cca), 0.505076510820),
        ("mean of squared CCA", plain(Measure::CcaR2), 0.332286634461),
        ("mutual kNN, k = 3, inner product", knn, 1.0 / 3.0),
        ("CKNNA, k = 3", nearest(Measure::Cknna), 0.152898995473),
        ("Jaccard index of kNN, k = 3", nearest(Measure::JaccardKnn), 0.133333333333),
        ("effective rank of X", dimensions.effective_rank, 3.930109919337),
        ("participation ratio of X", dimensions.participation_ratio, 3.510225831007),
        ("stable rank of X", dimensions.stable_rank, 2.577006386530),
    ]
    .map(|(quantity, value, expected): (&str, f64, f64)| Line {
        quantity: quantity.into(),
        oracle: "golden example",
        count: 1,
        difference: (value - expected).abs(),
        tolerance: if quantity.starts_with("mutual") { 1e-15 } else { 1e-5 },
    })
    .into()
}

fn demonstration() -> Vec<Line> {
    let expected = expected("google-demo");
    let layers = ["x.npy", "y.npy"]
        .map(|file| read_npy(&oracle("google-demo", file)).unwrap().to_f64());
    [
        ("cka_linear_biased", Measure::Cka, Estimator::Biased),
        ("cka_linear_debiased", Measure::Cka, Estimator::Debiased),
        ("cka_rbf05_biased", Measure::CkaRbf, Estimator::Biased),
    ]
    .map(|(key, measure, estimator)| Line {
        quantity: key.into(),
        oracle: "google-demo",
        count: 1,
        difference: (values(&layers, 100, measure, &with(estimator))[1]
            - expected[key].as_f64().unwrap())
        .abs(),
        tolerance: 1e-5,
    })
    .into_iter()
    .chain([squared_correlations(&expected, layers)])
    .collect()
}

/// The demonstration does not centre: copies beside their negatives have mean 0, and the same
/// correlations.
fn squared_correlations(expected: &serde_json::Value, layers: [Vec<f64>; 2]) -> Line {
    let doubled = layers.map(|x| {
        let negative: Vec<f64> = x.iter().map(|x| -x).collect();
        [x, negative].concat()
    });
    let found = values(&doubled, 200, Measure::CcaR2, &Settings::default())[1];
    Line {
        quantity: "cca_r2, uncentred".into(),
        oracle: "google-demo",
        count: 1,
        difference: (found - expected["r2_cca"].as_f64().unwrap()).abs(),
        tolerance: 1e-5,
    }
}

/// Defects that other implementations were found to have, and the test that we do not.
pub const DEFECTS: &[(&str, &str)] = &[
    (
        "f32 Gram matrices of uncentred features: NaN or clamped values from offsets of 10 on",
        "offsets_cost_no_digits",
    ),
    (
        "the same in any measure; squares that leave f32",
        "offsets_and_units_cost_no_digits",
    ),
    ("absolute thresholds: small activations have similarity 0", "units_cost_no_digits"),
    (
        "activations overwritten by a later ReLU: layer and ReLU have similarity 1",
        "measures_know_equal_from_shuffled_examples",
    ),
    (
        "the last batch alone counts; unequal batches of equal weight; a mean of ratios",
        "minibatches_average_the_unbiased_estimator_over_all_batches",
    ),
    (
        "variance cut of SVCCA at 0.99 of the wrong total: not invariant to scale",
        "invariances_are_those_declared_and_no_more",
    ),
    (
        "PWCCA with other weights than defined; fails for p_x > p_y",
        "every_measure_meets_the_oracles",
    ),
    (
        "numerator and denominator of different estimators: a copy has similarity 0.16",
        "a_layer_and_its_almost_exact_copy_have_similarity_one",
    ),
    ("channels taken for examples", "the_order_of_features_does_not_matter"),
    (
        "biased HSIC under the name unbiased",
        "independent_representations_are_dissimilar_only_to_the_debiased_estimator",
    ),
    ("neighbours by raw inner products", "every_measure_meets_the_oracles"),
    (
        "randomized decompositions: other values each run",
        "the_bytes_of_every_measure_are_the_same_at_any_number_of_threads",
    ),
    ("more features than examples", "more_features_than_examples_are_ordinary"),
    (
        "fewer than four examples: NaN without a reason",
        "dead_broken_and_short_layers_are_undefined_to_every_measure",
    ),
    (
        "dead layers of similarity 0 or 1, unexplained NaN",
        "dead_layers_are_undefined_whatever_their_offset",
    ),
    ("layers of rank one", "rank_one_layers_are_defined"),
    (
        "rows in another order, unnoticed",
        "sample_ids_that_differ_are_refused_with_the_first_mismatch",
    ),
];

/// The document.
pub fn document(lines: &[Line]) -> String {
    let mut text = "# Conformance of the similarity measures\n\n\
        Written by `cargo run --release --example conformance`; `tests/it/conformance/mod.rs` checks \
        that it is up to date. Oracle values are worked out in float64 by definition \
        (`tests/oracles/README.md`, recomputed by `tests/reference/check_measures.py`), or were \
        published (`google-demo`: the demonstration of Kornblith et al. 2019). The golden \
        example: n = 12, X_ij = ((7i + 3j + ij) mod 11)/10, j < 4; Y_ij = ((5i + 8j + i²) mod \
        13)/12, j < 3; W_ij = ((3i + 5j + i²j) mod 7)/6, j < 5. Signatures are f32, so \
        differences of 10⁻⁷ are expected. `dcka_…`: without what epoch 0 explains.\n\n\
        | quantity | oracle | numbers | largest difference | tolerance |\n\
        |---|---|---|---|---|\n"
        .to_string();
    for line in lines {
        let Line { quantity, oracle, count, difference, tolerance } = line;
        let difference = if *difference == 0.0 {
            "0".to_string()
        } else {
            format!("{difference:.0e}")
        };
        let _ = writeln!(
            text,
            "| {quantity} | {oracle} | {count} | {difference} | {tolerance:.0e} |"
        );
    }
    text += "\n## Defects found elsewhere\n\n\
        Each was met in a published implementation; the test named would fail on it.\n\n\
        | defect | test |\n|---|---|\n";
    for (defect, test) in DEFECTS {
        let _ = writeln!(text, "| {defect} | `{test}` |");
    }
    text
}
