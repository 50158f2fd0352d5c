//! The report of a run: publication-ready SVG figures and one self-contained interactive
//! page.
//!
//! Reads only the files of a run directory (docs/FORMAT.md) and writes `report/index.html`
//! and `report/figures/*.svg`. The headline figure carries the paper's question: what the
//! layers' representations do while the test error falls, rises and falls again.

mod between;
pub mod comparison;
mod decisions;
mod figure;
mod found;
mod live;
mod model;
mod page;
mod panels;
mod picture;
mod read;
pub mod terminal;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::run_dir::{Mark, RunFile, write_atomic};
use panels::{Block, Shown};

pub use between::write_between;
pub use figure::matrix::LabelledMatrix;
pub(crate) use live::{Stamp, html, script_hash};
pub use model::{
    DepthRow, EpochMatrix, GeometryRow, HistoryRow, MatrixSet, Phases, ProbeRow,
    RunResults,
};
pub use picture::Picture;

/// Writes the report of the run in `run_root`: `report/index.html` and
/// `report/figures/*.svg`, whose paths it returns, the page first. The same run gives the
/// same bytes.
///
/// # Errors
/// As [`RunResults::read`], and if a file cannot be written.
pub fn write(run_root: &Path) -> Result<Vec<PathBuf>> {
    let run = RunResults::read(run_root)?;
    let shown = panels::shown(&run);
    let mut files = vec![(RunFile::Page.path(run_root), page::page(&run, &shown))];
    for (name, svg) in drawings(shown) {
        let path = RunFile::Figure.path_of(run_root, &[("figure", &name)]);
        files.push((path, svg));
    }
    for (path, text) in &files {
        write_atomic(path, text.as_bytes())?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// Whether the run's page is newer than every result that it shows, and written by this
/// version of the program.
pub fn is_current(run_root: &Path) -> bool {
    let page = RunFile::Page.path(run_root);
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let shown: BTreeSet<RunFile> =
        panels::ALL.iter().flat_map(|panel| panel.shows).copied().collect();
    // The state of the work, which changes once more after the page is written, is no result.
    let results = shown.into_iter().filter(|file| !file.is(Mark::Unsteady));
    let found = results.filter_map(|file| file.list(run_root).ok()).flatten();
    let newest = found.filter_map(|found| changed(&found.path)).max();
    matches!((changed(&page), newest), (Some(page), Some(newest)) if page > newest)
        && fs::read_to_string(&page).is_ok_and(|text| text.contains(page::GENERATOR))
}

/// The figures of a run: name and SVG.
pub fn figures(run: &RunResults) -> Vec<(String, String)> {
    drawings(panels::shown(run)).collect()
}

fn drawings(shown: Vec<Shown>) -> impl Iterator<Item = (String, String)> {
    let blocks = shown.into_iter().flat_map(|shown| shown.blocks);
    let drawings = blocks.flat_map(Block::into_figures).flat_map(|f| f.drawings);
    drawings.map(|drawing| (drawing.file, drawing.svg))
}
