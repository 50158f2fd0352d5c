//! The files that hold arrays, in numeric order.

use std::fs;
use std::path::{Path, PathBuf};

use super::order::numeric_order;
use crate::error::{Error, Result};

/// Extensions of files with arrays.
const EXTENSIONS: [&str; 3] = ["npy", "npz", "safetensors"];

/// Files in numeric order; a folder stands for the files of arrays in it.
///
/// # Errors
/// If a folder cannot be read or holds no arrays.
pub(crate) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    for path in paths {
        if path.is_dir() {
            let inside = arrays_in(path)?;
            if inside.is_empty() {
                return Err(Error::data(path, "holds no arrays")
                    .expected("files of .npy, .npz or .safetensors"));
            }
            files.extend(inside);
        } else if !is_sidecar(path) {
            files.push(path.clone());
        }
    }
    sort(&mut files);
    Ok(files)
}

/// The folders in `root` that hold arrays, in numeric order: one per layer.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn layer_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![];
    for path in entries(root)? {
        if path.is_dir() && !is_hidden(&path) && !arrays_in(&path)?.is_empty() {
            folders.push(path);
        }
    }
    sort(&mut folders);
    Ok(folders)
}

fn sort(paths: &mut [PathBuf]) {
    paths.sort_by(|a, b| numeric_order(&a.to_string_lossy(), &b.to_string_lossy()));
}

fn arrays_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_array = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        EXTENSIONS.contains(&extension)
            && path.is_file()
            && !is_sidecar(path)
            && !is_hidden(path)
    };
    Ok(entries(folder)?.into_iter().filter(is_array).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = |error| Error::io(folder, "cannot be read", error);
    let entries = fs::read_dir(folder).map_err(cannot)?;
    entries.map(|entry| Ok(entry.map_err(cannot)?.path())).collect()
}

/// Files of the system, such as `._epoch-1.npy`, hold no arrays.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// `epoch-1.ids.npy` holds the ids of `epoch-1.npy`, not activations.
fn is_sidecar(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with(".ids"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_arrays_without_ids_and_other_files() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for name in [
            "b/x-10.npy",
            "b/x-2.npz",
            "b/x-2.ids.npy",
            "b/._x-2.npz",
            "b/log.csv",
            "c/a.txt",
            ".cache/x-1.npy",
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = files(&[root.join("b"), root.join("a.npy")]).unwrap();
        let expected = ["a.npy", "b/x-2.npz", "b/x-10.npy"].map(|name| root.join(name));
        assert_eq!(found, expected);
        assert_eq!(layer_folders(root).unwrap(), [root.join("b")]);
        let error = files(&[root.join("c")]).unwrap_err().to_string();
        assert!(error.contains("c holds no arrays"), "{error}");
    }
}
