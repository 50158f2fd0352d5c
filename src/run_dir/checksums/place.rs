//! Which file of which run a path is.

use std::path::{Path, PathBuf};

use crate::run_dir::files::{Mark, RunFile, Writer, placeholder};
use crate::run_dir::names::{is_plain, parse_step_name};

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) file: RunFile,
    /// Its path below the root, with slashes.
    pub(super) name: String,
}

impl Place {
    /// By the end of the path, as one of the patterns.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let parts: Vec<&str> =
            path.iter().rev().take(4).filter_map(|p| p.to_str()).collect();
        let file = RunFile::ALL.into_iter().find(|file| {
            let pattern: Vec<&'static str> = file.about().pattern.rsplit('/').collect();
            pattern.len() <= parts.len()
                && pattern.iter().zip(&parts).all(|(pattern, part)| fits(pattern, part))
        })?;
        let n = file.about().pattern.split('/').count();
        let root = path.ancestors().nth(n)?.to_owned();
        let name: Vec<&str> = parts[..n].iter().rev().copied().collect();
        Some(Self { root, file, name: name.join("/") })
    }

    /// Whether the file has a line: those that differ from run to run have none.
    pub(super) fn is_listed(&self) -> bool {
        use RunFile::{AnalysisChecksums, ReportChecksums, TrainChecksums};
        let is_list =
            matches!(self.file, TrainChecksums | AnalysisChecksums | ReportChecksums);
        !self.file.is(Mark::Unsteady) && !is_list
    }

    /// The list that its line is in.
    pub(super) fn list(&self) -> RunFile {
        match self.file.about().writer {
            Writer::Trainer | Writer::Recorder => RunFile::TrainChecksums,
            Writer::Analysis => RunFile::AnalysisChecksums,
            Writer::Report => RunFile::ReportChecksums,
        }
    }
}

/// Whether a part of a path is what a part of a pattern stands for.
fn fits(pattern: &'static str, part: &str) -> bool {
    let Some((start, name, end)) = placeholder(pattern) else { return pattern == part };
    let value = part.strip_prefix(start).and_then(|part| part.strip_suffix(end));
    value.is_some_and(|value| match name {
        "step" => parse_step_name(value).is_some(),
        _ => is_plain(value),
    })
}
