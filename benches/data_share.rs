//! The share of a training step that is spent on its images: bytes in memory → a normalized
//! and augmented batch. `cargo bench --bench data_share`. Threads: `RAYON_NUM_THREADS`.
#![allow(missing_docs, clippy::print_stdout)]

use std::time::Instant;

use stratagram::data::{Data, ImageSet, Pixels, epoch_batches};
use stratagram::engine::{Engine, Update, isa_name};
use stratagram::experiment::Augmentation;
use stratagram::net::{NetConfig, Shape, initial_weights};

const BATCH: usize = 128;
const IMAGES: usize = 4096;

fn images(shape: Shape) -> ImageSet {
    let values = (0..IMAGES * shape.size()).map(|i| (i * 7919 % 251) as u8).collect();
    let pixels = Pixels::U8 { values, scale: 1.0 / 255.0 };
    ImageSet { shape, pixels, labels: (0..IMAGES).map(|i| (i % 10) as u8).collect() }
}

fn data(shape: Shape) -> Data {
    let train = images(shape);
    Data {
        n_classes: 10,
        class_names: vec![],
        noisy: train.labels.clone(),
        noisy_test: train.labels.clone(),
        test: train.clone(),
        train_index: (0..IMAGES).collect(),
        test_index: (0..IMAGES).collect(),
        mean: vec![0.5; shape.channels],
        std: vec![0.25; shape.channels],
        name: "bench".into(),
        sha256: String::new(),
        notes: vec![],
        train,
    }
}

/// Median milliseconds of `run`, over at least 5 runs and about a second.
fn time_ms(mut run: impl FnMut(usize)) -> f64 {
    run(0);
    let mut times = vec![];
    let start = Instant::now();
    while times.len() < 5 || start.elapsed().as_secs_f64() < 1.0 {
        let start = Instant::now();
        run(times.len());
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() -> Result<(), stratagram::Error> {
    println!("instructions: {}, threads: {}", isa_name()?, rayon::current_num_threads());
    println!(
        "{:<22} {:>9} {:>9} {:>9} {:>7}",
        "net", "step ms", "plain ms", "augm. ms", "share"
    );
    let square = |channels, side| Shape { channels, height: side, width: side };
    for (name, config) in
        [("cnn5-16", NetConfig::cnn5(16)), ("resnet18-16", NetConfig::resnet18(16))]
    {
        for shape in [square(3, 32), square(1, 16)] {
            bench(
                &format!("{name} {}×{}", shape.channels, shape.height),
                &config,
                shape,
            )?;
        }
    }
    Ok(())
}

fn bench(name: &str, config: &NetConfig, shape: Shape) -> Result<(), stratagram::Error> {
    let data = data(shape);
    let batches = epoch_batches(0, 0, IMAGES, BATCH);
    let batch = |i: usize| &batches[i % batches.len()];
    let both = [Augmentation::Crop, Augmentation::Flip];
    let plain = time_ms(|i| {
        std::hint::black_box(data.training_batch(batch(i), 0, 0, &[]));
    });
    let augmented = time_ms(|i| {
        std::hint::black_box(data.training_batch(batch(i), i as u64, 0, &both));
    });
    let net = config.build(shape, 10);
    let mut engine = Engine::new(&net, &initial_weights(&net, 0))?;
    let first = data.training_batch(batch(0), 0, 0, &[]);
    let labels: Vec<u8> = batch(0).iter().map(|&i| data.noisy[i]).collect();
    let update =
        Update::Sgd { lr: 0.01, momentum: 0.9, weight_decay: 0.0, nesterov: false };
    let step = time_ms(|_| {
        engine.gradients(&first, &labels);
        engine.update(&update);
    });
    let share = 100.0 * augmented / (step + augmented);
    println!("{name:<22} {step:>9.2} {plain:>9.3} {augmented:>9.3} {share:>6.2}%");
    Ok(())
}
