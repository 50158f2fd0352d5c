//! `stratagram train`: an experiment → checkpoints and history.

use super::experiment_arguments::ExperimentArguments;
use super::many::{Job, work_on};
use crate::error::Result;
use crate::observer::Observer;
use crate::planes::image_planes;
use crate::represent;
use crate::run_dir::RunDir;
use crate::train::check_nodes;

/// Train a net; the same command again continues where it stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram train experiment.toml\n  \
    stratagram train experiment.toml net.width=8 --out runs/narrow --seeds 0..7\n  \
    stratagram train --from runs/narrow@30 noise.rate=0 --out runs/clean-from-30")]
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
    represent::layers(&net, &experiment.analysis.layers)?;
    image_planes(experiment, data)?;
    check_nodes(experiment, data)?;
    if let Some(fork) = fork {
        fork.check(experiment, data)?;
    }
    let run = RunDir::create_or_open(out, experiment, fresh)?;
    if let Some(fork) = fork {
        fork.begin(experiment, data, &run, observer)?;
    }
    crate::train::train(experiment, data, &run, observer)?;
    Ok(run)
}
