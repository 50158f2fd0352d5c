//! Whether layers move together beyond what repeats over seeds.

use super::endpoint::{Endpoint, Outcome, TEST, Value};
use crate::compare::runs::View;
use crate::findings::curves::log_speed;
use crate::findings::synchrony::{coherence, coherence_across, residual};

/// Coherence within a run less that with other seeds of its arm.
pub(crate) const EXCESS_COHERENCE: Endpoint = Endpoint {
    name: "excess-coherence",
    about: "coherence of the layers beyond that with other seeds",
    unit: "",
    group: TEST,
    value: Value::AmongSeeds(excess_coherence),
};

fn excess_coherence(view: &View<'_>, others: &[View<'_>]) -> Outcome {
    let own = residuals(view)?;
    let mut across = 0.0;
    for other in others {
        let theirs = residuals(other)?;
        if own.len() != theirs.len() || own[0].len() != theirs[0].len() {
            return Err("other seeds have other layers or checkpoints".into());
        }
        // Both ways, as the mean over ordered pairs of runs is.
        across += f64::midpoint(
            coherence_across(&own, &theirs),
            coherence_across(&theirs, &own),
        );
    }
    if others.is_empty() || own.len() < 2 {
        return Err("takes two seeds and two layers".into());
    }
    Ok(coherence(&own) - across / others.len() as f64)
}

/// The log speed of each layer without a quadratic.
fn residuals(view: &View<'_>) -> Result<Vec<Vec<f64>>, String> {
    let of_layer = |layer: &crate::compare::runs::LayerView<'_>| {
        let (v2, times) = layer.speed2();
        residual(&log_speed(&v2), &times)
            .ok_or_else(|| format!("{}: nothing but a trend in its speed", layer.name))
    };
    view.layers.iter().map(of_layer).collect()
}
