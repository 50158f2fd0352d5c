//! A layer's path over the checkpoints that are used, checked once, and its curves.

use crate::findings::axis::{epoch_of, log_time, used_checkpoints};
use crate::findings::curves::{Speedometer, jitter2, roughness2, speed};
use crate::findings::defaults::{H, LEAST_FOR_CURVES, LEAST_FOR_P_VALUES};
use crate::findings::matrix::Matrix;
use crate::findings::seeds::jackknife_curve;

/// Squared distances below which a layer does not move.
const STILL: f64 = 1e-10;

/// What D² = 2(1 − S) is for a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Geometry {
    /// Squared distances of unit vectors: CKA and RBF.
    Vectors,
    /// Squared distances of one-hot decisions: the agreement of decision regions.
    Decisions,
    /// Formally the same, but of no vectors: the shape metric and κ. Curves and movement, no
    /// p-values.
    Formal,
}

impl Geometry {
    /// What the fluctuations of surrogates are multiplied by.
    pub fn inflate(self) -> f64 {
        match self {
            Self::Vectors | Self::Formal => 1.0,
            Self::Decisions => 1.3,
        }
    }
}

/// A path whose distances are all defined.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) epoch: Vec<f64>,
    pub(super) x: Vec<f64>,
    pub(super) s: Matrix,
    pub(super) d2: Matrix,
    /// The same without each of the groups of examples; none where one is undefined.
    pub(super) replicates: Vec<Replicate>,
}

/// The path without one group of examples.
#[derive(Debug, Clone)]
pub(super) struct Replicate {
    pub(super) s: Matrix,
    pub(super) d2: Matrix,
}

impl Path {
    /// The checkpoints of `similarity` that are used, or why there are none.
    pub(super) fn of(
        epoch: &[f64],
        similarity: &Matrix,
        replicates: &[Matrix],
    ) -> Result<Self, String> {
        assert_eq!(epoch.len(), similarity.n(), "epochs and rows of the matrix");
        let defined: Vec<bool> =
            (0..epoch.len()).map(|i| similarity.at(i, i).is_finite()).collect();
        let kept = used_checkpoints(epoch, &defined);
        if kept.len() < LEAST_FOR_CURVES {
            return Err(format!("fewer than {LEAST_FOR_CURVES} checkpoints"));
        }
        let s = similarity.keep(&kept);
        if !s.is_finite() {
            return Err("a similarity is undefined".into());
        }
        let d2 = s.distances();
        if d2.values().iter().all(|d2| *d2 < STILL) {
            return Err("does not move".into());
        }
        let epoch: Vec<f64> = kept.iter().map(|&i| epoch[i]).collect();
        let mut without: Vec<Replicate> = replicates
            .iter()
            .map(|matrix| matrix.keep(&kept))
            .map(|s| Replicate { d2: s.distances(), s })
            .collect();
        if without.iter().any(|replicate| !replicate.s.is_finite()) {
            without.clear();
        }
        Ok(Self { x: log_time(&epoch), epoch, s, d2, replicates: without })
    }

    /// Why there are no p-values; none where there are.
    pub(super) fn without_p_values(&self, geometry: Geometry) -> Option<String> {
        if self.x.len() < LEAST_FOR_P_VALUES {
            return Some(format!("fewer than {LEAST_FOR_P_VALUES} checkpoints"));
        }
        let reason = "curves and movement only: the measure has no vectors to simulate";
        (geometry == Geometry::Formal).then(|| reason.into())
    }
}

/// The curves of a layer, for `curves.csv` and figures.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerCurves {
    /// Epochs of the checkpoints used.
    pub epoch: Vec<f64>,
    /// Their log times.
    pub log_time: Vec<f64>,
    /// Epochs of the cuts.
    pub cut_epoch: Vec<f64>,
    /// Log times of the cuts.
    pub cut_time: Vec<f64>,
    /// Squared speed v² at the cuts, which may be negative.
    pub speed2: Vec<f64>,
    /// Speed √max(v², 0): distance per unit of log time.
    pub speed: Vec<f64>,
    /// Its jackknife standard error; none without groups.
    pub speed_se: Option<Vec<f64>>,
    /// Roughness ρ of each checkpoint; none at the first and the last.
    pub roughness: Vec<Option<f64>>,
    /// Its standard errors.
    pub roughness_se: Vec<Option<f64>>,
    /// Jitter τ of each checkpoint; none at the first two and the last two.
    pub jitter: Vec<Option<f64>>,
    /// v² without each group of examples.
    pub speed2_replicates: Vec<Vec<f64>>,
}

impl LayerCurves {
    pub(super) fn of(path: &Path) -> Self {
        let speedometer = Speedometer::new(&path.x, H, 1.0);
        let speed2 = speedometer.speed2(&path.d2);
        let rough = |d2: &Matrix| -> Vec<f64> {
            roughness2(d2, &path.x).iter().map(|r2| r2.sqrt()).collect()
        };
        let jitter: Vec<f64> =
            jitter2(&path.d2, &path.x).iter().map(|tau2| tau2.sqrt()).collect();
        let speeds: Vec<Vec<f64>> =
            path.replicates.iter().map(|r| speedometer.speed2(&r.d2)).collect();
        let shown: Vec<Vec<f64>> = speeds.iter().map(|v2| speed(v2)).collect();
        let roughnesses: Vec<Vec<f64>> =
            path.replicates.iter().map(|r| rough(&r.d2)).collect();
        let n = path.x.len();
        Self {
            epoch: path.epoch.clone(),
            log_time: path.x.clone(),
            cut_epoch: speedometer.cut_times().iter().map(|&x| epoch_of(x)).collect(),
            cut_time: speedometer.cut_times().to_vec(),
            speed: speed(&speed2),
            speed_se: jackknife_curve(&shown),
            speed2,
            roughness: padded(Some(rough(&path.d2)), n),
            roughness_se: padded(jackknife_curve(&roughnesses), n),
            jitter: padded(Some(jitter), n),
            speed2_replicates: speeds,
        }
    }
}

/// `n` values: the given ones in the middle, none at both ends.
fn padded(values: Option<Vec<f64>>, n: usize) -> Vec<Option<f64>> {
    let Some(values) = values else { return vec![None; n] };
    let ends = vec![None; (n - values.len()) / 2];
    let middle = values.into_iter().map(Some);
    ends.iter().copied().chain(middle).chain(ends.clone()).collect()
}
