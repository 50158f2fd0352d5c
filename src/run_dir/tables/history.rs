//! `history.csv`.

use crate::run_dir::table_file::{Maybe, MaybeStep, Number, StepRow, row};

row! {
    /// One row of `history.csv`: losses and errors of the full sets; docs/FORMAT.md, "history.csv".
    HistoryRow of History {
        /// Steps trained.
        step: MaybeStep,
        /// Passes over the training set.
        epoch: Number,
        /// Rate of the step that follows.
        lr: Maybe,
        /// Mean loss against the training labels.
        train_loss: Maybe,
        /// Error against the training (noisy) labels.
        train_error: Maybe,
        /// Error against the true labels of the training images.
        train_error_true: Maybe,
        /// Error on images whose label is right.
        train_error_clean: Maybe,
        /// Error against the wrong labels of the corrupted images.
        train_error_corrupted: Maybe,
        /// Fraction of corrupted images that are given their noisy label.
        memorized: Maybe,
        /// Fraction of corrupted images that are given their true label.
        recovered: Maybe,
        /// Mean loss of the test images.
        test_loss: Maybe,
        /// Test error with the statistics that the experiment evaluates with.
        test_error: Maybe,
        /// Test error with the running statistics of `BatchNorm`.
        test_error_running_bn: Maybe,
    }
}

impl StepRow for HistoryRow {
    fn step(&self) -> u64 {
        self.step.0.expect("a row that training writes has its step")
    }
}
