//! `stratagram train`: an experiment → checkpoints and history.

use super::experiment_arguments::ExperimentArguments;
use super::many::work_on;
use crate::error::Result;

/// Train a network; re-run the same command to resume.
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
    let seeds = arguments.plan()?;
    arguments.threads.apply()?;
    let command = arguments.continuation("train");
    work_on(&seeds, &["train"], &command, |run, observer| {
        Ok(run.train(observer)?.history())
    })
}
