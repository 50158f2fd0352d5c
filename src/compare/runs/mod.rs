//! Runs as a comparison reads them: their findings, matrices and errors.

mod arm;
mod glob;
mod grams;
mod layers;
mod lens;
mod run;
mod turns;
mod view;

pub(crate) use arm::{Arm, in_order};
pub(crate) use glob::{holds_run, run_directories};
pub(crate) use layers::{check_patterns, layers_of};
pub(crate) use lens::{Lens, Without};
pub(crate) use run::{Absent, Run};
pub use run::{LeftOut, RunName};

pub(crate) use view::{LayerView, View};
