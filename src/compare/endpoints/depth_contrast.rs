//! How much more deep layers move than shallow ones.

use super::endpoint::{Endpoint, Outcome, TEST, Value};
use crate::compare::runs::View;
use crate::findings::movement::depth_contrast;

/// C within the run's own double descent; without one, from the fit at 1 % to the end.
pub(crate) const DEPTH_CONTRAST: Endpoint = Endpoint {
    name: "depth-contrast",
    about: "movement of the deepest quarter of layers less that of the first",
    unit: "rad",
    group: TEST,
    value: Value::OfRun(own_window),
};

fn own_window(view: &View<'_>) -> Outcome {
    let window = if let Ok(descent) = view.run.descent() {
        descent.window
    } else {
        let [loose, _] = view.run.fit()?;
        [loose, view.run.last()]
    };
    Ok(depth_contrast(&view.movement(window)?))
}
