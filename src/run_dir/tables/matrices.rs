//! `matrices.csv`.

use crate::run_dir::table_file::{Maybe, Number, Quoted, row};

row! {
    /// One row of `matrices.csv`: a cell of a matrix.
    CellRow of Matrices {
        /// Name of the representation.
        layer: String,
        /// The measure.
        measure: String,
        /// Its estimator; empty where it has none.
        estimator: String,
        /// The examples; for decision regions the source of the triplets.
        group: String,
        /// Step of the row.
        step_i: u64,
        /// Step of the column.
        step_j: u64,
        /// Epoch of the row.
        epoch_i: Number,
        /// Epoch of the column.
        epoch_j: Number,
        /// The similarity.
        value: Maybe,
        /// Its standard error over examples or planes.
        se: Maybe,
        /// Why the value is undefined.
        reason: Quoted,
    }
}
