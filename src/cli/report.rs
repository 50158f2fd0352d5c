//! `stratagram report RUN`: matrices → page and figures.

use std::path::{Path, PathBuf};

use super::print_result;
use crate::error::Result;

/// Write the page and figures of a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  stratagram report runs/quickstart\n  \
    stratagram report runs/quickstart --force")]
pub(super) struct Arguments {
    /// The run directory.
    run: PathBuf,
    /// Write them even if the page is newer than everything it shows.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let page = arguments.run.join("report/index.html");
    if !arguments.force && is_current(&page, &arguments.run) {
        return print_result(&format!("{}\n", page.display()));
    }
    let written = crate::report::write(&arguments.run)?;
    let lines: Vec<String> =
        written.iter().map(|p| p.display().to_string() + "\n").collect();
    print_result(&lines.concat())
}

/// Whether the page is newer than every table that it shows.
fn is_current(page: &Path, run: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let tables = ["history.csv", "phases.json", "matrices.csv", "matrices/axis.csv"];
    let newest = tables.iter().filter_map(|table| changed(&run.join(table))).max();
    matches!((changed(page), newest), (Some(page), Some(newest)) if page > newest)
}
