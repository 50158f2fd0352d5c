//! `phases.csv`.

use crate::run_dir::table_file::{Maybe, Number, row};

row! {
    /// One row of `phases.csv`: a boundary between two phases of a layer; docs/FORMAT.md,
    /// "findings.json".
    BoundaryRow of Boundaries {
        /// Name of the layer.
        layer: String,
        /// The measure.
        measure: String,
        /// The examples; for decision regions the source of the triplets.
        group: String,
        /// `burst`, `settling`, `unsettling` or `burst+settling`.
        kind: String,
        /// When: of a burst its peak, of a settling its steepest cut.
        epoch: Number,
        /// Start of the run of cuts that are at least half as high.
        from: Number,
        /// Its end.
        to: Number,
        /// ln(1 + epoch).
        log_time: Number,
        /// Prominence of a burst, step of a settling, in e-folds.
        size: Number,
        /// Its p-value.
        p: Number,
        /// The nearest event; empty without one.
        event: String,
        /// Log time from the event to the boundary.
        event_distance: Maybe,
    }
}
