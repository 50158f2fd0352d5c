//! Neither the size of a batch nor the number of threads changes a byte.

use super::*;

#[test]
fn evaluation_does_not_depend_on_the_batch() {
    for (config, side) in
        [(NetConfig::cnn5(3), 8), (NetConfig::resnet18(2), 8), (NetConfig::cnn5(2), 24)]
    {
        let input = Shape { channels: 3, height: side, width: side };
        let net = config.build(input, 4);
        let wanted: Vec<_> =
            net.representations.iter().map(|name| net.position(name).unwrap()).collect();
        let (images, _) = batch(&net, 211);
        on_every_isa(|isa| {
            let weights = random_weights(&net);
            let mut engine = Engine::with_isa(isa, &net, &weights).unwrap();
            let statistics = engine.running_statistics();
            let whole = engine.evaluate(&images, &statistics, &wanted);
            for block in [1, 5, 16, 100] {
                let mut pieces = vec![vec![]; wanted.len()];
                for part in images.chunks(block * input.size()) {
                    let outputs = engine.evaluate(part, &statistics, &wanted);
                    for (pieces, output) in pieces.iter_mut().zip(outputs) {
                        pieces.extend(output);
                    }
                }
                assert_eq!(pieces, whole, "blocks of {block} on {}", isa.name());
            }
        });
    }
}

#[test]
fn many_different_requests_do_not_push_each_others_plans_out() {
    let input = Shape { channels: 1, height: 8, width: 8 };
    let net = NetConfig::resnet18(1).build(input, 3);
    let mut engine = Engine::new(&net, &random_weights(&net)).unwrap();
    let statistics = engine.running_statistics();
    let (images, _) = batch(&net, 97);
    let last = net.nodes.len() - 1;
    let whole = engine.evaluate(&images, &statistics, &[last]);
    // One plan of one size, then many of two: chunks, and a remainder of one image.
    engine.evaluate(&images[..input.size()], &statistics, &[0]);
    for node in 1..last {
        let found = engine.evaluate(&images, &statistics, &[node, last]);
        assert_eq!(found[1], whole[0]);
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let input = Shape { channels: 3, height: 16, width: 16 };
    let sgd =
        Update::Sgd { lr: 0.05, momentum: 0.9, weight_decay: 5e-4, nesterov: false };
    for config in [NetConfig::cnn5(5), NetConfig::resnet18(4)] {
        let net = config.build(input, 10);
        let (images, labels) = batch(&net, 70);
        let train = |threads: usize| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let weights = initial_weights(&net, 0);
                let mut engine = Engine::new(&net, &weights).unwrap();
                let losses: Vec<f64> = (0..3)
                    .map(|_| {
                        let loss = engine.gradients(&images, &labels);
                        engine.update(&sgd);
                        loss
                    })
                    .collect();
                let half = images.len() / 2;
                let statistics = engine.recompute_statistics(images.chunks(half));
                let outputs =
                    engine.evaluate(&images, &statistics, &[net.nodes.len() - 1]);
                (losses, engine.weights(), statistics, outputs)
            })
        };
        let one = train(1);
        for threads in [2, 3, 4, 8] {
            assert!(train(threads) == one, "{threads} threads give other bytes");
        }
    }
}

#[test]
fn batches_of_changing_size_do_not_disturb_each_other() {
    let input = Shape { channels: 1, height: 8, width: 8 };
    let net = NetConfig::cnn5(4).build(input, 10);
    let gradients_after = |sizes: &[usize]| {
        let mut engine = Engine::new(&net, &random_weights(&net)).unwrap();
        for &n in sizes {
            let (images, labels) = batch(&net, n);
            engine.gradients(&images, &labels);
            engine.recompute_statistics([&images[..]].into_iter());
        }
        engine.last_gradients()
    };
    assert_eq!(gradients_after(&[128, 7, 200, 40]), gradients_after(&[40]));
}
