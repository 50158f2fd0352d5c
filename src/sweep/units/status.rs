//! How far the units of a plan are, from the files of runs and leases alone.

use std::time::Duration;

use serde::Serialize;

use super::lease::{End, Leases, Record};
use super::plan::{Unit, UnitKind, UnitPlan};
use crate::run_dir::{RunDir, RunFile, Status};

/// How far a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitState {
    /// Its files are whole.
    Done,
    /// A process works on it.
    Running,
    /// Its last process met an error.
    Failed,
    /// Its last process stopped, or has ended without a word; another continues.
    Stopped,
    /// No process began it.
    Waiting,
}

/// A unit and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnitStatus {
    /// Its number.
    pub index: usize,
    /// What it does.
    pub kind: UnitKind,
    /// The run's folder.
    pub run: Option<String>,
    /// How far it is.
    pub state: UnitState,
    /// Its last error.
    pub error: Option<String>,
    /// Seconds of all processes that worked on it and said so.
    pub seconds: f64,
    /// Estimated seconds.
    pub estimate: f64,
}

/// How many units of a kind are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[allow(missing_docs)] // as UnitState
pub struct Counts {
    pub all: usize,
    pub done: usize,
    pub running: usize,
    pub failed: usize,
    pub stopped: usize,
    pub waiting: usize,
}

impl UnitState {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Waiting => "waiting",
        }
    }

    fn of(record: Option<&Record>, is_alive: bool) -> Self {
        match record.map(|record| record.end) {
            None => Self::Waiting,
            Some(End::Held) if is_alive => Self::Running,
            Some(End::Failed) => Self::Failed,
            // What was done and is no longer there is to be done again.
            Some(End::Held | End::Stopped | End::Done) => Self::Stopped,
        }
    }
}

/// How far all units are, in their order.
pub fn statuses(plan: &UnitPlan) -> Vec<UnitStatus> {
    let all = plan.units.iter().enumerate();
    all.map(|(index, unit)| plan.status(index, unit)).collect()
}

impl UnitPlan {
    fn status(&self, index: usize, unit: &Unit) -> UnitStatus {
        let leases = Leases::of(&self.folder, &unit.id, self.beat());
        let newest = leases.newest();
        let is_alive = newest
            .as_ref()
            .is_some_and(|(number, record)| leases.is_alive(*number, record));
        let record = newest.map(|(_, record)| record);
        let state = if self.looks_done(unit, record.as_ref()) {
            UnitState::Done
        } else {
            UnitState::of(record.as_ref(), is_alive)
        };
        let is_failed = state == UnitState::Failed;
        UnitStatus {
            index,
            kind: unit.kind,
            run: unit.run.map(|run| self.runs[run].name.clone()),
            state,
            error: record.as_ref().filter(|_| is_failed).and_then(|r| r.error.clone()),
            seconds: record.map_or(0.0, |record| record.seconds),
            estimate: unit.seconds,
        }
    }

    /// Whether the files say that a unit is done. Their checksums are compared by whoever works
    /// on it or reads them.
    fn looks_done(&self, unit: &Unit, record: Option<&Record>) -> bool {
        let Some(run) = unit.run else {
            return record.is_some_and(|record| record.end == End::Done);
        };
        let root = self.root(run);
        let Ok(there) = RunDir::open(&root) else { return false };
        let Ok(experiment) = self.experiment(run) else { return false };
        let Ok(manifest) = there.manifest() else { return false };
        let is_at = match unit.kind {
            UnitKind::Train => is_trained(manifest.status),
            _ => {
                manifest.status == Status::Complete && RunFile::Page.path(&root).exists()
            }
        };
        is_at && *there.experiment() == experiment
    }

    /// The time between two signs of life.
    pub(super) fn beat(&self) -> Duration {
        Duration::try_from_secs_f64(self.heartbeat).unwrap_or(Duration::from_secs(15))
    }
}

/// Whether training has ended, by what `run.json` says.
pub(super) fn is_trained(status: Status) -> bool {
    matches!(status, Status::Trained | Status::Analyzing | Status::Complete)
}

impl Counts {
    /// Counts the units of a kind.
    pub fn of(units: &[UnitStatus], kind: UnitKind) -> Self {
        let mut counts = Self::default();
        for unit in units.iter().filter(|unit| unit.kind == kind) {
            counts.all += 1;
            *match unit.state {
                UnitState::Done => &mut counts.done,
                UnitState::Running => &mut counts.running,
                UnitState::Failed => &mut counts.failed,
                UnitState::Stopped => &mut counts.stopped,
                UnitState::Waiting => &mut counts.waiting,
            } += 1;
        }
        counts
    }
}

/// The time until all units that have not failed are done, if as many at a time go on as now: their
/// estimates, corrected by how long those took that are done. Nothing where no process works.
pub fn time_left(units: &[UnitStatus]) -> Option<Duration> {
    let at_once = units.iter().filter(|unit| unit.state == UnitState::Running).count();
    let kinds = [UnitKind::Train, UnitKind::Analyze];
    let left: f64 = kinds.iter().map(|kind| seconds_left(units, *kind)).sum();
    (at_once > 0)
        .then(|| Duration::try_from_secs_f64(left / at_once as f64).ok())
        .flatten()
}

/// The seconds that units of a kind still take, corrected by those of this kind that are done.
fn seconds_left(units: &[UnitStatus], kind: UnitKind) -> f64 {
    let (mut taken, mut estimated, mut left) = (0.0, 0.0, 0.0);
    for unit in units.iter().filter(|unit| unit.kind == kind) {
        match unit.state {
            UnitState::Done if unit.seconds > 0.0 => {
                taken += unit.seconds;
                estimated += unit.estimate;
            }
            UnitState::Done | UnitState::Failed => {}
            _ => left += unit.estimate,
        }
    }
    if estimated > 0.0 { left * taken / estimated } else { left }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(state: UnitState, estimate: f64, seconds: f64) -> UnitStatus {
        let kind = UnitKind::Train;
        UnitStatus { index: 0, kind, run: None, state, error: None, seconds, estimate }
    }

    #[test]
    fn the_time_left_is_corrected_by_what_is_done() {
        let mut units = vec![
            unit(UnitState::Done, 10.0, 20.0),
            unit(UnitState::Done, 10.0, 40.0),
            unit(UnitState::Failed, 99.0, 1.0),
            unit(UnitState::Waiting, 6.0, 0.0),
        ];
        assert_eq!(time_left(&units), None, "nobody works");
        units.extend([
            unit(UnitState::Running, 4.0, 0.0),
            unit(UnitState::Running, 2.0, 0.0),
        ]);
        assert_eq!(time_left(&units), Some(Duration::from_secs(18)));
        // Another kind is corrected by itself alone.
        let kind = UnitKind::Analyze;
        units.push(UnitStatus { kind, ..unit(UnitState::Waiting, 8.0, 0.0) });
        assert_eq!(time_left(&units), Some(Duration::from_secs(22)));
        units.pop();
        let counts = Counts::of(&units, UnitKind::Train);
        let expected =
            Counts { all: 6, done: 2, running: 2, failed: 1, stopped: 0, waiting: 1 };
        assert_eq!(counts, expected);
        assert_eq!(Counts::of(&units, UnitKind::Analyze), Counts::default());
    }
}
