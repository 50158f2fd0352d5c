//! `export --to features`: the features that the analysis compares, with labels and positions.

use std::fs;

use stratagram::array_file::{Array, read_npz};
use stratagram::run_dir::tables::HistoryRow;
use stratagram::run_dir::{MatrixFile, read_rows};

use crate::support::runs::succeed;

/// Debiased CKA of two arrays of features `[n, p]` in float64 (Song et al. 2012, Kornblith et al.
/// 2019), from the definition.
fn debiased_cka(x: &Array, y: &Array) -> f64 {
    let n = x.shape[0];
    let gram = |array: &Array| -> Vec<f64> {
        let (values, p) = (array.to_f64(), array.shape[1]);
        // Offsets drop out of the value, but cost digits.
        let mean = |k: usize| (0..n).map(|i| values[i * p + k]).sum::<f64>() / n as f64;
        let means: Vec<f64> = (0..p).map(mean).collect();
        let dot = |i: usize, j: usize| -> f64 {
            let at = |i: usize, k: usize| values[i * p + k] - means[k];
            (0..p).map(|k| at(i, k) * at(j, k)).sum()
        };
        let cell = |c: usize| if c / n == c % n { 0.0 } else { dot(c / n, c % n) };
        (0..n * n).map(cell).collect()
    };
    let hsic = |k: &[f64], l: &[f64]| -> f64 {
        let n_f = n as f64;
        let trace: f64 = k.iter().zip(l).map(|(a, b)| a * b).sum();
        let row = |m: &[f64], i: usize| m[i * n..][..n].iter().sum::<f64>();
        let mixed: f64 = (0..n).map(|i| row(k, i) * row(l, i)).sum();
        let sums = k.iter().sum::<f64>() * l.iter().sum::<f64>();
        trace + sums / ((n_f - 1.0) * (n_f - 2.0)) - 2.0 * mixed / (n_f - 2.0)
    };
    let (k, l) = (gram(x), gram(y));
    hsic(&k, &l) / (hsic(&k, &k) * hsic(&l, &l)).sqrt()
}

/// `BatchNorm` with recomputed statistics, pooled maps, corrupted examples.
const OF_FEATURES: &str = "net.kind=resnet18 net.width=2 data.n_train=90 data.n_test=40 \
    train.epochs=2 noise.rate=0.3 analysis.n_examples=12 analysis.drs.triplets=2 \
    analysis.drs.resolution=4 analysis.features=average";

#[test]
fn exported_features_are_those_that_the_matrices_compare() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    succeed(here, &format!("run {OF_FEATURES} --out run"));
    let [listed, _] = succeed(here, "export run --to features --out out");
    let files: Vec<_> =
        listed.lines().map(|line| read_npz(&here.join(line)).unwrap()).collect();
    assert_eq!(files.len(), 3);
    let matrices = MatrixFile::list(&here.join("run")).unwrap();
    let mut compared = 0;
    for matrix in matrices.iter().filter(|matrix| matrix.measure == "cka") {
        let values = matrix.read(3).unwrap();
        let name = format!("{}/{}", matrix.group, matrix.layer);
        let of = |k: usize| files[k].get(&name).unwrap();
        for (i, j) in [(0, 1), (0, 2), (1, 2)] {
            let (own, stored) = (debiased_cka(of(i), of(j)), values[3 * i + j]);
            assert!((own - stored).abs() < 2e-5, "{name} {i} {j}: {own}, {stored}");
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared}");
}

#[test]
fn exported_features_carry_labels_and_positions_of_the_data() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let settings =
        format!("{OF_FEATURES} analysis.groups=[\"test\"] analysis.n_examples=40");
    succeed(here, &format!("run {settings} --out run"));
    succeed(
        here,
        "export run --to features --layers linear,layer1.* --epochs 2 --out out",
    );
    let mut names = fs::read_dir(here.join("out")).unwrap();
    let file = names.next().unwrap().unwrap().path();
    assert!(names.next().is_none());
    let arrays = read_npz(&file).unwrap();
    let whole = |name: &str| arrays.get(name).unwrap().to_i64().unwrap();
    let labels = read_npz(&here.join("run/labels.npz")).unwrap();
    let stored = |name: &str| labels.get(name).unwrap().to_i64().unwrap();
    let examples = stored("examples_test");
    let take = |all: Vec<i64>| -> Vec<i64> {
        examples.iter().map(|&example| all[example as usize]).collect()
    };
    assert_eq!(whole("test/position"), take(stored("test_index")));
    assert_eq!(whole("test/label"), take(stored("test")));
    assert_eq!(whole("test/noisy_label"), whole("test/label"));
    let layers: Vec<&str> =
        arrays.names().filter(|name| name.contains("layer")).collect();
    assert_eq!(layers, ["test/layer1.0", "test/layer1.1"]);
    // The net's output is its last layer: the largest logit counts the test error.
    let logits = arrays.get("test/linear").unwrap().to_f64();
    let is_wrong = |(row, label): &(&[f64], i64)| {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row[*label as usize] < largest
    };
    let wrong = logits.chunks(10).zip(whole("test/label")).filter(is_wrong);
    let rows: Vec<HistoryRow> = read_rows(&here.join("run")).unwrap();
    let error = rows.last().unwrap().test_error.0;
    assert!((wrong.count() as f64 / 40.0 - error).abs() < 1e-9, "{error}");
}
