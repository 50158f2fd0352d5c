//! `--dry-run`: what a run would do, with estimates of time, memory and disk.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::analyze::Work;
use crate::data::Data;
use crate::engine::{Engine, Update};
use crate::error::Result;
use crate::experiment::{Experiment, steps_per_epoch};
use crate::net::{NetConfig, initial_weights};

/// Training steps and forward passes that are timed, after one that is not.
const TIMED: u32 = 5;

/// Describes all runs; they differ in nothing but the seed.
pub(super) fn describe(runs: &[(PathBuf, Experiment)]) -> Result<String> {
    let (out, experiment) = &runs[0];
    let data = Data::load(experiment)?;
    let estimate = Estimate::new(experiment, &data)?;
    let mut text = estimate.describe(out, experiment, &data);
    if runs.len() > 1 {
        let total = estimate.time() * runs.len() as u32;
        let _ =
            writeln!(text, "runs      {}; in all about {}", runs.len(), rounded(total));
    }
    Ok(text)
}

/// The estimated time of one run, at the speed of the present threads.
pub(super) fn time_of(experiment: &Experiment) -> Result<Duration> {
    let data = Data::load(experiment)?;
    Ok(Estimate::new(experiment, &data)?.time())
}

/// What one run costs: counts from the experiment, speeds measured here and now.
struct Estimate {
    parameters: usize,
    macs: usize,
    n_steps: u64,
    n_checkpoints: u64,
    n_history: u64,
    /// Forward passes of one history row, in images.
    evaluated: u64,
    work: Work,
    /// Seconds of one training step.
    step: f64,
    /// Seconds of the forward pass of one image.
    image: f64,
}

impl Estimate {
    fn new(experiment: &Experiment, data: &Data) -> Result<Self> {
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
        Ok(Self {
            parameters: net.parameter_count(),
            macs: net.mac_count(),
            n_steps: experiment.train.total_steps(steps),
            n_checkpoints: experiment.train.checkpoint_steps(steps).len() as u64,
            n_history: experiment.train.history_steps(steps).len() as u64,
            evaluated: (2 * n_train + 2 * n_test) as u64,
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

    /// Bytes on disk: weights and optimizer, signatures, probes.
    fn disk(&self) -> u64 {
        let weights = 4 * self.parameters as u64;
        (self.n_checkpoints + 3) * weights + self.n_checkpoints * self.work.stored_bytes
    }

    fn describe(&self, out: &Path, experiment: &Experiment, data: &Data) -> String {
        let shape = data.train.shape;
        let (kind, width) = match experiment.net {
            NetConfig::Cnn5 { width } => ("cnn5", width),
            NetConfig::Resnet18 { width } => ("resnet18", width),
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
                "{kind} of width {width}: {} parameters, {:.3} M multiply-adds an image",
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
        line("time", format!("about {} on {} threads", rounded(self.time()), threads()));
        line("memory", format!("about {}", bytes(work.peak_bytes)));
        line("disk", format!("about {}", bytes(self.disk())));
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
