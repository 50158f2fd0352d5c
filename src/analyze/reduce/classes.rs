//! The classes that classifiers give to inputs.

use std::ops::Range;

use rayon::prelude::*;

use super::features::are_finite;
use crate::analyze::part::{Decisions, LayerProbe};
use crate::analyze::plan::{Plan, pooled_nodes};
use crate::error::Result;
use crate::represent::Representer;
use crate::similarity::Undefined;

/// What every classifier of every layer, and last the net, decides for `n` inputs.
///
/// A classifier is undefined where it is no probe, or one input's features are not finite.
pub(super) fn classify(
    plan: &Plan,
    net: &mut Representer,
    classifiers: &[Vec<&LayerProbe>],
    (n, input): (usize, &dyn Fn(Range<usize>) -> Vec<f32>),
) -> Result<Vec<Vec<Decisions>>> {
    let mut wanted = pooled_nodes(&plan.layers, plan.pooling);
    wanted.push((plan.net.nodes.len() - 1, None));
    let counts = classifiers.iter().map(Vec::len).chain([1]);
    let none = Decisions { classes: Vec::with_capacity(n), undefined: None };
    let mut decided: Vec<_> = counts.map(|count| vec![none.clone(); count]).collect();
    net.stream_pooled(n, &wanted, input, |range, outputs| {
        let (logits, outputs) =
            outputs.split_last().expect("the net's output is asked for");
        let own = largest(logits, plan.data.n_classes);
        decided[classifiers.len()][0].add(if_finite(logits).map(|()| own));
        let layers = classifiers.par_iter().zip(&plan.layers).zip(outputs);
        layers.zip(&mut decided).for_each(|(((probes, layer), output), decided)| {
            let features = plan.pooling.of_pooled(output, layer.shape);
            for (probe, decided) in probes.iter().zip(decided) {
                let probe = probe.as_ref().map_err(|undefined| *undefined);
                let able = probe.and_then(|probe| if_finite(&features).map(|()| probe));
                decided.add(able.map(|probe| probe.predict(&features, range.len())));
            }
        });
        Ok(())
    })?;
    for decisions in decided.iter_mut().flatten().filter(|own| own.undefined.is_some()) {
        decisions.classes = vec![0; n];
    }
    Ok(decided)
}

fn if_finite(numbers: &[f32]) -> std::result::Result<(), Undefined> {
    if are_finite(numbers) { Ok(()) } else { Err(Undefined::NonFinite) }
}

impl Decisions {
    /// Appends the classes of further inputs; one reason makes all undefined.
    fn add(
        &mut self,
        classes: std::result::Result<impl IntoIterator<Item = u8>, Undefined>,
    ) {
        match classes {
            Ok(classes) => self.classes.extend(classes),
            Err(undefined) => self.undefined = Some(undefined),
        }
    }
}

/// The decisions by each layer's own probe, and by the net.
pub(super) fn firsts(decided: Vec<Vec<Decisions>>) -> Vec<Decisions> {
    decided.into_iter().map(|mut of_layer| of_layer.swap_remove(0)).collect()
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
