//! Where data sets are looked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The directory that the command line names.
static CHOSEN: OnceLock<PathBuf> = OnceLock::new();

/// Where Debian's packages of data sets are installed.
const SYSTEM: &str = "/usr/share/datasets";

/// Looks into `directory` before all others, in the whole process. The first call counts.
pub fn use_data_directory(directory: &Path) {
    // An experiment does not depend on where its data lie, so this is no part of it.
    let _ = CHOSEN.set(std::path::absolute(directory).unwrap_or(directory.to_owned()));
}

/// The directory that [`use_data_directory`] named.
pub fn chosen_data_directory() -> Option<&'static Path> {
    CHOSEN.get().map(PathBuf::as_path)
}

/// The directories in which data sets are looked for, in this order: the one of `--data`,
/// that of the variable `STRATAGRAM_DATA`, the user's cache, the system's data sets.
pub fn data_directories() -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = CHOSEN.get().cloned().into_iter().collect();
    directories.extend(variable("STRATAGRAM_DATA"));
    directories.extend(cache());
    directories.push(SYSTEM.into());
    directories
}

/// Where fetched data sets go: the first of [`data_directories`] that is the user's.
pub fn fetch_directory() -> Option<PathBuf> {
    data_directories().into_iter().find(|directory| directory != Path::new(SYSTEM))
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from)
}

fn cache() -> Option<PathBuf> {
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME").or(variable("HOME").map(|home| home.join(".cache")))
    };
    base.map(|base| base.join("stratagram"))
}
