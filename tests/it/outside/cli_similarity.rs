//! `stratagram similarity` from files to stdout: which files, under which names, what is refused.

use std::path::{Path, PathBuf};

use serde_json::Value;
use stratagram::array_file::{
    Array, NamedArrays, npy_bytes, npz_bytes, safetensors_bytes,
};
use stratagram::similarity::Measure;

use crate::support::similarity::{
    activations, failure, json, stratagram, strings, write,
};

fn oracle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/activations-small")
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
            [
                "measure",
                "estimator",
                "n_examples",
                "labels",
                "values",
                "se",
                "reasons",
                "noise_floor",
                "features",
                "n_dropped"
            ]
        );
        assert_eq!(result["measure"], "cka");
        assert_eq!(result["estimator"], estimator);
        assert_eq!(result["n_examples"], 128);
        assert_eq!(strings(&result["labels"])[..2], ["epoch-000000", "epoch-000001"]);
        assert!(result["reasons"].is_null());
        assert!(result["se"][0][1].as_f64().unwrap() > 0.001);
        assert_eq!(result["se"][1][1], 0.0);
        assert!((0.001..0.2).contains(&result["noise_floor"].as_f64().unwrap()));
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
    assert_eq!(rows.len(), 5);
    assert!(rows[4].starts_with("noise floor"), "{table}");
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
    let help = stratagram(&oracle(), &["--help"]).stdout;
    let help = String::from_utf8(help).unwrap();
    for measure in Measure::ALL {
        let name = measure.name();
        assert!(error.contains(name), "{name}: {error}");
        assert!(help.contains(&format!("- {name}:")), "{name}: {help}");
    }
    let (code, _) = failure(&oracle(), &["--measure", "cka"]);
    assert_eq!(code, 2);
}

#[test]
fn every_measure_of_the_oracles_is_a_name_of_the_command() {
    let expected = std::fs::read_to_string(oracle().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let files: Vec<String> = (0..5).map(|t| format!("epoch-{t:06}.npy")).collect();
    for (key, arguments) in [
        ("cka_rbf05_debiased", "--measure cka-rbf"),
        ("cka_rbf05_biased", "--measure cka-rbf --estimator biased --threshold 0.5"),
        (
            "cka_linear_minibatch64",
            "--measure cka --estimator minibatch --batch-size 64 --threads 1",
        ),
        ("procrustes_nuclear", "--measure procrustes"),
        ("cca_mean", "--measure cca"),
        ("svcca99_mean", "--measure svcca"),
        ("pwcca", "--measure pwcca"),
        ("mutual_knn10_cosine", "--measure mutual-knn"),
        ("rsa_spearman", "--measure rsa"),
    ] {
        let mut all: Vec<&str> = arguments.split(' ').collect();
        all.extend(files.iter().map(String::as_str));
        let result = json(&oracle(), &all);
        for i in 0..5 {
            for j in 0..5 {
                let value = result["values"][i][j].as_f64().unwrap();
                let difference = (value - expected[key][i][j].as_f64().unwrap()).abs();
                assert!(difference < 1e-5, "{key} ({i}, {j}): {value}");
            }
        }
        let has_estimator = key.starts_with("cka");
        assert_eq!(result["estimator"].is_string(), has_estimator, "{key}");
    }
}

#[test]
fn sample_ids_that_differ_are_refused_with_the_first_mismatch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let ids = |shift: i64| {
        let ids = (0..20).map(|i| if i > 6 { i + shift } else { i }).collect();
        Array::i64(&[20], ids)
    };
    let with_ids = |epoch, shift| {
        let arrays =
            vec![("x".into(), activations(20, epoch)), ("ids".into(), ids(shift))];
        npz_bytes(&NamedArrays(arrays))
    };
    write(path, "1.npz", &with_ids(1, 0));
    write(path, "2.npz", &with_ids(2, 0));
    write(path, "3.npz", &with_ids(3, 100));
    let result = json(path, &["--measure", "cka", "1.npz", "2.npz"]);
    assert_eq!(strings(&result["labels"]), ["1", "2"]);
    let (code, error) = failure(path, &["--measure", "cka", "1.npz", "2.npz", "3.npz"]);
    assert_eq!(code, 1);
    assert!(
        error.contains("3.npz has the sample `107` in row 7; expected `7`, as in 1.npz"),
        "{error}"
    );
    // Beside a .npy file, one id a line or an array; a list half with ids is no check.
    write(path, "4.npy", &npy_bytes(&activations(20, 4)));
    write(path, "5.npy", &npy_bytes(&activations(20, 5)));
    let lines: String = (0..20).map(|i| format!("image-{i}\n")).collect();
    write(path, "4.ids.txt", lines.as_bytes());
    let (_, error) = failure(path, &["--measure", "cka", "4.npy", "5.npy"]);
    assert!(error.contains("5.npy has no sample ids"), "{error}");
    write(path, "5.ids.txt", lines.replace("image-3", "image-x").as_bytes());
    let (_, error) = failure(path, &["--measure", "cka", "4.npy", "5.npy"]);
    assert!(error.contains("5.npy has the sample `image-x` in row 3"), "{error}");
    write(path, "5.ids.txt", lines.as_bytes());
    json(path, &["--measure", "cka", "4.npy", "5.npy"]);
    write(path, "5.ids.txt", b"image-0\nimage-1\n");
    let (_, error) = failure(path, &["--measure", "cka", "4.npy", "5.npy"]);
    assert!(error.contains("5.npy has 2 sample ids; expected 20"), "{error}");
    write(path, "6/1.npy", &npy_bytes(&activations(20, 1)));
    write(path, "6/1.ids.npy", &npy_bytes(&ids(0)));
    write(path, "6/2.npy", &npy_bytes(&activations(20, 2)));
    write(path, "6/2.ids.npy", &npy_bytes(&ids(1)));
    let (_, error) = failure(path, &["--measure", "cka", "6"]);
    assert!(error.contains("has the sample `8` in row 7; expected `7`"), "{error}");
}

#[test]
fn stacked_arrays_are_one_representation_an_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let epochs: Vec<Array> = (1..=3).map(|epoch| activations(20, epoch)).collect();
    for (epoch, array) in epochs.iter().enumerate() {
        write(path, &format!("e{epoch}.npy"), &npy_bytes(array));
    }
    let all = epochs.iter().flat_map(Array::to_f32).collect();
    write(path, "all.npy", &npy_bytes(&Array::f32(&[3, 20, 2, 3], all)));
    let stacked = json(path, &["--measure", "cka", "--stacked", "all.npy"]);
    assert_eq!(strings(&stacked["labels"]), ["all:0", "all:1", "all:2"]);
    let single = json(path, &["--measure", "cka", "e0.npy", "e1.npy", "e2.npy"]);
    assert_eq!(stacked["values"], single["values"]);
    assert_eq!(stacked["se"], single["se"]);
    write(path, "flat.npy", &npy_bytes(&Array::f32(&[3, 20], vec![0.0; 60])));
    let (_, error) = failure(path, &["--measure", "cka", "--stacked", "flat.npy"]);
    assert!(error.contains("[3, 20]"), "{error}");
}

#[test]
fn a_folder_is_its_files_and_a_folder_of_folders_a_matrix_each() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for (layer, shift) in [("conv2", 0), ("conv10", 5)] {
        for epoch in [1, 2, 10] {
            let name = format!("acts/{layer}/epoch-{epoch}.npy");
            write(path, &name, &npy_bytes(&activations(20, epoch + shift)));
        }
    }
    let one = json(path, &["--measure", "cka", "acts/conv2"]);
    assert_eq!(strings(&one["labels"]), ["epoch-1", "epoch-2", "epoch-10"]);
    let output = ["--csv", "out.csv", "--npy", "out.npy"];
    let both = json(path, &[&["--measure", "cka", "acts"][..], &output].concat());
    let layers = both["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    assert_eq!(
        (&layers[0]["layer"], &layers[1]["layer"]),
        (&"conv2".into(), &"conv10".into())
    );
    assert_eq!(layers[0]["values"], one["values"]);
    assert_ne!(layers[1]["values"], one["values"]);
    let csv = std::fs::read_to_string(path.join("out.csv")).unwrap();
    assert!(csv.starts_with("layer,row,column,value,se,reason\nconv2,epoch-1,epoch-1,"));
    assert_eq!(csv.lines().count(), 1 + 2 * 9);
    assert!(path.join("conv10-out.npy").exists());
    std::fs::create_dir(path.join("empty")).unwrap();
    let (_, error) = failure(path, &["--measure", "cka", "empty"]);
    assert!(error.contains("empty holds no arrays"), "{error}");
}

#[test]
fn matrices_are_written_as_csv_npy_svg_and_png() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for epoch in 1..=3 {
        write(path, &format!("{epoch}.npy"), &npy_bytes(&activations(20, epoch)));
    }
    write(path, "4.npy", &npy_bytes(&Array::f32(&[20, 1], vec![1.0; 20])));
    let files = ["--measure", "cka", "1.npy", "2.npy", "3.npy", "4.npy"];
    let outputs =
        ["--csv", "m.csv", "--npy", "m.npy", "--svg", "m.svg", "--png", "sub/m.png"];
    let result = json(path, &[&files[..], &outputs].concat());
    let value = result["values"][0][2].as_f64().unwrap();
    let matrix = stratagram::array_file::read_npy(&path.join("m.npy")).unwrap();
    assert_eq!(matrix.shape, [4, 4]);
    assert_eq!(matrix.to_f64()[2].to_bits(), value.to_bits());
    assert!(matrix.to_f64()[3].is_nan());
    let csv = std::fs::read_to_string(path.join("m.csv")).unwrap();
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!((rows.len(), rows[0]), (17, "row,column,value,se,reason"));
    assert!(rows[3].starts_with(&format!("1,3,{value},")), "{}", rows[3]);
    assert!(rows[4].starts_with("1,4,,,dead layer"), "{}", rows[4]);
    let svg = std::fs::read_to_string(path.join("m.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("cka, debiased, 20 examples"));
    assert!(svg.contains("hatched: undefined"));
    let png = std::fs::read(path.join("sub/m.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
}
