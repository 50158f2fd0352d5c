//! The runs of a sweep as processes of this program.

use std::path::{Path, PathBuf};

use super::log;
use super::plan::{Plan, Planned};
use crate::data::chosen_data_directory;
use crate::error::{Error, Result};

/// A process to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The run's name.
    pub name: String,
    /// Arguments of the program.
    pub arguments: Vec<String>,
    /// The run directory.
    pub root: PathBuf,
    /// Where its messages go.
    pub log: PathBuf,
    /// Nothing is left to do.
    pub done: bool,
    /// It failed before and is not tried again: its error.
    pub failed: Option<String>,
}

/// Where and how the runs of a sweep are made.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The directory of the runs.
    pub out: &'a Path,
    /// Threads of each run.
    pub threads: usize,
    /// Whether runs that are there are replaced.
    pub fresh: bool,
    /// Whether runs that failed are tried again.
    pub retry_failed: bool,
}

impl Plan {
    /// A process for every run, and the folder of their logs.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn jobs(&self, target: Target<'_>) -> Result<Vec<Job>> {
        let logs = target.out.join("logs");
        std::fs::create_dir_all(&logs)
            .map_err(|error| Error::io(&logs, "cannot be made", error))?;
        Ok(self.runs.iter().map(|run| run.job(&self.file, target, &logs)).collect())
    }
}

impl Planned {
    fn job(&self, file: &Path, target: Target<'_>, logs: &Path) -> Job {
        let Target { out, threads, fresh, retry_failed } = target;
        let root = out.join(&self.name);
        let mut words = vec!["run".to_owned(), file.display().to_string()];
        words.extend(self.overrides.iter().cloned());
        words.extend(["--out".to_owned(), root.display().to_string()]);
        words.extend(["--threads".to_owned(), threads.to_string()]);
        if fresh {
            words.push("--fresh".to_owned());
        }
        if let Some(directory) = chosen_data_directory() {
            words.extend(["--data".to_owned(), directory.display().to_string()]);
        }
        let log = logs.join(format!("{}.log", self.name));
        let done = !fresh && self.is_done(&root);
        let is_tried = done || fresh || retry_failed;
        Job {
            failed: if is_tried { None } else { log::failure(&log) },
            done,
            name: self.name.clone(),
            arguments: words,
            root,
            log,
        }
    }
}
