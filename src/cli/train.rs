//! `stratagram train`: an experiment → checkpoints and history.

use super::dry_run::{Part, describe};
use super::experiment_arguments::ExperimentArguments;
use super::many::{Work, paths};
use super::output::print_result;
use crate::error::Result;
use crate::observer::Observer;
use crate::sweep::OneRun;

/// Train a network; re-run the same command to resume.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram train experiment.toml\n  \
    stratagram train experiment.toml --seeds 0..7\n  \
    stratagram train experiment.toml net.width=8 --out runs/narrow\n  \
    stratagram train --from runs/narrow@10 noise.rate=0 --out runs/clean")]
pub(super) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    /// Print the plan with estimates of time and disk, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let experiment = &arguments.experiment;
    let seeds = experiment.plan()?;
    experiment.threads.apply()?;
    if arguments.dry_run {
        return print_result(&describe(&seeds, Part::Training)?);
    }
    let work = Work {
        stages: &["train"],
        command: experiment.continuation("train"),
        on_one: |run: &OneRun, observer: &dyn Observer| {
            Ok(run.train(observer)?.history())
        },
        ending: &|written, _| Ok(paths(written)),
    };
    work.on(&seeds)
}
