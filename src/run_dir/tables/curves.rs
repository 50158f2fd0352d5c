//! `curves.csv`.

use crate::run_dir::table_file::{Maybe, Number, row};

row! {
    /// One row of `curves.csv`: the curves of a layer at a checkpoint, or between two;
    /// docs/FORMAT.md, "findings.json".
    CurveRow of LayerCurves {
        /// Name of the layer.
        layer: String,
        /// The measure.
        measure: String,
        /// The examples; for decision regions the source of the triplets.
        group: String,
        /// Passes over the training set; of a cut the middle of its neighbors in log time.
        epoch: Number,
        /// ln(1 + epoch).
        log_time: Number,
        /// Distance per unit of log time; of cuts alone.
        speed: Maybe,
        /// Its standard error over examples or planes.
        speed_se: Maybe,
        /// Distance from the line between the neighbors; of checkpoints alone.
        roughness: Maybe,
        /// Its standard error over examples or planes.
        roughness_se: Maybe,
        /// Scatter that does not grow with the time step; of checkpoints alone.
        jitter: Maybe,
    }
}
