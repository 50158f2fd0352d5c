//! Whether shallow layers converge first.

use super::endpoint::{Endpoint, Outcome, TEST, Value};
use crate::compare::rank::spearman;
use crate::compare::runs::{LayerView, View};
use crate::findings::convergence::{done_times, settled};

/// Spearman's correlation of depth with the epoch from which on similarity to the last
/// checkpoint stays at least 0.9.
pub(crate) const SETTLED_BY_DEPTH: Endpoint = Endpoint {
    name: "settled-by-depth",
    about: "rank correlation of depth with the epoch of settling at the last state (0.9)",
    unit: "",
    group: TEST,
    value: Value::OfRun(|view| {
        by_depth(view, |layer| Ok(settled(&layer.s, &layer.epoch, 0.9).epoch))
    }),
};

/// Spearman's correlation of depth with the time at which half of the path is done.
pub(crate) const HALF_TIME_BY_DEPTH: Endpoint = Endpoint {
    name: "half-time-by-depth",
    about: "rank correlation of depth with the time at which half of the path is done",
    unit: "",
    group: TEST,
    value: Value::OfRun(|view| {
        by_depth(view, |layer| {
            let (v2, times) = layer.speed2();
            let done = done_times(&v2, &times).ok_or("does not move")?;
            Ok(done[1])
        })
    }),
};

fn by_depth(view: &View<'_>, time: impl Fn(&LayerView<'_>) -> Outcome) -> Outcome {
    let times = view.each(time)?;
    let depth: Vec<f64> = (0..times.len()).map(|layer| layer as f64).collect();
    spearman(&depth, &times).ok_or_else(|| "takes three layers that differ".into())
}
