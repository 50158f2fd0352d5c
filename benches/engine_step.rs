//! Time of a training step and of a forward pass on this machine:
//! `cargo bench --bench engine_step [-- NAME…]`. Threads: `RAYON_NUM_THREADS`.
#![allow(missing_docs, clippy::print_stdout)]

use std::time::Instant;

use stratagram::engine::{Engine, Update, isa_name};
use stratagram::net::{NetConfig, Shape, initial_weights};

const BATCH: usize = 128;

/// Processor time of all threads in milliseconds, where Linux tells it: on a machine that
/// others use it says more than the clock.
fn cpu_ms() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = |task: std::fs::DirEntry| -> Option<f64> {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    tasks.filter_map(nanoseconds).sum::<f64>() / 1e6
}

/// Median of the times of `run` and mean processor time in milliseconds, over at least 5
/// runs and about a second.
fn time_ms(mut run: impl FnMut()) -> [f64; 2] {
    run();
    let mut times = vec![];
    let start = Instant::now();
    let cpu = cpu_ms();
    while times.len() < 5 || start.elapsed().as_secs_f64() < 1.0 {
        let start = Instant::now();
        run();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let cpu = (cpu_ms() - cpu) / times.len() as f64;
    times.sort_by(f64::total_cmp);
    [times[times.len() / 2], cpu]
}

fn main() -> Result<(), stratagram::Error> {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|a| a != "--bench").collect();
    println!("instructions: {}, threads: {}", isa_name()?, rayon::current_num_threads());
    println!("a training step of {BATCH} images, then an evaluation of {}", 4 * BATCH);
    let head = ["ms", "CPU ms", "GFLOP/s", "a core"];
    let head = head.map(|title| format!(" {title:>9}")).concat();
    println!("{:<16}{head}{head}", "net");
    let cifar = Shape { channels: 3, height: 32, width: 32 };
    let digits = Shape { channels: 1, height: 8, width: 8 };
    let mut cases =
        vec![("cnn5-16-digits".to_string(), NetConfig::Cnn5 { width: 16 }, digits)];
    for width in [4, 8, 16, 64] {
        cases.push((format!("cnn5-{width}"), NetConfig::Cnn5 { width }, cifar));
        cases.push((format!("resnet18-{width}"), NetConfig::Resnet18 { width }, cifar));
    }
    for (name, config, input) in cases {
        if wanted.is_empty() || wanted.contains(&name) {
            bench(&name, &config, input)?;
        }
    }
    Ok(())
}

fn bench(name: &str, config: &NetConfig, input: Shape) -> Result<(), stratagram::Error> {
    let net = config.build(input, 10);
    let mut engine = Engine::new(&net, &initial_weights(&net, 0))?;
    let value = |i: usize| (i * 7919 % 1013) as f32 / 500.0 - 1.0;
    let images: Vec<f32> = (0..BATCH * input.size()).map(value).collect();
    let labels: Vec<u8> = (0..BATCH).map(|i| (i % 10) as u8).collect();
    let update =
        Update::Sgd { lr: 0.01, momentum: 0.9, weight_decay: 0.0, nesterov: false };
    let step = time_ms(|| {
        engine.gradients(&images, &labels);
        engine.update(&update);
    });
    let many: Vec<f32> = images.iter().copied().cycle().take(images.len() * 4).collect();
    let statistics = engine.running_statistics();
    let logits = [net.nodes.len() - 1];
    let eval = time_ms(|| {
        engine.evaluate(&many, &statistics, &logits);
    });
    // Forward, gradient of the inputs and of the weights are equally many.
    let gflop = 2e-9 * (net.mac_count() * BATCH) as f64;
    print!("{name:<16}");
    for ([clock, cpu], gflop) in [(step, 3.0 * gflop), (eval, 4.0 * gflop)] {
        let rate = |ms: f64| gflop / ms * 1e3;
        print!(" {clock:>9.2} {cpu:>9.2} {:>9.1} {:>9.1}", rate(clock), rate(cpu));
    }
    println!();
    Ok(())
}
