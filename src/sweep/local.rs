//! Some runs at a time, each a process of this program: one that fails, or is killed, takes
//! no other with it.

use std::cell::Cell;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::jobs::Job;
use super::log;
use super::status::{Report, State};
use crate::error::{Error, Result};
use crate::observer::{Observer, Progress};
use crate::report::terminal::Outcome;
use crate::run_dir::RunDir;
use crate::shell;

/// Time between two looks at a process.
const PAUSE: Duration = Duration::from_millis(50);
/// Time between two looks at how far it is.
const LOOK: Duration = Duration::from_secs(1);
/// Parts of a run that are counted.
const PARTS: f64 = 1000.0;
/// After being asked to stop, a run has this long to finish its step and save.
const GRACE: Duration = Duration::from_secs(20);

/// Set in the environment of a run of a sweep.
const PARENT: &str = "STRATAGRAM_SWEEP";

/// Of a run of a sweep: ends this process as soon as the sweep's is gone, so that the next sweep
/// finds the directory free. Files are whole at any time.
pub fn end_with_parent() {
    if std::env::var_os(PARENT).is_none() {
        return;
    }
    let watch = || {
        let mut byte = [0];
        // Nothing is ever written: reading ends with the other side.
        while let Ok(1..) = std::io::stdin().read(&mut byte) {}
        std::process::exit(1);
    };
    let _ = std::thread::Builder::new().spawn(watch);
}

/// Runs all jobs, `at_once` of them at a time, in order; those that are done are left out.
pub fn run(
    program: &Path,
    jobs: &[Job],
    at_once: usize,
    observer: &dyn Observer,
) -> Vec<Report> {
    let queue = Queue {
        jobs,
        next: AtomicUsize::new(0),
        parts: jobs.iter().map(|job| AtomicU64::new(job.parts_before())).collect(),
        reports: Mutex::new(jobs.iter().map(Report::before).collect()),
        observer,
    };
    std::thread::scope(|scope| {
        for _ in 1..at_once {
            // Where no thread can be started, those that there are work on.
            let take = || queue.take(program);
            let _ = std::thread::Builder::new().spawn_scoped(scope, take);
        }
        queue.take(program);
    });
    let mut reports = queue.reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (report, job) in reports.iter_mut().zip(jobs) {
        report.outcome = RunDir::open(&job.root)
            .map_or_else(|_| Outcome::default(), |run| Outcome::of(&run));
    }
    reports
}

/// Jobs that some threads take one after the other.
struct Queue<'a> {
    jobs: &'a [Job],
    next: AtomicUsize,
    /// How far each job is, in [`PARTS`].
    parts: Vec<AtomicU64>,
    /// Of each job, in their order.
    reports: Mutex<Vec<Report>>,
    observer: &'a dyn Observer,
}

impl Queue<'_> {
    /// Runs the next job that nobody has taken, until none is left or the observer asks to
    /// stop.
    fn take(&self, program: &Path) {
        loop {
            let at = self.next.fetch_add(1, Ordering::SeqCst);
            let Some(job) = self.jobs.get(at) else { return };
            if job.done || job.failed.is_some() {
                continue;
            }
            if self.observer.should_stop() {
                return;
            }
            self.show(at, 0.0);
            let found = Cell::new(None);
            let look = || {
                let Some(position) = log::position(&job.log) else { return };
                // Where an earlier process left the run is where it begins.
                let begun: f64 = found.get().unwrap_or(position);
                found.set(Some(begun));
                self.show(at, (position - begun) / (1.0 - begun).max(f64::MIN_POSITIVE));
            };
            let report = job.run(program, self.observer, &look);
            self.show(at, 1.0);
            if let Some(error) = &report.error {
                self.observer.note(&format!("{} failed: {error}", job.name));
            }
            self.reports.lock().unwrap_or_else(PoisonError::into_inner)[at] = report;
        }
    }

    /// Shows how far all are, now that this job is at `position`, from 0 to 1.
    fn show(&self, at: usize, position: f64) {
        self.parts[at].store((PARTS * position) as u64, Ordering::SeqCst);
        let parts = || self.parts.iter().map(|parts| parts.load(Ordering::SeqCst));
        let n_done = parts().filter(|parts| *parts == PARTS as u64).count();
        let n = self.jobs.len();
        self.observer.progress(&Progress {
            stage: "sweep",
            done: parts().sum(),
            total: n as u64 * PARTS as u64,
            detail: format!("{n_done} of {n} runs  {}", self.jobs[at].name),
        });
    }
}

impl Report {
    fn before(job: &Job) -> Self {
        let (state, error) = match &job.failed {
            _ if job.done => (State::Done, None),
            Some(error) => (State::Failed, Some(error.clone())),
            None => (State::Waiting, None),
        };
        let (name, outcome) = (job.name.clone(), Outcome::default());
        Self { name, state, seconds: 0.0, error, outcome }
    }
}

impl Job {
    /// Parts of it that are not begun any more.
    fn parts_before(&self) -> u64 {
        if self.done || self.failed.is_some() { PARTS as u64 } else { 0 }
    }

    fn run(&self, program: &Path, observer: &dyn Observer, look: &dyn Fn()) -> Report {
        let started = Instant::now();
        let outcome = self.start(program).and_then(|child| wait(child, observer, look));
        let seconds = started.elapsed().as_secs_f64();
        let (state, error) = match outcome {
            Ok(true) => (State::Done, None),
            Ok(false) if observer.should_stop() => (State::Stopped, None),
            Ok(false) => (State::Failed, Some(log::fail(&self.log))),
            Err(error) => (State::Failed, Some(error.to_string())),
        };
        let (name, outcome) = (self.name.clone(), Outcome::default());
        Report { name, state, seconds, error, outcome }
    }

    fn start(&self, program: &Path) -> Result<Child> {
        let log = log::begin(&self.log, &shell::command(&self.arguments))?;
        let child = Command::new(program)
            .args(&self.arguments)
            // Its end closes with this process, however that ends: see `end_with_parent`.
            .stdin(Stdio::piped())
            .env(PARENT, "1")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        child.map_err(|error| Error::io(program, "cannot be started", error))
    }
}

/// Waits for a process; says whether it succeeded, and looks how far it is now and
/// then. When asked to stop it has some time to
/// save (Ctrl-C reaches it, too), then it is ended: what it saved before is enough to
/// continue.
fn wait(mut child: Child, observer: &dyn Observer, look: &dyn Fn()) -> Result<bool> {
    let lost = |error| Error::io("a run".as_ref(), "cannot be waited for", error);
    let (mut asked, mut looked) = (None, Instant::now());
    loop {
        if let Some(status) = child.try_wait().map_err(lost)? {
            return Ok(status.success());
        }
        if observer.should_stop() {
            let since: &mut Instant = asked.get_or_insert_with(Instant::now);
            if since.elapsed() > GRACE {
                child.kill().map_err(lost)?;
            }
        }
        if looked.elapsed() > LOOK {
            looked = Instant::now();
            look();
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Silent;

    #[cfg(unix)]
    #[test]
    fn every_job_has_its_report_whatever_the_others_do() {
        let folder = tempfile::tempdir().unwrap();
        let job = |name: &str, script: &str, done| Job {
            name: name.into(),
            arguments: vec!["-c".into(), script.into()],
            root: folder.path().join("runs").join(name),
            log: folder.path().join(name),
            done,
            failed: None,
        };
        let jobs = [
            job("old", "exit 3", true),
            job("fails", "echo 'note: x' >&2; echo 'error: `y` is 0' >&2; exit 1", false),
            job("good", "exit 0", false),
        ];
        for at_once in [1, 2] {
            let reports = run("/bin/sh".as_ref(), &jobs, at_once, &Silent);
            let states: Vec<State> = reports.iter().map(|report| report.state).collect();
            assert_eq!(states, [State::Done, State::Failed, State::Done]);
            assert_eq!(reports[1].error.as_deref(), Some("`y` is 0"));
            assert!(reports[0].seconds < f64::MIN_POSITIVE, "nothing ran");
        }
        assert!(!folder.path().join("old").exists(), "what is done is not begun");
    }

    #[test]
    fn nothing_begins_after_a_stop() {
        struct Stop;
        impl Observer for Stop {
            fn progress(&self, _: &Progress) {}
            fn note(&self, _: &str) {}
            fn should_stop(&self) -> bool {
                true
            }
        }
        let job = Job {
            name: "x".into(),
            arguments: vec![],
            root: "missing/x".into(),
            log: "missing/x.log".into(),
            done: false,
            failed: None,
        };
        let reports = run("/bin/sh".as_ref(), &[job], 1, &Stop);
        assert_eq!(reports[0].state, State::Waiting);
    }
}
