//! What a person sees of a long computation: a bar a run on a terminal, a line now and then
//! elsewhere, and Ctrl-C.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::observer::{Observer, Progress};

/// Time between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(15);

/// Exit code of a process that Ctrl-C ended: 128 + SIGINT.
const KILLED: i32 = 130;

/// Steps of the bar of all runs for each of them.
const FINE: u64 = 1000;

static STOP: AtomicBool = AtomicBool::new(false);

/// Shows progress on stderr; the first Ctrl-C asks to stop, the second ends the process.
pub(super) struct Terminal {
    bars: MultiProgress,
    bar: ProgressBar,
    /// Stands before the stage where there are several runs.
    name: String,
    shown: Mutex<Shown>,
    all: Arc<All>,
}

struct Shown {
    stage: &'static str,
    line_at: Option<Instant>,
    /// How far the run is, in [`FINE`].
    position: u64,
}

/// What all runs share.
#[derive(Default)]
struct All {
    notes: Mutex<BTreeSet<String>>,
    /// The bar of all runs and the stages of each.
    runs: Mutex<Option<(ProgressBar, Vec<String>)>>,
}

impl Terminal {
    /// `command` is what continues the work after Ctrl-C.
    pub(super) fn new(command: &str) -> Self {
        let bars = MultiProgress::new();
        handle_interrupts(bars.clone(), command.to_owned());
        Self::with_bar(bars, String::new(), Arc::default())
    }

    fn with_bar(bars: MultiProgress, name: String, all: Arc<All>) -> Self {
        let bar = bars.add(new_bar());
        let shown = Shown { stage: "", line_at: None, position: 0 };
        Self { bars, bar, name, shown: Mutex::new(shown), all }
    }

    /// Shows how far `n` runs of these stages are together.
    pub(super) fn count_runs(&self, n: usize, stages: &[&str]) {
        self.bar.set_prefix("runs");
        self.bar.set_message(format!("of {n} runs"));
        self.bar.set_length(n as u64 * FINE);
        let stages = stages.iter().map(|&stage| stage.to_owned()).collect();
        *locked(&self.all.runs) = Some((self.bar.clone(), stages));
    }

    /// A line for one run of several.
    pub(super) fn for_run(&self, name: &str) -> Self {
        Self::with_bar(self.bars.clone(), format!("{name} "), Arc::clone(&self.all))
    }

    /// Moves the bar of all runs on to where this run is in its stages.
    fn advance(&self, shown: &mut Shown, progress: &Progress) {
        let runs = locked(&self.all.runs);
        let Some((bar, stages)) = &*runs else { return };
        let Some(at) = stages.iter().position(|stage| stage == progress.stage) else {
            return;
        };
        let share = FINE / stages.len() as u64;
        let inside = share * progress.done / progress.total.max(1);
        let position = at as u64 * share + inside;
        bar.inc(position.saturating_sub(shown.position));
        shown.position = shown.position.max(position);
    }

    fn print(&self, line: &str) {
        self.bars.suspend(|| eprintln!("{line}"));
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    let template = "{prefix:>8} {bar:30} {percent:>3} % {eta:>5} left  {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    bar.set_style(style.progress_chars("━━─"));
    bar
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn handle_interrupts(bars: MultiProgress, command: String) {
    let handler = move || {
        if STOP.swap(true, Ordering::SeqCst) {
            bars.suspend(|| eprintln!("stopped at once; continue with: {command}"));
            std::process::exit(KILLED);
        }
        bars.suspend(|| {
            eprintln!("stopping after this step (Ctrl-C again: at once)");
            eprintln!("continue with: {command}");
        });
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        eprintln!("note: Ctrl-C will end the process at once ({error})");
    }
}

impl Observer for Terminal {
    fn progress(&self, progress: &Progress) {
        let Progress { stage, done, total, detail } = progress;
        let mut shown = locked(&self.shown);
        let is_new = shown.stage != *stage;
        self.advance(&mut shown, progress);
        if !self.bar.is_hidden() {
            if is_new {
                self.bar.reset();
                self.bar.set_prefix(format!("{}{stage}", self.name));
            }
            self.bar.set_length(*total);
            self.bar.set_position(*done);
            self.bar.set_message(detail.clone());
        } else if is_new
            || done == total
            || shown.line_at.is_none_or(|at| at.elapsed() >= LINE_INTERVAL)
        {
            shown.line_at = Some(Instant::now());
            eprintln!("{}{stage} {done}/{total}  {detail}", self.name);
        }
        shown.stage = stage;
    }

    fn should_stop(&self) -> bool {
        STOP.load(Ordering::SeqCst)
    }

    fn note(&self, note: &str) {
        // Many runs have the same to say.
        if locked(&self.all.notes).insert(note.to_owned()) {
            self.print(&format!("note: {note}"));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if !self.name.is_empty()
            && let Some((bar, _)) = &*locked(&self.all.runs)
        {
            bar.inc(FINE.saturating_sub(locked(&self.shown).position));
        }
        self.bar.finish_and_clear();
        self.bars.remove(&self.bar);
    }
}
