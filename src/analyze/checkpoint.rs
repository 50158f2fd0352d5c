//! One checkpoint → its signatures and probes, from one streamed forward pass over each set
//! of inputs.

use std::ops::Range;

use rayon::prelude::*;

use crate::array_file::{Array, NamedArrays, Values, safetensors_bytes};
use crate::data::{Data, ImageSet};
use crate::error::{Error, Result};
use crate::experiment::{Group, ProbeConfig, ProbeLabels};
use crate::probe::features::{adaptive_average_pool, pooled_side};
use crate::probe::{Design, Fit, FitOptions, HeldOut, Probe};
use crate::represent::{Layer, Representer};
use crate::run_dir::{Checkpoint, write_atomic};
use crate::similarity::{Dimensions, Estimator, Measure, alignment};

use super::plan::Plan;
use super::{decisions, floor};

/// Folds of the cross-validation over the training images.
const N_FOLDS: usize = 5;
/// Largest entry of the gradient at which a probe counts as optimal. The error of a
/// coefficient is up to 1/λ times that; at 10⁻⁶ a few of 10,000 points near a boundary still
/// had another class than at the exact optimum, at 10⁻⁷ none.
const TOLERANCE: f64 = 1e-7;
/// The same for the folds, whose predictions are only counted.
const FOLD_TOLERANCE: f64 = 1e-6;

/// Reduces one checkpoint: signatures of every group and layer, a probe of every layer,
/// and the decisions of probes and output on all plane points.
///
/// Warm starts use the stored probes of the preceding checkpoint and nothing else, so the
/// result does not depend on where work was interrupted.
pub(super) fn reduce(
    plan: &Plan,
    checkpoint: &Checkpoint,
    previous: Option<&Checkpoint>,
) -> Result<NamedArrays> {
    let mut net = plan.representer(checkpoint)?;
    let mut part = NamedArrays::default();
    signatures(plan, &mut net, &mut part);
    let probes = probes(plan, &mut net, checkpoint, previous, &mut part)?;
    let floor = floor::probes(plan, &mut net, (checkpoint, previous), &probes)?;
    decisions::add(plan, &mut net, (checkpoint, &probes, &floor), &mut part)?;
    Ok(part)
}

/// `<measure>/<group>/<layer>`: the signature, or NaN with a `reason/…`; and
/// `representation/<group>/<layer>`: a row of `representations.csv`.
fn signatures(plan: &Plan, net: &mut Representer, part: &mut NamedArrays) {
    let nodes = plan.nodes();
    let config = &plan.experiment.analysis;
    for (group, examples) in &plan.groups {
        let images = plan.data.batch(group.set(plan.data), examples);
        let representations = net.represent(&images, &nodes);
        let labels = label_signatures(plan, *group, examples, config.cka.estimator);
        let reduced: Vec<Reduced> = plan
            .layers
            .par_iter()
            .zip(representations)
            .map(|(layer, output)| {
                let x = plan.features_of(layer, output);
                Reduced::of(plan, &x, examples.len(), &labels)
            })
            .collect();
        for (layer, reduced) in plan.layers.iter().zip(reduced) {
            let place = format!("{}/{}", group.name(), layer.name);
            for (measure, row, reason) in reduced.signatures {
                let name = format!("{}/{place}", measure.name());
                if let Some(reason) = reason {
                    part.push(format!("reason/{name}"), text(&reason));
                }
                part.push(name, vector(Values::F32(row)));
            }
            let row = vector(Values::F64(reduced.row));
            part.push(format!("representation/{place}"), row);
        }
    }
}

/// What one representation is reduced to.
struct Reduced {
    /// The signature, NaN where undefined, and why.
    signatures: Vec<(Measure, Vec<f32>, Option<String>)>,
    /// Alignment with true and noisy labels, three dimensions; NaN where undefined.
    row: Vec<f64>,
}

impl Reduced {
    /// *Shapes* `x: [n, p]`.
    fn of(plan: &Plan, x: &[f32], n: usize, labels: &[Option<Vec<f32>>; 2]) -> Self {
        let config = &plan.experiment.analysis;
        let (p, settings) = (x.len() / n, plan.settings());
        let mut signatures = vec![];
        let mut row = vec![f64::NAN; 5];
        for &measure in &config.measures {
            match measure.signature(x, n, p, &settings) {
                Ok(signature) => {
                    if measure == Measure::Cka {
                        for (to, labels) in row.iter_mut().zip(labels) {
                            *to = labels.as_ref().map_or(f64::NAN, |labels| {
                                alignment::alignment(&signature, labels)
                            });
                        }
                    }
                    signatures.push((measure, signature, None));
                }
                Err(reason) => {
                    let length = measure.signature_len(n, p, &settings);
                    let row = vec![f32::NAN; length];
                    signatures.push((measure, row, Some(reason.to_string())));
                }
            }
        }
        if config.dimensions
            && let Ok(found) = Dimensions::of(x, n, p)
        {
            row[2] = found.effective_rank;
            row[3] = found.participation_ratio;
            row[4] = found.stable_rank;
        }
        Self { signatures, row }
    }
}

/// The kernels of the true and the noisy labels of a group; test images have no noisy ones.
fn label_signatures(
    plan: &Plan,
    group: Group,
    examples: &[usize],
    estimator: Estimator,
) -> [Option<Vec<f32>>; 2] {
    let of = |labels: &[u8]| {
        let own: Vec<u8> = examples.iter().map(|i| labels[*i]).collect();
        alignment::label_signature(&own, estimator).ok()
    };
    let is_test = group == Group::Test;
    let noisy = if is_test { None } else { of(&plan.data.noisy) };
    [of(&group.set(plan.data).labels), noisy]
}

/// Fits a probe on every layer, stores it, and puts its row of `probes.csv` into the part.
fn probes(
    plan: &Plan,
    net: &mut Representer,
    checkpoint: &Checkpoint,
    previous: Option<&Checkpoint>,
    part: &mut NamedArrays,
) -> Result<Vec<Probe>> {
    let config = &plan.experiment.analysis.probe;
    let mut features =
        |set| probe_features(net, plan.data, set, &plan.layers, config.cap);
    let train = features(&plan.data.train)?;
    let test = features(&plan.data.test)?;
    let fit = |(layer, train): (&Layer, &Vec<f32>)| {
        let warm = match previous {
            None => None,
            Some(previous) => Some(plan.probe(layer, previous)?),
        };
        fit_probe(layer, train, plan.data, config, warm.as_ref())
    };
    let fitted: Vec<FittedProbe> =
        plan.layers.par_iter().zip(&train).map(fit).collect::<Result<_>>()?;
    let mut probes = vec![];
    for (i, (layer, fitted)) in plan.layers.iter().zip(fitted).enumerate() {
        let path = plan.run.probe(&layer.name, checkpoint.step);
        write_atomic(&path, &safetensors_bytes(&fitted.fit.probe.to_arrays()))?;
        if !fitted.fit.converged || fitted.held_out.n_unconverged > 0 {
            plan.observer.note(&format!(
                "the probe of layer {} at epoch {} or one of its folds ended before its \
                 optimum (largest gradient {:.1e})",
                layer.name, checkpoint.epoch, fitted.fit.gradient_norm
            ));
        }
        let row = probe_row(&fitted, plan, &train[i], &test[i]);
        part.push(format!("probe/{}", layer.name), vector(Values::F64(row)));
        probes.push(fitted.fit.probe);
    }
    Ok(probes)
}

/// A probe's features of one layer: its output, pooled if it has more than the cap.
pub(super) fn features_of(layer: &Layer, cap: usize, output: Vec<f32>) -> Vec<f32> {
    if layer.shape.size() <= cap {
        return output;
    }
    adaptive_average_pool(&output, layer.shape, pooled_side(layer.shape, cap))
}

/// Features of `layers` for all images of `set`, from one streamed pass.
pub(super) fn probe_features(
    net: &mut Representer,
    data: &Data,
    set: &ImageSet,
    layers: &[Layer],
    cap: usize,
) -> Result<Vec<Vec<f32>>> {
    let nodes: Vec<usize> = layers.iter().map(|layer| layer.node).collect();
    let mut features = vec![vec![]; layers.len()];
    let input = |range: Range<usize>| data.batch(set, &range.collect::<Vec<_>>());
    net.stream(set.labels.len(), &nodes, input, |_, outputs| {
        for ((layer, all), output) in layers.iter().zip(&mut features).zip(outputs) {
            all.extend(features_of(layer, cap, output));
        }
        Ok(())
    })?;
    Ok(features)
}

/// A layer's probe, with its predictions for training images that its folds left out.
pub(super) struct FittedProbe {
    fit: Fit,
    held_out: HeldOut,
    n_floored: usize,
}

/// The labels that probes are trained on.
pub(super) fn probe_labels<'a>(data: &'a Data, config: &ProbeConfig) -> &'a [u8] {
    match config.labels {
        ProbeLabels::Noisy => &data.noisy,
        ProbeLabels::Clean => &data.train.labels,
    }
}

/// Fits the probe of one layer to its optimum, and those of the folds.
///
/// # Errors
/// If a feature is NaN or infinite.
pub(super) fn fit_probe(
    layer: &Layer,
    features: &[f32],
    data: &Data,
    config: &ProbeConfig,
    warm: Option<&Probe>,
) -> Result<FittedProbe> {
    let labels = probe_labels(data, config);
    let n = labels.len();
    let design = Design::new(features, n, features.len() / n, true).map_err(|error| {
        Error::new(error.kind(), format!("layer `{}`:", layer.name), error.to_string())
    })?;
    let options =
        FitOptions { l2: config.l2, tolerance: TOLERANCE, ..FitOptions::default() };
    let fit = design.fit(labels, data.n_classes, &options, warm);
    let options = FitOptions { tolerance: FOLD_TOLERANCE, ..options };
    let held_out =
        design.cross_validate(labels, data.n_classes, &options, N_FOLDS, &fit.probe);
    let n_floored = design.n_floored();
    Ok(FittedProbe { fit, held_out, n_floored })
}

/// The row of `probes.csv` from `n_features` on.
fn probe_row(fitted: &FittedProbe, plan: &Plan, train: &[f32], test: &[f32]) -> Vec<f64> {
    let FittedProbe { fit, held_out, n_floored } = fitted;
    let probe = &fit.probe;
    let held_out = &held_out.predictions;
    let data = plan.data;
    let labels = probe_labels(data, &plan.experiment.analysis.probe);
    let on_train = probe.predict(train, labels.len());
    let on_test = probe.predict(test, data.test.labels.len());
    let all: Vec<usize> = (0..labels.len()).collect();
    let tested: Vec<usize> = (0..on_test.len()).collect();
    let corrupted: Vec<usize> =
        all.iter().copied().filter(|i| data.is_corrupted(*i)).collect();
    vec![
        probe.n_features as f64,
        *n_floored as f64,
        fit.iterations as f64,
        fit.gradient_norm,
        fit.objective,
        accuracy(&on_train, labels, &all),
        accuracy(&on_train, &data.train.labels, &all),
        accuracy(&on_test, &data.test.labels, &tested),
        accuracy(held_out, labels, &all),
        accuracy(held_out, &data.train.labels, &all),
        accuracy(held_out, &data.noisy, &corrupted),
        accuracy(held_out, &data.train.labels, &corrupted),
    ]
}

/// The fraction of `examples` whose prediction is their label; NaN if there are none.
fn accuracy(predictions: &[u8], labels: &[u8], examples: &[usize]) -> f64 {
    let right = examples.iter().filter(|i| predictions[**i] == labels[**i]).count();
    right as f64 / examples.len() as f64
}

pub(super) fn vector(values: Values) -> Array {
    Array::new(&[values.len()], values)
}

pub(super) fn text(text: &str) -> Array {
    vector(Values::U8(text.as_bytes().to_vec()))
}
