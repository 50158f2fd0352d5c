//! What a report shows, in memory: the results of one run, as its directory holds them.

use std::collections::BTreeMap;

use super::figure::sheet::Sheet;
use super::figure::time::Timeline;
use crate::findings::RunFindings;
use crate::findings::halves::DoubleDescent;
use crate::net::NetConfig;
use crate::represent::glob_matches;
use crate::run_dir::Regions;
use crate::run_dir::tables::{CollapseRow, ConvergenceRow, CurveRow};
use crate::similarity::MatrixKind;

/// The results of one run. Whatever the directory lacks is empty here, and the page says so.
#[derive(Debug, Clone, Default)]
pub struct RunResults {
    /// Name of the run directory.
    pub name: String,
    /// `experiment.toml`.
    pub experiment: toml::Table,
    /// `run.json`, null where absent.
    pub manifest: serde_json::Value,
    /// `history.csv`, in its order.
    pub history: Vec<HistoryRow>,
    /// `phases.json`.
    pub phases: Phases,
    /// Steps of the checkpoints: rows and columns of every matrix.
    pub steps: Vec<u64>,
    /// Epochs of the checkpoints.
    pub epochs: Vec<f64>,
    /// `matrices/`: one set a measure and group.
    pub matrices: Vec<MatrixSet>,
    /// `probes.csv`, sorted by layer (in depth order) and step: of each (layer, step) the
    /// probe of the experiment's own labels and λ.
    pub probes: Vec<ProbeRow>,
    /// The same at the other λ.
    pub penalties: Vec<ProbeRow>,
    /// The same, trained on the other labels.
    pub other_probes: Vec<ProbeRow>,
    /// The probes on the pixels, the experiment's own first.
    pub pixels: Vec<ProbeRow>,
    /// `prediction_depth.csv`.
    pub depths: Vec<DepthRow>,
    /// `geometry.csv`, sorted by layer (in depth order) and step.
    pub geometry: Vec<GeometryRow>,
    /// `collapse.csv`, sorted by layer (in depth order) and step.
    pub collapse: Vec<CollapseRow>,
    /// `regions/`, in depth order.
    pub regions: Vec<Regions>,
    /// The same planes at every checkpoint, on the coarser grid of the matrices and without
    /// confidence, from `signatures/drs/`; empty where those are not there.
    pub decisions: Vec<Regions>,
    /// `findings.json`.
    pub findings: Option<RunFindings>,
    /// `curves.csv`.
    pub curves: Vec<CurveRow>,
    /// `convergence.csv`.
    pub convergence: Vec<ConvergenceRow>,
    /// What its figures are laid out for.
    pub(crate) sheet: Sheet,
    /// Names and globs of the layers that figures show; empty for all.
    pub(crate) only: Vec<String>,
}

/// One row of `history.csv`. Fields that are empty there are NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistoryRow {
    /// Passes over the training set.
    pub epoch: f64,
    /// Error against the training (noisy) labels.
    pub train_error: f64,
    /// Error on images whose label is right.
    pub train_error_clean: f64,
    /// Error against the wrong labels of the corrupted images.
    pub train_error_corrupted: f64,
    /// Test error with the statistics the experiment evaluates with.
    pub test_error: f64,
    /// Test error with the running statistics of `BatchNorm`.
    pub test_error_running: f64,
}

/// The parts of `phases.json` that the report shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Phases {
    /// Whether the file was there.
    pub known: bool,
    /// Epoch from which the training labels are fitted perfectly.
    pub perfect_fit: Option<f64>,
    /// The verdict on double descent, as the file has it.
    pub verdict: Option<String>,
    /// Epoch of the first minimum of the test error.
    pub min: Option<f64>,
    /// Epoch of its peak.
    pub peak: Option<f64>,
    /// Epoch of its second minimum.
    pub second_min: Option<f64>,
    /// From the minimum up to the peak.
    pub rise: Option<f64>,
    /// From the peak down to the second minimum.
    pub fall: Option<f64>,
    /// Test errors at minimum, peak and second minimum as the detector saw them (levels).
    pub errors: [Option<f64>; 3],
    /// What the rise and the fall must exceed.
    pub thresholds: [Option<f64>; 2],
    /// Why there is no perfect fit.
    pub fit_reason: Option<String>,
    /// The detector's reason for its verdict.
    pub reason: Option<String>,
    /// Peaks that the detector passed over: "a peak at epoch 5: …".
    pub passed_over: Vec<String>,
    /// Epoch at which the corrupted labels are fitted.
    pub corrupted_fit: Option<f64>,
    /// The double descent on halves of the test images, of `findings.json`.
    pub halves: Option<DoubleDescent>,
}

/// The matrices of one measure on one group of examples, in depth order.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixSet {
    /// What is compared, as the directory is named.
    pub kind: MatrixKind,
    /// `test`, `train-clean`, …; for drs the source of the triplets.
    pub group: String,
    /// Estimator that `matrices.csv` names; empty where it names none.
    pub estimator: String,
    /// One a layer.
    pub layers: Vec<EpochMatrix>,
}

/// Similarity of one layer with itself over the epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochMatrix {
    /// Name of the representation.
    pub layer: String,
    /// Row-major `[E, E]`; NaN is undefined.
    pub values: Vec<f64>,
    /// Standard errors over examples (or triplets), `[E, E]`; NaN where unknown.
    pub errors: Vec<f64>,
    /// Why a cell `(i, j)`, i ≤ j, is undefined.
    pub reasons: BTreeMap<(usize, usize), String>,
}

/// One row of `probes.csv`; undefined fields are NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeRow {
    /// Name of the representation.
    pub layer: String,
    /// Passes over the training set.
    pub epoch: f64,
    /// What the probe was trained on: `noisy` or `clean`.
    pub labels: String,
    /// λ, the strength of its penalty; NaN where the table has none.
    pub l2: f64,
    /// Accuracy on the test images.
    pub test_accuracy: f64,
    /// Held-out accuracy on the wrong labels of corrupted images.
    pub heldout_corrupted_noisy: f64,
    /// Held-out accuracy on the true labels of corrupted images.
    pub heldout_corrupted_true: f64,
}

/// One row of `prediction_depth.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct DepthRow {
    /// `train-clean` or `train-corrupted`.
    pub group: String,
    /// Passes over the training set.
    pub epoch: f64,
    /// Images.
    pub n: f64,
    /// Layers: the largest depth.
    pub n_layers: f64,
    /// Mean depth.
    pub mean: f64,
    /// Its standard error over images.
    pub se: f64,
}

/// One row of `geometry.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct GeometryRow {
    /// Name of the representation, or `output`.
    pub layer: String,
    /// Passes over the training set.
    pub epoch: f64,
    /// The source of the triplets.
    pub group: String,
    /// What was measured.
    pub quantity: String,
    /// Its mean over planes.
    pub value: f64,
    /// The standard error over planes; NaN where unknown.
    pub se: f64,
}

impl RunResults {
    /// The last epoch that anything was recorded at.
    pub fn last_epoch(&self) -> f64 {
        let history = self.history.iter().map(|row| row.epoch);
        history.chain(self.epochs.iter().copied()).fold(0.0, f64::max)
    }

    /// Its time axis, and the epochs that every panel marks on it.
    pub(crate) fn timeline(&self) -> Timeline {
        let phases = &self.phases;
        Timeline {
            last: self.last_epoch(),
            perfect_fit: phases.perfect_fit,
            turns: [phases.min, phases.peak, phases.second_min],
        }
    }

    /// Leaves out the layers that no name or glob in `only` means.
    pub(crate) fn keep_layers(&mut self, only: &[String]) {
        self.only = only.to_vec();
        let is_shown = |layer: &str| only.iter().any(|glob| glob_matches(glob, layer));
        for set in &mut self.matrices {
            set.layers.retain(|matrix| is_shown(&matrix.layer));
        }
        self.matrices.retain(|set| !set.layers.is_empty());
        self.probes.retain(|row| is_shown(&row.layer));
        self.other_probes.retain(|row| is_shown(&row.layer));
        self.geometry.retain(|row| is_shown(&row.layer));
        self.collapse.retain(|row| is_shown(&row.layer));
        self.regions.retain(|regions| is_shown(&regions.layer));
    }

    /// Every layer that a figure may show, each once.
    pub(crate) fn layer_names(&self) -> Vec<&str> {
        let matrices = self.matrices.iter().flat_map(|set| &set.layers);
        let names = matrices
            .map(|matrix| matrix.layer.as_str())
            .chain(self.probes.iter().map(|row| row.layer.as_str()))
            .chain(self.regions.iter().map(|regions| regions.layer.as_str()));
        let mut known: Vec<&str> = vec![];
        for name in names {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        known
    }

    /// Whether figures show a layer. Findings are of all layers, so they are kept whole.
    pub(crate) fn shows(&self, layer: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|glob| glob_matches(glob, layer))
    }

    /// The set of a measure on a group.
    pub fn matrix_set(&self, kind: &MatrixKind, group: &str) -> Option<&MatrixSet> {
        self.matrices.iter().find(|set| set.kind == *kind && set.group == group)
    }

    /// The set that the headline shows for a measure: that of the test images, else the
    /// first.
    pub fn leading_set(&self, kind: &MatrixKind) -> Option<&MatrixSet> {
        let mut sets = self.matrices.iter().filter(|set| set.kind == *kind);
        self.matrix_set(kind, "test").or_else(|| sets.next())
    }

    /// The sources of triplets that the experiment names.
    pub fn triplet_sources(&self) -> Vec<&str> {
        let drs = self.experiment.get("analysis").and_then(|table| table.get("drs"));
        match drs.and_then(|drs| drs.get("source")) {
            Some(toml::Value::String(one)) => vec![one],
            Some(toml::Value::Array(many)) => {
                many.iter().filter_map(toml::Value::as_str).collect()
            }
            _ => vec![],
        }
    }

    /// The test error at an epoch, on the line between the rows around it as it is drawn over
    /// ln(1 + epoch); NaN where there are none.
    pub(crate) fn test_error_at(&self, epoch: f64) -> f64 {
        let known = self.history.iter().filter(|row| row.test_error.is_finite());
        let (mut before, mut after) = (None, None);
        for row in known {
            if row.epoch <= epoch + 1e-9 {
                before = Some(row);
            } else if after.is_none() {
                after = Some(row);
            }
        }
        match (before, after) {
            (Some(a), Some(b)) => {
                let [from, to, at] =
                    [a.epoch, b.epoch, epoch.max(a.epoch)].map(f64::ln_1p);
                let share = (at - from) / (to - from);
                a.test_error + share * (b.test_error - a.test_error)
            }
            (one, other) => one.or(other).map_or(f64::NAN, |row| row.test_error),
        }
    }

    /// The history row of an epoch, or the last one before it.
    pub fn row_at(&self, epoch: f64) -> Option<&HistoryRow> {
        self.history.iter().rev().find(|row| row.epoch <= epoch + 1e-9)
    }

    /// Whether the checkpoints are those of another program.
    pub fn is_imported(&self) -> bool {
        !self.manifest["imported"].is_null()
    }

    /// Whether another program trained and recorded the run.
    pub fn is_recorded(&self) -> bool {
        self.manifest["source"] == "recorded"
    }

    /// The net of the experiment, if it is one that this version knows.
    pub(crate) fn net(&self) -> Option<NetConfig> {
        self.experiment.get("net")?.clone().try_into().ok()
    }

    /// The `BatchNorm` statistics behind the test error.
    pub fn statistics(&self) -> Statistics {
        let text = |table: &str, key: &str| {
            self.experiment.get(table).and_then(|table| table.get(key)?.as_str())
        };
        if self.is_recorded() {
            Statistics::Recorded
        } else if self.net().is_some_and(|net| net.has_batchnorm() == Some(false)) {
            Statistics::Absent
        } else if text("evaluation", "batchnorm") == Some("running") {
            Statistics::Running
        } else {
            Statistics::Recomputed
        }
    }
}

/// The `BatchNorm` statistics that a net is evaluated with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistics {
    /// Those that the recording used.
    Recorded,
    /// The net has no `BatchNorm`.
    Absent,
    /// Running ones.
    Running,
    /// Recomputed over the training images; the error with running ones is known, too.
    Recomputed,
}

impl MatrixSet {
    /// The matrix of a layer.
    pub fn layer(&self, name: &str) -> Option<&EpochMatrix> {
        self.layers.iter().find(|matrix| matrix.layer == name)
    }
}

impl EpochMatrix {
    /// The number of checkpoints.
    pub fn n_epochs(&self) -> usize {
        self.values.len().isqrt()
    }

    /// The value of a cell.
    pub fn value(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.n_epochs() + j]
    }

    /// How many cells with i ≤ j hold a number outside 0..1 (by more than rounding).
    pub fn outside(&self) -> usize {
        let n = self.n_epochs();
        let cells = (0..n).flat_map(|i| (i..n).map(move |j| self.value(i, j)));
        cells.filter(|value| *value < -1e-6 || *value > 1.0 + 1e-6).count()
    }
}
