//! `--dry-run`: what a run would do, with estimates of time, memory and disk.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::experiment_arguments::Planned;
use super::train::check_start;
use crate::analyze::Work;
use crate::data::Data;
use crate::engine::{Engine, Update};
use crate::error::Result;
use crate::experiment::{Experiment, OptimizerKind, steps_per_epoch};
use crate::net::{NetConfig, VitConfig, initial_weights};
use crate::represent::recomputes_statistics;
use crate::train::Fork;

/// Training steps and forward passes that are timed, after one that is not.
const TIMED: u32 = 5;

/// Describes all runs; they differ in nothing but the seed.
pub(super) fn describe(planned: &Planned) -> Result<String> {
    let Planned { runs, fork } = planned;
    let (out, experiment) = &runs[0];
    let data = Data::load(experiment)?;
    check_start(fork.as_ref(), out, experiment, &data)?;
    let begun = fork.as_ref().map_or(0, Fork::step);
    // Many runs have a thread each, so that is how they are timed.
    let side_by_side = if runs.len() < threads() { 1 } else { threads() };
    let estimate = if side_by_side == 1 {
        Estimate::new(experiment, &data, begun)?
    } else {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.expect("one thread more can be started");
        pool.install(|| Estimate::new(experiment, &data, begun))?
    };
    let mut text = estimate.describe(out, experiment, &data);
    if let Some(fork) = fork {
        let parent = fork.parent().root().display();
        let _ = writeln!(text, "from      {parent} at epoch {}", fork.epoch());
    }
    if runs.len() > 1 {
        let rounds = runs.len().div_ceil(side_by_side) as u32;
        let _ = writeln!(
            text,
            "runs      {}, {side_by_side} at a time; in all about {}, {} of memory, {} of disk",
            runs.len(),
            rounded(estimate.time() * rounds),
            bytes(estimate.memory() * side_by_side as u64),
            bytes(estimate.disk() * runs.len() as u64),
        );
    }
    Ok(text)
}

/// The estimated time of one run, at the speed of the present threads.
pub(super) fn time_of(experiment: &Experiment) -> Result<Duration> {
    let data = Data::load(experiment)?;
    Ok(Estimate::new(experiment, &data, 0)?.time())
}

/// What one run costs: counts from the experiment, speeds measured here and now.
struct Estimate {
    parameters: usize,
    macs: usize,
    n_steps: u64,
    n_checkpoints: u64,
    n_history: u64,
    /// Values that the optimizer remembers of each parameter, where that is kept.
    n_buffers: u64,
    /// Threads.
    threads: usize,
    /// Forward passes of one history row, in images.
    evaluated: u64,
    work: Work,
    /// Seconds of one training step.
    step: f64,
    /// Seconds of the forward pass of one image.
    image: f64,
}

impl Estimate {
    fn new(experiment: &Experiment, data: &Data, begun: u64) -> Result<Self> {
        let net = experiment.net.build(data.train.shape, data.n_classes);
        let (n_train, n_test) = (data.noisy.len(), data.test.labels.len());
        let steps = steps_per_epoch(n_train, experiment.train.batch_size);
        let mut engine = Engine::new(&net, &initial_weights(&net, experiment.seed))?;
        let indices: Vec<usize> = (0..experiment.train.batch_size.min(n_train)).collect();
        let images = data.batch(&data.train, &indices);
        let labels: Vec<u8> = indices.iter().map(|i| data.noisy[*i]).collect();
        let update =
            Update::Sgd { lr: 0.0, momentum: 0.0, weight_decay: 0.0, nesterov: false };
        let step = seconds(|| {
            engine.gradients(&images, &labels);
            engine.update(&update);
        });
        let statistics = engine.running_statistics();
        let output = [net.nodes.len() - 1];
        let block = seconds(|| {
            engine.evaluate(&images, &statistics, &output);
        });
        let batchnorm = experiment.evaluation.batchnorm;
        let n_passes = 1 + u64::from(recomputes_statistics(&net, batchnorm));
        Ok(Self {
            parameters: net.parameter_count(),
            macs: net.mac_count(),
            n_steps: experiment.train.total_steps(steps).saturating_sub(begun),
            n_checkpoints: experiment.train.checkpoint_steps(steps).len() as u64,
            n_history: {
                let rows = experiment.train.history_steps(steps);
                rows.iter().filter(|step| **step >= begun).count() as u64
            },
            n_buffers: match experiment.optimizer.kind {
                _ if !experiment.train.save_optimizer => 0,
                OptimizerKind::Sgd => u64::from(experiment.optimizer.momentum > 0.0),
                OptimizerKind::Adam | OptimizerKind::Adamw => 2,
            },
            threads: threads(),
            evaluated: n_passes * (n_train + n_test) as u64,
            work: Work::of(experiment, data)?,
            step,
            image: block / indices.len() as f64,
        })
    }

    fn training(&self) -> Duration {
        let evaluation = (self.n_history * self.evaluated) as f64 * self.image;
        Duration::from_secs_f64(self.n_steps as f64 * self.step + evaluation)
    }

    fn analysis(&self) -> Duration {
        let images = self.n_checkpoints as f64 * self.work.forward_images as f64;
        Duration::from_secs_f64(images * self.image)
            + self.work.probe_time * self.n_checkpoints as u32
    }

    fn time(&self) -> Duration {
        self.training() + self.analysis()
    }

    /// Bytes held at once: while a checkpoint is reduced, or while all are compared.
    fn memory(&self) -> u64 {
        self.work.peak_bytes.max(2 * self.n_checkpoints * self.work.row_bytes)
    }

    /// Bytes on disk: weights and optimizer, signatures, probes.
    fn disk(&self) -> u64 {
        let weights = 4 * self.parameters as u64;
        let kept = self.n_checkpoints * (1 + self.n_buffers) + 3;
        kept * weights + self.n_checkpoints * self.work.stored_bytes
    }

    fn describe(&self, out: &Path, experiment: &Experiment, data: &Data) -> String {
        let shape = data.train.shape;
        let net = match &experiment.net {
            NetConfig::Cnn5 { width } => format!("cnn5 of width {width}"),
            NetConfig::Resnet18 { width } => format!("resnet18 of width {width}"),
            NetConfig::Resnet18Post { width } => {
                format!("resnet18-post of width {width}")
            }
            NetConfig::ResnetCifar { depth, width } => {
                format!("resnet-cifar of depth {depth}, width {width}")
            }
            NetConfig::Vit(VitConfig { patch, dim, depth, .. }) => {
                format!("vit of patch {patch}, dim {dim}, depth {depth}")
            }
        };
        let wrong = (0..data.noisy.len()).filter(|i| data.is_corrupted(*i)).count();
        let work = &self.work;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<9} {value}");
        };
        line("run", out.display().to_string());
        line(
            "data",
            format!(
                "{}: {} training images of {}×{}×{}, {wrong} with a wrong label; {} test images",
                data.name,
                data.noisy.len(),
                shape.channels,
                shape.height,
                shape.width,
                data.test.labels.len()
            ),
        );
        line(
            "net",
            format!(
                "{net}: {} parameters, {:.3} M multiply-adds an image",
                self.parameters,
                self.macs as f64 / 1e6
            ),
        );
        line(
            "train",
            format!(
                "{} steps, {} history rows, {} checkpoints: about {} ({:.2} ms a step)",
                self.n_steps,
                self.n_history,
                self.n_checkpoints,
                rounded(self.training()),
                1e3 * self.step
            ),
        );
        line(
            "analyze",
            format!(
                "{} layers, {} groups of examples, {} planes of {} points: about {}",
                work.n_layers,
                work.n_groups,
                work.n_planes,
                work.points_per_plane,
                rounded(self.analysis())
            ),
        );
        let threads = counted(self.threads);
        line("time", format!("about {} on {threads}", rounded(self.time())));
        let passes = match work.probe_passes {
            1 => String::new(),
            n => format!(
                "; the probes take {n} passes over the images, so that features fit \
                 analysis.memory = {} MiB",
                experiment.analysis.memory
            ),
        };
        line("memory", format!("about {}{passes}", bytes(self.memory())));
        let buffers = 4 * self.parameters as u64 * self.n_buffers * self.n_checkpoints;
        let disk = format!("about {}", bytes(self.disk()));
        let optimizer = match buffers {
            0 => String::new(),
            n => format!(", {} of it the optimizer at each checkpoint", bytes(n)),
        };
        line("disk", disk + &optimizer);
        text
    }
}

/// The median seconds of some calls, after one that is not counted.
fn seconds(mut call: impl FnMut()) -> f64 {
    call();
    let mut times: Vec<f64> = (0..TIMED)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn threads() -> usize {
    rayon::current_num_threads()
}

/// So many threads.
pub(super) fn counted(threads: usize) -> String {
    match threads {
        1 => "one thread".to_owned(),
        n => format!("{n} threads"),
    }
}

/// A duration as a person would say it.
pub(super) fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().ceil() as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

/// A number of bytes as a person would say it.
fn bytes(n: u64) -> String {
    match n {
        0..1_000_000 => format!("{} kB", n.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", n.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_bytes_are_rounded_up() {
        assert_eq!(rounded(Duration::from_millis(1200)), "2 s");
        assert_eq!(rounded(Duration::from_secs(121)), "3 min");
        assert_eq!(rounded(Duration::from_mins(150)), "2.5 h");
        assert_eq!(bytes(1), "1 kB");
        assert_eq!(bytes(1_500_001), "2 MB");
    }
}
