//! The steps of a Vision Transformer: which kernel, with which parameters and buffers.

use super::attention::Attention;
use super::dropout::Dropout;
use super::gelu;
use super::isa::Isa;
use super::layernorm::{LayerNorm, NormStep};
use super::linear::{Before, Linear, Packed};
use super::linear_weights::WeightGradient;
use super::network::{Network, Plan};
use super::plan::{Back, Kind, Step, Target};
use super::tensor::Batch;
use super::tokens::Tokens;
use crate::net::{Net, Op};

/// A linear layer on tokens.
#[derive(Debug)]
pub(super) struct TokenLayer {
    /// Weights towards the outputs and towards the inputs.
    packed: [Packed; 2],
    gradient: WeightGradient,
    inputs: usize,
    /// Position of the weight among the parameters; the bias follows it.
    weight: usize,
    bias: bool,
}

impl TokenLayer {
    pub(super) fn new(isa: Isa, net: &Net, node: usize, weight: usize) -> Option<Self> {
        let Op::TokenLinear { out_features: outputs, bias } = net.nodes[node].op else {
            return None;
        };
        let inputs = net.nodes[net.nodes[node].inputs[0]].shape.channels;
        let packed =
            [[inputs, outputs], [outputs, inputs]].map(|[i, o]| Packed::new(isa, i, o));
        let gradient = WeightGradient::new(inputs, outputs);
        Some(Self { packed, gradient, inputs, weight, bias })
    }

    /// Packs the weights for one direction.
    pub(super) fn pack(&mut self, values: &[Vec<f32>], backward: bool) {
        let [input, output] = [1, self.inputs];
        let strides = if backward { [output, input] } else { [input, output] };
        self.packed[usize::from(backward)].pack(&values[self.weight], strides);
    }
}

impl Network {
    fn tokens(&self, node: usize, batch: Batch) -> Tokens {
        Tokens { isa: self.isa, batch, count: self.net.nodes[node].shape.height }
    }

    fn norm(&self, node: usize) -> LayerNorm<'_> {
        let Op::LayerNorm { eps } = self.net.nodes[node].op else {
            unreachable!("is a LayerNorm")
        };
        let first = self.first_parameter[node];
        LayerNorm { gamma: &self.values[first], beta: &self.values[first + 1], eps }
    }

    fn norm_step(&self, node: usize, batch: Batch) -> NormStep<'_> {
        let tokens = self.tokens(node, batch);
        NormStep { tokens, norm: self.norm(node), vector: !self.net.has_tokens(node) }
    }

    fn linear(&self, node: usize, before: Option<usize>, batch: Batch) -> Linear<'_> {
        let layer = self.token_layers[node].as_ref().expect("is a linear layer");
        let before =
            before.map_or(Before::Nothing, |node| match self.net.nodes[node].op {
                Op::Gelu => Before::Gelu,
                _ => Before::Norm(self.norm(node)),
            });
        let tokens = self.tokens(node, batch);
        let [forward, backward] = &layer.packed;
        Linear { tokens, before, packed: [forward, backward], spaces: &self.spaces }
    }

    fn attention(&self, node: usize, heads: usize, batch: Batch) -> Attention<'_> {
        let features = self.net.nodes[node].shape.channels / heads;
        Attention {
            tokens: self.tokens(node, batch),
            heads,
            features,
            spaces: &self.spaces,
        }
    }

    fn dropout(&self, node: usize, p: f64) -> Dropout {
        Dropout::new(p, self.dropout_key, node)
    }

    /// Makes room for what the backward passes of linear layers need.
    pub(super) fn reserve_token_space(&mut self, batch: Batch) {
        for node in 0..self.net.nodes.len() {
            let tokens = self.tokens(node, batch);
            if let Some(layer) = &self.token_layers[node] {
                self.scratch.reserve(layer.gradient.scratch_size(tokens));
                self.inner.reserve(tokens.size(layer.inputs));
            }
        }
    }

    /// A forward step; `value` gives the value of a node.
    pub(super) fn token_step<'a>(
        &self,
        step: &Step,
        batch: Batch,
        value: &dyn Fn(usize) -> &'a [f32],
        out: &mut [f32],
    ) {
        let x = value(step.input);
        let node = step.output;
        match step.kind {
            Kind::TokenLinear { node, before, add } => {
                let layer = self.token_layers[node].as_ref().expect("is linear");
                let bias = layer.bias.then(|| &self.values[layer.weight + 1][..]);
                self.linear(node, before, batch).forward(x, bias, add.map(value), out);
            }
            Kind::Embed { node } => {
                let first = self.first_parameter[node];
                let parameters = [&self.values[first][..], &self.values[first + 1]];
                self.tokens(node, batch).embed(x, parameters, out);
            }
            Kind::LayerNorm => {
                self.norm_step(node, batch).forward(x, out, &self.spaces);
            }
            Kind::Gelu => gelu::forward(self.isa, x, out),
            Kind::Attention { heads } => {
                self.attention(node, heads, batch).forward(x, out);
            }
            Kind::Dropout { p: 0.0, .. } => out.copy_from_slice(x),
            Kind::Dropout { node, p } => {
                self.dropout(node, p).apply(self.tokens(node, batch), x, out);
            }
            Kind::TokenPool { mean } => {
                self.tokens(step.input, batch).pool(mean, x, out);
            }
            _ => unreachable!("is no step of tokens"),
        }
    }

    /// The backward step.
    pub(super) fn token_back(
        &mut self,
        plan: &Plan,
        batch: Batch,
        back: &Back,
        dy: &mut [f32],
    ) {
        let step = &plan.program.steps[back.step];
        let size = self.size(batch, step.input);
        match step.kind {
            Kind::TokenLinear { node, before, .. } => {
                self.linear_back(plan, batch, (node, before), back, dy);
            }
            Kind::Embed { node } => {
                self.embed_back(batch, (node, step.input), back, dy);
            }
            Kind::LayerNorm => self.norm_back(plan, batch, back, dy),
            Kind::Gelu => {
                gelu::backward(self.isa, self.value(plan, batch, step.input), dy);
                self.hand_over(back.input, dy);
            }
            Kind::Attention { heads } => {
                self.with_target(back.input, size, |own, dx, add| {
                    let x = own.value(plan, batch, step.input);
                    own.attention(step.output, heads, batch).backward([x, dy], dx, add);
                });
            }
            Kind::Dropout { node, p } => {
                self.dropout(node, p).apply_in_place(self.tokens(node, batch), dy);
                self.hand_over(back.input, dy);
            }
            Kind::TokenPool { mean } => {
                let tokens = self.tokens(step.input, batch);
                self.with_target(back.input, size, |_, dx, add| {
                    tokens.pool_backward(mean, dy, dx, add);
                });
            }
            _ => unreachable!("is no step of tokens"),
        }
    }

    fn embed_back(
        &mut self,
        batch: Batch,
        (node, input): (usize, usize),
        back: &Back,
        dy: &[f32],
    ) {
        let first = self.first_parameter[node];
        let tokens = self.tokens(node, batch);
        let mut class = std::mem::take(&mut self.gradients[first]);
        let mut positions = std::mem::take(&mut self.gradients[first + 1]);
        let gradients = [&mut class[..], &mut positions[..]];
        if back.input == Target::None {
            tokens.embed_backward(dy, None, gradients);
        } else {
            let size = self.size(batch, input);
            self.with_target(back.input, size, |_, dx, add| {
                tokens.embed_backward(dy, Some((dx, add)), gradients);
            });
        }
        self.gradients[first] = class;
        self.gradients[first + 1] = positions;
    }

    fn norm_back(&mut self, plan: &Plan, batch: Batch, back: &Back, dy: &[f32]) {
        let step = &plan.program.steps[back.step];
        let first = self.first_parameter[step.output];
        let mut gamma = std::mem::take(&mut self.gradients[first]);
        let mut beta = std::mem::take(&mut self.gradients[first + 1]);
        let gradients = [&mut gamma[..], &mut beta[..]];
        self.with_target(back.input, self.size(batch, step.input), |own, dx, add| {
            let x = own.value(plan, batch, step.input);
            let norm = own.norm_step(step.output, batch);
            norm.backward([x, dy], (dx, add), gradients, &own.spaces);
        });
        self.gradients[first] = gamma;
        self.gradients[first + 1] = beta;
    }

    fn linear_back(
        &mut self,
        plan: &Plan,
        batch: Batch,
        (node, before): (usize, Option<usize>),
        back: &Back,
        dy: &[f32],
    ) {
        let input = plan.program.steps[back.step].input;
        let layer = self.token_layers[node].as_ref().expect("is a linear layer");
        let (weight, bias, weights) = (layer.weight, layer.bias, layer.gradient);
        let norm = before.filter(|&node| self.net.nodes[node].op != Op::Gelu);
        // Gradients of the bias and of the normalization's scale and shift; taken out, so
        // that the step may read the rest.
        let places = [
            bias.then_some(weight + 1),
            norm.map(|node| self.first_parameter[node]),
            norm.map(|node| self.first_parameter[node] + 1),
        ];
        let mut small = places.map(|place| {
            place.map_or_else(Vec::new, |at| std::mem::take(&mut self.gradients[at]))
        });
        let mut inner = std::mem::take(&mut self.inner);
        let size = self.size(batch, input);
        let z = inner.get_mut(if before.is_some() { size } else { 0 });
        self.with_target(back.input, size, |own, dx, add| {
            let x = own.value(plan, batch, input);
            let linear = own.linear(node, before, batch);
            let gradients = small.each_mut().map(|gradient| &mut gradient[..]);
            linear.backward([x, dy], z, (dx, add), gradients);
        });
        for (place, gradient) in places.into_iter().zip(small) {
            if let Some(at) = place {
                self.gradients[at] = gradient;
            }
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut gradient = std::mem::take(&mut self.gradients[weight]);
        let x = self.value(plan, batch, input);
        let z = if before.is_some() { &*z } else { x };
        let tokens = self.tokens(node, batch);
        weights.run(tokens, [z, dy], &self.spaces, &mut scratch, &mut gradient);
        self.gradients[weight] = gradient;
        self.scratch = scratch;
        self.inner = inner;
    }
}
