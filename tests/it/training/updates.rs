//! `updates.csv`: what steps do to each layer.

use std::fs;

use stratagram::array_file::read_safetensors;
use stratagram::run_dir::read_rows;
use stratagram::run_dir::tables::UpdateRow;

use crate::support::runs::succeed;

/// An epoch is one step, so that the checkpoints stand before and after it.
const STEPS: &str = "
data = { kind = 'digits', n_train = 60, n_test = 20 }
net = { kind = 'mlp', width = 6, depth = 1 }
optimizer = { kind = 'adam', lr = 0.01, eps = 1e-3 }
train = { epochs = 3, batch_size = 60, checkpoints = [0, 1, 2, 3] }
";

#[test]
fn updates_are_the_differences_of_checkpoints() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::write(root.join("e.toml"), STEPS).unwrap();
    succeed(root, "train e.toml --out run");
    let rows: Vec<UpdateRow> = read_rows(&root.join("run")).unwrap();
    let weights = |step: u64| {
        let path = format!("run/checkpoints/step-{step:09}.safetensors");
        read_safetensors(&root.join(path)).unwrap()
    };
    assert_eq!(rows.len(), 3 * 2, "three steps of two layers");
    for row in &rows {
        let [before, after] = [row.step - 1, row.step].map(weights);
        let (mut moved, mut length) = (0.0, 0.0);
        for part in ["weight", "bias"] {
            let name = format!("{}.{part}", row.layer);
            let [a, b] = [&before, &after].map(|own| own.get(&name).unwrap().to_f64());
            moved += a.iter().zip(&b).map(|(a, b)| (b - a).powi(2)).sum::<f64>();
            length += a.iter().map(|a| a * a).sum::<f64>();
        }
        let expected = (moved / length).sqrt();
        assert!((row.update.0 / expected - 1.0).abs() < 1e-12, "{row:?}");
        assert!((0.0..=1.0).contains(&row.below_eps.0));
    }
    assert!(rows.iter().any(|row| row.below_eps.0 > 0.0), "some gradients are tiny");
    assert!(rows.iter().any(|row| row.below_eps.0 < 1.0), "some are not");
}
