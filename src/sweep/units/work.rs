//! The work of one unit, from its lease to its files.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use super::lease::{End, Lease, Leases};
use super::plan::{Unit, UnitKind, UnitPlan};
use super::status::is_trained;
use crate::analyze;
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::observer::{Observer, Progress};
use crate::report::terminal::Outcome;
use crate::report::{self, is_current};
use crate::run_dir::{RunDir, RunFile, Status};
use crate::sweep::compared::compared;
use crate::sweep::gather::gather;
use crate::sweep::one::OneRun;
use crate::sweep::status::{Report, State};

/// Time limits in a row that may pass without progress.
const MOST_STALLED: u32 = 3;
/// Time between two looks at a lease that another process holds.
const LOOK: Duration = Duration::from_millis(500);

/// What became of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It is done now.
    Now,
    /// Another process did it before.
    Before,
}

/// Does a unit, or waits for the process that does it. Where `is_time_up` says that a time limit
/// is why `observer` asks to stop, the third one in a row without progress is a failure.
///
/// # Errors
/// [`ErrorKind::Interrupted`] when the observer asks to stop: everything so far is on disk;
/// if the unit's training is not done; as [`OneRun::train`] and [`analyze::analyze`]; if runs are
/// missing at the end.
pub fn work(
    plan: &UnitPlan,
    index: usize,
    observer: &dyn Observer,
    is_time_up: &dyn Fn() -> bool,
) -> Result<Done> {
    let unit = plan.unit(index)?;
    if plan.is_done(unit)? {
        return Ok(Done::Before);
    }
    let mut leases = Leases::of(&plan.folder, &unit.id, plan.beat());
    let mut is_said = false;
    loop {
        if let Some(lease) = leases.take()? {
            match under(plan, unit, lease, observer, is_time_up) {
                // Another process took over, or lost its lease without knowing and still writes.
                Err(error) if is_elsewhere(unit, &error) && !observer.should_stop() => {}
                other => return other,
            }
        }
        if observer.should_stop() {
            let found = "was left to another process";
            return Err(Error::new(ErrorKind::Interrupted, plan.title(unit), found));
        }
        if !is_said {
            is_said = true;
            observer.note(&format!(
                "{}: waiting for {}",
                plan.title(unit),
                leases.holder()
            ));
        }
        sleep(LOOK);
    }
}

/// Whether an error means that another process works on the unit's run.
fn is_elsewhere(unit: &Unit, error: &Error) -> bool {
    let is_stopped = error.kind() == ErrorKind::Interrupted && unit.run.is_some();
    is_stopped || error.kind() == ErrorKind::Busy
}

/// Does a unit under its lease, and says in it how that ended.
fn under(
    plan: &UnitPlan,
    unit: &Unit,
    lease: Lease,
    observer: &dyn Observer,
    is_time_up: &dyn Fn() -> bool,
) -> Result<Done> {
    // Whoever held it before may have done it.
    if plan.is_done(unit)? {
        lease.end(End::Done, None, 0);
        return Ok(Done::Before);
    }
    let leased = Leased { inner: observer, lease: &lease, at: Mutex::default() };
    let Err(error) = plan.make(unit, &leased) else {
        lease.end(End::Done, None, 0);
        return Ok(Done::Now);
    };
    if !matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Busy) {
        lease.end(End::Failed, Some(error.to_string()), 0);
        return Err(error);
    }
    // What stops says where: the same place as before is no progress.
    let place = format!("{error}{}", leased.position());
    let has_moved = lease.before().is_some_and(|before| before != place);
    let stalled = match (has_moved, is_time_up()) {
        (true, _) => 0,
        (false, true) => lease.stalled() + 1,
        (false, false) => lease.stalled(),
    };
    if stalled < MOST_STALLED {
        lease.end(End::Stopped, Some(place), stalled);
        return Err(error);
    }
    let found = format!("made no progress within {stalled} time limits in a row");
    let error = Error::new(ErrorKind::Data, plan.title(unit), found)
        .expected("at least one step, or one checkpoint analyzed, within each limit")
        .fix("submit it again with a longer time limit or more threads");
    lease.end(End::Failed, Some(error.to_string()), 0);
    Err(error)
}

/// An observer that also stops when the lease is lost, and remembers how far the work is.
struct Leased<'a> {
    inner: &'a dyn Observer,
    lease: &'a Lease,
    /// The stage that it last heard of, and the units done of it.
    at: Mutex<Option<(&'static str, u64)>>,
}

impl Leased<'_> {
    /// How far the work was, behind its error.
    fn position(&self) -> String {
        let at = *self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.map_or_else(String::new, |(stage, done)| format!(" ({stage} {done})"))
    }
}

impl Observer for Leased<'_> {
    fn progress(&self, progress: &Progress) {
        let at = Some((progress.stage, progress.done));
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = at;
        self.inner.progress(progress);
    }

    fn should_stop(&self) -> bool {
        self.inner.should_stop() || self.lease.is_lost()
    }

    fn note(&self, note: &str) {
        self.inner.note(note);
    }
}

impl UnitPlan {
    /// Whether nothing is left to do, with all checksums compared. The table of all runs is
    /// always made again.
    fn is_done(&self, unit: &Unit) -> Result<bool> {
        let Some(run) = unit.run else { return Ok(false) };
        let root = self.root(run);
        let Ok(there) = RunDir::open(&root) else { return Ok(false) };
        if *there.experiment() != self.experiment(run)? {
            return Ok(false);
        }
        let status = there.manifest()?.status;
        Ok(match unit.kind {
            UnitKind::Train => is_trained(status),
            _ => status == Status::Complete && is_current(&root),
        })
    }

    fn make(&self, unit: &Unit, observer: &dyn Observer) -> Result<()> {
        match (unit.kind, unit.run) {
            (UnitKind::Train, Some(run)) => self.train(run, observer),
            (UnitKind::Analyze, Some(run)) => self.analyze(run, observer),
            _ => self.gather(),
        }
    }

    fn train(&self, run: usize, observer: &dyn Observer) -> Result<()> {
        let experiment = &self.experiment(run)?;
        let data = &self.data(run)?;
        let out = &self.root(run);
        let one = OneRun { out, experiment, data, fork: None, fresh: false };
        let trained = one.train(observer)?;
        // A run whose analysis failed: its training was whole all the time.
        if trained.manifest()?.status == Status::Failed {
            trained.set_status(Status::Trained)?;
        }
        Ok(())
    }

    fn analyze(&self, run: usize, observer: &dyn Observer) -> Result<()> {
        let root = &self.root(run);
        let place = root.display().to_string();
        let untrained = || {
            Error::new(ErrorKind::Data, &place, "is not trained")
                .expected(format!("a run that unit {run} of the plan has finished"))
        };
        if !RunFile::Manifest.path(root).exists() {
            return Err(untrained());
        }
        let there = RunDir::open_to_write(root)?;
        let status = there.manifest()?.status;
        if *there.experiment() != self.experiment(run)? {
            return Err(Error::usage(&place, "holds another experiment than the plan")
                .fix("move the run away, or plan into another --out"));
        }
        if !is_trained(status) {
            return Err(untrained());
        }
        if status != Status::Complete {
            analyze::analyze(&there, &self.data(run)?, false, observer)?;
        }
        report::write(root)?;
        self.keep.apply(&there)
    }

    /// The data of a run, which must be those that were planned with.
    fn data(&self, run: usize) -> Result<Data> {
        let data = Data::load(&self.experiment(run)?)?;
        let expected = &self.runs[run].data_sha256;
        if data.sha256 == *expected {
            return Ok(data);
        }
        let found = format!("has the SHA-256 {}", data.sha256);
        Err(Error::new(ErrorKind::Data, data.name, found)
            .expected(format!("{expected}, with which the runs were planned"))
            .fix("name the directory of the data with --data, or plan again with --replace"))
    }

    /// Writes what all runs leave together.
    fn gather(&self) -> Result<()> {
        let reports = self.reports();
        gather(&self.folder, &reports)?;
        let is_left =
            |report: &Report| matches!(report.state, State::Stopped | State::Waiting);
        if !reports.iter().any(is_left) {
            let runs: Vec<PathBuf> =
                (0..self.runs.len()).map(|run| self.root(run)).collect();
            compared(&self.folder, &runs)?;
        }
        Report::verdict(&reports, &self.folder).map_err(|error| {
            let plan = self.folder.display();
            error.fix(format!("see which: stratagram sweep status {plan}"))
        })
    }

    /// What became of every run, by its files.
    pub fn reports(&self) -> Vec<Report> {
        let units = super::status::statuses(self);
        let (training, rest) = units.split_at(self.runs.len());
        let report = |run: usize| {
            let (train, analysis) = (&training[run], &rest[run]);
            let state = State::of_units(train.state, analysis.state);
            let open = RunDir::open(&self.root(run));
            Report {
                name: self.runs[run].name.clone(),
                state,
                seconds: train.seconds + analysis.seconds,
                error: train.error.clone().or_else(|| analysis.error.clone()),
                outcome: open
                    .map_or_else(|_| Outcome::default(), |run| Outcome::of(&run)),
            }
        };
        (0..self.runs.len()).map(report).collect()
    }
}

impl State {
    /// That of a run whose units are in these states.
    fn of_units(train: super::UnitState, analysis: super::UnitState) -> Self {
        use super::UnitState as Unit;
        match (train, analysis) {
            (_, Unit::Done) => Self::Done,
            (Unit::Failed, _) | (_, Unit::Failed) => Self::Failed,
            (Unit::Waiting, _) => Self::Waiting,
            _ => Self::Stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Silent;
    use crate::sweep::plan::Plan;
    use crate::sweep::units::Keep;

    /// Asks to stop at once, as a time limit does that is too short.
    struct TooShort;

    impl Observer for TooShort {
        fn progress(&self, _: &Progress) {}
        fn note(&self, _: &str) {}
        fn should_stop(&self) -> bool {
            true
        }
    }

    fn plan(folder: &std::path::Path) -> UnitPlan {
        let base = "data = { kind = 'digits', n_train = 40, n_test = 20 }\n\
            net = { kind = 'cnn5', width = 2 }\ntrain = { epochs = 2, batch_size = 32 }\n\
            analysis = { n_examples = 8, drs = { triplets = 2, resolution = 4 } }\n";
        std::fs::write(folder.join("base.toml"), base).unwrap();
        let file = folder.join("sweep.toml");
        std::fs::write(&file, "experiment = 'base.toml'\n[axes]\nseed = [0]\n").unwrap();
        let sweep = Plan::read(&file, &[]).unwrap();
        UnitPlan::new(&sweep, &folder.join("runs"), Keep::All, 15.0).unwrap()
    }

    #[test]
    fn three_time_limits_without_progress_are_a_failure_and_those_with_progress_are_none()
    {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path());
        let limited = |unit| work(&plan, unit, &TooShort, &|| true);
        // Each start of a training makes at least one of its four steps.
        for _ in 0..3 {
            assert_eq!(limited(0).unwrap_err().kind(), ErrorKind::Interrupted);
        }
        assert_eq!(limited(0).unwrap(), Done::Now);
        // An analysis stops before the first checkpoint.
        for _ in 0..2 {
            assert_eq!(limited(1).unwrap_err().kind(), ErrorKind::Interrupted);
        }
        // That another process wants the machine is no fault of the unit.
        let preempted = work(&plan, 1, &TooShort, &|| false).unwrap_err();
        assert_eq!(preempted.kind(), ErrorKind::Interrupted);
        let error = limited(1).unwrap_err();
        let expected = "analyze seed-0 made no progress within 3 time limits in a row";
        assert!(error.to_string().starts_with(expected), "{error}");
        // Tried again, it counts from the start.
        assert_eq!(limited(1).unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(work(&plan, 1, &Silent, &|| false).unwrap(), Done::Now);
        assert_eq!(limited(1).unwrap(), Done::Before);
    }

    #[test]
    fn an_analysis_before_its_training_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            work(&plan(folder.path()), 1, &Silent, &|| false).unwrap_err().to_string();
        assert!(error.ends_with(
            "is not trained; expected a run that unit 0 of the plan has finished"
        ));
    }
}
