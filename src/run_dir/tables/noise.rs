//! `noise.csv`.

use crate::run_dir::table_file::{Maybe, row};

row! {
    /// One row of `noise.csv`: the noise floor of a matrix.
    NoiseRow of Noise {
        /// Name of the representation.
        layer: String,
        /// The measure.
        measure: String,
        /// Its estimator; empty where it has none.
        estimator: String,
        /// The examples; for decision regions the source of the triplets.
        group: String,
        /// Spread of a cell under another draw of examples.
        noise_floor: Maybe,
    }
}
