//! The f64 reference of token sequences, `[image][channel][token]`.

use std::ops::Range;

use super::native::Dropout;
use super::reference::Reference;
use crate::net::{Op, Shape, TokenPool};

/// Φ(x) by its continued fraction or series, both to the last digits.
fn phi(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let size = x.abs();
    if size > 6.0 {
        let fraction = (1..60).rev().fold(size, |f, k| size + f64::from(k) / f);
        let tail = density / fraction;
        return if x < 0.0 { tail } else { 1.0 - tail };
    }
    let (mut term, mut sum) = (size, 0.0);
    for k in 1..200 {
        sum += term;
        term *= x * x / f64::from(2 * k + 1);
    }
    0.5 + x.signum() * density * sum
}

/// Everything that a head needs of an image.
struct Head<'a> {
    /// Queries, keys and values, `[feature][token]` each.
    parts: [&'a [f64]; 3],
    features: usize,
    tokens: usize,
}

impl Head<'_> {
    /// softmax(q·k/√d), `[query][key]`.
    fn weights(&self) -> Vec<Vec<f64>> {
        let [q, k, _] = self.parts;
        let scale = 1.0 / (self.features as f64).sqrt();
        let row = |t: usize| {
            let score = |s: usize| {
                let terms = (0..self.features)
                    .map(|d| q[d * self.tokens + t] * k[d * self.tokens + s]);
                (terms.sum::<f64>() * scale).exp()
            };
            let row: Vec<f64> = (0..self.tokens).map(score).collect();
            let sum: f64 = row.iter().sum();
            row.into_iter().map(|p| p / sum).collect()
        };
        (0..self.tokens).map(row).collect()
    }
}

/// The tokens that are averaged; the first is the class token.
fn read_by(pool: TokenPool, count: usize) -> Range<usize> {
    match pool {
        TokenPool::Cls => 0..1,
        TokenPool::Mean => 0..count,
        TokenPool::Patches => 1..count,
    }
}

impl Reference<'_> {
    fn dropout(&self, node: usize, x: &[f64]) -> Vec<f64> {
        let Op::Dropout { p } = self.net.nodes[node].op else { unreachable!() };
        if !self.training {
            return x.to_vec();
        }
        let dropout = Dropout::new(p, self.regularization.dropout_key, node);
        let Shape { channels, height: tokens, .. } = self.shape(node);
        let factor = |i: usize| {
            let (image, channel, token) =
                (i / (channels * tokens), i / tokens % channels, i % tokens);
            f64::from(dropout.factor_of(channel, image * tokens + token))
        };
        x.iter().enumerate().map(|(i, x)| x * factor(i)).collect()
    }

    /// Position of channel `c` of token `t` of image `i`.
    fn at(shape: Shape, i: usize, c: usize, t: usize) -> usize {
        (i * shape.channels + c) * shape.height + t
    }

    /// Mean and 1/√(σ² + eps) of each image and token.
    fn token_moments(&self, node: usize, x: &[f64]) -> Vec<[f64; 2]> {
        let Op::LayerNorm { eps } = self.net.nodes[node].op else { unreachable!() };
        let shape = self.shape(node);
        let n = shape.channels as f64;
        let pairs = (0..self.n).flat_map(|i| (0..shape.height).map(move |t| (i, t)));
        pairs
            .map(|(i, t)| {
                let values = (0..shape.channels).map(|c| x[Self::at(shape, i, c, t)]);
                let mean = values.clone().sum::<f64>() / n;
                let var = values.map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
                [mean, 1.0 / (var + eps).sqrt()]
            })
            .collect()
    }

    fn heads<'x>(&self, node: usize, heads: usize, image: &'x [f64]) -> Vec<Head<'x>> {
        let Shape { channels, height: tokens, .. } = self.shape(node);
        let features = channels / heads;
        let part = |which: usize, head: usize| {
            let first = (which * channels + head * features) * tokens;
            &image[first..][..features * tokens]
        };
        (0..heads)
            .map(|h| Head { parts: [0, 1, 2].map(|w| part(w, h)), features, tokens })
            .collect()
    }

    /// The value of a node that only reads `x`.
    pub(super) fn token_forward(&self, node: usize, x: &[f64]) -> Vec<f64> {
        let step = &self.net.nodes[node];
        let (from, to) = (self.shape(step.inputs[0]), step.shape);
        let mut y = vec![0.0; self.n * to.size()];
        match step.op {
            Op::Embed => {
                let [class, positions] =
                    ["cls_token", "pos_embed"].map(|name| &self.parameters[name]);
                let pixels = from.height * from.width;
                for i in 0..self.n {
                    for c in 0..to.channels {
                        for t in 0..to.height {
                            let value = match t {
                                0 => class[c],
                                t => x[(i * to.channels + c) * pixels + t - 1],
                            };
                            y[Self::at(to, i, c, t)] =
                                value + positions[t * to.channels + c];
                        }
                    }
                }
            }
            Op::LayerNorm { .. } => {
                let moments = self.token_moments(node, x);
                let [gamma, beta] = ["weight", "bias"].map(|s| self.parameter(node, s));
                for (k, y) in y.iter_mut().enumerate() {
                    let (c, t) = (k / to.height % to.channels, k % to.height);
                    let [mean, inv] = moments[k / to.size() * to.height + t];
                    *y = (x[k] - mean) * inv * gamma[c] + beta[c];
                }
            }
            Op::Gelu => y = x.iter().map(|&x| x * phi(x)).collect(),
            Op::Dropout { .. } => y = self.dropout(node, x),
            Op::TokenPool { pool } => {
                let read = read_by(pool, from.height);
                for (y, tokens) in y.iter_mut().zip(x.chunks(from.height)) {
                    *y = tokens[read.clone()].iter().sum::<f64>() / read.len() as f64;
                }
            }
            Op::Attention { heads } => {
                for (x, y) in x.chunks(from.size()).zip(y.chunks_mut(to.size())) {
                    let heads = self.heads(node, heads, x);
                    let outputs = y.chunks_mut(heads[0].features * to.height);
                    for (head, y) in heads.iter().zip(outputs) {
                        let weights = head.weights();
                        for (k, y) in y.iter_mut().enumerate() {
                            let values = &head.parts[2][k / to.height * to.height..];
                            let row = &weights[k % to.height];
                            *y = row.iter().zip(values).map(|(p, v)| p * v).sum();
                        }
                    }
                }
            }
            _ => unreachable!("is no node of tokens"),
        }
        y
    }

    /// dx and the gradients of the node's parameters.
    pub(super) fn token_back(
        &self,
        node: usize,
        x: &[f64],
        dy: &[f64],
    ) -> (Vec<f64>, Vec<(String, Vec<f64>)>) {
        let step = &self.net.nodes[node];
        let (from, to) = (self.shape(step.inputs[0]), step.shape);
        let mut dx = vec![0.0; x.len()];
        let mut parameters = vec![];
        match step.op {
            Op::Embed => {
                let mut positions = vec![0.0; to.size()];
                for (k, dy) in dy.iter().enumerate() {
                    let (c, t) = (k / to.height % to.channels, k % to.height);
                    positions[t * to.channels + c] += dy;
                    if t > 0 {
                        dx[k / to.height * from.height * from.width + t - 1] = *dy;
                    }
                }
                let class = positions[..to.channels].to_vec();
                parameters = vec![
                    ("cls_token".to_string(), class),
                    ("pos_embed".to_string(), positions),
                ];
            }
            Op::LayerNorm { .. } => {
                let (gradient, scale, shift) = self.norm_back(node, x, dy);
                dx = gradient;
                parameters = vec![
                    (format!("{}.weight", step.name), scale),
                    (format!("{}.bias", step.name), shift),
                ];
            }
            Op::Gelu => {
                let slope = |x: f64| {
                    phi(x) + x * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
                };
                dx = x.iter().zip(dy).map(|(&x, dy)| dy * slope(x)).collect();
            }
            Op::Dropout { .. } => dx = self.dropout(node, dy),
            Op::TokenPool { pool } => {
                let read = read_by(pool, from.height);
                for (dx, dy) in dx.chunks_mut(from.height).zip(dy) {
                    dx[read.clone()].fill(dy / read.len() as f64);
                }
            }
            Op::Attention { heads } => {
                let images = x.chunks(from.size()).zip(dx.chunks_mut(from.size()));
                for ((x, dx), dy) in images.zip(dy.chunks(to.size())) {
                    for (h, head) in self.heads(node, heads, x).iter().enumerate() {
                        let size = head.features * to.height;
                        let parts = head_back(head, &dy[h * size..][..size]);
                        for (which, part) in parts.iter().enumerate() {
                            let first = (which * heads + h) * size;
                            dx[first..][..size].copy_from_slice(part);
                        }
                    }
                }
            }
            _ => unreachable!("is no node of tokens"),
        }
        (dx, parameters)
    }

    /// dx, dγ and dβ of a `LayerNorm`.
    fn norm_back(
        &self,
        node: usize,
        x: &[f64],
        dy: &[f64],
    ) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let shape = self.shape(node);
        let moments = self.token_moments(node, x);
        let gamma = self.parameter(node, "weight");
        let n = shape.channels as f64;
        let mut dx = vec![0.0; x.len()];
        let mut sums = [vec![0.0; shape.channels], vec![0.0; shape.channels]];
        for (k, [mean, inv]) in moments.into_iter().enumerate() {
            let at = |c| Self::at(shape, k / shape.height, c, k % shape.height);
            let x_hat = |c| (x[at(c)] - mean) * inv;
            let g = |c: usize| gamma[c] * dy[at(c)];
            let channels = 0..shape.channels;
            let constant = channels.clone().map(g).sum::<f64>() / n;
            let linear = channels.clone().map(|c| g(c) * x_hat(c)).sum::<f64>() / n;
            for c in channels {
                sums[0][c] += dy[at(c)] * x_hat(c);
                sums[1][c] += dy[at(c)];
                dx[at(c)] = (g(c) - constant - x_hat(c) * linear) * inv;
            }
        }
        let [scale, shift] = sums;
        (dx, scale, shift)
    }
}

/// Gradients of queries, keys and values.
fn head_back(head: &Head<'_>, dy: &[f64]) -> [Vec<f64>; 3] {
    let Head { parts: [q, k, v], features, tokens } = *head;
    let scale = 1.0 / (features as f64).sqrt();
    let p = head.weights();
    let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![0.0; features * tokens]);
    for t in 0..tokens {
        let dp: Vec<f64> = (0..tokens)
            .map(|s| (0..features).map(|d| dy[d * tokens + t] * v[d * tokens + s]).sum())
            .collect();
        let mean: f64 = p[t].iter().zip(&dp).map(|(p, dp)| p * dp).sum();
        for s in 0..tokens {
            let ds = p[t][s] * (dp[s] - mean) * scale;
            for d in (0..features).map(|d| d * tokens) {
                dq[d + t] += ds * k[d + s];
                dk[d + s] += ds * q[d + t];
                dv[d + s] += p[t][s] * dy[d + t];
            }
        }
    }
    [dq, dk, dv]
}
