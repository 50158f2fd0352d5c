//! Linear probes against scikit-learn's optimum, and the properties of a unique optimum.

use std::path::Path;
use std::process::Command;

use stratagram::array_file::{Array, NamedArrays, npz_bytes, read_npz};
use stratagram::probe::{Design, Fit, FitOptions, Probe};

const ORACLE: &str = "tests/oracles/probe";

/// Numbers in [0, 1), the same on every run.
fn numbers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Correlated, rectified features of noisy classes: a mixture of `rank` directions.
fn problem(n: usize, d: usize, n_classes: usize, noise: f64) -> (Vec<f32>, Vec<u8>) {
    let mut next = numbers((n * 31 + d) as u64);
    let rank = 12;
    let directions: Vec<f64> =
        (0..(n_classes + rank) * d).map(|_| next() - 0.5).collect();
    let (mut x, mut y) = (vec![], vec![]);
    for i in 0..n {
        let class = i % n_classes;
        let mix: Vec<f64> = (0..rank).map(|_| next() - 0.5).collect();
        for j in 0..d {
            let mut value = 0.6 * directions[class * d + j] + 0.1 * (next() - 0.5);
            for (k, mix) in mix.iter().enumerate() {
                value += mix * directions[(n_classes + k) * d + j];
            }
            x.push(value.max(-0.1) as f32);
        }
        let wrong = (next() * n_classes as f64) as usize;
        y.push(if next() < noise { wrong } else { class } as u8);
    }
    (x, y)
}

/// Largest entry of the gradient in standardized features, all in f64 from the definition.
fn gradient_norm(fit: &Fit, x: &[f32], y: &[u8], design: &Design, l2: f64) -> f64 {
    let (n, d, n_classes) = (y.len(), x.len() / y.len(), fit.bias.len());
    let standard = design.standardization();
    let mut gradient = vec![0.0; n_classes * d];
    let mut bias = vec![0.0; n_classes];
    for (row, &label) in x.chunks(d).zip(y) {
        let z: Vec<f64> = (0..n_classes)
            .map(|c| {
                let weight = &fit.weight[c * d..(c + 1) * d];
                let dot: f64 =
                    weight.iter().zip(row).map(|(w, &x)| w * f64::from(x)).sum();
                dot + fit.bias[c]
            })
            .collect();
        let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = z.iter().map(|z| (z - largest).exp()).sum();
        for c in 0..n_classes {
            let own = f64::from(u8::from(c == usize::from(label)));
            let residual = ((z[c] - largest).exp() / total - own) / n as f64;
            bias[c] += residual;
            for j in 0..d {
                let x = (f64::from(row[j]) - standard.mean[j]) / standard.scale[j];
                gradient[c * d + j] += residual * x;
            }
        }
    }
    for (at, gradient) in gradient.iter_mut().enumerate() {
        *gradient += l2 * fit.weight[at] * standard.scale[at % d];
    }
    gradient.iter().chain(&bias).fold(0.0, |largest, value| largest.max(value.abs()))
}

fn options(l2: f64) -> FitOptions {
    FitOptions { l2, ..FitOptions::default() }
}

#[test]
fn fits_are_stationary_in_f64_for_any_shape_and_penalty() {
    for (n, d) in [(300, 40), (120, 200), (90, 90), (60, 1)] {
        let (x, y) = problem(n, d, 5, 0.2);
        let design = Design::new(&x, n, d, true).unwrap();
        for l2 in [1e-4, 1e-3, 1e-2] {
            let fit = design.fit(&y, 5, &options(l2), None);
            assert!(fit.converged, "{n} × {d}, {l2}");
            let norm = gradient_norm(&fit, &x, &y, &design, l2);
            assert!(norm <= 1e-6, "{n} × {d}, {l2}: gradient {norm:e}");
        }
    }
}

#[test]
fn separable_features_have_a_finite_optimum() {
    let (x, y) = problem(80, 150, 4, 0.0);
    let design = Design::new(&x, 80, 150, true).unwrap();
    let fit = design.fit(&y, 4, &options(1e-3), None);
    assert!(fit.converged && fit.probe.weight.iter().all(|w| w.is_finite()));
    assert_eq!(fit.probe.predict(&x, 80), y);
}

#[test]
fn a_warm_start_ends_at_the_same_predictions() {
    let (x, y) = problem(200, 60, 5, 0.2);
    let design = Design::new(&x, 200, 60, true).unwrap();
    let cold = design.fit(&y, 5, &options(1e-3), None);
    let others: Vec<u8> = y.iter().map(|label| (label + 1) % 5).collect();
    let start = design.fit(&others, 5, &options(1e-2), None).probe;
    let warm = design.fit(&y, 5, &options(1e-3), Some(&start));
    assert!((warm.objective - cold.objective).abs() < 1e-7);
    assert_eq!(warm.probe.predict(&x, 200), cold.probe.predict(&x, 200));
}

#[test]
fn permuted_classes_give_permuted_predictions() {
    let (x, y) = problem(150, 40, 4, 0.2);
    let permutation = [2, 0, 3, 1];
    let permuted: Vec<u8> = y.iter().map(|&c| permutation[usize::from(c)]).collect();
    let design = Design::new(&x, 150, 40, true).unwrap();
    let plain = design.fit(&y, 4, &options(1e-3), None).probe.predict(&x, 150);
    let other = design.fit(&permuted, 4, &options(1e-3), None).probe.predict(&x, 150);
    let expected: Vec<u8> = plain.iter().map(|&c| permutation[usize::from(c)]).collect();
    assert_eq!(other, expected);
}

#[test]
fn standardized_fits_know_no_shift_or_scale() {
    let (x, y) = problem(150, 40, 4, 0.2);
    let moved: Vec<f32> = x.iter().map(|x| 8.0 * x + 3.0).collect();
    let fit = |x: &[f32]| {
        Design::new(x, 150, 40, true).unwrap().fit(&y, 4, &options(1e-3), None)
    };
    let (plain, other) = (fit(&x), fit(&moved));
    assert!((plain.objective - other.objective).abs() < 1e-6);
    assert_eq!(plain.probe.predict(&x, 150), other.probe.predict(&moved, 150));
}

#[test]
fn duplicated_columns_share_a_weight_and_a_constant_one_has_none() {
    let (x, y) = problem(120, 10, 3, 0.2);
    let wide: Vec<f32> =
        x.chunks(10).flat_map(|row| [row, row, &[7.0]].concat()).collect();
    let design = Design::new(&wide, 120, 21, true).unwrap();
    let fit = design.fit(&y, 3, &options(1e-3), None);
    assert_eq!(design.n_floored(), 1);
    for row in fit.weight.chunks(21) {
        for j in 0..10 {
            assert!((row[j] - row[10 + j]).abs() < 1e-3, "{} {}", row[j], row[10 + j]);
        }
        assert!(row[20].abs() < 1e-9, "{}", row[20]);
    }
}

#[test]
fn a_dead_layer_predicts_the_most_frequent_class() {
    let y: Vec<u8> = (0..50).map(|i| u8::from(i % 5 > 1)).collect();
    for d in [3, 80] {
        let x = vec![0.25_f32; 50 * d];
        let design = Design::new(&x, 50, d, true).unwrap();
        let fit = design.fit(&y, 2, &options(1e-3), None);
        assert_eq!(design.n_floored(), d);
        assert!(fit.converged);
        let entropy = -(0.4 * 0.4_f64.ln() + 0.6 * 0.6_f64.ln());
        assert!((fit.objective - entropy).abs() < 1e-9, "{}", fit.objective);
        assert_eq!(fit.probe.predict(&x, 50), vec![1; 50]);
    }
}

#[test]
fn a_class_without_examples_is_never_predicted() {
    let (x, y) = problem(100, 20, 3, 0.1);
    let fit = Design::new(&x, 100, 20, true).unwrap().fit(&y, 20, &options(1e-3), None);
    assert!(fit.converged && fit.probe.bias[7] == f32::NEG_INFINITY);
    assert!(fit.probe.predict(&x, 100).iter().all(|&class| class < 3));
}

#[test]
fn an_early_end_is_reported() {
    let (x, y) = problem(200, 60, 5, 0.2);
    let few = FitOptions { max_iterations: 2, ..FitOptions::default() };
    let design = Design::new(&x, 200, 60, true).unwrap();
    let fit = design.fit(&y, 5, &few, None);
    assert!(!fit.converged && fit.iterations == 2 && fit.gradient_norm > 1e-6);
    assert_eq!(design.cross_validate(&y, 5, &few, 5, &fit.probe).n_unconverged, 5);
}

#[test]
fn held_out_predictions_do_not_know_the_label() {
    // Labels at random: fitted perfectly, guessed no better than by chance.
    let (x, _) = problem(200, 300, 2, 0.0);
    let mut next = numbers(5);
    let y: Vec<u8> = (0..200).map(|_| u8::from(next() < 0.5)).collect();
    let design = Design::new(&x, 200, 300, true).unwrap();
    let fit = design.fit(&y, 2, &options(1e-3), None);
    let right = |p: &[u8]| p.iter().zip(&y).filter(|(a, b)| a == b).count();
    assert_eq!(right(&fit.probe.predict(&x, 200)), 200);
    let held_out = design.cross_validate(&y, 2, &options(1e-3), 5, &fit.probe);
    assert_eq!(held_out.n_unconverged, 0);
    let right = right(&held_out.predictions);
    // Four standard deviations of 200 fair guesses.
    assert!((72..=128).contains(&right), "{right} of 200");
}

#[test]
fn bytes_do_not_depend_on_threads_or_batches() {
    // Three blocks of 1,024 rows, the last one short.
    let (x, y) = problem(2500, 30, 5, 0.2);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let design = Design::new(&x, 2500, 30, true).unwrap();
            let probe = design.fit(&y, 5, &options(1e-3), None).probe;
            let held_out =
                design.cross_validate(&y, 5, &options(1e-3), 5, &probe).predictions;
            (probe, held_out)
        })
    };
    let (probe, held_out) = run(1);
    for threads in [2, 4] {
        assert!(run(threads) == (probe.clone(), held_out.clone()), "{threads} threads");
    }
    let whole = probe.logits(&x, 2500);
    let single: Vec<f32> = x.chunks(30).flat_map(|row| probe.logits(row, 1)).collect();
    assert!(whole == single);
}

#[test]
fn stored_probes_read_back() {
    let (x, y) = problem(60, 8, 3, 0.1);
    let probe =
        Design::new(&x, 60, 8, true).unwrap().fit(&y, 3, &options(1e-3), None).probe;
    let mut arrays = probe.to_arrays();
    assert_eq!(Probe::from_arrays(&arrays).unwrap(), probe);
    arrays.0.pop();
    let error = Probe::from_arrays(&arrays).unwrap_err().to_string();
    assert!(error.contains("`bias`"), "{error}");
}

fn stratagram(arguments: &[&str]) -> (i32, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_stratagram")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_optimum_is_that_of_scikit_learn() {
    let expected = std::fs::read_to_string(format!("{ORACLE}/expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let arrays = read_npz(Path::new(&format!("{ORACLE}/data.npz"))).unwrap();
    let of = |name: &str| arrays.get(name).unwrap();
    let labels: Vec<u8> =
        of("y").to_i64().unwrap().iter().map(|&label| label as u8).collect();
    let (n, d) = (of("X").shape[0], of("X").shape[1]);
    let x = of("X").to_f64();
    let tight = FitOptions {
        l2: 0.01,
        tolerance: 1e-9,
        max_iterations: 10_000,
        ..FitOptions::default()
    };
    let fit = Design::new(&x, n, d, false).unwrap().fit(&labels, 5, &tight, None);
    let objective = expected["objective"].as_f64().unwrap();
    assert!((fit.objective / objective - 1.0).abs() < 1e-8, "{}", fit.objective);
    for j in 0..=d {
        let column = |c: usize| if j < d { fit.weight[c * d + j] } else { fit.bias[c] };
        let mean = (0..5).map(column).sum::<f64>() / 5.0;
        let (name, stride) = if j < d { ("coef", d) } else { ("intercept", 1) };
        let oracle = of(name).to_f64();
        for c in 0..5 {
            let expected = oracle[c * stride + j % d];
            assert!((column(c) - mean - expected).abs() < 1e-4, "{name} {c} {j}");
        }
    }
    let (code, out, error) =
        stratagram(&["probe", &format!("{ORACLE}/data.npz"), "--l2", "0.01", "--json"]);
    assert_eq!(code, 0, "{error}");
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    let relative = found["objective"].as_f64().unwrap() / objective - 1.0;
    assert!(relative.abs() < 1e-8, "{out}");
    assert_eq!(found["test_accuracy"], expected["test_accuracy"]);
    assert_eq!(
        found["predictions"],
        serde_json::json!(of("pred_test").to_i64().unwrap())
    );
}

#[test]
fn the_verb_keeps_the_labels_and_refuses_bad_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let run = |x: Array, y: Option<Array>| {
        let mut arrays = NamedArrays::default();
        arrays.push("X", x);
        if let Some(y) = y {
            arrays.push("y", y);
        }
        std::fs::write(&path, npz_bytes(&arrays)).unwrap();
        stratagram(&["probe", path.to_str().unwrap(), "--l2", "0.1", "--json"])
    };
    let x = || Array::f32(&[4, 1], vec![-2.0, -1.0, 1.0, 2.0]);
    let (code, out, _) = run(x(), Some(Array::i64(&[4], vec![3, 3, 1000, 1000])));
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0);
    assert_eq!(found["predictions"], serde_json::json!([3, 3, 1000, 1000]));
    assert!(found["test_accuracy"].is_null());
    let out = folder.path().join("probe.npz");
    let words = ["probe", path.to_str().unwrap(), "--l2", "0.1", "--out"];
    stratagram(&[&words[..], &[out.to_str().unwrap()]].concat());
    let written = read_npz(&out).unwrap();
    assert_eq!(written.get("classes").unwrap().to_i64().unwrap(), [3, 1000]);
    let probe = Probe::from_arrays(&written).unwrap();
    assert_eq!(probe.predict(&[-1.0, 1.0], 2), [0, 1]);
    let nan = Array::f32(&[2, 1], vec![1.0, f32::NAN]);
    for (x, y, says) in [
        (x(), None, "no member `y`"),
        (x(), Some(Array::i64(&[3], vec![0, 1, 0])), "[3]"),
        (x(), Some(Array::i64(&[4], vec![0, -1, 0, 1])), "-1"),
        (x(), Some(Array::f32(&[4], vec![0.0, 0.5, 0.0, 1.0])), "not an integer"),
        (x(), Some(Array::i64(&[4], vec![2; 4])), "1 classes"),
        (nan, Some(Array::i64(&[2], vec![0, 1])), "example 1"),
        (Array::f32(&[1, 1], vec![1.0]), Some(Array::i64(&[1], vec![0])), "1 examples"),
    ] {
        let (code, _, error) = run(x, y);
        assert!(code == 1 && error.contains(says), "{says}: {code} {error}");
    }
    let (code, ..) = stratagram(&["probe", path.to_str().unwrap(), "--l2", "0"]);
    assert_eq!(code, 2);
}
