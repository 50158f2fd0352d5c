//! `stratagram import`: what other programs have saved, as a run directory.

use std::path::PathBuf;

use super::import_activations::{Activations, import};
use crate::error::Result;

/// Make a run directory of what another program has saved.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stratagram import --activations saved/ --out runs/mine     # saved/LAYER/epoch-3.npy
  stratagram import --activations saved/ --out runs/mine --history log.csv --ids ids.txt")]
pub(super) struct Arguments {
    /// Activations, rows being the same examples everywhere: `LAYER/epoch-3.npy`, or
    /// `epoch-3.npz` with an array a layer.
    #[arg(long, value_name = "DIR")]
    activations: PathBuf,
    #[command(flatten)]
    options: Activations,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    import(&arguments.activations, &arguments.options)
}
