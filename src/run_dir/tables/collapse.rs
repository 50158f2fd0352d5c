//! `collapse.csv`.

use crate::run_dir::table_file::{Maybe, Number, Quoted, row};

row! {
    /// One row of `collapse.csv`: neural collapse of a representation; docs/FORMAT.md,
    /// "`collapse.csv`".
    CollapseRow of Collapse {
        /// Name of the representation.
        layer: String,
        /// Steps trained.
        step: u64,
        /// Passes over the training set.
        epoch: Number,
        /// The examples.
        group: String,
        /// What makes the classes: `noisy` or `clean` labels.
        labels: String,
        /// Examples of the smallest class.
        fewest: u64,
        /// tr(`Σ_W` `Σ_B⁺`)/C.
        nc1: Maybe,
        /// Standard deviation over mean of the norms of class means.
        nc2_norms: Maybe,
        /// Standard deviation of the cosines between class means.
        nc2_angles: Maybe,
        /// Mean |cosine + 1/(C − 1)|.
        nc2_simplex: Maybe,
        /// Squared distance between the classifier and the class means, both of norm 1.
        nc3: Maybe,
        /// Share of examples whose nearest class mean is not the net's answer.
        nc4: Maybe,
        /// Why values are undefined.
        reason: Quoted,
    }
}
