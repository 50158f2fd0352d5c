//! The search for a double descent: peaks one after the other, each accepted or rejected with
//! its reason.

use super::bump::{Shape, held, holds, remove};
use super::loss::TrainCurve;
use super::noise::{Level, Noise};
use super::parts::{Holds, Rejected, TrainBump, Verdict};
use super::smooth::{MIN_CHANGE, NOISE_FACTOR, smooth};
use crate::phases::curves::{Curves, Series};

/// Logged rows that a peak must hold.
const MIN_ROWS: usize = 3;
/// Peaks that are tried.
const MOST: usize = 20;

/// A peak, or the rise of a u-shape, measured.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) shape: Shape,
    /// Levels at its three points.
    pub(super) levels: [Level; 3],
    pub(super) holds: Holds,
    pub(super) train: Option<TrainBump>,
}

impl Candidate {
    pub(super) fn rise(&self) -> Change {
        Change::between(self.levels[0], self.levels[1])
    }

    pub(super) fn fall(&self) -> Change {
        Change::between(self.levels[2], self.levels[1])
    }

    /// What both rise and fall exceed in any case.
    fn threshold(&self) -> f64 {
        self.rise().threshold().max(self.fall().threshold())
    }

    fn loss_bumps(&self) -> Option<String> {
        let train = self.train.as_ref().filter(|train| train.bumps)?;
        Some(format!(
            "{} rises with the test error, from {:.3} to {:.3}",
            train.column, train.before, train.at_peak
        ))
    }
}

/// The difference of two levels, from the lower to the upper.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) value: f64,
    /// √(se² + se²) of the two levels.
    pub(super) se: f64,
}

impl Change {
    fn between(low: Level, high: Level) -> Self {
        Self { value: high.value - low.value, se: low.se.hypot(high.se) }
    }

    /// What the difference must exceed.
    pub(super) fn threshold(self) -> f64 {
        MIN_CHANGE.max(NOISE_FACTOR * self.se)
    }

    fn counts(self) -> bool {
        self.value > self.threshold()
    }
}

/// Why a peak does not count.
enum Objection {
    /// Training was disturbed, or only for a moment.
    Disturbance(String),
    /// It is small, or its first minimum is none.
    Other(String),
}

/// What a search finds.
pub(super) enum Outcome {
    /// Nothing; the most prominent peak.
    Monotone(Candidate),
    /// A verdict, its reason, and the peak that it is about.
    Shape(Verdict, String, Candidate),
}

/// A test error from which rejected bumps are removed one after the other.
pub(super) struct Search<'a> {
    test: &'a Series,
    train: TrainCurve,
    noise: Noise<'a>,
    /// The smoothed test error without the rejected bumps.
    smoothed: Vec<f64>,
    /// Rows that a rejected bump holds; they do not count for levels.
    cut: Vec<bool>,
}

impl<'a> Search<'a> {
    /// Of a series with at least one row.
    pub(super) fn new(curves: &Curves, test: &'a Series) -> Self {
        let cut = vec![false; test.row.len()];
        let (train, noise) = (TrainCurve::of(curves), Noise::of(test));
        Self { test, train, noise, smoothed: smooth(test), cut }
    }

    /// Searches; the rejected peaks come most prominent first.
    pub(super) fn run(mut self) -> (Outcome, Vec<Rejected>) {
        let mut rejected = vec![];
        let mut first = None;
        let mut disturbed = None;
        for _ in 0..MOST {
            let shape = Shape::most_prominent(&self.smoothed);
            let height = shape.height(&self.smoothed);
            let rows = held(&self.smoothed, shape.top, height);
            let candidate = self.measure(shape, rows);
            first.get_or_insert_with(|| candidate.clone());
            if height <= MIN_CHANGE {
                break;
            }
            let reason = match objection(&candidate, height) {
                None => {
                    let reason =
                        "both the rise and the second fall exceed their thresholds";
                    let found = Verdict::DoubleDescent;
                    return (Outcome::Shape(found, reason.into(), candidate), rejected);
                }
                Some(Objection::Disturbance(reason)) => {
                    disturbed.get_or_insert((reason.clone(), candidate.clone()));
                    reason
                }
                Some(Objection::Other(reason)) => reason,
            };
            rejected.push(self.rejected(&candidate, reason));
            self.cut[rows[0]..=rows[1]].fill(true);
            remove(&mut self.smoothed, &self.test.epoch, rows);
        }
        let first = first.expect("one peak is always tried");
        (self.without_peaks(first, disturbed), rejected)
    }

    /// The verdict where no peak counts.
    fn without_peaks(
        &self,
        first: Candidate,
        disturbed: Option<(String, Candidate)>,
    ) -> Outcome {
        let shape = Shape::climb(&self.smoothed);
        let height = self.smoothed[shape.top] - self.smoothed[shape.min];
        let climb = self.measure(shape, held(&self.smoothed, shape.top, height));
        let last = self.smoothed.len() - 1;
        let end = Shape { top: last, second_min: last, ..shape };
        let end = self.measure(end, [last, last]);
        if end.rise().counts() {
            if let Some(reason) = climb.loss_bumps() {
                return Outcome::Shape(Verdict::Instability, reason, climb);
            }
            let reason = "the rise exceeds its threshold and no such fall follows";
            return Outcome::Shape(Verdict::UShape, reason.into(), climb);
        }
        match disturbed {
            Some((reason, peak)) => Outcome::Shape(Verdict::Instability, reason, peak),
            None => Outcome::Monotone(first),
        }
    }

    fn measure(&self, shape: Shape, rows: [usize; 2]) -> Candidate {
        let points = [shape.min, shape.top, shape.second_min];
        let holds = holds(self.test, rows);
        Candidate {
            shape,
            levels: points.map(|row| self.noise.level(&self.cut, row)),
            holds,
            train: self.train.bump(holds),
        }
    }

    fn rejected(&self, candidate: &Candidate, reason: String) -> Rejected {
        Rejected {
            epoch: self.test.epoch[candidate.shape.top],
            rise: candidate.rise().value,
            fall: candidate.fall().value,
            rows: candidate.holds.rows,
            reason,
        }
    }
}

/// Why a peak of this height in the smoothed curve is no double descent.
fn objection(peak: &Candidate, height: f64) -> Option<Objection> {
    let rows = peak.holds.rows;
    if rows < MIN_ROWS && height > peak.threshold() {
        return Some(Objection::Disturbance(format!(
            "the peak holds {rows} of the logged rows, fewer than {MIN_ROWS}"
        )));
    }
    let (rise, fall) = (peak.rise(), peak.fall());
    if !rise.counts() || !fall.counts() {
        return Some(Objection::Other(format!(
            "it rises by {:.3} (needs {:.3}) and falls by {:.3} (needs {:.3})",
            rise.value,
            rise.threshold(),
            fall.value,
            fall.threshold()
        )));
    }
    if let Some(reason) = peak.loss_bumps() {
        return Some(Objection::Disturbance(reason));
    }
    (peak.shape.min == 0)
        .then(|| Objection::Other("its first minimum is the first row of the log".into()))
}
