//! How distinguishable phases are: Λ, its parts, and what it is beyond the weights'.

use super::endpoint::{Endpoint, TEST, Value};

/// Mean over layers of Λ.
pub(crate) const DISTINCTNESS: Endpoint = Endpoint {
    name: "distinctness",
    about: "how distinct the phases are (mean over layers of Λ)",
    unit: "e-folds",
    group: TEST,
    value: Value::OfRun(|view| view.mean(|layer| Ok(layer.distinctness()?.value))),
};

/// The part of speed.
pub(crate) const BURST: Endpoint = Endpoint {
    name: "distinctness-burst",
    about: "the part of Λ that bursts of speed give (mean over layers)",
    unit: "e-folds",
    group: TEST,
    value: Value::OfRun(|view| view.mean(|layer| Ok(layer.distinctness()?.burst))),
};

/// The part of roughness.
pub(crate) const STEP: Endpoint = Endpoint {
    name: "distinctness-step",
    about: "the part of Λ that steps of roughness give (mean over layers)",
    unit: "e-folds",
    group: TEST,
    value: Value::OfRun(|view| view.mean(|layer| Ok(layer.distinctness()?.step))),
};

/// Λ − Λʷ.
pub(crate) const EXCESS_DISTINCTNESS: Endpoint = Endpoint {
    name: "excess-distinctness",
    about: "Λ beyond that of the weights up to the layer (mean over layers)",
    unit: "e-folds",
    group: TEST,
    value: Value::OfRun(|view| {
        view.mean(|layer| {
            let excess = layer.weights()?.excess_distinctness;
            excess.ok_or_else(|| "no distinctness of the weights".into())
        })
    }),
};
