//! How long a training is and when it records.

use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{Experiment, steps_per_epoch};

/// The lengths and record steps of a training.
pub(super) struct Plan {
    pub(super) steps_per_epoch: u64,
    pub(super) total: u64,
    pub(super) history: Vec<u64>,
    pub(super) checkpoints: Vec<u64>,
    /// Up to this step the records are those of the run that this one is a fork of.
    pub(super) inherited: Option<u64>,
}

impl Plan {
    pub(super) fn new(
        experiment: &Experiment,
        data: &Data,
        inherited: Option<u64>,
    ) -> Self {
        let config = &experiment.train;
        let steps_per_epoch = steps_per_epoch(data.noisy.len(), config.batch_size);
        Self {
            steps_per_epoch,
            total: config.total_steps(steps_per_epoch),
            history: config.history_steps(steps_per_epoch),
            checkpoints: config.checkpoint_steps(steps_per_epoch),
            inherited,
        }
    }

    pub(super) fn epoch(&self, step: u64) -> f64 {
        step as f64 / self.steps_per_epoch as f64
    }

    /// How many steps after `step` may be made together, at most `most`: a step that a row of
    /// the history follows is made alone, because the row says what it did.
    pub(super) fn together(&self, step: u64, most: usize) -> usize {
        let later = self.history.partition_point(|recorded| *recorded <= step);
        let recorded = self.history.get(later).copied().unwrap_or(self.total + 1);
        let before = (recorded - 1).min(self.total) - step;
        (before.max(1) as usize).min(most)
    }

    pub(super) fn check_finite(
        &self,
        quantity: &str,
        value: f64,
        step: u64,
    ) -> Result<()> {
        if value.is_finite() {
            return Ok(());
        }
        let found =
            format!("is {value} at epoch {} (after step {step})", self.epoch(step));
        Err(Error::new(ErrorKind::NonFinite, quantity, found)
            .expected("a finite number")
            .fix("lower optimizer.lr; the last good checkpoint is kept"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_before_a_row_of_the_history_are_made_alone() {
        let history = vec![0, 3, 4, 9];
        let plan = Plan {
            steps_per_epoch: 3,
            total: 12,
            history,
            checkpoints: vec![],
            inherited: None,
        };
        let most = |step| plan.together(step, 100);
        assert_eq!([0, 2, 3, 4, 8, 9, 11].map(most), [2, 1, 1, 4, 1, 3, 1]);
        assert_eq!(plan.together(4, 3), 3);
        assert!((0..12).all(|step| plan.together(step, 1) == 1));
    }
}
