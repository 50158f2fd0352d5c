//! `stratagram open RUN`: the page of a run in a browser.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::output::print_result;
use crate::error::Result;
use crate::report;
use crate::run_dir::{Recording, RunDir, RunFile};

/// Open a run's page in the browser; without a display, print its path.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram open runs/quickstart\n  \
    stratagram open runs/quickstart --print")]
pub(super) struct Arguments {
    /// The run directory.
    #[arg(add = super::complete::runs())]
    run: PathBuf,
    /// Print the path of the page and open nothing.
    #[arg(long)]
    print: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let page = page(&arguments.run)?;
    if !arguments.print && has_display() {
        // Where no browser can be opened, the path is still of use.
        let _ = browse(&page);
    }
    print_result(&format!("{}\n", page.display()))
}

/// The path of a page that is up to date, if the directory lets it be written.
fn page(root: &Path) -> Result<PathBuf> {
    check_run(root)?;
    let page = RunFile::Page.path(root);
    if !report::is_current(root) {
        let written = report::write(root);
        if !page.is_file() {
            written?;
        }
    }
    Ok(page)
}

/// Refuses a directory that holds no run or recording, in the words of all verbs.
pub(super) fn check_run(root: &Path) -> Result<()> {
    if Recording::open(root)?.is_none() {
        RunDir::open(root)?;
    }
    Ok(())
}

/// Whether a browser could be shown: on Linux that takes a display.
fn has_display() -> bool {
    let is_set =
        |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(any(target_os = "macos", windows))
        || is_set("DISPLAY")
        || is_set("WAYLAND_DISPLAY")
}

/// Opens a page with the program that the system chooses.
fn browse(page: &Path) -> std::io::Result<()> {
    // An absolute path is never taken for an option.
    let page = std::path::absolute(page)?;
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        Command::new("explorer")
    } else {
        Command::new("xdg-open")
    };
    let quiet = command.arg(page).stdin(Stdio::null()).stdout(Stdio::null());
    quiet.stderr(Stdio::null()).spawn()?.wait()?;
    Ok(())
}
