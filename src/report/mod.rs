//! The report of a run: publication-ready SVG figures and one self-contained interactive
//! page.
//!
//! Reads only the files of a run directory (docs/FORMAT.md) and writes `report/index.html`
//! and `report/figures/*.svg`; with [`Paper`] also figures of a paper's width. The headline figure carries the paper's question: what the
//! layers' representations do while the test error falls, rises and falls again.

mod between;
pub mod comparison;
mod decisions;
mod figure;
mod found;
#[cfg(feature = "cli")]
mod live;
mod model;
mod page;
mod panels;
mod paper;
mod picture;
mod read;
pub mod terminal;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::run_dir::{
    RunFile, are_listed, list_all, remove_unfinished_below, sums_of, write_atomic,
};

pub use between::write_between;
pub use figure::matrix::LabelledMatrix;
#[cfg(feature = "cli")]
pub(crate) use live::{Stamp, html, script_hash};
pub use model::{
    DepthRow, EpochMatrix, GeometryRow, HistoryRow, MatrixSet, Phases, ProbeRow,
    RunResults,
};
pub use paper::{Format, Paper};
pub use picture::Picture;
#[cfg(feature = "cli")]
pub(crate) use read::directory_name;

/// Writes the report of the run in `run_root`: `report/index.html` and
/// `report/figures/*.svg`, whose paths it returns, the page first. The same run gives the
/// same bytes.
///
/// # Errors
/// As [`RunResults::read`], and if a file cannot be written.
pub fn write(run_root: &Path) -> Result<Vec<PathBuf>> {
    let results = sums_of(run_root, &panels::shown_files(run_root)?)?;
    let run = RunResults::read(run_root)?;
    let shown = panels::shown(&run);
    let page = (RunFile::Page.path(run_root), page::page(&run, &shown));
    let figures = panels::drawings(shown).map(|(name, svg)| {
        (RunFile::Figure.path_of(run_root, &[("figure", &name)]), svg)
    });
    let files: Vec<(PathBuf, String)> = std::iter::once(page).chain(figures).collect();
    remove_unfinished_below(run_root);
    for (path, text) in &files {
        write_atomic(path, text.as_bytes())?;
    }
    let files: Vec<PathBuf> = files.into_iter().map(|(path, _)| path).collect();
    let written = sums_of(run_root, &files)?;
    list_all(run_root, RunFile::ReportChecksums, [results, written])?;
    Ok(files)
}

/// Whether the page and its figures are there as this version of the program wrote them, from
/// the results as they are.
pub fn is_current(run_root: &Path) -> bool {
    let page = RunFile::Page.path(run_root);
    fs::read_to_string(&page).is_ok_and(|text| text.contains(page::GENERATOR))
        && panels::shown_files(run_root)
            .and_then(|files| sums_of(run_root, &files))
            .is_ok_and(|sums| are_listed(run_root, RunFile::ReportChecksums, &sums))
}

/// The figures of a run: name and SVG.
pub fn figures(run: &RunResults) -> Vec<(String, String)> {
    panels::drawings(panels::shown(run)).collect()
}
