//! Some runs at a time, each a process of this program: one that fails, or is killed, takes
//! no other with it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::jobs::Job;
use super::status::{Report, State};
use crate::error::{Error, Result};
use crate::observer::{Observer, Progress};

/// Time between two looks at a process.
const PAUSE: Duration = Duration::from_millis(50);
/// After being asked to stop, a run has this long to finish its step and save.
const GRACE: Duration = Duration::from_secs(20);

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
        finished: AtomicUsize::new(jobs.iter().filter(|job| job.done).count()),
        reports: Mutex::new(jobs.iter().map(Report::before).collect()),
        observer,
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| queue.take(program));
        }
    });
    queue.reports.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Jobs that some threads take one after the other.
struct Queue<'a> {
    jobs: &'a [Job],
    next: AtomicUsize,
    finished: AtomicUsize,
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
            if job.done {
                continue;
            }
            if self.observer.should_stop() {
                return;
            }
            self.show(&job.name);
            let report = job.run(program, self.observer);
            self.finished.fetch_add(1, Ordering::SeqCst);
            self.show(&job.name);
            if let Some(error) = &report.error {
                self.observer.note(&format!("{} failed: {error}", job.name));
            }
            self.reports.lock().unwrap_or_else(PoisonError::into_inner)[at] = report;
        }
    }

    fn show(&self, name: &str) {
        self.observer.progress(&Progress {
            stage: "sweep",
            done: self.finished.load(Ordering::SeqCst) as u64,
            total: self.jobs.len() as u64,
            detail: name.to_owned(),
        });
    }
}

impl Report {
    fn before(job: &Job) -> Self {
        let state = if job.done { State::Done } else { State::Waiting };
        Self { name: job.name.clone(), state, seconds: 0.0, error: None }
    }
}

impl Job {
    fn run(&self, program: &Path, observer: &dyn Observer) -> Report {
        let started = Instant::now();
        let outcome = self.start(program).and_then(|child| wait(child, observer));
        let seconds = started.elapsed().as_secs_f64();
        let (state, error) = match outcome {
            Ok(true) => (State::Done, None),
            Ok(false) if observer.should_stop() => (State::Stopped, None),
            Ok(false) => (State::Failed, Some(last_error(&self.log))),
            Err(error) => (State::Failed, Some(error.to_string())),
        };
        Report { name: self.name.clone(), state, seconds, error }
    }

    fn start(&self, program: &Path) -> Result<Child> {
        let cannot = |error| Error::io(&self.log, "cannot be written", error);
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(cannot)?;
        writeln!(log, "# stratagram {}", self.arguments.join(" ")).map_err(cannot)?;
        let child = Command::new(program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        child.map_err(|error| Error::io(program, "cannot be started", error))
    }
}

/// Waits for a process; says whether it succeeded. When asked to stop it has some time to
/// save (Ctrl-C reaches it, too), then it is ended: what it saved before is enough to
/// continue.
fn wait(mut child: Child, observer: &dyn Observer) -> Result<bool> {
    let lost = |error| Error::io("a run".as_ref(), "cannot be waited for", error);
    let mut asked = None;
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
        std::thread::sleep(PAUSE);
    }
}

/// The last error of a log.
fn last_error(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let error = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    error.map_or_else(|| format!("see {}", log.display()), str::to_owned)
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
            log: folder.path().join(name),
            done,
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
            log: "missing/x.log".into(),
            done: false,
        };
        let reports = run("/bin/sh".as_ref(), &[job], 1, &Stop);
        assert_eq!(reports[0].state, State::Waiting);
    }
}
