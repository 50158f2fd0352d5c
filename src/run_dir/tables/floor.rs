//! `floor.csv`.

use crate::run_dir::table_file::{Maybe, Number, row};

row! {
    /// One row of `floor.csv`: two probes of one layer, trained on two bootstrap samples.
    FloorRow of Floor {
        /// Name of the representation.
        layer: String,
        /// Steps trained.
        step: u64,
        /// Passes over the training set.
        epoch: Number,
        /// The source of the triplets.
        group: String,
        /// How they are compared.
        measure: String,
        /// The similarity.
        value: Maybe,
        /// Its standard error over planes.
        se: Maybe,
    }
}
