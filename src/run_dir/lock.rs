//! Who holds a run directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::atomic::write_error;
use super::files::RunFile;
use crate::disk::open_own;
use crate::error::{Error, ErrorKind, Result};

/// The file whose lock is the right to train: to write all but what the analysis writes.
pub(super) const LOCK: &str = RunFile::Lock.about().pattern;
/// The file whose lock is the right to analyze: to write signatures, probes, matrices, their
/// tables, regions and phases. It may be held while another process trains.
pub(super) const ANALYSIS_LOCK: &str = RunFile::AnalysisLock.about().pattern;

/// How long a lock that is held is tried again.
const MOMENT: Duration = Duration::from_secs(1);

/// A lock on a file. A process that is just being started holds a copy of every open file, so
/// closing it would not always release the lock at once.
#[derive(Debug)]
pub(super) struct Lock(pub(super) File);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Takes a lock, or names the process that holds it.
pub(super) fn take_lock(root: &Path, name: &str) -> Result<Lock> {
    let path = root.join(name);
    let cannot = |error| Error::io(&path, "cannot be locked", error);
    let mut options = OpenOptions::new();
    let mut file = open_own(options.read(true).write(true), &path).map_err(cannot)?;
    match patiently(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(200).read_to_string(&mut holder);
            let place = root.display().to_string();
            let found = format!("is in use by {}", holder.trim().escape_default());
            return Err(Error::new(ErrorKind::Busy, place, found)
                .fix("wait until it ends, or choose another directory with --out"));
        }
        Err(TryLockError::Error(error)) => return Err(cannot(error)),
    }
    let holder = format!("process {} on {}\n", std::process::id(), host());
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(holder.as_bytes()));
    written.map_err(|error| write_error(&path, error))?;
    Ok(Lock(file))
}

/// Locks a file. [`is_worked_on`] holds a lock for an instant, which is no reason to give up.
fn patiently(file: &File) -> std::result::Result<(), TryLockError> {
    for _ in 0..3 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(5)),
            other => return other,
        }
    }
    file.try_lock()
}

/// Whether a process trains or analyzes the run in `root`.
pub(crate) fn is_worked_on(root: &Path) -> bool {
    let is_locked = |name: &str| {
        let file = File::open(root.join(name));
        file.is_ok_and(|file| {
            let held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
            let _ = file.unlock();
            held
        })
    };
    is_locked(LOCK) || is_locked(ANALYSIS_LOCK)
}

/// Takes the right to train. One that is held is tried again for a moment: a process that was
/// killed may just be ending.
pub(super) fn take_lock_soon(root: &Path) -> Result<Lock> {
    let started = Instant::now();
    loop {
        match take_lock(root, LOCK) {
            Err(error)
                if error.kind() == ErrorKind::Busy && started.elapsed() < MOMENT =>
            {
                sleep(MOMENT / 20);
            }
            taken => return taken,
        }
    }
}

fn host() -> String {
    let from_file = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let from_environment = || {
        let name = std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME"));
        name.ok()
    };
    let name = from_file.or_else(from_environment).unwrap_or_default();
    if name.trim().is_empty() { "this host".into() } else { name.trim().to_owned() }
}
