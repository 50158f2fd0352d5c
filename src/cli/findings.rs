//! `stratagram findings RUN`: what the matrices of a run say.

use std::path::{Path, PathBuf};

use super::output::{print_json, print_result};
use super::progress::Terminal;
use super::threads::Threads;
use crate::analyze::straight_line;
use crate::data::Data;
use crate::error::{Error, Result};
use crate::findings::RunFindings;
use crate::run_dir::{Recording, RunDir, findings_text, read_findings};
use crate::shell;

/// Say what a run's matrices show: when each layer moves and when it settles, and how sure
/// that is.
///
/// `analyze` finds it; docs/FORMAT.md describes every number of findings.json.
#[allow(clippy::doc_markdown)] // the text of --help
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stratagram findings runs/quickstart
  stratagram findings runs/quickstart --json
  stratagram findings --null runs/quickstart      # what smooth weights would show")]
pub(super) struct Arguments {
    /// The run directory.
    #[arg(add = super::complete::runs())]
    run: PathBuf,
    /// Print every number: findings.json as it is.
    #[arg(long)]
    json: bool,
    /// Say what the run would show if its weights had gone straight from the first checkpoint
    /// to the last: no layer should have a boundary. Takes a forward pass for each checkpoint.
    #[arg(long)]
    null: bool,
    #[command(flatten)]
    threads: Threads,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.threads.apply()?;
    if arguments.null {
        let found = null(&arguments.run)?;
        return if arguments.json {
            print_json(&found)
        } else {
            print_result(&format!("the straight line in weight space: {found}"))
        };
    }
    if arguments.json {
        return print_result(&findings_text(&arguments.run)?);
    }
    print_result(&read_findings(&arguments.run)?.to_string())
}

fn null(root: &Path) -> Result<RunFindings> {
    if Recording::open(root)?.is_some() {
        return Err(Error::usage(root.display().to_string(), "holds no weights")
            .expected("a run that was trained here, or imported with its checkpoints"));
    }
    let run = RunDir::open(root)?;
    let data = Data::load(run.experiment())?;
    straight_line(&run, &data, &Terminal::new(&shell::verb_on("findings --null", root)))
}
