//! Analysis beside training: a row for every new checkpoint while another process trains.
//!
//! Training holds the run's `lock` and writes `run.json`, `history.csv` and checkpoints;
//! whoever analyses holds `analysis.lock` and writes signatures, probes, matrices and their
//! tables. Neither writes what is the other's, so both can go on at once, in any order of
//! starts, stops and kills. Checkpoints appear whole, by renaming.

use std::thread::sleep;
use std::time::Duration;

use super::plan::Plan;
use super::{join, joined, reduce_all, regions, steps_of, write_phases};
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::observer::{Observer, Progress};
use crate::run_dir::{AnalysisLock, Checkpoint, RunDir, Status};

/// Time between two looks at the run.
const INTERVAL: Duration = Duration::from_millis(300);

/// Analyses a run while another process trains it: all checkpoints that are there, then each
/// new one; matrices and tables always hold whole epochs. Ends when the training has ended and
/// everything is analysed, with the files that [`super::analyze`] gives.
///
/// `run` is open to read only: the lock is the training's.
///
/// # Errors
/// If another process analyses the run, the training failed, a file is damaged or cannot be
/// written, or the observer asks to stop.
pub fn follow(run: &RunDir, data: &Data, observer: &dyn Observer) -> Result<()> {
    let lock = wait_for_analysis(run, observer)?;
    let plan = Plan::new(run, data, observer)?;
    loop {
        // The status first: a checkpoint that comes later is seen in the next round.
        let manifest = run.manifest()?;
        let has_ended = match manifest.status {
            Status::Training | Status::Emptying => false,
            Status::Trained | Status::Analyzing | Status::Complete => true,
            Status::Failed => {
                let message = manifest.message.unwrap_or_default();
                return Err(Error::data(&run.run_json(), "says that the run failed:")
                    .expected(message));
            }
        };
        let checkpoints = match manifest.steps_per_epoch {
            Some(_) => run.checkpoints()?,
            None => vec![],
        };
        if checkpoints.is_empty() || joined::steps(run)? == steps_of(&checkpoints) {
            if has_ended {
                finish(&plan, &checkpoints)?;
                break;
            }
            observer.progress(&Progress {
                stage: "follow",
                done: checkpoints.len() as u64,
                total: checkpoints.len() as u64 + 1,
                detail: "waiting for the next checkpoint".into(),
            });
            wait(observer)?;
        } else {
            add(&plan, &checkpoints)?;
        }
    }
    drop(lock);
    set_complete(run)
}

/// Adds the rows of new checkpoints to all matrices.
fn add(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    let result = reduce_all(plan, checkpoints)
        .and_then(|()| join::join(plan, checkpoints))
        .and_then(|()| joined::finish(plan.run, checkpoints));
    match result {
        // A training that continues after a kill removes what is later than its state, and
        // makes the same again.
        Err(error)
            if error.kind() != ErrorKind::Interrupted
                && checkpoints.iter().any(|checkpoint| !checkpoint.path.exists()) =>
        {
            wait(plan.observer)
        }
        Ok(()) => {
            // A row of the history may just be half written; the next round reads it whole.
            let _ = write_phases(plan.run);
            Ok(())
        }
        error => error,
    }
}

/// Pictures and phases, which take the whole training.
fn finish(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    if checkpoints.is_empty() {
        return Ok(());
    }
    if !regions::are_drawn(plan.run, checkpoints) {
        regions::write(plan, checkpoints)?;
    }
    write_phases(plan.run)
}

/// Says in `run.json` that all is there, unless a process has the run open to write: that
/// one will find the analysis done.
fn set_complete(run: &RunDir) -> Result<()> {
    match RunDir::open_to_write(run.root()) {
        Ok(run) => {
            let is_trained = run.manifest()?.status != Status::Training;
            if is_trained { run.set_status(Status::Complete) } else { Ok(()) }
        }
        Err(error) if error.kind() == ErrorKind::Busy => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes the right to analyse. A follower of a training that has ended is about to end too
/// and is waited for; one that waits for training is not.
pub(super) fn wait_for_analysis(
    run: &RunDir,
    observer: &dyn Observer,
) -> Result<AnalysisLock> {
    let mut is_noted = false;
    loop {
        match run.lock_analysis() {
            Err(error) if error.kind() == ErrorKind::Busy => {
                let has_ended = run.manifest()?.status != Status::Training;
                if !has_ended {
                    return Err(error);
                }
                if !is_noted {
                    observer.note("another process analyses this run; waiting for it");
                    is_noted = true;
                }
                wait(observer)?;
            }
            taken => return taken,
        }
    }
}

fn wait(observer: &dyn Observer) -> Result<()> {
    if observer.should_stop() {
        return Err(Error::new(ErrorKind::Interrupted, "analysis", "stopped waiting"));
    }
    sleep(INTERVAL);
    Ok(())
}
