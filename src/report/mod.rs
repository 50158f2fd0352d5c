//! The report of a run: publication-ready SVG figures and one self-contained interactive
//! page.
//!
//! Reads only the files of a run directory (docs/FORMAT.md) and writes `report/index.html`
//! and `report/figures/*.svg`. The headline figure carries the paper's question: what the
//! layers' representations do while the test error falls, rises and falls again.

mod figure;
mod model;
mod page;
mod panels;
mod read;
mod read_regions;
mod table;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::run_dir::write_atomic;

pub use figure::heatmap::layers_figure;
pub use figure::matrix::LabelledMatrix;
pub use model::{
    DepthRow, EpochMatrix, GeometryRow, HistoryRow, MatrixSet, Phases, ProbeRow, Regions,
    RunResults,
};
pub use panels::depth::depth_figure;
pub use panels::geometry::geometry_figure;
pub use panels::headline::{Layout, headline_figure, headline_layers};
pub use panels::penalty::{Penalties, QUANTITIES};
pub use panels::probes::probes_figure;
pub use panels::regions::regions_figure;
pub use panels::strips::{strip_figure, strip_png};

/// Writes the report of the run in `run_root`: `report/index.html` and
/// `report/figures/*.svg`, whose paths it returns, the page first. The same run gives the
/// same bytes.
///
/// # Errors
/// As [`RunResults::read`], and if a file cannot be written.
pub fn write(run_root: &Path) -> Result<Vec<PathBuf>> {
    let run = RunResults::read(run_root)?;
    let report = run_root.join("report");
    let figures = report.join("figures");
    let mut files = vec![(report.join("index.html"), page::page(&run))];
    let drawings = figure_files(&run);
    files.extend(drawings.into_iter().map(|(name, text)| (figures.join(name), text)));
    for (path, text) in &files {
        write_atomic(path, text.as_bytes())?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// Whether the run's page is newer than every table that it shows, and written by this
/// version of the program.
pub fn is_current(run_root: &Path) -> bool {
    let page = run_root.join("report/index.html");
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let tables = ["history.csv", "phases.json", "matrices.csv", "matrices/axis.csv"];
    let newest = tables.iter().filter_map(|table| changed(&run_root.join(table))).max();
    matches!((changed(&page), newest), (Some(page), Some(newest)) if page > newest)
        && fs::read_to_string(&page).is_ok_and(|text| text.contains(page::GENERATOR))
}

/// Every figure with its file name.
fn figure_files(run: &RunResults) -> Vec<(String, String)> {
    let mut files = vec![
        ("headline.svg".to_owned(), headline_figure(run, Layout::Column)),
        ("headline-wide.svg".to_owned(), headline_figure(run, Layout::Page)),
    ];
    for set in &run.matrices {
        files.push((matrix_file(set), layers_figure(run, set)));
    }
    files.extend(probes_figure(run).map(|svg| ("probes.svg".to_owned(), svg)));
    files.extend(depth_figure(run).map(|svg| ("prediction-depth.svg".to_owned(), svg)));
    files.extend(geometry_figure(run).map(|svg| ("geometry.svg".to_owned(), svg)));
    if let Some(regions) = panels::regions::of_output(run) {
        files.push(("regions-output.svg".to_owned(), regions_figure(run, regions)));
    }
    for (p, layers) in strips(run) {
        files.push((strip_file(p), strip_figure(run, &layers, p)));
    }
    files
}

/// Planes that a strip of all layers is shown of: the first of each source of triplets.
fn strips(run: &RunResults) -> Vec<(usize, Vec<&Regions>)> {
    let Some(first) = run.regions.first() else { return vec![] };
    let layers: Vec<_> = run
        .regions
        .iter()
        .filter(|r| r.epochs == first.epochs && r.positions == first.positions)
        .collect();
    let source = |p: usize| first.positions[p].1;
    (0..first.n_planes)
        .filter(|&p| (0..p).all(|earlier| source(earlier) != source(p)))
        .map(|p| (p, layers.clone()))
        .collect()
}

fn matrix_file(set: &MatrixSet) -> String {
    format!(
        "{}-{}.svg",
        figure::heatmap::slug(&set.measure),
        figure::heatmap::slug(&set.group)
    )
}

fn strip_file(plane: usize) -> String {
    format!("strip-{plane}.svg")
}
