//! `stratagram analyze RUN`: checkpoints → signatures → matrices → phases.

use std::path::PathBuf;

use super::dry_run::describe_analysis;
use super::engine::EngineArguments;
use super::output::print_result;
use super::progress::Terminal;
use super::threads::Threads;
use crate::analyze;
use crate::data::Data;
use crate::error::{Error, Result};
use crate::run_dir::{Recording, RunDir};
use crate::shell::verb_on;

/// Compare every layer of a trained run with itself over the epochs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  stratagram analyze runs/quickstart\n  \
    stratagram analyze runs/quickstart --force\n  \
    stratagram analyze runs/quickstart --follow     # while it is being trained\n  \
    stratagram analyze runs/quickstart 'analysis.measures=[cka, rsa]'")]
pub(super) struct Arguments {
    /// The run directory.
    #[arg(add = super::complete::runs())]
    run: PathBuf,
    /// Other settings of [analysis], such as `analysis.measures=[cka,rsa]`: they become those
    /// of the run, and what they add is computed.
    #[arg(value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Redo what is there already.
    #[arg(long)]
    force: bool,
    /// Analyze the checkpoints that are there and each new one while another process trains;
    /// ends with the training.
    #[arg(long, conflicts_with_all = ["force", "changes"])]
    follow: bool,
    /// Print what is left to do with estimates of time, memory and disk, and do nothing.
    #[arg(long, conflicts_with = "follow")]
    dry_run: bool,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    threads: Threads,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.threads.apply()?;
    let Arguments { changes, force, .. } = arguments;
    let recording = Recording::open(&arguments.run)?;
    if arguments.dry_run {
        refuse_dry_run(recording.as_ref())?;
        let mut run = RunDir::open(&arguments.run)?;
        arguments.engine.apply(&mut run)?;
        return print_result(&describe_analysis(&run, changes, *force)?);
    }
    let terminal = Terminal::new(&verb_on("analyze", &arguments.run));
    if let Some(recording) = recording {
        analyze::change_recording(&recording, changes)?;
        return analyze::analyze_recording(&recording, *force, &terminal);
    }
    if arguments.follow {
        let mut run = RunDir::open(&arguments.run)?;
        arguments.engine.apply(&mut run)?;
        let data = Data::load(run.experiment())?;
        return analyze::follow(&run, &data, &terminal);
    }
    let mut run = RunDir::open_to_write(&arguments.run)?;
    let data = Data::load(run.experiment())?;
    analyze::change(&mut run, &data, changes)?;
    arguments.engine.apply(&mut run)?;
    analyze::analyze(&run, &data, *force, &terminal)
}

/// The rows of a recording are computed already: what is left takes no estimate.
fn refuse_dry_run(recording: Option<&Recording>) -> Result<()> {
    let Some(recording) = recording else { return Ok(()) };
    let place = recording.run().root().display().to_string();
    Err(Error::usage(place, "is a recording, of which --dry-run knows nothing")
        .expected("a run that was trained here or imported with its checkpoints"))
}
