//! The native engine against the f64 reference, on every instruction set of the machine.

mod batches;
mod optimizers;
mod step;
mod widths;

use rand::RngExt;

use super::reference::{Parameters, Reference, parameters};
use super::*;
use crate::array_file::{Array, Values};
use crate::net::{NetConfig, Node, Op, Role, Shape, initial_weights};
use crate::seed;

/// Appends nodes that each read the one before.
pub(super) struct Chain(pub(super) Vec<Node>);

impl Chain {
    pub(super) fn new(channels: usize, height: usize, width: usize) -> Self {
        let shape = Shape { channels, height, width };
        Self(vec![Node { name: "input".into(), op: Op::Input, inputs: vec![], shape }])
    }

    pub(super) fn shape(&self) -> Shape {
        self.0[self.0.len() - 1].shape
    }

    pub(super) fn add(mut self, name: &str, op: Op, shape: Shape) -> Self {
        let inputs = vec![self.0.len() - 1];
        self.0.push(Node { name: name.into(), op, inputs, shape });
        self
    }

    pub(super) fn same(self, name: &str, op: Op) -> Self {
        let shape = self.shape();
        self.add(name, op, shape)
    }

    /// Kernel, stride and padding are those of both axes.
    fn conv(self, name: &str, channels: usize, window: [usize; 3], bias: bool) -> Self {
        let [kernel, stride, padding] = window;
        self.rectangle(name, channels, ([kernel; 2], stride, [padding; 2]), bias)
    }

    fn rectangle(
        self,
        name: &str,
        channels: usize,
        (kernel, stride, padding): ([usize; 2], usize, [usize; 2]),
        bias: bool,
    ) -> Self {
        let side = |axis: usize, side: usize| {
            (side + 2 * padding[axis] - kernel[axis]) / stride + 1
        };
        let Shape { height, width, .. } = self.shape();
        let shape = Shape { channels, height: side(0, height), width: side(1, width) };
        let op = Op::Conv2d { out_channels: channels, kernel, stride, padding, bias };
        self.add(name, op, shape)
    }

    fn pool(self, size: [usize; 2]) -> Self {
        let Shape { channels, height, width } = self.shape();
        let shape = Shape { channels, height: height / size[0], width: width / size[1] };
        self.add("pool", Op::MaxPool { size }, shape)
    }

    /// Global average pooling and a linear layer end the net.
    pub(super) fn end(self, n_classes: usize) -> Net {
        let channels = self.shape().channels;
        let vector = |channels| Shape { channels, height: 1, width: 1 };
        let op = Op::Linear { out_features: n_classes };
        let chain = self.add("average", Op::GlobalAvgPool, vector(channels));
        Net { nodes: chain.add("fc", op, vector(n_classes)).0, representations: vec![] }
    }
}

/// Every parameter of a net, random; BatchNorm's too.
pub(super) fn random_weights(net: &Net) -> NamedArrays {
    let mut weights = initial_weights(net, 1);
    let of_tokens = (0..net.nodes.len()).any(|node| net.has_tokens(node));
    for ((name, array), parameter) in weights.0.iter_mut().zip(net.parameters()) {
        let mut rng = seed::stream(2, name, 0);
        // Large weights before a softmax would make it all but a maximum.
        let is_norm = matches!(parameter.role, Role::Scale | Role::Shift);
        let keep = name.contains("conv") || of_tokens && !is_norm;
        if let (Values::F32(values), false) = (&mut array.values, keep) {
            let positive = name.ends_with("var") || name.ends_with("weight");
            for value in values {
                *value = rng.random_range(if positive { 0.5..1.5 } else { -0.5..0.5 });
            }
        }
    }
    weights
}

pub(super) fn batch(net: &Net, n: usize) -> (Vec<f32>, Vec<u8>) {
    let mut rng = seed::stream(3, "batch", n as u64);
    let size = n * net.input().size();
    let images = (0..size).map(|_| rng.random_range(-1.0..2.0)).collect();
    let labels = (0..n).map(|_| rng.random_range(0..net.n_classes() as u8)).collect();
    (images, labels)
}

/// `actual` is `expected` up to `tolerance` times the largest expected value.
pub(super) fn assert_close(what: &str, actual: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let allowed = (tolerance * scale).max(1e-6);
    let distance = |i: usize| (f64::from(actual[i]) - expected[i]).abs();
    let worst = (0..actual.len()).max_by(|&a, &b| distance(a).total_cmp(&distance(b)));
    let worst = worst.unwrap();
    assert!(
        distance(worst) <= allowed && actual.iter().all(|x| x.is_finite()),
        "{what}[{worst}]: {} instead of {}, more than {allowed:e} apart",
        actual[worst],
        expected[worst]
    );
}

pub(super) fn floats(array: &Array) -> &[f32] {
    match &array.values {
        Values::F32(values) => values,
        other => panic!("not f32: {other:?}"),
    }
}

/// The reference's `[image][channel][token]` as `[image][token][channel]`.
fn in_pytorchs_layout(net: &Net, node: usize, values: &[f64]) -> Vec<f64> {
    if !net.has_tokens(node) {
        return values.to_vec();
    }
    let Shape { channels, height: tokens, .. } = net.nodes[node].shape;
    let image = |values: &[f64]| -> Vec<f64> {
        let at = |i: usize| values[i % channels * tokens + i / channels];
        (0..channels * tokens).map(at).collect()
    };
    values.chunks(channels * tokens).flat_map(image).collect()
}

/// Gradients, loss, running statistics and evaluation of one net on one batch.
pub(super) fn check(isa: Isa, net: &Net, n: usize, tolerance: f64) {
    let weights = random_weights(net);
    let (images, labels) = batch(net, n);
    let mut engine = Engine::with_isa(isa, net, &weights).unwrap();
    let all: Vec<usize> = (0..net.nodes.len()).collect();
    let statistics = engine.running_statistics();
    let mut reference = Reference::new(net, parameters(&weights), n);
    let outputs = engine.evaluate(&images, &statistics, &all);
    for (node, expected) in reference.forward(&images).iter().enumerate() {
        let expected = &in_pytorchs_layout(net, node, expected);
        let name = format!("{} n={n} {}", isa.name(), net.nodes[node].name);
        assert_close(&name, &outputs[node], expected, tolerance);
        let alone = engine.evaluate(&images, &statistics, &[node]);
        assert_eq!(alone[0], outputs[node], "{name}: fused steps change bytes");
    }
    reference.training = true;
    let values = reference.forward(&images);
    let expected = reference.backward(&values, &labels);
    let loss = engine.gradients(&images, &labels);
    let expected_loss = reference.loss(&values[values.len() - 1], &labels).0;
    assert!(
        (loss - expected_loss).abs() <= 1e-5 * expected_loss,
        "{loss} {expected_loss}"
    );
    check_gradients(&format!("{} n={n}", isa.name()), &engine, &expected, tolerance);
}

pub(super) fn check_gradients(
    what: &str,
    engine: &Engine,
    expected: &Parameters,
    tolerance: f64,
) {
    let found = engine.last_gradients().0;
    assert_eq!(found.len(), expected.len());
    for (name, array) in &found {
        assert_close(
            &format!("{what} d{name}"),
            floats(array),
            &expected[name],
            tolerance,
        );
    }
}

pub(super) fn on_every_isa(check: impl Fn(Isa)) {
    for isa in Isa::available() {
        check(isa);
    }
}

#[test]
fn reference_gradients_are_finite_differences() {
    let net = Chain::new(2, 5, 5)
        .conv("conv1", 3, [3, 1, 1], true)
        .same("bn1", Op::BatchNorm)
        .same("relu1", Op::Relu)
        .pool([2; 2])
        .conv("conv2", 2, [3, 2, 1], true)
        .end(3);
    let (images, labels) = batch(&net, 3);
    let weights = parameters(&random_weights(&net));
    let mut reference = Reference::new(&net, weights, 3);
    reference.training = true;
    let values = reference.forward(&images);
    let gradients = reference.backward(&values, &labels);
    for (name, gradient) in &gradients {
        for (i, expected) in gradient.iter().enumerate() {
            let mut loss_at = |shift: f64| {
                let value = &mut reference.parameters.get_mut(name).unwrap()[i];
                let old = std::mem::replace(value, *value + shift);
                let logits = reference.forward(&images).pop().unwrap();
                reference.parameters.get_mut(name).unwrap()[i] = old;
                reference.loss(&logits, &labels).0
            };
            let slope = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5;
            assert!((slope - expected).abs() < 1e-7, "{name}[{i}]: {slope} {expected}");
        }
    }
}

#[test]
fn convolutions_of_every_width_match_the_reference() {
    on_every_isa(|isa| {
        for (inputs, outputs) in [
            (1, 1),
            (3, 2),
            (1, 3),
            (2, 5),
            (3, 6),
            (5, 7),
            (8, 16),
            (16, 17),
            (17, 8),
            (4, 9),
        ] {
            let net = Chain::new(inputs, 8, 8)
                .conv("conv1", outputs, [3, 1, 1], true)
                .conv("conv2", inputs, [3, 1, 1], false)
                .end(3);
            for n in [1, 2, 7, 33] {
                check(isa, &net, n, 1e-5);
            }
        }
    });
}

#[test]
fn strides_kernels_and_odd_sides_match_the_reference() {
    on_every_isa(|isa| {
        for (height, width) in [(8, 8), (7, 9), (2, 2), (1, 1), (5, 4)] {
            for window in [[3, 2, 1], [1, 2, 0], [3, 1, 1], [1, 1, 0]] {
                let net = Chain::new(3, height, width)
                    .conv("conv1", 5, [1, 1, 0], true)
                    .conv("conv2", 4, window, true)
                    .end(4);
                check(isa, &net, 19, 1e-5);
            }
        }
        let patches = Chain::new(3, 8, 8).conv("conv1", 3, [1, 1, 0], false);
        check(isa, &patches.conv("conv2", 6, [4, 4, 0], true).end(4), 9, 1e-5);
    });
}

#[test]
fn rectangular_kernels_and_pools_match_the_reference() {
    on_every_isa(|isa| {
        let windows = [
            ([1, 3], 1, [0, 1]),
            ([1, 3], 2, [0, 1]),
            ([3, 1], 1, [1, 0]),
            ([2, 3], 2, [0, 1]),
        ];
        for (height, width) in [(1, 40), (1, 9), (6, 5)] {
            for window in windows.iter().filter(|(kernel, ..)| kernel[0] <= height) {
                for (relu, n) in [(false, 3), (true, 19)] {
                    let mut chain = Chain::new(2, height, width)
                        .rectangle("conv1", 5, ([1, 3], 1, [0, 1]), true)
                        .same("bn1", Op::BatchNorm);
                    if relu {
                        chain = chain.same("relu1", Op::Relu);
                    }
                    let pool = [if height > 1 { 3 } else { 1 }, 2];
                    let net = chain.rectangle("conv2", 9, *window, true);
                    check(isa, &net.end(4), n, 1e-5);
                    let mut chain = Chain::new(1, height, width)
                        .rectangle("conv1", 9, ([1, 3], 1, [0, 1]), true)
                        .same("bn1", Op::BatchNorm);
                    if relu {
                        chain = chain.same("relu1", Op::Relu);
                    }
                    let net = chain.pool(pool).conv("conv2", 3, [1, 1, 0], true);
                    check(isa, &net.end(4), n, 1e-5);
                }
            }
        }
    });
}

#[test]
fn all_widths_from_1_to_64_match_the_reference() {
    on_every_isa(|isa| {
        for width in 1..=64 {
            let [channels, n] = if width % 4 == 1 { [3, 17] } else { [1, 5] };
            let net = Chain::new(channels, 5, 6)
                .conv("conv1", width, [3, 1, 1], true)
                .conv("conv2", 65 - width, [3, 1, 1], false)
                .conv("conv3", width, [3, 1, 1], true)
                .end(3);
            check(isa, &net, n, 1e-5);
        }
    });
}

#[test]
fn sums_of_more_than_1024_terms_match_the_reference() {
    on_every_isa(|isa| {
        let net = Chain::new(3, 4, 4)
            .conv("conv1", 130, [1, 1, 0], true)
            .conv("conv2", 6, [3, 1, 1], true)
            .end(3);
        check(isa, &net, 5, 1e-5);
    });
}

#[test]
fn batchnorm_relu_and_pooling_match_the_reference() {
    on_every_isa(|isa| {
        for (side, size) in [(8, 2), (10, 2), (7, 2), (7, 3), (16, 4)] {
            for n in [2, 7, 33] {
                let chain = Chain::new(1, side, side).conv("conv1", 3, [3, 1, 1], true);
                let chain = chain.same("bn1", Op::BatchNorm).same("relu1", Op::Relu);
                let net = chain.pool([size; 2]).conv("conv2", 2, [1, 1, 0], true).end(3);
                check(isa, &net, n, 1e-5);
            }
        }
    });
}

#[test]
fn relu_and_batchnorm_apart_match_the_reference() {
    on_every_isa(|isa| {
        let chain = Chain::new(2, 6, 6).conv("conv1", 4, [3, 1, 1], true);
        let chain = chain.same("relu1", Op::Relu).same("bn1", Op::BatchNorm);
        check(isa, &chain.conv("conv2", 3, [3, 1, 1], true).end(3), 21, 1e-5);
    });
}

#[test]
fn flattened_maps_match_the_reference() {
    // Odd and even numbers of blocks and of pixels, of images and of maps that are computed.
    on_every_isa(|isa| {
        for (height, width) in [(3, 3), (2, 5), (1, 8)] {
            let vector = |features| Shape { channels: features, height: 1, width: 1 };
            let linear = |features| Op::Linear { out_features: features };
            let size = height * width;
            let images = Chain::new(2, height, width);
            let of_images = images.add("flatten", Op::Flatten, vector(2 * size));
            let maps = Chain::new(2, height, width).conv("conv1", 3, [1, 1, 0], true);
            let of_maps = maps.add("flatten", Op::Flatten, vector(3 * size));
            for chain in [of_images, of_maps] {
                let net = chain.add("conv2", linear(5), vector(5)).end(3);
                for n in [5, 17, 40] {
                    check(isa, &net, n, 1e-5);
                }
            }
        }
    });
}

/// A sum of two earlier nodes is the node after the last.
fn sum(chain: Chain, name: &str, inputs: [usize; 2]) -> Chain {
    let mut chain = chain.same(name, Op::Add);
    chain.0.last_mut().unwrap().inputs = inputs.to_vec();
    chain
}

#[test]
fn sums_match_the_reference_wherever_they_stand() {
    on_every_isa(|isa| {
        let start = || {
            let chain = Chain::new(2, 6, 6).conv("conv1", 4, [3, 1, 1], true);
            chain.same("bn1", Op::BatchNorm).same("relu1", Op::Relu)
        };
        // Nodes: conv1 = 1, bn1 = 2, relu1 = 3, conv2 = 4.
        let conv2 = || start().conv("conv2", 4, [3, 1, 1], true);
        for inputs in [[4, 1], [1, 4], [4, 3], [3, 4], [3, 1], [1, 2]] {
            let net =
                sum(conv2(), "sum", inputs).conv("conv3", 2, [1, 1, 0], true).end(3);
            check(isa, &net, 18, 1e-5);
        }
    });
}

#[test]
fn nets_of_every_width_match_the_reference() {
    on_every_isa(|isa| {
        for (side, channels) in [(8, 1), (10, 3), (16, 1)] {
            let input = Shape { channels, height: side, width: side };
            for width in [1, 3, 5] {
                check(isa, &NetConfig::cnn5(width).build(input, 10), 33, 2e-5);
            }
        }
    });
}

#[test]
fn resnet_matches_the_reference() {
    let input = Shape { channels: 3, height: 10, width: 10 };
    on_every_isa(|isa| {
        for width in [1, 3] {
            check(isa, &NetConfig::resnet18(width).build(input, 10), 17, 1e-4);
        }
    });
}

#[test]
fn post_activation_resnets_are_the_formulas() {
    // 9 rows: a stride that does not divide them.
    let input = Shape { channels: 3, height: 9, width: 12 };
    on_every_isa(|isa| {
        for width in [1, 4] {
            let cifar = NetConfig::resnet_cifar(8, width);
            check(isa, &cifar.build(input, 10), 17, 1e-4);
            check(isa, &NetConfig::resnet18_post(width).build(input, 10), 17, 1e-4);
        }
    });
}

#[test]
fn biases_before_batchnorm_have_no_gradient() {
    let input = Shape { channels: 3, height: 16, width: 16 };
    let net = NetConfig::cnn5(8).build(input, 10);
    let (images, labels) = batch(&net, 64);
    on_every_isa(|isa| {
        let mut engine = Engine::with_isa(isa, &net, &initial_weights(&net, 0)).unwrap();
        engine.gradients(&images, &labels);
        let gradients = engine.last_gradients();
        let largest = |name: &str| {
            let found = gradients.0.iter().find(|(n, _)| n == name).unwrap();
            floats(&found.1).iter().fold(0.0, |m: f32, x| m.max(x.abs()))
        };
        for layer in ["conv1", "conv2", "conv3", "conv4"] {
            let [weight, bias] =
                ["weight", "bias"].map(|s| largest(&format!("{layer}.{s}")));
            assert!(bias <= 1e-5 * weight, "{layer}: {bias} against {weight}");
        }
    });
}

#[test]
fn recomputed_statistics_weight_batches_by_size_and_running_ones_are_those_of_pytorch() {
    let net = Chain::new(1, 2, 2).same("bn1", Op::BatchNorm).end(2);
    let weights = initial_weights(&net, 0);
    let batches: [Vec<f32>; 2] =
        [(1..=8).map(|x| x as f32).collect(), vec![0.0, 0.0, 0.0, 4.0]];
    // Two images with mean 4.5 and unbiased variance 6, one with 1 and 4.
    on_every_isa(|isa| {
        let mut engine = Engine::with_isa(isa, &net, &weights).unwrap();
        let found = engine.recompute_statistics(batches.iter().map(|b| &b[..]));
        assert_eq!(found.0[0].mean, [(10.0 / 3.0) as f32]);
        assert_eq!(found.0[0].var, [(16.0 / 3.0) as f32]);
        let before = engine.running_statistics();
        assert_eq!((before.0[0].mean[0], before.0[0].var[0]), (0.0, 1.0));
        engine.gradients(&batches[0], &[0, 1]);
        let after = engine.running_statistics();
        assert!((after.0[0].mean[0] - 0.45).abs() < 1e-7);
        assert!((after.0[0].var[0] - 1.5).abs() < 1e-6);
    });
}

#[test]
fn pooling_hands_nan_on_and_prefers_the_first_of_equals() {
    let net = Chain::new(1, 2, 2).conv("conv1", 1, [1, 1, 0], true).pool([2; 2]).end(2);
    on_every_isa(|isa| {
        let mut engine = Engine::with_isa(isa, &net, &initial_weights(&net, 0)).unwrap();
        let pool = net.position("pool").unwrap();
        let statistics = engine.running_statistics();
        for at in 0..4 {
            let mut image = [1.0; 4];
            image[at] = f32::NAN;
            let out = engine.evaluate(&image, &statistics, &[pool]);
            assert!(out[0][0].is_nan(), "NaN at {at}");
        }
    });
}
