//! Is the perfect fit a transition? (section 3), and how much of it the weights explain (3a).

use serde::{Deserialize, Serialize};

use super::axis::nearest;
use super::boundaries::StepCurve;
use super::curves::roughness2;
use super::defaults::TOLERANCE;
use super::matrix::Matrix;
use super::seeds::{equivalent_p, flip_p};
use super::series::position_of_lowest;

/// The representation settles where its drop exceeds that of the weights by more than this.
const BEYOND_WEIGHTS: f64 = -0.2;

/// The steps of ln ρ, without a power law: the time is given and nothing is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct Drops {
    /// Log times of the cuts.
    pub times: Vec<f64>,
    /// The step of ln ρ at each; NaN where distances are undefined.
    pub steps: Vec<f64>,
}

/// What the roughness does at a known time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Drop {
    /// Step of ln ρ at the cut nearest to that time.
    pub drop: f64,
    /// Its jackknife standard error over examples; none without groups.
    pub drop_se: Option<f64>,
    /// Log time from that time to the steepest fall of ln ρ anywhere.
    pub offset: f64,
    /// Share of the cuts with a step as low or lower; 1/cuts is the steepest of all. Shown,
    /// never tested: training ends in the middle of log time for every quantity.
    pub rank: f64,
}

impl Drops {
    /// Of the path with squared distances `d2` at log times `x`; distances beyond the second
    /// neighbors are not used. Cost O(T·window).
    ///
    /// # Panics
    /// With fewer than eight checkpoints.
    pub fn of(d2: &Matrix, x: &[f64]) -> Self {
        let curve = StepCurve::new(&x[1..x.len() - 1]);
        let z: Vec<f64> = roughness2(d2, x).iter().map(|r2| 0.5 * r2.ln()).collect();
        Self { times: curve.cut_times().to_vec(), steps: curve.steps(&z) }
    }

    /// The step at the cut nearest to log time `at`.
    pub fn at(&self, at: f64) -> f64 {
        self.steps[nearest(&self.times, at)]
    }

    /// Log time of the steepest fall.
    pub fn steepest(&self) -> f64 {
        self.times[position_of_lowest(&self.steps)]
    }

    /// What happens at log time `at`.
    pub fn drop_at(&self, at: f64) -> Drop {
        let drop = self.at(at);
        let as_low = self.steps.iter().filter(|step| **step <= drop).count();
        let rank = as_low as f64 / self.steps.len() as f64;
        Drop { drop, drop_se: None, offset: self.steepest() - at, rank }
    }
}

/// What settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reading {
    /// The drop exceeds that of the weights by more than 0.2.
    #[serde(rename = "the representation settles")]
    Representation,
    /// It does not: the optimizer comes to rest.
    #[serde(rename = "the weights settle")]
    Weights,
}

/// The drop of a layer's roughness beyond that of the weights up to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ExcessSettling {
    /// Log time of the cut.
    pub log_time: f64,
    /// Step of ln ρ of the representation.
    pub drop: f64,
    /// Step of ln ρ of the weights at the same cut.
    pub weights: f64,
    /// Their difference; negative: the representation settles more.
    pub excess: f64,
    /// In words.
    pub reading: Reading,
}

impl ExcessSettling {
    /// At the cut nearest to log time `at`; none where the weights' distances are undefined.
    pub fn at(at: f64, representation: &Drops, weights: &Drops) -> Option<Self> {
        let log_time = representation.times[nearest(&representation.times, at)];
        let (drop, weights) = (representation.at(log_time), weights.at(log_time));
        let excess = drop - weights;
        let reading = if excess < BEYOND_WEIGHTS {
            Reading::Representation
        } else {
            Reading::Weights
        };
        excess.is_finite().then_some(Self { log_time, drop, weights, excess, reading })
    }
}

/// "Transition at the fit in all layers": every layer's mean offset lies within ± ln 1.5 and
/// its mean drop is below −ln 2.
///
/// Returns the p-value of the claim — the largest of all its tests, an intersection-union
/// that needs no correction over layers — and that against it: L times the least p-value for
/// a layer with an offset beyond ± ln 1.5 or a drop above −ln 2, at most 1.
///
/// *Shapes* `offsets`, `drops`: `[layers, seeds]`.
pub fn transition_in_all_layers(offsets: &[Vec<f64>], drops: &[Vec<f64>]) -> [f64; 2] {
    let negative = |d: &[f64]| d.iter().map(|d| -d).collect::<Vec<f64>>();
    let (mut all, mut any) = (0.0_f64, 1.0_f64);
    for (offset, drop) in offsets.iter().zip(drops) {
        let deep = flip_p(&negative(drop), std::f64::consts::LN_2);
        all = all.max(equivalent_p(offset, TOLERANCE)).max(deep);
        let against = [
            flip_p(offset, TOLERANCE),
            flip_p(&negative(offset), TOLERANCE),
            flip_p(drop, -std::f64::consts::LN_2),
        ];
        any = against.into_iter().fold(any, f64::min);
    }
    [all, (any * offsets.len() as f64).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_layer_that_is_late_refutes_the_claim() {
        let seeds = |value: f64| (0..8).map(|i| value + 0.01 * f64::from(i)).collect();
        let drops: Vec<Vec<f64>> = vec![seeds(-2.0); 3];
        let [all, any] =
            transition_in_all_layers(&[seeds(0.0), seeds(0.1), seeds(-0.1)], &drops);
        assert!(all <= 0.0040 && any == 1.0, "{all} {any}");
        let [all, any] =
            transition_in_all_layers(&[seeds(0.0), seeds(1.0), seeds(-0.1)], &drops);
        assert!(all > 0.9 && any <= 3.0 * 0.0040, "{all} {any}");
    }
}
