//! Findings of runs, through the program: imported activations with planted boundaries, and a
//! small training.

use std::fs;
use std::path::Path;

use serde_json::Value;
use stratagram::array_file::{Array, npy_bytes, read_npy, read_npz};
use stratagram::findings::axis::log_time;
use stratagram::findings::{Geometry, LayerFindings, LayerInput, Replicates, RunContext};
use stratagram::run_dir::tables::{BoundaryRow, CurveRow, HistoryRow};
use stratagram::run_dir::{read_findings, read_rows};

use super::paths::{N, P, Random, drifting, epochs, similarity, switching};
use crate::support::runs::{answer, assert_same, promised, succeed, texts};
use crate::support::shared::{made_once, shared};

/// A directory with activations in `saved` and what the import of them gives in `run`: a layer
/// that switches twice and one that drifts.
fn planted() -> (tempfile::TempDir, [f64; 2]) {
    let epoch = epochs();
    let x = log_time(&epoch);
    let (switching, at) = switching(&x, &mut Random::new(11));
    let directory = made_once(&["planted activations"], |root| {
        let drifting = drifting(&x, &mut Random::new(3));
        for (layer, rows) in [("switching", &switching), ("drifting", &drifting)] {
            let folder = root.join("saved").join(layer);
            fs::create_dir_all(&folder).unwrap();
            for (epoch, row) in epoch.iter().zip(rows) {
                let array = Array::f32(&[N, P], row.clone());
                let path = folder.join(format!("epoch-{epoch}.npy"));
                fs::write(path, npy_bytes(&array)).unwrap();
            }
        }
        succeed(root, "import --activations saved --out run");
        succeed(root, "analyze run");
    });
    (directory, at)
}

fn json(directory: &Path) -> Value {
    serde_json::from_str(&succeed(directory, "findings run --json")[0]).unwrap()
}

fn layer<'a>(findings: &'a Value, name: &str) -> &'a Value {
    let layers = findings["layers"].as_array().unwrap();
    layers.iter().find(|layer| layer["layer"] == name).unwrap()
}

#[test]
fn planted_switches_are_found_through_the_program_and_drift_has_none() {
    let (directory, at) = planted();
    let findings = json(directory.path());
    assert_eq!(findings["checkpoints"]["used"], epochs().len());
    let found = layer(&findings, "switching");
    let boundaries = found["boundaries"].as_array().unwrap();
    assert_eq!(boundaries.len(), 2, "{boundaries:?}");
    for (boundary, at) in boundaries.iter().zip(at) {
        let time = boundary["log_time"].as_f64().unwrap();
        assert!((time - at).abs() < 0.2, "{time} for {at}");
        assert!((boundary["epoch"].as_f64().unwrap().ln_1p() - time).abs() < 1e-9);
        assert!(boundary["p"].as_f64().unwrap() <= 0.05);
    }
    assert_eq!(found["phases"].as_array().unwrap().len(), 3);
    assert!(found["distinctness"]["se"].as_f64().unwrap() > 0.0);
    let drift = layer(&findings, "drifting");
    assert_eq!(drift["boundaries"].as_array().unwrap().len(), 0, "{drift:?}");
    let [words, _] = succeed(directory.path(), "findings run");
    let lines: Vec<&str> = words.lines().collect();
    let of =
        |name: &str| lines.iter().find(|line| line.trim().starts_with(name)).unwrap();
    assert_eq!(of("switching").matches("around epoch").count(), 2, "{words}");
    assert!(of("drifting").contains("no boundary"), "{words}");
}

#[test]
fn values_are_those_of_the_matrix_with_every_digit() {
    let (directory, _) = planted();
    let epoch = epochs();
    let rows: Vec<Vec<f32>> = epoch
        .iter()
        .map(|epoch| {
            let path = format!("saved/switching/epoch-{epoch}.npy");
            let array = read_npy(&directory.path().join(path)).unwrap();
            array.to_f64().into_iter().map(|x| x as f32).collect()
        })
        .collect();
    let expected = LayerFindings::of(
        &LayerInput {
            layer: "switching",
            depth: 1,
            measure: "cka",
            group: "test",
            geometry: Geometry::Vectors,
            epoch: &epoch,
            similarity: &similarity(&rows, N, P),
            replicates: Replicates::Of(&[]),
            weights: None,
        },
        &RunContext::default(),
    );
    let found = read_findings(&directory.path().join("run")).unwrap();
    let found = found.layers.iter().find(|layer| layer.layer == "switching").unwrap();
    assert_eq!(found.boundaries, expected.boundaries);
    assert_eq!((found.hurst, found.phases.clone()), (expected.hurst, expected.phases));
    let curves: Vec<CurveRow> = read_rows(&directory.path().join("run")).unwrap();
    let own: Vec<&CurveRow> =
        curves.iter().filter(|row| row.layer == "switching").collect();
    let speed: Vec<f64> =
        own.iter().map(|row| row.speed.0).filter(|speed| speed.is_finite()).collect();
    assert_eq!(speed, expected.curves.unwrap().speed);
    assert!(own.iter().all(|row| row.speed.0.is_nan() == row.speed_se.0.is_nan()));
    assert!(own.is_sorted_by(|a, b| a.log_time.0 <= b.log_time.0));
}

#[test]
fn tables_hold_the_boundaries_and_files_return_byte_for_byte() {
    let (directory, _) = planted();
    let run = directory.path().join("run");
    let rows: Vec<BoundaryRow> = read_rows(&run).unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.layer == "switching" && row.group == "test"));
    let before = promised(&run);
    // As a process leaves it that is killed before the last file, and at another number of
    // threads.
    for threads in [1, 3] {
        fs::remove_file(run.join("findings.json")).unwrap();
        fs::write(run.join("phases.csv"), "half").unwrap();
        succeed(directory.path(), &format!("analyze run --threads {threads}"));
        assert_same(&run, &before, &format!("{threads} threads"));
    }
    succeed(directory.path(), "analyze run --force");
    assert_same(&run, &before, "by force");
}

#[test]
fn without_signatures_there_are_no_errors_and_a_reason() {
    let (directory, _) = planted();
    let run = directory.path().join("run");
    fs::remove_dir_all(run.join("signatures")).unwrap();
    fs::remove_file(run.join("findings.json")).unwrap();
    succeed(directory.path(), "analyze run");
    let findings = json(directory.path());
    let found = layer(&findings, "switching");
    let reason = found["se_reason"].as_str().unwrap();
    assert!(reason.contains("is missing"), "{reason}");
    assert!(found["distinctness"]["se"].is_null() && found["at_floor"].is_null());
    assert_eq!(found["boundaries"].as_array().unwrap().len(), 2);
}

#[test]
fn a_run_without_findings_says_what_makes_them() {
    let (directory, _) = planted();
    fs::remove_file(directory.path().join("run/findings.json")).unwrap();
    let output = answer(&["findings", "run"], directory.path());
    let [_, error] = texts(&output);
    assert!(
        !output.status.success() && error.contains("stratagram analyze run"),
        "{error}"
    );
}

/// Enough checkpoints for p-values, and small enough for seconds.
const SMALL: &str = "data = { kind = 'digits', n_train = 80, n_test = 60 }
net = { kind = 'mlp', width = 32, depth = 2 }
optimizer = { kind = 'adam', lr = 0.01 }
noise = { rate = 0.2 }
train = { epochs = 40, batch_size = 10 }
[analysis]
measures = ['cka', 'shape']
n_examples = 32
prediction_depth = false
drs = { triplets = 3, resolution = 4, floor = 'none' }
";

fn small() -> tempfile::TempDir {
    shared(SMALL, "run e.toml --out run")
}

#[test]
fn a_trained_run_has_every_kind_of_finding() {
    let directory = small();
    let run = directory.path().join("run");
    let findings = read_findings(&run).unwrap();
    let mut kinds: Vec<String> = findings
        .layers
        .iter()
        .map(|layer| format!("{}/{}", layer.measure, layer.group))
        .collect();
    kinds.dedup();
    let expected =
        ["cka/test", "cka/train-clean", "cka/train-corrupted", "drs/test", "shape/test"];
    assert_eq!(kinds, expected);
    assert!(findings.checkpoints.used >= 20, "{:?}", findings.checkpoints);
    for layer in &findings.layers {
        let is_shape = layer.measure == "shape";
        assert_eq!(layer.boundaries.is_none(), is_shape, "{layer:?}");
        assert_eq!(layer.se_reason.is_some(), is_shape, "{layer:?}");
        assert!(layer.movement.unwrap().value.unwrap() > 0.0);
    }
    let history: Vec<HistoryRow> = read_rows(&run).unwrap();
    let learned = history.iter().find(|row| row.train_error_clean.0 <= 0.1);
    assert_eq!(findings.event("clean-learned"), learned.map(|row| row.epoch.0));
    assert!(findings.event("perfect-fit").is_some());
    let readout = findings.double_descent.readout.unwrap();
    assert_eq!((findings.double_descent.n, readout.labels.as_str()), (Some(60), "noisy"));
}

/// What double descent is measured on is the error of the history.
#[test]
fn answers_give_the_errors_of_the_history() {
    let directory = small();
    let run = directory.path().join("run");
    let answers = read_npy(&run.join("signatures/agreement/test/output.npy")).unwrap();
    let labels = read_npz(&run.join("labels.npz")).unwrap();
    let labels = labels.get("test").unwrap().to_f64();
    let history: Vec<HistoryRow> = read_rows(&run).unwrap();
    let axis = fs::read_to_string(run.join("matrices/axis.csv")).unwrap();
    for (line, row) in axis.lines().skip(1).zip(answers.to_f64().chunks(labels.len())) {
        let step: u64 = line.split(',').next().unwrap().parse().unwrap();
        let at = history.iter().find(|row| row.step.0 == Some(step)).unwrap();
        let wrong = row.iter().zip(&labels).filter(|(a, b)| a != b).count();
        assert!((wrong as f64 / 60.0 - at.test_error.0).abs() < 1e-12, "step {step}");
    }
}

#[test]
fn findings_follow_their_run() {
    let directory = small();
    let run = directory.path().join("run");
    let text = || fs::read_to_string(run.join("findings.json")).unwrap();
    let before = text();
    let time = || run.join("findings.json").metadata().unwrap().modified().unwrap();
    let written = time();
    succeed(directory.path(), "analyze run");
    assert_eq!(time(), written, "nothing has changed");
    succeed(directory.path(), "analyze run analysis.drs.triplets=4");
    let other = text();
    assert_ne!(other, before);
    succeed(directory.path(), "analyze run analysis.drs.triplets=3");
    assert_eq!(text(), before);
    let found = read_findings(&run).unwrap();
    let again = serde_json::to_string_pretty(&found).unwrap();
    let values = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let others = |mut value: Value| {
        // Epochs of cuts pass through log time.
        for layer in value["layers"].as_array_mut().unwrap() {
            layer["others"] = Value::Null;
        }
        value
    };
    assert_eq!(others(values(&again)), others(values(&before)));
}
