//! Training phases read off the error curves: the perfect-fitting threshold and epoch-wise
//! double descent.
//!
//! The abstract of arXiv:2405.17377 relates the evolution of representations to both; the
//! numeric definitions are ours, because the abstract gives none. This module takes plain
//! columns of numbers ([`Curves`]) and returns plain values ([`Phases`]), whose JSON is what
//! `stratagram phases --json` prints and what `phases.json` in a run directory starts with.
//!
//! Errors should come from BatchNorm statistics recomputed over the training images: running
//! statistics lag the weights where an epoch has few steps, and show peaks that are not there.

use std::fmt;

use serde::{Serialize, Serializer};

mod curves;
mod double_descent;
mod perfect_fit;

pub use curves::Curves;
pub use double_descent::{AtThree, DoubleDescent, Holds, Overlap, TrainBump, Verdict};
pub use perfect_fit::{PerfectFit, Threshold};

/// The phases of one run.
///
/// # Example
/// A test error with a bell of height .2 at epoch 20 (the median over ±12 % puts the peak one
/// epoch earlier, as its window is wider on the right):
/// ```
/// use stratagram::phases::{Curves, Phases, Verdict};
/// let epoch: Vec<f64> = (0..100).map(f64::from).collect();
/// let bell = |t: f64| (-((t - 20.0) / 5.0).powi(2)).exp();
/// let test = epoch.iter().map(|&t| 0.1 + 0.8 * (-t / 2.0).exp() + 0.2 * bell(t));
/// let train = epoch.iter().map(|&t| (-t / 8.0).exp());
/// let (train, test) = (train.collect(), test.collect());
/// let phases = Phases::of(&Curves::new(epoch, train, test).unwrap());
/// assert_eq!(phases.perfect_fit.epoch, Some(56.0)); // 8·ln 1000 = 55.3
/// let double_descent = phases.double_descent;
/// assert_eq!(double_descent.verdict, Some(Verdict::DoubleDescent));
/// assert_eq!(double_descent.peak, Some(19.0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Phases {
    /// When the net begins to fit its training labels perfectly.
    pub perfect_fit: PerfectFit,
    /// Whether the test error descends twice.
    pub double_descent: DoubleDescent,
}

impl Phases {
    /// Reads the phases off `curves`.
    pub fn of(curves: &Curves) -> Self {
        let perfect_fit = PerfectFit::of(curves);
        let double_descent = DoubleDescent::of(curves, perfect_fit.epoch);
        Self { perfect_fit, double_descent }
    }
}

impl fmt::Display for Phases {
    /// A few plain sentences, each on its line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.perfect_fit)?;
        write!(f, "{}", self.double_descent)
    }
}

impl fmt::Display for PerfectFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.epoch, &self.reason) {
            (Some(epoch), _) => {
                write!(f, "perfect fit at epoch {epoch} (train error ≤ {}", self.eps)?;
                if self.rows_after < Some(self.window) {
                    let rows = self.rows_after.unwrap_or(0);
                    write!(f, "; only {rows} later rows to confirm it")?;
                }
                write!(f, ")")?;
            }
            (None, Some(reason)) => write!(f, "no perfect fit: {reason}")?,
            (None, None) => write!(f, "no perfect fit")?,
        }
        match self.corrupted.as_ref().map(|t| t.epoch) {
            Some(Some(epoch)) => write!(f, "; corrupted labels fitted at epoch {epoch}"),
            Some(None) => write!(f, "; corrupted labels never fitted"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for DoubleDescent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(verdict) = self.verdict else {
            return write!(f, "no verdict: {}", self.reason);
        };
        let point = |error: Option<f64>, epoch: Option<f64>| {
            let (error, epoch) = (error?, epoch?);
            Some(format!("{error:.3} (epoch {epoch})"))
        };
        let three = [
            ("falls to", point(self.error.min, self.min)),
            ("rises to", point(self.error.peak, self.peak)),
            ("falls to", point(self.error.second_min, self.second_min)),
        ];
        let told = if verdict == Verdict::UShape { 2 } else { 3 };
        let clauses: Vec<String> = three[..told]
            .iter()
            .filter_map(|(verb, point)| point.as_ref().map(|p| format!("{verb} {p}")))
            .collect();
        if clauses.is_empty() {
            write!(f, "test error does not rise")?;
        } else {
            write!(f, "test error {}", clauses.join(", "))?;
        }
        writeln!(f, ": {}", verdict.name())?;
        write!(f, "{} (threshold {:.3}, ", self.reason, self.threshold)?;
        write!(f, "noise {:.4}, {} rows", self.noise, self.rows)?;
        match self.skipped {
            0 => write!(f, ")"),
            skipped => write!(f, ", {skipped} without a test error passed over)"),
        }
    }
}

/// Serializes a number, whole ones without a fraction: epoch 4 is `4`, not `4.0`.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(crate) fn whole<S: Serializer>(
    value: &f64,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

/// [`whole`], with null for none.
#[allow(clippy::ref_option)] // serde's signature
pub(crate) fn whole_or_null<S: Serializer>(
    value: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => whole(value, serializer),
        None => serializer.serialize_none(),
    }
}
