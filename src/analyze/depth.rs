//! The prediction depth of training images at one checkpoint (Baldock et al. 2021): from
//! which layer on their nearest neighbours say what the net says.

use crate::array_file::{NamedArrays, Values};
use crate::experiment::{Group, TrainLabels};
use crate::probe::neighbours::{NEIGHBOURS, prediction_depth, vote};
use crate::represent::Representer;

use super::checkpoint::vector;
use super::decisions::largest;
use super::plan::Plan;

/// Images of a group whose depth is worked out.
const MOST: usize = 256;

/// The training images whose depth is worked out, by group: up to 256 of the analysed ones,
/// evenly spaced by position. None with `analysis.prediction_depth = false`.
pub(super) fn queries(plan: &Plan) -> Vec<(Group, Vec<usize>)> {
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

/// What the neighbours of each query say in one layer, by the labels that the net learns.
///
/// *Shapes* `features: [n_train, d]`.
pub(super) fn votes(plan: &Plan, features: &[f32]) -> Vec<u8> {
    let labels = match plan.experiment.train.labels {
        TrainLabels::Noisy => &plan.data.noisy,
        TrainLabels::Clean => &plan.data.train.labels,
    };
    let n = labels.len();
    let queries: Vec<usize> = queries(plan).into_iter().flat_map(|(_, q)| q).collect();
    vote(features, labels, features.len() / n, &queries, NEIGHBOURS.min(n - 1))
}

/// `depth/<group>`: the depth of each query, from `votes/<layer>` of all layers, which it
/// takes out of the part.
pub(super) fn add(plan: &Plan, net: &mut Representer, part: &mut NamedArrays) {
    let mut votes: Vec<Vec<u8>> = vec![];
    part.0.retain(|(name, array)| match &array.values {
        Values::U8(classes) if name.starts_with("votes/") => {
            votes.push(classes.clone());
            false
        }
        _ => true,
    });
    let output = plan.net.nodes.len() - 1;
    let mut first = 0;
    for (group, queries) in queries(plan) {
        let images = plan.data.batch(group.set(plan.data), &queries);
        let logits = net.represent(&images, &[output]).swap_remove(0);
        let depth = |(i, class): (usize, u8)| {
            prediction_depth(votes.iter().map(|votes| votes[first + i]), class) as f64
        };
        let net_says = largest(&logits, plan.data.n_classes).enumerate();
        let depths: Vec<f64> = net_says.map(depth).collect();
        first += queries.len();
        part.push(format!("depth/{}", group.name()), vector(Values::F64(depths)));
    }
}
