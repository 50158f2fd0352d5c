//! Settling: a step of the roughness that a power law does not give (section 1.5).

use rayon::prelude::*;

use super::power_law::PowerLaws;
use crate::findings::axis::{Window, cut_times, windows};
use crate::findings::curves::{diffusion_factor, roughness2};
use crate::findings::defaults::H;
use crate::findings::matrix::Matrix;
use crate::findings::series::{median, position_of_largest};

/// Windows of a step hold at least this many values, so that a median outvotes one that a
/// switch spoils.
const LEAST: usize = 3;

/// The steps of a series: at each cut the median over a window after it less that before it.
#[derive(Debug, Clone)]
pub struct StepCurve {
    windows: Vec<Window>,
    times: Vec<f64>,
}

impl StepCurve {
    /// For values at log times `x`. Windows have the length [`H`] and at least 3 values;
    /// medians, because an abrupt switch spoils two neighbors.
    pub fn new(x: &[f64]) -> Self {
        let windows = windows(x, H, LEAST);
        Self { times: cut_times(x, &windows), windows }
    }

    /// The times of the cuts.
    pub fn cut_times(&self) -> &[f64] {
        &self.times
    }

    /// The step of `z` at each cut.
    pub fn steps(&self, z: &[f64]) -> Vec<f64> {
        let step = |w: &Window| median(&z[w.after()]) - median(&z[w.before()]);
        self.windows.iter().map(step).collect()
    }
}

/// The clearest step of a layer's roughness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settling {
    /// Position among the cuts of [`Steps`].
    pub cut: usize,
    /// Log time.
    pub time: f64,
    /// ½ ln of the ratio of squared roughness after and before, beyond the power law;
    /// negative: it settles.
    pub step: f64,
    /// p-value against roughness that follows a power law.
    pub p: f64,
}

/// Steps of ½ ln(ρ²/power law), observed and in draws without a boundary.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    /// The times of the cuts.
    pub times: Vec<f64>,
    /// The power law fitted to the observed ρ².
    pub fit: Vec<f64>,
    /// The observed steps.
    pub observed: Vec<f64>,
    /// The largest |step| of each draw of fit·exp(2·fluctuation), fitted again.
    pub drawn: Vec<f64>,
}

impl Steps {
    /// *Shapes* `d2: [T, T]`, `x: [T]`, `fluctuations: [draws, T − 2]` of the log roughness.
    /// Cost: 81·T logarithms per draw.
    ///
    /// # Panics
    /// With fewer than eight checkpoints.
    pub fn of(d2: &Matrix, x: &[f64], fluctuations: &[Vec<f64>]) -> Self {
        let inner = &x[1..x.len() - 1];
        let laws = PowerLaws::new(inner, &diffusion_factor(x));
        let curve = StepCurve::new(inner);
        let r2 = roughness2(d2, x);
        let fit = laws.fit(&r2);
        let drawn = fluctuations.par_iter().map(|fluctuation| {
            let drawn: Vec<f64> =
                fit.iter().zip(fluctuation).map(|(f, z)| f * (2.0 * z).exp()).collect();
            largest(&curve.steps(&log_ratio(&drawn, &laws.fit(&drawn))))
        });
        Self {
            drawn: drawn.collect(),
            observed: curve.steps(&log_ratio(&r2, &fit)),
            times: curve.times,
            fit,
        }
    }

    /// The largest step and its p-value: the share of draws with one as large.
    pub fn settling(&self) -> Settling {
        let cut = position_of_largest(&self.observed);
        let step = self.observed[cut];
        let reached = self.drawn.iter().filter(|drawn| **drawn >= step.abs()).count();
        let p = (1 + reached) as f64 / (self.drawn.len() + 1) as f64;
        Settling { cut, time: self.times[cut], step, p }
    }

    /// The largest |step| observed less its mean over the draws: in e-folds, what no power
    /// law with these fluctuations gives.
    pub fn distinctness(&self) -> f64 {
        let mean = self.drawn.iter().sum::<f64>() / self.drawn.len() as f64;
        largest(&self.observed) - mean
    }
}

/// The largest |step| of the observed ρ² beyond its power law, without draws.
pub(in crate::findings) fn largest_step(d2: &Matrix, x: &[f64]) -> f64 {
    largest(&Steps::of(d2, x, &[]).observed)
}

/// ½ ln(ρ²/fit).
fn log_ratio(r2: &[f64], fit: &[f64]) -> Vec<f64> {
    r2.iter().zip(fit).map(|(r2, fit)| 0.5 * (r2 / fit).ln()).collect()
}

fn largest(steps: &[f64]) -> f64 {
    steps.iter().map(|step| step.abs()).fold(0.0, f64::max)
}
