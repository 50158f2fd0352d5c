//! Ordinary experiments that once ended in a panic.

use std::fs;
use std::path::Path;

use stratagram::array_file::{Values, read_safetensors, safetensors_bytes};
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

/// Of each row of a table, the fields of these columns.
fn fields<const N: usize>(table: &Path, columns: [&str; N]) -> Vec<[String; N]> {
    let text = fs::read_to_string(table).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let at = columns.map(|name| header.iter().position(|own| *own == name).unwrap());
    lines.map(|row| at.map(|at| row[at].trim_matches('"').to_owned())).collect()
}

#[test]
fn probes_that_diverge_are_undefined_with_their_reason_and_the_analysis_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    fs::write(folder.path().join("memorized.toml"), MEMORIZED).unwrap();
    let changes = "train.epochs=1 train.checkpoints=[0,1] analysis.probe.solver=sgd \
                   analysis.probe.lr=1e30";
    let mut command =
        command(folder.path(), &format!("run memorized.toml {changes} --out run"));
    let output = command.output().unwrap();
    let [_, message] = texts(&output);
    assert!(output.status.success(), "{message}");
    let reason = "the probe diverged: a weight overflows";
    let said = format!("decisions of fc at epoch 0, 1 ({reason})");
    assert!(message.contains(&said), "{message}");

    let probes = fields(&run.join("probes.csv"), ["labels", "n_features", "objective"]);
    assert!(probes.len() > 6, "{probes:?}");
    for [labels, n_features, objective] in probes {
        assert!(!labels.is_empty() && !n_features.is_empty() && objective.is_empty());
    }
    let columns = ["layer", "measure", "value", "se", "reason"];
    let cells = fields(&run.join("matrices.csv"), columns);
    let of_regions = cells.iter().filter(|row| row[1].starts_with("drs"));
    for [layer, measure, value, se, found] in of_regions {
        let is_output = layer == "output";
        assert_eq!(is_output, found != reason, "{layer} {measure}");
        // Kappa may have a reason of its own.
        assert!(measure == "drs-kappa" || is_output != value.is_empty(), "{layer}");
        assert!(is_output || se.is_empty(), "{layer} {measure} {se}");
    }
    let floor = fields(&run.join("floor.csv"), ["value"]);
    assert!(!floor.is_empty() && floor.iter().all(|[value]| value.is_empty()));
}

/// A perceptron without BatchNorm, whose weights may be any.
const PERCEPTRON: &str = "
data = { kind = 'digits', n_train = 60, n_test = 30 }
noise = { rate = 0.3 }
net = { kind = 'mlp', width = 8, depth = 2 }
train = { epochs = 3, batch_size = 32, checkpoints = [0, 1, 2, 3] }
analysis = { n_examples = 8, drs = { triplets = 2, resolution = 5, floor = 'all' } }
";

/// Multiplies the weights of a checkpoint's first layer, so that its features overflow; what
/// was changed on purpose has no checksum.
fn overflow(checkpoint: &Path) {
    let mut weights = read_safetensors(checkpoint).unwrap();
    let (_, weight) =
        weights.0.iter_mut().find(|(name, _)| name == "fc1.weight").unwrap();
    let Values::F32(values) = &mut weight.values else { panic!("f32") };
    values.iter_mut().for_each(|value| *value *= 3e38);
    fs::write(checkpoint, safetensors_bytes(&weights)).unwrap();
    let run = checkpoint.ancestors().nth(2).unwrap();
    fs::remove_file(run.join("checksums/train.csv")).unwrap();
}

#[test]
fn features_that_are_not_finite_make_that_layer_and_checkpoint_undefined() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    fs::write(folder.path().join("perceptron.toml"), PERCEPTRON).unwrap();
    succeed(folder.path(), "train perceptron.toml --out run");
    overflow(&run.join("checkpoints/step-000000002.safetensors"));
    let [_, message] = texts(&command(folder.path(), "analyze run").output().unwrap());
    let reason = "a feature is NaN or infinite";
    assert!(message.contains(&format!("relu1 at epoch 1 ({reason})")), "{message}");

    let columns = ["layer", "measure", "epoch_i", "epoch_j", "value", "reason"];
    let cells = fields(&run.join("matrices.csv"), columns);
    let regions = cells.iter().filter(|row| row[1] == "drs" || row[1] == "agreement");
    for [layer, measure, i, j, value, found] in regions {
        let is_there = i != "1" && j != "1";
        assert_eq!(!value.is_empty(), is_there, "{layer} {measure} {i} {j}");
        assert_eq!(found == reason, !is_there, "{layer} {measure} {i} {j}");
    }
    for (table, column, is_kept) in [
        ("probes.csv", "test_accuracy", true),
        ("layers.csv", "value", true),
        ("floor.csv", "value", true),
        ("prediction_depth.csv", "mean", true),
        ("geometry.csv", "value", false),
    ] {
        let rows = fields(&run.join(table), ["epoch", column]);
        let of_epoch = |epoch: &str| {
            let rows = rows.iter().filter(|row| row[0] == epoch);
            let (all, empty) = (rows.clone().count(), rows.filter(|r| r[1].is_empty()));
            (all, empty.count())
        };
        let (n, n_empty) = of_epoch("1");
        assert_eq!(n > 0 && n == n_empty, is_kept, "{table}: {n_empty} of {n}");
        assert_eq!(n > 0, is_kept, "{table}");
        assert!(of_epoch("2").0 > of_epoch("2").1, "{table}");
    }
    succeed(folder.path(), "report run");

    // What is known of undefined rows outlives a change, and the file that says it.
    let table = || fs::read(run.join("matrices.csv")).unwrap();
    let whole = table();
    succeed(folder.path(), "analyze run analysis.measures=[cka,rsa]");
    succeed(folder.path(), "analyze run analysis.measures=[cka]");
    assert!(table() == whole);
    fs::remove_file(run.join("signatures/.known.npz")).unwrap();
    succeed(folder.path(), "analyze run analysis.measures=[cka,rsa]");
    succeed(folder.path(), "analyze run analysis.measures=[cka]");
    assert!(table() == whole);
}
