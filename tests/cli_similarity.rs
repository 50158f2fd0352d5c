//! `stratagram similarity` from files to stdout.
#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use stratagram::array_file::{
    Array, NamedArrays, npy_bytes, npz_bytes, safetensors_bytes,
};

fn stratagram(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stratagram"))
        .current_dir(directory)
        .arg("similarity")
        .args(arguments)
        .output()
        .unwrap()
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    let output = stratagram(directory, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Exit code and stderr of a command that must fail without a result.
fn failure(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = stratagram(directory, arguments);
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn oracle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/activations-small")
}

/// Activations [n, 6] that differ from epoch to epoch.
fn activations(n: usize, epoch: usize) -> Array {
    let value = |k: usize| ((k * k + 3) % 17) as f32 + ((k * (epoch + 2)) % 13) as f32;
    Array::f32(&[n, 2, 3], (0..n * 6).map(value).collect())
}

fn write(directory: &Path, name: &str, bytes: &[u8]) {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn json_holds_the_oracle_matrix_under_the_files_names() {
    let expected = std::fs::read_to_string(oracle().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let files: Vec<String> = (0..5).rev().map(|t| format!("epoch-{t:06}.npy")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    for estimator in ["debiased", "biased"] {
        let arguments =
            [&["--measure", "cka", "--estimator", estimator], &files[..]].concat();
        let result = json(&oracle(), &arguments);
        let keys: Vec<&String> = result.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            ["measure", "estimator", "n_examples", "labels", "values", "se", "reasons"]
        );
        assert_eq!(result["measure"], "cka");
        assert_eq!(result["estimator"], estimator);
        assert_eq!(result["n_examples"], 128);
        assert_eq!(strings(&result["labels"])[..2], ["epoch-000000", "epoch-000001"]);
        assert!(result["se"].is_null() && result["reasons"].is_null());
        for i in 0..5 {
            for j in 0..5 {
                let value = result["values"][i][j].as_f64().unwrap();
                let expected = &expected[format!("cka_linear_{estimator}")][i][j];
                let difference = (value - expected.as_f64().unwrap()).abs();
                assert!(
                    difference < 1e-5,
                    "{estimator} ({i}, {j}): {value}, not {expected}"
                );
            }
        }
    }
}

#[test]
fn the_default_estimator_is_debiased() {
    let files = ["--measure", "cka", "epoch-000000.npy", "epoch-000003.npy"];
    let result = json(&oracle(), &files);
    assert_eq!(result["estimator"], "debiased");
    assert!((result["values"][0][1].as_f64().unwrap() - 0.061_935_9).abs() < 1e-5);
}

#[test]
fn files_are_taken_in_numeric_order_and_labelled_by_stem() {
    let directory = tempfile::tempdir().unwrap();
    for epoch in [2, 10, 1] {
        let name = format!("epoch-{epoch}.npy");
        write(directory.path(), &name, &npy_bytes(&activations(20, epoch)));
    }
    let files = ["--measure", "cka", "epoch-10.npy", "epoch-1.npy", "epoch-2.npy"];
    let result = json(directory.path(), &files);
    assert_eq!(strings(&result["labels"]), ["epoch-1", "epoch-2", "epoch-10"]);
    let table = stratagram(directory.path(), &files);
    let table = String::from_utf8(table.stdout).unwrap();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 4);
    assert!(rows[1].starts_with("epoch-1 ") && rows[3].starts_with("epoch-10"));
    let value = result["values"][0][2].as_f64().unwrap();
    assert!(rows[1].ends_with(&format!("{value:.4}")), "{table}");
    assert!(rows[2].contains("1.0000"), "{table}");
}

#[test]
fn formats_and_types_do_not_change_the_values() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = (activations(20, 3), activations(20, 4));
    let double = Array::f64(&[20, 6], b.to_f64());
    let integers = Array::i64(&[20, 6], b.to_i64().unwrap());
    let pair = NamedArrays(vec![("e10".into(), b.clone()), ("e9".into(), a.clone())]);
    write(directory.path(), "a.npy", &npy_bytes(&a));
    write(directory.path(), "b.npy", &npy_bytes(&b));
    write(directory.path(), "c.npy", &npy_bytes(&double));
    write(directory.path(), "d.npy", &npy_bytes(&integers));
    write(directory.path(), "p.npz", &npz_bytes(&pair));
    write(directory.path(), "q.safetensors", &safetensors_bytes(&pair));
    let files = ["a.npy", "b.npy", "c.npy", "d.npy", "p.npz", "q.safetensors"];
    let result = json(directory.path(), &[&["--measure", "cka"], &files[..]].concat());
    assert_eq!(
        strings(&result["labels"]),
        ["a", "b", "c", "d", "p:e9", "p:e10", "q:e9", "q:e10"]
    );
    let value = |i: usize, j: usize| result["values"][i][j].as_f64().unwrap();
    for column in [2, 3, 5, 7] {
        assert_eq!(value(0, column).to_bits(), value(0, 1).to_bits(), "{column}");
    }
    assert!((value(4, 0) - 1.0).abs() < 1e-6 && (value(5, 1) - 1.0).abs() < 1e-6);
    assert!(value(0, 1) < 0.99);
}

#[test]
fn repeated_stems_are_told_apart_by_their_directories() {
    let directory = tempfile::tempdir().unwrap();
    for run in ["seed-0", "seed-1"] {
        write(directory.path(), &format!("{run}/fc.npy"), &npy_bytes(&activations(9, 1)));
    }
    let files = ["--measure", "cka", "seed-1/fc.npy", "seed-0/fc.npy"];
    let labels = &json(directory.path(), &files)["labels"];
    assert_eq!(strings(labels), ["seed-0/fc", "seed-1/fc"]);
}

#[test]
fn undefined_values_are_null_with_their_reason() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "1.npy", &npy_bytes(&activations(20, 1)));
    write(directory.path(), "2.npy", &npy_bytes(&Array::f32(&[20, 4], vec![0.5; 80])));
    let result = json(directory.path(), &["--measure", "cka", "1.npy", "2.npy"]);
    assert!(result["values"][0][0].is_number() && result["reasons"][0][0].is_null());
    for (i, j) in [(0, 1), (1, 0), (1, 1)] {
        assert!(result["values"][i][j].is_null());
        assert!(result["reasons"][i][j].as_str().unwrap().contains("dead layer"));
    }
    let table = stratagram(directory.path(), &["--measure", "cka", "1.npy", "2.npy"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("2 is undefined: dead layer"), "{table}");
    assert!(table.contains('–') && !table.contains("NaN"), "{table}");
}

#[test]
fn three_examples_are_undefined_not_zero() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "1.npy", &npy_bytes(&activations(3, 1)));
    let result = json(directory.path(), &["--measure", "cka", "1.npy"]);
    assert!(result["values"][0][0].is_null());
    assert_eq!(result["reasons"][0][0], "3 examples; at least 4 are needed");
}

#[test]
fn different_numbers_of_examples_are_refused_with_both_files_named() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "1.npy", &npy_bytes(&activations(20, 1)));
    write(directory.path(), "2.npy", &npy_bytes(&activations(21, 1)));
    let (code, error) =
        failure(directory.path(), &["--measure", "cka", "2.npy", "1.npy"]);
    assert_eq!(code, 1);
    assert!(
        error.contains("2.npy holds 21 examples; expected 20, as in 1.npy"),
        "{error}"
    );
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write(path, "scalar.npy", &npy_bytes(&Array::f32(&[], vec![1.0])));
    write(path, "empty.npz", &npz_bytes(&NamedArrays::default()));
    write(path, "broken.npy", b"not an array");
    write(path, "weights.pt", b"pickled");
    for file in ["scalar.npy", "empty.npz", "broken.npy", "weights.pt", "absent.npy"] {
        let (code, error) = failure(path, &["--measure", "cka", file]);
        assert_eq!(code, 1, "{file}");
        assert!(error.starts_with("error: ") && error.contains(file), "{error}");
    }
}

#[test]
fn an_unknown_measure_is_a_usage_error_that_lists_the_known() {
    let (code, error) = failure(&oracle(), &["--measure", "ckka", "epoch-000000.npy"]);
    assert_eq!(code, 2);
    assert!(
        error.contains("'ckka'") && error.contains("possible values: cka"),
        "{error}"
    );
    let (code, _) = failure(&oracle(), &["--measure", "cka"]);
    assert_eq!(code, 2);
}
