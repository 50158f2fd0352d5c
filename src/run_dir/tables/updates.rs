//! `updates.csv`.

use crate::run_dir::table_file::{Maybe, Number, StepRow, row};

row! {
    /// One row of `updates.csv`: what the last step before a row of the history did to a node.
    UpdateRow of Updates {
        /// Steps trained.
        step: u64,
        /// Passes over the training set.
        epoch: Number,
        /// Name of a node with parameters.
        layer: String,
        /// Norm of the step's change of its parameters, over their norm before.
        update: Maybe,
        /// Fraction of its gradient's entries smaller than Adam's ε.
        below_eps: Maybe,
    }
}

impl StepRow for UpdateRow {
    const REPEATS: bool = true;

    fn step(&self) -> u64 {
        self.step
    }
}
