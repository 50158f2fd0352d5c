//! Constants of the findings (section 0), results of simulations and not settings of the
//! paper, which names none.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

/// Length of a window in log time. 0.45 does as well in simulations, but holds two
/// checkpoints where they are spaced by a factor 1.25; 1.0 misses a third of weak bursts.
pub const H: f64 = 0.7;
/// Log time that a checkpoint must be before the next one used.
pub const MIN_GAP: f64 = 0.02;
/// Least prominence of a burst in e-folds.
pub const MIN_PROMINENCE: f64 = 0.2;
/// Least step of a settling in e-folds: part of the test, because real jitter follows no exact
/// power law.
pub const MIN_STEP: f64 = LN_2;
/// Level of all tests.
pub const ALPHA: f64 = 0.05;
/// ln 1.5: "the same time".
pub const TOLERANCE: f64 = 0.4054651081081644;
/// Groups of examples that standard errors leave out in turn.
pub const GROUPS: usize = 16;
/// Surrogates per layer.
pub const DRAWS: usize = 399;
/// Most bursts of one layer.
pub const MOST_BURSTS: usize = 4;
/// Dimension of the drift where too few cuts move to tell.
pub const FEW_PAIRS: usize = 10;
/// Checkpoints for curves without p-values.
pub const LEAST_FOR_CURVES: usize = 12;
/// Checkpoints for p-values.
pub const LEAST_FOR_P_VALUES: usize = 20;

/// The defaults as they stand in `findings.json`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Defaults {
    pub h: f64,
    pub min_prominence: f64,
    pub min_step: f64,
    pub alpha: f64,
    pub draws: usize,
    pub tolerance: f64,
}

impl Defaults {
    /// With this number of surrogates.
    pub fn with_draws(draws: usize) -> Self {
        Self {
            h: H,
            min_prominence: MIN_PROMINENCE,
            min_step: MIN_STEP,
            alpha: ALPHA,
            draws,
            tolerance: TOLERANCE,
        }
    }
}
