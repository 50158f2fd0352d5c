//! The Vision Transformer's steps against the f64 reference, on every instruction set.

use super::reference::{Reference, parameters};
use super::tests::{
    Chain, assert_close, batch, check, check_gradients, on_every_isa, random_weights,
};
use super::*;
use crate::net::{NetConfig, Op, Shape, TokenPool, VitConfig, initial_weights};

/// A small net: 17 tokens of 16×16 images.
pub(super) const SMALL: VitConfig = VitConfig {
    patch: 4,
    dim: 12,
    depth: 2,
    heads: 3,
    head_dim: 4,
    mlp_dim: 20,
    pool: TokenPool::Cls,
    dropout: 0.0,
    norm_eps: 1e-5,
    qkv_bias: false,
};

fn vit(config: VitConfig, channels: usize, [height, width]: [usize; 2]) -> Net {
    NetConfig::Vit(config).build(Shape { channels, height, width }, 10)
}

impl Chain {
    /// Images of one row as tokens.
    fn embed(self) -> Self {
        let Shape { channels, height, width } = self.shape();
        self.add(
            "embed",
            Op::Embed,
            Shape { channels, height: 1 + height * width, width: 1 },
        )
    }

    fn linear(self, name: &str, out_features: usize, bias: bool) -> Self {
        let shape = Shape { channels: out_features, ..self.shape() };
        self.add(name, Op::TokenLinear { out_features, bias }, shape)
    }

    fn attention(self, heads: usize) -> Self {
        let shape = self.shape();
        let shape = Shape { channels: shape.channels / 3, ..shape };
        self.add("attention", Op::Attention { heads }, shape)
    }

    /// Pooling and a linear layer end the net.
    fn classify(self, pool: TokenPool) -> Net {
        let shape = Shape { height: 1, width: 1, ..self.shape() };
        let chain = self.add("pool", Op::TokenPool { pool }, shape);
        let op = Op::Linear { out_features: 3 };
        let chain = chain.add("fc", op, Shape { channels: 3, height: 1, width: 1 });
        Net { nodes: chain.0, representations: vec![] }
    }
}

#[test]
fn reference_gradients_of_a_transformer_are_finite_differences() {
    let net = vit(VitConfig { depth: 1, dropout: 0.2, ..SMALL }, 1, [8, 8]);
    let (images, labels) = batch(&net, 3);
    let mut reference = Reference::new(&net, parameters(&random_weights(&net)), 3);
    reference.training = true;
    reference.regularization = Regularization { label_smoothing: 0.1, dropout_key: 5 };
    let values = reference.forward(&images);
    let gradients = reference.backward(&values, &labels);
    assert_eq!(gradients.len(), net.parameters().len());
    for (name, gradient) in &gradients {
        for (i, expected) in gradient.iter().enumerate().step_by(7) {
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
fn linear_layers_of_every_width_match_the_reference() {
    on_every_isa(|isa| {
        for (inputs, outputs) in
            [(1, 1), (2, 3), (5, 7), (6, 13), (17, 4), (8, 16), (49, 50), (130, 11)]
        {
            for (bias, n) in [(true, 1), (false, 19), (true, 33)] {
                let net = Chain::new(inputs, 2, 3)
                    .embed()
                    .linear("linear1", outputs, bias)
                    .linear("linear2", inputs, !bias)
                    .classify(TokenPool::Mean);
                check(isa, &net, n, 1e-5);
            }
        }
    });
}

#[test]
fn linear_layers_of_more_than_1024_inputs_match_the_reference() {
    on_every_isa(|isa| {
        let chain = Chain::new(3, 1, 2).embed().linear("linear1", 1030, true);
        let chain = chain.same("gelu", Op::Gelu).linear("linear2", 5, true);
        check(isa, &chain.classify(TokenPool::Cls), 5, 1e-5);
    });
}

#[test]
fn norms_and_gelu_match_the_reference_alone_and_before_linear_layers() {
    let norm = || Op::LayerNorm { eps: 1e-5 };
    on_every_isa(|isa| {
        for channels in [2, 7, 130] {
            let chain = || Chain::new(channels, 2, 2).embed();
            let before_linear = chain()
                .same("norm1", norm())
                .linear("linear1", 5, true)
                .same("gelu", Op::Gelu)
                .linear("linear2", 4, false);
            check(isa, &before_linear.classify(TokenPool::Mean), 21, 1e-5);
            let alone = chain().same("gelu", Op::Gelu).same("norm1", norm());
            check(isa, &alone.classify(TokenPool::Mean), 21, 1e-5);
            // On a vector, whose blocks fill no whole panel.
            let mut net = chain().classify(TokenPool::Cls);
            let fc = net.nodes.pop().unwrap();
            let pool = net.nodes.len() - 1;
            let chain = Chain(net.nodes).same("norm1", norm());
            let mut nodes = chain.0;
            nodes.push(crate::net::Node { inputs: vec![pool + 1], ..fc });
            let net = Net { nodes, representations: vec![] };
            for n in [3, 70] {
                check(isa, &net, n, 1e-5);
            }
        }
    });
}

#[test]
fn attention_matches_the_reference() {
    on_every_isa(|isa| {
        // 2, 4, 7, 10 and 17 tokens: whole and broken panels, odd and even in number.
        for (height, width) in [(1, 1), (1, 3), (2, 3), (3, 3), (4, 4)] {
            for (heads, features) in [(1, 1), (2, 3), (3, 4), (1, 9)] {
                let chain = Chain::new(3, height, width).embed();
                let net = chain
                    .linear("qkv", 3 * heads * features, false)
                    .attention(heads)
                    .classify(TokenPool::Mean);
                check(isa, &net, 18, 1e-5);
            }
        }
    });
}

#[test]
fn transformers_match_the_reference() {
    on_every_isa(|isa| {
        for (config, channels, sides, n) in [
            (SMALL, 1, [8, 8], 5),
            (VitConfig { pool: TokenPool::Mean, ..SMALL }, 3, [16, 8], 33),
            (VitConfig { pool: TokenPool::Patches, ..SMALL }, 1, [8, 16], 21),
            (
                VitConfig { patch: 2, dim: 5, heads: 1, head_dim: 3, ..SMALL },
                3,
                [8, 8],
                1,
            ),
            (VitConfig { patch: 8, depth: 6, mlp_dim: 1, ..SMALL }, 1, [16, 16], 17),
        ] {
            check(isa, &vit(config, channels, sides), n, 3e-5);
        }
    });
}

#[test]
fn dropout_and_smoothing_match_the_reference() {
    on_every_isa(|isa| {
        for (p, label_smoothing, dropout_key) in [(0.1, 0.0, 1), (0.5, 0.2, u64::MAX)] {
            let net = vit(VitConfig { dropout: p, ..SMALL }, 1, [8, 8]);
            // Evaluation drops nothing: the whole check of a net without regularization...
            let (images, labels) = batch(&net, 37);
            let weights = random_weights(&net);
            let mut reference = Reference::new(&net, parameters(&weights), 37);
            let mut engine = Engine::with_isa(isa, &net, &weights).unwrap();
            let root = net.nodes.len() - 1;
            let statistics = engine.running_statistics();
            let outputs = engine.evaluate(&images, &statistics, &[root]);
            assert_close("logits", &outputs[0], &reference.forward(&images)[root], 1e-5);
            // ... and training with it.
            reference.training = true;
            reference.regularization = Regularization { label_smoothing, dropout_key };
            let values = reference.forward(&images);
            let expected = reference.backward(&values, &labels);
            let found =
                engine.regularized_gradients(&images, &labels, reference.regularization);
            let loss = reference.loss(&values[root], &labels).0;
            assert!((found - loss).abs() <= 1e-5 * loss, "{found} {loss}");
            check_gradients(isa.name(), &engine, &expected, 3e-5);
        }
    });
}

#[test]
fn dropout_of_probability_zero_is_none() {
    let chain = || Chain::new(3, 2, 2).embed();
    let with = chain().same("drop", Op::Dropout { p: 0.0 }).classify(TokenPool::Mean);
    let without = chain().classify(TokenPool::Mean);
    let gradients = |net: &Net| {
        let (images, labels) = batch(net, 20);
        let mut engine = Engine::new(net, &initial_weights(net, 0)).unwrap();
        let regularization = Regularization { dropout_key: 9, ..Default::default() };
        let loss = engine.regularized_gradients(&images, &labels, regularization);
        (loss, engine.last_gradients())
    };
    assert!(gradients(&with) == gradients(&without));
}

#[test]
fn a_key_decides_what_is_dropped() {
    let net = vit(VitConfig { dropout: 0.3, ..SMALL }, 1, [8, 8]);
    let (images, labels) = batch(&net, 20);
    let mut engine = Engine::new(&net, &initial_weights(&net, 0)).unwrap();
    let mut loss = |dropout_key| {
        let regularization = Regularization { dropout_key, ..Default::default() };
        engine.regularized_gradients(&images, &labels, regularization).to_bits()
    };
    assert_eq!(loss(1), loss(1));
    assert_ne!(loss(1), loss(2));
}

#[test]
fn a_transformer_has_the_same_bytes_at_any_number_of_threads() {
    let adam = Update::Adam {
        lr: 1e-3,
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: 0.1,
        decoupled: true,
    };
    let net = vit(VitConfig { dropout: 0.1, dim: 60, heads: 4, ..SMALL }, 3, [16, 16]);
    let (images, labels) = batch(&net, 70);
    let train = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut engine = Engine::new(&net, &initial_weights(&net, 0)).unwrap();
            let losses: Vec<f64> = (0..3)
                .map(|dropout_key| {
                    let regularization =
                        Regularization { dropout_key, label_smoothing: 0.1 };
                    let loss =
                        engine.regularized_gradients(&images, &labels, regularization);
                    engine.update(&adam);
                    loss
                })
                .collect();
            let statistics = engine.running_statistics();
            let wanted: Vec<usize> = (0..net.nodes.len()).collect();
            (losses, engine.weights(), engine.evaluate(&images, &statistics, &wanted))
        })
    };
    let one = train(1);
    for threads in [2, 3, 4, 8] {
        assert!(train(threads) == one, "{threads} threads give other bytes");
    }
}

#[test]
fn a_transformer_evaluates_images_alone_and_together_alike() {
    let net = vit(SMALL, 3, [16, 16]);
    let wanted: Vec<usize> = (0..net.nodes.len()).collect();
    let (images, _) = batch(&net, 101);
    on_every_isa(|isa| {
        let weights = random_weights(&net);
        let mut engine = Engine::with_isa(isa, &net, &weights).unwrap();
        let statistics = engine.running_statistics();
        let whole = engine.evaluate(&images, &statistics, &wanted);
        for block in [1, 5, 16, 100] {
            let mut pieces = vec![vec![]; wanted.len()];
            for part in images.chunks(block * net.input().size()) {
                for (pieces, output) in
                    pieces.iter_mut().zip(engine.evaluate(part, &statistics, &wanted))
                {
                    pieces.extend(output);
                }
            }
            assert_eq!(pieces, whole, "blocks of {block} on {}", isa.name());
        }
    });
}

#[test]
fn batches_of_changing_size_do_not_disturb_a_transformer() {
    let net = vit(SMALL, 1, [8, 8]);
    let gradients_after = |sizes: &[usize]| {
        let mut engine = Engine::new(&net, &random_weights(&net)).unwrap();
        for &n in sizes {
            let (images, labels) = batch(&net, n);
            engine.gradients(&images, &labels);
        }
        engine.last_gradients()
    };
    assert_eq!(gradients_after(&[128, 7, 200, 40]), gradients_after(&[40]));
}
