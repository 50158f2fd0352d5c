//! Losses and errors of the full sets: the rows of `history.csv`.
//!
//! All in evaluation mode on un-augmented images, with the `BatchNorm` statistics that
//! `evaluation.batchnorm` names. `BatchNorm`'s running statistics lag the weights where an
//! epoch has few steps, so recomputed ones are the default and the error with the running
//! ones stands beside.

use crate::data::{Data, Split};
use crate::engine::{BatchNormStatistics, Inputs, Session};
use crate::error::Result;
use crate::experiment::{BatchNormChoice, Experiment};
use crate::represent::{evaluation_batches, evaluation_statistics};
use crate::run_dir::Maybe;
use crate::run_dir::tables::HistoryRow;

use super::labels::training_labels;
use super::loss::{cross_entropy_sum, predictions};

/// Both sets, and how the net is evaluated on them.
pub(super) struct Evaluator<'a> {
    data: &'a Data,
    /// The labels that are learned.
    targets: &'a [u8],
    choice: BatchNormChoice,
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
        }
    }

    /// The row of the net as it is now, without step, epoch and rate. Errors are fractions of
    /// examples; a fraction of no examples is NaN.
    pub(super) fn evaluate(&self, session: &mut Session<'_>) -> Result<HistoryRow> {
        let data = self.data;
        let running = session.running_statistics()?;
        let statistics = evaluation_statistics(session, self.choice)?;
        let train = self.scores(session, &statistics, (Split::Train, self.targets))?;
        let on_test = (Split::Test, &data.noisy_test[..]);
        let test = self.scores(session, &statistics, on_test)?;
        let running = if running == statistics {
            &test
        } else {
            &self.scores(session, &running, on_test)?
        };
        let all = |_| true;
        let corrupted = |i| data.is_corrupted(i);
        let clean = |i| !data.is_corrupted(i);
        let (noisy, targets) = (&data.noisy, self.targets);
        let truth = &data.train.labels;
        Ok(HistoryRow {
            train_loss: Maybe(train.loss),
            train_error: Maybe(train.error(targets, all)),
            train_error_true: Maybe(train.error(truth, all)),
            train_error_clean: Maybe(train.error(targets, clean)),
            train_error_corrupted: Maybe(train.error(targets, corrupted)),
            memorized: Maybe(train.agreement(noisy, corrupted)),
            recovered: Maybe(train.agreement(truth, corrupted)),
            test_loss: Maybe(test.loss),
            test_error: Maybe(test.error(&data.noisy_test, all)),
            test_error_running_bn: Maybe(running.error(&data.noisy_test, all)),
            ..HistoryRow::default()
        })
    }

    fn scores(
        &self,
        session: &mut Session<'_>,
        statistics: &BatchNormStatistics,
        (split, labels): (Split, &[u8]),
    ) -> Result<Scores> {
        let output = [(session.net().nodes.len() - 1, None)];
        let n_classes = self.data.n_classes;
        let mut loss = 0.0;
        let mut all = Vec::with_capacity(labels.len());
        let mut outputs = vec![];
        for range in evaluation_batches(labels.len()) {
            let batch = (&Inputs::Set(split), range);
            session.evaluate_into(batch, statistics, &output, &mut outputs)?;
            let logits = &outputs[0]; // [n, n_classes]
            let labels = &labels[all.len()..][..logits.len() / n_classes];
            loss += cross_entropy_sum(logits, n_classes, labels);
            all.extend(predictions(logits, n_classes));
        }
        Ok(Scores { loss: loss / labels.len() as f64, predictions: all })
    }
}

impl Scores {
    /// The fraction of the `chosen` examples that are given another label than theirs, wrong/n.
    fn error(&self, labels: &[u8], chosen: impl Fn(usize) -> bool) -> f64 {
        self.fraction(labels, chosen, |prediction, label| prediction != label)
    }

    /// The fraction of the `chosen` examples that are given their label.
    fn agreement(&self, labels: &[u8], chosen: impl Fn(usize) -> bool) -> f64 {
        self.fraction(labels, chosen, |prediction, label| prediction == label)
    }

    /// The fraction of the `chosen` examples whose prediction and label satisfy `counts`; NaN
    /// if there are none, or if the net gives no finite loss and so no meaningful class.
    fn fraction(
        &self,
        labels: &[u8],
        chosen: impl Fn(usize) -> bool,
        counts: impl Fn(u8, u8) -> bool,
    ) -> f64 {
        if !self.loss.is_finite() {
            return f64::NAN;
        }
        let (mut n, mut counted) = (0_u64, 0_u64);
        for (i, (&prediction, &label)) in self.predictions.iter().zip(labels).enumerate()
        {
            if chosen(i) {
                n += 1;
                counted += u64::from(counts(prediction, label));
            }
        }
        counted as f64 / n as f64
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
        // 1 − 2/3 would be 0.33333333333333337.
        assert_eq!(scores.error(&[1, 2, 0, 0], |i| i < 3), 1.0 / 3.0);
        assert!(scores.agreement(&[1, 2, 0, 0], |_| false).is_nan());
        let diverged = Scores { loss: f64::NAN, predictions: vec![0] };
        assert!(diverged.agreement(&[0], |_| true).is_nan());
    }
}
