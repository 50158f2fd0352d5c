//! The same layer of two runs: `stratagram show RUN LAYER --against RUN`.

use std::fs;
use std::path::Path;

use crate::support::runs::{command, succeed, texts};
use stratagram::array_file::read_npy;

const EXPERIMENT: &str = "
seed = 5
data = { kind = 'digits', n_train = 120, n_test = 60 }
noise = { kind = 'exact', rate = 0.3 }
net = { kind = 'cnn5', width = 2 }
optimizer = { lr = 0.05 }
train = { epochs = 2, batch_size = 32, checkpoints = 'every' }
[analysis]
n_examples = 20
layers = ['relu2', 'fc']
measures = ['cka', 'shape']
drs = { triplets = 3, resolution = 4 }
";

/// Signatures of a layer, epoch by epoch.
fn signatures(run: &Path, measure: &str, group: &str, layer: &str) -> Vec<Vec<f64>> {
    let path = run.join(format!("signatures/{measure}/{group}/{layer}.npy"));
    let array = read_npy(&path).unwrap();
    array.to_f64().chunks(array.shape[1]).map(<[f64]>::to_vec).collect()
}

/// Epoch, value and standard error of each row of a table.
fn rows(text: &str) -> Vec<[f64; 3]> {
    let number = |field: &str| field.parse().unwrap_or(f64::NAN);
    text.lines()
        .map(|line| line.split_whitespace().map(number).collect::<Vec<f64>>())
        .filter_map(|fields| fields.try_into().ok())
        .filter(|row: &[f64; 3]| !row[0].is_nan())
        .collect()
}

#[test]
fn representations_of_two_seeds_are_compared_where_the_examples_are_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("experiment.toml"), EXPERIMENT).unwrap();
    for run in [
        "--out a",
        "seed=6 train.epochs=3 train.checkpoints=[1,2,3] --out b",
        "data.seed=7 --out c",
        "analysis.cka.estimator=biased --out d",
    ] {
        succeed(path, &format!("run experiment.toml {run}"));
    }
    for group in ["test", "train-corrupted"] {
        let arguments = format!("show a fc --against b --measure cka --group {group}");
        let [text, _] = succeed(path, &arguments);
        let title = format!("cka, debiased, of fc in a and b, {group} examples");
        assert_eq!(text.lines().next(), Some(title.as_str()));
        let found = rows(&text);
        let epochs: Vec<f64> = found.iter().map(|row| row[0]).collect();
        // One has the epochs 0, 1, 2, the other 1, 2, 3.
        assert_eq!(epochs, [1.0, 2.0]);
        let [a, b] =
            ["a", "b"].map(|run| signatures(&path.join(run), "cka", group, "fc"));
        for (row, (a, b)) in found.iter().zip(a[1..].iter().zip(&b)) {
            let product: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
            assert!((row[1] - product).abs() < 1e-4, "{text}: {product}");
            assert!(row[2] > 0.0, "{text}");
        }
    }
    // All epochs of one with all of the other.
    let [text, _] = succeed(path, "show a fc --against b --out all.csv");
    assert_eq!(text, "all.csv\n");
    let table = fs::read_to_string(path.join("all.csv")).unwrap();
    let [a, b] = ["a", "b"].map(|run| signatures(&path.join(run), "cka", "test", "fc"));
    let cells: Vec<Vec<f64>> = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|field| field.parse().unwrap()).collect())
        .collect();
    assert_eq!(cells.len(), 3 * 3);
    for (at, cell) in cells.iter().enumerate() {
        // One has the epochs 0, 1, 2, the other 1, 2, 3.
        let (i, j) = (at / 3, at % 3);
        assert_eq!(cell[..2], [i as f64, j as f64 + 1.0]);
        let product: f64 = a[i].iter().zip(&b[j]).map(|(x, y)| x * y).sum();
        assert!((cell[2] - product).abs() < 1e-5, "{table}: {product}");
        assert!(cell[3] > 0.0, "{table}");
    }
    succeed(path, "show a fc --against b --measure shape --out all.svg");
    let map = fs::read_to_string(path.join("all.svg")).unwrap();
    assert!(map.contains("fc: a (up) and b (across)"), "{map}");
    // Decision regions come first where nothing else is asked for.
    let [text, _] = succeed(path, "show a fc --against b");
    assert!(text.starts_with("decision regions of fc"), "{text}");
    assert!(
        text.contains("\ncka, debiased, of fc in a and b, test examples\n"),
        "{text}"
    );
    let [text, _] = succeed(path, "show a relu2 --against b --measure shape");
    assert!(rows(&text).iter().all(|row| row[1] > 0.01 && row[1] < 1.6), "{text}");
    let [own, _] = succeed(path, "show a relu2 --against a --measure cka");
    assert!(rows(&own).iter().all(|row| (row[1] - 1.0).abs() < 1e-4), "{own}");

    let refused = |arguments: &str| {
        let output = command(path, arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments}");
        texts(&output)[1].clone()
    };
    let error = refused("show a fc --against c --measure cka");
    assert!(error.contains("c has image ") && error.contains("as example 0"), "{error}");
    let error = refused("show a fc --against d --measure cka");
    assert!(error.contains("d has the estimator `biased`"), "{error}");
    let error = refused("show a fc --against b --measure rsa");
    assert!(error.contains("has no rsa signatures of `fc` on test"), "{error}");
    let error = refused("show a fc --against b --measure cka --group train");
    assert!(error.contains("no group of examples `train`"), "{error}");
    let error = refused("show a fc --against b --out all.txt");
    assert!(error.contains("all.txt ends in `.txt`"), "{error}");
    let error = refused("show a fc --out all.svg");
    assert!(error.contains("without --regions or --against"), "{error}");
    let error = refused("show a fc --against b --measure ckka");
    assert!(error.contains("with --against, drs or one of cka"), "{error}");

    // Another measure of a finished run: added to it, or to a fork at its end, which trains
    // nothing.
    let error = refused("run experiment.toml analysis.measures=[cka,rsa] --out a");
    let fix = "stratagram analyze a 'analysis.measures=[\"cka\", \"rsa\"]'";
    assert!(error.contains(fix), "{error}");
    let error = refused("run experiment.toml train.epochs=1 --out a");
    assert!(!error.contains("stratagram analyze"), "{error}");
    succeed(path, "run --from a@2 analysis.measures=[cka,rsa] --out more");
    let [text, _] = succeed(path, "show more fc --measure rsa");
    assert!(text.starts_with("RSA of fc"), "{text}");
    let [old, new] =
        ["a", "more"].map(|run| signatures(&path.join(run), "cka", "test", "fc"));
    assert_eq!(old, new);
}
