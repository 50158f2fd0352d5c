//! `stratagram phases`: the detectors on any log of a training run.

use std::path::PathBuf;

use super::output::{print_json, print_result};
use crate::error::Result;
use crate::phases::Phases;
use crate::run_dir::read_curves;

/// Find perfect fitting and double descent in the error curves of any training run.
///
/// The log is a CSV file with the columns epoch, train_error and test_error as fractions
/// (or train_acc and test_acc); step, train_loss, train_error_corrupted and n_test are used
/// where present. Empty fields and nan are skipped.
#[allow(clippy::doc_markdown)] // the text of --help
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stratagram phases runs/quickstart/history.csv
  stratagram phases my-pytorch-log.csv --json")]
pub(super) struct Arguments {
    /// The log.
    #[arg(value_name = "CURVES.csv")]
    curves: PathBuf,
    /// Print every number as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let phases = Phases::of(&read_curves(&arguments.curves)?);
    if arguments.json {
        return print_json(&phases);
    }
    print_result(&format!("{phases}\n"))
}
