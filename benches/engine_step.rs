//! Time of a training step and of a forward pass on this machine:
//!
//! ```text
//! cargo bench --bench engine_step [-- NET-WIDTH…]
//! ```
//!
//! `benches/training.py` compares with PyTorch; it asks this program through `--serve`,
//! `--seeds` and `--peak`. Threads: `RAYON_NUM_THREADS`.
#![allow(missing_docs, clippy::print_stdout)]

use std::hint::black_box;
use std::io::BufRead;
use std::time::Instant;

use rayon::prelude::*;
use stratagram::engine::{Engine, Update, isa_name};
use stratagram::net::{Net, NetConfig, Shape, TokenPool, VitConfig, initial_weights};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const BATCH: usize = 128;
const CIFAR: Shape = Shape { channels: 3, height: 32, width: 32 };
const DIGITS: Shape = Shape { channels: 1, height: 8, width: 8 };
const SGD: Update =
    Update::Sgd { lr: 0.01, momentum: 0.9, weight_decay: 0.0, nesterov: false };

fn main() -> Result<()> {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["--serve", name] => serve(name),
        ["--seeds", name, seeds, steps] => many(name, seeds.parse()?, steps.parse()?),
        ["--peak"] => {
            println!("{:.1}", peak_gflops());
            Ok(())
        }
        [] => table(&[
            "cnn5-4",
            "cnn5-8",
            "cnn5-16",
            "resnet18-4",
            "resnet18-8",
            "resnet18-16",
            "vit-192",
            "cnn5-16-digits",
        ]),
        ref names => table(names),
    }
}

/// One net with its batches.
struct Case {
    net: Net,
    engine: Engine,
    images: Vec<f32>,
    many: Vec<f32>,
    labels: Vec<u8>,
}

impl Case {
    /// `kind-width`, on CIFAR-sized images, or `kind-width-digits`; a `vit-dim` has heads of
    /// 64 channels.
    fn new(name: &str) -> Result<Self> {
        let words: Vec<&str> = name.split('-').collect();
        let width = words.get(1).ok_or("expected NET-WIDTH")?.parse()?;
        let config = match words[0] {
            "cnn5" => NetConfig::cnn5(width),
            "resnet18" => NetConfig::resnet18(width),
            "vit" => NetConfig::Vit(VitConfig {
                patch: 4,
                dim: width,
                depth: 6,
                heads: width / 64,
                head_dim: 64,
                mlp_dim: 4 * width,
                pool: TokenPool::Cls,
                dropout: 0.0,
                norm_eps: 1e-5,
                qkv_bias: false,
            }),
            other => return Err(format!("no net {other}").into()),
        };
        let input = if words.len() > 2 { DIGITS } else { CIFAR };
        let net = config.build(input, 10);
        let engine = Engine::new(&net, &initial_weights(&net, 0))?;
        let value = |i: usize| (i * 7919 % 1013) as f32 / 500.0 - 1.0;
        let many: Vec<f32> = (0..4 * BATCH * input.size()).map(value).collect();
        let images = many[..BATCH * input.size()].to_vec();
        let labels = (0..BATCH).map(|i| (i % 10) as u8).collect();
        Ok(Self { net, engine, images, many, labels })
    }

    fn step(&mut self) {
        black_box(self.engine.gradients(&self.images, &self.labels));
        self.engine.update(&SGD);
    }

    fn infer(&mut self) {
        let statistics = self.engine.running_statistics();
        let logits = [self.net.nodes.len() - 1];
        black_box(self.engine.evaluate(&self.many, &statistics, &logits));
    }

    /// Multiply-adds of a step count twice; forward, gradient of the inputs and of the
    /// weights are equally many.
    fn step_gflop(&self) -> f64 {
        6e-9 * (self.net.mac_count() * BATCH) as f64
    }
}

fn table(names: &[&str]) -> Result<()> {
    println!("instructions: {}, threads: {}", isa_name()?, rayon::current_num_threads());
    println!("a training step of {BATCH} images, then an evaluation of {}", 4 * BATCH);
    let head = ["ms", "CPU ms", "GFLOP/s", "a core"];
    let head = head.map(|title| format!(" {title:>9}")).concat();
    println!("{:<16}{head}{head}", "net");
    for name in names {
        let mut case = Case::new(name)?;
        let step = time_ms(|| case.step());
        let infer = time_ms(|| case.infer());
        let gflop = case.step_gflop();
        print!("{name:<16}");
        for ([clock, cpu], gflop) in [(step, gflop), (infer, 4.0 / 3.0 * gflop)] {
            let rate = |ms: f64| gflop / ms * 1e3;
            print!(" {clock:>9.2} {cpu:>9.2} {:>9.1} {:>9.1}", rate(clock), rate(cpu));
        }
        println!();
    }
    Ok(())
}

/// Answers each line `step` or `infer` with the median time in milliseconds, the peak memory
/// of the process in MB, and the GFLOP of a step.
fn serve(name: &str) -> Result<()> {
    let mut case = Case::new(name)?;
    for line in std::io::stdin().lock().lines() {
        let [ms, _] = match line?.trim() {
            "step" => time_ms(|| case.step()),
            "infer" => time_ms(|| case.infer()),
            other => return Err(format!("expected step or infer, not {other}").into()),
        };
        println!("{ms} {} {}", peak_mb(), case.step_gflop());
    }
    Ok(())
}

/// Seconds for so many seeds of so many steps each, one seed a thread.
fn many(name: &str, seeds: usize, steps: usize) -> Result<()> {
    let mut cases = (0..seeds).map(|_| Case::new(name)).collect::<Result<Vec<_>>>()?;
    let pools: Vec<_> = (0..rayon::current_num_threads())
        .map(|_| rayon::ThreadPoolBuilder::new().num_threads(1).build())
        .collect::<std::result::Result<_, _>>()?;
    cases.iter_mut().for_each(Case::step);
    let start = Instant::now();
    let left = std::sync::Mutex::new(cases.iter_mut());
    std::thread::scope(|scope| {
        for pool in &pools {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no thread panics").next();
                    let Some(case) = next else { break };
                    pool.install(|| (0..steps).for_each(|_| case.step()));
                }
            });
        }
    });
    println!("{}", start.elapsed().as_secs_f64());
    Ok(())
}

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

/// The largest memory that the process has held, in MB, where Linux tells it.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kb.unwrap_or(f64::NAN) / 1024.0
}

/// Median of the times of `run` and mean processor time in milliseconds, over at least 5
/// runs and about a second, after two that do not count.
fn time_ms(mut run: impl FnMut()) -> [f64; 2] {
    run();
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

/// The machine's f32 peak in GFLOP/s: independent multiply-adds that never leave the
/// registers, on all threads; the best of a few rounds.
fn peak_gflops() -> f64 {
    let round = || {
        let start = Instant::now();
        let flop: f64 = (0..rayon::current_num_threads())
            .into_par_iter()
            .map(|_| pulp::Arch::new().dispatch(MultiplyAdds))
            .sum();
        1e-9 * flop / start.elapsed().as_secs_f64()
    };
    (0..10).map(|_| round()).fold(0.0, f64::max)
}

/// A long chain of multiply-adds in 16 independent vectors; gives their number of flops.
struct MultiplyAdds;

impl pulp::WithSimd for MultiplyAdds {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> f64 {
        const ROUNDS: usize = 10_000_000;
        let factor = simd.splat_f32s(black_box(0.999));
        let mut sums = [simd.splat_f32s(black_box(1.0)); 16];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, factor);
            }
        }
        black_box(sums);
        (2 * 16 * S::F32_LANES * ROUNDS) as f64
    }
}
