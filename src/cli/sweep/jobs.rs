//! Some runs at a time, each a process of this program: one that fails, or is killed, takes
//! no other with it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::observer::{Observer, Progress};

/// Time between two looks at a process.
const PAUSE: Duration = Duration::from_millis(50);
/// After being asked to stop, a run has this long to finish its step and save.
const GRACE: Duration = Duration::from_secs(20);

/// A process to run.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    /// Where its messages go.
    pub(super) log: PathBuf,
    /// Nothing is left to do.
    pub(super) done: bool,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Done,
    Failed,
    /// Begun, and stopped on request.
    Stopped,
    /// Not begun.
    Waiting,
}

/// What became of a job.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) name: String,
    pub(super) state: State,
    /// Time of this process; 0 for what was done before.
    pub(super) seconds: f64,
    /// Its last error.
    pub(super) error: Option<String>,
}

/// Runs all jobs, `at_once` of them at a time, in order; those that are done are left out.
pub(super) fn run(
    program: &Path,
    jobs: &[Job],
    at_once: usize,
    observer: &dyn Observer,
) -> Vec<Report> {
    let reports = Mutex::new(jobs.iter().map(Report::before).collect::<Vec<_>>());
    let lock = || reports.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let next = AtomicUsize::new(0);
    let finished = AtomicUsize::new(jobs.iter().filter(|job| job.done).count());
    let show = |name: &str| {
        observer.progress(&Progress {
            stage: "sweep",
            done: finished.load(Ordering::SeqCst) as u64,
            total: jobs.len() as u64,
            detail: name.to_owned(),
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if job.done {
                        continue;
                    }
                    if observer.should_stop() {
                        break;
                    }
                    show(&job.name);
                    let report = job.run(program, observer);
                    finished.fetch_add(1, Ordering::SeqCst);
                    show(&job.name);
                    if let Some(error) = &report.error {
                        observer.note(&format!("{} failed: {error}", job.name));
                    }
                    if let Some(own) = lock().iter_mut().find(|own| own.name == job.name)
                    {
                        *own = report;
                    }
                }
            });
        }
    });
    lock().clone()
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
