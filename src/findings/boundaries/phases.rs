//! Phases: the intervals between boundaries (section 1.6).

use serde::{Deserialize, Serialize};

use super::merge::Boundary;
use crate::findings::axis::{epoch_of, gradient};
use crate::findings::curves::speed;
use crate::findings::matrix::Matrix;
use crate::findings::series::median;

/// One phase of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Epoch at which it begins: that of a boundary, or the first checkpoint.
    #[serde(serialize_with = "crate::phases::whole")]
    pub from: f64,
    /// Epoch at which it ends: that of a boundary, or the last checkpoint.
    #[serde(serialize_with = "crate::phases::whole")]
    pub to: f64,
    /// Length of the path, Σ √max(v², 0)·Δξ over the cuts in it.
    pub path: f64,
    /// Angle between its first and its last checkpoint in radians.
    pub net: f64,
    /// net/path; none for a path of no length.
    pub straightness: Option<f64>,
    /// Median roughness ρ of its checkpoints; none without one.
    pub roughness: Option<f64>,
}

/// The phases between the boundaries that are not at an edge; K = 1 + their number.
///
/// *Shapes* `s: [T, T]`, `x: [T]`, `times`, `v2: [cuts]`, `r2: [T − 2]`.
///
/// # Panics
/// If there are no checkpoints.
pub fn phases(
    s: &Matrix,
    x: &[f64],
    times: &[f64],
    v2: &[f64],
    r2: &[f64],
    boundaries: &[Boundary],
) -> Vec<Phase> {
    let inner = boundaries.iter().filter(|b| !b.edge).map(|b| b.log_time);
    let mut edges = vec![x[0]];
    edges.extend(inner);
    edges.push(x[x.len() - 1]);
    let lengths: Vec<f64> =
        speed(v2).iter().zip(gradient(times)).map(|(v, dx)| v * dx).collect();
    let phase = |edges: &[f64]| {
        let within = |x: f64| (edges[0]..=edges[1]).contains(&x);
        let path =
            (0..times.len()).filter(|&c| within(times[c])).map(|c| lengths[c]).sum();
        let rows: Vec<usize> = (0..x.len()).filter(|&i| within(x[i])).collect();
        let (first, last) = (rows[0], rows[rows.len() - 1]);
        let net = s.at(first, last).clamp(-1.0, 1.0).acos();
        let rough = rows.iter().filter(|&&i| i > 0 && i + 1 < x.len());
        let rough: Vec<f64> = rough.map(|&i| r2[i - 1].sqrt()).collect();
        Phase {
            from: epoch_of(edges[0]),
            to: epoch_of(edges[1]),
            path,
            net,
            straightness: (path > 0.0).then(|| net / path),
            roughness: (!rough.is_empty()).then(|| median(&rough)),
        }
    };
    edges.windows(2).map(phase).collect()
}
