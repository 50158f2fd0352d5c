//! What figures show of every run beside the statements: its errors, its fit, its matrices, the
//! boundaries of its layers, the cuts of other detectors, and how much each layer moves. What is
//! said of layers is by debiased CKA on test images.

use std::collections::BTreeMap;

use super::runs::{Arm, Lens, Run, View};
use crate::findings::axis::epoch_of;
use crate::findings::boundaries::{BoundaryKind, PERFECT_FIT};
use crate::findings::{LayerFindings, Matrix};
use crate::similarity::MatrixKind;

/// The examples.
const GROUP: &str = "test";

/// A run of an arm.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenRun {
    /// Its seed.
    pub seed: String,
    /// Its errors over the epochs.
    pub errors: Vec<SeenErrors>,
    /// Epochs of the minimum, the peak and the second minimum of its test error.
    pub turns: [Option<f64>; 3],
    /// Epochs of the rows of its matrices.
    pub epochs: Vec<f64>,
    /// Its similarities of epochs, those of one measure and group in the order of depth.
    pub maps: Vec<SeenMap>,
    /// Epoch of its perfect fit.
    pub fit: Option<f64>,
    /// Epoch of its last checkpoint.
    pub last: f64,
    /// In the order of depth.
    pub layers: Vec<SeenLayer>,
    /// How much each layer moves during a double descent; none without one in this run or in
    /// another run of its seed.
    pub movement: Option<Vec<f64>>,
}

/// The errors at an epoch; NaN where one is not logged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeenErrors {
    /// The epoch.
    pub epoch: f64,
    /// Against the training labels.
    pub train: f64,
    /// Of test images.
    pub test: f64,
}

/// The similarity of a layer with itself over the epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenMap {
    /// The measure, as `matrices/` names it.
    pub measure: String,
    /// The examples.
    pub group: String,
    /// The layer.
    pub layer: String,
    /// Row-major; NaN is undefined.
    pub values: Vec<f64>,
    /// First and last epoch of each phase.
    pub phases: Vec<[f64; 2]>,
    /// Epochs of the boundaries between them.
    pub boundaries: Vec<f64>,
}

/// A layer of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenLayer {
    /// Its name.
    pub name: String,
    /// Epochs of its boundaries and what they are.
    pub boundaries: Vec<(f64, BoundaryKind)>,
    /// Epochs of the cuts of the four other detectors.
    pub cuts: Vec<f64>,
}

/// The runs of each arm.
pub(super) fn seen(arms: &[Arm]) -> Vec<Vec<SeenRun>> {
    let mut windows: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for run in arms.iter().flat_map(|arm| &arm.runs) {
        if let Ok(descent) = run.descent() {
            windows.entry(run.seed()).or_insert(descent.window);
        }
    }
    let of_arm = |arm: &Arm| {
        arm.runs
            .iter()
            .map(|run| of_run(run, windows.get(&run.seed()).copied()))
            .collect()
    };
    arms.iter().map(of_arm).collect()
}

/// A run; `window`: of the first double descent of its seed.
fn of_run(run: &Run, window: Option<[f64; 2]>) -> SeenRun {
    let lens = Lens::primary();
    let own = run.descent().ok().map(|descent| descent.window);
    let layers = run.findings.of_kind(&lens.measure, GROUP);
    let names: Vec<String> = layers.iter().map(|layer| layer.layer.clone()).collect();
    let view = View::of(run, (&lens, GROUP), &names, None).ok();
    let movement = view.zip(own.or(window)).and_then(|(view, w)| view.movement(w).ok());
    SeenRun {
        seed: run.seed(),
        errors: errors(run),
        turns: turns(run),
        epochs: run.epochs.clone(),
        maps: [MatrixKind::CKA, MatrixKind::DRS]
            .iter()
            .flat_map(|m| maps(run, m))
            .collect(),
        fit: run.event(PERFECT_FIT),
        last: run.last(),
        layers: layers.into_iter().map(of_layer).collect(),
        movement,
    }
}

fn errors(run: &Run) -> Vec<SeenErrors> {
    let Some(curves) = &run.curves else { return vec![] };
    let row = |at: usize| SeenErrors {
        epoch: curves.epoch()[at],
        train: curves.train_error()[at],
        test: curves.test_error()[at],
    };
    (0..curves.len()).map(row).collect()
}

fn turns(run: &Run) -> [Option<f64>; 3] {
    let descent = run.phases.as_ref().map(|phases| &phases.double_descent);
    descent.map_or([None; 3], |found| [found.min, found.peak, found.second_min])
}

/// The matrices by a measure, in the order of groups and depth.
fn maps(run: &Run, measure: &MatrixKind) -> Vec<SeenMap> {
    let measure = measure.to_string();
    let map = |(group, layer, matrix): (&str, &str, &Matrix)| {
        let of_kind = run.findings.of_kind(&measure, group);
        let found = of_kind.into_iter().find(|found| found.layer == layer);
        let phases = found.and_then(|found| found.phases.as_deref()).unwrap_or_default();
        let boundaries = found.and_then(|found| found.boundaries.as_deref());
        let inner =
            boundaries.unwrap_or_default().iter().filter(|boundary| !boundary.edge);
        let n = matrix.n();
        let map = SeenMap {
            measure: measure.clone(),
            group: group.into(),
            layer: layer.into(),
            values: (0..n * n).map(|cell| matrix.at(cell / n, cell % n)).collect(),
            phases: phases.iter().map(|phase| [phase.from, phase.to]).collect(),
            boundaries: inner.map(|boundary| boundary.epoch).collect(),
        };
        (found.map_or(usize::MAX, |found| found.depth), map)
    };
    let mut maps: Vec<(usize, SeenMap)> = run.matrices_by(&measure).map(map).collect();
    maps.sort_by(|(a, one), (b, other)| (&one.group, a).cmp(&(&other.group, b)));
    maps.into_iter().map(|(_, map)| map).collect()
}

fn of_layer(layer: &LayerFindings) -> SeenLayer {
    let boundaries = layer.boundaries.iter().flatten().filter(|boundary| !boundary.edge);
    let others = layer.others.as_ref();
    SeenLayer {
        name: layer.layer.clone(),
        boundaries: boundaries.map(|boundary| (boundary.epoch, boundary.kind)).collect(),
        cuts: others.map_or_else(Vec::new, |others| {
            others.each().concat().into_iter().map(epoch_of).collect()
        }),
    }
}
