//! Weights as control (section 3a): most of a settling is the optimizer coming to rest, so
//! each layer is read beside the weights up to it.

use serde::{Deserialize, Serialize};

use super::path::{LayerCurves, Path};
use crate::findings::axis::{log_time, used_checkpoints};
use crate::findings::boundaries::Steps;
use crate::findings::contrast::Distinctness;
use crate::findings::curves::{Speedometer, log_speed, roughness2};
use crate::findings::defaults::{H, LEAST_FOR_CURVES, LEAST_FOR_P_VALUES};
use crate::findings::matrix::Matrix;
use crate::findings::perfect_fit::{Drops, ExcessSettling};
use crate::findings::surrogates::fluctuations;

/// The path of the weights up to a layer: its roughness, drops and distinctness. Computed once
/// per layer, for all measures and groups.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerWeights {
    /// Epochs of the checkpoints used.
    pub epoch: Vec<f64>,
    /// ρ of the weights at all of them but the first and the last.
    pub roughness: Vec<f64>,
    /// The steps of ln ρ.
    pub drops: Drops,
    /// Λʷ; none with fewer than 20 checkpoints or where only distances to the two rows
    /// before are known.
    pub distinctness: Option<Distinctness>,
    /// All curves; their speed is undefined where only distances to the two rows before are
    /// known.
    pub curves: LayerCurves,
}

impl LayerWeights {
    /// From D²ʷᵢⱼ = ‖wᵢ − wⱼ‖², w all parameters up to and including `layer`, each tensor
    /// divided by its norm. A recording knows distances to the two rows before alone: NaN
    /// elsewhere. None with fewer than 12 checkpoints.
    ///
    /// *Shapes* `epoch: [T]`, `d2: [T, T]`. Cost: that of `draws` surrogates.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn of(layer: &str, epoch: &[f64], d2: &Matrix, draws: usize) -> Option<Self> {
        assert_eq!(epoch.len(), d2.n(), "epochs and rows of the matrix");
        let kept = used_checkpoints(epoch, &vec![true; epoch.len()]);
        if kept.len() < LEAST_FOR_CURVES {
            return None;
        }
        let epoch: Vec<f64> = kept.iter().map(|&i| epoch[i]).collect();
        let (x, d2) = (log_time(&epoch), d2.keep(&kept));
        let moves = d2.values().iter().any(|d2| *d2 > 0.0);
        let whole = d2.is_finite() && moves && kept.len() >= LEAST_FOR_P_VALUES;
        let unit = Matrix::from_fn(d2.n(), |i, j| 1.0 - d2.at(i, j) / 2.0);
        let path = Path {
            epoch: epoch.clone(),
            x: x.clone(),
            s: unit,
            d2: d2.clone(),
            replicates: vec![],
        };
        Some(Self {
            curves: LayerCurves::of(&path),
            roughness: roughness2(&d2, &x).iter().map(|r2| r2.sqrt()).collect(),
            drops: Drops::of(&d2, &x),
            distinctness: whole.then(|| distinctness(layer, &d2, &x, draws)),
            epoch,
        })
    }
}

fn distinctness(layer: &str, d2: &Matrix, x: &[f64], draws: usize) -> Distinctness {
    let stream = format!("findings/weights/all/{layer}");
    let fluctuations = fluctuations(d2, x, &stream, draws, 1.0);
    let speedometer = Speedometer::new(x, H, fluctuations.model.hurst);
    let y = log_speed(&speedometer.speed2(d2));
    let steps = Steps::of(d2, x, &fluctuations.log_roughness);
    Distinctness::of(&y, &fluctuations.log_speed, &steps)
}

/// A layer beside the weights up to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WeightsControl {
    /// At the perfect fit; none without one.
    pub at_fit: Option<ExcessSettling>,
    /// At the layer's settling; none without one.
    pub at_settling: Option<ExcessSettling>,
    /// Λʷ of the weights.
    pub distinctness: Option<Distinctness>,
    /// Λ − Λʷ.
    pub excess_distinctness: Option<f64>,
}

impl WeightsControl {
    /// Compares a layer's drops and Λ with those of the weights, at log times.
    pub(super) fn of(
        weights: &LayerWeights,
        drops: &Drops,
        fit: Option<f64>,
        settling: Option<f64>,
        distinctness: Option<Distinctness>,
    ) -> Self {
        let at = |time: f64| ExcessSettling::at(time, drops, &weights.drops);
        let own = weights.distinctness;
        Self {
            at_fit: fit.and_then(at),
            at_settling: settling.and_then(at),
            distinctness: own,
            excess_distinctness: distinctness
                .zip(own)
                .map(|(layer, w)| layer.value - w.value),
        }
    }
}
