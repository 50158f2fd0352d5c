//! From a checkpoint and inputs to representations: φ_{ℓ,t}(x) of the paper, the activation
//! of layer ℓ at checkpoint t in evaluation mode.

use std::ops::Range;

use crate::array_file::NamedArrays;
use crate::data::{Data, ImageSet};
use crate::engine::{BatchNormStatistics, Engine};
use crate::error::{Error, Result};
use crate::experiment::{BatchNormChoice, Layers};
use crate::net::{Net, Shape};

/// Images of one batch in evaluation. It matters where `BatchNorm` statistics are recomputed:
/// those of the batches are averaged.
pub const EVALUATION_BATCH: usize = 1000;

/// Inputs in one block of a stream.
const BLOCK: usize = 512;

/// One layer whose representations are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The node's name.
    pub name: String,
    /// The node's position in the net.
    pub node: usize,
    /// Shape of its output for one example.
    pub shape: Shape,
}

/// The layers that `analysis.layers` names, in depth order.
///
/// "all" stands for the net's list of representations; other names are nodes, and `*` in
/// them stands for any text.
///
/// # Errors
/// If a name or glob matches no node.
pub fn layers(net: &Net, choice: &Layers) -> Result<Vec<Layer>> {
    let patterns = match choice {
        Layers::One(pattern) => std::slice::from_ref(pattern),
        Layers::Many(patterns) => patterns,
    };
    let mut wanted = vec![false; net.nodes.len()];
    for pattern in patterns {
        let mut found = false;
        for (at, node) in net.nodes.iter().enumerate() {
            let matches = if pattern == "all" {
                net.representations.contains(&node.name)
            } else {
                glob_matches(pattern, &node.name)
            };
            wanted[at] |= matches;
            found |= matches;
        }
        if !found {
            return Err(Error::usage("`analysis.layers`", format!("names `{pattern}`"))
                .expected(format!(
                    "\"all\", or among {}",
                    net.representations.join(" ")
                )));
        }
    }
    let nodes = net.nodes.iter().enumerate().filter(|(at, _)| wanted[*at]);
    Ok(nodes
        .map(|(node, n)| Layer { name: n.name.clone(), node, shape: n.shape })
        .collect())
}

/// Whether `name` matches `pattern`, in which `*` stands for any text.
fn glob_matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| glob_matches(tail, &rest[at..]))
        }),
    }
}

/// The images of a set in index order, in batches of 1,000; a remainder of one image joins
/// the batch before it, because one image alone has no variance. A batch is made when it is
/// asked for: the images are held as they are stored.
#[derive(Debug, Clone)]
pub struct EvaluationBatches<'a> {
    data: &'a Data,
    set: &'a ImageSet,
}

/// The batches of `set`, normalized as `data` is.
pub fn evaluation_batches<'a>(
    data: &'a Data,
    set: &'a ImageSet,
) -> EvaluationBatches<'a> {
    EvaluationBatches { data, set }
}

impl EvaluationBatches<'_> {
    /// The batches in order, each `[n, height, width, channels]`.
    pub fn iter(&self) -> impl Iterator<Item = Vec<f32>> + '_ {
        let n = self.set.labels.len();
        let mut starts: Vec<usize> = (0..n).step_by(EVALUATION_BATCH).collect();
        if starts.len() > 1 && starts.last() == Some(&(n - 1)) {
            starts.pop();
        }
        let ends: Vec<usize> = starts.iter().skip(1).copied().chain([n]).collect();
        starts.into_iter().zip(ends).map(|(start, end)| {
            self.data.batch(self.set, &(start..end).collect::<Vec<_>>())
        })
    }
}

/// The `BatchNorm` statistics that evaluation uses: the running ones, or those recomputed
/// over `train`, the un-augmented training images.
///
/// Running statistics lag the weights when an epoch has few steps; recomputed ones are those
/// of `torch.optim.swa_utils.update_bn`.
pub fn evaluation_statistics(
    engine: &mut Engine,
    train: &EvaluationBatches<'_>,
    choice: BatchNormChoice,
) -> BatchNormStatistics {
    match choice {
        BatchNormChoice::Running => engine.running_statistics(),
        BatchNormChoice::Recomputed => engine.recompute_statistics(train.iter()),
    }
}

/// A net at one checkpoint, ready to represent images.
#[derive(Debug)]
pub struct Representer {
    engine: Engine,
    statistics: BatchNormStatistics,
}

impl Representer {
    /// The net with `weights`, evaluated as `choice` says on the training images `train`.
    ///
    /// # Errors
    /// If the weights do not fit the net.
    pub fn new(
        net: &Net,
        weights: &NamedArrays,
        train: &EvaluationBatches<'_>,
        choice: BatchNormChoice,
    ) -> Result<Self> {
        let mut engine = Engine::new(net, weights)?;
        let statistics = evaluation_statistics(&mut engine, train, choice);
        Ok(Self { engine, statistics })
    }

    /// Outputs of the nodes `wanted` for `images` (`[n, height, width, channels]`), each
    /// `[n, channels·height·width]` in PyTorch's flattening.
    pub fn represent(&mut self, images: &[f32], wanted: &[usize]) -> Vec<Vec<f32>> {
        self.engine.evaluate(images, &self.statistics, wanted)
    }

    /// Represents inputs `0..n` in blocks: `input` gives the images of a range of positions,
    /// `each` takes the range and the outputs of the nodes `wanted`. Only one block's
    /// outputs are held at a time.
    ///
    /// # Errors
    /// The first error of `each`.
    pub fn stream(
        &mut self,
        n: usize,
        wanted: &[usize],
        input: impl Fn(Range<usize>) -> Vec<f32>,
        mut each: impl FnMut(Range<usize>, Vec<Vec<f32>>) -> Result<()>,
    ) -> Result<()> {
        for start in (0..n).step_by(BLOCK) {
            let range = start..(start + BLOCK).min(n);
            let outputs = self.represent(&input(range.clone()), wanted);
            each(range, outputs)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::NetConfig;

    fn net() -> Net {
        NetConfig::Resnet18 { width: 2 }
            .build(Shape { channels: 1, height: 8, width: 8 }, 10)
    }

    fn names(choice: &Layers) -> Vec<String> {
        layers(&net(), choice).unwrap().into_iter().map(|layer| layer.name).collect()
    }

    #[test]
    fn all_stands_for_the_representations_in_depth_order() {
        assert_eq!(names(&Layers::One("all".into())), net().representations);
    }

    #[test]
    fn globs_match_nodes_once_and_in_depth_order() {
        let choice = Layers::Many(vec!["linear".into(), "layer1.*.conv1".into()]);
        assert_eq!(names(&choice), ["layer1.0.conv1", "layer1.1.conv1", "linear"]);
    }

    #[test]
    fn an_unknown_layer_is_an_error_that_names_it() {
        let error = layers(&net(), &Layers::One("conv9".into())).unwrap_err();
        assert!(error.to_string().contains("`conv9`"), "{error}");
    }
}
