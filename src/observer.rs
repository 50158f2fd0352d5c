//! How long computations tell of their progress and are asked to stop: a command line shows
//! a bar, a test records, and the library itself prints nothing.

/// What a long computation reports to and asks.
pub trait Observer: Sync {
    /// Called often; must return soon.
    fn progress(&self, progress: &Progress);

    /// Whether to finish the step, save and return [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted).
    fn should_stop(&self) -> bool;

    /// Something worth a line that is no error.
    fn note(&self, note: &str);
}

/// How far a stage is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The stage, such as "train".
    pub stage: &'static str,
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// The latest result, such as "epoch 12  test error 0.231".
    pub detail: String,
}

/// An epoch as text: whole, or with at most two decimals.
pub(crate) fn epoch_label(epoch: f64) -> String {
    if (epoch - epoch.round()).abs() < 1e-6 {
        return format!("{epoch:.0}");
    }
    format!("{epoch:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An observer that shows nothing and never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn progress(&self, _: &Progress) {}

    fn should_stop(&self) -> bool {
        false
    }

    fn note(&self, _: &str) {}
}
