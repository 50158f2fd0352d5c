//! Distinctness Λ: the endpoint for "distinguishable" (section 1.6).

use serde::{Deserialize, Serialize};

use crate::findings::boundaries::Steps;
use crate::findings::series::{highest_prominence, valley_fit};

/// By how many e-folds the rates of change differ across a layer's clearest boundary, beyond
/// what smooth drift gives.
///
/// ```text
/// burst = top(y) − mean_b top(valley_fit(y) + fluctuation_b)        top: highest prominence
/// step  = max|step| − mean_b of the same of power law·exp(2·fluctuation_b), fitted again
/// Λ     = max(0, burst) + max(0, step)
/// ```
///
/// It has no threshold, no number of phases and no unit, and hardly changes when the whole
/// path is twice as long. At most 0.01 for smooth drifts; 1.1 where speeds or roughness differ
/// threefold across the clearest boundary. A part below zero says that the path is smoother
/// than drift, not that its phases are less distinct than none: hence the maxima.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Distinctness {
    /// Λ.
    pub value: f64,
    /// The part of speed.
    pub burst: f64,
    /// The part of roughness.
    pub step: f64,
    /// Jackknife standard error of Λ over examples; none without groups.
    pub se: Option<f64>,
}

impl Distinctness {
    /// Λ of the log speed `y` and the `steps` of the roughness.
    ///
    /// *Shapes* `y: [cuts]`, `fluctuations: [draws, cuts]`. Cost O(draws·cuts).
    pub fn of(y: &[f64], fluctuations: &[Vec<f64>], steps: &Steps) -> Self {
        let burst = highest_prominence(y) - prominence_of_drift(y, fluctuations);
        Self::from_parts(burst, steps.distinctness())
    }

    /// Λ of its parts.
    pub fn from_parts(burst: f64, step: f64) -> Self {
        Self { value: burst.max(0.0) + step.max(0.0), burst, step, se: None }
    }
}

/// Mean highest prominence of valley-shaped speeds with these fluctuations.
pub(in crate::findings) fn prominence_of_drift(
    y: &[f64],
    fluctuations: &[Vec<f64>],
) -> f64 {
    let null = valley_fit(y);
    let tops = fluctuations.iter().map(|fluctuation| {
        let draw: Vec<f64> = null.iter().zip(fluctuation).map(|(y, f)| y + f).collect();
        highest_prominence(&draw)
    });
    tops.sum::<f64>() / fluctuations.len() as f64
}
