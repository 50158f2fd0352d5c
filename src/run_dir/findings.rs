//! `findings.json`: what a run's matrices say.

use std::fs;
use std::path::Path;

use super::checksums::{checked, write_file};
use super::files::RunFile;
use super::run::{RunDir, run_json_of};
use crate::error::{Error, Result};
use crate::findings::RunFindings;
use crate::shell::verb_on;

impl RunDir {
    /// Writes `findings.json`.
    ///
    /// # Errors
    /// If the operating system refuses.
    ///
    /// # Panics
    /// Never: numbers and text have a JSON form.
    pub fn write_findings(&self, findings: &RunFindings) -> Result<()> {
        let text = serde_json::to_string_pretty(findings).expect("numbers and text");
        let path = RunFile::Findings.path(&self.root);
        write_file(&path, (text + "\n").as_bytes())
    }
}

/// The findings of a run of any kind; the curves of its layers are in `curves.csv`.
///
/// # Errors
/// If there are none yet, or the file is damaged.
pub fn read_findings(root: &Path) -> Result<RunFindings> {
    let text = findings_text(root)?;
    let path = RunFile::Findings.path(root);
    serde_json::from_str(&text).map_err(|error| {
        Error::data(&path, format!("cannot be understood: {error}"))
            .expected("the findings of docs/FORMAT.md")
            .fix(format!("analyze again: {} --force", verb_on("analyze", root)))
    })
}

/// `findings.json` as it is.
///
/// # Errors
/// If `root` is no run, or has no findings yet.
pub fn findings_text(root: &Path) -> Result<String> {
    run_json_of(root)?;
    let path = RunFile::Findings.path(root);
    if !path.is_file() {
        return Err(Error::data(&path, "is missing")
            .expected("a run that was analyzed by this version")
            .fix(verb_on("analyze", root)));
    }
    fs::read_to_string(checked(&path)?)
        .map_err(|error| Error::io(&path, "cannot be read", error))
}
