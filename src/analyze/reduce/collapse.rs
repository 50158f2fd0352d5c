//! Neural collapse of the representations of a group, by the labels that its examples have.

use super::classes::largest;
use super::features::are_finite;
use crate::analyze::part::Collapsed;
use crate::analyze::plan::Plan;
use crate::array_file::{Array, NamedArrays};
use crate::experiment::{Group, ProbeLabels};
use crate::represent::Layer;
use crate::similarity::{Collapse, Labelled};

/// The weights of the net's last, linear layer, and the node that it reads.
pub(super) struct Classifier {
    node: Option<usize>,
    /// `[classes, features]`.
    weights: Vec<f32>,
}

impl Classifier {
    /// That of the net with these weights.
    pub(super) fn of(plan: &Plan, weights: &NamedArrays) -> Self {
        let head = plan.net.nodes.last().expect("a net has nodes");
        let weights = weights.get(&format!("{}.weight", head.name));
        let weights = weights.map(Array::to_f32).unwrap_or_default();
        Self { node: plan.classified(), weights }
    }

    /// Its weights, if it reads these features of a layer.
    fn of_layer(&self, layer: &Layer, p: usize, n_classes: usize) -> Option<&[f32]> {
        let is_read =
            self.node == Some(layer.node) && self.weights.len() == n_classes * p;
        is_read.then_some(&self.weights)
    }
}

/// What the rows of a group share.
pub(super) struct OfGroup<'a> {
    classifier: &'a Classifier,
    n_classes: usize,
    labels: Vec<(ProbeLabels, Vec<u8>)>,
    /// What the net answers; none where an output is not finite.
    decisions: Option<Vec<u8>>,
}

impl<'a> OfGroup<'a> {
    /// *Shapes* `outputs: [n, classes]`, the net's.
    pub(super) fn of(
        plan: &Plan,
        classifier: &'a Classifier,
        (group, examples): (Group, &[usize]),
        outputs: &[f32],
    ) -> Self {
        let n_classes = plan.data.n_classes;
        let of = |labels: &[u8]| examples.iter().map(|i| labels[*i]).collect();
        let clean = (ProbeLabels::Clean, of(&group.set(plan.data).labels));
        // Elsewhere the given labels are the true ones.
        let noisy = (group == Group::TrainCorrupted)
            .then(|| (ProbeLabels::Noisy, of(&plan.data.noisy)));
        let labels = noisy.into_iter().chain([clean]).collect();
        let decisions =
            are_finite(outputs).then(|| largest(outputs, n_classes).collect());
        Self { classifier, n_classes, labels, decisions }
    }

    /// Neural collapse of a layer, by each kind of labels.
    ///
    /// *Shapes* `x: [n, p]`.
    pub(super) fn rows(&self, layer: &Layer, x: &[f32]) -> Vec<Collapsed> {
        let row = |(kind, labels): &(ProbeLabels, Vec<u8>)| {
            let p = x.len() / labels.len();
            let of = Labelled {
                labels,
                n_classes: self.n_classes,
                decisions: self.decisions.as_deref(),
            };
            let weights = self.classifier.of_layer(layer, p, self.n_classes);
            let found = Collapse::of(x, p, of, weights);
            let count = |class: usize| {
                labels.iter().filter(|own| usize::from(**own) == class).count()
            };
            Collapsed {
                labels: *kind,
                fewest: (0..self.n_classes).map(count).min().unwrap_or(0),
                collapse: found.unwrap_or_else(Collapse::none),
            }
        };
        self.labels.iter().map(row).collect()
    }
}
