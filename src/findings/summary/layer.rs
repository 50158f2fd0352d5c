//! All that is found in one layer (section 8.2).

use serde::{Deserialize, Serialize};

use super::path::{Geometry, LayerCurves, Path};
use super::weights::{LayerWeights, WeightsControl};
use crate::findings::axis::epoch_of;
use crate::findings::boundaries::{
    Boundary, Event, Found, PERFECT_FIT, Phase, Schedule, Steps, boundaries, bursts,
    phases,
};
use crate::findings::contrast::{
    Contrast, Detectors, Distinctness, prominence_of_drift, visible_contrast,
};
use crate::findings::convergence::{
    InitialMemory, Settled, done_times, initial_memory, settled,
};
use crate::findings::curves::{Speedometer, log_speed, roughness2};
use crate::findings::defaults::{ALPHA, DRAWS, H, MOST_BURSTS};
use crate::findings::matrix::Matrix;
use crate::findings::movement::movement;
use crate::findings::perfect_fit::{Drop, Drops};
use crate::findings::surrogates::fluctuations;

/// One layer's similarity matrix and what it is of.
#[derive(Debug, Clone, Copy)]
pub struct LayerInput<'a> {
    /// Name of the layer.
    pub layer: &'a str,
    /// Its position, the first layer's being 0.
    pub depth: usize,
    /// Name of the measure.
    pub measure: &'a str,
    /// Name of the group of examples.
    pub group: &'a str,
    /// What the measure's distances are.
    pub geometry: Geometry,
    /// Epochs of all checkpoints.
    pub epoch: &'a [f64],
    /// S: their similarities; NaN in the rows of undefined ones.
    pub similarity: &'a Matrix,
    /// S without each of the groups of examples.
    pub replicates: Replicates<'a>,
    /// The weights up to the layer.
    pub weights: Option<&'a LayerWeights>,
}

/// The similarities without each of the groups of examples, for standard errors.
#[derive(Debug, Clone, Copy)]
pub enum Replicates<'a> {
    /// Of each group.
    Of(&'a [Matrix]),
    /// Why there are none.
    Missing(&'a str),
}

/// What is known of the run.
#[derive(Debug, Clone, Copy)]
pub struct RunContext<'a> {
    /// What happened when; `perfect-fit` is the event of section 3.
    pub events: &'a [Event],
    /// The learning rates.
    pub schedule: Option<&'a Schedule>,
    /// First and second minimum of the test error in epochs: the window of movement. None:
    /// the whole axis.
    pub window: Option<[f64; 2]>,
    /// Surrogates per layer.
    pub draws: usize,
}

impl Default for RunContext<'_> {
    fn default() -> Self {
        Self { events: &[], schedule: None, window: None, draws: DRAWS }
    }
}

/// How much a layer moves within a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Movement {
    /// First and last epoch.
    #[serde(serialize_with = "crate::findings::whole::each")]
    pub window: [f64; 2],
    /// Mean angle between its checkpoints in radians; none with fewer than two in it.
    pub value: Option<f64>,
    /// Jackknife standard error; none without groups.
    pub se: Option<f64>,
}

/// When a layer stays similar to its last checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SettledAt {
    #[serde(rename = "0.9")]
    pub at_0_9: Settled,
    #[serde(rename = "0.99")]
    pub at_0_99: Settled,
}

/// A peak that is no burst.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RejectedPeak {
    #[serde(serialize_with = "crate::phases::whole")]
    pub epoch: f64,
    pub prominence: f64,
    pub p: f64,
}

/// The clearest step of a layer's roughness, whether it is a boundary or not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct LargestStep {
    #[serde(serialize_with = "crate::phases::whole")]
    pub epoch: f64,
    pub step: f64,
    pub p: f64,
}

/// All that is found in one layer. What is none has its `reason`: `does not move`, `fewer
/// than 12 checkpoints` (nothing), `fewer than 20 checkpoints` (no p-values).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerFindings {
    /// Name of the layer.
    pub layer: String,
    /// Its position.
    pub depth: usize,
    /// Name of the measure.
    pub measure: String,
    /// Name of the group of examples.
    pub group: String,
    /// Why something is missing.
    pub reason: Option<String>,
    /// Why there are no standard errors.
    pub se_reason: Option<String>,
    /// Hurst exponent of the drift.
    pub hurst: Option<f64>,
    /// d₁.
    pub drift_dimension: Option<usize>,
    /// d.
    pub jitter_dimension: Option<usize>,
    /// Whether it moves by less than two standard errors in the whole run; none without
    /// groups.
    pub at_floor: Option<bool>,
    /// Boundaries in the order of time.
    pub boundaries: Option<Vec<Boundary>>,
    /// The first peak that is no burst.
    pub rejected: Option<RejectedPeak>,
    /// The clearest step of the roughness.
    pub settling: Option<LargestStep>,
    /// The phases between the boundaries.
    pub phases: Option<Vec<Phase>>,
    /// Λ.
    pub distinctness: Option<Distinctness>,
    /// The contrast of the best three blocks.
    pub visible: Option<Contrast>,
    /// Cuts of the other detectors, in epochs.
    pub others: Option<Detectors>,
    /// How well they agree: mean F1 over their six pairs.
    pub concordance: Option<f64>,
    /// What happens at the perfect fit.
    pub perfect_fit: Option<Drop>,
    /// Movement between the first and the second minimum of the test error.
    pub movement: Option<Movement>,
    /// When it settles at its last value.
    pub settled: Option<SettledAt>,
    /// What it remembers of its first value.
    pub init_memory: Option<InitialMemory>,
    /// Log times at which 10, 50 and 90 % of the path are done.
    pub half_time: Option<[f64; 3]>,
    /// The weights up to it as control.
    pub weights: Option<WeightsControl>,
    /// Its curves, for `curves.csv` and figures.
    #[serde(skip)]
    pub curves: Option<LayerCurves>,
    /// Log time of the steepest fall of its roughness.
    #[serde(skip)]
    pub steepest: Option<f64>,
}

impl LayerFindings {
    /// Finds all that one matrix shows. Cost: that of the surrogates (T = 41 and 399 draws:
    /// about 0.2 s on one core); the same bytes at any number of threads.
    ///
    /// # Panics
    /// If shapes differ.
    pub fn of(input: &LayerInput<'_>, run: &RunContext<'_>) -> Self {
        let mut found = Self::empty(input);
        let replicates = match input.replicates {
            Replicates::Of(replicates) => replicates,
            Replicates::Missing(reason) => {
                found.se_reason = Some(reason.into());
                &[]
            }
        };
        match Path::of(input.epoch, input.similarity, replicates) {
            Err(reason) => found.reason = Some(reason),
            Ok(path) => {
                if path.replicates.is_empty() && !replicates.is_empty() {
                    found.se_reason =
                        Some("undefined without a group of examples".into());
                }
                let drops = Drops::of(&path.d2, &path.x);
                found.describe(&path, &drops, run);
                found.reason = path.without_p_values(input.geometry);
                if found.reason.is_none() {
                    found.test(&path, input, run);
                }
                found.compare_with_weights(input.weights, &drops, run);
            }
        }
        found
    }

    fn empty(input: &LayerInput<'_>) -> Self {
        Self {
            layer: input.layer.into(),
            depth: input.depth,
            measure: input.measure.into(),
            group: input.group.into(),
            reason: None,
            se_reason: None,
            hurst: None,
            drift_dimension: None,
            jitter_dimension: None,
            at_floor: None,
            boundaries: None,
            rejected: None,
            settling: None,
            phases: None,
            distinctness: None,
            visible: None,
            others: None,
            concordance: None,
            perfect_fit: None,
            movement: None,
            settled: None,
            init_memory: None,
            half_time: None,
            weights: None,
            curves: None,
            steepest: None,
        }
    }

    /// What needs no surrogates.
    fn describe(&mut self, path: &Path, drops: &Drops, run: &RunContext<'_>) {
        let Path { epoch, x, s, .. } = path;
        let (first, last) = (x[0], x[x.len() - 1]);
        let whole = movement(s, x, first, last);
        self.at_floor = path.movement_se(first, last).map(|se| whole < 2.0 * se);
        self.visible = visible_contrast(s, x);
        if let Some(visible) = &mut self.visible {
            visible.se = path.contrast_se();
        }
        let others = Detectors::of(s, x);
        self.concordance = Some(others.concordance());
        self.others = Some(others);
        self.perfect_fit = fit_time(run).map(|at| {
            let drop_se = path.drop_se(at);
            Drop { drop_se, ..drops.drop_at(at) }
        });
        self.steepest = Some(drops.steepest());
        self.movement = Some(movement_in(path, run.window));
        let at = |tau: f64| settled(s, epoch, tau);
        self.settled = Some(SettledAt { at_0_9: at(0.9), at_0_99: at(0.99) });
        self.init_memory = Some(initial_memory(s, epoch));
        let curves = LayerCurves::of(path);
        self.half_time = done_times(&curves.speed2, &curves.cut_time);
        self.curves = Some(curves);
    }

    /// What is tested against surrogates.
    fn test(&mut self, path: &Path, input: &LayerInput<'_>, run: &RunContext<'_>) {
        let Path { x, d2, .. } = path;
        let stream =
            format!("findings/{}/{}/{}", input.measure, input.group, input.layer);
        let drawn = fluctuations(d2, x, &stream, run.draws, input.geometry.inflate());
        let speedometer = Speedometer::new(x, H, drawn.model.hurst);
        let times = speedometer.cut_times();
        let y = log_speed(&speedometer.speed2(d2));
        let bursts = bursts(&y, &drawn.log_speed, ALPHA, MOST_BURSTS);
        let steps = Steps::of(d2, x, &drawn.log_roughness);
        let distinctness = Distinctness::of(&y, &drawn.log_speed, &steps);
        let drift = [
            prominence_of_drift(&y, &drawn.log_speed),
            steps.drawn.iter().sum::<f64>() / steps.drawn.len() as f64,
        ];
        let se = path.distinctness_se(&speedometer, drift);
        self.distinctness = Some(Distinctness { se, ..distinctness });
        let step = steps.settling();
        self.settling =
            Some(LargestStep { epoch: epoch_of(step.time), step: step.step, p: step.p });
        self.rejected = bursts.rejected.map(|peak| RejectedPeak {
            epoch: epoch_of(times[peak.cut]),
            prominence: peak.prominence,
            p: peak.p,
        });
        let boundaries = boundaries(&Found {
            x,
            times,
            log_speed: &y,
            bursts: &bursts,
            steps: &steps,
            events: run.events,
            schedule: run.schedule,
            detectors: self.others.as_ref().map_or([&[]; 4], Detectors::each),
        });
        self.phases = Some(self.phases_between(path, &boundaries));
        self.boundaries = Some(boundaries);
        self.hurst = Some(drawn.model.hurst);
        self.drift_dimension = Some(drawn.model.drift_dimension);
        self.jitter_dimension = Some(drawn.model.jitter_dimension);
    }

    fn phases_between(&self, path: &Path, boundaries: &[Boundary]) -> Vec<Phase> {
        let curves = self.curves.as_ref().expect("curves are described first");
        let r2 = roughness2(&path.d2, &path.x);
        phases(&path.s, &path.x, &curves.cut_time, &curves.speed2, &r2, boundaries)
    }

    fn compare_with_weights(
        &mut self,
        weights: Option<&LayerWeights>,
        drops: &Drops,
        run: &RunContext<'_>,
    ) {
        let settling = self.boundaries.iter().flatten().find(|b| b.kind.settles());
        let settling = settling.map(|boundary| boundary.log_time);
        self.weights = weights.map(|weights| {
            WeightsControl::of(weights, drops, fit_time(run), settling, self.distinctness)
        });
    }
}

/// Log time of the perfect fit.
fn fit_time(run: &RunContext<'_>) -> Option<f64> {
    let fit = run.events.iter().find(|event| event.name == PERFECT_FIT)?;
    fit.epoch.map(f64::ln_1p)
}

fn movement_in(path: &Path, window: Option<[f64; 2]>) -> Movement {
    let epoch = &path.epoch;
    let window = window.unwrap_or([epoch[0], epoch[epoch.len() - 1]]);
    let [lo, hi] = window.map(f64::ln_1p);
    let value =
        Some(movement(&path.s, &path.x, lo, hi)).filter(|value| value.is_finite());
    Movement { window, value, se: value.and_then(|_| path.movement_se(lo, hi)) }
}
