//! `stratagram analyze RUN`: checkpoints → signatures → matrices → phases.

use std::path::PathBuf;

use super::progress::Terminal;
use super::threads::Threads;
use crate::data::Data;
use crate::error::Result;
use crate::run_dir::{Recording, RunDir};

/// Compare every layer of a trained run with itself over the epochs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  stratagram analyze runs/quickstart\n  \
    stratagram analyze runs/quickstart --force\n  \
    stratagram analyze runs/quickstart --follow     while it is being trained\n\n\
    Other measures of a finished run, from a fork at its last epoch:\n  \
    stratagram run --from runs/quickstart@300 analysis.measures=[cka,rsa]")]
pub(super) struct Arguments {
    /// The run directory.
    run: PathBuf,
    /// Redo what is there already.
    #[arg(long)]
    force: bool,
    /// Analyse the checkpoints that are there and each new one while another process trains;
    /// ends with the training.
    #[arg(long, conflicts_with = "force")]
    follow: bool,
    #[command(flatten)]
    threads: Threads,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.threads.apply()?;
    let terminal =
        Terminal::new(&format!("stratagram analyze {}", arguments.run.display()));
    if let Some(recording) = Recording::open(&arguments.run)? {
        return crate::analyze::analyze_recording(&recording, arguments.force, &terminal);
    }
    if arguments.follow {
        let run = RunDir::open(&arguments.run)?;
        let data = Data::load(run.experiment())?;
        return crate::analyze::follow(&run, &data, &terminal);
    }
    let run = RunDir::open_to_write(&arguments.run)?;
    let data = Data::load(run.experiment())?;
    crate::analyze::analyze(&run, &data, arguments.force, &terminal)
}
