//! `convergence.csv`.

use crate::run_dir::table_file::{Maybe, Number, row};

row! {
    /// One row of `convergence.csv`: a layer at a checkpoint beside the same layer at others;
    /// docs/FORMAT.md, "`convergence.csv`".
    ConvergenceRow of Convergence {
        /// Name of the layer.
        layer: String,
        /// The measure.
        measure: String,
        /// The examples; for decision regions the source of the triplets.
        group: String,
        /// The checkpoint.
        step: u64,
        /// Passes over the training set.
        epoch: Number,
        /// Similarity to the checkpoint before it.
        to_previous: Maybe,
        /// Similarity to the last checkpoint.
        to_final: Maybe,
        /// Mean similarity to all later checkpoints, weighted by log time.
        mean_future: Maybe,
    }
}
