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

use serde::{Serialize, Serializer};

mod curves;
mod double_descent;
mod perfect_fit;
mod sentences;

pub use curves::{Axis, Curves};
pub use double_descent::{
    AtThree, DoubleDescent, Holds, Overlap, Rejected, TrainBump, Verdict,
};
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
    /// What times count.
    pub axis: Axis,
}

impl Phases {
    /// Reads the phases off `curves`.
    pub fn of(curves: &Curves) -> Self {
        let perfect_fit = PerfectFit::of(curves);
        let fit_1_percent = perfect_fit.epoch_at(0.01);
        let double_descent = DoubleDescent::of(curves, perfect_fit.epoch, fit_1_percent);
        Self { perfect_fit, double_descent, axis: curves.axis() }
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
