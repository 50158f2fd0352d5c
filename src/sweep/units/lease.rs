//! The lease of a unit: one process at a time works on it, and shows that it lives.
//!
//! `units/ID/N.json` is the N-th lease of a unit. Whoever creates a number has the lease; the
//! system lets one process alone create a file. A lease that ended stays, with how it ended, and
//! the next one has the next number; so a process that was cut off and comes back finds a higher
//! number than its own, and stops. That two work at once for a moment does no harm: outputs are
//! deterministic and renamed whole.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind as IoKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::holder::Holder;
use crate::error::{Error, Result};
use crate::run_dir::write_atomic;

/// The folder of all leases in the directory of the runs.
const FOLDER: &str = "units";
/// A holder that missed this many heartbeats is taken to have ended. File servers show a change
/// up to a minute late.
const MISSED: u32 = 8;

/// How a lease ended, if it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum End {
    /// A process works on the unit.
    Held,
    /// The work is done.
    Done,
    /// It met an error.
    Failed,
    /// It was asked to stop.
    Stopped,
}

/// The content of a lease.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The process.
    pub(super) holder: Holder,
    /// Signs of life so far.
    pub(super) beats: u64,
    /// How it ended.
    pub(super) end: End,
    /// Its error, or where it stopped.
    pub(super) error: Option<String>,
    /// Seconds of work, of the leases before as well.
    pub(super) seconds: f64,
    /// How many time limits in a row passed without progress.
    pub(super) stalled: u32,
}

/// A unit's lease, held by this process until it is ended.
#[derive(Debug)]
pub(super) struct Lease {
    shared: Arc<Shared>,
    begun: Instant,
    /// The lease before.
    before: Option<Record>,
    beating: Option<(Sender<()>, JoinHandle<()>)>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// The lease that another process would take.
    next: PathBuf,
    record: Mutex<Record>,
    is_lost: AtomicBool,
}

/// The leases of one unit.
#[derive(Debug)]
pub(super) struct Leases {
    folder: PathBuf,
    heartbeat: Duration,
    me: Holder,
    /// The last lease of another process, and since when it is as it is.
    seen: Option<(u64, Record, Instant)>,
}

impl Leases {
    pub(super) fn of(runs: &Path, id: &str, heartbeat: Duration) -> Self {
        let folder = runs.join(FOLDER).join(id);
        Self { folder, heartbeat, me: Holder::this(), seen: None }
    }

    /// The newest lease and its number; nothing where there is none.
    pub(super) fn newest(&self) -> Option<(u64, Record)> {
        let entries = fs::read_dir(&self.folder).ok()?;
        let number = |name: &str| name.strip_suffix(".json")?.parse::<u64>().ok();
        let names = entries.flatten().map(|entry| entry.file_name());
        let newest = names.filter_map(|name| number(&name.to_string_lossy())).max()?;
        let text = fs::read_to_string(self.path(newest)).unwrap_or_default();
        // One that was never written whole is nobody's: its maker was killed at once.
        Some((
            newest,
            serde_json::from_str(&text).unwrap_or_else(|_| Record::of(Holder::nobody())),
        ))
    }

    /// Whether the process of a lease lives, as far as its last sign of life tells.
    pub(super) fn is_alive(&self, number: u64, record: &Record) -> bool {
        let path = self.path(number);
        let age =
            fs::metadata(path).ok().and_then(|file| file.modified().ok()?.elapsed().ok());
        record.end == End::Held
            && !record.holder.has_ended(&self.me)
            && age.is_none_or(|age| age < self.patience())
    }

    /// Takes the lease where nobody holds it, or whoever held it has ended; else nothing, and
    /// the caller asks again after a while.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(super) fn take(&mut self) -> Result<Option<Lease>> {
        let Some((number, record)) = self.newest() else { return self.create(0, None) };
        if record.end != End::Held || record.holder.has_ended(&self.me) {
            return self.create(number + 1, Some(record));
        }
        match &self.seen {
            Some((seen, as_it_was, since)) if (*seen, as_it_was) == (number, &record) => {
                if since.elapsed() < self.patience() {
                    return Ok(None);
                }
                self.create(number + 1, Some(record))
            }
            _ => {
                self.seen = Some((number, record, Instant::now()));
                Ok(None)
            }
        }
    }

    /// Whoever has the newest lease, in words.
    pub(super) fn holder(&self) -> String {
        self.newest().map_or_else(
            || "another process".to_owned(),
            |(_, Record { holder: Holder { pid, host, .. }, .. })| {
                format!("process {pid} on {}", host.escape_default())
            },
        )
    }

    /// How long a lease may stay as it is.
    fn patience(&self) -> Duration {
        self.heartbeat * MISSED
    }

    fn create(&self, number: u64, before: Option<Record>) -> Result<Option<Lease>> {
        fs::create_dir_all(&self.folder)
            .map_err(|error| Error::io(&self.folder, "cannot be made", error))?;
        let path = self.path(number);
        // An error before is not held against those who try again.
        let stalled = before.as_ref().filter(|record| record.end != End::Failed);
        let seconds = before.as_ref().map_or(0.0, |record| record.seconds);
        let stalled = stalled.map_or(0, |record| record.stalled);
        let record = Record { seconds, stalled, ..Record::of(self.me.clone()) };
        let cannot = |error| Error::io(&path, "cannot be written", error);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(record.to_text().as_bytes()).map_err(cannot)?;
            }
            Err(error) if error.kind() == IoKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(cannot(error)),
        }
        let next = self.path(number + 1);
        let record = Mutex::new(record);
        let shared =
            Arc::new(Shared { path, next, record, is_lost: AtomicBool::new(false) });
        Ok(Some(Lease::begin(shared, before, self.heartbeat)))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number}.json"))
    }
}

impl Lease {
    fn begin(shared: Arc<Shared>, before: Option<Record>, heartbeat: Duration) -> Self {
        let (end, ended) = mpsc::channel();
        let beating = Arc::clone(&shared);
        let beat = move || {
            while ended.recv_timeout(heartbeat) == Err(RecvTimeoutError::Timeout) {
                beating.beat();
            }
        };
        // Without a thread there are no signs of life; the work itself needs none.
        let thread = std::thread::Builder::new().spawn(beat).ok();
        let beating = thread.map(|thread| (end, thread));
        Self { shared, begun: Instant::now(), before, beating }
    }

    /// Whether another process has taken over, because no sign of life of this one reached it.
    pub(super) fn is_lost(&self) -> bool {
        self.shared.is_lost.load(Ordering::SeqCst)
    }

    /// How many time limits in a row have passed without progress before this lease.
    pub(super) fn stalled(&self) -> u32 {
        self.shared.record().stalled
    }

    /// Where the process stopped that had the lease before.
    pub(super) fn before(&self) -> Option<&str> {
        let before = self.before.as_ref().filter(|before| before.end == End::Stopped);
        before.and_then(|before| before.error.as_deref())
    }

    /// Ends the lease. That this cannot be written harms nobody: it is then taken over.
    pub(super) fn end(mut self, end: End, error: Option<String>, stalled: u32) {
        self.stop_beating();
        let mut record = self.shared.record();
        *record = Record {
            end,
            error,
            stalled,
            seconds: record.seconds + self.begun.elapsed().as_secs_f64(),
            ..record.clone()
        };
        if !self.is_lost() {
            let _ = write_atomic(&self.shared.path, record.to_text().as_bytes());
        }
    }

    fn stop_beating(&mut self) {
        if let Some((end, thread)) = self.beating.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop_beating();
    }
}

impl Shared {
    fn beat(&self) {
        if self.next.exists() {
            self.is_lost.store(true, Ordering::SeqCst);
            return;
        }
        let mut record = self.record();
        record.beats += 1;
        let _ = write_atomic(&self.path, record.to_text().as_bytes());
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// That of a process that begins.
    fn of(holder: Holder) -> Self {
        Self { holder, beats: 0, end: End::Held, error: None, seconds: 0.0, stalled: 0 }
    }

    fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a record has a JSON form") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The patience of those who wait; whoever holds a lease gives signs only where a test says.
    const BEAT: Duration = Duration::from_millis(10);
    const NEVER: Duration = Duration::from_hours(1);

    /// Those of a process elsewhere, of which nobody here can tell whether it lives.
    fn leases(folder: &Path, host: &str, heartbeat: Duration) -> Leases {
        let mut leases = Leases::of(folder, "id", heartbeat);
        leases.me = Holder { host: host.to_owned(), ..Holder::nobody() };
        leases
    }

    fn take_over(leases: &mut Leases) -> Lease {
        loop {
            if let Some(lease) = leases.take().unwrap() {
                return lease;
            }
            std::thread::sleep(BEAT);
        }
    }

    #[test]
    fn one_process_holds_a_lease_and_the_next_knows_how_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut a = leases(folder.path(), "a", NEVER);
        let mut b = leases(folder.path(), "b", NEVER);
        let lease = a.take().unwrap().unwrap();
        assert!(b.take().unwrap().is_none());
        lease.end(End::Stopped, None, 2);
        let lease = b.take().unwrap().unwrap();
        assert_eq!(lease.stalled(), 2);
        lease.end(End::Failed, Some("`x` is 0".into()), 3);
        let (number, record) = a.newest().unwrap();
        let found = (number, record.end, record.error.as_deref());
        assert_eq!(found, (1, End::Failed, Some("`x` is 0")));
        assert_eq!(a.take().unwrap().unwrap().stalled(), 0, "failures begin again");
    }

    #[test]
    fn who_gives_signs_of_life_keeps_the_lease_and_who_gives_none_loses_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut a = leases(folder.path(), "a", NEVER);
        let mut b = leases(folder.path(), "b", BEAT);
        let lease = a.take().unwrap().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < 3 * b.patience() {
            lease.shared.beat();
            assert!(b.take().unwrap().is_none(), "it lives");
            std::thread::sleep(BEAT);
        }
        // Cut off from the file system, it gives no signs any more. Back again, it sees that
        // it has lost and leaves the other's lease alone.
        let taken = take_over(&mut b);
        lease.shared.beat();
        assert!(lease.is_lost() && !taken.is_lost());
        lease.end(End::Done, None, 0);
        assert_eq!(b.newest().unwrap().1.end, End::Held);
    }

    #[test]
    fn a_lease_beats_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let mut a = leases(folder.path(), "a", BEAT);
        let lease = a.take().unwrap().unwrap();
        while a.newest().unwrap().1.beats < 3 {
            std::thread::sleep(BEAT);
        }
        lease.end(End::Done, None, 0);
        assert!(a.newest().unwrap().1.seconds > 0.0);
    }

    #[test]
    fn of_many_processes_one_gets_the_lease() {
        let folder = tempfile::tempdir().unwrap();
        let take =
            |i: usize| leases(folder.path(), &i.to_string(), NEVER).take().unwrap();
        let taken: Vec<Lease> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|i| scope.spawn(move || take(i))).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(taken.len(), 1);
    }

    #[test]
    fn a_lease_that_was_never_written_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut a = leases(folder.path(), "a", BEAT);
        drop(a.take().unwrap());
        fs::write(a.path(0), "").unwrap();
        drop(take_over(&mut a));
        assert_eq!(a.newest().unwrap().0, 1);
    }
}
