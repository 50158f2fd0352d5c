//! How much block contrast a reader sees beyond that of smooth drift.

use super::endpoint::{Endpoint, Outcome, TEST, Value};
use crate::compare::runs::LayerView;
use crate::findings::contrast::visible_contrast;

/// On the axis of log time.
pub(crate) const VISIBLE: Endpoint = Endpoint {
    name: "visible-contrast",
    about: "block contrast beyond that of smooth drift (mean over layers)",
    unit: "",
    group: TEST,
    value: Value::OfRun(|view| view.mean(|layer| excess(layer, &layer.x))),
};

/// On the axis of epochs, stretched to the same length.
pub(crate) const VISIBLE_LINEAR: Endpoint = Endpoint {
    name: "visible-contrast-linear",
    about: "the same on a linear axis of epochs (mean over layers)",
    unit: "",
    group: TEST,
    value: Value::OfRun(|view| {
        view.mean(|layer| {
            let last = layer.epoch.len() - 1;
            let stretch =
                (layer.x[last] - layer.x[0]) / (layer.epoch[last] - layer.epoch[0]);
            let x: Vec<f64> = layer.epoch.iter().map(|epoch| epoch * stretch).collect();
            excess(layer, &x)
        })
    }),
};

fn excess(layer: &LayerView<'_>, x: &[f64]) -> Outcome {
    let contrast =
        visible_contrast(&layer.s, x).ok_or("too few checkpoints for blocks")?;
    Ok(contrast.excess)
}
