//! Bursts: peaks of the log speed that smooth drift does not give (section 1.4).

use rayon::prelude::*;
use serde::Serialize;

use crate::findings::defaults::MIN_PROMINENCE;
use crate::findings::series::{null_fit, peaks};

/// A peak of the log speed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Burst {
    /// Position among the cuts.
    pub cut: usize,
    /// How far the log speed rises above the higher of the two valleys beside it, in e-folds.
    pub prominence: f64,
    /// p-value against a path without this peak.
    pub p: f64,
}

/// The peaks accepted as bursts, and the first rejected one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bursts {
    /// Most prominent first.
    pub accepted: Vec<Burst>,
    /// The peak at which the search stopped; none where it ran out of peaks, or after
    /// `most`.
    pub rejected: Option<Burst>,
}

/// Accepts the peaks of the log speed `y`, most prominent first, while
///
/// ```text
/// pₘ₊₁ = (1 + #{draws whose (m+1)-th largest prominence of null + fluctuation ≥ that of y})/(B + 1)
/// ```
///
/// is at most `alpha` and the prominence at least 0.2 (a speed at least 22 % above the higher
/// of the two valleys), at most `most` of them. The null has the peaks accepted so far and no
/// other (`null_fit`), so constant, decaying, growing and U-shaped speeds are all null, and
/// the chance of any false burst is that of the first test (as in Silverman's test of modes).
///
/// *Shapes* `y: [cuts]`, `fluctuations: [draws, cuts]`. Cost O(draws·cuts·bursts).
pub fn bursts(y: &[f64], fluctuations: &[Vec<f64>], alpha: f64, most: usize) -> Bursts {
    let mut accepted: Vec<Burst> = vec![];
    for (m, peak) in peaks(y).into_iter().take(most).enumerate() {
        let mut modes: Vec<usize> = accepted.iter().map(|burst| burst.cut).collect();
        modes.sort_unstable();
        let null = null_fit(y, &modes);
        let reaches = |fluctuation: &&Vec<f64>| {
            let draw: Vec<f64> =
                null.iter().zip(*fluctuation).map(|(null, f)| null + f).collect();
            peaks(&draw).get(m).is_some_and(|p| p.prominence >= peak.prominence)
        };
        let reached = fluctuations.par_iter().filter(reaches).count();
        let p = (1 + reached) as f64 / (fluctuations.len() + 1) as f64;
        let burst = Burst { cut: peak.at, prominence: peak.prominence, p };
        if p > alpha || peak.prominence < MIN_PROMINENCE {
            return Bursts { accepted, rejected: Some(burst) };
        }
        accepted.push(burst);
    }
    Bursts { accepted, rejected: None }
}

/// First and last position of the unbroken run around `at` where `high` holds.
///
/// Of a burst, the cuts with y ≥ peak − prominence/2. Its resolution is about half a window
/// on each side: two bursts closer than 0.7 of log time are one.
pub fn span(n: usize, at: usize, high: impl Fn(usize) -> bool) -> [usize; 2] {
    let first = (0..at).rev().take_while(|&i| high(i)).last().unwrap_or(at);
    let last = (at + 1..n).take_while(|&i| high(i)).last().unwrap_or(at);
    [first, last]
}
