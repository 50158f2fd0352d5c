//! Signals that ask a unit to stop: SIGUSR1 and SIGUSR2 say that its time is nearly over,
//! SIGTERM, SIGINT and SIGHUP that it is to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::progress::Terminal;
use crate::observer::{Observer, Progress};

/// What signals have asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals {
    time_up: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
}

/// Shows progress, and stops when a signal asks for it.
pub(super) struct Heard<'a> {
    pub(super) terminal: &'a Terminal,
    pub(super) signals: &'a Signals,
}

impl Signals {
    /// Catches the signals from here on. One that cannot be caught ends the process at once,
    /// as it does without us: what was saved is enough to continue.
    pub(super) fn catch() -> Self {
        let signals = Self::default();
        #[cfg(unix)]
        signals.register();
        signals
    }

    #[cfg(unix)]
    fn register(&self) {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
        use signal_hook::flag;
        // The second Ctrl-C ends the process at once.
        let _ = flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&self.end));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let _ = flag::register(signal, Arc::clone(&self.end));
        }
        for signal in [SIGUSR1, SIGUSR2] {
            let _ = flag::register(signal, Arc::clone(&self.time_up));
        }
    }

    /// Whether the time is nearly over.
    pub(super) fn is_time_up(&self) -> bool {
        self.time_up.load(Ordering::SeqCst)
    }

    /// Whether any signal has asked to stop.
    pub(super) fn has_any(&self) -> bool {
        self.is_time_up() || self.end.load(Ordering::SeqCst)
    }
}

impl Observer for Heard<'_> {
    fn progress(&self, progress: &Progress) {
        self.terminal.progress(progress);
    }

    fn should_stop(&self) -> bool {
        self.signals.has_any() || self.terminal.should_stop()
    }

    fn note(&self, note: &str) {
        self.terminal.note(note);
    }
}
