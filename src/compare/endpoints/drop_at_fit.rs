//! How much the roughness falls at the fit, and how much more than that of the weights.

use super::endpoint::{CORRUPTED, Endpoint, Outcome, TEST, Value};
use crate::compare::runs::{Run, View};
use crate::findings::boundaries::PERFECT_FIT;

/// The event at which the wrong labels are fitted.
const CORRUPTED_FIT: &str = "corrupted-fit";

/// Mean over layers of the fall of ln ρ at the perfect fit.
pub(crate) const DROP: Endpoint = Endpoint {
    name: "drop-at-fit",
    about: "fall of the roughness at the perfect fit (mean over layers)",
    unit: "e-folds",
    group: TEST,
    value: Value::OfRun(|view| fall_at(view, fit(view.run)?)),
};

/// The same beyond the weights'.
pub(crate) const EXCESS: Endpoint = Endpoint {
    name: "excess-settling",
    about: "fall of the roughness at the perfect fit beyond that of the weights (mean over layers)",
    unit: "e-folds",
    group: TEST,
    value: Value::OfRun(|view| excess_at(view, fit(view.run)?)),
};

/// On the corrupted examples, where they are memorized.
pub(crate) const MEMORIZED_DROP: Endpoint = Endpoint {
    name: "drop-at-memorization",
    about: "fall of the roughness on corrupted examples where they are fitted (mean over layers)",
    unit: "e-folds",
    group: CORRUPTED,
    value: Value::OfRun(|view| fall_at(view, memorization(view.run)?)),
};

/// The same beyond the weights'.
pub(crate) const MEMORIZED_EXCESS: Endpoint = Endpoint {
    name: "excess-settling-at-memorization",
    about: "fall of the roughness on corrupted examples where they are fitted beyond that of the weights (mean over layers)",
    unit: "e-folds",
    group: CORRUPTED,
    value: Value::OfRun(|view| excess_at(view, memorization(view.run)?)),
};

fn fit(run: &Run) -> Outcome {
    run.event(PERFECT_FIT).ok_or_else(|| "does not reach the perfect fit".into())
}

/// The fit of the corrupted examples; where that is not known, of all.
fn memorization(run: &Run) -> Outcome {
    run.event(CORRUPTED_FIT).map_or_else(|| fit(run), Ok)
}

fn fall_at(view: &View<'_>, epoch: f64) -> Outcome {
    view.mean(|layer| Ok(-layer.drops().at(epoch.ln_1p())))
}

fn excess_at(view: &View<'_>, epoch: f64) -> Outcome {
    view.mean(|layer| Ok(-layer.excess_settling(epoch)?))
}
