//! `stratagram train`: an experiment → checkpoints and history.

use std::path::Path;

use super::experiment_arguments::ExperimentArguments;
use super::many::{Job, work_on};
use crate::data::Data;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::observer::Observer;
use crate::planes::image_planes;
use crate::represent;
use crate::run_dir::RunDir;
use crate::train::{Fork, check_no_fork, check_nodes};

/// Train a net; the same command again continues where it stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram train experiment.toml\n  \
    stratagram train experiment.toml net.width=8 --out runs/narrow --seeds 0..7\n  \
    stratagram train --from runs/narrow@10 noise.rate=0 --out runs/clean")]
pub(super) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let arguments = &arguments.experiment;
    let planned = arguments.plan()?;
    super::use_threads(arguments.threads)?;
    let command = arguments.continuation("train");
    work_on(&planned, arguments.fresh, &["train"], &command, |job, observer| {
        Ok(train(job, observer)?.history())
    })
}

/// Trains a run, or continues it.
///
/// What the analysis would refuse is refused first, before a directory is made.
pub(super) fn train(job: &Job, observer: &dyn Observer) -> Result<RunDir> {
    let Job { out, experiment, data, fork, fresh } = *job;
    let net = experiment.net.build(data.train.shape, data.n_classes);
    let analysis = &experiment.analysis;
    represent::layers(&net, &analysis.layers, analysis.tokens)?;
    for source in analysis.drs.source.list() {
        image_planes(experiment, data, *source)?;
    }
    check_start(fork, out, experiment, data)?;
    let run = RunDir::create_or_open(out, experiment, fresh)?;
    if let Some(fork) = fork {
        fork.begin(experiment, data, &run, observer)?;
    }
    crate::train::train(experiment, data, &run, observer)?;
    Ok(run)
}

/// Checks that training can begin where it is to: at the fork, or at the first step.
pub(super) fn check_start(
    fork: Option<&Fork>,
    out: &Path,
    experiment: &Experiment,
    data: &Data,
) -> Result<()> {
    check_nodes(experiment, data)?;
    match fork {
        Some(fork) => fork.check(experiment, data, out),
        // A fork that is there continues without its parent.
        None if out.join("run.json").exists() => Ok(()),
        None => check_no_fork(experiment),
    }
}
