//! In how many dimensions a path drifts and jitters (section 1.3, step 4): independent
//! directions in d dimensions have cosines of variance 1/d.

use std::ops::Range;

use crate::findings::axis::{Window, windows};
use crate::findings::defaults::FEW_PAIRS;
use crate::findings::matrix::{Matrix, Sums};
use crate::findings::series::median;

/// The greatest dimension told apart from more.
const DIM_MAX: usize = 200;
/// Displacements below this share of the mean squared one have no direction.
const SHORT: f64 = 0.02;

/// d₁ = round(1/mean squared deviation of the cosines between displacements of cuts whose
/// windows of length `h` are disjoint), in 2 … 200.
///
/// The deviation is from a straight line in the difference of the cuts' positions (with more
/// than 10 pairs; else from the mean), because a path that turns slowly has cosines that fall
/// with it. [`FEW_PAIRS`] with fewer than 5 pairs or 4 cuts that move. Cost O(T²).
pub fn drift_dimension(d2: &Matrix, x: &[f64], h: f64) -> usize {
    let sums = Sums::of(d2);
    let windows = windows(x, h, 2);
    let u: Vec<f64> = windows.iter().map(|&w| sums.between_means(w)).collect();
    let moving: Vec<f64> = u.iter().copied().filter(|&u| u > 0.0).collect();
    if moving.len() < 4 {
        return FEW_PAIRS;
    }
    let short = SHORT * moving.iter().sum::<f64>() / moving.len() as f64;
    let mut cosines: Vec<(f64, f64)> = vec![];
    for (i, first) in windows.iter().enumerate() {
        for (j, second) in windows.iter().enumerate().skip(i + 1) {
            if second.start >= first.end && u[i].min(u[j]) > short {
                let cosine = dot(&sums, *first, *second) / (u[i] * u[j]).sqrt();
                cosines.push(((j - i) as f64, cosine.clamp(-1.0, 1.0)));
            }
        }
    }
    if cosines.len() < 5 {
        return FEW_PAIRS;
    }
    let variance = deviation(&cosines).max(1.0 / DIM_MAX as f64);
    rounded(1.0 / variance, 2)
}

/// Inner product of the displacements across two windows: −½ of the double difference of the
/// mean squared distances between their sides.
fn dot(sums: &Sums, first: Window, second: Window) -> f64 {
    let mean = |rows: Range<usize>, columns| sums.mean(rows, columns);
    -0.5 * (mean(first.after(), second.after())
        - mean(first.after(), second.before())
        - mean(first.before(), second.after())
        + mean(first.before(), second.before()))
}

/// Mean squared deviation of y in (x, y) from the straight line nearest to it, or from the
/// mean of up to ten.
fn deviation(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean_x = points.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_y = points.iter().map(|p| p.1).sum::<f64>() / n;
    let xx: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    let xy: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    let slope = if points.len() > 10 && xx > 0.0 { xy / xx } else { 0.0 };
    let residual = |p: &(f64, f64)| p.1 - mean_y - slope * (p.0 - mean_x);
    points.iter().map(|p| residual(p).powi(2)).sum::<f64>() / n
}

/// d = round(1/mean squared deviation of the cosines between single steps from the median of
/// their lag), over lags 3 … T − 5, in 4 … 200. Cost O(T²).
///
/// # Panics
/// With fewer than eight checkpoints.
pub fn jitter_dimension(d2: &Matrix) -> usize {
    let steps = d2.n() - 1;
    let dot = |i: usize, j: usize| {
        0.5 * (d2.at(i, j + 1) + d2.at(i + 1, j) - d2.at(i + 1, j + 1) - d2.at(i, j))
    };
    let length: Vec<f64> = (0..steps).map(|i| dot(i, i).max(1e-30).sqrt()).collect();
    let (mut squares, mut n) = (0.0, 0);
    for lag in 3..steps - 3 {
        let cosines: Vec<f64> = (0..steps - lag)
            .map(|i| dot(i, i + lag) / (length[i] * length[i + lag]))
            .collect();
        let middle = median(&cosines);
        squares += cosines.iter().map(|c| (c - middle).powi(2)).sum::<f64>();
        n += cosines.len();
    }
    rounded(1.0 / (squares / n as f64).max(1e-9), 4)
}

/// The nearest whole number from `least` to [`DIM_MAX`].
fn rounded(dimension: f64, least: usize) -> usize {
    (dimension.round_ties_even() as usize).clamp(least, DIM_MAX)
}
