//! From a checkpoint and inputs to representations: φ_{ℓ,t}(x) of the paper, the activation
//! of layer ℓ at checkpoint t in evaluation mode.

use std::ops::Range;

use crate::array_file::NamedArrays;
use crate::data::{Data, Split};
use crate::engine::{Asked, BatchNormStatistics, Decided, Device, Inputs, Session};
use crate::error::{Error, Result};
use crate::experiment::{BatchNormChoice, Layers, TokenPolicy};
use crate::net::{Net, Shape};

/// Images of one batch in evaluation. It matters where `BatchNorm` statistics are recomputed:
/// those of the batches are averaged.
pub const EVALUATION_BATCH: usize = 1000;

/// Inputs in one block of a stream.
pub const BLOCK: usize = 512;

/// Inputs that a device decides at once, and nothing but their classes leaves it.
const DECIDED: usize = 1 << 15;

/// One layer whose representations are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The node's name.
    pub name: String,
    /// The node's position in the net.
    pub node: usize,
    /// Shape of its output for one example; of tokens, what the policy makes of them.
    pub shape: Shape,
}

/// The layers that `analysis.layers` names, in depth order.
///
/// "all" stands for the net's list of representations; other names are nodes, and `*` in
/// them stands for any text. `tokens` says which features a layer of tokens has, for a
/// [`Representer`] with the same policy; without one they are all tokens.
///
/// # Errors
/// If a name or glob matches no node.
pub fn layers(
    net: &Net,
    choice: &Layers,
    tokens: Option<TokenPolicy>,
) -> Result<Vec<Layer>> {
    let wanted = wanted_nodes(net, choice)?;
    let nodes = net.nodes.iter().enumerate().filter(|(at, _)| wanted[*at]);
    Ok(nodes
        .map(|(node, n)| {
            let shape = match tokens.unwrap_or(TokenPolicy::All) {
                _ if !net.has_tokens(node) => n.shape,
                TokenPolicy::All => vector(n.shape.size()),
                TokenPolicy::Cls | TokenPolicy::Mean => vector(n.shape.channels),
            };
            Layer { name: n.name.clone(), node, shape }
        })
        .collect())
}

/// Of each node whether `choice` names it.
fn wanted_nodes(net: &Net, choice: &Layers) -> Result<Vec<bool>> {
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
            let among = net.representations.join(" ");
            return Err(Error::usage("`analysis.layers`", format!("names `{pattern}`"))
                .expected(format!("\"all\", or among {among}")));
        }
    }
    Ok(wanted)
}

fn vector(features: usize) -> Shape {
    Shape { channels: features, height: 1, width: 1 }
}

/// Turns tokens `[n, tokens, channels]`, the class token first, into `[n, features]`; means
/// are taken in f64.
fn reduce_tokens(all: Vec<f32>, shape: Shape, policy: TokenPolicy) -> Vec<f32> {
    let channels = shape.channels;
    let image = |image: &[f32]| -> Vec<f32> {
        if policy == TokenPolicy::Cls {
            return image[..channels].to_vec();
        }
        let patches = &image[channels..];
        let n = (patches.len() / channels) as f64;
        let mean = |channel: usize| {
            let values = patches[channel..].iter().step_by(channels);
            (values.map(|&value| f64::from(value)).sum::<f64>() / n) as f32
        };
        (0..channels).map(mean).collect()
    };
    match policy {
        TokenPolicy::All => all,
        _ => all.chunks(shape.size()).flat_map(image).collect(),
    }
}

/// Whether `name` matches `pattern`, in which `*` stands for any text.
pub(crate) fn glob_matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| glob_matches(tail, &rest[at..]))
        }),
    }
}

/// The images of a set of `n` in index order, in batches of 1,000; a remainder of one image
/// joins the batch before it, because one image alone has no variance.
pub fn evaluation_batches(n: usize) -> Vec<Range<usize>> {
    let mut starts: Vec<usize> = (0..n).step_by(EVALUATION_BATCH).collect();
    if starts.len() > 1 && starts.last() == Some(&(n - 1)) {
        starts.pop();
    }
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([n]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| start..end).collect()
}

/// The `BatchNorm` statistics that evaluation uses: the running ones, or those recomputed
/// over all un-augmented training images.
///
/// Running statistics lag the weights when an epoch has few steps; recomputed ones do not
/// ([`Engine::recompute_statistics`](crate::engine::Engine::recompute_statistics)). A net
/// without `BatchNorm` has none of either.
///
/// # Errors
/// If the engine fails.
pub fn evaluation_statistics(
    session: &mut Session<'_>,
    choice: BatchNormChoice,
) -> Result<BatchNormStatistics> {
    if recomputes_statistics(session.net(), choice) {
        let n = session.count(&Inputs::Set(Split::Train));
        session.recompute_statistics(Split::Train, &evaluation_batches(n))
    } else {
        session.running_statistics()
    }
}

/// Whether [`evaluation_statistics`] passes over the training images.
pub fn recomputes_statistics(net: &Net, choice: BatchNormChoice) -> bool {
    choice == BatchNormChoice::Recomputed && net.has_batchnorm()
}

/// A net at one checkpoint, ready to represent images.
#[derive(Debug)]
pub struct Representer<'a> {
    session: Session<'a>,
    statistics: BatchNormStatistics,
    tokens: TokenPolicy,
}

impl<'a> Representer<'a> {
    /// The net with `weights` on a device, evaluated as `choice` says.
    ///
    /// # Errors
    /// If the weights do not fit the net, or the engine fails.
    pub fn new(
        device: &Device,
        data: &'a Data,
        net: &Net,
        weights: &NamedArrays,
        choice: BatchNormChoice,
    ) -> Result<Self> {
        let mut session = device.start((data, &data.noisy), net, weights, (&[], &[]))?;
        let statistics = evaluation_statistics(&mut session, choice)?;
        Ok(Self { session, statistics, tokens: TokenPolicy::All })
    }

    /// With layers of tokens represented as the policy says; without one, by all tokens.
    #[must_use]
    pub fn with_tokens(mut self, policy: Option<TokenPolicy>) -> Self {
        self.tokens = policy.unwrap_or(TokenPolicy::All);
        self
    }

    /// Outputs of the nodes `wanted` for all inputs, each `[n, channels·height·width]` in
    /// PyTorch's flattening, or of tokens what the policy makes of them.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn represent(
        &mut self,
        inputs: &Inputs<'_>,
        wanted: &[usize],
    ) -> Result<Vec<Vec<f32>>> {
        let whole: Vec<_> = wanted.iter().map(|&node| (node, None)).collect();
        let mut outputs = vec![];
        let all = 0..self.session.count(inputs);
        self.represent_into((inputs, all), &whole, &mut outputs)?;
        Ok(outputs)
    }

    /// As [`Representer::represent`], in memory that is used again; maps with a side s beside
    /// their node are averaged to s×s.
    fn represent_into(
        &mut self,
        inputs: (&Inputs<'_>, Range<usize>),
        wanted: &[(usize, Option<usize>)],
        outputs: &mut Vec<Vec<f32>>,
    ) -> Result<()> {
        self.session.evaluate_into(inputs, &self.statistics, wanted, outputs)?;
        let net = self.session.net();
        for (output, &(node, _)) in outputs.iter_mut().zip(wanted) {
            if net.has_tokens(node) {
                let all = std::mem::take(output);
                *output = reduce_tokens(all, net.nodes[node].shape, self.tokens);
            }
        }
        Ok(())
    }

    /// What classifiers decide for all inputs, where the device decides by itself
    /// ([`Session::decide`]); layers of tokens are read as the policy says.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn decide(
        &mut self,
        inputs: &Inputs<'_>,
        mut asked: Vec<Asked<'_>>,
    ) -> Result<Option<Vec<Decided>>> {
        let net = self.session.net();
        for own in asked.iter_mut().filter(|own| net.has_tokens(own.node)) {
            own.tokens = Some(self.tokens).filter(|policy| *policy != TokenPolicy::All);
        }
        let n = self.session.count(inputs);
        let mut all: Option<Vec<Decided>> = None;
        for start in (0..n).step_by(DECIDED) {
            let range = start..(start + DECIDED).min(n);
            let part = self.session.decide((inputs, range), &self.statistics, &asked)?;
            let Some(part) = part else { return Ok(None) };
            match &mut all {
                None => all = Some(part),
                Some(all) => {
                    all.iter_mut().zip(part).for_each(|(all, part)| all.add(part));
                }
            }
        }
        Ok(all)
    }

    /// Represents inputs in blocks: `each` takes the range of a block and the outputs of the
    /// nodes `wanted`, maps with a side s beside their node averaged to s×s. Only one block's
    /// outputs are held at a time.
    ///
    /// # Errors
    /// The first error of `each`, or of the engine.
    pub fn stream(
        &mut self,
        inputs: &Inputs<'_>,
        wanted: &[(usize, Option<usize>)],
        mut each: impl FnMut(Range<usize>, &[Vec<f32>]) -> Result<()>,
    ) -> Result<()> {
        let n = self.session.count(inputs);
        let mut outputs = vec![];
        for start in (0..n).step_by(BLOCK) {
            let range = start..(start + BLOCK).min(n);
            self.represent_into((inputs, range.clone()), wanted, &mut outputs)?;
            each(range, &outputs)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::experiment::{EngineConfig, Experiment};
    use crate::net::{NetConfig, TokenPool, VitConfig, initial_weights};
    use crate::probe::features::adaptive_average_pool;

    fn net() -> Net {
        NetConfig::resnet18(2).build(Shape { channels: 1, height: 8, width: 8 }, 10)
    }

    fn names(choice: &Layers) -> Vec<String> {
        layers(&net(), choice, None)
            .unwrap()
            .into_iter()
            .map(|layer| layer.name)
            .collect()
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
        let error = layers(&net(), &Layers::One("conv9".into()), None).unwrap_err();
        assert!(error.to_string().contains("`conv9`"), "{error}");
    }

    #[test]
    fn tokens_become_what_the_policy_says() {
        // Two images of a class token and two patches with two features.
        let shape = Shape { channels: 2, height: 3, width: 1 };
        let all: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let reduced = |policy| reduce_tokens(all.clone(), shape, policy);
        assert_eq!(reduced(TokenPolicy::Cls), [0.0, 1.0, 6.0, 7.0]);
        assert_eq!(reduced(TokenPolicy::Mean), [3.0, 4.0, 9.0, 10.0]);
        assert_eq!(reduced(TokenPolicy::All), all);
    }

    #[test]
    fn maps_averaged_on_their_way_out_are_those_averaged_afterwards() {
        let net =
            NetConfig::resnet18(3).build(Shape { channels: 2, height: 12, width: 12 }, 4);
        let mut engine = Engine::new(&net, &initial_weights(&net, 1)).unwrap();
        let statistics = engine.running_statistics();
        let images: Vec<f32> =
            (0..70 * 288).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        let nodes: Vec<usize> = layers(&net, &Layers::One("all".into()), None)
            .unwrap()
            .iter()
            .map(|layer| layer.node)
            .collect();
        let whole = engine.evaluate(&images, &statistics, &nodes);
        let mut found = vec![];
        for side in [1, 2, 5] {
            let fits = |node: &usize| net.nodes[*node].shape.height >= side;
            let wanted: Vec<_> =
                nodes.iter().map(|node| (*node, fits(node).then_some(side))).collect();
            engine.evaluate_into(&images, &statistics, &wanted, &mut found);
            for ((&(node, side), pooled), whole) in wanted.iter().zip(&found).zip(&whole)
            {
                let expected = match side {
                    None => whole.clone(),
                    Some(side) => {
                        adaptive_average_pool(whole, net.nodes[node].shape, side)
                    }
                };
                assert_eq!(*pooled, expected, "{}, side {side:?}", net.nodes[node].name);
            }
        }
    }

    #[test]
    fn layers_have_the_shape_that_they_are_represented_in() {
        let config = VitConfig {
            patch: 4,
            dim: 6,
            depth: 1,
            heads: 2,
            head_dim: 3,
            mlp_dim: 6,
            pool: TokenPool::Cls,
            dropout: 0.1,
            norm_eps: 1e-5,
            qkv_bias: false,
        };
        let text = "[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 1";
        let experiment = Experiment::parse("test", text, ".".as_ref(), &[]).unwrap();
        let data = Data::load(&experiment).unwrap();
        let device = Device::open(&EngineConfig::Native, &data, &data.noisy).unwrap();
        let net = NetConfig::Vit(config).build(data.train.shape, 3);
        let weights = initial_weights(&net, 0);
        for (policy, size) in [
            (Some(TokenPolicy::Cls), 6),
            (Some(TokenPolicy::Mean), 6),
            (Some(TokenPolicy::All), 30),
            (None, 30),
        ] {
            let layers = layers(&net, &Layers::One("all".into()), policy).unwrap();
            let sizes: Vec<_> = layers.iter().map(|layer| layer.shape.size()).collect();
            assert_eq!(sizes, [size, size, 6, 3]);
            let nodes: Vec<_> = layers.iter().map(|layer| layer.node).collect();
            let choice = BatchNormChoice::Running;
            let net = Representer::new(&device, &data, &net, &weights, choice).unwrap();
            let mut net = net.with_tokens(policy);
            let outputs =
                net.represent(&Inputs::Indices(Split::Test, &[5, 2]), &nodes).unwrap();
            let found: Vec<_> = outputs.iter().map(|output| output.len() / 2).collect();
            assert_eq!(found, sizes);
        }
    }
}
