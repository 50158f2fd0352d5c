//! One checkpoint → its signatures and probes, from one streamed forward pass over each set
//! of inputs.

use rayon::prelude::*;

use crate::array_file::{Array, NamedArrays, Values};
use crate::error::Result;
use crate::experiment::Group;
use crate::represent::{Layer, Representer};
use crate::run_dir::Checkpoint;
use crate::similarity::{Dimensions, Estimator, Measure, alignment};

use super::plan::Plan;
use super::{decisions, depth, floor, memory, probes};

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
    let probes = probes::fit_all(plan, &mut net, checkpoint, previous, &mut part)?;
    depth::add(plan, &mut net, &mut part);
    let floor = floor::probes(plan, &mut net, (checkpoint, previous), &probes)?;
    decisions::add(plan, &mut net, (checkpoint, &probes, &floor), &mut part)?;
    Ok(part)
}

/// `<measure>/<group>/<layer>`: the signature, or NaN with a `reason/…`; and
/// `representation/<group>/<layer>`: a row of `representations.csv`.
fn signatures(plan: &Plan, net: &mut Representer, part: &mut NamedArrays) {
    let config = &plan.experiment.analysis;
    let size = |n: usize| move |layer: &Layer| 4 * (n * layer.shape.size()) as u64;
    for (group, examples) in &plan.groups {
        let images = plan.data.batch(group.set(plan.data), examples);
        let labels = label_signatures(plan, *group, examples, config.cka.estimator);
        let sizes: Vec<u64> = plan.layers.iter().map(size(examples.len())).collect();
        for range in memory::batches(&sizes, 0, memory::bytes(config)) {
            let layers = &plan.layers[range];
            let nodes: Vec<usize> = layers.iter().map(|layer| layer.node).collect();
            let reduced: Vec<Reduced> = layers
                .par_iter()
                .zip(net.represent(&images, &nodes))
                .map(|(layer, output)| {
                    let x = plan.features_of(layer, output);
                    Reduced::of(plan, &x, examples.len(), &labels)
                })
                .collect();
            for (layer, reduced) in layers.iter().zip(reduced) {
                reduced.add(*group, &layer.name, part);
            }
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

    fn add(self, group: Group, layer: &str, part: &mut NamedArrays) {
        let place = format!("{}/{layer}", group.name());
        for (measure, row, reason) in self.signatures {
            let name = format!("{}/{place}", measure.name());
            if let Some(reason) = reason {
                part.push(format!("reason/{name}"), text(&reason));
            }
            part.push(name, vector(Values::F32(row)));
        }
        part.push(format!("representation/{place}"), vector(Values::F64(self.row)));
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

pub(super) fn vector(values: Values) -> Array {
    Array::new(&[values.len()], values)
}

pub(super) fn text(text: &str) -> Array {
    vector(Values::U8(text.as_bytes().to_vec()))
}
