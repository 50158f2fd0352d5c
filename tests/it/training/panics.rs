//! Ordinary experiments that once ended in a panic.

use std::fs;

use stratagram::report::RunResults;

use crate::support::runs::{command, succeed, texts};

/// A CNN that has memorized its training set: every probability is 0 or 1 but for rounding, so
/// that the curvature of the probes' biases is a difference of two equal sums.
const MEMORIZED: &str = "
seed = 5
data = { kind = 'digits', n_train = 60, n_test = 30 }
noise = { rate = 0.3 }
net = { kind = 'cnn5', width = 4 }
optimizer = { lr = 0.05, momentum = 0.9 }
train = { epochs = 30, batch_size = 32, checkpoints = [0, 1, 30] }
analysis = { layers = ['relu2', 'fc'], n_examples = 8, drs = { triplets = 1, resolution = 5 } }
";

#[test]
fn probes_of_a_memorized_training_set_have_their_optimum() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("memorized.toml"), MEMORIZED).unwrap();
    succeed(folder.path(), "run memorized.toml --out run");
    let table = fs::read_to_string(folder.path().join("run/probes.csv")).unwrap();
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = header.iter().position(|name| *name == "gradient_norm").unwrap();
    let gradients: Vec<f64> = lines.map(|row| row[column].parse().unwrap()).collect();
    assert!(gradients.len() > 6, "{table}");
    assert!(gradients.iter().all(|gradient| *gradient < 3e-6), "{table}");
}

/// Images of 9 × 9, cut into patches of 3 × 3, which do not divide 32.
const PATCHES: &str = "
data = { kind = 'digits', n_train = 60, n_test = 30, size = 9 }
noise = { rate = 0.3 }
net = { kind = 'vit', patch = 3, dim = 8, depth = 1, heads = 2, dropout = 0 }
train = { epochs = 1, batch_size = 32, checkpoints = [0, 1] }
analysis = { n_examples = 8, drs = { triplets = 1, resolution = 5 } }
";

#[test]
fn a_vit_of_any_patch_is_reported_shown_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("patches.toml"), PATCHES).unwrap();
    succeed(folder.path(), "run patches.toml --out run");
    succeed(folder.path(), "report run");
    succeed(folder.path(), "export run --to csv --out tables");
    succeed(folder.path(), "show run blocks.0 --regions --out regions.png");
    // Layers are in the order of the net's nodes, not of their names.
    let run = RunResults::read(&folder.path().join("run")).unwrap();
    let layers: Vec<&str> =
        run.matrices[0].layers.iter().map(|matrix| matrix.layer.as_str()).collect();
    assert_eq!(layers, ["embed", "blocks.0", "norm", "head"]);
}

#[test]
fn probes_that_diverge_end_the_analysis_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("memorized.toml"), MEMORIZED).unwrap();
    let changes = "train.epochs=1 train.checkpoints=[0,1] analysis.probe.solver=sgd \
                   analysis.probe.lr=1e30";
    let mut run =
        command(folder.path(), &format!("run memorized.toml {changes} --out run"));
    let [_, message] = texts(&run.output().unwrap());
    assert!(message.contains("has a weight that overflows"), "{message}");
    assert!(!message.contains("panicked"), "{message}");
}
