//! `layers.csv`.

use crate::run_dir::table_file::{Maybe, Number, row};

row! {
    /// One row of `layers.csv`: decision regions of a layer against those of a deeper one.
    LayerRow of Layers {
        /// Name of the representation.
        layer: String,
        /// Steps trained.
        step: u64,
        /// Passes over the training set.
        epoch: Number,
        /// The source of the triplets.
        group: String,
        /// The deeper layer, or `output`.
        other: String,
        /// How they are compared.
        measure: String,
        /// The similarity.
        value: Maybe,
        /// Its standard error over planes or images.
        se: Maybe,
    }
}
