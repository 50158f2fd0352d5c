//! Whether movement grows with depth.

use super::endpoint::{Endpoint, Outcome, TEST, Value};
use crate::compare::rank::spearman;
use crate::compare::runs::View;

/// Spearman's correlation of depth with movement from the first minimum of the test error to
/// the end.
pub(crate) const DEPTH_MOVEMENT: Endpoint = Endpoint {
    name: "depth-movement",
    about: "rank correlation of depth with movement from the first minimum of the test error on",
    unit: "",
    group: TEST,
    value: Value::OfRun(depth_movement),
};

fn depth_movement(view: &View<'_>) -> Outcome {
    let turns = view.run.turns.ok_or("no test errors are logged")?;
    let movement = view.movement([turns.min, view.run.last()])?;
    let depth: Vec<f64> = (0..movement.len()).map(|layer| layer as f64).collect();
    spearman(&depth, &movement).ok_or_else(|| "takes three layers that differ".into())
}
