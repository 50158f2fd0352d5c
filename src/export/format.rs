//! What a format is.

use std::path::{Path, PathBuf};

use super::source::Source;
use crate::error::Result;

/// A format to export to.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// The value of `--to`.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// The files that it writes, in Markdown.
    pub files: &'static str,
    /// The line that opens them, where `OUT` is the folder.
    pub opened_by: &'static str,
    /// Whether `--layers` chooses among what is written.
    pub takes_layers: bool,
    /// Whether `--epochs` does.
    pub takes_epochs: bool,
    /// Writes the files to a folder; returns their paths, none where the run has nothing of
    /// the kind yet.
    pub(super) write: fn(&Source, &Path) -> Result<Vec<PathBuf>>,
}
