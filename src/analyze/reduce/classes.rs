//! The classes that classifiers give to inputs.

use std::ops::Range;

use rayon::prelude::*;

use super::features::check_finite;
use crate::analyze::plan::{Plan, pooled_nodes};
use crate::error::Result;
use crate::probe::Probe;
use crate::represent::Representer;

/// The classes of `n` inputs by every classifier of every layer, and last by the net.
pub(super) fn classify(
    plan: &Plan,
    net: &mut Representer,
    classifiers: &[Vec<&Probe>],
    (n, input): (usize, &dyn Fn(Range<usize>) -> Vec<f32>),
) -> Result<Vec<Vec<Vec<u8>>>> {
    let mut wanted = pooled_nodes(&plan.layers, plan.pooling);
    wanted.push((plan.net.nodes.len() - 1, None));
    let counts = classifiers.iter().map(Vec::len).chain([1]);
    let mut classes: Vec<_> =
        counts.map(|count| vec![Vec::with_capacity(n); count]).collect();
    net.stream_pooled(n, &wanted, input, |range, outputs| {
        let (logits, outputs) =
            outputs.split_last().expect("the net's output is asked for");
        classes[classifiers.len()][0].extend(largest(logits, plan.data.n_classes));
        let layers = classifiers.par_iter().zip(&plan.layers).zip(outputs);
        let layers = layers.zip(&mut classes);
        layers.try_for_each(|(((probes, layer), output), classes)| {
            let features = plan.pooling.of_pooled(output, layer.shape);
            check_finite(layer, &features)?;
            for (probe, classes) in probes.iter().zip(classes) {
                classes.extend(probe.predict(&features, range.len()));
            }
            Ok(())
        })
    })?;
    Ok(classes)
}

/// The classes by each layer's own probe, and by the net.
pub(super) fn firsts(classes: Vec<Vec<Vec<u8>>>) -> Vec<Vec<u8>> {
    classes.into_iter().map(|mut of_layer| of_layer.swap_remove(0)).collect()
}

/// The class with the largest logit of each row; of equal ones the lowest.
pub(crate) fn largest(logits: &[f32], n_classes: usize) -> impl Iterator<Item = u8> + '_ {
    logits.chunks(n_classes).map(|row| {
        let mut best = 0;
        for (class, logit) in row.iter().enumerate() {
            if *logit > row[best] {
                best = class;
            }
        }
        best as u8
    })
}
