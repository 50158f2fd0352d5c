//! `geometry.csv`.

use crate::run_dir::table_file::{Maybe, Number, row};

row! {
    /// One row of `geometry.csv`: the shape of decision regions.
    GeometryRow of Geometry {
        /// Name of the representation, or `output`.
        layer: String,
        /// Steps trained.
        step: u64,
        /// Passes over the training set.
        epoch: Number,
        /// The source of the triplets.
        group: String,
        /// What was measured.
        quantity: String,
        /// Its mean over planes.
        value: Number,
        /// The standard error over planes.
        se: Maybe,
    }
}
