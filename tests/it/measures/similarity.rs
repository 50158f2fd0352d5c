//! Linear CKA against values worked out in f64 by definition, and against the ways in which
//! implementations of it are known to go wrong.

use std::path::Path;

use crate::support::layers::{TOLERANCE, assert_close, gaussian, orthogonal, times};
use stratagram::array_file::{Array, read_npy};
use stratagram::similarity::{EpochMatrix, Estimator, Feature, Undefined, cka};

const BOTH: [Estimator; 2] = [Estimator::Biased, Estimator::Debiased];

/// Representations of the same n examples, row-major; each has its own number of features.
struct Layers {
    n: usize,
    layers: Vec<Vec<f32>>,
}

impl Layers {
    fn matrix(&self, estimator: Estimator) -> EpochMatrix {
        let signatures: Vec<_> = self
            .layers
            .iter()
            .map(|x| cka::signature(x, self.n, x.len() / self.n, estimator))
            .collect();
        let signatures: Vec<_> =
            signatures.iter().map(|s| s.as_deref().map_err(|&reason| reason)).collect();
        cka::matrix(&signatures, self.n, estimator)
    }

    /// Similarity of the first two.
    fn pair(&self, estimator: Estimator) -> f64 {
        self.matrix(estimator).value(0, 1)
    }

    /// Checks all pairs against [`plain_cka`] on the same f32 numbers.
    fn assert_plain(&self, what: &str) {
        for estimator in BOTH {
            let matrix = self.matrix(estimator);
            for (i, x) in self.layers.iter().enumerate() {
                for (j, y) in self.layers.iter().enumerate() {
                    let (x, y) = (to_f64(x), to_f64(y));
                    let plain = plain_cka(&x, &y, self.n, estimator);
                    assert_close(
                        matrix.value(i, j),
                        plain,
                        TOLERANCE,
                        &format!("{what}, {estimator:?}, ({i}, {j})"),
                    );
                }
            }
        }
    }
}

/// The definitions in f64: HSIC₀ (double centring) and Song et al.'s three-term HSIC₁.
fn plain_cka(x: &[f64], y: &[f64], n: usize, estimator: Estimator) -> f64 {
    let gram = |x: &[f64]| {
        let p = x.len() / n;
        let mean = |c: usize| (0..n).map(|i| x[i * p + c]).sum::<f64>() / n as f64;
        let means: Vec<f64> = (0..p).map(mean).collect();
        let dot = |i: usize, j: usize| -> f64 {
            (0..p).map(|c| (x[i * p + c] - means[c]) * (x[j * p + c] - means[c])).sum()
        };
        (0..n * n).map(|k| dot(k / n, k % n)).collect::<Vec<f64>>()
    };
    let biased = |k: &[f64], l: &[f64]| k.iter().zip(l).map(|(k, l)| k * l).sum::<f64>();
    let debiased = |k: &[f64], l: &[f64]| {
        let off = |i: usize, j: usize| if i == j { 0.0 } else { 1.0 };
        let row =
            |m: &[f64], i: usize| (0..n).map(|j| off(i, j) * m[i * n + j]).sum::<f64>();
        let size = n as f64;
        let (rk, rl): (Vec<f64>, Vec<f64>) =
            (0..n).map(|i| (row(k, i), row(l, i))).unzip();
        let trace: f64 = (0..n * n).map(|a| off(a / n, a % n) * k[a] * l[a]).sum();
        let sums = rk.iter().sum::<f64>() * rl.iter().sum::<f64>();
        trace + sums / ((size - 1.0) * (size - 2.0))
            - 2.0 / (size - 2.0) * biased(&rk, &rl)
    };
    let hsic = |k: &[f64], l: &[f64]| match estimator {
        Estimator::Biased => biased(k, l),
        Estimator::Debiased | Estimator::Minibatch { .. } => debiased(k, l),
    };
    let (k, l) = (gram(x), gram(y));
    hsic(&k, &l) / (hsic(&k, &k) * hsic(&l, &l)).sqrt()
}

fn to_f64(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Two related representations, [n, p] each, of true similarity well inside (0, 1).
fn related(n: usize, p: usize) -> [Vec<f64>; 2] {
    let x = gaussian(n, p, 1);
    let noise = gaussian(n, p, 2);
    let y = x.iter().zip(noise).map(|(x, e)| x + 0.7 * e).collect();
    [x, y]
}

fn rounded(x: &[f64], map: impl Fn(f64) -> f64) -> Vec<f32> {
    x.iter().map(|&x| map(x) as f32).collect()
}

fn oracle(name: &str, file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(name).join(file)
}

fn read(name: &str, file: &str) -> Array {
    read_npy(&oracle(name, file)).unwrap()
}

#[test]
fn matrices_of_saved_activations_meet_the_oracles() {
    for (name, n_epochs) in [("activations-small", 5), ("activations-offset", 4)] {
        let json = std::fs::read_to_string(oracle(name, "expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&json).unwrap();
        let arrays: Vec<Array> =
            (0..n_epochs).map(|t| read(name, &format!("epoch-{t:06}.npy"))).collect();
        let layers = arrays.iter().map(Array::to_f32).collect();
        let layers = Layers { n: arrays[0].shape[0], layers };
        for estimator in BOTH {
            let matrix = layers.matrix(estimator);
            let key = format!("cka_linear_{}", estimator.name());
            assert_eq!(expected[&key].as_array().unwrap().len(), n_epochs);
            for i in 0..n_epochs {
                for j in 0..n_epochs {
                    let expected = expected[&key][i][j].as_f64().unwrap();
                    let what = format!("{name} {key} ({i}, {j})");
                    assert_close(matrix.value(i, j), expected, TOLERANCE, &what);
                }
            }
        }
    }
}

/// The example of METHODOLOGY: values computed in f64.
#[test]
fn the_golden_example_has_its_values() {
    let at = |p: usize, f: fn(usize, usize) -> f64| -> Vec<f32> {
        (0..12 * p).map(|k| f(k / p, k % p) as f32).collect()
    };
    let x = at(4, |i, j| ((7 * i + 3 * j + i * j) % 11) as f64 / 10.0);
    let y = at(3, |i, j| ((5 * i + 8 * j + i * i) % 13) as f64 / 12.0);
    let w = at(5, |i, j| ((3 * i + 5 * j + i * i * j) % 7) as f64 / 6.0);
    let layers = Layers { n: 12, layers: vec![x, y, w] };
    let biased = layers.matrix(Estimator::Biased);
    assert_close(biased.value(0, 1), 0.135_041_240_642, 1e-6, "biased, X and Y");
    assert_close(biased.value(0, 2), 0.352_274_114_213, 1e-6, "biased, X and W");
    let debiased = layers.pair(Estimator::Debiased);
    assert_close(debiased, -0.179_555_643_322, 1e-6, "debiased, X and Y");
}

/// X = randn(100, 10), Y = randn(100, 10) + X from numpy's legacy generator, seed 1337; the
/// constants are those that Kornblith et al.'s published demonstration prints.
#[test]
fn the_published_demonstration_has_its_values() {
    let [x, y] = ["x.npy", "y.npy"].map(|file| read("google-demo", file).to_f64());
    let expected = [0.557_613_256_611_758_8, 0.513_456_489_505_526];
    for (estimator, expected) in BOTH.into_iter().zip(expected) {
        let pair =
            Layers { n: 100, layers: vec![rounded(&x, |x| x), rounded(&y, |y| y)] };
        assert_close(pair.pair(estimator), expected, 1e-6, "from f32");
        let signature = |x| cka::signature(x, 100, 10, estimator).unwrap();
        let matrix =
            cka::matrix(&[Ok(&signature(&x)), Ok(&signature(&y))], 100, estimator);
        assert_close(matrix.value(0, 1), expected, 1e-6, "from f64");
    }
}

#[test]
fn packed_signatures_give_the_full_formula_at_all_sizes() {
    // Around the boundaries of the blocks of examples and of features.
    for (n, p) in [(4, 1), (5, 3), (127, 6), (128, 6), (129, 5), (300, 40), (20, 1030)] {
        let [x, y] = related(n, p).map(|x| rounded(&x, |x| x));
        let wider = rounded(&gaussian(n, p + 3, 9), f64::tanh);
        let layers = Layers { n, layers: vec![x, y, wider] };
        layers.assert_plain(&format!("[{n}, {p}]"));
    }
}

#[test]
fn signatures_have_unit_norm_and_the_packed_length() {
    let [x, _] = related(150, 20);
    for estimator in BOTH {
        let signature = cka::signature(&x, 150, 20, estimator).unwrap();
        assert_eq!(signature.len(), 150 * 151 / 2);
        let norm: f64 = signature.iter().map(|&v| f64::from(v).powi(2)).sum();
        assert_close(norm, 1.0, 1e-6, "norm");
    }
}

#[test]
fn matrices_are_symmetric_with_ones_on_the_diagonal() {
    let layers =
        (0..9).map(|t| rounded(&gaussian(200, 30 + t, t as u64), |x| x.max(0.0)));
    let layers = Layers { n: 200, layers: layers.collect() };
    for estimator in BOTH {
        let matrix = layers.matrix(estimator);
        for i in 0..9 {
            assert_close(matrix.value(i, i), 1.0, 1e-6, "diagonal");
            for j in 0..9 {
                assert_eq!(matrix.value(i, j).to_bits(), matrix.value(j, i).to_bits());
                assert_eq!(matrix.reason(i, j), None);
            }
        }
        assert!((0..9).all(|i| matrix.error(i, i) == Some(0.0)));
    }
}

/// Rotations, isotropic scaling, translation, and a joint permutation of the examples.
#[test]
fn cka_is_invariant_to_what_it_should_be() {
    let (n, p) = (120, 17);
    let [x, y] = related(n, p);
    let offsets = gaussian(1, p, 5);
    let rotated = times(&y, &orthogonal(p), p);
    let moved: Vec<f64> = (0..n * p).map(|k| y[k] + 8.0 * offsets[k % p]).collect();
    let permuted = |x: &[f64]| -> Vec<f32> {
        (0..n).flat_map(|i| &x[(i * 7 % n) * p..][..p]).map(|&x| x as f32).collect()
    };
    let x32 = rounded(&x, |x| x);
    for estimator in BOTH {
        let of =
            |x: Vec<f32>, y: Vec<f32>| Layers { n, layers: vec![x, y] }.pair(estimator);
        let value = of(x32.clone(), rounded(&y, |y| y));
        assert!((0.3..0.95).contains(&value), "an uninformative example: {value}");
        let same = [
            ("rotation", of(x32.clone(), rounded(&rotated, |y| y))),
            ("scaling", of(x32.clone(), rounded(&y, |y| -0.037 * y))),
            ("translation", of(x32.clone(), rounded(&moved, |y| y))),
            ("permutation", of(permuted(&x), permuted(&y))),
        ];
        for (what, other) in same {
            assert_close(other, value, TOLERANCE, what);
        }
    }
}

/// CKA distinguishes what invertible linear maps confound, and the order of the examples.
#[test]
fn cka_is_not_invariant_to_linear_maps_nor_to_shuffled_rows() {
    let (n, p) = (120, 17);
    let [x, _] = related(n, p);
    let stretched: Vec<f64> =
        (0..n * p).map(|k| x[k] * (1.0 + (k % p) as f64).powi(2)).collect();
    let shuffled: Vec<f64> =
        (0..n).flat_map(|i| x[(i * 7 % n) * p..][..p].to_vec()).collect();
    for estimator in BOTH {
        for other in [&stretched, &shuffled] {
            let layers = vec![rounded(&x, |x| x), rounded(other, |x| x)];
            let value = Layers { n, layers }.pair(estimator);
            assert!(value < 0.8, "{estimator:?}: {value}");
        }
    }
}

/// Guards against rows that are taken to be channels, where reordering channels changes the
/// similarity of a layer to itself.
#[test]
fn the_order_of_features_does_not_matter() {
    let (n, p) = (60, 24);
    let x = gaussian(n, p, 4);
    let reordered = x.chunks(p).flat_map(|row| row.iter().rev());
    let layers = vec![rounded(&x, |x| x), reordered.map(|&x| x as f32).collect()];
    let layers = Layers { n, layers };
    for estimator in BOTH {
        assert_close(layers.pair(estimator), 1.0, 1e-6, "reordered channels");
    }
}

/// Guards against numerators and denominators of different estimators, which put the
/// similarity of a layer to a copy of itself far below 1.
#[test]
fn a_layer_and_its_almost_exact_copy_have_similarity_one() {
    let x = gaussian(50, 100, 6);
    let copy: Vec<f64> = x.iter().map(|x| x + 1e-9).collect();
    for estimator in BOTH {
        let signature = |x| cka::signature(x, 50, 100, estimator).unwrap();
        let matrix =
            cka::matrix(&[Ok(&signature(&x)), Ok(&signature(&copy))], 50, estimator);
        assert_close(matrix.value(0, 1), 1.0, 1e-6, "copy");
    }
}

/// Guards against "unbiased" estimators that are not: independent representations have
/// debiased similarity 0, while the biased one grows with features per example.
#[test]
fn independent_representations_are_dissimilar_only_to_the_debiased_estimator() {
    let (n, p) = (512, 1024);
    let layers = [11, 12].map(|seed| rounded(&gaussian(n, p, seed), |x| x)).to_vec();
    let layers = Layers { n, layers };
    let debiased = layers.pair(Estimator::Debiased);
    assert!(debiased.abs() < 0.02, "debiased: {debiased}");
    assert_close(layers.pair(Estimator::Biased), 0.667, 0.005, "biased");
}

/// Guards against f32 Grams of uncentred features, whose self-similarity turns negative, and
/// the matrix NaN or clamped, from offsets of 10 to 30 on, and against centring the f32 Gram
/// alone, which fails at 1000.
#[test]
fn offsets_cost_no_digits() {
    let (n, p) = (128, 96);
    let pair = related(n, p);
    for offset in [1.0, 10.0, 30.0, 100.0, 1000.0, 3000.0, 10_000.0] {
        // Every feature has its own offset of that size.
        let moved = pair.each_ref().map(|x| {
            let at = |k: usize| x[k] + offset * (0.5 + (k % p) as f64 / p as f64);
            (0..n * p).map(|k| at(k) as f32).collect()
        });
        let layers = Layers { n, layers: moved.to_vec() };
        layers.assert_plain(&format!("offset {offset}"));
    }
}

/// Guards against absolute thresholds in denominators, which turn small activations into
/// similarity 0, and against squares that underflow or overflow.
#[test]
fn units_cost_no_digits() {
    let (n, p) = (64, 40);
    let pair = related(n, p);
    for scale in [1e-4, 1e-10, 1e-20, 1e-30, 1e10, 1e20, 1e30] {
        let layers = pair.each_ref().map(|x| rounded(x, |x| x * scale)).to_vec();
        Layers { n, layers }.assert_plain(&format!("scale {scale:e}"));
        let layers =
            vec![rounded(&pair[0], |x| x * scale), rounded(&pair[1], |x| 30.0 + x)];
        Layers { n, layers }.assert_plain(&format!("scale {scale:e} beside offset 30"));
    }
}

#[test]
fn f64_features_keep_digits_that_f32_lacks() {
    let (n, p) = (40, 12);
    let [x, y] = related(n, p);
    let moved: Vec<f64> = y.iter().map(|y| 1e-60 * (y + 1e6)).collect();
    for estimator in BOTH {
        let x_signature = cka::signature(&x, n, p, estimator).unwrap();
        let y_signature = cka::signature(&moved, n, p, estimator).unwrap();
        let matrix = cka::matrix(&[Ok(&x_signature), Ok(&y_signature)], n, estimator);
        let plain = plain_cka(&x, &y, n, estimator);
        assert_close(matrix.value(0, 1), plain, TOLERANCE, "f64 offset");
    }
}

/// Far more features than examples: U-centring leaves little of the Gram matrix.
#[test]
fn many_features_for_few_examples_cost_no_digits() {
    for (n, p) in [(4, 2000), (8, 5000), (24, 3000)] {
        let layers = related(n, p).map(|x| rounded(&x, |x| (x + 0.3).max(0.0)));
        Layers { n, layers: layers.to_vec() }.assert_plain(&format!("[{n}, {p}]"));
    }
}

/// One example of large norm makes most of the Gram matrix, and U-centring takes most of
/// that away.
#[test]
fn a_dominant_example_costs_no_digits() {
    let (n, p) = (50, 20);
    for size in [30.0, 1e3, 1e5] {
        let layers = related(n, p).map(|mut x| {
            x[3 * p..4 * p].iter_mut().for_each(|x| *x = size * (2.0 + *x));
            rounded(&x, |x| x)
        });
        Layers { n, layers: layers.to_vec() }.assert_plain(&format!("size {size:e}"));
    }
}

#[test]
fn duplicated_examples_are_ordinary() {
    let (n, p) = (30, 8);
    let layers = related(n, p).map(|x| {
        let mut x = rounded(&x, |x| x);
        for i in (0..n).step_by(3) {
            let row = x[..p].to_vec();
            x[i * p..(i + 1) * p].copy_from_slice(&row);
        }
        x
    });
    Layers { n, layers: layers.to_vec() }.assert_plain("duplicated rows");
}

#[test]
fn rank_one_layers_are_defined() {
    let (n, p) = (25, 7);
    let along = gaussian(n, 1, 7);
    let rank_one = |direction: fn(usize) -> f64| -> Vec<f32> {
        (0..n * p).map(|k| (along[k / p] * direction(k % p)) as f32).collect()
    };
    let general = rounded(&gaussian(n, p, 8), |x| x);
    let layers =
        vec![rank_one(|c| c as f64 - 2.0), rank_one(|c| (c as f64).sin()), general];
    let layers = Layers { n, layers };
    layers.assert_plain("rank one");
    for estimator in BOTH {
        assert_close(layers.pair(estimator), 1.0, 1e-6, "two layers of one direction");
    }
}

fn reason<T: Feature>(x: &[T], n: usize, estimator: Estimator) -> Undefined {
    cka::signature(x, n, x.len() / n, estimator).unwrap_err()
}

/// Guards against NaN and made-up values where the estimator divides by n(n − 3).
#[test]
fn fewer_than_four_examples_are_undefined() {
    for n in 1..4 {
        let x = gaussian(n, 6, 1);
        for estimator in BOTH {
            assert_eq!(reason(&x, n, estimator), Undefined::TooFewExamples { n });
        }
    }
    let x = gaussian(4, 6, 1);
    assert!(cka::signature(&x, 4, 6, Estimator::Debiased).is_ok());
}

/// Guards against similarity 0, 1 or an unexplained NaN for a layer that does not respond.
#[test]
fn dead_layers_are_undefined_whatever_their_offset() {
    for value in [0.0f32, 0.1, -3000.7, 1e30] {
        for estimator in BOTH {
            let x = vec![value; 40 * 6];
            assert_eq!(reason(&x, 40, estimator), Undefined::DeadLayer, "{value}");
        }
    }
}

#[test]
fn features_that_are_not_finite_are_undefined() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut x = rounded(&gaussian(10, 6, 1), |x| x);
        x[33] = bad;
        for estimator in BOTH {
            assert_eq!(reason(&x, 10, estimator), Undefined::NonFinite);
        }
    }
}

/// Guards against ratios of rounding errors: where U-centring leaves nothing, the debiased
/// self-similarity is 0/0.
#[test]
fn mutually_orthogonal_examples_are_undefined_when_debiased() {
    let n = 20;
    let mut single = vec![0.3f32; n * 5];
    single[7 * 5..8 * 5].copy_from_slice(&[0.31, 0.9, 0.2, 0.77, 5.0]);
    let one_hot: Vec<f32> = (0..n * n)
        .map(|k| if k / n == k % n { 0.1 + (k % n) as f32 } else { 0.0 })
        .collect();
    for x in [single, one_hot] {
        let debiased = reason(&x, n, Estimator::Debiased);
        assert_eq!(debiased, Undefined::OrthogonalExamples);
        assert!(cka::signature(&x, n, x.len() / n, Estimator::Biased).is_ok());
    }
    // Two examples that respond make the layer defined.
    let mut two = vec![0.3f32; n * 5];
    two[35..40].copy_from_slice(&[0.31, 0.9, 0.2, 0.77, 5.0]);
    two[60..65].copy_from_slice(&[0.4, 0.7, 0.25, 0.1, 2.0]);
    let other = rounded(&gaussian(n, 5, 3), |x| x);
    Layers { n, layers: vec![two, other] }.assert_plain("two examples respond");
}

#[test]
fn an_undefined_epoch_takes_only_its_own_row_and_column() {
    let [x, y] = related(30, 5).map(|x| rounded(&x, |x| x));
    let dead = vec![1.5f32; 30 * 5];
    let mut broken = x.clone();
    broken[2] = f32::NAN;
    let clean = Layers { n: 30, layers: vec![x.clone(), y.clone()] };
    let layers = Layers { n: 30, layers: vec![x, dead, y, broken] };
    for estimator in BOTH {
        let matrix = layers.matrix(estimator);
        assert_eq!(matrix.value(0, 2).to_bits(), clean.pair(estimator).to_bits());
        let expected = |i: usize, j: usize| match (i.min(j), i.max(j)) {
            (1, _) | (0, 1) => Some(Undefined::DeadLayer),
            (0 | 2 | 3, 3) => Some(Undefined::NonFinite),
            _ => None,
        };
        for i in 0..4 {
            for j in 0..4 {
                assert_eq!(matrix.reason(i, j), expected(i, j), "({i}, {j})");
                assert_eq!(matrix.value(i, j).is_nan(), expected(i, j).is_some());
            }
        }
    }
}

#[test]
fn matrices_without_any_defined_epoch_hold_reasons_alone() {
    let undefined = Err(Undefined::DeadLayer);
    let matrix = cka::matrix(&[undefined, undefined], 20, Estimator::Debiased);
    assert!(matrix.values.iter().all(|value| value.is_nan()));
    assert!(matrix.reasons.iter().all(|reason| *reason == Some(Undefined::DeadLayer)));
    assert_eq!(cka::matrix(&[], 20, Estimator::Debiased).n_epochs, 0);
}

#[test]
fn the_bytes_are_the_same_at_any_number_of_threads() {
    let (n, p) = (300, 2100);
    let layers: Vec<Vec<f32>> =
        (0..5).map(|t| rounded(&gaussian(n, p, t), |x| (x + 1.0).max(0.0))).collect();
    for estimator in BOTH {
        let with = |threads: usize| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let signatures: Vec<Vec<f32>> = layers
                    .iter()
                    .map(|x| cka::signature(x, n, p, estimator).unwrap())
                    .collect();
                let rows: Vec<_> = signatures.iter().map(|s| Ok(s.as_slice())).collect();
                let matrix = cka::matrix(&rows, n, estimator).values;
                let bits =
                    signatures.concat().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                (bits, matrix.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
            })
        };
        let one = with(1);
        for threads in [2, 3, 4, 8] {
            assert!(with(threads) == one, "{estimator:?}, {threads} threads");
        }
    }
}
