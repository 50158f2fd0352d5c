//! Files written whole: a reader, or the same command after a crash, sees the old content or
//! the new one and nothing between.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Names that begin like this are ours, unfinished, and removed when a run is opened again.
const TEMPORARY: &str = ".stratagram-tmp-";

/// Writes `bytes` to a temporary name in the directory of `path`, forces them to disk, gives
/// the file its name, and forces the name to disk. Missing directories are made.
///
/// # Errors
/// If the operating system refuses; the file at `path` is then as before.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = parent(path);
    make_directory(directory)?;
    let temporary = temporary_name(directory, path);
    let written = write_synced(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_directory(directory));
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        write_error(path, error)
    })
}

/// Gives the content of `from` the name `to` as well: a second name of the same file where
/// the file system allows it (files that are written whole are replaced, never changed, so
/// neither run sees the other), else a copy.
///
/// # Errors
/// If the operating system refuses.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    make_directory(parent(to))?;
    remove_file(to)?;
    if fs::hard_link(from, to).is_ok() {
        return sync_directory(parent(to)).map_err(|error| write_error(to, error));
    }
    let bytes =
        fs::read(from).map_err(|error| Error::io(from, "cannot be read", error))?;
    write_atomic(to, &bytes)
}

/// The error of a failed write.
pub(crate) fn write_error(path: &Path, error: io::Error) -> Error {
    let fix = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space; the same command then continues"
        }
        io::ErrorKind::FileTooLarge => {
            "raise the limit on the size of files (ulimit -f); the same command then continues"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "make the directory writable or choose another with --out"
        }
        _ => "everything written before is intact; the same command continues",
    };
    Error::io(path, "cannot be written", error).fix(fix)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn temporary_name(directory: &Path, path: &Path) -> PathBuf {
    // Two writers in one process (figures are drawn in parallel) must not share a name.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_else(|| OsStr::new("file")).to_string_lossy();
    directory.join(format!("{TEMPORARY}{}-{count}-{name}", std::process::id()))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a directory and those above it, each name forced to disk.
///
/// # Errors
/// If the operating system refuses, or a file stands in the way.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    if above != path {
        make_directory(above)?;
    }
    let made = match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
            Ok(())
        }
        other => other,
    };
    made.and_then(|()| sync_directory(above))
        .map_err(|error| Error::io(path, "cannot be made a directory", error))
}

/// Forces a directory's names to disk, where the platform has a way to.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Removes a file if it is there.
///
/// # Errors
/// If the operating system refuses.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(path, "cannot be removed", error))
        }
        _ => Ok(()),
    }
}

/// Whether a directory entry is an unfinished file of ours.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(TEMPORARY)
}

/// Removes the unfinished files below `directory`, following no links. Only the holder of
/// the lock may do so. What cannot be removed stays: it harms nobody.
pub(super) fn remove_temporaries(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => remove_temporaries(&path),
            Ok(kind) if kind.is_file() && is_temporary(&entry.file_name()) => {
                let _ = fs::remove_file(path);
            }
            _ => {}
        }
    }
}

/// Removes the unfinished files in `directory` that processes of this machine left which are
/// gone: where no lock says that nobody else is writing.
pub(crate) fn remove_unfinished(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_of_the_gone(&entry.file_name()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The same in all directories of a run, following no links.
pub(crate) fn remove_unfinished_below(root: &Path) {
    remove_unfinished(root);
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_unfinished_below(&entry.path());
        }
    }
}

/// Whether a name is that of an unfinished file whose process is known to have ended.
fn is_of_the_gone(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let id = name.strip_prefix(TEMPORARY).and_then(|rest| rest.split('-').next());
    let processes = Path::new("/proc");
    id.and_then(|id| id.parse::<u32>().ok()).is_some_and(|id| {
        processes.join("self").exists() && !processes.join(id.to_string()).exists()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_whole_and_leave_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/c.bin");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_refused_write_keeps_the_old_file_and_removes_the_temporary() {
        let directory = tempfile::tempdir().unwrap();
        // A directory cannot be replaced by a file.
        let path = directory.path().join("taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        let error = write_atomic(&path, b"x").unwrap_err();
        assert!(error.to_string().contains("cannot be written"), "{error}");
        assert!(path.join("inside").is_dir());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        // A file cannot be used as a directory.
        fs::write(directory.path().join("file"), b"").unwrap();
        let below = directory.path().join("file/x");
        let error = write_atomic(&below, b"x").unwrap_err();
        assert!(error.to_string().contains("directory"), "{error}");
    }

    #[test]
    fn a_linked_file_keeps_its_content_when_the_other_name_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("a/x"), directory.path().join("b/x"));
        write_atomic(&from, b"one").unwrap();
        for _ in 0..2 {
            link_or_copy(&from, &to).unwrap();
        }
        write_atomic(&from, b"two").unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"one");
        assert!(link_or_copy(&directory.path().join("none"), &to).is_err());
    }

    #[test]
    fn only_our_temporaries_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let ours = directory.path().join(format!("sub/{TEMPORARY}1-2-x.npy"));
        let theirs = directory.path().join("sub/.tmp-x.npy");
        write_atomic(&ours, b"").unwrap();
        write_atomic(&theirs, b"").unwrap();
        remove_temporaries(directory.path());
        assert!(!ours.exists() && theirs.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_process_is_writing_stays_and_what_one_left_goes() {
        let directory = tempfile::tempdir().unwrap();
        let name = |id: &str| directory.path().join(format!("{TEMPORARY}{id}-2-x.npy"));
        let own = std::process::id().to_string();
        let files = [name(&own), name("4194305"), name("abc")];
        files.iter().for_each(|file| fs::write(file, "").unwrap());
        remove_unfinished(directory.path());
        assert_eq!(files.map(|file| file.exists()), [true, false, true]);
    }
}
