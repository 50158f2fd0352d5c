//! `stratagram train`: an experiment → checkpoints and history.

use super::experiment_arguments::ExperimentArguments;
use super::print_result;
use super::progress::Terminal;
use crate::data::Data;
use crate::error::Result;
use crate::run_dir::RunDir;

/// Train a net; the same command again continues where it stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram train experiment.toml\n  \
    stratagram train experiment.toml net.width=8 --out runs/narrow")]
pub(super) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let arguments = &arguments.experiment;
    super::use_threads(arguments.threads)?;
    let experiment = arguments.read()?;
    let terminal = Terminal::new(&arguments.continuation("train"));
    // The data first: where they cannot be loaded, no directory is made.
    let data = Data::load(&experiment)?;
    let run = RunDir::create_or_open(&arguments.out(), &experiment, arguments.fresh)?;
    crate::train::train(&experiment, &data, &run, &terminal)?;
    drop(terminal);
    print_result(&format!("{}\n", run.history().display()))
}
