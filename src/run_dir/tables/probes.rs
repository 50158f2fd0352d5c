//! `probes.csv`.

use crate::run_dir::table_file::{Maybe, Number, row};

row! {
    /// One row of `probes.csv`: a linear probe; docs/FORMAT.md, "probes.csv".
    ProbeRow of Probes {
        /// Name of the representation.
        layer: String,
        /// Steps trained.
        step: u64,
        /// Passes over the training set.
        epoch: Number,
        /// What the probe was trained on: `noisy` or `clean`.
        labels: String,
        /// λ, the strength of its penalty.
        l2: Maybe,
        /// Features that it reads.
        n_features: Maybe,
        /// Features whose standard deviation was raised.
        n_floored: Maybe,
        /// Iterations of the solver.
        iterations: Maybe,
        /// Largest entry of the gradient at the end.
        gradient_norm: Maybe,
        /// What the solver minimizes.
        objective: Maybe,
        /// Against the labels trained on.
        train_accuracy: Maybe,
        /// Against the true labels of the training images.
        train_accuracy_true: Maybe,
        /// On the test images.
        test_accuracy: Maybe,
        /// In cross-validation, against the labels trained on.
        heldout_accuracy: Maybe,
        /// In cross-validation, against the true labels.
        heldout_accuracy_true: Maybe,
        /// In cross-validation, on the wrong labels of corrupted images.
        heldout_corrupted_noisy: Maybe,
        /// In cross-validation, on the true labels of corrupted images.
        heldout_corrupted_true: Maybe,
    }
}
