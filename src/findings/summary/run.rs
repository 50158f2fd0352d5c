//! All that is found in a run, in the order of `findings.json` (section 8.2).

use serde::{Deserialize, Serialize};

use super::layer::{LayerFindings, RunContext};
use super::path::LayerCurves;
use crate::findings::axis::used_checkpoints;
use crate::findings::boundaries::{Event, as_map, from_map};
use crate::findings::curves::log_speed;
use crate::findings::defaults::{Defaults, TOLERANCE};
use crate::findings::halves::DoubleDescent;
use crate::findings::seeds::jackknife;
use crate::findings::synchrony::{
    asynchrony, coherence, relative_asynchrony, residual, spread,
};

/// Which checkpoints are used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoints {
    /// Number of checkpoints used.
    pub used: usize,
    /// Epochs left out because the next one is so near.
    #[serde(serialize_with = "crate::findings::whole::each")]
    pub dropped: Vec<f64>,
    /// Epochs used; an undefined signature removes one from its layer alone.
    #[serde(serialize_with = "crate::findings::whole::each")]
    pub epochs: Vec<f64>,
}

impl Checkpoints {
    /// Of these epochs.
    pub fn of(epoch: &[f64]) -> Self {
        let kept = used_checkpoints(epoch, &vec![true; epoch.len()]);
        let dropped = (0..epoch.len()).filter(|i| !kept.contains(i));
        Self {
            used: kept.len(),
            dropped: dropped.map(|i| epoch[i]).collect(),
            epochs: kept.iter().map(|&i| epoch[i]).collect(),
        }
    }
}

/// Whether the layers of a run change in step, by one measure on one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Synchrony {
    /// Name of the measure.
    pub measure: String,
    /// Name of the group of examples.
    pub group: String,
    /// Mean displacement of layers in log time; none with fewer than two layers.
    pub asynchrony: Option<f64>,
    /// Its jackknife standard error; none without groups.
    pub se: Option<f64>,
    /// Mean correlation of detrended log speeds.
    pub coherence: Option<f64>,
    /// Standard deviation over layers of the time of the steepest fall of roughness.
    pub spread_settling: Option<f64>,
    /// Layers without curves, with other checkpoints, or that do not move beyond their
    /// errors.
    pub layers_left_out: Vec<String>,
    /// Asynchrony from the first minimum of the test error on, over the spread of all drift.
    pub relative: Option<f64>,
    /// Whether the learning rate changes: synchrony may then be the schedule's.
    pub schedule: bool,
}

impl Synchrony {
    /// Of the layers of one measure and group, in the order of depth. None without layers.
    pub fn of(layers: &[&LayerFindings], run: &RunContext<'_>) -> Option<Self> {
        let name = layers.first()?;
        let axis = layers.iter().find_map(|layer| layer.curves.as_ref());
        let compared: Vec<(&LayerFindings, &LayerCurves)> = layers
            .iter()
            .filter(|layer| layer.at_floor != Some(true))
            .filter_map(|layer| Some((*layer, layer.curves.as_ref()?)))
            .filter(|(_, curves)| axis.is_some_and(|axis| axis.epoch == curves.epoch))
            .collect();
        let is_compared = |layer: &LayerFindings| {
            compared.iter().any(|(other, _)| other.layer == layer.layer)
        };
        let left_out = layers.iter().filter(|layer| !is_compared(layer));
        let v2: Vec<&[f64]> = compared.iter().map(|(_, c)| &c.speed2[..]).collect();
        let times = axis.map_or(&[][..], |axis| &axis.cut_time[..]);
        let both = v2.len() > 1;
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let steepest: Vec<f64> =
            compared.iter().filter_map(|(layer, _)| layer.steepest).collect();
        let residuals: Vec<Vec<f64>> =
            v2.iter().filter_map(|v2| residual(&log_speed(v2), times)).collect();
        let from = run.window.map_or(f64::NEG_INFINITY, |window| window[0].ln_1p());
        Some(Self {
            measure: name.measure.clone(),
            group: name.group.clone(),
            asynchrony: both.then(|| asynchrony(&v2, times)).and_then(finite),
            se: if both { asynchrony_se(&compared, times) } else { None },
            coherence: finite(coherence(&residuals)),
            spread_settling: spread(&steepest),
            layers_left_out: left_out.map(|layer| layer.layer.clone()).collect(),
            relative: both
                .then(|| relative_asynchrony(&v2, times, from))
                .and_then(finite),
            schedule: run.schedule.is_some_and(|schedule| !schedule.is_constant()),
        })
    }
}

fn asynchrony_se(
    compared: &[(&LayerFindings, &LayerCurves)],
    times: &[f64],
) -> Option<f64> {
    let groups = compared.iter().map(|(_, c)| c.speed2_replicates.len()).min()?;
    let without = |group: usize| {
        let v2: Vec<&[f64]> =
            compared.iter().map(|(_, c)| &c.speed2_replicates[group][..]).collect();
        asynchrony(&v2, times)
    };
    jackknife(&(0..groups).map(without).collect::<Vec<_>>())
}

/// Share of the layers with a boundary within ln 1.5 of log time `at`. A boundary that fewer
/// than half of the layers share is descriptive: a run makes some 30 burst tests.
pub fn share_of_layers(layers: &[&LayerFindings], at: f64) -> f64 {
    let has = |layer: &&&LayerFindings| {
        let mut boundaries = layer.boundaries.iter().flatten().filter(|b| !b.edge);
        boundaries.any(|b| (b.log_time - at).abs() <= TOLERANCE)
    };
    layers.iter().filter(has).count() as f64 / layers.len() as f64
}

/// What findings could say besides, and why this run does not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What is missing.
    pub what: String,
    /// Why, and what would give it.
    pub reason: String,
}

/// All that is found in a run: `findings.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFindings {
    /// Version of the format.
    pub format: u32,
    /// The constants behind it.
    pub defaults: Defaults,
    /// Which checkpoints are used.
    pub checkpoints: Checkpoints,
    /// What happened when.
    #[serde(serialize_with = "events_as_map", deserialize_with = "from_map")]
    pub events: Vec<Event>,
    /// Each layer by each measure on each group.
    pub layers: Vec<LayerFindings>,
    /// Synchrony by each measure on each group.
    pub synchrony: Vec<Synchrony>,
    /// The double descent of the test error, images as the unit.
    pub double_descent: DoubleDescent,
    /// What is missing; absent if nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

#[allow(clippy::ptr_arg)] // serde's signature
fn events_as_map<S: serde::Serializer>(
    events: &Vec<Event>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    as_map(events, serializer)
}

impl RunFindings {
    /// Joins what is found in the layers of a run with checkpoints at these epochs. Layers of
    /// one measure and group are in the order of depth.
    pub fn of(
        epoch: &[f64],
        layers: Vec<LayerFindings>,
        double_descent: DoubleDescent,
        run: &RunContext<'_>,
    ) -> Self {
        let mut kinds: Vec<(&str, &str)> = vec![];
        for layer in &layers {
            let kind = (&layer.measure[..], &layer.group[..]);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let of_kind = |&(measure, group): &(&str, &str)| {
            let of_it =
                |layer: &&LayerFindings| layer.measure == measure && layer.group == group;
            let of_it: Vec<&LayerFindings> = layers.iter().filter(of_it).collect();
            Synchrony::of(&of_it, run)
        };
        Self {
            format: 1,
            defaults: Defaults::with_draws(run.draws),
            checkpoints: Checkpoints::of(epoch),
            events: run.events.to_vec(),
            synchrony: kinds.iter().filter_map(of_kind).collect(),
            layers,
            double_descent,
            missing: vec![],
        }
    }
}
