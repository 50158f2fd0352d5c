//! How long training lasts, and at which of its steps it is recorded.

use std::collections::BTreeSet;

use super::{EpochList, EpochRule, Length, TrainConfig};

/// Ratio of log-spaced epochs, where `train.checkpoint_ratio` gives no other.
const LOG_SPACING: f64 = 1.12;

/// Steps of one pass over `n_examples` in batches of `batch_size`: ⌈n/b⌉, or one fewer where
/// a single example would be left, which joins the batch before it (`BatchNorm` has no
/// variance over one example).
///
/// # Panics
/// If `batch_size` is 0.
///
/// # Example
/// ```
/// use stratagram::experiment::steps_per_epoch;
/// assert_eq!(steps_per_epoch(1000, 128), 8);
/// assert_eq!(steps_per_epoch(257, 128), 2); // 128 + 129
/// ```
pub fn steps_per_epoch(n_examples: usize, batch_size: usize) -> u64 {
    assert!(batch_size > 0, "batches of 0 examples");
    let steps = n_examples.div_ceil(batch_size);
    let joins = steps > 1 && batch_size > 1 && n_examples % batch_size == 1;
    (steps - usize::from(joins)) as u64
}

impl TrainConfig {
    /// The number of steps of the whole training.
    pub fn total_steps(&self, steps_per_epoch: u64) -> u64 {
        match self.length {
            Length::Epochs(epochs) => epochs * steps_per_epoch,
            Length::Steps(steps) => steps,
        }
    }

    /// The steps after which a checkpoint is written, rising, without repeats; 0 is the
    /// initialization.
    ///
    /// # Panics
    /// If a listed epoch lies past the end: the experiment's check excludes it.
    pub fn checkpoint_steps(&self, steps_per_epoch: u64) -> Vec<u64> {
        let ratio = self.checkpoint_ratio.unwrap_or(LOG_SPACING);
        self.steps_of(&self.checkpoints, ratio, steps_per_epoch).into_iter().collect()
    }

    /// The steps after which the history gets a row: those of its rule and all checkpoints.
    ///
    /// # Panics
    /// As [`TrainConfig::checkpoint_steps`].
    pub fn history_steps(&self, steps_per_epoch: u64) -> Vec<u64> {
        let mut steps = self.steps_of(&self.history, LOG_SPACING, steps_per_epoch);
        steps.extend(self.checkpoint_steps(steps_per_epoch));
        steps.into_iter().collect()
    }

    fn steps_of(
        &self,
        list: &EpochList,
        ratio: f64,
        steps_per_epoch: u64,
    ) -> BTreeSet<u64> {
        let last = self.total_steps(steps_per_epoch);
        match list {
            EpochList::Rule(rule) => {
                let epochs = rule.epochs(last / steps_per_epoch, ratio);
                epochs
                    .into_iter()
                    .map(|epoch| epoch * steps_per_epoch)
                    .chain([last])
                    .collect()
            }
            EpochList::Epochs(epochs) => {
                let steps: BTreeSet<u64> = epochs
                    .iter()
                    .map(|epoch| nearest_step(*epoch, steps_per_epoch))
                    .collect();
                assert!(
                    steps.last() <= Some(&last),
                    "{epochs:?} pass the end, step {last}"
                );
                steps
            }
        }
    }

    /// The first listed epoch that lies past the end of training, with the list's key.
    pub(super) fn epoch_past_end(
        &self,
        steps_per_epoch: u64,
    ) -> Option<(&'static str, f64)> {
        let last = self.total_steps(steps_per_epoch);
        let lists =
            [("train.checkpoints", &self.checkpoints), ("train.history", &self.history)];
        lists.into_iter().find_map(|(key, list)| {
            let EpochList::Epochs(epochs) = list else { return None };
            let past = |epoch: &&f64| nearest_step(**epoch, steps_per_epoch) > last;
            Some((key, *epochs.iter().find(past)?))
        })
    }
}

fn nearest_step(epoch: f64, steps_per_epoch: u64) -> u64 {
    (epoch * steps_per_epoch as f64).round() as u64
}

impl EpochRule {
    /// The epochs of the rule up to and including `last`, rising, without repeats; `ratio` is
    /// that of log-spaced ones.
    fn epochs(self, last: u64, ratio: f64) -> Vec<u64> {
        let (dense, factor) = match self {
            Self::Every => (last, 1.0),
            Self::Auto => (100, 1.02),
            Self::LogSpaced => (10, ratio),
        };
        let mut epochs: Vec<u64> = (0..=dense.min(last)).collect();
        // Repeated products, so that every platform rounds alike.
        let mut next = dense as f64 * factor;
        while self != Self::Every && next < last as f64 {
            epochs.push(next as u64);
            next *= factor;
        }
        epochs.push(last);
        epochs.dedup();
        epochs
    }
}

#[cfg(test)]
mod tests {
    use super::super::TrainLabels;
    use super::*;

    fn train(length: Length, history: EpochList, checkpoints: EpochList) -> TrainConfig {
        TrainConfig {
            length,
            until: None,
            batch_size: 128,
            label_smoothing: 0.0,
            history,
            checkpoints,
            checkpoint_ratio: None,
            save_optimizer: true,
            labels: TrainLabels::Noisy,
            freeze: vec![],
            reinit: vec![],
        }
    }

    #[test]
    fn one_left_over_example_joins_the_batch_before_it() {
        let cases = [(1, 128, 1), (128, 128, 1), (129, 128, 1), (130, 128, 2), (5, 1, 5)];
        for (n, batch, steps) in cases {
            assert_eq!(steps_per_epoch(n, batch), steps, "{n} in batches of {batch}");
        }
    }

    #[test]
    fn log_spaced_epochs_are_those_written_out_by_hand() {
        // 10·1.12^i = 11.2, 12.544, 14.05, 15.74, 17.62, 19.74, 22.11, 24.76, 27.73, …
        let expected: Vec<u64> =
            (0..=10).chain([11, 12, 14, 15, 17, 19, 22, 24, 27, 30]).collect();
        assert_eq!(EpochRule::LogSpaced.epochs(30, LOG_SPACING), expected);
        assert_eq!(EpochRule::LogSpaced.epochs(3, LOG_SPACING), [0, 1, 2, 3]);
        assert_eq!(EpochRule::LogSpaced.epochs(10, LOG_SPACING).len(), 11);
        assert_eq!(EpochRule::LogSpaced.epochs(400, 1.5).last(), Some(&400));
    }

    #[test]
    fn the_ratio_is_that_of_the_checkpoints_alone() {
        let rule = || EpochList::Rule(EpochRule::LogSpaced);
        let mut config = train(Length::Epochs(16), rule(), rule());
        config.checkpoint_ratio = Some(1.25);
        // 12.5, 15.6 and the last
        assert_eq!(
            config.checkpoint_steps(1),
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16]
        );
        let history = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16];
        assert_eq!(config.history_steps(1), history);
    }

    #[test]
    fn auto_is_every_epoch_to_100_then_geometric() {
        let epochs = EpochRule::Auto.epochs(400, LOG_SPACING);
        assert_eq!(epochs[..=100], (0..=100).collect::<Vec<_>>()[..]);
        // 102, 104.04, 106.1208, 108.24, 110.41, 112.6
        assert_eq!(epochs[101..107], [102, 104, 106, 108, 110, 112]);
        assert_eq!(epochs.last(), Some(&400));
        assert!(epochs.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn fractions_become_the_nearest_steps_and_lists_are_taken_as_they_are() {
        let list = EpochList::Epochs(vec![2.0, 0.25, 0.26, 0.5]);
        let config = train(Length::Epochs(3), EpochList::Rule(EpochRule::Every), list);
        assert_eq!(config.checkpoint_steps(8), [2, 4, 16]);
        assert_eq!(config.history_steps(8), [0, 2, 4, 8, 16, 24]);
    }

    #[test]
    fn a_length_in_steps_ends_inside_an_epoch() {
        let every = || EpochList::Rule(EpochRule::Every);
        let config = train(Length::Steps(20), every(), every());
        assert_eq!(config.checkpoint_steps(8), [0, 8, 16, 20]);
        assert_eq!(train(Length::Steps(3), every(), every()).checkpoint_steps(8), [0, 3]);
    }

    #[test]
    fn epochs_past_the_end_are_found() {
        let every = EpochList::Rule(EpochRule::Every);
        let config = train(Length::Epochs(3), every, EpochList::Epochs(vec![3.0, 3.1]));
        assert_eq!(config.epoch_past_end(8), Some(("train.checkpoints", 3.1)));
        assert_eq!(config.epoch_past_end(1), None); // step 3 is the nearest
    }
}
