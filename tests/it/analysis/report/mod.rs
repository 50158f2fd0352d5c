//! The report on run directories made here: complete, poor, damaged and hostile ones.

mod figures;
mod files;
mod page;

use std::fs;
use std::path::Path;

use serde_json::Value;
use stratagram::array_file::{Array, npy_bytes};
use stratagram::report::{RunResults, figures, write};
use stratagram::run_dir::{RegionPlanes, Regions};

const EXPERIMENT: &str = r#"
seed = 3
[data]
kind = "digits"
n_train = 1000
[noise]
kind = "iid"
rate = 0.2
[net]
kind = "cnn5"
width = 4
[evaluation]
batchnorm = "recomputed"
"#;

const PHASES: &str = r#"{
  "perfect_fit": {"epoch": 3, "reason": null},
  "double_descent": {"verdict": "double descent", "min": 1, "peak": 3, "second_min": 7,
    "rise": 0.09, "fall": 0.036, "rise_threshold": 0.02, "fall_threshold": 0.01, "reason": "both exceed it",
    "error": {"min": 0.034, "peak": 0.124, "second_min": 0.088},
    "rejected": [{"epoch": 0.5, "reason": "it holds 1 row"}]}
}"#;

const HISTORY: &str = "\
step,epoch,train_error,train_error_clean,train_error_corrupted,test_error,test_error_running_bn
0,0,0.9,0.9,0.9,0.9,0.9
8,1,0.2,0.05,0.9,0.034,0.05
24,3,0,0,0,0.124,0.2
56,7,0,0,0,0.088,0.088
";

/// Epochs 0, 1, 3 and 7: on ln(1 + epoch) they are equally far apart.
const EPOCHS: [u64; 4] = [0, 1, 3, 7];

fn put(root: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A symmetric matrix whose cell (i, j) is 1 − |i − j|/4, one of them undefined.
fn matrix(undefined: bool) -> Vec<u8> {
    let mut values: Vec<f32> =
        (0..16).map(|k: i32| 1.0 - (k / 4 - k % 4).abs() as f32 / 4.0).collect();
    if undefined {
        (values[1], values[4]) = (f32::NAN, f32::NAN);
    }
    npy_bytes(&Array::f32(&[4, 4], values))
}

/// The pictures of a layer on one plane at two epochs.
fn put_regions(root: &Path, layer: &str) {
    let planes = RegionPlanes {
        steps: vec![0, 56],
        epochs: vec![0.0, 7.0],
        side: 2,
        sources: vec![0],
        positions: vec![0],
        triplets: vec![[5, 6, 7]],
        labels: vec![[0, 1, 2]],
        corrupted: vec![[false; 3]],
        corners: vec![[0.0, 2.0, 0.0, 1.0]],
        images: vec![[[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]]],
    };
    let regions = Regions {
        layer: layer.into(),
        planes,
        classes: vec![0, 1, 2, 2, 0, 1, 2, 2],
        confidence: vec![0.5; 8],
    };
    let path = root.join(format!("regions/{layer}.npz"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    regions.write(&path).unwrap();
    assert_eq!(Regions::read(layer.into(), &path).unwrap(), regions);
}

fn cells_table(layers: &[&str]) -> String {
    let mut table = String::from(
        "layer,measure,estimator,group,step_i,step_j,epoch_i,epoch_j,value,se,reason\n",
    );
    for layer in layers {
        let layer = layer.replace('"', "\"\"");
        table += &format!("\"{layer}\",cka,debiased,test,0,24,0,3,0.5,0.02,\n");
        table += &format!("\"{layer}\",cka,debiased,test,0,8,0,1,,,dead layer\n");
    }
    table
}

/// A figure of a run by its name.
fn figure(results: &RunResults, name: &str) -> String {
    let found = figures(results).into_iter().find(|(other, _)| other == name);
    found.unwrap_or_else(|| panic!("no figure {name}")).1
}

/// A small run with everything the report shows.
fn complete(root: &Path, layers: &[&str]) {
    put(root, "experiment.toml", EXPERIMENT);
    put(root, "run.json", r#"{"stratagram": "0.1.0", "status": "complete"}"#);
    put(root, "history.csv", HISTORY);
    put(root, "phases.json", PHASES);
    put(root, "matrices/axis.csv", "step,epoch\n0,0\n8,1\n24,3\n56,7\n");
    put(root, "matrices.csv", cells_table(layers));
    let mut probes = String::from(
        "layer,step,epoch,labels,test_accuracy,heldout_corrupted_noisy,heldout_corrupted_true\n\
         input,0,0,noisy,0.6,0.1,0.5\n",
    );
    for layer in layers {
        put(root, &format!("matrices/cka/test/{layer}.npy"), matrix(true));
        put(root, &format!("matrices/drs/test/{layer}.npy"), matrix(false));
        let quoted = layer.replace('"', "\"\"");
        for epoch in EPOCHS {
            let step = 8 * epoch;
            probes += &format!("\"{quoted}\",{step},{epoch},noisy,0.8,0.2,0.7\n");
            probes += &format!("\"{quoted}\",{step},{epoch},clean,0.9,,\n");
        }
    }
    put(root, "matrices/drs/test/output.npy", matrix(false));
    put(root, "probes.csv", probes);
    put(
        root,
        "prediction_depth.csv",
        "group,step,epoch,n,n_layers,mean,se,histogram\n\
         train-clean,0,0,4,2,1.5,0.3,0 2 2\ntrain-corrupted,0,0,4,2,2,0,0 0 4\n\
         train-clean,56,7,4,2,0.5,0.3,2 2 0\ntrain-corrupted,56,7,4,2,1.75,0.25,0 1 3\n",
    );
    put_regions(root, "output");
    put_regions(root, "pool4");
}

fn page_of(root: &Path) -> String {
    fs::read_to_string(&write(root).unwrap()[0]).unwrap()
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap().1.split_once(to).unwrap().0
}

fn data_of(page: &str) -> Value {
    let json =
        between(page, "<script type=\"application/json\" id=\"data\">", "</script>");
    serde_json::from_str(json).unwrap()
}

/// A history of a double descent: the test error falls, rises and falls again.
fn descending_twice() -> String {
    let error = |epoch: i32| {
        let u = f64::from(epoch).ln_1p();
        0.05 + 0.85 * (-1.5 * u).exp() + 0.1 * (-((u - 3.0) / 0.5).powi(2)).exp()
    };
    let row = |epoch: i32| {
        let train = (0.9 - 0.03 * f64::from(epoch)).max(0.0);
        format!("{},{epoch},{train},{}\n", 8 * epoch, error(epoch))
    };
    "step,epoch,train_error,test_error\n".to_owned()
        + &(0..120).map(row).collect::<String>()
}
