//! What `sweep` and its plans share: where runs are, and how they are listed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::quantities::rounded;
use super::table::table;
use crate::data::chosen_data_directory;
use crate::sweep::Report;

/// The directory of a sweep's runs.
pub(super) fn directory(file: &Path, out: Option<&Path>) -> PathBuf {
    let stem = file.file_stem().unwrap_or("sweep".as_ref());
    out.map_or_else(|| Path::new("runs").join(stem), Path::to_owned)
}

/// The `--data` of this process, for others.
pub(super) fn data_flag() -> Vec<String> {
    let directory = chosen_data_directory().map(|path| path.display().to_string());
    directory.map_or_else(Vec::new, |path| vec!["--data".to_owned(), path])
}

/// One run per line, and why it failed.
pub(super) fn listed(reports: &[Report]) -> String {
    let row = |report: &Report| {
        let time = match report.seconds {
            0.0 => "-".to_owned(),
            seconds => rounded(Duration::from_secs_f64(seconds)),
        };
        let [test, train, fit, verdict] = report.outcome.cells();
        let error = report.error.clone().unwrap_or_default();
        let state = report.state.name().to_owned();
        [report.name.clone(), state, time, test, train, fit, verdict, error]
    };
    let head = ["RUN", "STATE", "TIME", "TEST", "TRAIN", "FIT", "VERDICT", "ERROR"];
    table(head, &reports.iter().map(row).collect::<Vec<_>>())
}
