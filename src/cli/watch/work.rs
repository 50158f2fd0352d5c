//! What goes on behind the served page: checkpoints are analyzed as they land, and the page is
//! drawn again when what it shows has changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::live;
use crate::analyze;
use crate::data::Data;
use crate::error::{ErrorKind, Result};
use crate::observer::Observer;
use crate::report;
use crate::run_dir::{Recording, RunDir, Status};

/// Between two looks at the run's files.
const LOOK: Duration = Duration::from_millis(500);
/// A page whose curves alone have grown is drawn again this seldom.
const SELDOM: Duration = Duration::from_secs(10);
/// The longest wait for another version.
const WAIT: Duration = Duration::from_millis(500);

/// The page and its version.
pub(super) struct Shared {
    root: PathBuf,
    drawn: Mutex<(u64, Arc<String>)>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(root: &Path) -> Self {
        let page = Arc::new(live::waiting("the page is being drawn", 0));
        Self {
            root: root.to_owned(),
            drawn: Mutex::new((0, page)),
            changed: Condvar::new(),
        }
    }

    pub(super) fn page(&self) -> Arc<String> {
        Arc::clone(&self.lock().1)
    }

    /// The version, as soon as it is not `known`, or after a while.
    pub(super) fn wait_for_other(&self, known: Option<u64>) -> u64 {
        let drawn = self.lock();
        let is_known = |drawn: &mut (u64, Arc<String>)| Some(drawn.0) == known;
        let waited = self.changed.wait_timeout_while(drawn, WAIT, is_known);
        waited.unwrap_or_else(PoisonError::into_inner).0.0
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Arc<String>)> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws the page, and says whether that was possible. A run that has nothing to show yet
    /// says so; one whose files are just being written keeps its page.
    fn draw(&self) -> bool {
        let version = self.lock().0 + 1;
        let drawn = report::html(&self.root);
        let page = match &drawn {
            Ok(page) => live::page(page, version),
            Err(error) if version == 1 => live::waiting(&error.to_string(), 0),
            Err(_) => return false,
        };
        *self.lock() = (if drawn.is_ok() { version } else { 0 }, Arc::new(page));
        self.changed.notify_all();
        drawn.is_ok()
    }
}

/// Draws the page whenever what it shows has changed, until the observer asks to stop.
pub(super) fn draw(shared: &Shared, observer: &dyn Observer) {
    let (mut shown, mut at) = (None, Instant::now());
    while !observer.should_stop() {
        let now = report::Stamp::of(&shared.root);
        let has_grown = shown.as_ref().is_none_or(|shown: &report::Stamp| {
            now.has_other_results(shown) || (now != *shown && at.elapsed() > SELDOM)
        });
        if has_grown {
            (shown, at) = (shared.draw().then_some(now), Instant::now());
        }
        sleep(LOOK);
    }
}

/// Analyzes each checkpoint that lands, until the training ends or the observer asks to stop.
/// Whatever goes wrong is said: the page shows what is there all the same.
pub(super) fn analyze(root: &Path, observer: &dyn Observer) {
    match follow(root, observer) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) if error.kind() == ErrorKind::Busy => {
            observer.note("another process analyzes the run");
        }
        Err(error) => observer.note(&format!("not analyzed: {error}")),
        Ok(()) => {}
    }
}

fn follow(root: &Path, observer: &dyn Observer) -> Result<()> {
    if let Some(recording) = Recording::open(root)? {
        return follow_recording(&recording, observer);
    }
    let run = RunDir::open(root)?;
    if run.manifest()?.status == Status::Complete {
        return Ok(());
    }
    let data = Data::load(run.experiment())?;
    analyze::follow(&run, &data, observer)
}

/// Analyzes a recording whenever it has more rows; nothing says when it ends.
fn follow_recording(recording: &Recording, observer: &dyn Observer) -> Result<()> {
    let mut analyzed = 0;
    while !observer.should_stop() {
        let n = recording.rows()?.len();
        if n != analyzed {
            analyze::analyze_recording(recording, false, observer)?;
            analyzed = n;
        }
        sleep(LOOK);
    }
    Ok(())
}
