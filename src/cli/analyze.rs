//! `stratagram analyze RUN`: checkpoints → signatures → matrices → phases.

use std::path::PathBuf;

use super::progress::Terminal;
use super::threads::Threads;
use crate::analyze;
use crate::data::Data;
use crate::error::Result;
use crate::run_dir::{Recording, RunDir};

/// Compare every layer of a trained run with itself over the epochs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  stratagram analyze runs/quickstart\n  \
    stratagram analyze runs/quickstart --force\n  \
    stratagram analyze runs/quickstart --follow     while it is being trained\n  \
    stratagram analyze runs/quickstart 'analysis.measures=[cka, rsa]'")]
pub(super) struct Arguments {
    /// The run directory.
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
    #[command(flatten)]
    threads: Threads,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.threads.apply()?;
    let Arguments { changes, force, .. } = arguments;
    let terminal =
        Terminal::new(&format!("stratagram analyze {}", arguments.run.display()));
    if let Some(recording) = Recording::open(&arguments.run)? {
        analyze::change_recording(&recording, changes)?;
        return analyze::analyze_recording(&recording, *force, &terminal);
    }
    if arguments.follow {
        let run = RunDir::open(&arguments.run)?;
        let data = Data::load(run.experiment())?;
        return analyze::follow(&run, &data, &terminal);
    }
    let mut run = RunDir::open_to_write(&arguments.run)?;
    let data = Data::load(run.experiment())?;
    analyze::change(&mut run, &data, changes)?;
    analyze::analyze(&run, &data, *force, &terminal)
}
