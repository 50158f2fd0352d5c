//! `stratagram run`: train → analyze → report in one go.

use super::dry_run;
use super::experiment_arguments::ExperimentArguments;
use super::many::work_on;
use super::output::print_result;
use crate::error::Result;

/// Train, analyze and report in one go; re-run the same command to resume.
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
    let seeds = arguments.experiment.plan()?;
    arguments.experiment.threads.apply()?;
    if arguments.dry_run {
        return print_result(&dry_run::describe(&seeds)?);
    }
    let command = arguments.experiment.continuation("run");
    work_on(&seeds, &["train", "analyze"], &command, |run, observer| {
        run.complete(observer)
    })
}
