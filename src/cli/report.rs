//! `stratagram report RUN`: matrices → page and figures.

use std::path::PathBuf;

use super::open::check_run;
use super::output::print_result;
use crate::error::Result;
use crate::run_dir::RunFile;

/// Write the page and figures of a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  stratagram report runs/quickstart\n  \
    stratagram report runs/quickstart --force")]
pub(super) struct Arguments {
    /// The run directory.
    #[arg(add = super::complete::runs())]
    run: PathBuf,
    /// Write them even if this version wrote a page after everything that it shows.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    check_run(&arguments.run)?;
    let page = RunFile::Page.path(&arguments.run);
    if !arguments.force && crate::report::is_current(&arguments.run) {
        return print_result(&format!("{}\n", page.display()));
    }
    let written = crate::report::write(&arguments.run)?;
    let lines: Vec<String> =
        written.iter().map(|p| p.display().to_string() + "\n").collect();
    print_result(&lines.concat())
}
