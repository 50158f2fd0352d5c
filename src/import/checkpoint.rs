//! A checkpoint as another program wrote it.

use crate::array_file::NamedArrays;

/// A checkpoint of another program.
#[derive(Debug)]
pub struct Checkpoint {
    /// Its tensors, under the names of that program.
    pub weights: NamedArrays,
    /// Where in the file they were, such as `state_dict`; empty if alone.
    pub key: String,
    /// What it says of its time.
    pub beside: Beside,
    /// What there is to be said of how it was read.
    pub notes: Vec<String>,
}

/// What trainers say beside the weights.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Beside {
    /// The epoch that it says it is of.
    pub epoch: Option<f64>,
    /// The step that it says it is of.
    pub step: Option<u64>,
    /// The images in a step.
    pub batch_size: Option<u64>,
    /// Whether its time is the step, as trainers say it that count in steps.
    pub counts_steps: bool,
    /// Whether the epoch is the number of those that were finished before the one that has just
    /// ended, as in Lightning.
    pub counts_from_zero: bool,
}

impl Beside {
    /// Steps of an epoch, where it says both.
    pub fn steps_per_epoch(&self) -> Option<f64> {
        let ended = if self.counts_from_zero { 1.0 } else { 0.0 };
        let (step, epoch) = (self.step? as f64, self.epoch? + ended);
        (step > 0.0 && epoch > 0.0).then(|| step / epoch)
    }
}
