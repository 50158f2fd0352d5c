//! What a person may say about a log.

/// A curve that a person names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Curve {
    TestError,
    TestAccuracy,
    TrainError,
    TrainAccuracy,
    TrainLoss,
    /// The epoch or step of a row.
    Time,
}

/// What a person says about a log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogOptions {
    /// Curves, and the column of the log or the file of one tag that each is in.
    pub named: Vec<(Curve, String)>,
    /// Steps of an epoch: makes epochs of steps.
    pub steps_per_epoch: Option<f64>,
}
