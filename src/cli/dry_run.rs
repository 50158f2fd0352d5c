//! `--dry-run`: what a run would do, with estimates of time, memory and disk.

use std::fmt::Write as _;

use super::quantities::{bytes, counted, rounded};
use crate::data::Data;
use crate::error::Result;
use crate::estimate::{Estimate, Together};
use crate::experiment::Experiment;
use crate::net::NetConfig;
use crate::sweep::Seeds;
use crate::train::{Fork, check_start};

/// Describes all runs; they differ in nothing but the seed.
pub(super) fn describe(seeds: &Seeds) -> Result<String> {
    let Seeds { runs, fork, .. } = seeds;
    let (first, fork) = (&runs[0], fork.as_ref());
    let data = seeds.load()?;
    check_start(fork, &first.out, &first.experiment, &data)?;
    let begun = fork.map_or(0, Fork::step);
    let all = Together::new(&first.experiment, &data, begun, runs.len())?;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<9} {value}");
    };
    line("run", &first.out.display().to_string());
    line("data", &of_data(&data));
    line("net", &of_net(&first.experiment.net, &all.one));
    line("train", &of_training(&all.one));
    line("analyze", &of_analysis(&all.one));
    let threads = counted(all.one.threads);
    line("time", &format!("about {} on {threads}", rounded(all.one.time())));
    line("memory", &of_memory(&all.one, &first.experiment));
    line("disk", &of_disk(&all.one));
    if let Some(fork) = fork {
        let parent = fork.parent().root().display();
        line("from", &format!("{parent} at epoch {}", fork.epoch()));
    }
    if runs.len() > 1 {
        line("runs", &of_all(&all));
    }
    Ok(text)
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

fn of_disk(one: &Estimate) -> String {
    let optimizer = match one.optimizer_bytes() {
        0 => String::new(),
        n => format!(", {} of it the optimizer at each checkpoint", bytes(n)),
    };
    format!("about {}{optimizer}", bytes(one.disk()))
}

fn of_all(all: &Together) -> String {
    format!(
        "{}, {} at a time; in all about {}, {} of memory, {} of disk",
        all.n_runs,
        all.at_once,
        rounded(all.time()),
        bytes(all.memory()),
        bytes(all.disk()),
    )
}
