//! What a person sees of a long computation: a bar on a terminal, a line now and then
//! elsewhere, and Ctrl-C.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::observer::{Observer, Progress};

/// Time between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(15);

/// Exit code of a process that Ctrl-C ended: 128 + SIGINT.
const KILLED: i32 = 130;

static STOP: AtomicBool = AtomicBool::new(false);

/// Shows progress on stderr; the first Ctrl-C asks to stop, the second ends the process.
pub(super) struct Terminal {
    bar: ProgressBar,
    shown: Mutex<Shown>,
}

struct Shown {
    stage: &'static str,
    line_at: Option<Instant>,
}

impl Terminal {
    /// `command` is what continues the work after Ctrl-C.
    pub(super) fn new(command: &str) -> Self {
        let bar = ProgressBar::no_length();
        let template = "{prefix:>8} {bar:30} {percent:>3} % {eta:>5} left  {msg}";
        let style =
            ProgressStyle::with_template(template).expect("the template is valid");
        bar.set_style(style.progress_chars("━━─"));
        handle_interrupts(bar.clone(), command.to_owned());
        Self { bar, shown: Mutex::new(Shown { stage: "", line_at: None }) }
    }

    fn print(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

fn handle_interrupts(bar: ProgressBar, command: String) {
    let handler = move || {
        if STOP.swap(true, Ordering::SeqCst) {
            bar.suspend(|| eprintln!("stopped at once; continue with: {command}"));
            std::process::exit(KILLED);
        }
        bar.suspend(|| {
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
        let mut shown =
            self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_new = shown.stage != *stage;
        if !self.bar.is_hidden() {
            if is_new {
                self.bar.reset();
                self.bar.set_prefix(*stage);
            }
            self.bar.set_length(*total);
            self.bar.set_position(*done);
            self.bar.set_message(detail.clone());
        } else if is_new
            || done == total
            || shown.line_at.is_none_or(|at| at.elapsed() >= LINE_INTERVAL)
        {
            shown.line_at = Some(Instant::now());
            eprintln!("{stage} {done}/{total}  {detail}");
        }
        shown.stage = stage;
    }

    fn should_stop(&self) -> bool {
        STOP.load(Ordering::SeqCst)
    }

    fn note(&self, note: &str) {
        self.print(&format!("note: {note}"));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
