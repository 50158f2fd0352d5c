//! Where runs are.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run_dir::RunFile;

/// Folders below a directory in which runs are looked for.
const DEPTH: usize = 4;

/// The runs in a directory and its folders, sorted by path. A run's own folders hold none.
pub(super) fn find(directory: &Path) -> Vec<PathBuf> {
    fn walk(directory: &Path, depth: usize, into: &mut Vec<PathBuf>) {
        if RunFile::Manifest.path(directory).is_file() {
            into.push(directory.to_owned());
            return;
        }
        let Some(entries) = fs::read_dir(directory).ok().filter(|_| depth > 0) else {
            return;
        };
        for entry in entries.flatten() {
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&entry.path(), depth - 1, into);
            }
        }
    }
    let mut found = Vec::new();
    walk(directory, DEPTH, &mut found);
    found.sort();
    found
}
