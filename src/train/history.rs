//! Losses and errors of the full sets: the rows of `history.csv`.
//!
//! All in evaluation mode on un-augmented images, with the `BatchNorm` statistics that
//! `evaluation.batchnorm` names. `BatchNorm`'s running statistics lag the weights where an
//! epoch has few steps, so recomputed ones are the default and the error with the running
//! ones stands beside.

use crate::data::Data;
use crate::engine::{BatchNormStatistics, Engine};
use crate::experiment::{BatchNormChoice, Experiment};
use crate::represent::{EvaluationBatches, evaluation_batches, evaluation_statistics};

use super::labels::training_labels;
use super::loss::{cross_entropy_sum, predictions};

/// The columns of `history.csv`.
pub(super) const COLUMNS: [&str; 13] = [
    "step",
    "epoch",
    "lr",
    "train_loss",
    "train_error",
    "train_error_true",
    "train_error_clean",
    "train_error_corrupted",
    "memorized",
    "recovered",
    "test_loss",
    "test_error",
    "test_error_running_bn",
];

/// One row without its step, epoch and rate. Errors are fractions of examples; a fraction of
/// no examples is NaN.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) train_loss: f64,
    pub(super) train_error: f64,
    train_error_true: f64,
    train_error_clean: f64,
    train_error_corrupted: f64,
    memorized: f64,
    recovered: f64,
    pub(super) test_loss: f64,
    pub(super) test_error: f64,
    test_error_running_bn: f64,
}

impl Row {
    /// The fields after `lr`, in the order of [`COLUMNS`]; NaN is an empty field.
    pub(super) fn fields(&self) -> Vec<String> {
        let values = [
            self.train_loss,
            self.train_error,
            self.train_error_true,
            self.train_error_clean,
            self.train_error_corrupted,
            self.memorized,
            self.recovered,
            self.test_loss,
            self.test_error,
            self.test_error_running_bn,
        ];
        let text = |v: f64| if v.is_nan() { String::new() } else { v.to_string() };
        values.into_iter().map(text).collect()
    }
}

/// Both sets as the net reads them, in batches of 1,000 in index order.
pub(super) struct Evaluator<'a> {
    data: &'a Data,
    /// The labels that are learned.
    targets: &'a [u8],
    choice: BatchNormChoice,
    train: EvaluationBatches<'a>,
    test: EvaluationBatches<'a>,
}

/// What a net says about a set.
struct Scores {
    /// Mean cross-entropy.
    loss: f64,
    predictions: Vec<u8>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(experiment: &Experiment, data: &'a Data) -> Self {
        Self {
            data,
            targets: training_labels(experiment, data),
            choice: experiment.evaluation.batchnorm,
            train: evaluation_batches(data, &data.train),
            test: evaluation_batches(data, &data.test),
        }
    }

    /// The row of the net as it is now.
    pub(super) fn evaluate(&mut self, engine: &mut Engine) -> Row {
        let data = self.data;
        let running = engine.running_statistics();
        let statistics = evaluation_statistics(engine, &self.train, self.choice);
        let train = self.scores(engine, &statistics, &self.train, self.targets);
        let test = self.scores(engine, &statistics, &self.test, &data.noisy_test);
        let running = (running != statistics)
            .then(|| self.scores(engine, &running, &self.test, &data.noisy_test));
        let running = running.as_ref().unwrap_or(&test);
        let all = |_| true;
        let corrupted = |i| data.is_corrupted(i);
        let clean = |i| !data.is_corrupted(i);
        let (noisy, targets) = (&data.noisy, self.targets);
        let truth = &data.train.labels;
        Row {
            train_loss: train.loss,
            train_error: 1.0 - train.agreement(targets, all),
            train_error_true: 1.0 - train.agreement(truth, all),
            train_error_clean: 1.0 - train.agreement(targets, clean),
            train_error_corrupted: 1.0 - train.agreement(targets, corrupted),
            memorized: train.agreement(noisy, corrupted),
            recovered: train.agreement(truth, corrupted),
            test_loss: test.loss,
            test_error: 1.0 - test.agreement(&data.noisy_test, all),
            test_error_running_bn: 1.0 - running.agreement(&data.noisy_test, all),
        }
    }

    fn scores(
        &self,
        engine: &mut Engine,
        statistics: &BatchNormStatistics,
        batches: &EvaluationBatches<'_>,
        labels: &[u8],
    ) -> Scores {
        let output = [engine.net().nodes.len() - 1];
        let n_classes = self.data.n_classes;
        let mut loss = 0.0;
        let mut all = Vec::with_capacity(labels.len());
        for images in batches.iter() {
            let outputs = engine.evaluate(&images, statistics, &output);
            let logits = &outputs[0]; // [n, n_classes]
            let labels = &labels[all.len()..][..logits.len() / n_classes];
            loss += cross_entropy_sum(logits, n_classes, labels);
            all.extend(predictions(logits, n_classes));
        }
        Scores { loss: loss / labels.len() as f64, predictions: all }
    }
}

impl Scores {
    /// The fraction of the `chosen` examples that are given their label; NaN if there are
    /// none, or if the net gives no finite loss and so no meaningful class.
    fn agreement(&self, labels: &[u8], chosen: impl Fn(usize) -> bool) -> f64 {
        if !self.loss.is_finite() {
            return f64::NAN;
        }
        let (mut n, mut equal) = (0_u64, 0_u64);
        for (i, (prediction, label)) in self.predictions.iter().zip(labels).enumerate() {
            if chosen(i) {
                n += 1;
                equal += u64::from(prediction == label);
            }
        }
        equal as f64 / n as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_no_examples_are_empty_fields() {
        let scores = Scores { loss: 1.0, predictions: vec![1, 2, 3, 3] };
        let half = scores.agreement(&[1, 2, 0, 0], |_| true);
        assert!((half - 0.5).abs() < 1e-15);
        assert!((scores.agreement(&[1, 2, 0, 0], |i| i < 2) - 1.0).abs() < 1e-15);
        assert!(scores.agreement(&[1, 2, 0, 0], |_| false).is_nan());
        let diverged = Scores { loss: f64::NAN, predictions: vec![0] };
        assert!(diverged.agreement(&[0], |_| true).is_nan());
        let row = Row {
            train_loss: 2.5,
            train_error: 0.0,
            train_error_true: 1.0,
            train_error_clean: 0.1,
            train_error_corrupted: f64::NAN,
            memorized: f64::NAN,
            recovered: f64::NAN,
            test_loss: 1e-9,
            test_error: 0.5,
            test_error_running_bn: 0.25,
        };
        assert_eq!(row.fields().join(","), "2.5,0,1,0.1,,,,0.000000001,0.5,0.25");
    }
}
