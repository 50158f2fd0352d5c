//! The files of a comparison: `effects.csv` and `findings.json`.

use std::path::{Path, PathBuf};

use super::found::Results;
use super::rows::COLUMNS;
use crate::error::{Error, Result};
use crate::run_dir::{RunFile, remove_unfinished, table_text, write_atomic};

/// The table of values per seed.
const EFFECTS: &str = "effects.csv";

impl Results {
    /// Writes `effects.csv` and `findings.json` into a directory and returns their paths. The same
    /// runs give the same bytes.
    ///
    /// # Errors
    /// If the directory holds a run, whose findings would be replaced, or the operating system
    /// refuses.
    ///
    /// # Panics
    /// Never: numbers and text have a JSON form.
    pub fn write(&self, out: &Path) -> Result<Vec<PathBuf>> {
        if RunFile::Manifest.path(out).exists() {
            return Err(Error::usage(out.display().to_string(), "holds a run")
                .expected("a directory for the comparison alone")
                .fix("choose another directory with --out"));
        }
        let json = serde_json::to_string_pretty(self).expect("numbers and text");
        let files = [
            (out.join(EFFECTS), table_text(&COLUMNS, &self.effects)),
            (RunFile::Findings.path(out), json + "\n"),
        ];
        remove_unfinished(out);
        for (path, text) in &files {
            write_atomic(path, text.as_bytes())?;
        }
        Ok(files.map(|(path, _)| path).into())
    }
}
