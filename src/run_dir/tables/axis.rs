//! `matrices/axis.csv`.

use crate::run_dir::table_file::{Number, row};

row! {
    /// One row of `matrices/axis.csv`: a row and column of every matrix.
    AxisRow of Axis {
        /// Steps trained.
        step: u64,
        /// Passes over the training set.
        epoch: Number,
    }
}
