//! How far the runs of a sweep are.

use std::path::Path;

use serde::Serialize;

use super::plan::Planned;
use crate::report::is_current;
use crate::report::terminal::Outcome;
use crate::run_dir::{RunDir, Status};

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Complete, with its page.
    Done,
    /// Ended with an error.
    Failed,
    /// Begun, and stopped on request.
    Stopped,
    /// Not begun.
    Waiting,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The run's name.
    pub name: String,
    /// How far it is.
    pub state: State,
    /// Time of this process; 0 for what was done before.
    pub seconds: f64,
    /// Its last error.
    pub error: Option<String>,
    /// How its error curves ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl State {
    /// The word in `sweep.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Waiting => "waiting",
        }
    }
}

impl Planned {
    /// Whether the run is in `root`, of this experiment, complete and with its page.
    pub(super) fn is_done(&self, root: &Path) -> bool {
        RunDir::open(root).is_ok_and(|run| {
            *run.experiment() == self.experiment
                && run.manifest().is_ok_and(|own| own.status == Status::Complete)
                && is_current(root)
        })
    }
}
