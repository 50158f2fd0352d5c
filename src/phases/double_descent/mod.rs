//! Epoch-wise double descent of the test error: first minimum, peak, second minimum, and
//! the verdict.
//!
//! Nakkiran et al. 2019 (arXiv:1912.02292) describe the phenomenon; the numeric definition
//! is ours. It is about the 0-1 test error: the test loss of a net that fits noisy labels
//! rises to the end of training whatever the error does.

use serde::Serialize;

use super::curves::{Curves, Series};
use super::whole_or_null;

mod bump;
mod loss;
mod noise;
mod parts;
mod search;
mod smooth;

pub use parts::{AtThree, Holds, Overlap, Rejected, TrainBump, Verdict};
use search::{Candidate, Outcome, Search};

/// The double descent of the smoothed test error, or what it does instead.
///
/// ```text
/// s(t)  = median { err(e) : |e − t| ≤ 0.12·t }                          over logged rows
/// p     = argmax_t min( s(t) − min_{u≤t} s(u),  s(t) − min_{u≥t} s(u) )
/// m, q  = argmin_{u≤p} s(u),  argmin_{u≥p} s(u)                      ties: the first row
/// L(t)  = mean { err(e) : |e − t| ≤ 0.25·t },   rise = L(p) − L(m),   fall = L(p) − L(q)
/// se(t)     = noise(t)/√b: the scatter of means over blocks of 0.1 in ln(1 + e), near t, and
///             the number of blocks that the rows of L(t) fill
/// se(rise)  = √(se(p)² + se(m)²),   se(fall) = √(se(p)² + se(q)²)
/// threshold = max(0.01, 3·se), one for the rise and one for the fall
/// ```
/// Points are found with the narrow window; levels are measured with the wide one, which
/// averages what jumps from row to row. The blocks are there because rows next to each other
/// are not independent.
///
/// The most prominent peak is rejected, with its reason, where it
/// - holds fewer than 3 logged rows. The peak *holds* the unbroken run of rows around p whose s
///   is at least half-way up (full width at half prominence),
/// - rises or falls by no more than its threshold,
/// - comes with a *bump* of the training loss L (training error where there is no loss): its
///   median over the epochs held exceeds the lowest smoothed L before them by more than
///   max(0.01, that lowest/10, 3·noise of L). A loss that falls through the peak, as in
///   interpolation, gives a negative rise, or
/// - has its first minimum on the first row of the log: a net at chance is no minimum.
///
/// Then the curve without that bump is searched again, up to 20 times, so that one wild row at
/// epoch 5 does not hide a double descent later. The first peak that is not rejected makes the
/// verdict **double descent**. Without one, the curve without the rejected bumps is a
/// **u-shape** where its level rises from its lowest row to its end by more than its
/// threshold, an **instability** where the training loss bumps with that rise or a rejected
/// peak was a disturbance (too few rows, or the loss), else **monotone**.
///
/// Of a u-shape, p is the top of the rise, and it holds the rows at least half-way up. Of an
/// instability, m, p and q are those of the disturbance. A monotone curve has none to report;
/// `rise` and `fall` are then those of its most prominent peak.
///
/// Rise and fall are inflated because the epochs are chosen on the curve that is measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoubleDescent {
    /// The verdict; none where no row has a test error.
    pub verdict: Option<Verdict>,
    /// Epoch of the first minimum, m.
    #[serde(serialize_with = "whole_or_null")]
    pub min: Option<f64>,
    /// Epoch of the peak, p.
    #[serde(serialize_with = "whole_or_null")]
    pub peak: Option<f64>,
    /// Epoch of the second minimum, q.
    #[serde(serialize_with = "whole_or_null")]
    pub second_min: Option<f64>,
    /// L(p) − L(m).
    pub rise: Option<f64>,
    /// L(p) − L(q).
    pub fall: Option<f64>,
    /// Standard error of the rise, from the scatter of neighboring rows.
    pub rise_se: Option<f64>,
    /// Standard error of the fall.
    pub fall_se: Option<f64>,
    /// What the rise must exceed.
    pub rise_threshold: Option<f64>,
    /// What the fall must exceed.
    pub fall_threshold: Option<f64>,
    /// One sentence: what decided.
    pub reason: String,
    /// The level L of the test error at the three epochs.
    pub error: AtThree<f64>,
    /// √(L(1 − L)/n) there, over the n test examples; none where the log has no `n_test`.
    /// It is over examples, not over seeds.
    pub error_se: AtThree<f64>,
    /// Their optimizer steps, where the log has steps.
    pub step: AtThree<u64>,
    /// The epochs that the peak holds.
    pub holds: Option<Holds>,
    /// How the training loss behaves at the peak.
    pub train: Option<TrainBump>,
    /// Where the peak lies relative to perfect fitting; none without a threshold.
    pub perfect_fit: Option<Overlap>,
    /// Whether a double descent peaks at the perfect fit: ½ ≤ (1 + peak)/(1 + F) ≤ 2, F the
    /// first held epoch with a training error of at most 0.01; none without one.
    pub near_fit: Option<bool>,
    /// The peaks passed over, most prominent first.
    pub rejected: Vec<Rejected>,
    /// Rows with a test error.
    pub rows: usize,
    /// Rows without one, which are passed over.
    pub skipped: usize,
}

impl DoubleDescent {
    /// Reads the verdict off `curves`; `fit` is the epoch of perfect fitting, `fit_1_percent`
    /// that at a tolerance of 0.01. Cost O(rows·log rows).
    pub(super) fn of(
        curves: &Curves,
        fit: Option<f64>,
        fit_1_percent: Option<f64>,
    ) -> Self {
        let test = curves.finite(&curves.test_error);
        let mut result = Self::undecided(curves, &test);
        if test.row.is_empty() {
            return result;
        }
        let (outcome, rejected) = Search::new(curves, &test).run();
        result.rejected = rejected;
        match outcome {
            Outcome::Monotone(peak) => {
                result.verdict = Some(Verdict::Monotone);
                result.change(&peak);
                result.reason = format!(
                    "the most prominent peak, at {} {}, rises by {:.3} and falls by {:.3}",
                    test.axis.name(),
                    test.epoch[peak.shape.top],
                    peak.rise().value,
                    peak.fall().value
                );
            }
            Outcome::Shape(verdict, reason, shape) => {
                (result.verdict, result.reason) = (Some(verdict), reason);
                result.describe(&shape, curves, &test);
                result.perfect_fit = fit.map(|fit| Overlap {
                    log_distance: fit.ln_1p() - test.epoch[shape.shape.top].ln_1p(),
                    within: (shape.holds.from..=shape.holds.to).contains(&fit),
                });
                result.near_fit = fit_1_percent.and_then(|fit| {
                    let ratio = (1.0 + test.epoch[shape.shape.top]) / (1.0 + fit);
                    let near = (0.5..=2.0).contains(&ratio);
                    (verdict == Verdict::DoubleDescent).then_some(near)
                });
            }
        }
        result
    }

    /// What is known before any peak is.
    fn undecided(curves: &Curves, test: &Series) -> Self {
        Self {
            verdict: None,
            min: None,
            peak: None,
            second_min: None,
            rise: None,
            fall: None,
            rise_se: None,
            fall_se: None,
            rise_threshold: None,
            fall_threshold: None,
            reason: "no row has a test error".into(),
            error: AtThree::none(),
            error_se: AtThree::none(),
            step: AtThree::none(),
            holds: None,
            train: None,
            perfect_fit: None,
            near_fit: None,
            rejected: vec![],
            rows: test.row.len(),
            skipped: curves.rows_given() - test.row.len(),
        }
    }

    /// Fills in how far `peak` rises and falls.
    fn change(&mut self, peak: &Candidate) {
        let (rise, fall) = (peak.rise(), peak.fall());
        (self.rise, self.rise_se) = (Some(rise.value), Some(rise.se));
        (self.fall, self.fall_se) = (Some(fall.value), Some(fall.se));
        self.rise_threshold = Some(rise.threshold());
        self.fall_threshold = Some(fall.threshold());
    }

    /// Fills in the numbers of `peak`.
    fn describe(&mut self, peak: &Candidate, curves: &Curves, test: &Series) {
        let shape = peak.shape;
        self.min = Some(test.epoch[shape.min]);
        self.peak = Some(test.epoch[shape.top]);
        self.second_min = Some(test.epoch[shape.second_min]);
        self.change(peak);
        let [min, top, second_min] = peak.levels.map(|level| level.value);
        self.error =
            AtThree { min: Some(min), peak: Some(top), second_min: Some(second_min) };
        let se = |row: usize, level: f64| standard_error(curves, test.row[row], level);
        self.error_se = AtThree {
            min: se(shape.min, min),
            peak: se(shape.top, top),
            second_min: se(shape.second_min, second_min),
        };
        let step = |row: usize| curves.step_of(test.row[row]);
        self.step = AtThree {
            min: step(shape.min),
            peak: step(shape.top),
            second_min: step(shape.second_min),
        };
        self.holds = Some(peak.holds);
        self.train.clone_from(&peak.train);
    }
}

/// √(e(1 − e)/n) over the n test examples of a row.
fn standard_error(curves: &Curves, row: usize, error: f64) -> Option<f64> {
    let n = curves.n_test.as_ref()?[row];
    (n > 0.0 && n.is_finite()).then(|| (error * (1.0 - error) / n).sqrt())
}
