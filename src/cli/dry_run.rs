//! `--dry-run`: what a run would do, with estimates of time, memory and disk.

use std::fmt::Write as _;
use std::time::Duration;

use super::quantities::{bytes, counted, rounded};
use crate::data::Data;
use crate::error::Result;
use crate::estimate::{Estimate, Together};
use crate::experiment::{Experiment, Until};
use crate::net::NetConfig;
use crate::observer::epoch_label;
use crate::run_dir::RunDir;
use crate::run_dir::tables::AxisRow;
use crate::sweep::Seeds;
use crate::train::{Fork, check_start};

/// What is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Training and analysis.
    All,
    /// Training alone.
    Training,
}

/// Describes all runs; they differ in nothing but the seed.
pub(super) fn describe(seeds: &Seeds, part: Part) -> Result<String> {
    let Seeds { runs, fork, .. } = seeds;
    let (first, fork) = (&runs[0], fork.as_ref());
    let data = seeds.load()?;
    check_start(fork, &first.out, &first.experiment, &data)?;
    let begun = fork.map_or(0, Fork::step);
    let all = Together::new(&first.experiment, &data, begun, runs.len())?;
    let one = &all.one;
    let mut lines = Lines::default();
    lines.add("run", &first.out.display().to_string());
    lines.add("data", &of_data(&data));
    lines.add("net", &of_net(&first.experiment.net, one));
    lines.add("train", &of_training(one));
    if let Some(until) = first.experiment.train.until {
        lines.add("until", &of_end(until));
    }
    if part == Part::All {
        lines.add("analyze", &of_analysis(one));
        lines.add_time(one.time(), one);
        lines.add("memory", &of_memory(one, &first.experiment));
        lines.add("disk", &of_disk(one.disk(), one));
    } else {
        lines.add_time(one.training(), one);
        lines.add("disk", &of_disk(one.trained_bytes(), one));
    }
    if let Some(fork) = fork {
        let parent = fork.parent().root().display();
        lines.add("from", &format!("{parent} at epoch {}", epoch_label(fork.epoch())));
    }
    if runs.len() > 1 {
        lines.add("runs", &of_all(&all, part));
    }
    Ok(lines.0)
}

/// Describes the analysis of a run with these changes: of what is not analyzed yet, or with
/// changes or `force` of all.
pub(super) fn describe_analysis(
    run: &RunDir,
    changes: &[String],
    force: bool,
) -> Result<String> {
    let place = run.experiment_toml().display().to_string();
    let own = run.experiment().to_toml();
    let experiment = Experiment::parse(&place, &own, ".".as_ref(), changes)?;
    let data = Data::load(&experiment)?;
    let n = run.checkpoints()?.len();
    let is_redone = force || !changes.is_empty();
    let analyzed = if is_redone { 0 } else { run.rows::<AxisRow>()?.len().min(n) };
    let whole = Estimate::new(&experiment, &data, 0)?;
    let all = Estimate { n_checkpoints: n as u64, ..whole };
    let left = Estimate { n_checkpoints: (n - analyzed) as u64, ..all.clone() };
    let at_most = if changes.is_empty() { "" } else { " at most, with these changes" };
    let mut lines = Lines::default();
    lines.add("run", &run.root().display().to_string());
    lines.add("data", &of_data(&data));
    lines
        .add("epochs", &format!("{n} checkpoints, {} to analyze{at_most}", n - analyzed));
    lines.add("analyze", &of_analysis(&left));
    lines.add_time(left.analysis(), &left);
    lines.add("memory", &of_memory(&all, &experiment));
    let stored = all.disk() - all.trained_bytes();
    lines.add("disk", &format!("about {} beside the checkpoints", bytes(stored)));
    Ok(lines.0)
}

/// A word and what it says, one below the other.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "{name:<9} {value}");
    }

    fn add_time(&mut self, time: Duration, one: &Estimate) {
        let threads = counted(one.threads);
        self.add("time", &format!("about {} on {threads}", rounded(time)));
    }
}

fn of_data(data: &Data) -> String {
    let shape = data.train.shape;
    let wrong = (0..data.noisy.len()).filter(|i| data.is_corrupted(*i)).count();
    format!(
        "{}: {} training images of {}×{}×{}, {wrong} with a wrong label; {} test images",
        data.name,
        data.noisy.len(),
        shape.channels,
        shape.height,
        shape.width,
        data.test.labels.len()
    )
}

fn of_net(config: &NetConfig, one: &Estimate) -> String {
    let net = config.describe();
    format!(
        "{net}: {} parameters, {:.3} M multiply-adds per image",
        one.parameters,
        one.macs as f64 / 1e6
    )
}

fn of_training(one: &Estimate) -> String {
    format!(
        "{} steps, {} history rows, {} checkpoints: about {} ({:.2} ms per step)",
        one.n_steps,
        one.n_history,
        one.n_checkpoints,
        rounded(one.training()),
        1e3 * one.step
    )
}

fn of_end(until: Until) -> String {
    format!(
        "{until}: ends with the first checkpoint at or after it, so this is the most that is needed"
    )
}

fn of_analysis(one: &Estimate) -> String {
    format!(
        "{} layers, {} groups of examples, {} planes of {} points: about {}",
        one.work.n_layers,
        one.work.n_groups,
        one.work.n_planes,
        one.work.points_per_plane,
        rounded(one.analysis())
    )
}

fn of_memory(one: &Estimate, experiment: &Experiment) -> String {
    let passes = match one.work.probe_passes {
        1 => String::new(),
        n => format!(
            "; the probes take {n} passes over the images, so that features fit \
             analysis.memory = {} MiB",
            experiment.analysis.memory
        ),
    };
    format!("about {}{passes}", bytes(one.memory()))
}

fn of_disk(all: u64, one: &Estimate) -> String {
    let optimizer = match one.optimizer_bytes() {
        0 => String::new(),
        n => format!(", {} of it the optimizer at each checkpoint", bytes(n)),
    };
    format!("about {}{optimizer}", bytes(all))
}

fn of_all(all: &Together, part: Part) -> String {
    let Together { one, n_runs, at_once } = all;
    let several = format!("{n_runs}, {at_once} at a time; in all about");
    let rounds = n_runs.div_ceil(*at_once) as u32;
    match part {
        Part::All => format!(
            "{several} {}, {} of memory, {} of disk",
            rounded(all.time()),
            bytes(all.memory()),
            bytes(all.disk()),
        ),
        Part::Training => format!(
            "{several} {}, {} of disk",
            rounded(one.training() * rounds),
            bytes(one.trained_bytes() * *n_runs as u64),
        ),
    }
}
