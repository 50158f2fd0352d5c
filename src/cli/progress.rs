//! What a person sees of a long computation: a bar a run on a terminal, a line now and then
//! elsewhere, and Ctrl-C.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::output::{printable, say};
use super::pace::Pace;
use crate::observer::{Observer, Progress};
use crate::sweep::end_with_parent;

/// Time between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(15);

/// Time between two drawings of a bar.
const TICK: Duration = Duration::from_secs(1);

/// Exit code of a process that Ctrl-C ended: 128 + SIGINT.
const KILLED: i32 = 130;

/// Steps of the bar of all runs for each of them.
const FINE: u64 = 1000;

static STOP: AtomicBool = AtomicBool::new(false);

/// Shows progress on stderr; the first Ctrl-C asks to stop, the second ends the process.
pub(super) struct Terminal {
    bars: MultiProgress,
    bar: Bar,
    /// Stands before the stage where there are several runs.
    name: String,
    shown: Mutex<Shown>,
    all: Arc<All>,
}

/// A bar, and the pace by which it tells the time left.
#[derive(Clone)]
struct Bar {
    bar: ProgressBar,
    pace: Arc<Mutex<Pace>>,
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
    runs: Mutex<Option<(Bar, Vec<String>)>>,
}

impl Terminal {
    /// `command` is what continues the work after Ctrl-C.
    pub(super) fn new(command: &str) -> Self {
        let bars = MultiProgress::new();
        handle_interrupts(bars.clone(), command.to_owned());
        end_with_parent();
        Self::with_bar(bars, String::new(), Arc::default())
    }

    /// One that leaves signals to others.
    pub(super) fn for_unit() -> Self {
        end_with_parent();
        Self::with_bar(MultiProgress::new(), String::new(), Arc::default())
    }

    fn with_bar(bars: MultiProgress, name: String, all: Arc<All>) -> Self {
        let bar = Bar::new(&bars);
        let shown = Shown { stage: "", line_at: None, position: 0 };
        Self { bars, bar, name, shown: Mutex::new(shown), all }
    }

    /// Shows how far `n` runs of these stages are together.
    pub(super) fn count_runs(&self, n: usize, stages: &[&str]) {
        self.bar.begin("runs", 0, n as u64 * FINE);
        self.bar.bar.set_message(format!("of {n} runs"));
        let stages = stages.iter().map(|&stage| stage.to_owned()).collect();
        *locked(&self.all.runs) = Some((self.bar.clone(), stages));
    }

    /// A line for one run of several.
    pub(super) fn for_run(&self, name: &str) -> Self {
        Self::with_bar(self.bars.clone(), format!("{name} "), Arc::clone(&self.all))
    }

    /// Moves the bar of all runs on to where this run is in its stages. Where a stage begins
    /// is where an earlier process left it.
    fn advance(&self, shown: &mut Shown, progress: &Progress) {
        let runs = locked(&self.all.runs);
        let Some((bar, stages)) = &*runs else { return };
        let Some(at) = stages.iter().position(|stage| stage == progress.stage) else {
            return;
        };
        let share = FINE / stages.len() as u64;
        let inside = share * progress.done / progress.total.max(1);
        let position = at as u64 * share + inside;
        let is_found = shown.stage != progress.stage;
        bar.advance(position.saturating_sub(shown.position), is_found);
        shown.position = shown.position.max(position);
    }

    fn print(&self, line: &str) {
        self.bars.suspend(|| say(line));
    }
}

/// Draws a bar again every second, while it is there, if a thread for it starts: indicatif's
/// own ticker ends the process if none does.
fn keep_ticking(bar: &ProgressBar) {
    let bar = bar.downgrade();
    let tick = move || {
        while let Some(bar) = bar.upgrade() {
            if !bar.is_finished() {
                bar.tick();
            }
            drop(bar);
            thread::sleep(TICK);
        }
    };
    let _ = thread::Builder::new().spawn(tick);
}

impl Bar {
    /// A bar that is drawn again every second, so that the time left is never stale.
    fn new(bars: &MultiProgress) -> Self {
        let pace = Arc::new(Mutex::new(Pace::begin(Instant::now(), 0, 0)));
        let shown = Arc::clone(&pace);
        let left = move |_: &ProgressState, to: &mut dyn fmt::Write| {
            locked(&shown).write_left(Instant::now(), to);
        };
        // 80 columns: 39 of the stage, the bar and the time left, the rest for its message.
        let template = "{prefix} {bar:10} {percent:>3} % {left}  {wide_msg}";
        let style =
            ProgressStyle::with_template(template).expect("the template is valid");
        let bar = bars.add(ProgressBar::no_length());
        bar.set_style(style.with_key("left", left).progress_chars("━━─"));
        keep_ticking(&bar);
        Self { bar, pace }
    }

    /// Begins a stage with some units that are there already.
    fn begin(&self, stage: &str, done: u64, total: u64) {
        *locked(&self.pace) = Pace::begin(Instant::now(), done, total);
        self.bar.set_prefix(format!("{stage:>8}"));
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    fn reach(&self, done: u64) {
        locked(&self.pace).reach(Instant::now(), done);
        self.bar.set_position(done);
    }

    /// `units` more; they took no time if they were found done. The pace is not held while the
    /// bar moves: drawing it reads the pace.
    fn advance(&self, units: u64, are_found: bool) {
        locked(&self.pace).add(Instant::now(), units, are_found);
        self.bar.inc(units);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn handle_interrupts(bars: MultiProgress, command: String) {
    let handler = move || {
        if STOP.swap(true, Ordering::SeqCst) {
            bars.suspend(|| say(&format!("stopped at once; continue with: {command}")));
            std::process::exit(KILLED);
        }
        bars.suspend(|| {
            say("stopping after this step (Ctrl-C again: at once)");
            say(&format!("continue with: {command}"));
        });
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        say(&format!("note: Ctrl-C will end the process at once ({error})"));
    }
}

impl Observer for Terminal {
    fn progress(&self, progress: &Progress) {
        let Progress { stage, done, total, detail } = progress;
        let mut shown = locked(&self.shown);
        let is_new = shown.stage != *stage;
        self.advance(&mut shown, progress);
        if !self.bar.bar.is_hidden() {
            if is_new {
                self.bar.begin(
                    &printable(&format!("{}{stage}", self.name)),
                    *done,
                    *total,
                );
            }
            self.bar.reach(*done);
            self.bar.bar.set_message(printable(detail));
        } else if is_new
            || done == total
            || shown.line_at.is_none_or(|at| at.elapsed() >= LINE_INTERVAL)
        {
            shown.line_at = Some(Instant::now());
            let amount = match *stage {
                // Parts of runs, which nobody counts.
                "sweep" => format!("{} %", 100 * done / total.max(&1)),
                _ => format!("{done}/{total}"),
            };
            say(&format!("{}{stage} {amount}  {detail}", self.name));
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
            bar.advance(FINE.saturating_sub(locked(&self.shown).position), false);
        }
        self.bar.bar.finish_and_clear();
        self.bars.remove(&self.bar.bar);
    }
}
