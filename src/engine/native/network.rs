//! A net's weights, gradients and buffers, and its training-mode passes.

use std::collections::BTreeMap;

use super::batchnorm::{BatchNorm, Saved};
use super::batchnorm_pool::BatchNormPool;
use super::conv::{Epilogue, GatherPlan};
use super::conv_pass::{Pass, WeightPass};
use super::conv_weights::bias_gradient;
use super::geometry::Windows;
use super::isa::Isa;
use super::optimizer::State;
use super::plan::{Back, Kind, Program, Step, Target, lower};
use super::pool::{GlobalAvgPool, MaxPool};
use super::subsample::Subsample;
use super::tensor::{Batch, Buffer, pack_images};
use super::token_steps::TokenLayer;
use super::tokens::{Tokens, Workspaces};
use super::{elementwise, loss};
use crate::engine::Regularization;
use crate::net::{Net, Op, Parameter, Shape};

/// Weight of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// A convolution or linear layer.
#[derive(Debug)]
pub(super) struct Conv {
    pub(super) forward: Pass,
    pub(super) backward: Pass,
    weights: WeightPass,
    /// Position of the weight among the parameters; the bias follows it.
    pub(super) weight: usize,
    pub(super) bias: bool,
    taps: usize,
    pub(super) packed: [Buffer; 2],
}

impl Conv {
    fn new(isa: Isa, net: &Net, node: usize, weight: usize) -> Option<Self> {
        let to = net.nodes[node].shape;
        let from = net.nodes[*net.nodes[node].inputs.first()?].shape;
        let (kernel, stride, padding, bias) = match net.nodes[node].op {
            Op::Conv2d { kernel, stride, padding, bias, .. } => {
                (kernel, stride, padding, bias)
            }
            Op::Linear { .. } => {
                assert_eq!(pixels(from), 1, "a linear layer reads vectors, not {from:?}");
                (1, 1, 0, true)
            }
            _ => return None,
        };
        let sides = [from, to].map(|shape| [shape.height, shape.width]);
        let windows = Windows { kernel, stride, padding, from: sides[0], to: sides[1] };
        let [inputs, outputs] = [from.channels, to.channels];
        Some(Self {
            forward: Pass::forward(isa, &windows, inputs, outputs),
            backward: Pass::backward(isa, &windows, inputs, outputs),
            weights: WeightPass::new(isa, &windows, inputs, outputs),
            weight,
            bias,
            taps: kernel * kernel,
            packed: [Buffer::default(), Buffer::default()],
        })
    }

    /// Packs the weights for one direction.
    fn pack(&mut self, weights: &[f32], inputs: usize, backward: bool) {
        let [input, output] = [self.taps, self.taps * inputs];
        let (pass, strides) = if backward {
            (&self.backward, [output, input])
        } else {
            (&self.forward, [input, output])
        };
        let packed = &mut self.packed[usize::from(backward)];
        packed.reserve(pass.packed_size());
        pass.pack(weights, strides, packed.get_mut(pass.packed_size()));
    }

    /// The weights as the forward kernel reads them.
    pub(super) fn packed_forward(&self) -> &[f32] {
        self.packed[0].get(self.forward.packed_size())
    }

    fn packed_backward(&self) -> &[f32] {
        self.packed[1].get(self.backward.packed_size())
    }
}

/// Pixels of a shape.
pub(super) fn pixels(shape: Shape) -> usize {
    shape.height * shape.width
}

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
    gathers: Vec<[Option<GatherPlan>; 2]>,
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
    saved: Vec<Vec<Saved>>,
    pub(super) packed: [bool; 2],
    /// Plans by number of blocks and whether they train.
    pub(super) plans: BTreeMap<(usize, bool), Plan>,
    buffers: Vec<Buffer>,
    pub(super) scratch: Buffer,
    /// What a linear layer on tokens reads, in its backward pass.
    pub(super) inner: Buffer,
    pub(super) dropout_key: u64,
    pub(super) evaluation: super::evaluation::Cache,
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
            parameters,
            values,
            batches_tracked,
            state: State::Empty,
            first_parameter,
            packed: [false; 2],
            plans: BTreeMap::new(),
            buffers: vec![],
            scratch: Buffer::default(),
            inner: Buffer::default(),
            dropout_key: 0,
            evaluation: super::evaluation::Cache::default(),
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

    /// Packs the weights that changed since the last time.
    pub(super) fn pack(&mut self, backward: bool) {
        let direction = usize::from(backward);
        if self.packed[direction] {
            return;
        }
        for (conv, node) in self.convs.iter_mut().zip(&self.net.nodes) {
            if let Some(conv) = conv {
                let inputs = self.net.nodes[node.inputs[0]].shape.channels;
                conv.pack(&self.values[conv.weight], inputs, backward);
            }
        }
        for layer in self.token_layers.iter_mut().flatten() {
            layer.pack(&self.values, backward);
        }
        self.packed[direction] = true;
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
        self.pack(false);
        self.pack(true);
        let plan = self.plans.remove(&(batch.blocks, true)).expect("was prepared");
        self.forward(&plan, batch, images);
        self.move_running_statistics(batch);
        let loss = self.loss(&plan, batch, labels, regularization.label_smoothing);
        for back in &plan.program.backward {
            self.step_back(&plan, batch, back);
        }
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
        self.pack(false);
        let plan = self.plans.remove(&(batch.blocks, false)).expect("was prepared");
        self.forward(&plan, batch, images);
        self.plans.insert((batch.blocks, false), plan);
        let count = |node: usize| batch.n * pixels(self.net.nodes[node].shape);
        let moments = |&node: &usize| {
            let moments = self.saved[node].iter().map(|channel| channel.moments);
            (moments.collect(), count(node))
        };
        self.batchnorms.iter().map(moments).collect()
    }

    /// Makes the plan for such batches, and its buffers.
    fn prepare(&mut self, batch: Batch, training: bool) {
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
        if self.buffers.len() < program.buffers.len() {
            self.buffers.resize_with(program.buffers.len(), Buffer::default);
        }
        for (buffer, &size) in self.buffers.iter_mut().zip(&program.buffers) {
            buffer.reserve(size);
        }
        for conv in self.convs.iter().flatten().filter(|_| training) {
            self.scratch.reserve(conv.weights.scratch_size(batch.blocks));
        }
        if training {
            self.reserve_token_space(batch);
        }
        self.plans.insert(key, Plan { program, gathers });
    }

    pub(super) fn size(&self, batch: Batch, node: usize) -> usize {
        activation_size(self.isa, &self.net, node, batch)
    }

    /// The value of a node.
    pub(super) fn value(&self, plan: &Plan, batch: Batch, node: usize) -> &[f32] {
        let buffer = plan.program.value[node].expect("is stored");
        self.buffers[buffer].get(self.size(batch, node))
    }

    fn sides(&self, node: usize) -> [usize; 2] {
        let shape = self.net.nodes[node].shape;
        [shape.height, shape.width]
    }

    fn forward(&mut self, plan: &Plan, batch: Batch, images: &[f32]) {
        for step in &plan.program.steps {
            let buffer = plan.program.value[step.output].expect("is stored");
            let mut output = std::mem::take(&mut self.buffers[buffer]);
            let out = output.get_mut(self.size(batch, step.output));
            if step.kind == Kind::Input {
                let shape = self.net.input();
                pack_images(images, shape.channels, pixels(shape), batch, out);
            } else if let Kind::BatchNorm { node, relu, pool } = step.kind {
                let mut saved = std::mem::take(&mut self.saved[node]);
                let input = self.value(plan, batch, step.input);
                let weights = self.scale_and_shift(node);
                let batchnorm = self.batchnorm(node, relu, batch);
                match pool {
                    None => batchnorm.train(input, weights, &mut saved, out),
                    Some(size) => {
                        let pool = self.max_pool(size, step, batch);
                        let both = BatchNormPool { batchnorm, pool };
                        both.train(input, weights, &mut saved, out);
                    }
                }
                self.saved[node] = saved;
            } else {
                self.step(plan, batch, step, out);
            }
            self.buffers[buffer] = output;
        }
    }

    fn batchnorm(&self, node: usize, relu: bool, batch: Batch) -> BatchNorm {
        let pixels = pixels(self.net.nodes[node].shape);
        BatchNorm { isa: self.isa, batch, pixels, relu }
    }

    fn scale_and_shift(&self, node: usize) -> [&[f32]; 2] {
        let first = self.first_parameter[node];
        [&self.values[first], &self.values[first + 1]]
    }

    /// Every step whose forward pass only reads.
    fn step(&self, plan: &Plan, batch: Batch, step: &Step, out: &mut [f32]) {
        let input = self.value(plan, batch, step.input);
        match step.kind {
            Kind::Conv { node, add, .. } => {
                let conv = self.convs[node].as_ref().expect("is a convolution");
                let [gather, _] = &plan.gathers[node];
                let epilogue = Epilogue {
                    bias: conv.bias.then(|| &self.values[conv.weight + 1][..]),
                    add: add.map(|other| self.value(plan, batch, other)),
                    ..Epilogue::default()
                };
                let sources = [conv.packed_forward(), input];
                conv.forward.run(gather.as_ref(), batch, sources, epilogue, out);
            }
            Kind::Relu => elementwise::relu(input, out),
            Kind::MaxPool { size } => {
                self.max_pool(size, step, batch).forward(input, out);
            }
            Kind::Subsample { stride } => {
                self.subsample(stride, step, batch).forward(input, out);
            }
            Kind::GlobalAvgPool => self.global_pool(step, batch).forward(input, out),
            Kind::Add { other } => {
                elementwise::add(input, self.value(plan, batch, other), out);
            }
            Kind::Input | Kind::BatchNorm { .. } => unreachable!("changes state"),
            _ => self.token_step(step, batch, &|node| self.value(plan, batch, node), out),
        }
    }

    fn max_pool(&self, size: usize, step: &Step, batch: Batch) -> MaxPool {
        let [from, to] = [step.input, step.output].map(|node| self.sides(node));
        MaxPool { isa: self.isa, batch, size, from, to }
    }

    pub(super) fn subsample(
        &self,
        stride: usize,
        step: &Step,
        batch: Batch,
    ) -> Subsample {
        let shapes = [step.input, step.output].map(|node| self.net.nodes[node].shape);
        Subsample::new(batch, stride, shapes)
    }

    fn global_pool(&self, step: &Step, batch: Batch) -> GlobalAvgPool {
        let pixels = pixels(self.net.nodes[step.input].shape);
        GlobalAvgPool { isa: self.isa, batch, pixels }
    }

    fn loss(&mut self, plan: &Plan, batch: Batch, labels: &[u8], smoothing: f64) -> f64 {
        let root = self.net.nodes.len() - 1;
        let buffer = plan.program.backward[0].gradient;
        let mut gradient = std::mem::take(&mut self.buffers[buffer]);
        let logits = self.value(plan, batch, root);
        let out = gradient.get_mut(self.size(batch, root));
        let targets =
            loss::Targets { labels, n_classes: self.net.n_classes(), smoothing };
        let loss = loss::cross_entropy(logits, targets, batch, out);
        self.buffers[buffer] = gradient;
        loss
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

    fn step_back(&mut self, plan: &Plan, batch: Batch, back: &Back) {
        let step = &plan.program.steps[back.step];
        let size = self.size(batch, step.output);
        let mut own = std::mem::take(&mut self.buffers[back.gradient]);
        let dy = own.get_mut(size);
        match step.kind {
            Kind::Conv { node, .. } => self.conv_back(plan, batch, node, back, dy),
            Kind::BatchNorm { .. } => self.batchnorm_back(plan, batch, back, dy),
            Kind::Relu => {
                elementwise::relu_backward(self.value(plan, batch, step.output), dy);
                self.hand_over(back.input, dy);
            }
            Kind::Add { .. } => self.hand_over(back.input, dy),
            Kind::MaxPool { size } => {
                let pool = self.max_pool(size, step, batch);
                self.with_target(
                    back.input,
                    self.size(batch, step.input),
                    |own, dx, add| {
                        pool.backward(own.value(plan, batch, step.input), dy, dx, add);
                    },
                );
            }
            Kind::Subsample { stride } => {
                let subsample = self.subsample(stride, step, batch);
                self.with_target(
                    back.input,
                    self.size(batch, step.input),
                    |_, dx, add| subsample.backward(dy, dx, add),
                );
            }
            Kind::GlobalAvgPool => {
                let pool = self.global_pool(step, batch);
                self.with_target(
                    back.input,
                    self.size(batch, step.input),
                    |_, dx, add| {
                        pool.backward(dy, dx, add);
                    },
                );
            }
            Kind::Input => {}
            _ => self.token_back(plan, batch, back, dy),
        }
        self.hand_over(back.other, dy);
        self.buffers[back.gradient] = own;
    }

    /// Runs with the buffer that the target names, and whether to add to it.
    pub(super) fn with_target(
        &mut self,
        target: Target,
        size: usize,
        run: impl FnOnce(&Self, &mut [f32], bool),
    ) {
        let (buffer, add) = match target {
            Target::Write(buffer) => (buffer, false),
            Target::Accumulate(buffer) => (buffer, true),
            Target::None | Target::InPlace => return,
        };
        let mut to = std::mem::take(&mut self.buffers[buffer]);
        run(self, to.get_mut(size), add);
        self.buffers[buffer] = to;
    }

    /// Passes a gradient on unchanged.
    pub(super) fn hand_over(&mut self, target: Target, dy: &[f32]) {
        self.with_target(target, dy.len(), |_, to, add| {
            if add {
                elementwise::accumulate(dy, to);
            } else {
                to.copy_from_slice(dy);
            }
        });
    }

    fn conv_back(
        &mut self,
        plan: &Plan,
        batch: Batch,
        node: usize,
        back: &Back,
        dy: &[f32],
    ) {
        let input = plan.program.steps[back.step].input;
        let mut scratch = std::mem::take(&mut self.scratch);
        let conv = self.convs[node].as_ref().expect("is a convolution");
        let (weight, bias) = (conv.weight, conv.bias);
        let trained = !self.frozen[weight];
        if trained {
            let mut gradient = std::mem::take(&mut self.gradients[weight]);
            let sources = [self.value(plan, batch, input), dy];
            conv.weights.run(batch, sources, &mut scratch, &mut gradient);
            self.gradients[weight] = gradient;
        }
        self.scratch = scratch;
        if bias && trained {
            let pixels = pixels(self.net.nodes[node].shape);
            bias_gradient(self.isa, batch, pixels, dy, &mut self.gradients[weight + 1]);
        }
        let size = self.size(batch, input);
        self.with_target(back.input, size, |own, dx, accumulate| {
            let conv = own.convs[node].as_ref().expect("is a convolution");
            let [_, gather] = &plan.gathers[node];
            let epilogue = Epilogue { accumulate, ..Epilogue::default() };
            conv.backward.run(
                gather.as_ref(),
                batch,
                [conv.packed_backward(), dy],
                epilogue,
                dx,
            );
        });
    }

    fn batchnorm_back(&mut self, plan: &Plan, batch: Batch, back: &Back, dy: &mut [f32]) {
        let step = &plan.program.steps[back.step];
        let Kind::BatchNorm { node, relu, pool } = step.kind else { return };
        let batchnorm = self.batchnorm(node, relu, batch);
        let first = self.first_parameter[node];
        let mut gamma = std::mem::take(&mut self.gradients[first]);
        let mut beta = std::mem::take(&mut self.gradients[first + 1]);
        let saved = std::mem::take(&mut self.saved[node]);
        let gradients = [&mut gamma[..], &mut beta[..]];
        let size = self.size(batch, step.input);
        if let Some(pool) = pool {
            let both =
                BatchNormPool { batchnorm, pool: self.max_pool(pool, step, batch) };
            if back.input == Target::None {
                let x = self.value(plan, batch, step.input);
                both.backward([x, dy], &saved, None, gradients);
            } else {
                self.with_target(back.input, size, |own, dx, accumulate| {
                    let x = own.value(plan, batch, step.input);
                    both.backward([x, dy], &saved, Some((dx, accumulate)), gradients);
                });
            }
        } else if back.input == Target::InPlace || back.input == Target::None {
            let x = self.value(plan, batch, step.input);
            batchnorm.backward(x, &saved, dy, None, gradients);
        } else {
            self.with_target(back.input, size, |own, dx, _| {
                let x = own.value(plan, batch, step.input);
                batchnorm.backward(x, &saved, dy, Some(dx), gradients);
            });
        }
        self.saved[node] = saved;
        self.gradients[first] = gamma;
        self.gradients[first + 1] = beta;
    }
}
