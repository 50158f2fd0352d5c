//! The local cache of `huggingface_hub`: `refs/REVISION` holds a commit, `snapshots/COMMIT/FILE`
//! points to `blobs/ETAG`, where the bytes are. What is fetched here is found there, and the reverse.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::revisions::{Revision, is_commit};
use crate::error::{Error, Result};
use crate::run_dir::write_atomic;

/// Levels of names such as `refs/pr/1`.
const DEEPEST: usize = 8;

/// The part of the cache that is a repository's.
pub(super) struct Cache {
    /// Its folder.
    pub(super) root: PathBuf,
}

impl Cache {
    /// That of a repository in the folder of the cache.
    pub(super) fn of(folder: &Path, repository: &str) -> Self {
        Self { root: folder.join(format!("models--{}", repository.replace('/', "--"))) }
    }

    /// Names and commits of the revisions that are there.
    pub(super) fn revisions(&self) -> Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        read_refs(&self.root.join("refs"), "", DEEPEST, &mut found)?;
        Ok(found)
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    /// Gives a blob its name in a snapshot.
    pub(super) fn link(&self, etag: &str, commit: &str, name: &str) -> Result<()> {
        let folder = self.snapshot(commit);
        make_directory(&folder)?;
        let path = folder.join(name);
        match symlink(etag, &self.blob(etag), &path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(Error::io(&path, "cannot be written", error))
            }
            _ => Ok(()),
        }
    }

    /// Keeps the commit of a revision.
    pub(super) fn note(&self, revision: &Revision) -> Result<()> {
        let path = self.root.join("refs").join(&revision.name);
        if fs::read_to_string(&path).is_ok_and(|own| own.trim() == revision.commit) {
            return Ok(());
        }
        make_directory(path.parent().unwrap_or(&self.root))?;
        write_atomic(&path, revision.commit.as_bytes())
    }
}

fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::io(path, "cannot be made", error))
}

#[cfg(unix)]
fn symlink(etag: &str, _blob: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(Path::new("../../blobs").join(etag), path)
}

/// Where links need a privilege the snapshot holds the file itself, as `huggingface_hub` has it.
#[cfg(not(unix))]
fn symlink(_etag: &str, blob: &Path, path: &Path) -> std::io::Result<()> {
    fs::rename(blob, path)
}

fn read_refs(
    folder: &Path,
    before: &str,
    levels: usize,
    found: &mut BTreeMap<String, String>,
) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| Error::io(folder, "cannot be read", error))?,
    };
    for entry in entries {
        let path =
            entry.map_err(|error| Error::io(folder, "cannot be read", error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{before}{name}");
        if path.is_dir() {
            if levels > 0 {
                read_refs(&path, &format!("{name}/"), levels - 1, found)?;
            }
            continue;
        }
        // Others are temporary files of whoever is writing.
        if let Ok(commit) = fs::read_to_string(&path)
            && is_commit(commit.trim())
        {
            found.insert(name, commit.trim().to_owned());
        }
    }
    Ok(())
}
