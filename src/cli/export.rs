//! `stratagram export RUN --to FORMAT`: a run's results as files of other tools.

use std::path::PathBuf;

use crate::error::Result;
use crate::export::{Format, export};

/// Write a run's results as files that other tools open.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples, and the line that opens what each writes:\n  \
    stratagram export RUN --to safetensors --out OUT   \
    model.load_state_dict(safetensors.torch.load_file(\"OUT/step-000000336.safetensors\"))\n  \
    stratagram export RUN --to npz --out OUT           \
    numpy.load(\"OUT/matrices.npz\")[\"cka/test/fc\"]\n  \
    stratagram export RUN --to csv --out OUT           \
    pandas.read_csv(\"OUT/matrices.csv\")\n  \
    stratagram export RUN --to parquet --out OUT       \
    pandas.read_parquet(\"OUT/matrices.parquet\")\n  \
    stratagram export RUN --to tensorboard --out OUT   \
    tensorboard --logdir OUT")]
pub(super) struct Arguments {
    /// The run directory.
    run: PathBuf,
    /// The format.
    #[arg(long, value_name = "FORMAT")]
    to: To,
    /// The folder to write to; files of the same names there are replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum To {
    /// Checkpoints, as PyTorch loads them.
    Safetensors,
    /// Matrices and curves for `NumPy`.
    Npz,
    /// The tables.
    Csv,
    /// The tables, with types.
    Parquet,
    /// Curves and pictures of the matrices.
    Tensorboard,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let format = match arguments.to {
        To::Safetensors => Format::Safetensors,
        To::Npz => Format::Npz,
        To::Csv => Format::Csv,
        To::Parquet => Format::Parquet,
        To::Tensorboard => Format::Tensorboard,
    };
    let written = export(&arguments.run, format, &arguments.out)?;
    let lines: Vec<String> =
        written.iter().map(|path| format!("{}\n", path.display())).collect();
    super::output::print_result(&lines.concat())
}
