//! `prediction_depth.csv`.

use crate::run_dir::table_file::{Maybe, Number, row};

row! {
    /// One row of `prediction_depth.csv`: the depths of a group of training images.
    DepthRow of PredictionDepth {
        /// `train-clean` or `train-corrupted`.
        group: String,
        /// Steps trained.
        step: u64,
        /// Passes over the training set.
        epoch: Number,
        /// Images; 0 where a layer or the net is not finite.
        n: u64,
        /// Layers: the largest depth.
        n_layers: u64,
        /// Mean depth.
        mean: Maybe,
        /// Its standard error over images.
        se: Maybe,
        /// Images of each depth from 0 on, separated by blanks.
        histogram: String,
    }
}
