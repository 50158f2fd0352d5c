//! Gradients at every width and size of batch.

use super::*;

/// Loss and gradients on every instruction set against one pass of the reference.
fn check_training(net: &Net, n: usize, close: impl Fn(&str, &[f32], &[f64])) {
    // Initial values for all but BatchNorm, so that wide nets keep logits of a usual size.
    let (mut weights, initial) = (random_weights(net), initial_weights(net, 1));
    for (parameter, (_, array)) in net.parameters().iter().zip(&mut weights.0) {
        if let Role::Dense { .. } = parameter.role {
            *array = initial.get(&parameter.name).unwrap().clone();
        }
    }
    let (images, labels) = batch(net, n);
    let parameters = parameters(&weights);
    let reference = Reference {
        net,
        parameters,
        n,
        training: true,
        regularization: Regularization::default(),
    };
    let values = reference.forward(&images);
    let expected = reference.backward(&values, &labels);
    let expected_loss = reference.loss(&values[values.len() - 1], &labels).0;
    let largest = |values: &[f64]| values.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    on_every_isa(|isa| {
        let mut engine = Engine::with_isa(isa, net, &weights).unwrap();
        let loss = engine.gradients(&images, &labels);
        let what = format!("{} {} channels n={n}", isa.name(), net.input().channels);
        assert!(
            (loss / expected_loss - 1.0).abs() <= 1e-5,
            "{what}: {loss} instead of {expected_loss}"
        );
        let found = engine.last_gradients().0;
        assert_eq!(found.len(), expected.len());
        for (name, array) in &found {
            let (what, expected_one) = (format!("{what} d{name}"), &expected[name]);
            if largest(expected_one) > 1e-12 {
                close(&what, floats(array), expected_one);
                continue;
            }
            // A bias before a BatchNorm: rounding of the size of its weight's gradient.
            let weight = largest(&expected[&name.replace(".bias", ".weight")]);
            let found = floats(array).iter().fold(0.0, |m: f32, x| m.max(x.abs()));
            assert!(f64::from(found) <= 1e-5 * weight, "{what}: {found} of {weight}");
        }
    });
}

#[test]
fn gradients_of_every_width_from_1_to_64_match_the_reference() {
    for width in 1..=64 {
        // One and three channels; batches that fill no vector of 4, 8 or 16 images, and more.
        for (channels, n) in [(1, 5), (3, [2, 7, 18, 33][width % 4])] {
            let block = |chain: Chain, i: usize| {
                chain
                    .conv(&format!("conv{i}"), width, [3, 1, 1], i == 1)
                    .same(&format!("bn{i}"), Op::BatchNorm)
                    .same(&format!("relu{i}"), Op::Relu)
            };
            let chain = block(Chain::new(channels, 4, 4), 1).pool([2; 2]);
            check_training(&block(chain, 2).end(3), n, |what, found, expected| {
                assert_close(what, found, expected, 2e-5);
            });
        }
    }
}

/// Close in the Euclidean norm: of the million values of a wide net one may lie so near zero
/// that rounding decides what its `ReLU` does, which shows in a few gradients.
fn near(what: &str, found: &[f32], expected: &[f64]) {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let differences = found.iter().zip(expected).map(|(&f, e)| f64::from(f) - e);
    let [error, size] =
        [norm(&mut differences.clone()), norm(&mut expected.iter().copied())];
    assert!(error <= 1e-6 * size, "{what}: relative error {}", (error / size).sqrt());
}

#[test]
fn gradients_of_both_nets_at_narrow_and_wide_match_the_reference() {
    for (i, width) in [1, 2, 3, 5, 7, 12, 16, 33, 64].into_iter().enumerate() {
        let channels = [1, 3][i % 2];
        // Maps of 10×10 end in more than one pixel, over which BatchNorm is well conditioned.
        let input = Shape { channels, height: 10, width: 10 };
        let n = if width > 16 { 5 } else { [18, 7, 9][i % 3] };
        check_training(&NetConfig::cnn5(width).build(input, 10), n, |w, f, e| {
            assert_close(w, f, e, 1e-4);
        });
        check_training(&NetConfig::resnet18(width).build(input, 10), n, near);
    }
}

#[test]
fn gradients_of_every_size_of_batch_match_the_reference() {
    for channels in [1, 3] {
        let input = Shape { channels, height: 8, width: 8 };
        let net = NetConfig::cnn5(2).build(input, 10);
        for n in (2..=34).chain([47, 63, 65]) {
            check_training(&net, n, |w, f, e| assert_close(w, f, e, 5e-5));
        }
    }
}
