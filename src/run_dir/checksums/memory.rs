//! What this process knows of lists and files: it reads a list when it has changed, and a file
//! once.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::journal::{HEADER, Journal, line};
use super::place::Place;
use super::sum::Sum;
use crate::disk::open_own;
use crate::error::Result;
use crate::run_dir::atomic::{make_directory, write_error};

#[derive(Default)]
struct Memory {
    lists: HashMap<PathBuf, (Stamp, Journal)>,
    files: HashMap<PathBuf, Stamp>,
}

static MEMORY: LazyLock<Mutex<Memory>> = LazyLock::new(Mutex::default);

fn memory() -> MutexGuard<'static, Memory> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// By what a file that was replaced or has grown is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    number: u64,
}

impl Stamp {
    /// None if the file does not exist.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let file = path.metadata().ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&file);
        #[cfg(not(unix))]
        let number = 0;
        Some(Self { length: file.len(), modified: file.modified().ok(), number })
    }
}

/// Whether the file was found right, or written, as it is.
pub(super) fn has_seen(path: &Path, stamp: &Stamp) -> bool {
    memory().files.get(path) == Some(stamp)
}

pub(super) fn see(path: &Path, stamp: Stamp) {
    memory().files.insert(path.to_owned(), stamp);
}

/// Notes that the file as it is was written here.
pub(super) fn remember(path: &Path) {
    if let Some(stamp) = Stamp::of(path) {
        see(path, stamp);
    }
}

/// The contents listed of a file; none where it has no line.
pub(super) fn listed(place: &Place) -> Result<Option<Vec<Sum>>> {
    let path = place.list().path(&place.root);
    let mut memory = memory();
    Ok(memory.list(&path)?.and_then(|list| list.sums.get(&place.name).cloned()))
}

/// Makes the next look at a file's list read it again.
pub(super) fn forget(place: &Place) {
    memory().lists.remove(&place.list().path(&place.root));
}

impl Memory {
    fn list(&mut self, path: &Path) -> Result<Option<&mut Journal>> {
        let Some(stamp) = Stamp::of(path) else {
            self.lists.remove(path);
            return Ok(None);
        };
        if self.lists.get(path).is_none_or(|(own, _)| *own != stamp) {
            let Some(list) = Journal::read(path)? else { return Ok(None) };
            self.lists.insert(path.to_owned(), (stamp, list));
        }
        Ok(self.lists.get_mut(path).map(|(_, list)| list))
    }
}

/// Adds a line to a file's list, unless it is the last of the file. One that is to replace
/// another is forced to disk, as the file itself will be.
pub(super) fn append(place: &Place, sum: Sum) -> Result<()> {
    let path = place.list().path(&place.root);
    let mut memory = memory();
    let (length, replaces) = match memory.list(&path)? {
        None => (0, false),
        Some(list) => {
            let sums = list.sums.get(&place.name);
            if sums.and_then(|sums| sums.last()) == Some(&sum) {
                return Ok(());
            }
            (list.length, sums.is_some())
        }
    };
    if length == 0 {
        make_directory(path.parent().unwrap_or(&place.root))?;
    }
    let header = if length == 0 { HEADER } else { "" };
    let text = format!("{header}{}", line(&place.name, &sum));
    append_text(&path, length, &text, replaces)
        .map_err(|error| write_error(&path, error))?;
    if let (Some((own, list)), Some(stamp)) =
        (memory.lists.get_mut(&path), Stamp::of(&path))
    {
        let expected = length + text.len() as u64;
        if stamp.length == expected {
            list.add(&place.name, sum);
            list.length = expected;
            *own = stamp;
        }
    }
    Ok(())
}

/// Adds text behind the whole lines of a file, or nothing.
fn append_text(path: &Path, length: u64, text: &str, is_synced: bool) -> io::Result<()> {
    let mut file = open_own(OpenOptions::new().append(true), path)?;
    if file.metadata()?.len() > length {
        file.set_len(length)?;
    }
    let written = file.write_all(text.as_bytes());
    let written =
        written.and_then(|()| if is_synced { file.sync_data() } else { Ok(()) });
    written.inspect_err(|_| {
        let _ = file.set_len(length);
    })
}
