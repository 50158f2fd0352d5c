//! Runs that were never trained: experiment, findings, matrices and errors as they would be.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stratagram::RunDir;
use stratagram::experiment::Experiment;
use stratagram::run_dir::tables::{AxisRow, CellRow, HistoryRow};
use stratagram::run_dir::{Maybe, MaybeStep, Number, RunFile, Status};

/// 24 checkpoints.
pub(crate) const EPOCHS: [f64; 24] = [
    0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 12., 15., 18., 22., 27., 33., 40., 49.,
    60., 73., 90., 110., 134.,
];

/// A layer that moves along a circle and jitters.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    /// Radians per unit of log time.
    pub(crate) speed: f64,
    /// Scatter before and after the layer settles.
    pub(crate) jitter: [f64; 2],
    /// Λ, all of it the part of bursts.
    pub(crate) distinctness: f64,
    /// Λ of the weights.
    pub(crate) of_weights: f64,
}

impl Layer {
    pub(crate) fn new(name: &'static str, speed: f64) -> Self {
        Self { name, speed, jitter: [0.0; 2], distinctness: 0.5, of_weights: 0.1 }
    }

    /// S of two checkpoints: g = (cos, sin, jitter in a direction of its own) of unit norm.
    pub(crate) fn similarity(&self, [i, j]: [usize; 2], settles: f64) -> f64 {
        if i == j {
            return 1.0;
        }
        let jitter = |at: usize| self.jitter[usize::from(EPOCHS[at] >= settles)];
        let angle = self.speed * (EPOCHS[i].ln_1p() - EPOCHS[j].ln_1p());
        let norm = |at: usize| (1.0 + jitter(at).powi(2)).sqrt();
        angle.cos() / (norm(i) * norm(j))
    }
}

/// A run to be written.
#[derive(Debug, Clone)]
pub(crate) struct Planted {
    pub(crate) seed: u64,
    /// `a.b=value` changes.
    pub(crate) settings: Vec<String>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) epochs: Vec<f64>,
    /// Epochs of the first minimum, the peak and the second minimum of the test error.
    pub(crate) turns: [f64; 3],
    /// Rise and fall, images as the unit; none: the test error only falls.
    pub(crate) descent: Option<[f64; 2]>,
    /// Epochs of the fit at 1 % and at 0.1 %.
    pub(crate) fit: [f64; 2],
    /// The first checkpoint with the later scatter.
    pub(crate) settles: f64,
    /// Whether the learning rate changes.
    pub(crate) schedule: bool,
    /// Epoch at which the first layer settles, as a boundary.
    pub(crate) boundary: Option<f64>,
}

impl Default for Planted {
    fn default() -> Self {
        Self {
            seed: 0,
            settings: vec![],
            layers: ["conv1", "conv2", "conv3", "conv4"]
                .map(|name| Layer::new(name, 0.2))
                .into(),
            epochs: EPOCHS.to_vec(),
            turns: [5.0, 15.0, 60.0],
            descent: Some([0.1, 0.05]),
            fit: [18.0, 22.0],
            settles: 22.0,
            schedule: false,
            boundary: None,
        }
    }
}

const EXPERIMENT: &str = "data = { kind = 'digits', n_train = 64, n_test = 40 }\n\
    noise = { rate = 0.2 }\n\
    net = { kind = 'cnn5', width = 4 }\n\
    train = { epochs = 134, batch_size = 32, checkpoints = [0, 134] }";

impl Planted {
    pub(crate) fn of_seed(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    pub(crate) fn experiment(&self) -> Experiment {
        let mut changes = vec![format!("seed={}", self.seed)];
        changes.extend(self.settings.iter().cloned());
        Experiment::parse("fixture", EXPERIMENT, ".".as_ref(), &changes).unwrap()
    }

    /// Writes the run into a directory, complete.
    pub(crate) fn write(&self, root: &Path) -> PathBuf {
        let run = self.write_without_findings(root);
        run.set_status(Status::Complete).unwrap();
        let text = serde_json::to_string_pretty(&self.findings()).unwrap();
        fs::write(RunFile::Findings.path(root), text).unwrap();
        root.to_owned()
    }

    /// The same without findings, not finished.
    pub(crate) fn write_without_findings(&self, root: &Path) -> RunDir {
        let run = RunDir::create_or_open(root, &self.experiment(), false).unwrap();
        let step = |at: usize| (2.0 * self.epochs[at]) as u64;
        let axis: Vec<AxisRow> = (0..self.epochs.len())
            .map(|at| AxisRow { step: step(at), epoch: Number(self.epochs[at]) })
            .collect();
        run.write_rows(&axis).unwrap();
        run.write_rows(&self.history()).unwrap();
        let mut cells = vec![];
        for (group, measure) in [("test", "cka"), ("train-corrupted", "cka")] {
            for layer in &self.layers {
                for i in 0..self.epochs.len() {
                    cells.extend((i..self.epochs.len()).map(|j| CellRow {
                        layer: layer.name.into(),
                        measure: measure.into(),
                        group: group.into(),
                        step_i: step(i),
                        step_j: step(j),
                        epoch_i: Number(self.epochs[i]),
                        epoch_j: Number(self.epochs[j]),
                        value: Maybe(layer.similarity([i, j], self.settles)),
                        ..CellRow::default()
                    }));
                }
            }
        }
        run.write_rows(&cells).unwrap();
        run
    }

    /// Errors with the turns and fits that are planted.
    fn history(&self) -> Vec<HistoryRow> {
        let [min, peak, second] = self.turns;
        let at = |t: f64, from: [f64; 2], to: [f64; 2]| {
            let share = (t - from[0]) / (to[0] - from[0]);
            from[1] + share * (to[1] - from[1])
        };
        let last = *self.epochs.last().unwrap();
        let test = |t: f64| match t {
            _ if self.descent.is_none() => at(t, [0.0, 0.6], [last, 0.2]),
            t if t <= min => at(t, [0.0, 0.6], [min, 0.3]),
            t if t <= peak => at(t, [min, 0.3], [peak, 0.4]),
            t if t <= second => at(t, [peak, 0.4], [second, 0.25]),
            t => at(t, [second, 0.25], [last, 0.26]),
        };
        let train = |t: f64| match t {
            t if t >= self.fit[1] => 0.0,
            t if t >= self.fit[0] => 0.005,
            t => 0.5 - 0.4 * t / self.fit[0],
        };
        let row = |&t: &f64| HistoryRow {
            step: MaybeStep(Some((2.0 * t) as u64)),
            epoch: Number(t),
            train_error: Maybe(train(t)),
            train_loss: Maybe(train(t)),
            train_error_corrupted: Maybe(train(t)),
            test_error: Maybe(test(t)),
            ..HistoryRow::default()
        };
        self.epochs.iter().map(row).collect()
    }

    fn boundaries(&self, depth: usize) -> Vec<Value> {
        let settling = |epoch: f64| {
            json!({
                "kind": "settling", "epoch": epoch, "from": epoch, "to": epoch,
                "log_time": epoch.ln_1p(), "size": -1.0, "p": 0.0025, "edge": false,
                "detectors_within": 0,
            })
        };
        self.boundary.filter(|_| depth == 0).map(settling).into_iter().collect()
    }

    fn findings(&self) -> Value {
        let mut layers = vec![];
        for group in ["test", "train-corrupted"] {
            for (depth, layer) in self.layers.iter().enumerate() {
                let lambda =
                    |value: f64| json!({"value": value, "burst": value, "step": 0.0});
                layers.push(json!({
                    "layer": layer.name, "depth": depth, "measure": "cka", "group": group,
                    "at_floor": false,
                    "boundaries": self.boundaries(depth),
                    "distinctness": lambda(layer.distinctness),
                    "weights": {
                        "distinctness": lambda(layer.of_weights),
                        "excess_distinctness": layer.distinctness - layer.of_weights,
                    },
                }));
            }
        }
        // Of decisions alone: no layer of a comparison.
        layers.push(
            json!({"layer": "output", "depth": 4, "measure": "drs", "group": "test"}),
        );
        let [rise, fall] = self.descent.map_or([0.0, 0.01], |both| both);
        json!({
            "format": 1,
            "defaults": {"h": 0.7, "min_prominence": 0.2, "min_step": 0.7, "alpha": 0.05,
                "draws": 399, "tolerance": 0.4},
            "checkpoints": {"used": self.epochs.len(), "dropped": [], "epochs": self.epochs},
            "events": {"perfect-fit": self.fit[1], "corrupted-fit": self.fit[1]},
            "layers": layers,
            "synchrony": [{"measure": "cka", "group": "test", "layers_left_out": [],
                "schedule": self.schedule}],
            "double_descent": {"method": "split halves", "rise": rise, "fall": fall,
                "measured": self.descent.is_some()},
        })
    }
}

/// Writes a comparison file.
pub(crate) fn write_file(root: &Path, text: &str) -> PathBuf {
    let path = root.join("comparison.toml");
    fs::write(&path, text).unwrap();
    path
}
