//! Rate of change and convergence of a layer (section 2).

use serde::{Deserialize, Serialize};

use super::axis::gradient;
use super::curves::speed;
use super::matrix::Matrix;

/// The first epoch from which on a layer stays as similar to its last checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// The epoch.
    #[serde(serialize_with = "crate::phases::whole")]
    pub epoch: f64,
    /// Whether it is one of the last two checkpoints: had training gone on, it would be
    /// later.
    pub censored: bool,
}

/// The first epoch from which on the similarity to the last checkpoint stays at least `tau`.
///
/// # Panics
/// Without checkpoints.
pub fn settled(s: &Matrix, epoch: &[f64], tau: f64) -> Settled {
    let last = epoch.len() - 1;
    let low = (0..=last).rev().find(|&i| s.at(i, last) < tau);
    let at = low.map_or(0, |low| (low + 1).min(last));
    Settled { epoch: epoch[at], censored: at + 1 >= last }
}

/// How much of its first checkpoint a layer remembers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct InitialMemory {
    /// Similarity of the first and the last checkpoint.
    pub similarity: f64,
    /// The first epoch at which half of the way to it is done: S₁ᵢ ≤ (1 + S₁ₜ)/2.
    #[serde(serialize_with = "crate::phases::whole_or_null")]
    pub half_epoch: Option<f64>,
}

/// Similarity to the first checkpoint.
///
/// # Panics
/// Without checkpoints.
pub fn initial_memory(s: &Matrix, epoch: &[f64]) -> InitialMemory {
    let similarity = s.at(0, epoch.len() - 1);
    let half = f64::midpoint(1.0, similarity);
    let at = (0..epoch.len()).find(|&i| s.at(0, i) <= half);
    InitialMemory { similarity, half_epoch: at.map(|at| epoch[at]) }
}

/// arccos of the similarity to the last checkpoint, in radians.
pub fn angle_to_last(s: &Matrix) -> Vec<f64> {
    (0..s.n()).map(|i| s.at(i, s.n() - 1).clamp(-1.0, 1.0).acos()).collect()
}

/// Length of the path: Σ √max(v², 0)·Δξ over the cuts at `times`.
pub fn path_length(v2: &[f64], times: &[f64]) -> f64 {
    speed(v2).iter().zip(gradient(times)).map(|(v, dx)| v * dx).sum()
}

/// The log times at which 10, 50 and 90 % of the path are done; none for a path of no length.
///
/// Each cut's piece of the path, √max(v², 0)·Δξ, is spread evenly over the Δξ around it.
pub fn done_times(v2: &[f64], times: &[f64]) -> Option<[f64; 3]> {
    let total = path_length(v2, times);
    if total <= 0.0 || total.is_nan() {
        return None;
    }
    let widths = gradient(times);
    let pieces = speed(v2);
    let reach = |share: f64| {
        let mut at = times[0] - widths[0] / 2.0;
        let mut left = share * total;
        for (v, dx) in pieces.iter().zip(&widths) {
            if v * dx >= left {
                return at + left / v;
            }
            left -= v * dx;
            at += dx;
        }
        at
    };
    Some([0.1, 0.5, 0.9].map(reach))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_speed_is_half_done_in_the_middle() {
        let times = [1.0, 2.0, 3.0, 4.0];
        let [first, half, last] = done_times(&[4.0; 4], &times).unwrap();
        assert!((half - 2.5).abs() < 1e-12 && (first - 0.9).abs() < 1e-12, "{half}");
        assert!((last - 4.1).abs() < 1e-12);
        assert_eq!(path_length(&[4.0; 4], &times), 8.0);
        assert_eq!(done_times(&[-1.0, 0.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn a_layer_settled_at_the_end_alone_is_censored() {
        let similar = [0.5, 0.95, 0.8, 0.92, 1.0];
        let s = Matrix::from_fn(5, |i, j| if j == 4 { similar[i] } else { 1.0 });
        let epoch = [0., 1., 2., 4., 8.];
        assert_eq!(settled(&s, &epoch, 0.9), Settled { epoch: 4.0, censored: true });
        assert_eq!(settled(&s, &epoch, 0.7), Settled { epoch: 1.0, censored: false });
        assert_eq!(settled(&s, &epoch, 0.1), Settled { epoch: 0.0, censored: false });
    }
}
