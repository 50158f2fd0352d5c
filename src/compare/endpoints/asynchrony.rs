//! How far apart in time layers change, relative to how spread out all change is.

use super::endpoint::{Endpoint, Outcome, TEST, Value};
use crate::compare::runs::{LayerView, View};
use crate::findings::synchrony::relative_asynchrony;

/// From the first minimum of the test error to the end.
pub(crate) const ASYNCHRONY: Endpoint = Endpoint {
    name: "asynchrony",
    about: "relative asynchrony of the layers from the first minimum of the test error on",
    unit: "",
    group: TEST,
    value: Value::OfRun(asynchrony),
};

fn asynchrony(view: &View<'_>) -> Outcome {
    let from = view.run.turns.ok_or("no test errors are logged")?.min.ln_1p();
    let curves: Vec<(Vec<f64>, Vec<f64>)> =
        view.layers.iter().filter(|layer| layer.moves()).map(LayerView::speed2).collect();
    let Some((_, times)) = curves.first() else {
        return Err("no layer moves beyond its error".into());
    };
    if curves.iter().any(|(_, other)| other != times) {
        return Err("layers are defined at different checkpoints".into());
    }
    let v2: Vec<&[f64]> = curves.iter().map(|(v2, _)| &v2[..]).collect();
    let value = relative_asynchrony(&v2, times, from);
    let too_few =
        "fewer than two layers that move, or three cuts after the first minimum";
    Some(value).filter(|value| value.is_finite()).ok_or_else(|| too_few.into())
}
