//! The page of a run that is at work: drawn without being written, and whether it has changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::model::RunResults;
use super::{page, panels};
use crate::error::Result;
use crate::run_dir::{Mark, RunFile, Writer};

/// The page of the run in `root`, as [`write`](super::write) would write it.
///
/// # Errors
/// As [`RunResults::read`].
pub(crate) fn html(root: &Path) -> Result<String> {
    let run = RunResults::read(root)?;
    Ok(page::page(&run, &panels::shown(&run)))
}

/// The hash by which a page's policy admits a script.
pub(crate) fn script_hash(script: &str) -> String {
    page::hash(script)
}

/// The state of the files that a page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Of the analysis.
    results: Vec<State>,
    /// Of the training, which grow all the time.
    others: Vec<State>,
}

type State = (PathBuf, Option<SystemTime>, u64);

impl Stamp {
    /// Of the run in `root`, now.
    pub(crate) fn of(root: &Path) -> Self {
        let shown: BTreeSet<RunFile> =
            panels::ALL.iter().flat_map(|panel| panel.shows).copied().collect();
        let steady = || shown.iter().filter(|file| !file.is(Mark::Unsteady));
        let of_analysis = |file: &&RunFile| file.about().writer == Writer::Analysis;
        Self {
            results: states(root, steady().filter(of_analysis)),
            others: states(root, steady().filter(|file| !of_analysis(file))),
        }
    }

    /// Whether an analysis has written something since `before`.
    pub(crate) fn has_other_results(&self, before: &Self) -> bool {
        self.results != before.results
    }
}

fn states<'a>(root: &Path, files: impl Iterator<Item = &'a RunFile>) -> Vec<State> {
    let found = files.filter_map(|file| file.list(root).ok()).flatten();
    let state = |path: PathBuf| {
        let about = path.metadata().ok();
        let changed = about.as_ref().and_then(|file| file.modified().ok());
        (path, changed, about.map_or(0, |file| file.len()))
    };
    found.map(|found| state(found.path)).collect()
}
