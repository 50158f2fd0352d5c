//! `stratagram similarity`: what is compared with what, of which features, and by which route.

use serde_json::Value;
use stratagram::array_file::{Array, npy_bytes};

use crate::support::similarity::{
    activations, failure, json, stratagram, strings, write,
};

#[test]
fn one_list_is_compared_against_another() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for epoch in 1..=5 {
        write(path, &format!("{epoch}.npy"), &npy_bytes(&activations(20, epoch)));
    }
    write(path, "dead.npy", &npy_bytes(&Array::f32(&[20, 1], vec![1.0; 20])));
    for measure in ["cka", "shape", "pwcca", "rsa"] {
        let all = json(path, &["--measure", measure, "1.npy", "2.npy", "3.npy", "4.npy"]);
        let across = json(
            path,
            &[
                "--measure",
                measure,
                "1.npy",
                "2.npy",
                "--against",
                "3.npy",
                "4.npy",
                "dead.npy",
            ],
        );
        assert_eq!(strings(&across["labels"]), ["1", "2"]);
        assert_eq!(strings(&across["columns"]), ["3", "4", "dead"]);
        for i in 0..2 {
            for j in 0..2 {
                assert_eq!(across["values"][i][j], all["values"][i][j + 2], "{measure}");
            }
            assert!(across["values"][i][2].is_null());
            assert!(across["reasons"][i][2].as_str().unwrap().contains("dead layer"));
        }
    }
    let arguments = ["--measure", "cka", "1.npy", "--against", "2.npy", "dead.npy"];
    let table = stratagram(path, &arguments).stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("1 against dead is undefined: dead layer"), "{table}");
}

#[test]
fn dominant_examples_are_left_out_at_all_epochs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let kept = |array: &Array| {
        let rows: Vec<f32> = array
            .to_f32()
            .chunks(6)
            .enumerate()
            .filter(|(i, _)| *i != 4 && *i != 11)
            .flat_map(|(_, row)| row.to_vec())
            .collect();
        Array::f32(&[18, 6], rows)
    };
    for epoch in 1..=2 {
        let mut values = activations(20, epoch).to_f32();
        // Example 4 dominates the first epoch alone, 11 the second.
        let far = if epoch == 1 { 4 } else { 11 };
        values[far * 6] += 5000.0;
        let array = Array::f32(&[20, 6], values);
        write(path, &format!("{epoch}.npy"), &npy_bytes(&array));
        write(path, &format!("kept{epoch}.npy"), &npy_bytes(&kept(&array)));
    }
    let dropped =
        json(path, &["--measure", "cka", "--drop-dominant", "0.1", "1.npy", "2.npy"]);
    let expected = json(path, &["--measure", "cka", "kept1.npy", "kept2.npy"]);
    assert_eq!(dropped["values"], expected["values"]);
    assert_eq!((&dropped["n_dropped"], &dropped["n_examples"]), (&2.into(), &18.into()));
    let (code, error) =
        failure(path, &["--measure", "cka", "--drop-dominant", "1", "1.npy"]);
    assert_eq!(code, 2);
    assert!(error.contains("`--drop-dominant` is 1"), "{error}");
}

#[test]
fn maps_and_tokens_become_features_as_asked_and_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let value = |k: usize| ((k * k + 3) % 17) as f32;
    let maps = |shift: usize| {
        Array::f32(&[12, 3, 4, 4], (0..12 * 48).map(|k| value(k + shift * k)).collect())
    };
    let averaged = |array: &Array| {
        let mean = |map: &[f32]| map.iter().sum::<f32>() / 16.0;
        Array::f32(&[12, 3], array.to_f32().chunks(16).map(mean).collect())
    };
    for t in 0..2 {
        write(path, &format!("{t}.npy"), &npy_bytes(&maps(t)));
        write(path, &format!("a{t}.npy"), &npy_bytes(&averaged(&maps(t))));
    }
    let of = |extra: &[&str]| {
        json(path, &[&["--measure", "cka", "0.npy", "1.npy"], extra].concat())
    };
    let average = of(&["--features", "average"]);
    let expected = json(path, &["--measure", "cka", "a0.npy", "a1.npy"]);
    let difference = average["values"][0][1].as_f64().unwrap()
        - expected["values"][0][1].as_f64().unwrap();
    assert!(difference.abs() < 1e-6);
    assert_eq!(average["features"], "average");
    let (flat, grid) = (of(&[]), of(&["--features", "grid", "--grid", "4"]));
    assert_eq!(flat["values"], grid["values"]);
    assert_eq!(
        (&flat["features"], &grid["features"]),
        (&"flatten".into(), &"grid 4x4".into())
    );
    assert_ne!(of(&["--features", "grid"])["values"], flat["values"]);
    let (_, error) = failure(
        path,
        &["--measure", "cka", "0.npy", "--features", "grid", "--grid", "5"],
    );
    assert!(error.contains("maps of 4×4") && error.contains("5×5"), "{error}");
}

/// A file that is too large to be read whole is streamed, with the values of any other.
#[test]
fn large_files_are_streamed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (n, p) = (140, 122_000);
    let large: Vec<f32> =
        (0..n * p).map(|k| ((k * k) % 8191) as f32 / 100.0 + (k / p) as f32).collect();
    let small: Vec<f32> = (0..n * 5).map(|k| ((k * k + 7) % 31) as f32).collect();
    write(path, "large.npy", &npy_bytes(&Array::f32(&[n, 2, p / 2], large.clone())));
    assert!(std::fs::metadata(path.join("large.npy")).unwrap().len() > 64 << 20);
    write(path, "small.npy", &npy_bytes(&Array::f32(&[n, 5], small.clone())));
    let result = json(path, &["--measure", "cka", "large.npy", "small.npy"]);
    let estimator = stratagram::similarity::Estimator::Debiased;
    let signature = |x: &[f32]| {
        stratagram::similarity::cka::signature(x, n, x.len() / n, estimator).unwrap()
    };
    let (a, b) = (signature(&large), signature(&small));
    let matrix = stratagram::similarity::cka::matrix(&[Ok(&a), Ok(&b)], n, estimator);
    let value = result["values"][0][1].as_f64().unwrap();
    assert!((value - matrix.value(0, 1)).abs() < 1e-12, "{value}");
}

/// More examples than a Gram matrix is made for, with few features: another route, the same
/// values; a list with a wide representation among them is compared by Gram matrices.
#[test]
fn many_examples_of_few_features_are_compared_without_gram_matrices() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let n = 4100;
    let array = |t: usize, p: usize| {
        let value = |k: usize| ((k * k + 3 * t * k) % 1021) as f32 / 100.0;
        Array::f32(&[n, p], (0..n * p).map(value).collect())
    };
    write(path, "1.npy", &npy_bytes(&array(1, 6)));
    write(path, "2.npy", &npy_bytes(&array(2, 9)));
    write(path, "wide.npy", &npy_bytes(&array(1, 1030)));
    let narrow = json(path, &["--measure", "cka", "1.npy", "2.npy"]);
    let mixed = json(path, &["--measure", "cka", "1.npy", "2.npy", "wide.npy"]);
    for key in ["values", "se"] {
        let cell = |result: &Value| result[key][0][1].as_f64().unwrap();
        assert!((cell(&narrow) - cell(&mixed)).abs() < 1e-6, "{key}");
    }
    assert!(narrow["noise_floor"].is_number() && mixed["noise_floor"].is_number());
    let mixed = json(path, &["--measure", "cka", "wide.npy", "1.npy"]);
    let blocks = ["--measure", "cka", "wide.npy", "1.npy", "--block", "1500"];
    let blocks = json(path, &blocks);
    for (key, tolerance) in [("values", 1e-6), ("se", 1e-5)] {
        let cell = |result: &Value| result[key][0][1].as_f64().unwrap();
        assert!((cell(&blocks) - cell(&mixed)).abs() < tolerance, "{key}");
    }
    // By features, Gram matrices and blocks.
    for files in [
        vec!["1.npy", "2.npy"],
        vec!["wide.npy", "1.npy"],
        vec!["wide.npy", "1.npy", "--block", "1500"],
    ] {
        let with = json(path, &[&["--measure", "cka"][..], &files].concat());
        let alone = [&["--measure", "cka", "--values-only"][..], &files].concat();
        let alone = json(path, &alone);
        assert_eq!(alone["values"], with["values"], "{files:?}");
        assert!(with["se"][0][1].is_number() && alone["se"].is_null(), "{files:?}");
        assert!(alone["noise_floor"].is_null(), "{files:?}");
    }
    let wrong = ["--measure", "shape", "1.npy", "2.npy", "--block", "1500"];
    assert_eq!(failure(path, &wrong).0, 2);
}

#[test]
fn a_confounder_is_left_out_of_the_comparison() {
    let directory = tempfile::tempdir().unwrap();
    let golden = |p: usize, f: fn(usize, usize) -> f64| -> Vec<u8> {
        let values = (0..12 * p).map(|k| f(k / p, k % p)).collect();
        npy_bytes(&Array::f64(&[12, p], values))
    };
    let x = golden(4, |i, j| ((7 * i + 3 * j + i * j) % 11) as f64 / 10.0);
    write(directory.path(), "x.npy", &x);
    let w = golden(5, |i, j| ((3 * i + 5 * j + i * i * j) % 7) as f64 / 6.0);
    write(directory.path(), "w.npy", &w);
    let y = golden(3, |i, j| ((5 * i + 8 * j + i * i) % 13) as f64 / 12.0);
    write(directory.path(), "y.npy", &y);
    let arguments =
        ["--measure", "cka", "--estimator", "biased", "x.npy", "w.npy", "y.npy"];
    let arguments = [&arguments[..], &["--confounder", "y.npy"]].concat();
    let result = json(directory.path(), &arguments);
    assert_eq!(strings(&result["labels"]), ["w", "x", "y"]);
    let value = result["values"][0][1].as_f64().unwrap();
    assert!((value - 0.345_650_373_348).abs() < 1e-5, "{value}");
    assert!(result["values"][2][2].is_null());
    let reason = result["reasons"][0][2].as_str().unwrap();
    assert_eq!(reason, "nothing is left of it without the confounder");
    assert_eq!(result["confounder"], "y.npy");
    let shape = ["--measure", "shape", "x.npy", "w.npy", "--confounder", "y.npy"];
    let (code, message) = failure(directory.path(), &shape);
    assert!(code == 2 && message.contains("has no meaning for shape"), "{message}");
    write(directory.path(), "short.npy", &npy_bytes(&activations(11, 1)));
    let short = ["--measure", "cka", "x.npy", "w.npy", "--confounder", "short.npy"];
    let (code, message) = failure(directory.path(), &short);
    assert!(code == 1 && message.contains("short.npy holds 11 examples"), "{message}");
    write(directory.path(), "dead.npy", &npy_bytes(&Array::f32(&[12, 2], vec![1.0; 24])));
    let dead = ["--measure", "cka", "x.npy", "w.npy", "--confounder", "dead.npy"];
    let (code, message) = failure(directory.path(), &dead);
    assert!(code == 1 && message.contains("explains nothing: dead layer"), "{message}");
}
