//! What is exported: a run or a recording, or the layers and epochs of it that were asked for.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::represent::glob_matches;
use crate::run_dir::{
    Columns, Recording, RunDir, remove_unfinished, tables::TABLES, write_atomic,
};

/// Which part of a run is exported; nothing stands for all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// Names or globs of layers.
    pub layers: Vec<String>,
    /// Epochs of checkpoints.
    pub epochs: Vec<f64>,
}

impl Selection {
    pub(super) fn has_layer(&self, name: &str) -> bool {
        let matches = |pattern: &String| glob_matches(pattern, name);
        self.layers.is_empty() || self.layers.iter().any(matches)
    }

    pub(super) fn has_epoch(&self, epoch: f64) -> bool {
        let same = |own: &f64| (own - epoch).abs() < 1e-6 * epoch.max(1.0);
        self.epochs.is_empty() || self.epochs.iter().any(same)
    }
}

/// A run directory to export from.
#[derive(Debug)]
pub struct Source {
    root: PathBuf,
    /// None of a recording.
    run: Option<RunDir>,
    /// Which part of it.
    pub(super) selection: Selection,
}

impl Source {
    pub(super) fn open(root: &Path, selection: &Selection) -> Result<Self> {
        let run = match Recording::open(root)? {
            Some(_) => None,
            None => Some(RunDir::open(root)?),
        };
        Ok(Self { root: root.to_owned(), run, selection: selection.clone() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The run, where checkpoints are needed.
    pub(super) fn trained(&self) -> Result<&RunDir> {
        self.run.as_ref().ok_or_else(|| {
            let place = self.root.display().to_string();
            Error::usage(place, "is a recording, which has no checkpoints")
                .expected("a run that was trained or imported")
                .fix("a recording has tables and matrices: --to npz, csv, parquet or tensorboard")
        })
    }

    /// The tables that are there.
    pub(super) fn tables(&self) -> Result<Vec<Columns>> {
        let tables = TABLES.iter().map(|table| Columns::read(&self.root, table));
        tables.filter_map(Result::transpose).collect()
    }
}

/// Writes files of these names and bytes to a folder; returns their paths.
pub(super) fn write_all(
    out: &Path,
    files: impl IntoIterator<Item = Result<(String, Vec<u8>)>>,
) -> Result<Vec<PathBuf>> {
    let mut written = vec![];
    remove_unfinished(out);
    for file in files {
        let (name, bytes) = file?;
        let path = out.join(name);
        write_atomic(&path, &bytes)?;
        written.push(path);
    }
    Ok(written)
}
