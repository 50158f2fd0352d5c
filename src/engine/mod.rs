//! Runs a net's nodes: forward, backward, optimizer step. Images enter as NHWC f32;
//! everything that enters or leaves as a named parameter or a representation is in PyTorch's
//! layout. What lies between is the engine's own affair: the CPU engine keeps a block of
//! images in the lanes of its vectors.
//!
//! The same weights and images give the same bytes at any number of threads: work is cut by
//! fixed sizes and sums are added in a fixed order. Another instruction set may round
//! otherwise; the environment variable `STRATAGRAM_ISA` (`avx512`, `avx2`, `neon`,
//! `portable`) chooses one, else the best that the machine has is taken.

mod device;
mod inputs;
mod native;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod reference_tokens;
mod settings;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod token_tests;
mod torch;

use std::collections::BTreeMap;

use native::{Isa, Network};

use crate::array_file::{Array, NamedArrays, Values};
use crate::error::Result;
use crate::net::{Net, Parameter, Role, Shape};

pub use device::{Device, Recipe, Session, Step};
pub use inputs::{Asked, Decided, Inputs, Points};
pub use settings::{BatchNormStatistics, ChannelStatistics, Regularization, Update};

/// The vector instructions that engines use on this machine: `avx512`, `avx2`, `neon` or
/// `portable`.
///
/// # Errors
/// If `STRATAGRAM_ISA` names a set that the machine does not have.
pub fn isa_name() -> Result<&'static str> {
    Ok(Isa::selected()?.name())
}

/// PyTorch's version and the devices that it sees, as `engine.device` names them.
///
/// # Errors
/// If there is no PyTorch: what to install.
pub fn torch_devices() -> Result<String> {
    torch::devices()
}

/// A net with weights, on the CPU.
///
/// # Example
/// ```
/// use stratagram::engine::{Engine, Update};
/// use stratagram::net::{NetConfig, Shape, initial_weights};
///
/// let input = Shape { channels: 1, height: 8, width: 8 };
/// let net = NetConfig::cnn5(2).build(input, 3);
/// let mut engine = Engine::new(&net, &initial_weights(&net, 0))?;
/// let images: Vec<f32> = (0..6 * 64).map(|i| (i % 11) as f32).collect();
/// let labels = [0, 1, 2, 0, 1, 2];
/// let before = engine.gradients(&images, &labels);
/// engine.update(&Update::Sgd { lr: 0.01, momentum: 0.0, weight_decay: 0.0, nesterov: false });
/// assert!(engine.gradients(&images, &labels) < before);
///
/// let logits = net.nodes.len() - 1;
/// let statistics = engine.running_statistics();
/// assert_eq!(engine.evaluate(&images, &statistics, &[logits])[0].len(), 6 * 3);
/// # Ok::<(), stratagram::Error>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    network: Network,
}

impl Engine {
    /// An engine for `net` that starts from `weights`; every name and shape is checked.
    ///
    /// # Errors
    /// If a parameter is missing, unexpected or of another shape, or `STRATAGRAM_ISA` names
    /// instructions that the machine does not have.
    pub fn new(net: &Net, weights: &NamedArrays) -> Result<Self> {
        Self::with_isa(Isa::selected()?, net, weights)
    }

    fn with_isa(isa: Isa, net: &Net, weights: &NamedArrays) -> Result<Self> {
        let (values, batches_tracked) = state::read_weights(&net.parameters(), weights)?;
        Ok(Self { network: Network::new(isa, net, values, batches_tracked) })
    }

    /// The net.
    pub fn net(&self) -> &Net {
        self.network.net()
    }

    /// Current parameters and running statistics as a PyTorch `state_dict`.
    pub fn weights(&self) -> NamedArrays {
        let parameters = self.network.parameters().iter().zip(self.network.values());
        let mut tracked = self.network.batches_tracked().iter();
        let named = parameters.map(|(parameter, values)| {
            let values = match parameter.role {
                Role::BatchesTracked => {
                    Values::I64(tracked.by_ref().copied().take(1).collect())
                }
                _ => Values::F32(values.clone()),
            };
            (parameter.name.clone(), Array { shape: parameter.shape.clone(), values })
        });
        NamedArrays(named.collect())
    }

    /// The optimizer's buffers: SGD `momentum/NAME`; Adam `exp_avg/NAME`, `exp_avg_sq/NAME`
    /// and the i64 scalars `step/NAME`. Empty before the first step and for SGD without momentum.
    pub fn optimizer_state(&self) -> NamedArrays {
        state::write_optimizer(self.network.parameters(), self.network.state())
    }

    /// Puts back what [`Engine::optimizer_state`] gave.
    ///
    /// # Errors
    /// If a buffer is missing, unexpected or of another shape.
    pub fn set_optimizer_state(&mut self, state: &NamedArrays) -> Result<()> {
        let state = state::read_optimizer(self.network.parameters(), state)?;
        self.network.set_state(state);
        Ok(())
    }

    /// Mean cross-entropy of a training-mode forward pass over `images`
    /// (`[n, height, width, channels]`) followed by the backward pass; running statistics
    /// move as in PyTorch. Gradients stay in the engine.
    ///
    /// With a single value a channel (one image, one pixel) the unbiased variance is
    /// undefined and the running variance becomes NaN.
    ///
    /// # Panics
    /// If there are no labels, their number is not that of the images, or one is not below
    /// the number of classes.
    pub fn gradients(&mut self, images: &[f32], labels: &[u8]) -> f64 {
        self.regularized_gradients(images, labels, Regularization::default())
    }

    /// [`Engine::gradients`] of the loss with smoothed labels and the dropout of a key. The
    /// same key drops the same values of the same positions in the batch, whatever the
    /// number of threads and the instruction set.
    ///
    /// # Panics
    /// As [`Engine::gradients`].
    pub fn regularized_gradients(
        &mut self,
        images: &[f32],
        labels: &[u8],
        regularization: Regularization,
    ) -> f64 {
        let size = self.net().input().size();
        assert!(!labels.is_empty(), "a batch needs at least one image");
        assert_eq!(
            images.len(),
            labels.len() * size,
            "{} labels need as many images of {size} values",
            labels.len()
        );
        let n_classes = self.net().n_classes();
        assert!(
            labels.iter().all(|&label| usize::from(label) < n_classes),
            "a label is not below the number of classes, {n_classes}"
        );
        let network = &mut self.network;
        // Inside the pool, so that each of the many small parallel loops starts at once.
        rayon::scope(|_| network.train(images, labels, regularization))
    }

    /// The gradients of the last [`Engine::gradients`] call, by PyTorch name and layout; frozen
    /// parameters have none.
    pub fn last_gradients(&self) -> NamedArrays {
        let parameters = self.network.parameters().iter().zip(self.network.gradients());
        let marked = parameters.zip(&self.network.frozen);
        let trained = marked
            .filter(|((parameter, _), frozen)| parameter.role.is_trained() && !**frozen);
        let named = trained.map(|((parameter, gradient), _)| {
            let values = Values::F32(gradient.clone());
            (parameter.name.clone(), Array { shape: parameter.shape.clone(), values })
        });
        NamedArrays(named.collect())
    }

    /// Of each parameter that is trained, in the net's order: itself, its values, and the gradient
    /// of the last [`Engine::gradients`] call unless it is frozen.
    pub(crate) fn trained(
        &self,
    ) -> impl Iterator<Item = (&Parameter, &[f32], Option<&[f32]>)> {
        let network = &self.network;
        let parameters = network.parameters().iter().zip(network.values());
        let gradients = network.gradients().iter().zip(&network.frozen);
        parameters
            .zip(gradients)
            .filter(|((parameter, _), _)| parameter.role.is_trained())
            .map(|((parameter, values), (gradient, frozen))| {
                (parameter, &values[..], (!frozen).then_some(&gradient[..]))
            })
    }

    /// Scales the last gradients so that their total L2 norm is at most `max_norm`, and gives
    /// the norm before: `torch.nn.utils.clip_grad_norm_`.
    ///
    /// All gradients are multiplied by c = min(1, `max_norm`/(norm + 10⁻⁶)), with
    /// norm = √(Σ g²) in f64 over the gradients of all trained parameters.
    ///
    /// # Panics
    /// If `max_norm` is not positive.
    pub fn clip_gradients(&mut self, max_norm: f64) -> f64 {
        assert!(max_norm > 0.0, "gradients clipped to the norm {max_norm}");
        self.network.clip(max_norm)
    }

    /// Keeps the parameters of the nodes `frozen` (positions in the net), and of no others, as
    /// they are from here on.
    ///
    /// [`Engine::update`] leaves them and their optimizer buffers, no gradient is computed for
    /// them, and the backward pass ends where nothing before it moves. As with PyTorch's
    /// `requires_grad = False`, a frozen BatchNorm goes on normalizing training batches by
    /// their own moments; beyond PyTorch, its running statistics stay too.
    ///
    /// # Panics
    /// If a position is not in the net.
    pub fn freeze(&mut self, frozen: &[usize]) {
        let net = self.net();
        assert!(
            frozen.iter().all(|&node| node < net.nodes.len()),
            "frozen nodes {frozen:?} of a net with {}",
            net.nodes.len()
        );
        let own = |&node: &usize| net.node_parameters(&net.nodes[node]);
        let names: Vec<String> = frozen.iter().flat_map(own).map(|p| p.name).collect();
        let marks = self.network.parameters().iter().map(|p| names.contains(&p.name));
        let marks = marks.collect();
        self.network.freeze(marks);
    }

    /// Multiplies the rate of every update by a factor for each node of the net, as
    /// `torch.optim`'s parameter groups with rates of their own: lr·factor takes lr's place in
    /// all of an update, weight decay included.
    ///
    /// # Panics
    /// If there is not one factor for each node.
    pub fn scale_rates(&mut self, factors: &[f64]) {
        let net = self.net();
        assert_eq!(factors.len(), net.nodes.len(), "one factor for each node");
        let mut of_parameter = BTreeMap::new();
        for (node, factor) in net.nodes.iter().zip(factors) {
            let own = net.node_parameters(node);
            of_parameter.extend(own.into_iter().map(|p| (p.name, *factor)));
        }
        let scales = self.network.parameters().iter().map(|p| of_parameter[&p.name]);
        let scales = scales.collect();
        self.network.scale_rates(scales);
    }

    /// Applies the last gradients.
    pub fn update(&mut self, update: &Update) {
        self.network.update(update);
    }

    /// The running statistics.
    pub fn running_statistics(&self) -> BatchNormStatistics {
        let parameters = self.network.parameters().iter().zip(self.network.values());
        let of = |role: Role| {
            let found =
                parameters.clone().filter(move |(parameter, _)| parameter.role == role);
            found.map(|(_, values)| values.clone())
        };
        let pairs = of(Role::RunningMean).zip(of(Role::RunningVar));
        BatchNormStatistics(
            pairs.map(|(mean, var)| ChannelStatistics { mean, var }).collect(),
        )
    }

    /// Statistics recomputed over `batches` of images; the running statistics stay as they
    /// are.
    ///
    /// μ = Σ nᵢμᵢ / Σ nᵢ and σ² = Σ nᵢσᵢ² / Σ nᵢ, with nᵢ the number of images in batch i and
    /// σᵢ² its unbiased variance. `torch.optim.swa_utils.update_bn` gives every
    /// batch the same weight, so that the images of a short last batch count more than
    /// others; on batches of equal size the two agree.
    ///
    /// # Panics
    /// If there is no batch, or one is empty or not whole images.
    pub fn recompute_statistics(
        &mut self,
        batches: impl Iterator<Item = impl AsRef<[f32]>>,
    ) -> BatchNormStatistics {
        let size = self.net().input().size();
        let mut total: Vec<Vec<[f64; 2]>> = vec![];
        let mut n_images = 0.0;
        for images in batches {
            let images = images.as_ref();
            assert!(
                !images.is_empty() && images.len().is_multiple_of(size),
                "a batch has {} values; an image has {size}",
                images.len()
            );
            let network = &mut self.network;
            let found = rayon::scope(|_| network.moments(images));
            let weight = (images.len() / size) as f64;
            n_images += weight;
            total.resize_with(found.len(), Vec::new);
            for (total, (moments, count)) in total.iter_mut().zip(found) {
                total.resize(moments.len(), [0.0; 2]);
                let unbiased = count as f64 / (count as f64 - 1.0);
                for ([mean, var], new) in total.iter_mut().zip(moments) {
                    *mean += weight * new[0];
                    *var += weight * new[1] * unbiased;
                }
            }
        }
        assert!(n_images > 0.0, "statistics need at least one batch");
        let average = |channels: &Vec<[f64; 2]>, which: usize| {
            channels.iter().map(|sums| (sums[which] / n_images) as f32).collect()
        };
        let channels = total.iter().map(|channels| ChannelStatistics {
            mean: average(channels, 0),
            var: average(channels, 1),
        });
        BatchNormStatistics(channels.collect())
    }

    /// Evaluation-mode outputs of the `wanted` nodes (positions in the net) for `images`
    /// (`[n, height, width, channels]`), each `[n, channels·height·width]` in PyTorch's
    /// flattening (channel, row, column; of tokens: token, channel). Nodes that no wanted node depends on are not
    /// computed. An image's bytes do not depend on the other images.
    ///
    /// # Panics
    /// If `images` is not whole images, the statistics are not those of the net's BatchNorm
    /// nodes, or a wanted position is not in the net.
    pub fn evaluate(
        &mut self,
        images: &[f32],
        statistics: &BatchNormStatistics,
        wanted: &[usize],
    ) -> Vec<Vec<f32>> {
        let whole: Vec<_> = wanted.iter().map(|&node| (node, None)).collect();
        let mut outputs = vec![];
        self.evaluate_into(images, statistics, &whole, &mut outputs);
        outputs
    }

    /// As [`Engine::evaluate`], but maps with a side s beside their node are averaged to s×s:
    /// `[n, channels·s²]`, the values of
    /// [`adaptive_average_pool`](crate::probe::features::adaptive_average_pool) while the map
    /// is at hand. What `outputs` held is replaced and its memory used again, so that a stream
    /// does not fault in new pages for each block.
    ///
    /// # Panics
    /// As [`Engine::evaluate`], and if a side is 0 or larger than its map, or given for
    /// tokens.
    pub fn evaluate_into(
        &mut self,
        images: &[f32],
        statistics: &BatchNormStatistics,
        wanted: &[(usize, Option<usize>)],
        outputs: &mut Vec<Vec<f32>>,
    ) {
        let size = self.net().input().size();
        assert!(
            images.len().is_multiple_of(size),
            "there are {} values; an image has {size}",
            images.len()
        );
        let n_nodes = self.net().nodes.len();
        assert!(
            wanted.iter().all(|&(node, _)| node < n_nodes),
            "wanted nodes {wanted:?} of a net with {n_nodes}"
        );
        for &(node, side) in wanted {
            let Shape { height, width, .. } = self.net().nodes[node].shape;
            let fits = |side| (1..=height.min(width)).contains(&side);
            assert!(
                side.is_none_or(|side| fits(side) && !self.net().has_tokens(node)),
                "maps of node {node}, {height} × {width}, averaged to side {side:?}"
            );
        }
        let channels: Vec<_> = self.running_statistics().0;
        let lengths = |of: &[ChannelStatistics]| -> Vec<[usize; 2]> {
            of.iter().map(|channels| [channels.mean.len(), channels.var.len()]).collect()
        };
        assert_eq!(
            lengths(&statistics.0),
            lengths(&channels),
            "statistics do not fit the net's BatchNorm nodes"
        );
        let network = &mut self.network;
        rayon::scope(|_| network.evaluate(images, statistics, wanted, outputs));
    }
}
