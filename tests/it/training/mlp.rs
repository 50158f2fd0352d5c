//! The multilayer perceptron from its settings to the page, on images and on signals, and weights
//! of one from another code.

use std::fs;
use std::path::Path;

use stratagram::report::RunResults;

use crate::support::runs::succeed;

const IMAGES: &str = "
data = { kind = 'digits', n_train = 80, n_test = 40 }
noise = { rate = 0.3 }
net = { kind = 'mlp', width = 6, depth = 2, batchnorm = true }
train = { epochs = 2, batch_size = 32, checkpoints = [0, 2] }
analysis = { n_examples = 8, drs = { triplets = 1, resolution = 5 } }
";

/// The last value of a column of a run's history.
fn last(run: &Path, name: &str) -> String {
    let table = fs::read_to_string(run.join("history.csv")).unwrap();
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let header = cells(table.lines().next().unwrap());
    let column = header.iter().position(|cell| cell == name).unwrap();
    cells(table.lines().last().unwrap())[column].clone()
}

#[test]
fn an_mlp_on_images_is_analyzed_and_its_weights_are_imported_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("mlp.toml"), IMAGES).unwrap();
    succeed(root, "run mlp.toml --out run");
    let run = RunResults::read(&root.join("run")).unwrap();
    let layers: Vec<&str> =
        run.matrices[0].layers.iter().map(|matrix| matrix.layer.as_str()).collect();
    assert_eq!(layers, ["relu1", "relu2", "head"]);
    let [shown, _] = succeed(root, "show run");
    assert!(shown.contains("MLP of width 6, depth 2, BatchNorm"), "{shown}");

    succeed(root, "export run --to safetensors --out w");
    let settings = "net.width=6 net.depth=2 net.batchnorm=true data.kind=digits \
                    data.n_train=80 data.n_test=40 train.batch_size=32 noise.rate=0.3";
    succeed(root, &format!("import w --net mlp {settings} --out imported"));
    let errors = |run: &str| {
        let names = ["step", "train_loss", "train_error", "test_error"];
        names.map(|name| last(&root.join(run), name))
    };
    assert_eq!(errors("imported"), errors("run"));
}

#[test]
fn an_mlp_on_signals_learns() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let signals = "
        data = { kind = 'mnist1d', n_train = 400, n_test = 100 }
        net = { kind = 'mlp', width = 32, depth = 2 }
        optimizer = { kind = 'adam', lr = 0.003 }
        train = { epochs = 40, batch_size = 32, checkpoints = [0, 40] }";
    fs::write(root.join("mlp.toml"), signals).unwrap();
    succeed(root, "train mlp.toml --out run");
    let error: f64 = last(&root.join("run"), "train_error").parse().unwrap();
    assert!(error < 0.2, "{error}");
}
