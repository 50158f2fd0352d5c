//! Between two passes: clipped gradients and frozen nodes.

use super::*;

/// The L2 norm of all values together.
fn norm(gradients: &NamedArrays) -> f64 {
    let all = gradients.0.iter().flat_map(|(_, array)| floats(array));
    all.map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn clipping_scales_all_gradients_to_the_norm() {
    let input = Shape { channels: 3, height: 8, width: 8 };
    let net = NetConfig::cnn5(3).build(input, 10);
    let (images, labels) = batch(&net, 9);
    let mut engine = Engine::new(&net, &random_weights(&net)).unwrap();
    engine.gradients(&images, &labels);
    let before = engine.last_gradients();
    let total = norm(&before);
    // A norm that is not reached changes no byte.
    let found = engine.clip_gradients(2.0 * total);
    assert!((found - total).abs() < 1e-12 * total, "{found} {total}");
    assert_eq!(engine.last_gradients(), before);
    engine.clip_gradients(0.25 * total);
    let after = engine.last_gradients();
    assert!((norm(&after) / (0.25 * total) - 1.0).abs() < 1e-5);
    let coefficient = (0.25 * total / (total + 1e-6)) as f32;
    for ((name, before), (_, after)) in before.0.iter().zip(&after.0) {
        let expected: Vec<f32> = floats(before).iter().map(|g| g * coefficient).collect();
        assert_eq!(floats(after), expected, "{name}");
    }
}

/// Weights and optimizer buffers after three steps with the given nodes frozen.
fn frozen_steps(net: &Net, frozen: &[&str], update: &Update) -> [NamedArrays; 3] {
    let positions: Vec<usize> =
        frozen.iter().map(|name| net.position(name).unwrap()).collect();
    let mut engine = Engine::new(net, &random_weights(net)).unwrap();
    let (images, labels) = batch(net, 19);
    // Buffers that are not zero before the freezing.
    engine.gradients(&images, &labels);
    engine.update(update);
    let before = engine.weights();
    engine.freeze(&positions);
    for _ in 0..3 {
        engine.gradients(&images, &labels);
        engine.update(update);
    }
    [before, engine.weights(), engine.last_gradients()]
}

#[test]
fn frozen_nodes_stay_and_the_others_move_as_before() {
    let input = Shape { channels: 3, height: 8, width: 8 };
    let sgd =
        Update::Sgd { lr: 0.05, momentum: 0.9, weight_decay: 0.01, nesterov: false };
    let (betas, eps) = ([0.9, 0.999], 1e-8);
    let adam = Update::Adam { lr: 0.01, betas, eps, weight_decay: 0.1, decoupled: true };
    let cnn5 = NetConfig::cnn5(2).build(input, 10);
    let resnet = NetConfig::resnet18(2).build(input, 10);
    let cases: [(&Net, &[&str]); 7] = [
        (&cnn5, &["conv1", "bn1"]),
        (&cnn5, &["conv1", "bn1", "conv2", "bn2", "conv3"]),
        (&cnn5, &["conv4", "fc"]),
        (&cnn5, &["bn2"]),
        (&resnet, &["conv1", "layer1.0.conv1", "layer1.0.bn1"]),
        (&resnet, &["layer2.0.shortcut.0", "layer2.0.conv2", "linear"]),
        (&resnet, &["layer3.1.conv2", "layer3.1.bn1"]),
    ];
    for (net, frozen) in cases {
        for update in [sgd, adam] {
            let [before, after, gradients] = frozen_steps(net, frozen, &update);
            for ((name, before), (_, after)) in before.0.iter().zip(&after.0) {
                let node = name.rsplit_once('.').unwrap().0;
                let stays = frozen.contains(&node);
                assert_eq!(before == after, stays, "{name} with {frozen:?}");
                let trained = !name.contains("running") && !name.contains("batches");
                let has = gradients.0.iter().any(|(own, _)| own == name);
                assert_eq!(has, trained && !stays, "{name} with {frozen:?}");
            }
        }
    }
}

#[test]
fn gradients_of_a_partly_frozen_net_are_those_of_the_whole() {
    let input = Shape { channels: 1, height: 8, width: 8 };
    let vit = NetConfig::Vit(super::super::token_tests::SMALL);
    for config in [NetConfig::cnn5(3), NetConfig::resnet18(2), vit] {
        let net = config.build(input, 10);
        let (images, labels) = batch(&net, 21);
        let with_frozen = |frozen: &[usize]| {
            let mut engine = Engine::new(&net, &random_weights(&net)).unwrap();
            engine.freeze(frozen);
            let loss = engine.gradients(&images, &labels);
            (loss, engine.last_gradients())
        };
        let (loss, whole) = with_frozen(&[]);
        // From the front, from the back, and every third node.
        let n = net.nodes.len();
        let some =
            [(0..n / 2).collect(), (n / 2..n).collect(), (0..n).step_by(3).collect()];
        for frozen in some {
            let frozen: Vec<usize> = frozen;
            let (same, gradients) = with_frozen(&frozen);
            assert!(loss.to_bits() == same.to_bits());
            assert!(gradients.0.len() < whole.0.len() && !gradients.0.is_empty());
            for (name, gradient) in &gradients.0 {
                assert_eq!(Some(gradient), whole.get(name), "{name} with {frozen:?}");
            }
        }
    }
}

#[test]
fn frozen_nodes_do_not_count_in_the_norm() {
    let input = Shape { channels: 1, height: 8, width: 8 };
    let net = NetConfig::cnn5(3).build(input, 10);
    let (images, labels) = batch(&net, 21);
    let mut engine = Engine::new(&net, &random_weights(&net)).unwrap();
    // What was computed before the freezing does not count either.
    engine.gradients(&images, &labels);
    let frozen = ["bn1", "conv2", "bn4"].map(|name| net.position(name).unwrap());
    engine.freeze(&frozen);
    for _ in 0..2 {
        let expected = norm(&engine.last_gradients());
        let found = engine.clip_gradients(1e9);
        assert!((found / expected - 1.0).abs() < 1e-12, "{found} instead of {expected}");
        engine.gradients(&images, &labels);
    }
}
