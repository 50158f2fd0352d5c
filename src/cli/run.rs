//! `stratagram run`: train → analyze → report in one go.

use std::path::PathBuf;

use super::experiment_arguments::ExperimentArguments;
use super::many::{Job, work_on};
use super::{dry_run, print_result, train};
use crate::error::Result;
use crate::observer::Observer;

/// Train, analyze and report in one go; the same command again continues where it stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram run                                   the embedded quickstart\n  \
    stratagram run experiment.toml net.width=8 --seeds 0..7\n  \
    stratagram run --from runs/quickstart@10 train.freeze='[conv4, bn4]'")]
pub(super) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    /// Print the plan with estimates of time, memory and disk, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let planned = arguments.experiment.plan()?;
    super::use_threads(arguments.experiment.threads)?;
    if arguments.dry_run {
        return print_result(&dry_run::describe(&planned)?);
    }
    let command = arguments.experiment.continuation("run");
    let fresh = arguments.experiment.fresh;
    work_on(&planned, fresh, &["train", "analyze"], &command, run_one)
}

/// Trains, analyses and reports one run; returns its page.
fn run_one(job: &Job, observer: &dyn Observer) -> Result<PathBuf> {
    let run = train::train(job, observer)?;
    crate::analyze::analyze(&run, job.data, false, observer)?;
    let written = crate::report::write(run.root())?;
    Ok(written.into_iter().next().expect("the page is written first"))
}
