//! When layers settle, measured from the fit.

use super::endpoint::{Endpoint, TEST, Value};

/// Mean over layers of the log time from the middle of the fit to the steepest fall of the
/// roughness.
pub(crate) const SETTLING_OFFSET: Endpoint = Endpoint {
    name: "settling-offset",
    about: "log time from the fit to the steepest fall of the roughness (mean over layers)",
    unit: "log time",
    group: TEST,
    value: Value::OfRun(|view| {
        let fit = view.run.fit_time()?;
        view.mean(|layer| Ok(layer.drops().steepest() - fit))
    }),
};
