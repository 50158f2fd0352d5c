//! `train.until`: when training may end before its last step.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What follows the number.
const PERFECT_FIT: &str = "perfect-fit";

/// `train.until`: training ends with the first checkpoint at or after this many times the epoch
/// of the perfect fit; `train.epochs` or `train.steps` remain its upper bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Until {
    /// The factor, at least 1.
    pub times: f64,
}

impl Until {
    pub(super) const EXPECTED: &str =
        "\"N x perfect-fit\" with a number N of at least 1, such as \"5 x perfect-fit\"";

    /// Reads `5 x perfect-fit`.
    ///
    /// # Example
    /// ```
    /// use stratagram::experiment::Until;
    /// let until = Until::parse("2.5x perfect-fit").unwrap();
    /// assert_eq!(until.to_string(), "2.5 x perfect-fit");
    /// assert_eq!(Until::parse("0.5 x perfect-fit"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let factor = text.trim().strip_suffix(PERFECT_FIT)?.trim_end();
        let times = factor.strip_suffix(['x', '×'])?.trim().parse::<f64>().ok()?;
        (times >= 1.0 && times.is_finite()).then_some(Self { times })
    }

    /// Whether training may end at `epoch`, where the perfect fit was at epoch `fit`.
    pub fn is_reached(self, epoch: f64, fit: f64) -> bool {
        self.times * fit <= epoch
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {PERFECT_FIT}", self.times)
    }
}

impl TryFrom<String> for Until {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("expected {}", Self::EXPECTED))
    }
}

impl From<Until> for String {
    fn from(until: Until) -> Self {
        until.to_string()
    }
}
