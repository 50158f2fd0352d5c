//! Findings of runs, through the program: imported activations with planted boundaries, and a
//! small training.

use std::fs;
use std::path::Path;

use serde_json::Value;
use stratagram::array_file::{Array, npy_bytes, read_npy, read_npz, read_safetensors};
use stratagram::findings::axis::log_time;
use stratagram::findings::{
    Geometry, LayerFindings, LayerInput, Matrix, Replicates, RunContext,
};
use stratagram::run_dir::tables::{BoundaryRow, CurveRow, HistoryRow};
use stratagram::run_dir::{read_findings, read_rows};
use stratagram::similarity::{Estimator, GramScale, cka, exact_cosines};

use super::paths::{N, P, Random, drifting, epochs, switching};
use crate::support::runs::{answer, assert_same, promised, succeed, texts};
use crate::support::shared::{made_once, shared};

/// A directory with activations in `saved` and what the import of them gives in `run`: a layer
/// that switches twice and one that drifts.
pub(super) fn planted() -> (tempfile::TempDir, [f64; 2]) {
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
    let signature = |x: &Vec<f32>| cka::signature(x, N, P, Estimator::Debiased).unwrap();
    let signatures: Vec<Vec<f32>> = rows.iter().map(signature).collect();
    let signatures: Vec<_> = signatures.iter().map(|own| Ok(&own[..])).collect();
    let similarity = Matrix::new(epoch.len(), exact_cosines(&signatures));
    let expected = LayerFindings::of(
        &LayerInput {
            layer: "switching",
            depth: 1,
            measure: "cka",
            group: "test",
            geometry: Geometry::Vectors,
            epoch: &epoch,
            similarity: &similarity,
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

#[test]
fn a_list_of_saved_epochs_has_findings_without_a_run() {
    let (directory, at) = planted();
    let similarity = "similarity --measure cka --values-only --findings";
    let [text, _] = succeed(directory.path(), &format!("{similarity} --json saved"));
    let findings: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(findings["checkpoints"], json(directory.path())["checkpoints"]);
    let found = layer(&findings, "switching");
    let times: Vec<f64> = found["boundaries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|boundary| boundary["log_time"].as_f64().unwrap())
        .collect();
    assert_eq!(times.len(), 2);
    assert!(times.iter().zip(at).all(|(time, at)| (time - at).abs() < 0.2), "{times:?}");
    let [words, _] = succeed(directory.path(), &format!("{similarity} saved/drifting"));
    assert!(words.contains("activations  no boundary"), "{words}");
    let refused = |arguments: &str, part: &str| {
        let words: Vec<&str> = arguments.split(' ').collect();
        let [_, error] = texts(&answer(&words, directory.path()));
        assert!(error.contains(part), "{error}");
    };
    refused("similarity --measure rsa --findings saved", "cka, cka-rbf or shape");
    let (one, other) = ("saved/drifting/epoch-1.npy", "saved/switching/epoch-1.npy");
    refused(&format!("{similarity} {one} {other}"), "epochs that do not rise");
    fs::rename(directory.path().join(one), directory.path().join("saved/drifting/x.npy"))
        .unwrap();
    refused(&format!("{similarity} saved/drifting"), "no epoch at the end");
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

pub(super) fn small() -> tempfile::TempDir {
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
    let expected = [
        "cka/test",
        "cka/train-clean",
        "cka/train-corrupted",
        "drs/test",
        "drs-kappa/test",
        "shape/test",
    ];
    assert_eq!(kinds, expected);
    assert!(findings.checkpoints.used >= 20, "{:?}", findings.checkpoints);
    for layer in &findings.layers {
        let is_formal = ["shape", "drs-kappa"].contains(&layer.measure.as_str());
        assert_eq!(layer.boundaries.is_none(), is_formal, "{layer:?}");
        assert_eq!(layer.se_reason.is_some(), is_formal, "{layer:?}");
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

/// Representations along the straight line from the first weights to the last: on the quickstart
/// no layer has a boundary. What nets without BatchNorm show is in docs/LOG.md.
#[test]
fn the_real_null_has_hardly_a_boundary() {
    let experiment = SMALL
        .replace("kind = 'mlp', width = 32, depth = 2", "kind = 'cnn5', width = 4")
        .replace("kind = 'adam', lr = 0.01", "kind = 'sgd', lr = 0.005");
    let directory = shared(&experiment, "run e.toml --out run");
    let [text, _] = succeed(directory.path(), "findings --null run --json");
    let findings: Value = serde_json::from_str(&text).unwrap();
    let layers = findings["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 8);
    let has = |layer: &&Value| !layer["boundaries"].as_array().unwrap().is_empty();
    assert!(layers.iter().filter(has).count() <= 1, "{text}");
    let is_found = |layer: &Value| layer["half_time"].is_array();
    assert!(layers.iter().all(|layer| is_found(layer) && layer["se_reason"].is_null()));
    assert_eq!(findings["checkpoints"], json(directory.path())["checkpoints"]);
    let [words, _] = succeed(directory.path(), "findings --null run");
    assert!(words.matches("no boundary").count() >= 7, "{words}");
}

/// Distances of directions, summed over the tensors up to each layer.
#[test]
fn weights_are_compared_up_to_each_layer() {
    let directory = small();
    let run = directory.path().join("run");
    let axis = fs::read_to_string(run.join("matrices/axis.csv")).unwrap();
    let steps: Vec<u64> = axis
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap().parse().unwrap())
        .collect();
    let weights: Vec<_> = [steps[3], steps[9]]
        .map(|step| run.join(format!("checkpoints/step-{step:09}.safetensors")))
        .map(|path| read_safetensors(&path).unwrap())
        .into();
    let distance = |name: &str| -> f64 {
        let unit = |i: usize| {
            let values = weights[i].get(name).unwrap().to_f64();
            let norm = values.iter().map(|w| w * w).sum::<f64>().sqrt();
            values.into_iter().map(|w| w / norm).collect::<Vec<_>>()
        };
        unit(0).iter().zip(unit(1)).map(|(a, b)| (a - b).powi(2)).sum()
    };
    let names: Vec<&str> = weights[0].names().collect();
    let up_to = |n: usize| {
        let of = |k: usize| {
            let own = names.iter().filter(|name| name.starts_with(LINEAR[k]));
            own.map(|name| distance(name)).sum::<f64>()
        };
        (0..n).map(of).sum::<f64>()
    };
    for (layer, n) in [("relu1", 1), ("relu2", 2), ("head", 3), ("output", 3)] {
        let d2 = read_npy(&run.join(format!("weights/{layer}.npy"))).unwrap();
        let found = d2.to_f64()[3 * steps.len() + 9];
        assert!((found / up_to(n) - 1.0).abs() < 1e-9, "{layer}: {found} {}", up_to(n));
    }
    let findings = read_findings(&run).unwrap();
    let controls = findings.layers.iter().filter(|layer| layer.measure == "cka");
    assert!(controls.clone().count() == 9);
    for layer in controls {
        let weights = layer.weights.unwrap();
        assert!(weights.at_fit.unwrap().weights < 0.0, "{weights:?}");
        assert!(weights.distinctness.is_some() && weights.excess_distinctness.is_some());
    }
}

/// The linear layers of the net, in their order.
const LINEAR: [&str; 3] = ["fc1.", "fc2.", "head."];

/// Squared norms and scale give the Gram matrix whose features the export has.
#[test]
fn stored_norms_give_the_gram_matrix() {
    let directory = small();
    succeed(directory.path(), "export run --to features --out features --layers relu1");
    let run = directory.path().join("run");
    let epochs = read_findings(&run).unwrap().checkpoints.epochs.len();
    let norms = read_npy(&run.join("norms/test/relu1.npy")).unwrap();
    let signatures = read_npy(&run.join("signatures/cka/test/relu1.npy")).unwrap();
    let (rows, width) = (norms.shape[0], norms.shape[1]);
    assert!(rows >= epochs && signatures.shape[0] == rows);
    let last = norms.to_f64()[(rows - 1) * width..].to_vec();
    let signature = signatures.to_f32()[(rows - 1) * signatures.shape[1]..].to_vec();
    let scale = GramScale::from_numbers(&last).unwrap();
    let gram = scale.gram(&signature, Estimator::Debiased).unwrap();
    let files = fs::read_dir(directory.path().join("features")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let x = read_npz(files.last().unwrap()).unwrap();
    let x = x.get("test/relu1").unwrap();
    let (n, p) = (x.shape[0], x.shape[1]);
    let x = x.to_f64();
    let mean = |c: usize| (0..n).map(|i| x[i * p + c]).sum::<f64>() / n as f64;
    let means: Vec<f64> = (0..p).map(mean).collect();
    let largest = scale.squared_norms.iter().copied().fold(0.0, f64::max);
    for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
        let term = |c: usize| (x[i * p + c] - means[c]) * (x[j * p + c] - means[c]);
        let expected: f64 = (0..p).map(term).sum();
        assert!((gram[i * n + j] - expected).abs() < 1e-5 * largest, "{i}, {j}");
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

/// As an earlier version left its runs: signatures without the norms of the examples.
#[test]
fn what_a_run_of_an_earlier_version_lacks_is_said_with_its_reason() {
    let directory = small();
    let root = directory.path();
    assert!(json(root).get("missing").is_none(), "a run of this version lacks nothing");
    fs::remove_dir_all(root.join("run/norms")).unwrap();
    fs::remove_file(root.join("run/findings.json")).unwrap();
    succeed(root, "analyze run");
    let found = json(root);
    let missing = found["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "{missing:?}");
    let reason = missing[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("signatures of an earlier version have none"), "{reason}");
    let words = succeed(root, "findings run").concat().replace('\n', " ");
    assert!(words.contains("Missing: the norms of the examples"), "{words}");
    succeed(root, "report run");
    let page = fs::read_to_string(root.join("run/report/index.html")).unwrap();
    assert!(page.contains("Missing: the norms of the examples"));
    succeed(root, "analyze run --force");
    assert!(json(root).get("missing").is_none(), "made again");
}
