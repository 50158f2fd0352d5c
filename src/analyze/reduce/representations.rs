//! Representations → signatures, alignment with the labels, dimensions, neural collapse.

use rayon::prelude::*;

use super::collapse::{Classifier, OfGroup};
use crate::analyze::part::{
    self, Collapsed, Norms, Part, Represented, Signature, Wanted,
};
use crate::analyze::plan::{Plan, memory};
use crate::engine::Inputs;
use crate::error;
use crate::experiment::Group;
use crate::represent::{Layer, Representer};
use crate::run_dir::Place;
use crate::similarity::{
    Dimensions, Estimator, Measure, Settings, Undefined, alignment, cka,
};

/// Adds the wanted signatures of every group and layer, and the rows of `representations.csv`
/// and `collapse.csv` if they are wanted.
pub(super) fn add<'a>(
    plan: &'a Plan,
    (wanted, classifier): (&Wanted, &Classifier),
    net: &mut Representer<'_>,
    part: &mut Part<'a>,
) -> error::Result<()> {
    if wanted.measures.is_empty() && !wanted.representations {
        return Ok(());
    }
    let config = &plan.experiment.analysis;
    let size = |n: usize| move |layer: &Layer| 4 * (n * layer.shape.size()) as u64;
    for (group, examples) in &plan.groups {
        let images = Inputs::Indices(group.split(), examples);
        let labels = label_signatures(plan, *group, examples, config.cka.estimator);
        let sizes: Vec<u64> = plan.layers.iter().map(size(examples.len())).collect();
        let (mut rows, mut collapses) = (vec![], vec![]);
        for range in memory::batches(&sizes, 0, memory::bytes(config)) {
            let layers = &plan.layers[range];
            let mut nodes: Vec<usize> = layers.iter().map(|layer| layer.node).collect();
            nodes.push(plan.net.nodes.len() - 1);
            let mut outputs = net.represent(&images, &nodes)?;
            let logits = outputs.pop().expect("the net's output is asked for");
            let of = OfGroup::of(plan, classifier, (*group, examples), &logits);
            let reduced: Vec<(Reduced, Vec<Collapsed>)> = layers
                .par_iter()
                .zip(outputs)
                .map(|(layer, output)| {
                    let x = plan.features_of(layer, output);
                    let collapsed =
                        if wanted.representations { of.rows(layer, &x) } else { vec![] };
                    (Reduced::of(plan, wanted, (&x, examples.len()), &labels), collapsed)
                })
                .collect();
            for (layer, (reduced, collapsed)) in layers.iter().zip(reduced) {
                rows.push(reduced.row);
                collapses.extend(collapsed);
                reduced.add_to(part, group.name(), &layer.name);
            }
        }
        if wanted.representations {
            let name = || group.name().to_owned();
            part.numbers.representations.push(part::OfGroup { group: name(), rows });
            part.numbers.collapses.push(part::OfGroup { group: name(), rows: collapses });
        }
    }
    Ok(())
}

/// What one representation is reduced to.
struct Reduced {
    /// The signature, NaN where undefined, and why.
    signatures: Vec<(Measure, Vec<f32>, Option<Undefined>)>,
    row: Represented,
    /// What the signature of CKA leaves out, where that is wanted; NaN where undefined.
    norms: Option<Vec<f64>>,
}

impl Reduced {
    /// *Shapes* `x: [n, p]`.
    fn of(
        plan: &Plan,
        wanted: &Wanted,
        (x, n): (&[f32], usize),
        labels: &[Option<Vec<f32>>; 2],
    ) -> Self {
        let (p, settings) = (x.len() / n, plan.settings());
        let config = &plan.experiment.analysis;
        let mut signatures = vec![];
        let (mut row, mut norms) = (undefined_row(), None);
        for &measure in &config.measures {
            let aligns = measure == Measure::Cka && wanted.representations;
            let is_wanted = wanted.measures.contains(&measure);
            if !(is_wanted || aligns) {
                continue;
            }
            let (found, left_out) = reduce(measure, x, n, &settings);
            norms = norms.or(left_out.filter(|_| is_wanted));
            if let (Ok(signature), true) = (&found, aligns) {
                let aligned = labels.each_ref().map(|labels| {
                    let labels = labels.as_ref();
                    labels.map_or(f64::NAN, |l| alignment::alignment(signature, l))
                });
                [row.alignment_true, row.alignment_noisy] = aligned;
            }
            if is_wanted {
                let length = measure.signature_len(n, p, &settings);
                let undefined = found.as_ref().err().copied();
                let values = found.unwrap_or_else(|_| vec![f32::NAN; length]);
                signatures.push((measure, values, undefined));
            }
        }
        if config.dimensions && wanted.representations {
            add_dimensions(&mut row, x, n, p);
        }
        Self { signatures, row, norms }
    }

    /// Adds what is stored of a place.
    fn add_to<'a>(self, part: &mut Part<'a>, group: &'static str, layer: &'a str) {
        part.norms.extend(self.norms.map(|numbers| Norms { group, layer, numbers }));
        let signature = |(measure, values, undefined): (Measure, _, _)| {
            let measure = measure.name();
            let place = Place { measure, group, layer };
            Signature { place, values, undefined }
        };
        part.signatures.extend(self.signatures.into_iter().map(signature));
    }
}

/// The signature of a representation, and what that of CKA leaves out.
fn reduce(
    measure: Measure,
    x: &[f32],
    n: usize,
    settings: &Settings,
) -> (Result<Vec<f32>, Undefined>, Option<Vec<f64>>) {
    let p = x.len() / n;
    if measure != Measure::Cka {
        return (measure.signature(x, n, p, settings), None);
    }
    match cka::reduced(x, n, p, settings.estimator) {
        Ok((signature, scale)) => (Ok(signature), Some(scale.to_numbers())),
        Err(reason) => (Err(reason), Some(vec![f64::NAN; n + 1])),
    }
}

fn add_dimensions(row: &mut Represented, x: &[f32], n: usize, p: usize) {
    if let Ok(found) = Dimensions::of(x, n, p) {
        row.effective_rank = found.effective_rank;
        row.participation_ratio = found.participation_ratio;
        row.stable_rank = found.stable_rank;
    }
}

fn undefined_row() -> Represented {
    Represented {
        alignment_true: f64::NAN,
        alignment_noisy: f64::NAN,
        effective_rank: f64::NAN,
        participation_ratio: f64::NAN,
        stable_rank: f64::NAN,
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
