//! `stratagram findings RUN`: what the matrices of a run say.

use std::path::PathBuf;

use super::output::print_result;
use crate::error::Result;
use crate::run_dir::{findings_text, read_findings};

/// Say what a run's matrices show: when each layer moves and when it settles, and how sure
/// that is.
///
/// `analyze` finds it; docs/FORMAT.md describes every number of findings.json.
#[allow(clippy::doc_markdown)] // the text of --help
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stratagram findings runs/quickstart
  stratagram findings runs/quickstart --json")]
pub(super) struct Arguments {
    /// The run directory.
    run: PathBuf,
    /// Print every number: findings.json as it is.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.json {
        return print_result(&findings_text(&arguments.run)?);
    }
    print_result(&read_findings(&arguments.run)?.to_string())
}
