//! The paper's method on one page: train a net with noisy labels past perfect fitting, compare
//! a layer with itself over the epochs by CKA and by the decision regions of linear probes,
//! find the perfect-fitting threshold, and draw the two matrices.
//!
//! Run it with `cargo run --release --example paper_on_one_page`.
#![allow(clippy::print_stdout)]

use stratagram::data::{Data, epoch_batches};
use stratagram::engine::{Engine, Update};
use stratagram::experiment::Experiment;
use stratagram::net::initial_weights;
use stratagram::phases::{Curves, Phases};
use stratagram::planes::dbviz_planes;
use stratagram::probe::{Design, FitOptions};
use stratagram::similarity::{Estimator, cka, drs};

const EXPERIMENT: &str = r#"
data = { kind = "digits", n_train = 400, n_test = 400 }
noise = { rate = 0.2 }
net = { kind = "cnn5", width = 8 }
"#;
const EPOCHS: [u64; 8] = [0, 1, 2, 4, 8, 16, 32, 64];
const LAYER: &str = "pool3";
const RESOLUTION: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 1. Real images, a fifth of the training labels wrong, an overparameterized net.
    let experiment = Experiment::parse("example", EXPERIMENT, ".".as_ref(), &[])?;
    let data = Data::load(&experiment)?;
    let n = data.noisy.len();
    let net = experiment.net.build(data.train.shape, data.n_classes);
    let layer = net.position(LAYER).expect("CNN5 has this layer");
    let output = net.nodes.len() - 1;
    let features = net.nodes[layer].shape.size();
    let mut engine = Engine::new(&net, &initial_weights(&net, 0))?;
    let train = data.batch(&data.train, &(0..n).collect::<Vec<_>>());
    let test = data.batch(&data.test, &(0..data.test.labels.len()).collect::<Vec<_>>());

    // 2. Planes through triplets of test images of distinct classes.
    let size = data.test.shape.size();
    let image = |i: usize| test[i * size..(i + 1) * size].to_vec();
    let mut points = vec![];
    for image_plane in dbviz_planes(&data.test.labels, 20, 1, image)? {
        let grid = image_plane.plane.grid(RESOLUTION, 0.1);
        for k in 0..RESOLUTION * RESOLUTION {
            let start = points.len();
            points.resize(start + size, 0.0);
            grid.point(k, &mut points[start..]);
        }
    }

    // 3. Train; at each checkpoint reduce the layer to its two signatures.
    let error = |logits: &[f32], labels: &[u8]| {
        let wrong = logits.chunks(data.n_classes).zip(labels).filter(|(row, label)| {
            row.iter().any(|logit| *logit > row[usize::from(**label)])
        });
        wrong.count() as f64 / labels.len() as f64
    };
    let (mut grams, mut decisions) = (vec![], vec![]);
    let (mut train_error, mut test_error) = (vec![], vec![]);
    for epoch in 0..=EPOCHS[EPOCHS.len() - 1] {
        if EPOCHS.contains(&epoch) {
            // BatchNorm statistics recomputed over the training images.
            let statistics =
                engine.recompute_statistics(std::iter::once(train.as_slice()));
            let on_train = engine.evaluate(&train, &statistics, &[layer, output]);
            let on_test = engine.evaluate(&test, &statistics, &[layer, output]);
            let on_points = engine.evaluate(&points, &statistics, &[layer]);
            train_error.push(error(&on_train[1], &data.noisy));
            test_error.push(error(&on_test[1], &data.test.labels));
            let n_test = data.test.labels.len();
            grams.push(cka::signature(
                &on_test[0],
                n_test,
                features,
                Estimator::Debiased,
            )?);
            let design = Design::new(&on_train[0], n, features, true)?;
            let fit =
                design.fit(&data.noisy, data.n_classes, &FitOptions::default(), None);
            decisions.push(fit.probe.predict(&on_points[0], points.len() / size));
        }
        for batch in epoch_batches(0, epoch, n, 64) {
            let images = data.batch(&data.train, &batch);
            let labels: Vec<u8> = batch.iter().map(|i| data.noisy[*i]).collect();
            engine.gradients(&images, &labels);
            engine.update(&Update::Sgd {
                lr: 0.02,
                momentum: 0.9,
                weight_decay: 0.0,
                nesterov: false,
            });
        }
    }

    // 4. Compare all pairs of epochs, and read the phases off the curves.
    let grams: Vec<_> = grams.iter().map(|gram| Ok(gram.as_slice())).collect();
    let decisions: Vec<_> = decisions.iter().map(Vec::as_slice).collect();
    let n_test = data.test.labels.len();
    draw("CKA", &cka::matrix(&grams, n_test, Estimator::Debiased).values);
    draw("DRS", &drs::matrix(&decisions, RESOLUTION * RESOLUTION).values);
    let epochs = EPOCHS.iter().map(|epoch| *epoch as f64).collect();
    println!("train error {train_error:.3?}\ntest error  {test_error:.3?}");
    println!("{}", Phases::of(&Curves::new(epochs, train_error, test_error)?));
    Ok(())
}

/// Prints an epoch × epoch matrix, origin lower left.
fn draw(name: &str, values: &[f64]) {
    println!("{name} of {LAYER}, epochs {EPOCHS:?}");
    for (row, epoch) in values.chunks(EPOCHS.len()).zip(EPOCHS).rev() {
        let cells: Vec<String> = row.iter().map(|value| format!("{value:5.2}")).collect();
        println!("{epoch:>4} {}", cells.join(" "));
    }
}
