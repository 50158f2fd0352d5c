//! Analysis beside training: a row for every new checkpoint while another process trains.
//!
//! Training holds the run's `lock` and writes `run.json`, `history.csv` and checkpoints;
//! whoever analyzes holds `analysis.lock` and writes signatures, probes, matrices and their
//! tables. Neither writes what is the other's, so both can go on at once, in any order of
//! starts, stops and kills. Checkpoints appear whole, by renaming.

use super::findings::{self, Source};
use super::join::joined::{Joined, is_axis_of};
use super::pictures;
use super::pipeline::{add as reduce_and_join, wait, wait_for_analysis, write_phases};
use super::plan::Plan;
use super::store::Stamp;
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::observer::{Observer, Progress};
use crate::run_dir::{
    Checkpoint, Manifest, RunDir, RunFile, Status, finish as finish_list,
};

/// Analyzes a run while another process trains it: all checkpoints that are there, then each
/// new one; matrices and tables always hold whole epochs. Ends when the training has ended and
/// everything is analyzed, with the files that [`super::analyze`] gives.
///
/// `run` is open to read only: the lock is the training's.
///
/// # Errors
/// If another process analyzes the run, the training failed, a file is damaged or cannot be
/// written, or the observer asks to stop.
pub fn follow(run: &RunDir, data: &Data, observer: &dyn Observer) -> Result<()> {
    let lock = wait_for_analysis(run, observer)?;
    let plan = Plan::new(run, data, observer)?;
    let stamp = Stamp::of(plan.experiment);
    loop {
        // The status first: a checkpoint that comes later is seen in the next round.
        let manifest = run.manifest()?;
        let has_ended = has_ended(run, &manifest)?;
        let checkpoints = match manifest.steps_per_epoch {
            Some(_) => run.checkpoints()?,
            None => vec![],
        };
        if !has_ended && (checkpoints.is_empty() || is_axis_of(run, &checkpoints)?) {
            observer.progress(&Progress {
                stage: "follow",
                done: checkpoints.len() as u64,
                total: checkpoints.len() as u64 + 1,
                detail: "waiting for the next checkpoint".into(),
            });
            wait(observer)?;
            continue;
        }
        let joined = Joined::of(&plan, &checkpoints, &stamp)?;
        if has_ended && (checkpoints.is_empty() || joined.is_whole()) {
            finish(&plan, &checkpoints)?;
            break;
        }
        add(&plan, (&checkpoints, &joined), &stamp)?;
    }
    finish_list(run.root(), RunFile::AnalysisChecksums)?;
    drop(lock);
    set_complete(run)
}

/// Whether the training has ended.
fn has_ended(run: &RunDir, manifest: &Manifest) -> Result<bool> {
    match manifest.status {
        Status::Training | Status::Emptying => Ok(false),
        Status::Trained | Status::Analyzing | Status::Complete => Ok(true),
        Status::Failed => {
            let message = manifest.message.clone().unwrap_or_default();
            Err(Error::data(&run.run_json(), "says that the run failed:")
                .expected(message))
        }
    }
}

/// Adds the rows of new checkpoints to all matrices.
fn add(
    plan: &Plan,
    (checkpoints, joined): (&[Checkpoint], &Joined),
    stamp: &Stamp,
) -> Result<()> {
    match reduce_and_join(plan, (checkpoints, joined), stamp, || Ok(())) {
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

/// Pictures, phases and findings, which take the whole training.
fn finish(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    if checkpoints.is_empty() {
        return Ok(());
    }
    if !pictures::are_drawn(plan.run, checkpoints) {
        pictures::write(plan, checkpoints)?;
    }
    plan.run.remove_files(&[RunFile::Part, RunFile::LayerPart], |_| true)?;
    write_phases(plan.run)?;
    findings::write(plan.run, &Source::of_plan(plan, checkpoints), plan.observer)
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
