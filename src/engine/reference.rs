//! A plain f64 engine that the tests compare with: loops over `[image][channel][pixel]`,
//! written for reading.

use std::collections::BTreeMap;

use super::Regularization;
use crate::array_file::{NamedArrays, Values};
use crate::net::{Net, Op, Shape};

const EPS: f64 = 1e-5;

/// Kernel, stride and padding.
type Window = ([usize; 2], usize, [usize; 2]);

pub(super) type Parameters = BTreeMap<String, Vec<f64>>;

pub(super) struct Reference<'a> {
    pub(super) net: &'a Net,
    pub(super) parameters: Parameters,
    pub(super) n: usize,
    /// Whether BatchNorm uses the batch's statistics, and dropout drops.
    pub(super) training: bool,
    pub(super) regularization: Regularization,
}

/// Parameters in f64.
pub(super) fn parameters(weights: &NamedArrays) -> Parameters {
    let values = |values: &Values| match values {
        Values::F32(values) => values.iter().map(|&v| f64::from(v)).collect(),
        _ => vec![],
    };
    weights.0.iter().map(|(name, array)| (name.clone(), values(&array.values))).collect()
}

/// Calls with (output pixel, input pixel, tap) of every product of a convolution.
fn for_each_tap(
    (kernel, stride, padding): Window,
    from: Shape,
    to: Shape,
    mut f: impl FnMut(usize, usize, usize),
) {
    for y in 0..to.height {
        for x in 0..to.width {
            for tap in 0..kernel[0] * kernel[1] {
                let v = y * stride + tap / kernel[1];
                let u = x * stride + tap % kernel[1];
                let inside = |at: usize, axis: usize, side| {
                    at >= padding[axis] && at - padding[axis] < side
                };
                if inside(v, 0, from.height) && inside(u, 1, from.width) {
                    let source = (v - padding[0]) * from.width + u - padding[1];
                    f(y * to.width + x, source, tap);
                }
            }
        }
    }
}

impl<'a> Reference<'a> {
    /// For evaluation, without regularization.
    pub(super) fn new(net: &'a Net, parameters: Parameters, n: usize) -> Self {
        let regularization = Regularization::default();
        Self { net, parameters, n, training: false, regularization }
    }

    pub(super) fn parameter(&self, node: usize, suffix: &str) -> &[f64] {
        &self.parameters[&format!("{}.{suffix}", self.net.nodes[node].name)]
    }

    pub(super) fn shape(&self, node: usize) -> Shape {
        self.net.nodes[node].shape
    }

    /// Kernel, stride, padding and bias of a convolution or linear layer.
    fn window(op: &Op) -> Option<(Window, bool)> {
        match *op {
            Op::Conv2d { kernel, stride, padding, bias, .. } => {
                Some(((kernel, stride, padding), bias))
            }
            Op::Linear { .. } => Some((([1, 1], 1, [0, 0]), true)),
            Op::TokenLinear { bias, .. } => Some((([1, 1], 1, [0, 0]), bias)),
            _ => None,
        }
    }

    /// The value of every node.
    pub(super) fn forward(&self, images: &[f32]) -> Vec<Vec<f64>> {
        let mut values: Vec<Vec<f64>> = vec![];
        for (node, step) in self.net.nodes.iter().enumerate() {
            let inputs: Vec<&Vec<f64>> =
                step.inputs.iter().map(|&i| &values[i]).collect();
            let value = match &step.op {
                Op::Input => self.nchw(images),
                Op::BatchNorm => self.batchnorm(node, inputs[0]),
                Op::Relu => inputs[0].iter().map(|&x| x.max(0.0)).collect(),
                Op::Flatten => inputs[0].clone(),
                Op::Add => inputs[0].iter().zip(inputs[1]).map(|(a, b)| a + b).collect(),
                Op::MaxPool { size } => {
                    let picks = self.picks(node, *size, inputs[0]);
                    picks.into_iter().map(|at| inputs[0][at]).collect()
                }
                Op::Subsample { .. } => {
                    let mut y = vec![0.0; self.n * step.shape.size()];
                    self.for_each_sample(node, |from, to| y[to] = inputs[0][from]);
                    y
                }
                Op::GlobalAvgPool => {
                    let from = self.shape(step.inputs[0]);
                    let pixels = from.height * from.width;
                    let mean = |x: &[f64]| x.iter().sum::<f64>() / pixels as f64;
                    inputs[0].chunks(pixels).map(mean).collect()
                }
                Op::Conv2d { .. } | Op::Linear { .. } | Op::TokenLinear { .. } => {
                    self.conv(node, inputs[0])
                }
                _ => self.token_forward(node, inputs[0]),
            };
            values.push(value);
        }
        values
    }

    fn nchw(&self, images: &[f32]) -> Vec<f64> {
        let Shape { channels, height, width } = self.net.input();
        let mut out = vec![];
        for image in images.chunks(channels * height * width) {
            for c in 0..channels {
                out.extend(image.iter().skip(c).step_by(channels).map(|&x| f64::from(x)));
            }
        }
        out
    }

    fn conv(&self, node: usize, x: &[f64]) -> Vec<f64> {
        let step = &self.net.nodes[node];
        let (window, bias) = Self::window(&step.op).unwrap();
        let (from, to) = (self.shape(step.inputs[0]), step.shape);
        let pixels = [from, to].map(|s| s.height * s.width);
        let taps = window.0[0] * window.0[1];
        let weights = self.parameter(node, "weight");
        let mut y = vec![0.0; self.n * to.size()];
        for i in 0..self.n {
            for o in 0..to.channels {
                let out = &mut y[i * to.size() + o * pixels[1]..][..pixels[1]];
                out.fill(if bias { self.parameter(node, "bias")[o] } else { 0.0 });
                for c in 0..from.channels {
                    let x = &x[i * from.size() + c * pixels[0]..][..pixels[0]];
                    let w = &weights[(o * from.channels + c) * taps..][..taps];
                    for_each_tap(window, from, to, |p, s, tap| out[p] += w[tap] * x[s]);
                }
            }
        }
        y
    }

    /// dx, dw and dbias of a convolution.
    fn conv_back(&self, node: usize, x: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
        let step = &self.net.nodes[node];
        let (window, _) = Self::window(&step.op).unwrap();
        let (from, to) = (self.shape(step.inputs[0]), step.shape);
        let pixels = [from, to].map(|s| s.height * s.width);
        let taps = window.0[0] * window.0[1];
        let weights = self.parameter(node, "weight");
        let mut dx = vec![0.0; x.len()];
        let mut dw = vec![0.0; weights.len()];
        let mut db = vec![0.0; to.channels];
        for i in 0..self.n {
            for o in 0..to.channels {
                let dy = &dy[i * to.size() + o * pixels[1]..][..pixels[1]];
                db[o] += dy.iter().sum::<f64>();
                for c in 0..from.channels {
                    let at = i * from.size() + c * pixels[0];
                    let (x, dx) = (&x[at..], &mut dx[at..]);
                    let first = (o * from.channels + c) * taps;
                    for_each_tap(window, from, to, |p, s, tap| {
                        dw[first + tap] += dy[p] * x[s];
                        dx[s] += dy[p] * weights[first + tap];
                    });
                }
            }
        }
        [dx, dw, db]
    }

    /// Mean and biased variance of each channel.
    fn moments(&self, node: usize, x: &[f64]) -> Vec<[f64; 2]> {
        let shape = self.shape(node);
        let pixels = shape.height * shape.width;
        let count = (self.n * pixels) as f64;
        let channel = |c: usize| {
            let planes = x.chunks(pixels).skip(c).step_by(shape.channels);
            let values: Vec<f64> = planes.flatten().copied().collect();
            let mean = values.iter().sum::<f64>() / count;
            let squares = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
            [mean, squares / count]
        };
        (0..shape.channels).map(channel).collect()
    }

    fn batchnorm(&self, node: usize, x: &[f64]) -> Vec<f64> {
        let shape = self.shape(node);
        let moments = if self.training {
            self.moments(node, x)
        } else {
            let [mean, var] =
                ["running_mean", "running_var"].map(|s| self.parameter(node, s));
            mean.iter().zip(var).map(|(&mean, &var)| [mean, var]).collect()
        };
        let [gamma, beta] = ["weight", "bias"].map(|s| self.parameter(node, s));
        let mut y = x.to_vec();
        for (i, plane) in y.chunks_mut(shape.height * shape.width).enumerate() {
            let c = i % shape.channels;
            let [mean, var] = moments[c];
            for y in plane {
                *y = (*y - mean) / (var + EPS).sqrt() * gamma[c] + beta[c];
            }
        }
        y
    }

    /// dx, dγ and dβ of a BatchNorm in training.
    fn batchnorm_back(&self, node: usize, x: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
        let shape = self.shape(node);
        let pixels = shape.height * shape.width;
        let moments = self.moments(node, x);
        let x_hat = |i: usize| {
            let [mean, var] = moments[i / pixels % shape.channels];
            (x[i] - mean) / (var + EPS).sqrt()
        };
        let mut d_gamma = vec![0.0; shape.channels];
        let mut d_beta = vec![0.0; shape.channels];
        for (i, dy) in dy.iter().enumerate() {
            d_gamma[i / pixels % shape.channels] += dy * x_hat(i);
            d_beta[i / pixels % shape.channels] += dy;
        }
        let m = (self.n * pixels) as f64;
        let gamma = self.parameter(node, "weight");
        let dx = dy.iter().enumerate().map(|(i, dy)| {
            let c = i / pixels % shape.channels;
            let slope = gamma[c] / (moments[c][1] + EPS).sqrt();
            slope * (dy - d_beta[c] / m - x_hat(i) * d_gamma[c] / m)
        });
        [dx.collect(), d_gamma, d_beta]
    }

    /// Position of the first largest value of each window.
    fn picks(&self, node: usize, size: [usize; 2], x: &[f64]) -> Vec<usize> {
        let from = self.shape(self.net.nodes[node].inputs[0]);
        let to = self.shape(node);
        let mut picks = vec![];
        for plane in 0..self.n * to.channels {
            for y in 0..to.height {
                for u in 0..to.width {
                    let row = plane * from.height + y * size[0];
                    let corner = row * from.width + u * size[1];
                    let window = (0..size[0] * size[1])
                        .map(|k| corner + k / size[1] * from.width + k % size[1]);
                    let first = window.reduce(|a, b| if x[b] > x[a] { b } else { a });
                    picks.push(first.unwrap());
                }
            }
        }
        picks
    }

    /// Calls with input and output position of every value that a subsampling node takes.
    fn for_each_sample(&self, node: usize, mut f: impl FnMut(usize, usize)) {
        let Op::Subsample { stride, .. } = self.net.nodes[node].op else {
            unreachable!()
        };
        let from = self.shape(self.net.nodes[node].inputs[0]);
        let to = self.shape(node);
        let before = (to.channels - from.channels) / 2;
        for image in 0..self.n {
            for c in 0..from.channels {
                for y in 0..to.height {
                    for x in 0..to.width {
                        let row = (image * from.channels + c) * from.height + y * stride;
                        let out = (image * to.channels + before + c) * to.height + y;
                        f(row * from.width + x * stride, out * to.width + x);
                    }
                }
            }
        }
    }

    /// Mean cross-entropy, and its gradient with respect to the logits.
    pub(super) fn loss(&self, logits: &[f64], labels: &[u8]) -> (f64, Vec<f64>) {
        let n = labels.len() as f64;
        let mut loss = 0.0;
        let mut gradient = vec![];
        for (z, &label) in logits.chunks(self.net.n_classes()).zip(labels) {
            let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let z: Vec<f64> = z.iter().map(|z| z - largest).collect();
            let sum: f64 = z.iter().map(|z| z.exp()).sum();
            let smoothing = self.regularization.label_smoothing;
            let target = |c: usize| {
                let hit = f64::from(u8::from(c == usize::from(label)));
                (1.0 - smoothing) * hit + smoothing / z.len() as f64
            };
            for (c, z) in z.iter().enumerate() {
                loss += target(c) * (sum.ln() - z) / n;
            }
            gradient.extend(
                z.iter().enumerate().map(|(c, z)| (z.exp() / sum - target(c)) / n),
            );
        }
        (loss, gradient)
    }

    /// The gradient of every trained parameter.
    pub(super) fn backward(&self, values: &[Vec<f64>], labels: &[u8]) -> Parameters {
        let mut gradients: Vec<Vec<f64>> =
            values.iter().map(|v| vec![0.0; v.len()]).collect();
        let mut found = Parameters::new();
        let root = values.len() - 1;
        gradients[root] = self.loss(&values[root], labels).1;
        for (node, step) in self.net.nodes.iter().enumerate().skip(1).rev() {
            let (x, dy) = (&values[step.inputs[0]], gradients[node].clone());
            let dx = match &step.op {
                Op::Input => unreachable!(),
                Op::Flatten => dy,
                Op::Relu => dy
                    .iter()
                    .zip(x)
                    .map(|(d, &x)| if x > 0.0 { *d } else { 0.0 })
                    .collect(),
                Op::Add => {
                    for (to, dy) in gradients[step.inputs[1]].iter_mut().zip(&dy) {
                        *to += dy;
                    }
                    dy
                }
                Op::MaxPool { size } => {
                    let mut dx = vec![0.0; x.len()];
                    for (at, dy) in self.picks(node, *size, x).into_iter().zip(dy) {
                        dx[at] += dy;
                    }
                    dx
                }
                Op::Subsample { .. } => {
                    let mut dx = vec![0.0; x.len()];
                    self.for_each_sample(node, |from, to| dx[from] = dy[to]);
                    dx
                }
                Op::GlobalAvgPool => {
                    let share = x.len() / dy.len();
                    (0..x.len()).map(|i| dy[i / share] / share as f64).collect()
                }
                Op::Embed
                | Op::LayerNorm { .. }
                | Op::Gelu
                | Op::Attention { .. }
                | Op::Dropout { .. }
                | Op::TokenPool { .. } => {
                    let (dx, parameters) = self.token_back(node, x, &dy);
                    found.extend(parameters);
                    dx
                }
                op => {
                    let [dx, weight, bias] = match op {
                        Op::BatchNorm => self.batchnorm_back(node, x, &dy),
                        _ => self.conv_back(node, x, &dy),
                    };
                    found.insert(format!("{}.weight", step.name), weight);
                    if Self::window(op).is_none_or(|(_, bias)| bias) {
                        found.insert(format!("{}.bias", step.name), bias);
                    }
                    dx
                }
            };
            for (to, dx) in gradients[step.inputs[0]].iter_mut().zip(dx) {
                *to += dx;
            }
        }
        found
    }
}
