//! `representations.csv`.

use crate::run_dir::table_file::{Maybe, Number, row};

row! {
    /// One row of `representations.csv`: what a representation says by itself.
    RepresentationRow of Representations {
        /// Name of the representation.
        layer: String,
        /// Steps trained.
        step: u64,
        /// Passes over the training set.
        epoch: Number,
        /// The examples.
        group: String,
        /// CKA with the one-hot true labels.
        alignment_true: Maybe,
        /// CKA with the one-hot noisy labels.
        alignment_noisy: Maybe,
        /// Exponential of the entropy of the spectrum.
        effective_rank: Maybe,
        /// Squared sum over sum of squares of the spectrum.
        participation_ratio: Maybe,
        /// Sum over maximum of the spectrum.
        stable_rank: Maybe,
    }
}
