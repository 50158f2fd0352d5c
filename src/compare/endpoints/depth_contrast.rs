//! How much more deep layers move than shallow ones.

use super::endpoint::{Endpoint, TEST, Value};
use crate::compare::runs::{Run, View};
use crate::findings::movement::depth_contrast;

/// C within the run's own double descent; without one, from the fit at 1 % to the end.
pub(crate) const DEPTH_CONTRAST: Endpoint = Endpoint {
    name: "depth-contrast",
    about: "movement of the deepest quarter of layers less that of the first",
    unit: "rad",
    group: TEST,
    value: Value::OfRun(|view| Ok(depth_contrast(&view.movement(own_window(view)?)?))),
};

/// The same of movements that are shares of each layer's angle between two seeds.
pub(crate) const DEPTH_CONTRAST_OF_SEEDS: Endpoint = Endpoint {
    name: "depth-contrast-of-seeds",
    about: "the same, movement as a share of the layer's angle between two seeds",
    unit: "",
    group: TEST,
    value: Value::AmongSeeds(|view, others| {
        let others: Vec<&Run> = others.iter().map(|other| other.run).collect();
        Ok(depth_contrast(&view.movement_of_seeds(own_window(view)?, &others)?))
    }),
};

/// The run's own double descent; without one, from the fit at 1 % to the end.
fn own_window(view: &View<'_>) -> Result<[f64; 2], String> {
    Ok(if let Ok(descent) = view.run.descent() {
        descent.window
    } else {
        let [loose, _] = view.run.fit()?;
        [loose, view.run.last()]
    })
}
