//! Run directories by names and globs.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::represent::glob_matches;
use crate::run_dir::RunFile;

/// The run directories that a path means, in which `*` stands for any text within a name;
/// sorted. `base` is where relative paths start.
///
/// # Errors
/// A usage error at `place` if it means none, or a directory that is named in full holds no run.
pub(crate) fn run_directories(
    place: &str,
    pattern: &str,
    base: &Path,
) -> Result<Vec<PathBuf>> {
    let mut found = vec![base.to_owned()];
    for component in Path::new(pattern).components() {
        found = found
            .iter()
            .map(|at| step(at, component))
            .collect::<Result<Vec<_>>>()?
            .concat();
    }
    found.retain(|path| holds_run(path));
    found.sort();
    if found.is_empty() {
        return Err(Error::usage(place, format!("`{pattern}` means no run"))
            .expected("run directories, such as \"runs/sgd-*\"")
            .fix("paths are relative to the comparison file; make runs with `stratagram sweep`"));
    }
    Ok(found)
}

/// Whether a directory holds a run.
pub(crate) fn holds_run(path: &Path) -> bool {
    RunFile::Manifest.path(path).is_file()
}

/// One component further.
fn step(at: &Path, component: Component<'_>) -> Result<Vec<PathBuf>> {
    let name = component.as_os_str().to_string_lossy();
    if !name.contains('*') {
        return Ok(vec![if name == "." { at.to_owned() } else { at.join(component) }]);
    }
    let here = if at.as_os_str().is_empty() { Path::new(".") } else { at };
    let Ok(listing) = fs::read_dir(here) else { return Ok(vec![]) };
    let mut found = vec![];
    for entry in listing {
        let entry = entry.map_err(|error| Error::io(at, "cannot be listed", error))?;
        let file = entry.file_name();
        if glob_matches(&name, &file.to_string_lossy()) {
            found.push(at.join(file));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_text_within_a_name_and_only_runs_count() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for run in ["a/seed-0", "a/seed-1", "b/seed-0", "a/other"] {
            fs::create_dir_all(root.join(run)).unwrap();
            fs::write(RunFile::Manifest.path(&root.join(run)), "{}").unwrap();
        }
        fs::create_dir_all(root.join("a/seed-2")).unwrap();
        let names = |pattern: &str| -> Vec<String> {
            let found = run_directories("x", pattern, root).unwrap();
            let name =
                |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
            found.iter().map(name).collect()
        };
        assert_eq!(names("a/seed-*"), ["a/seed-0", "a/seed-1"]);
        assert_eq!(names("*/*d-0"), ["a/seed-0", "b/seed-0"]);
        assert_eq!(names("./a/other"), ["a/other"]);
        let error = run_directories("x: `arms.sgd`", "a/seed-2", root).unwrap_err();
        assert!(error.to_string().starts_with("x: `arms.sgd` `a/seed-2` means no run"));
        assert!(run_directories("x", "c*/seed-0", root).is_err());
    }
}
