//! What the shell is offered beside verbs and flags: runs, and layers of the run that stands
//! in the same command.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};

use super::runs::find;
use crate::run_dir::MatrixFile;

/// Runs below `runs`, and directories.
pub(super) fn runs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let runs = find("runs".as_ref());
        let names = runs.iter().map(|run| run.display().to_string());
        let mut all = matching(names, current);
        if all.is_empty() {
            all = PathCompleter::dir().complete(current);
        }
        all
    })
}

/// Directories.
pub(super) fn directories() -> ArgValueCompleter {
    ArgValueCompleter::new(PathCompleter::dir())
}

/// The layers of the run that is named in the command.
pub(super) fn layers() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let run =
            std::env::args_os().skip(1).map(PathBuf::from).find(|word| is_run(word));
        let layers =
            run.and_then(|run| MatrixFile::layers(&run).ok()).unwrap_or_default();
        matching(layers.into_iter(), current)
    })
}

fn is_run(path: &Path) -> bool {
    crate::run_dir::RunFile::Manifest.path(path).is_file()
}

fn matching(
    names: impl Iterator<Item = String>,
    current: &OsStr,
) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return vec![] };
    names.filter(|name| name.starts_with(current)).map(CompletionCandidate::new).collect()
}
