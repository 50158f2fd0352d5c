//! `stratagram train`: an experiment → checkpoints and history.

use std::path::Path;

use super::experiment_arguments::ExperimentArguments;
use super::print_result;
use super::progress::Terminal;
use crate::data::Data;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::planes::image_planes;
use crate::represent;
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
    let (run, _) = train(&arguments.out(), &experiment, arguments.fresh, &terminal)?;
    drop(terminal);
    print_result(&format!("{}\n", run.history().display()))
}

/// Trains the run of `experiment` in the directory `out`, or continues it.
///
/// What the analysis would refuse is refused first, before a directory is made.
pub(super) fn train(
    out: &Path,
    experiment: &Experiment,
    fresh: bool,
    terminal: &Terminal,
) -> Result<(RunDir, Data)> {
    let data = Data::load(experiment)?;
    let net = experiment.net.build(data.train.shape, data.n_classes);
    let analysis = &experiment.analysis;
    represent::layers(&net, &analysis.layers, analysis.tokens)?;
    image_planes(experiment, &data)?;
    let run = RunDir::create_or_open(out, experiment, fresh)?;
    crate::train::train(experiment, &data, &run, terminal)?;
    Ok((run, data))
}
