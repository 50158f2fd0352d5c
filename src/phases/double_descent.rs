//! Epoch-wise double descent of the test error: first minimum, peak, second minimum, and
//! the verdict.
//!
//! Nakkiran et al. 2019 (arXiv:1912.02292) describe the phenomenon; the numeric definition
//! is ours. It is about the 0-1 test error: the test loss of a net that fits noisy labels
//! rises to the end of training whatever the error does.

use serde::Serialize;

use super::curves::{Curves, Series};
use super::{whole, whole_or_null};

/// Half-width of the smoothing window as a share of the epoch.
const WINDOW: f64 = 0.12;
/// No rise or fall of at most this much counts, however smooth the curve.
const MIN_CHANGE: f64 = 0.01;
/// Rises and falls must exceed this multiple of the epoch-to-epoch noise.
const NOISE_FACTOR: f64 = 3.0;
/// Share of the training loss before a peak by which it must rise to count as a bump.
const LOSS_SHARE: f64 = 0.1;
/// Logged rows that a peak must hold.
const MIN_ROWS: usize = 3;

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

/// The most prominent peak of the smoothed test error, and whether it is a double descent.
///
/// ```text
/// s(t)  = median { err(e) : |e − t| ≤ 0.12·t }                          over logged rows
/// p     = argmax_t min( s(t) − min_{u≤t} s(u),  s(t) − min_{u≥t} s(u) )
/// m, q  = argmin_{u≤p} s(u),  argmin_{u≥p} s(u)                      ties: the first row
/// rise  = s(p) − s(m),   fall = s(p) − s(q)
/// noise = 1.05·median |err_{i+1} − err_i|,   threshold = max(0.01, 3·noise)
///
/// double descent  iff  min(rise, fall) > threshold
/// else u-shape    iff  max_t ( s(t) − min_{u≤t} s(u) ) > threshold
/// else monotone
/// ```
/// (1.05 ≈ 1.4826/√2 makes the median of absolute differences of independent normal errors
/// their standard deviation.)
///
/// A double descent becomes an **instability** where its peak holds fewer than 3 logged
/// rows; it or a u-shape does where the training loss bumps with the test error:
/// - The peak *holds* the unbroken run of rows around p whose s is at least half-way up,
///   s ≥ s(p) − min(rise, fall)/2 (full width at half prominence).
/// - The training loss L (training error where there is no loss) *bumps* where its median
///   over the epochs that the peak holds exceeds the lowest smoothed L before them by more
///   than max(0.01, that lowest/10, 3·noise of L). A loss that falls through the peak, as
///   in interpolation, gives a negative rise.
///
/// Of a u-shape, p is the top of the largest rise, and it holds the rows with
/// s ≥ s(p) − rise/2. A monotone curve has no p, m and q to report; `rise` and `fall` are
/// then those of its most prominent peak.
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
    /// s(p) − s(m).
    pub rise: Option<f64>,
    /// s(p) − s(q).
    pub fall: Option<f64>,
    /// What rise and fall must exceed.
    pub threshold: f64,
    /// Standard deviation of the test error from row to row.
    pub noise: f64,
    /// One sentence: what decided.
    pub reason: String,
    /// The smoothed test error at the three epochs.
    pub error: AtThree<f64>,
    /// √(s(1 − s)/n) there, over the n test examples; none where the log has no `n_test`.
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
    /// Rows with a test error.
    pub rows: usize,
    /// Rows without one, which are passed over.
    pub skipped: usize,
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

/// A minimum, the top after it and the minimum after that, as positions among the rows that
/// have a test error.
#[derive(Debug, Clone, Copy)]
struct Shape {
    min: usize,
    top: usize,
    second_min: usize,
}

impl DoubleDescent {
    /// Reads the verdict off `curves`; `perfect_fit` is the epoch of perfect fitting.
    ///
    /// Cost: O(rows·rows in a window).
    pub(super) fn of(curves: &Curves, perfect_fit: Option<f64>) -> Self {
        let test = curves.finite(&curves.test_error);
        let s = smooth(&test);
        let noise = noise(&test.value);
        let mut result = Self::undecided(curves, &test, noise);
        let (Some(peak), Some(climb)) = (most_prominent_peak(&s), largest_rise(&s))
        else {
            return result;
        };
        let (rise, fall) = (peak.rise(&s), peak.fall(&s));
        let peaks = rise.min(fall) > result.threshold;
        if !peaks && climb.rise(&s) <= result.threshold {
            result.verdict = Some(Verdict::Monotone);
            (result.rise, result.fall) = (Some(rise), Some(fall));
            result.reason = format!(
                "the most prominent peak, at epoch {}, rises by {rise:.3} and falls by \
                 {fall:.3}",
                test.epoch[peak.top]
            );
            return result;
        }
        let (shape, height) =
            if peaks { (peak, rise.min(fall)) } else { (climb, climb.rise(&s)) };
        let holds = held(&test, &s, shape.top, height);
        result.train = train_bump(curves, holds);
        let bump = result.train.as_ref().filter(|train| train.bumps);
        let (verdict, reason) = judge(peaks, holds.rows, bump);
        (result.verdict, result.reason) = (Some(verdict), reason);
        result.perfect_fit = perfect_fit.map(|fit| Overlap {
            log_distance: fit.ln_1p() - test.epoch[shape.top].ln_1p(),
            within: (holds.from..=holds.to).contains(&fit),
        });
        result.holds = Some(holds);
        result.describe(shape, curves, &test, &s);
        result
    }

    /// What is known before any peak is.
    fn undecided(curves: &Curves, test: &Series, noise: f64) -> Self {
        Self {
            verdict: None,
            min: None,
            peak: None,
            second_min: None,
            rise: None,
            fall: None,
            threshold: MIN_CHANGE.max(NOISE_FACTOR * noise),
            noise,
            reason: "no row has a test error".into(),
            error: AtThree::none(),
            error_se: AtThree::none(),
            step: AtThree::none(),
            holds: None,
            train: None,
            perfect_fit: None,
            rows: test.row.len(),
            skipped: curves.rows_given() - test.row.len(),
        }
    }

    /// Fills in the numbers of `shape`.
    fn describe(&mut self, shape: Shape, curves: &Curves, test: &Series, s: &[f64]) {
        self.min = Some(test.epoch[shape.min]);
        self.peak = Some(test.epoch[shape.top]);
        self.second_min = Some(test.epoch[shape.second_min]);
        (self.rise, self.fall) = (Some(shape.rise(s)), Some(shape.fall(s)));
        self.error = shape.each(|i| Some(s[i]));
        self.error_se = shape.each(|i| standard_error(curves, test.row[i], s[i]));
        self.step = shape.each(|i| curves.step_of(test.row[i]));
    }
}

impl<T> AtThree<T> {
    fn none() -> Self {
        Self { min: None, peak: None, second_min: None }
    }
}

impl Shape {
    fn rise(self, s: &[f64]) -> f64 {
        s[self.top] - s[self.min]
    }

    fn fall(self, s: &[f64]) -> f64 {
        s[self.top] - s[self.second_min]
    }

    fn each<T>(self, value: impl Fn(usize) -> Option<T>) -> AtThree<T> {
        AtThree {
            min: value(self.min),
            peak: value(self.top),
            second_min: value(self.second_min),
        }
    }
}

/// The verdict on a curve that rises by more than the threshold: `peaks` where it also
/// falls again by as much.
fn judge(peaks: bool, rows_held: usize, bump: Option<&TrainBump>) -> (Verdict, String) {
    match (peaks, bump) {
        (_, Some(train)) => (
            Verdict::Instability,
            format!(
                "{} rises with the test error, from {:.3} to {:.3}",
                train.column, train.before, train.at_peak
            ),
        ),
        (true, None) if rows_held < MIN_ROWS => (
            Verdict::Instability,
            format!(
                "the peak holds {rows_held} of the logged rows, fewer than {MIN_ROWS}"
            ),
        ),
        (true, None) => (
            Verdict::DoubleDescent,
            "both the rise and the second fall exceed the threshold".into(),
        ),
        (false, None) => (
            Verdict::UShape,
            "the rise exceeds the threshold and no fall as large follows".into(),
        ),
    }
}

/// Median over the rows within 12 % of each row's epoch, its own row included.
fn smooth(series: &Series) -> Vec<f64> {
    let near = |i: usize, j: usize| {
        (series.epoch[j] - series.epoch[i]).abs() <= WINDOW * series.epoch[i]
    };
    let (mut low, mut high) = (0, 0);
    (0..series.value.len())
        .map(|i| {
            // Epochs increase, so both ends of the window only move forward.
            while !near(i, low) {
                low += 1;
            }
            while high < series.value.len() && (high <= i || near(i, high)) {
                high += 1;
            }
            median(series.value[low..high].to_vec())
        })
        .collect()
}

/// The median, the mean of the middle two of an even number; NaN of none.
fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let middle = values.len() / 2;
    let odd = values.len() % 2 == 1;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if odd {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(lower, upper)
}

/// 1.05·median of the absolute differences of neighbours; 0 for fewer than two rows.
fn noise(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    1.05 * median(values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect())
}

/// Position of the running minimum at each row, the first among equals.
fn minimum_so_far(s: &[f64]) -> Vec<usize> {
    let mut lowest = 0;
    (0..s.len())
        .map(|i| {
            if s[i] < s[lowest] {
                lowest = i;
            }
            lowest
        })
        .collect()
}

/// Position of the minimum from each row on, the first among equals.
fn minimum_from_here(s: &[f64]) -> Vec<usize> {
    let mut lowest = s.len().saturating_sub(1);
    let mut positions: Vec<usize> = (0..s.len())
        .rev()
        .map(|i| {
            if s[i] <= s[lowest] {
                lowest = i;
            }
            lowest
        })
        .collect();
    positions.reverse();
    positions
}

/// The peak with the largest min(rise, fall).
fn most_prominent_peak(s: &[f64]) -> Option<Shape> {
    shape(s, f64::min)
}

/// The top of the largest rise above the running minimum.
fn largest_rise(s: &[f64]) -> Option<Shape> {
    shape(s, |rise, _| rise)
}

/// The first row at which `score(rise, fall)` is greatest, with the minima on both sides.
fn shape(s: &[f64], score: impl Fn(f64, f64) -> f64) -> Option<Shape> {
    let (left, right) = (minimum_so_far(s), minimum_from_here(s));
    let score = |t: usize| score(s[t] - s[left[t]], s[t] - s[right[t]]);
    let top =
        (0..s.len()).reduce(|best, t| if score(t) > score(best) { t } else { best })?;
    Some(Shape { min: left[top], top, second_min: right[top] })
}

/// The unbroken run of rows around `top` that are at least half-way up a peak of `height`.
fn held(series: &Series, s: &[f64], top: usize, height: f64) -> Holds {
    let up = |&i: &usize| s[i] >= s[top] - height / 2.0;
    let first = (0..=top).rev().take_while(up).last().unwrap_or(top);
    let last = (top..s.len()).take_while(up).last().unwrap_or(top);
    Holds { from: series.epoch[first], to: series.epoch[last], rows: last - first + 1 }
}

/// Compares the training loss while the test error peaks with the lowest before; none where
/// no value is known before or during the peak.
fn train_bump(curves: &Curves, peak: Holds) -> Option<TrainBump> {
    let loss = curves.train_loss.as_ref().map(|loss| curves.finite(loss));
    let (column, series) = match loss.filter(|loss| !loss.row.is_empty()) {
        Some(loss) => ("train_loss", loss),
        None => ("train_error", curves.finite(&curves.train_error)),
    };
    let s = smooth(&series);
    let rows = 0..series.row.len();
    let before = rows
        .clone()
        .filter(|&i| series.epoch[i] < peak.from)
        .map(|i| s[i])
        .reduce(f64::min)?;
    let during = rows.filter(|&i| (peak.from..=peak.to).contains(&series.epoch[i]));
    let at_peak = median(during.map(|i| series.value[i]).collect());
    let threshold = MIN_CHANGE
        .max(LOSS_SHARE * before.abs())
        .max(NOISE_FACTOR * noise(&series.value));
    let bumps = at_peak - before > threshold;
    at_peak.is_finite().then_some(TrainBump { column, before, at_peak, threshold, bumps })
}

/// √(e(1 − e)/n) over the n test examples of a row.
fn standard_error(curves: &Curves, row: usize, error: f64) -> Option<f64> {
    let n = curves.n_test.as_ref()?[row];
    (n > 0.0 && n.is_finite()).then(|| (error * (1.0 - error) / n).sqrt())
}
