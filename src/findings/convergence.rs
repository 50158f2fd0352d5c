//! Rate of change and convergence of a layer (section 2).

use serde::{Deserialize, Serialize};

use super::axis::{gradient, weights};
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

/// How similar a checkpoint is to others of its layer. NaN where there is none to compare with, or
/// a similarity is undefined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToOthers {
    /// To the checkpoint before it.
    pub previous: f64,
    /// To the last one.
    pub last: f64,
    /// Mean over all later ones, weighted by log time:
    ///
    /// ```text
    /// Σ_{j>i} wⱼ Sᵢⱼ / Σ_{j>i} wⱼ
    /// ```
    ///
    /// with the trapezoid weights of the whole axis, so that it does not depend on how densely
    /// checkpoints were saved.
    pub future: f64,
}

/// Similarity of every checkpoint to the previous one, to the last one, and to all later ones.
/// Cost O(T²).
///
/// # Panics
/// If lengths differ, or with fewer than two checkpoints.
pub fn to_others(s: &Matrix, x: &[f64]) -> Vec<ToOthers> {
    assert_eq!(s.n(), x.len(), "rows and log times");
    let (n, w) = (x.len(), weights(x));
    let of = |i: usize| {
        let later = || i + 1..n;
        let total: f64 = later().map(|j| w[j]).sum();
        ToOthers {
            previous: if i > 0 { s.at(i, i - 1) } else { f64::NAN },
            last: s.at(i, n - 1),
            future: later().map(|j| w[j] * s.at(i, j)).sum::<f64>() / total,
        }
    };
    (0..n).map(of).collect()
}

/// The stabilization epoch: the first from which on the similarity of neighboring checkpoints is at
/// least `tau` for `k` steps in a row; none if it never is. `previous[i]` is the similarity of
/// checkpoint i to that before it.
///
/// # Panics
/// If lengths differ.
pub fn stabilization(
    previous: &[f64],
    epoch: &[f64],
    (tau, k): (f64, usize),
) -> Option<f64> {
    assert_eq!(previous.len(), epoch.len(), "similarities and epochs");
    let steps = previous.get(1..)?;
    let is_stable = |window: &[f64]| window.iter().all(|s| *s >= tau);
    steps.windows(k.max(1)).position(is_stable).map(|at| epoch[at])
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
    #[test]
    fn a_layer_is_stable_once_all_of_so_many_steps_are_small() {
        let previous = [f64::NAN, 0.95, 0.5, 0.91, f64::NAN, 0.92, 0.93, 0.99];
        let epoch = [0., 1., 2., 4., 8., 16., 32., 64.];
        let at = |tau, k| stabilization(&previous, &epoch, (tau, k));
        assert_eq!(at(0.9, 1), Some(0.0));
        assert_eq!(at(0.9, 2), Some(8.0));
        assert_eq!(at(0.9, 3), Some(8.0));
        assert_eq!(at(0.9, 4), None);
        assert_eq!(at(0.99, 1), Some(32.0));
        assert_eq!(stabilization(&[], &[], (0.9, 1)), None);
    }

    #[test]
    fn a_checkpoint_is_compared_with_those_before_and_after_it() {
        let s = Matrix::from_fn(3, |i, j| 1.0 - 0.1 * (i as f64 - j as f64).abs());
        let [first, middle, last] = to_others(&s, &[0.0, 1.0, 3.0])[..] else { panic!() };
        // Weights 0.5, 1.5, 1.
        assert!((first.future - (1.5 * 0.9 + 0.8) / 2.5).abs() < 1e-12);
        assert!(first.previous.is_nan() && (first.last - 0.8).abs() < 1e-12);
        assert_eq!((middle.previous, middle.future, last.last), (0.9, 0.9, 1.0));
        assert!(last.future.is_nan());
    }
}
