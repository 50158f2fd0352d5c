//! The verdict and the parts of what is said about it.

use serde::Serialize;

use crate::phases::whole;

/// What the test error does over the epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// It falls, rises and falls again.
    #[serde(rename = "double descent")]
    DoubleDescent,
    /// It falls and rises.
    #[serde(rename = "u-shape")]
    UShape,
    /// It does not rise by more than the threshold.
    #[serde(rename = "monotone")]
    Monotone,
    /// It rises because training itself was disturbed, or only for a moment.
    #[serde(rename = "instability")]
    Instability,
}

impl Verdict {
    /// The verdict of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        let all = [Self::DoubleDescent, Self::UShape, Self::Monotone, Self::Instability];
        all.into_iter().find(|verdict| verdict.name() == name)
    }

    /// The name used in JSON and in sentences.
    pub fn name(self) -> &'static str {
        match self {
            Self::DoubleDescent => "double descent",
            Self::UShape => "u-shape",
            Self::Monotone => "monotone",
            Self::Instability => "instability",
        }
    }
}

/// A value at the first minimum, the peak and the second minimum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct AtThree<T> {
    pub min: Option<T>,
    pub peak: Option<T>,
    pub second_min: Option<T>,
}

/// The unbroken run of logged rows around a peak that are at least half-way up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Holds {
    /// First epoch.
    #[serde(serialize_with = "whole")]
    pub from: f64,
    /// Last epoch.
    #[serde(serialize_with = "whole")]
    pub to: f64,
    /// Number of logged rows.
    pub rows: usize,
}

/// The training loss while the test error peaks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainBump {
    /// `train_loss`, or `train_error` where there is no loss.
    pub column: &'static str,
    /// Lowest smoothed value before the peak.
    pub before: f64,
    /// Median over the epochs that the peak holds.
    pub at_peak: f64,
    /// What `at_peak − before` must exceed to be a bump.
    pub threshold: f64,
    /// Whether it does.
    pub bumps: bool,
}

/// Where the perfect-fitting threshold lies relative to the peak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Overlap {
    /// ln(1 + threshold) − ln(1 + peak): positive where the peak comes first.
    pub log_distance: f64,
    /// Whether the threshold lies among the epochs that the peak holds.
    pub within: bool,
}

/// A peak that is no double descent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rejected {
    /// Its epoch.
    #[serde(serialize_with = "whole")]
    pub epoch: f64,
    /// Level there less that at the lowest row before.
    pub rise: f64,
    /// Level there less that at the lowest row after.
    pub fall: f64,
    /// Logged rows that it holds.
    pub rows: usize,
    /// Why it does not count.
    pub reason: String,
}

impl<T> AtThree<T> {
    /// Nothing at any of them.
    pub(super) fn none() -> Self {
        Self { min: None, peak: None, second_min: None }
    }
}
