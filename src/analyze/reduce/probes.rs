//! The probes of one checkpoint: of all layers from one forward pass over the images, or from
//! a few where their features do not fit `analysis.memory` together.

use rayon::prelude::*;

use super::depth;
use super::features::{design_bytes, probe_features, sizes};
use super::fit::{FittedProbe, fit_probes};
use crate::analyze::part::{LayerPart, LayerProbe, ProbesOfLayer};
use crate::analyze::plan::{INPUT, Plan, memory, penalty_name};
use crate::analyze::probe_file;
use crate::analyze::store::{self, Stamp};
use crate::array_file::safetensors_bytes;
use crate::data::Split;
use crate::error::{Error, ErrorKind, Result};
use crate::represent::{Layer, Representer};
use crate::run_dir::{Checkpoint, write_file};

/// Fits the probes of every layer and stores those of its own labels. At the first checkpoint
/// the pixels are a layer, too, as a baseline: it comes first.
///
/// A layer that an interrupted process has finished is read, not fitted again.
pub(super) fn fit_all(
    plan: &Plan,
    net: &mut Representer<'_>,
    (checkpoint, previous): (&Checkpoint, Option<&Checkpoint>),
    stamp: &Stamp,
) -> Result<Vec<LayerPart>> {
    let mut layers = plan.layers.clone();
    if previous.is_none() && layers.iter().all(|layer| layer.name != INPUT) {
        let shape = plan.data.train.shape;
        layers.push(Layer { name: INPUT.into(), node: 0, shape });
    }
    let at = AtCheckpoint { plan, checkpoint, previous, stamp };
    let sizes = sizes(plan.data, &layers, plan.pooling);
    let work = design_bytes(plan.data, &layers, plan.pooling);
    let limit = memory::bytes(&plan.experiment.analysis);
    for batch in memory::batches(&sizes, work, limit) {
        at.fit(net, &layers[batch])?;
    }
    let n_baselines = layers.len() - plan.layers.len();
    layers.rotate_right(n_baselines);
    let part = |layer: &Layer| {
        store::read_layer(&plan.run.layer_part(&layer.name, checkpoint.step))
    };
    layers.iter().map(part).collect()
}

/// A checkpoint whose probes are fitted.
struct AtCheckpoint<'a> {
    plan: &'a Plan<'a>,
    checkpoint: &'a Checkpoint,
    previous: Option<&'a Checkpoint>,
    stamp: &'a Stamp,
}

impl AtCheckpoint<'_> {
    /// Fits those of the layers that are not finished, side by side.
    fn fit(&self, net: &mut Representer<'_>, layers: &[Layer]) -> Result<()> {
        let plan = self.plan;
        let pending: Vec<Layer> =
            layers.iter().filter(|layer| !self.is_finished(layer)).cloned().collect();
        if pending.is_empty() {
            return Ok(());
        }
        let mut features = |split| probe_features(net, split, &pending, plan.pooling);
        let train = features(Split::Train)?;
        let test = features(Split::Test)?;
        let work = pending.par_iter().zip(train.par_iter().zip(&test));
        work.map(|(layer, (train, test))| self.finish(layer, train, test)).collect()
    }

    /// Whether the layer is there for its row alone.
    fn is_baseline(&self, layer: &Layer) -> bool {
        self.plan.layers.iter().all(|own| own.name != layer.name)
    }

    /// Whether the layer's rows and probe are there and of this layer.
    fn is_finished(&self, layer: &Layer) -> bool {
        let (plan, step) = (self.plan, self.checkpoint.step);
        let path = plan.run.layer_part(&layer.name, step);
        let fits = |probe: &LayerProbe| {
            let width = plan.pooling.width(layer.shape);
            probe.as_ref().map_or(true, |probe| {
                (probe.n_classes, probe.n_features) == (plan.data.n_classes, width)
            })
        };
        let has_probes = || {
            let probes = plan.probes(layer, self.checkpoint);
            probes.is_ok_and(|probes| probes.iter().all(fits))
        };
        self.stamp.is_on(&path)
            && store::read_layer(&path).is_ok()
            && (self.is_baseline(layer) || has_probes())
    }

    /// Fits one layer and writes its probe, then its rows.
    fn finish(&self, layer: &Layer, train: &[f32], test: &[f32]) -> Result<()> {
        let (plan, step) = (self.plan, self.checkpoint.step);
        if plan.observer.should_stop() {
            let found = format!("stopped before the probe of layer {}", layer.name);
            return Err(Error::new(ErrorKind::Interrupted, "analysis", found));
        }
        let is_baseline = self.is_baseline(layer);
        let warm = match self.previous {
            Some(previous) if !is_baseline => plan.probe(layer, previous)?.ok(),
            _ => None,
        };
        let config = &plan.experiment.analysis.probe;
        let fitted = fit_probes(train, plan.data, config, warm.as_ref());
        for probe in &fitted {
            if let Some(note) = probe.note() {
                plan.observer.note(&format!(
                    "the probe of layer {} at epoch {} (l2 = {}) {note}",
                    layer.name, self.checkpoint.epoch, probe.l2
                ));
            }
        }
        let rows = fitted.iter().map(|probe| probe.row(plan.data, train, test)).collect();
        let probes = ProbesOfLayer { layer: layer.name.clone(), rows };
        let has_depth = plan.experiment.analysis.prediction_depth && !is_baseline;
        let votes = if has_depth { depth::votes(plan, train) } else { vec![] };
        if !is_baseline {
            self.store_probes(layer, &fitted)?;
        }
        let part = LayerPart { probes, votes };
        store::write_layer(&plan.run.layer_part(&layer.name, step), self.stamp, &part)
    }

    /// Writes the probes of a layer's own labels: the first by its names, those of another λ
    /// with that before theirs.
    fn store_probes(&self, layer: &Layer, fitted: &[FittedProbe]) -> Result<()> {
        let plan = self.plan;
        let shape = [plan.data.n_classes, plan.pooling.width(layer.shape)];
        let labels = plan.experiment.analysis.probe.labels;
        let mut stored = probe_file::arrays(&fitted[0].probe(), shape);
        for other in fitted[1..].iter().filter(|other| other.labels == labels) {
            let arrays = probe_file::arrays(&other.probe(), shape).0.into_iter();
            let prefix = penalty_name(other.l2);
            stored.0.extend(arrays.map(|(name, a)| (format!("{prefix}.{name}"), a)));
        }
        let path = plan.run.probe(&layer.name, self.checkpoint.step);
        write_file(&path, &safetensors_bytes(&stored))
    }
}
