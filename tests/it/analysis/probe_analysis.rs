//! Probes of a run: their rows, the same bytes however features are held and wherever the
//! work was interrupted, and the prediction depth.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use stratagram::analyze::{Work, analyze};
use stratagram::array_file::read_npy;
use stratagram::data::Data;
use stratagram::experiment::Experiment;
use stratagram::train::train;
use stratagram::{ErrorKind, Observer, Progress, RunDir, Silent};
use tempfile::TempDir;

use crate::support::runs::{Files, files};
use crate::support::shared::made_once;

const EXPERIMENT: &str = "
seed = 3
data = { kind = 'digits', n_train = 120, n_test = 60 }
noise = { rate = 0.3 }
net = { kind = 'cnn5', width = 3 }
train = { epochs = 2, batch_size = 16, checkpoints = [0, 2] }
analysis = { n_examples = 16, drs = { triplets = 2, resolution = 5 } }
";

fn experiment(changes: &[&str]) -> Experiment {
    let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
    Experiment::parse("test", EXPERIMENT, ".".as_ref(), &changes).unwrap()
}

/// What analyzing one checkpoint of it costs.
fn work(changes: &[&str]) -> Work {
    let experiment = experiment(changes);
    Work::of(&experiment, &Data::load(&experiment).unwrap()).unwrap()
}

/// A folder with a trained run in `run` that is not analyzed yet.
fn trained(changes: &[&str]) -> TempDir {
    made_once(&[EXPERIMENT, "trained", &changes.join(" ")], |folder| {
        let experiment = experiment(changes);
        let data = Data::load(&experiment).unwrap();
        let run =
            RunDir::create_or_open(&folder.join("run"), &experiment, false).unwrap();
        train(&experiment, &data, &run, &Silent).unwrap();
    })
}

/// The run of that folder, with its data.
fn opened(folder: &TempDir) -> (RunDir, Data) {
    let run = RunDir::open_to_write(&folder.path().join("run")).unwrap();
    let data = Data::load(run.experiment()).unwrap();
    (run, data)
}

/// A folder with an analyzed run in `run`.
fn analyzed(changes: &[&str]) -> TempDir {
    made_once(&[EXPERIMENT, "analyzed", &changes.join(" ")], |root| {
        let folder = trained(changes);
        let (run, data) = opened(&folder);
        analyze(&run, &data, false, &Silent).unwrap();
        drop(run);
        fs::rename(folder.path().join("run"), root.join("run")).unwrap();
    })
}

/// What the analysis writes, by name.
fn written(root: &Path) -> Files {
    const OTHERS: [&str; 5] =
        ["run.json", "timing.csv", "experiment.toml", "checksums/train.csv", "lock"];
    let mut files = files(root);
    files.retain(|(name, _)| !OTHERS.contains(&name.as_str()));
    files
}

/// Rows of a table as maps from the header's names.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn rows_are_those_of_labels_penalties_and_pixels() {
    let folder = analyzed(&["analysis.probe.l2_also=[1e-4, 1e-3, 1e-2]"]);
    let rows = table(&folder.path().join("run/probes.csv"));
    let of = |layer: &str, step: &str| -> Vec<(String, f64)> {
        let rows = rows.iter().filter(|r| r["layer"] == layer && r["step"] == step);
        rows.map(|r| (r["labels"].clone(), r["l2"].parse().unwrap())).collect()
    };
    let all = [("noisy", 1e-3), ("noisy", 1e-4), ("noisy", 1e-2), ("clean", 1e-3)]
        .map(|(labels, l2)| (labels.to_owned(), l2));
    assert_eq!(of("input", "0"), all);
    assert_eq!(of("pool4", "0"), all);
    assert_eq!(of("pool4", "16"), all);
    assert_eq!(of("input", "16"), []);
    for row in rows.iter().filter(|row| row["layer"] == "input") {
        assert_eq!(row["n_features"], "64");
        assert_eq!(row["heldout_accuracy"].is_empty(), row["labels"] == "clean");
    }
    // A larger penalty leaves a larger loss.
    let objective = |l2: &str| -> f64 {
        let row = rows.iter().find(|r| r["layer"] == "relu1" && r["l2"] == l2).unwrap();
        row["objective"].parse().unwrap()
    };
    assert!(objective("0.0001") < objective("0.001"));
    assert!(objective("0.001") < objective("0.01"));
}

#[test]
fn what_is_said_at_another_penalty_is_what_a_run_with_that_penalty_says() {
    let both = analyzed(&["analysis.probe.l2_also=[1e-2]"]);
    let alone = analyzed(&["analysis.probe.l2=1e-2"]);
    let [both, alone] = [&both, &alone].map(|folder| folder.path().join("run"));
    let classes = |root: &Path, measure: &str, layer: &str| {
        let path = root.join(format!("signatures/{measure}/test/{layer}.npy"));
        read_npy(&path).unwrap().to_f64()
    };
    let geometry = |root: &Path, suffix: &str| -> Vec<BTreeMap<String, String>> {
        let wanted = format!("fragments{suffix}");
        let rows = table(&root.join("geometry.csv")).into_iter();
        rows.filter(|r| r["quantity"] == wanted && r["layer"] != "output").collect()
    };
    for layer in ["relu1", "pool3", "fc"] {
        assert_eq!(classes(&both, "drs-l2-0.01", layer), classes(&alone, "drs", layer));
        assert_ne!(classes(&both, "drs", layer), classes(&alone, "drs", layer));
        let name = |measure: &str| format!("matrices/{measure}/test/{layer}.npy");
        let read = |path: &Path| fs::read(path).unwrap();
        let own = read(&alone.join(name("drs")));
        assert_eq!(read(&both.join(name("drs-l2-0.01"))), own);
    }
    let [found, expected] = [geometry(&both, "-l2-0.01"), geometry(&alone, "")];
    assert!(!found.is_empty() && found.len() == expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found["value"], expected["value"]);
        assert_eq!(found["layer"], expected["layer"]);
    }
    // The net itself has no penalty.
    assert!(!both.join("signatures/drs-l2-0.01/test/output.npy").exists());
    stratagram::report::write(&both).unwrap();
    let page = fs::read_to_string(both.join("report/index.html")).unwrap();
    assert!(page.contains("λ = 0.001 · 0.01, at epoch 2"));
}

#[test]
fn pixels_that_are_asked_for_are_a_layer() {
    let folder = analyzed(&["analysis.layers=[input, fc]"]);
    let run = folder.path().join("run");
    assert_eq!(table(&run.join("probes.csv")).len(), 2 * 2 * 2);
    assert!(run.join("probes/input/step-000000016.safetensors").is_file());
    assert_eq!(table(&run.join("prediction_depth.csv"))[0]["n_layers"], "2");
}

#[test]
fn without_wrong_labels_there_is_one_row_a_layer() {
    let folder = analyzed(&["noise.rate=0"]);
    let rows = table(&folder.path().join("run/probes.csv"));
    assert!(rows.iter().all(|row| row["labels"] == "noisy" && row["l2"] == "0.001"));
    assert_eq!(rows.iter().filter(|row| row["layer"] == "fc").count(), 2);
}

#[test]
fn features_that_do_not_fit_are_streamed_to_the_same_bytes() {
    let held = analyzed(&[]);
    let streamed = analyzed(&["analysis.memory=1"]);
    let [held, streamed] = [held, streamed].map(|f| written(&f.path().join("run")));
    assert_eq!(held, streamed);
    let (whole, small) = (work(&[]), work(&["analysis.memory=1"]));
    assert!(whole.probe_passes == 1 && small.probe_passes > 1, "{}", small.probe_passes);
    assert!(small.peak_bytes < whole.peak_bytes);
    assert!(small.forward_images > whole.forward_images);
}

#[test]
fn batchnorm_statistics_cost_a_pass_over_the_training_images_where_there_are_any() {
    let vit = "net={kind='vit', patch=4, dim=16, depth=1, heads=2}";
    let n_train = Data::load(&experiment(&[])).unwrap().noisy.len();
    let running = work(&["evaluation.batchnorm=running"]).forward_images;
    assert_eq!(work(&[]).forward_images, running + n_train);
    assert_eq!(work(&[vit]).forward_images, running);
}

/// Asks to stop from the given question on.
struct StopAt {
    asked: AtomicU64,
    at: u64,
}

impl Observer for StopAt {
    fn progress(&self, _: &Progress) {}

    fn should_stop(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) >= self.at
    }

    fn note(&self, _: &str) {}
}

#[test]
fn an_interrupted_checkpoint_keeps_its_finished_layers() {
    let whole = analyzed(&[]);
    let folder = trained(&[]);
    let root = folder.path().join("run");
    let (run, data) = opened(&folder);
    // One layer after the other, so that some are finished when the question comes.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let part = root.join("signatures/.parts/step-000000000/relu1.npz");
    let mut interruptions = 0;
    for at in [3, 5, 1] {
        let observer = StopAt { asked: AtomicU64::new(0), at };
        let before = fs::metadata(&part).ok().map(|file| file.modified().unwrap());
        let error = pool.install(|| analyze(&run, &data, false, &observer)).unwrap_err();
        assert!(error.kind() == ErrorKind::Interrupted, "{error}");
        interruptions += 1;
        let after = fs::metadata(&part).unwrap().modified().unwrap();
        assert!(before.is_none_or(|before| before == after), "relu1 was fitted again");
    }
    assert_eq!(interruptions, 3);
    // A part that is damaged or whose probe is missing is made again.
    fs::write(&part, b"PK").unwrap();
    fs::remove_file(run.probe("pool2", 0)).unwrap();
    analyze(&run, &data, false, &Silent).unwrap();
    assert!(!root.join("signatures/.parts").exists());
    assert_eq!(written(&whole.path().join("run")), written(&root));
}

#[test]
fn every_solver_and_kind_of_features_makes_a_run() {
    for (change, pool1) in [
        ("analysis.probe={ solver = 'ridge', features = 'average' }", "3"),
        ("analysis.probe={ solver = 'sgd', epochs = 3, features = 'common' }", "24"),
        ("analysis.probe={ solver = 'adam', epochs = 3, features = 'grid' }", "12"),
    ] {
        let folder = analyzed(&[change]);
        let rows = table(&folder.path().join("run/probes.csv"));
        let layer = |name: &str| {
            rows.iter().find(|row| row["layer"] == name).unwrap()["n_features"].clone()
        };
        assert_eq!(
            (layer("relu1"), layer("fc")),
            (pool1.into(), "10".into()),
            "{change}"
        );
        let probe = folder.path().join("run/probes/relu1/step-000000016.safetensors");
        assert!(probe.is_file());
    }
}

#[test]
fn depths_lie_between_the_first_layer_and_one_past_the_last() {
    let folder = analyzed(&[]);
    let rows = table(&folder.path().join("run/prediction_depth.csv"));
    let groups: Vec<&str> = rows.iter().map(|row| row["group"].as_str()).collect();
    assert_eq!(groups, ["train-clean", "train-corrupted"].repeat(2));
    for row in &rows {
        let counts: Vec<f64> =
            row["histogram"].split(' ').map(|n| n.parse().unwrap()).collect();
        let n_layers: usize = row["n_layers"].parse().unwrap();
        assert_eq!((counts.len(), row["n"].as_str()), (n_layers + 1, "16"));
        assert!((counts.iter().sum::<f64>() - 16.0).abs() < 1e-12);
        let sum: f64 = counts.iter().enumerate().map(|(d, n)| d as f64 * n).sum();
        assert!((row["mean"].parse::<f64>().unwrap() - sum / 16.0).abs() < 1e-12);
    }
    let off = analyzed(&["analysis.prediction_depth=false"]);
    assert_eq!(table(&off.path().join("run/prediction_depth.csv")).len(), 0);
}
