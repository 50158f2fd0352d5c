//! The classes that classifiers give to inputs.

use rayon::prelude::*;

use super::features::are_finite;
use crate::analyze::part::{Decisions, LayerProbe};
use crate::analyze::plan::{Plan, pooled_nodes};
use crate::engine::{Asked, Decided, Inputs};
use crate::error::Result;
use crate::probe::Probe;
use crate::represent::Representer;
use crate::similarity::Undefined;

/// What every classifier of every layer, and last the net, decides for all inputs.
///
/// A classifier is undefined where it is no probe, or one input's features are not finite.
pub(super) fn classify(
    plan: &Plan,
    net: &mut Representer<'_>,
    classifiers: &[Vec<&LayerProbe>],
    inputs: &Inputs<'_>,
) -> Result<Vec<Vec<Decisions>>> {
    if let Some(decided) = net.decide(inputs, asked(plan, classifiers))? {
        return Ok(of_device(classifiers, decided));
    }
    let mut wanted = pooled_nodes(&plan.layers, plan.pooling);
    wanted.push((plan.net.nodes.len() - 1, None));
    let n = inputs.len(plan.data);
    let counts = classifiers.iter().map(Vec::len).chain([1]);
    let none = Decisions { classes: Vec::with_capacity(n), undefined: None };
    let mut decided: Vec<_> = counts.map(|count| vec![none.clone(); count]).collect();
    net.stream(inputs, &wanted, |range, outputs| {
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

/// All layers with their classifiers, and last the net's own output.
fn asked<'c>(plan: &Plan, classifiers: &[Vec<&'c LayerProbe>]) -> Vec<Asked<'c>> {
    let layers = plan.layers.iter().zip(classifiers).map(|(layer, probes)| Asked {
        node: layer.node,
        side: plan.pooling.side(layer.shape),
        tokens: None,
        features: plan.pooling.averaged(layer.shape),
        classifiers: able(probes)
            .map(|probe| (&probe.weight[..], &probe.bias[..]))
            .collect(),
    });
    let node = plan.net.nodes.len() - 1;
    let output =
        Asked { node, side: None, tokens: None, features: None, classifiers: vec![] };
    layers.chain([output]).collect()
}

/// The classifiers that are probes.
fn able<'c>(probes: &[&'c LayerProbe]) -> impl Iterator<Item = &'c Probe> {
    probes.iter().filter_map(|probe| probe.as_ref().ok())
}

/// What a device decided, with those classifiers that are no probes in their places.
fn of_device(
    classifiers: &[Vec<&LayerProbe>],
    mut decided: Vec<Decided>,
) -> Vec<Vec<Decisions>> {
    let output = decided.pop().map(|mut own| (own.is_finite, own.classes.swap_remove(0)));
    let n = output.as_ref().map_or(0, |(_, classes)| classes.len());
    let decisions = |is_finite: bool, classes: Vec<u8>| {
        if is_finite {
            Decisions { classes, undefined: None }
        } else {
            Decisions { classes: vec![0; n], undefined: Some(Undefined::NonFinite) }
        }
    };
    let layers = classifiers.iter().zip(decided).map(|(probes, own)| {
        // Where all of a layer's classifiers are none, the device gave its output's largest.
        let mut classes = own.classes.into_iter();
        let of = |probe: &&LayerProbe| match probe {
            Ok(_) => decisions(own.is_finite, classes.next().unwrap_or_default()),
            Err(undefined) => {
                Decisions { classes: vec![0; n], undefined: Some(*undefined) }
            }
        };
        probes.iter().map(of).collect()
    });
    let output = output.map(|(is_finite, classes)| vec![decisions(is_finite, classes)]);
    layers.chain(output).collect()
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
