//! What an experiment can ask the analysis for besides its defaults.

use std::fs;
use std::path::Path;
use std::process::Command;

use stratagram::array_file::read_npy;

const EXPERIMENT: &str = "
seed = 5
data = { kind = 'digits', n_train = 200, n_test = 100 }
noise = { kind = 'exact', rate = 0.3 }
net = { kind = 'cnn5', width = 2 }
optimizer = { lr = 0.05 }
train = { epochs = 3, batch_size = 32, checkpoints = 'every' }
[analysis]
n_examples = 20
layers = ['relu2', 'fc']
features = 'average'
measures = ['cka', 'shape', 'pwcca', 'rsa']
dimensions = true
drs = { triplets = 3 }
";

fn run(directory: &Path, changes: &[&str]) {
    fs::write(directory.join("experiment.toml"), EXPERIMENT).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stratagram"))
        .current_dir(directory)
        .args(["run", "experiment.toml", "--out", "run"])
        .args(changes)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The rows of a table as fields, without the header.
fn table(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    let fields =
        |line: &str| line.split(',').map(|f| f.trim_matches('"').into()).collect();
    text.lines().skip(1).map(fields).collect()
}

#[test]
fn measures_dimensions_and_alignment_are_written_on_request() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), &[]);
    let root = directory.path().join("run");
    for measure in ["cka", "shape", "pwcca", "rsa"] {
        for group in ["test", "train-clean", "train-corrupted"] {
            for layer in ["relu2", "fc"] {
                let path = root.join(format!("matrices/{measure}/{group}/{layer}.npy"));
                let matrix = read_npy(&path).unwrap();
                assert_eq!(matrix.shape, [4, 4]);
                let own = if measure == "shape" { 0.0 } else { 1.0 };
                let values = matrix.to_f64();
                assert!((values[5] - own).abs() < 1e-5, "{measure}: {}", values[5]);
                assert!((values[1] - own).abs() > 1e-4, "{measure}: {}", values[1]);
                let symmetric = values[1].to_bits() == values[4].to_bits();
                assert_eq!(symmetric, measure != "pwcca");
            }
        }
    }
    // The features are the means of the 4 channels: signatures are of 20 × 4 numbers.
    let signatures = read_npy(&root.join("signatures/shape/test/relu2.npy")).unwrap();
    assert_eq!(signatures.shape, [4, 20 * 4]);
    let cells = table(&root.join("matrices.csv"));
    let of = |measure: &str| cells.iter().filter(|row| row[1] == measure).count();
    assert_eq!((of("cka"), of("pwcca")), (6 * 10, 6 * 16));
    for row in &cells {
        assert!(!row[9].is_empty(), "{row:?}");
        assert_eq!(row[2], if row[1] == "cka" { "debiased" } else { "" });
    }
    let floors = table(&root.join("noise.csv"));
    let of = |measure: &str| floors.iter().filter(|row| row[1] == measure).count();
    assert_eq!((of("cka"), of("drs"), floors.len()), (6, 2, 8));
    assert!(floors.iter().all(|row| row[4].parse::<f64>().unwrap() > 0.0));

    let rows = table(&root.join("representations.csv"));
    assert_eq!(rows.len(), 4 * 3 * 2);
    for row in &rows {
        let number = |column: usize| row[column].parse::<f64>();
        assert_eq!(number(5).is_err(), row[3] == "test", "{row:?}");
        assert!((-0.3..1.0).contains(&number(4).unwrap()), "{row:?}");
        let p = if row[0] == "fc" { 10.0 } else { 4.0 };
        for column in 6..9 {
            assert!((1.0..=p).contains(&number(column).unwrap()), "{row:?}");
        }
        // True and noisy labels are the same where none is corrupted.
        let same = row[4] == row[5];
        assert_eq!(same, row[3] == "train-clean", "{row:?}");
    }
}

#[test]
fn the_grid_is_recorded_and_minibatches_have_their_name() {
    let directory = tempfile::tempdir().unwrap();
    let changes = [
        "analysis.features=grid",
        "analysis.grid=2",
        "analysis.measures=[cka]",
        "analysis.cka.estimator=minibatch",
        "analysis.dimensions=false",
    ];
    run(directory.path(), &changes);
    let root = directory.path().join("run");
    let text = fs::read_to_string(root.join("experiment.toml")).unwrap();
    assert!(text.contains("features = \"grid\"") && text.contains("grid = 2"), "{text}");
    let cells = table(&root.join("matrices.csv"));
    assert!(cells.iter().filter(|row| row[1] == "cka").all(|row| row[2] == "minibatch"));
    assert!(table(&root.join("representations.csv")).iter().all(|row| row[6].is_empty()));
}
