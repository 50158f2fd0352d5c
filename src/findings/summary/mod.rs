//! All that is found in one layer and in a run, in the order of `findings.json`
//! (section 8.2).

mod errors;
mod layer;
mod path;
mod run;
mod weights;

pub use layer::{LayerFindings, LayerInput, Movement, Replicates, RunContext, SettledAt};
pub use path::{Geometry, LayerCurves};
pub use run::{Checkpoints, Missing, RunFindings, Synchrony, share_of_layers};
pub use weights::{LayerWeights, WeightsControl};
