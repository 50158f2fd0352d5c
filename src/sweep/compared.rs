//! The comparison of runs that belong together, written when they are done.

use std::path::{Path, PathBuf};

use crate::compare::compare_all;
use crate::error::Result;
use crate::report::comparison;
use crate::run_dir::RunFile;

/// The directory of the comparison beside the runs.
const COMPARISON: &str = "comparison";
/// Of fewer runs there is nothing to compare.
const FEWEST: usize = 2;

/// Writes the comparison of these runs to `comparison/` in `out` and returns the path of its page;
/// runs that failed are named there. None, and no file, with fewer than two finished runs. The
/// same runs give the same bytes.
///
/// # Errors
/// If a file of a run is damaged, or the operating system refuses.
pub fn compared(out: &Path, runs: &[PathBuf]) -> Result<Option<PathBuf>> {
    let begun = runs.iter().filter(|run| RunFile::Manifest.path(run).is_file());
    let begun: Vec<PathBuf> = begun.cloned().collect();
    if begun.len() < FEWEST {
        return Ok(None);
    }
    let results = compare_all(&begun)?;
    if results.arms.iter().map(|arm| arm.seen.len()).sum::<usize>() < FEWEST {
        return Ok(None);
    }
    let out = out.join(COMPARISON);
    results.write(&out)?;
    comparison::write(&results, &out).map(Some)
}
