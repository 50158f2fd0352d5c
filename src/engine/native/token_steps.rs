//! The steps of a Vision Transformer: which kernel, with which parameters and buffers.

use super::attention::Attention;
use super::dropout::Dropout;
use super::gelu;
use super::layernorm::{LayerNorm, NormStep};
use super::linear::{Before, Linear};
use super::lowering::{Kind, Step};
use super::network::Network;
use super::plan::Flow;
use super::tensor::Batch;
use super::tokens::Tokens;
use crate::net::Op;

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
            Kind::TokenPool { pool } => {
                self.tokens(step.input, batch).pool(pool, x, out);
            }
            _ => unreachable!("is no step of tokens"),
        }
    }

    /// The backward step.
    pub(super) fn token_back(&mut self, batch: Batch, step: &Step, flow: Flow) {
        let x = step.read_back().map(|node| flow.values.get(node));
        let x = x.unwrap_or_default();
        match step.kind {
            Kind::TokenLinear { node, before, .. } => {
                self.linear_back(batch, (node, before), x, flow);
            }
            Kind::Embed { node } => {
                let first = self.first_parameter[node];
                let tokens = self.tokens(node, batch);
                let [class, positions] = &mut self.gradients[first..first + 2] else {
                    return;
                };
                tokens.embed_backward(flow.dy, flow.dx, [class, positions]);
            }
            Kind::LayerNorm => self.norm_back(batch, step, x, flow),
            Kind::Gelu => {
                gelu::backward(self.isa, x, flow.dy);
                flow.hand_over();
            }
            Kind::Attention { heads } => {
                if let Some((dx, add)) = flow.dx {
                    let attention = self.attention(step.output, heads, batch);
                    attention.backward([x, flow.dy], dx, add);
                }
            }
            Kind::Dropout { node, p } => {
                self.dropout(node, p).apply_in_place(self.tokens(node, batch), flow.dy);
                flow.hand_over();
            }
            Kind::TokenPool { pool } => {
                if let Some((dx, add)) = flow.dx {
                    self.tokens(step.input, batch).pool_backward(pool, flow.dy, dx, add);
                }
            }
            _ => unreachable!("is no step of tokens"),
        }
    }

    fn norm_back(&mut self, batch: Batch, step: &Step, x: &[f32], flow: Flow) {
        let Some(dx) = flow.dx else { return };
        let first = self.first_parameter[step.output];
        let mut gamma = std::mem::take(&mut self.gradients[first]);
        let mut beta = std::mem::take(&mut self.gradients[first + 1]);
        let gradients = [&mut gamma[..], &mut beta[..]];
        let norm = self.norm_step(step.output, batch);
        norm.backward([x, flow.dy], dx, gradients, &self.spaces);
        self.gradients[first] = gamma;
        self.gradients[first + 1] = beta;
    }

    fn linear_back(
        &mut self,
        batch: Batch,
        (node, before): (usize, Option<usize>),
        x: &[f32],
        flow: Flow,
    ) {
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
        let z = inner.get_mut(if before.is_some() { x.len() } else { 0 });
        if let Some(dx) = flow.dx {
            let gradients = small.each_mut().map(|gradient| &mut gradient[..]);
            self.linear(node, before, batch).backward([x, flow.dy], z, dx, gradients);
        }
        for (place, gradient) in places.into_iter().zip(small) {
            if let Some(at) = place {
                self.gradients[at] = gradient;
            }
        }
        let z = if before.is_some() { &*z } else { x };
        let tokens = self.tokens(node, batch);
        let gradient = &mut self.gradients[weight];
        weights.run(tokens, [z, flow.dy], &self.spaces, &mut self.scratch, gradient);
        self.inner = inner;
    }
}
