//! What figures show of every run beside the statements: its fit, the boundaries of its layers,
//! the cuts of other detectors, and how much each layer moves. By debiased CKA on test images.

use std::collections::BTreeMap;

use super::runs::{Arm, Lens, Run, View};
use crate::findings::LayerFindings;
use crate::findings::axis::epoch_of;
use crate::findings::boundaries::{BoundaryKind, PERFECT_FIT};

/// The examples.
const GROUP: &str = "test";

/// A run of an arm.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenRun {
    /// Its seed.
    pub seed: String,
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
        fit: run.event(PERFECT_FIT),
        last: run.last(),
        layers: layers.into_iter().map(of_layer).collect(),
        movement,
    }
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
