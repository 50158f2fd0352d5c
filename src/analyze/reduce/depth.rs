//! The prediction depth of training images at one checkpoint (Baldock et al. 2021): from
//! which layer on their nearest neighbors say what the net says.

use super::classes::largest;
use super::features::are_finite;
use crate::analyze::part::OfGroup;
use crate::analyze::plan::Plan;
use crate::engine::Inputs;
use crate::error::Result;
use crate::experiment::{Group, TrainLabels};
use crate::probe::neighbours::{NEIGHBOURS, prediction_depth, vote};
use crate::represent::Representer;

/// Images of a group whose depth is computed.
const MOST: usize = 256;

/// The training images whose depth is computed, by group: up to 256 of the analyzed ones,
/// evenly spaced by position. None with `analysis.prediction_depth = false`.
fn queries(plan: &Plan) -> Vec<(Group, Vec<usize>)> {
    let groups = plan.groups.iter().filter(|(group, examples)| {
        plan.experiment.analysis.prediction_depth
            && *group != Group::Test
            && !examples.is_empty()
    });
    let chosen = |examples: &[usize]| {
        let n = examples.len().min(MOST);
        (0..n).map(|i| examples[i * examples.len() / n]).collect()
    };
    groups.map(|(group, examples)| (*group, chosen(examples))).collect()
}

/// What the neighbors of each query say in one layer, by the labels that the net learns;
/// nothing where a feature is not finite.
///
/// *Shapes* `features: [n_train, d]`.
pub(super) fn votes(plan: &Plan, features: &[f32]) -> Vec<u8> {
    if !are_finite(features) {
        return vec![];
    }
    let labels = match plan.experiment.train.labels {
        TrainLabels::Noisy => &plan.data.noisy,
        TrainLabels::Clean => &plan.data.train.labels,
    };
    let n = labels.len();
    let queries: Vec<usize> = queries(plan).into_iter().flat_map(|(_, q)| q).collect();
    vote(features, labels, features.len() / n, &queries, NEIGHBOURS.min(n - 1))
}

/// The depth of each query, from the votes of all layers: of none where a layer has no votes
/// or the net no finite output.
pub(super) fn depths(
    plan: &Plan,
    net: &mut Representer<'_>,
    votes: &[&[u8]],
) -> Result<Vec<OfGroup<usize>>> {
    let has_votes = votes.iter().all(|votes| !votes.is_empty());
    let output = plan.net.nodes.len() - 1;
    let mut first = 0;
    let mut depths = vec![];
    for (group, queries) in queries(plan) {
        let images = Inputs::Indices(group.split(), &queries);
        let logits = net.represent(&images, &[output])?.swap_remove(0);
        let depth = |(i, class): (usize, u8)| {
            prediction_depth(votes.iter().map(|votes| votes[first + i]), class)
        };
        let net_says = largest(&logits, plan.data.n_classes).enumerate();
        let is_defined = has_votes && are_finite(&logits);
        let rows = if is_defined { net_says.map(depth).collect() } else { vec![] };
        first += queries.len();
        depths.push(OfGroup { group: group.name().to_owned(), rows });
    }
    Ok(depths)
}
