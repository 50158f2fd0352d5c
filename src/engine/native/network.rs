//! A net's weights, gradients and memory, and its training-mode passes.

use std::collections::BTreeMap;

use super::batchnorm::Saved;
use super::conv::GatherPlan;
use super::conv_layer::Conv;
use super::evaluation_cache::Cache;
use super::geometry::pixels;
use super::isa::Isa;
use super::loss;
use super::lowering::lower;
use super::optimizer::State;
use super::plan::Program;
use super::tensor::{Batch, Buffer};
use super::token_layer::TokenLayer;
use super::tokens::{Tokens, Workspaces};
use crate::engine::Regularization;
use crate::net::{Net, Op, Parameter};

/// Weight of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// Values of a node's activation.
pub(super) fn activation_size(isa: Isa, net: &Net, node: usize, batch: Batch) -> usize {
    let shape = net.nodes[node].shape;
    if net.has_tokens(node) {
        return Tokens { isa, batch, count: shape.height }.size(shape.channels);
    }
    batch.size(shape.channels, pixels(shape))
}

/// What a training or statistics pass needs for batches of one number of blocks.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) program: Program,
    /// Forward and backward columns of each convolution, by node.
    pub(super) gathers: Vec<[Option<GatherPlan>; 2]>,
}

/// A net with weights that runs on the CPU.
#[derive(Debug)]
pub(in crate::engine) struct Network {
    pub(super) isa: Isa,
    pub(super) net: Net,
    pub(super) parameters: Vec<Parameter>,
    /// Values and gradients of the parameters, in the same order; those without gradient
    /// have an empty one.
    pub(super) values: Vec<Vec<f32>>,
    pub(super) gradients: Vec<Vec<f32>>,
    /// Training batches that each BatchNorm has seen.
    batches_tracked: Vec<i64>,
    /// Which parameters stay as they are.
    pub(in crate::engine) frozen: Vec<bool>,
    /// What the rate of each parameter is multiplied by.
    pub(super) rate_scales: Vec<f64>,
    pub(super) state: State,
    /// Convolutions by node.
    pub(super) convs: Vec<Option<Conv>>,
    /// Linear layers on tokens by node.
    pub(super) token_layers: Vec<Option<TokenLayer>>,
    pub(super) spaces: Workspaces,
    /// Position of a node's first parameter.
    pub(super) first_parameter: Vec<usize>,
    /// BatchNorm nodes.
    pub(super) batchnorms: Vec<usize>,
    /// What the forward pass leaves of each BatchNorm node.
    pub(super) saved: Vec<Vec<Saved>>,
    /// Whether the packed weights of the linear layers on tokens are those of now, for each
    /// direction.
    pub(super) packed: [bool; 2],
    /// Plans by number of blocks and whether they train.
    pub(super) plans: BTreeMap<(usize, bool), Plan>,
    /// The values and gradients of a pass.
    pub(super) memory: Buffer,
    /// Packed weights of a convolution, or the parts of a weight's gradient.
    pub(super) scratch: Buffer,
    /// What a linear layer on tokens reads, in its backward pass.
    pub(super) inner: Buffer,
    pub(super) dropout_key: u64,
    pub(super) evaluation: Cache,
}

impl Network {
    /// `values` in the order of `net.parameters()`, `batches_tracked` in that of the
    /// BatchNorm nodes.
    pub(in crate::engine) fn new(
        isa: Isa,
        net: &Net,
        values: Vec<Vec<f32>>,
        batches_tracked: Vec<i64>,
    ) -> Self {
        let parameters = net.parameters();
        let first = |node| {
            let own = net.node_parameters(node);
            let is_first = |p: &Parameter| own.first() == Some(p);
            parameters.iter().position(is_first).unwrap_or(0)
        };
        let first_parameter: Vec<usize> = net.nodes.iter().map(first).collect();
        let conv = |node| Conv::new(isa, net, node, first_parameter[node]);
        let gradient = |p: &Parameter| {
            vec![0.0; if p.role.is_trained() { p.shape.iter().product() } else { 0 }]
        };
        let is_batchnorm = |&node: &usize| net.nodes[node].op == Op::BatchNorm;
        Self {
            isa,
            gradients: parameters.iter().map(gradient).collect(),
            convs: (0..net.nodes.len()).map(conv).collect(),
            token_layers: (0..net.nodes.len())
                .map(|node| TokenLayer::new(isa, net, node, first_parameter[node]))
                .collect(),
            spaces: Workspaces::default(),
            batchnorms: (0..net.nodes.len()).filter(is_batchnorm).collect(),
            saved: vec![vec![]; net.nodes.len()],
            net: net.clone(),
            frozen: vec![false; parameters.len()],
            rate_scales: vec![1.0; parameters.len()],
            parameters,
            values,
            batches_tracked,
            state: State::Empty,
            first_parameter,
            packed: [false; 2],
            plans: BTreeMap::new(),
            memory: Buffer::default(),
            scratch: Buffer::default(),
            inner: Buffer::default(),
            dropout_key: 0,
            evaluation: Cache::default(),
        }
    }

    pub(in crate::engine) fn net(&self) -> &Net {
        &self.net
    }

    pub(in crate::engine) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    pub(in crate::engine) fn values(&self) -> &[Vec<f32>] {
        &self.values
    }

    pub(in crate::engine) fn gradients(&self) -> &[Vec<f32>] {
        &self.gradients
    }

    pub(in crate::engine) fn batches_tracked(&self) -> &[i64] {
        &self.batches_tracked
    }

    pub(in crate::engine) fn state(&self) -> &State {
        &self.state
    }

    pub(in crate::engine) fn set_state(&mut self, state: State) {
        self.state = state;
    }

    /// Packs the weights of linear layers on tokens that changed since the last time.
    pub(super) fn pack_tokens(&mut self, backward: bool) {
        let direction = usize::from(backward);
        if !self.packed[direction] {
            for layer in self.token_layers.iter_mut().flatten() {
                layer.pack(&self.values, backward);
            }
            self.packed[direction] = true;
        }
    }

    /// Loss and gradients; see `Engine::gradients`.
    pub(in crate::engine) fn train(
        &mut self,
        images: &[f32],
        labels: &[u8],
        regularization: Regularization,
    ) -> f64 {
        self.dropout_key = regularization.dropout_key;
        let batch = Batch::new(self.isa, labels.len());
        self.prepare(batch, true);
        self.pack_tokens(false);
        self.pack_tokens(true);
        let plan = self.plans.remove(&(batch.blocks, true)).expect("was prepared");
        let mut memory = std::mem::take(&mut self.memory);
        let space = memory.get_mut(plan.program.length);
        self.forward(&plan, batch, images, space);
        self.move_running_statistics(batch);
        let loss =
            self.loss(&plan, batch, (labels, regularization.label_smoothing), space);
        self.backward(&plan, batch, space);
        self.memory = memory;
        self.clear_frozen();
        self.plans.insert((batch.blocks, true), plan);
        loss
    }

    /// Mean and biased variance of every BatchNorm in a training-mode pass, and the number
    /// of values they come from.
    pub(in crate::engine) fn moments(
        &mut self,
        images: &[f32],
    ) -> Vec<(Vec<[f64; 2]>, usize)> {
        let batch = Batch::new(self.isa, images.len() / self.net.input().size());
        self.prepare(batch, false);
        self.pack_tokens(false);
        let plan = self.plans.remove(&(batch.blocks, false)).expect("was prepared");
        let mut memory = std::mem::take(&mut self.memory);
        self.forward(&plan, batch, images, memory.get_mut(plan.program.length));
        self.memory = memory;
        self.plans.insert((batch.blocks, false), plan);
        let count = |node: usize| batch.n * pixels(self.net.nodes[node].shape);
        let moments = |&node: &usize| {
            let moments = self.saved[node].iter().map(|channel| channel.moments);
            (moments.collect(), count(node))
        };
        self.batchnorms.iter().map(moments).collect()
    }

    /// Makes the plan for such batches, and its memory.
    fn prepare(&mut self, batch: Batch, training: bool) {
        // What evaluations left there is written over.
        self.evaluation.forget_weights();
        let key = (batch.blocks, training);
        if self.plans.contains_key(&key) {
            return;
        }
        let net = &self.net;
        let size = |node: usize| activation_size(self.isa, net, node, batch);
        let program = if training {
            let root = [net.nodes.len() - 1];
            let trains = self.nodes_with_trained_ancestors();
            Program::training(net, lower(net, &root, &root, false), &trains, size)
        } else {
            Program::forward(net, lower(net, &self.batchnorms, &[], false), size)
        };
        let gathers = self.convs.iter().map(|conv| {
            conv.as_ref().map_or([None, None], |conv| {
                [conv.forward.plan(batch), conv.backward.plan(batch)]
            })
        });
        let gathers = gathers.collect();
        self.memory.reserve(program.length);
        for conv in self.convs.iter().flatten() {
            self.scratch.reserve(conv.scratch_size(batch, training));
        }
        if training {
            self.reserve_token_space(batch);
        }
        self.plans.insert(key, Plan { program, gathers });
    }

    /// The mean loss; leaves the gradient of the logits.
    fn loss(
        &self,
        plan: &Plan,
        batch: Batch,
        (labels, smoothing): (&[u8], f64),
        memory: &mut [f32],
    ) -> f64 {
        let root = self.net.nodes.len() - 1;
        let (values, out) = plan.program.loss_step(memory);
        let targets =
            loss::Targets { labels, n_classes: self.net.n_classes(), smoothing };
        loss::cross_entropy(values.get(root), targets, batch, out)
    }

    /// `running ← 0.9·running + 0.1·batch`, with the unbiased variance; not where the node is
    /// frozen.
    fn move_running_statistics(&mut self, batch: Batch) {
        for (&node, tracked) in self.batchnorms.iter().zip(&mut self.batches_tracked) {
            let first = self.first_parameter[node];
            if self.frozen[first] {
                continue;
            }
            *tracked += 1;
            let count = (batch.n * pixels(self.net.nodes[node].shape)) as f64;
            for (c, Saved { moments, .. }) in self.saved[node].iter().enumerate() {
                let new = [moments[0], moments[1] * count / (count - 1.0)];
                for (which, new) in new.into_iter().enumerate() {
                    let running = &mut self.values[first + 2 + which][c];
                    let old = f64::from(*running);
                    *running = ((1.0 - MOMENTUM) * old + MOMENTUM * new) as f32;
                }
            }
        }
    }
}
