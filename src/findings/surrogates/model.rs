//! What a surrogate shares with the observed path (section 1.3, steps 1 to 4).

use super::dimension::{drift_dimension, jitter_dimension};
use crate::findings::axis::interpolate;
use crate::findings::curves::{Speedometer, jitter2, speed};
use crate::findings::defaults::H;
use crate::findings::matrix::{Matrix, Sums};
use crate::findings::series::{median, median_of_five};

/// The least Hurst exponent; decision regions come near it.
const HURST_MIN: f64 = 0.2;
/// The greatest: a straight line has 1, but then no covariance of increments.
const HURST_MAX: f64 = 0.98;

/// How a layer moves, without when.
#[derive(Debug, Clone, PartialEq)]
pub struct PathModel {
    /// Hurst exponent of the drift.
    pub hurst: f64,
    /// Covariance of the drift at the checkpoints, summed over coordinates: M U Mᵀ, with U
    /// the covariance of the increments of fractional Brownian motion in log time and
    /// Mᵢⱼ = vⱼ for j < i.
    pub covariance: Matrix,
    /// Squared jitter τ²ᵢ of each checkpoint.
    pub jitter2: Vec<f64>,
    /// d₁, the dimension of the drift.
    pub drift_dimension: usize,
    /// d ≥ d₁, the dimension of the jitter.
    pub jitter_dimension: usize,
}

impl PathModel {
    /// The model of the path with squared distances `d2` at log times `x`. Cost O(T²).
    ///
    /// # Panics
    /// With fewer than eight checkpoints.
    pub fn of(d2: &Matrix, x: &[f64]) -> Self {
        let hurst = persistence(d2, x);
        let drift = drift_dimension(d2, x, H / 2.0);
        Self {
            hurst,
            covariance: covariance(&local_speed(d2, x, hurst), x, hurst),
            jitter2: median_of_five(&jitter2(d2, x), 2),
            drift_dimension: drift,
            jitter_dimension: drift.max(jitter_dimension(d2)),
        }
    }
}

/// Hurst exponent from speeds in windows of two lengths:
///
/// ```text
/// clip(1 + ½ median_c log₂(v²₂ₕ(c)/v²ₕ(c)), 0.2, 0.98)
/// ```
///
/// over the cuts where both are positive; 0.5 with fewer than four.
pub fn persistence(d2: &Matrix, x: &[f64]) -> f64 {
    let [narrow, wide] = [H, 2.0 * H].map(|h| Speedometer::new(x, h, 1.0).speed2(d2));
    let ratios: Vec<f64> = narrow
        .iter()
        .zip(&wide)
        .filter(|(narrow, wide)| **narrow > 0.0 && **wide > 0.0)
        .map(|(narrow, wide)| (wide / narrow).log2())
        .collect();
    if ratios.len() < 4 {
        return 0.5;
    }
    (1.0 + 0.5 * median(&ratios)).clamp(HURST_MIN, HURST_MAX)
}

/// The speed of each step: interpolated at the steps' middles, running median of five. Its
/// unit is that of a path with this Hurst exponent, which removes the bias that unequal
/// spacing gives to diffusive paths.
fn local_speed(d2: &Matrix, x: &[f64], hurst: f64) -> Vec<f64> {
    let speedometer = Speedometer::new(x, H, hurst);
    let v2: Vec<f64> = speedometer.speed2(d2).iter().map(|v2| v2.max(0.0)).collect();
    let middle = |step: &[f64]| f64::midpoint(step[0], step[1]);
    let at_steps: Vec<f64> = x
        .windows(2)
        .map(|step| interpolate(middle(step), speedometer.cut_times(), &v2))
        .collect();
    median_of_five(&speed(&at_steps), 0)
}

/// M U Mᵀ: as Mᵢⱼ = vⱼ for j < i, the cumulative sums of vᵢ Uᵢⱼ vⱼ over both axes.
fn covariance(v: &[f64], x: &[f64], hurst: f64) -> Matrix {
    let power = |t: f64| t.abs().powf(2.0 * hurst);
    let motion = |s: f64, t: f64| 0.5 * (power(s) + power(t) - power(s - t));
    let increments = Matrix::from_fn(v.len(), |i, j| {
        let across = |s: f64| motion(s, x[j + 1]) - motion(s, x[j]);
        v[i] * v[j] * (across(x[i + 1]) - across(x[i]))
    });
    let sums = Sums::of(&increments);
    Matrix::from_fn(x.len(), |i, j| sums.first(i, j))
}
