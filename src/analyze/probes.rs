//! The probes of one checkpoint: of all layers from one forward pass over the images, or from
//! a few where their features do not fit `analysis.memory` together.

use std::ops::Range;

use rayon::prelude::*;

use crate::array_file::{
    Array, NamedArrays, Values, npz_bytes, read_npz, safetensors_bytes,
};
use crate::data::{Data, ImageSet};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{ProbeConfig, ProbeLabels, ProbeSolver};
use crate::probe::features::Pooling;
use crate::probe::{
    Design, Fit, FitOptions, HeldOut, Probe, Recipe, Solver, metric_bytes,
};
use crate::represent::{Layer, Representer};
use crate::run_dir::{Checkpoint, write_atomic};

use super::checkpoint::vector;
use super::joined::remove_directory;
use super::plan::{Plan, pooled_nodes};
use super::{INPUT, depth, memory};

/// Folds of the cross-validation over the training images.
const N_FOLDS: usize = 5;
/// Largest entry of the gradient at which a probe counts as optimal. The error of a
/// coefficient is up to 1/λ times that; at 10⁻⁶ a few of 10,000 points near a boundary still
/// had another class than at the exact optimum, at 10⁻⁷ none.
const TOLERANCE: f64 = 1e-7;
/// The same for folds and the probe of the other labels, whose predictions are only counted.
const COUNTED_TOLERANCE: f64 = 1e-6;
/// Numbers of a row: labels (0 noisy, 1 clean) and λ, then those of `probes.csv`.
pub(super) const ROW: usize = 14;

/// Fits the probes of every layer, stores those of its own labels, and puts `probe/<layer>`, the rows
/// of `probes.csv`, and `votes/<layer>` into the part. At the first checkpoint the pixels are
/// a layer, too, as a baseline.
///
/// A layer that an interrupted process has finished is read, not fitted again.
pub(super) fn fit_all(
    plan: &Plan,
    net: &mut Representer,
    checkpoint: &Checkpoint,
    previous: Option<&Checkpoint>,
    part: &mut NamedArrays,
) -> Result<Vec<Vec<Probe>>> {
    let mut layers = plan.layers.clone();
    if previous.is_none() && layers.iter().all(|layer| layer.name != INPUT) {
        let shape = plan.data.train.shape;
        layers.push(Layer { name: INPUT.into(), node: 0, shape });
    }
    let place = Place { plan, checkpoint, previous };
    let sizes = sizes(plan.data, &layers, plan.pooling);
    let work = design_bytes(plan.data, &layers, plan.pooling);
    let limit = memory::bytes(&plan.experiment.analysis);
    for batch in memory::batches(&sizes, work, limit) {
        place.fit(net, &layers[batch])?;
    }
    for layer in &layers {
        let path = plan.run.layer_part(&layer.name, checkpoint.step);
        part.0.extend(read_npz(&path)?.0);
    }
    let probes = plan.layers.iter().map(|layer| plan.probes(layer, checkpoint));
    probes.collect()
}

/// Removes what [`fit_all`] keeps of a checkpoint until its part is written.
pub(super) fn forget(plan: &Plan, checkpoint: &Checkpoint) -> Result<()> {
    remove_directory(&plan.run.layer_parts(checkpoint.step))
}

/// Bytes of each layer's features of all images.
pub(super) fn sizes(data: &Data, layers: &[Layer], pooling: Pooling) -> Vec<u64> {
    let n = data.noisy.len() + data.test.labels.len();
    layers.iter().map(|layer| (4 * n * pooling.width(layer.shape)) as u64).collect()
}

/// Bytes of the largest layer's design and fit: features and reflections in f64, the metric.
pub(super) fn design_bytes(data: &Data, layers: &[Layer], pooling: Pooling) -> u64 {
    let n = data.noisy.len();
    let bytes = |layer: &Layer| {
        let width = pooling.width(layer.shape);
        24 * n * width + metric_bytes(n.min(width) + 1, data.n_classes)
    };
    layers.iter().map(bytes).max().unwrap_or(0) as u64
}

/// Where probes are fitted.
struct Place<'a> {
    plan: &'a Plan<'a>,
    checkpoint: &'a Checkpoint,
    previous: Option<&'a Checkpoint>,
}

impl Place<'_> {
    /// Fits those of the layers that are not finished, side by side.
    fn fit(&self, net: &mut Representer, layers: &[Layer]) -> Result<()> {
        let plan = self.plan;
        let pending: Vec<Layer> =
            layers.iter().filter(|layer| !self.is_finished(layer)).cloned().collect();
        if pending.is_empty() {
            return Ok(());
        }
        let mut features =
            |set| probe_features(net, plan.data, set, &pending, plan.pooling);
        let train = features(&plan.data.train)?;
        let test = features(&plan.data.test)?;
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
        let has_rows = path.is_file()
            && read_npz(&path).is_ok_and(|arrays| {
                let rows = arrays.get(&format!("probe/{}", layer.name));
                rows.is_some_and(|rows| rows.shape.get(1) == Some(&ROW))
            });
        has_rows
            && (self.is_baseline(layer)
                || plan.probes(layer, self.checkpoint).is_ok_and(|probes| {
                    let width = plan.pooling.width(layer.shape);
                    let fits = |probe: &Probe| {
                        (probe.n_classes, probe.n_features)
                            == (plan.data.n_classes, width)
                    };
                    probes.iter().all(fits)
                }))
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
            Some(previous) if !is_baseline => Some(plan.probe(layer, previous)?),
            _ => None,
        };
        let config = &plan.experiment.analysis.probe;
        let fitted = fit_probes(layer, train, plan.data, config, warm.as_ref())?;
        for probe in fitted.iter().filter(|probe| !probe.is_optimal()) {
            plan.observer.note(&format!(
                "the probe of layer {} at epoch {} (l2 = {}) or one of its folds ended \
                 before its optimum (largest gradient {:.1e})",
                layer.name, self.checkpoint.epoch, probe.l2, probe.fit.gradient_norm
            ));
        }
        let rows: Vec<f64> =
            fitted.iter().flat_map(|probe| probe.row(plan.data, train, test)).collect();
        let mut arrays = NamedArrays::default();
        let rows = Array::new(&[fitted.len(), ROW], Values::F64(rows));
        arrays.push(format!("probe/{}", layer.name), rows);
        if plan.experiment.analysis.prediction_depth && !is_baseline {
            let votes = Values::U8(depth::votes(plan, train));
            arrays.push(format!("votes/{}", layer.name), vector(votes));
        }
        if !is_baseline {
            let mut stored = fitted[0].fit.probe.to_arrays();
            for other in fitted[1..].iter().filter(|other| other.labels == config.labels)
            {
                let arrays = other.fit.probe.to_arrays().0.into_iter();
                let prefix = penalty_name(other.l2);
                stored.0.extend(arrays.map(|(name, a)| (format!("{prefix}.{name}"), a)));
            }
            let bytes = safetensors_bytes(&stored);
            write_atomic(&plan.run.probe(&layer.name, step), &bytes)?;
        }
        write_atomic(&plan.run.layer_part(&layer.name, step), &npz_bytes(&arrays))
    }
}

/// Features of `layers` for all images of `set`, from one streamed pass.
pub(super) fn probe_features(
    net: &mut Representer,
    data: &Data,
    set: &ImageSet,
    layers: &[Layer],
    pooling: Pooling,
) -> Result<Vec<Vec<f32>>> {
    let nodes = pooled_nodes(layers, pooling);
    let mut features = vec![vec![]; layers.len()];
    let input = |range: Range<usize>| data.batch(set, &range.collect::<Vec<_>>());
    net.stream_pooled(set.labels.len(), &nodes, input, |_, outputs| {
        for ((layer, all), output) in layers.iter().zip(&mut features).zip(outputs) {
            all.extend_from_slice(&pooling.of_pooled(output, layer.shape));
        }
        Ok(())
    })?;
    Ok(features)
}

/// The design that a solver fits on.
///
/// # Errors
/// If a feature is NaN or infinite.
pub(super) fn design(solver: Solver, features: &[f32], n: usize) -> Result<Design> {
    let prepare = if solver.takes_batches() { Design::unrotated } else { Design::new };
    prepare(features, n, features.len() / n, true)
}

/// A layer's probe, with its predictions for training images that its folds left out.
pub(super) struct FittedProbe {
    labels: ProbeLabels,
    l2: f64,
    fit: Fit,
    held_out: Option<HeldOut>,
    n_floored: usize,
}

/// The labels that probes are trained on.
pub(super) fn labels_of(data: &Data, labels: ProbeLabels) -> &[u8] {
    match labels {
        ProbeLabels::Noisy => &data.noisy,
        ProbeLabels::Clean => &data.train.labels,
    }
}

/// The solver of the experiment, with its recipe.
pub(super) fn solver(config: &ProbeConfig) -> Solver {
    let recipe = |lr: f64| {
        let default = Recipe::with_rate(config.lr.unwrap_or(lr));
        Recipe {
            epochs: config.epochs.unwrap_or(default.epochs),
            batch_size: config.batch_size.unwrap_or(default.batch_size),
            ..default
        }
    };
    match config.solver {
        ProbeSolver::Logistic => Solver::Logistic,
        ProbeSolver::Ridge => Solver::Ridge,
        ProbeSolver::Sgd => {
            Solver::Sgd { recipe: recipe(0.01), momentum: config.momentum.unwrap_or(0.9) }
        }
        ProbeSolver::Adam => Solver::Adam(recipe(1e-3)),
    }
}

/// The other λ that are asked for.
pub(super) fn other_penalties(config: &ProbeConfig) -> impl Iterator<Item = f64> {
    let own = config.l2.to_bits();
    config.l2_also.iter().copied().filter(move |l2| l2.to_bits() != own)
}

/// What stands for another λ in the names of its results.
pub(super) fn penalty_name(l2: f64) -> String {
    format!("l2-{l2}")
}

/// Fits the probes of one layer: the main one, those at the other λ, each with the probes of
/// the folds, and, where they differ, the one of the other labels.
///
/// They share the design; the ones after the main one start at it.
///
/// # Errors
/// If a feature is NaN or infinite.
pub(super) fn fit_probes(
    layer: &Layer,
    features: &[f32],
    data: &Data,
    config: &ProbeConfig,
    warm: Option<&Probe>,
) -> Result<Vec<FittedProbe>> {
    let n = data.noisy.len();
    let solver = solver(config);
    let design = design(solver, features, n).map_err(|error| {
        Error::new(error.kind(), format!("layer `{}`:", layer.name), error.to_string())
    })?;
    let fit = |kind, l2, tolerance, warm: Option<&Probe>| {
        let options = FitOptions { l2, tolerance, solver, ..FitOptions::default() };
        let labels = labels_of(data, kind);
        let fit = design.fit(labels, data.n_classes, &options, warm);
        let held_out = (kind == config.labels).then(|| {
            let options = FitOptions { tolerance: COUNTED_TOLERANCE, ..options };
            let start = &fit.probe;
            design.cross_validate(labels, data.n_classes, &options, N_FOLDS, start)
        });
        let n_floored = design.n_floored();
        FittedProbe { labels: kind, l2, fit, held_out, n_floored }
    };
    let mut fitted = vec![fit(config.labels, config.l2, TOLERANCE, warm)];
    let main = fitted[0].fit.probe.clone();
    for l2 in other_penalties(config) {
        fitted.push(fit(config.labels, l2, TOLERANCE, Some(&main)));
    }
    if config.labels_also && data.noisy != data.train.labels {
        let other = match config.labels {
            ProbeLabels::Noisy => ProbeLabels::Clean,
            ProbeLabels::Clean => ProbeLabels::Noisy,
        };
        fitted.push(fit(other, config.l2, COUNTED_TOLERANCE, Some(&main)));
    }
    Ok(fitted)
}

impl FittedProbe {
    fn is_optimal(&self) -> bool {
        let folds = self.held_out.as_ref().map_or(0, |held_out| held_out.n_unconverged);
        self.fit.converged && folds == 0
    }

    /// Labels, λ, and the row of `probes.csv` from `n_features` on.
    fn row(&self, data: &Data, train: &[f32], test: &[f32]) -> [f64; ROW] {
        let Self { fit, n_floored, .. } = self;
        let probe = &fit.probe;
        let labels = labels_of(data, self.labels);
        let on_train = probe.predict(train, labels.len());
        let on_test = probe.predict(test, data.test.labels.len());
        let all: Vec<usize> = (0..labels.len()).collect();
        let tested: Vec<usize> = (0..on_test.len()).collect();
        let corrupted: Vec<usize> =
            all.iter().copied().filter(|i| data.is_corrupted(*i)).collect();
        let held_out = |labels: &[u8], examples: &[usize]| {
            let held_out = self.held_out.as_ref();
            held_out.map_or(f64::NAN, |h| accuracy(&h.predictions, labels, examples))
        };
        [
            f64::from(u8::from(self.labels == ProbeLabels::Clean)),
            self.l2,
            probe.n_features as f64,
            *n_floored as f64,
            fit.iterations as f64,
            fit.gradient_norm,
            fit.objective,
            accuracy(&on_train, labels, &all),
            accuracy(&on_train, &data.train.labels, &all),
            accuracy(&on_test, &data.test.labels, &tested),
            held_out(labels, &all),
            held_out(&data.train.labels, &all),
            held_out(&data.noisy, &corrupted),
            held_out(&data.train.labels, &corrupted),
        ]
    }
}

/// The fraction of `examples` whose prediction is their label; NaN if there are none.
fn accuracy(predictions: &[u8], labels: &[u8], examples: &[usize]) -> f64 {
    let right = examples.iter().filter(|i| predictions[**i] == labels[**i]).count();
    right as f64 / examples.len() as f64
}
