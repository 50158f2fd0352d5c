//! All checkpoints of a run → signatures, matrices, pictures, phases, findings. What is there is kept.

use std::thread::sleep;
use std::time::Duration;

use super::findings::{self, Source};
use super::join::join;
use super::join::joined::{self, Joined};
use super::pictures;
use super::plan::Plan;
use super::reduce::reduce;
use super::store::{self, Stamp};
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::observer::{Observer, Progress, epoch_label};
use crate::phases::Phases;
use crate::run_dir::{
    AnalysisLock, Checkpoint, RunDir, RunFile, Status, finish, write_file,
};

/// Time between two looks at the run.
const INTERVAL: Duration = Duration::from_millis(300);

/// Compares every layer of a trained run with itself over the epochs, and writes signatures,
/// probes, matrices, pictures of decision regions, phases and findings into its directory.
///
/// What is there already is kept, unless `force` asks for all of it again. Cost: one forward
/// pass over training images, test images and plane points, one Gram matrix per (layer, group)
/// and one probe per layer for each checkpoint.
///
/// # Errors
/// If a checkpoint is damaged or missing, a file cannot be written, another process analyzes
/// the run while it is being trained, or the observer asks to stop.
pub fn analyze(
    run: &RunDir,
    data: &Data,
    force: bool,
    observer: &dyn Observer,
) -> Result<()> {
    let checkpoints = run.checkpoints()?;
    if checkpoints.is_empty() {
        return Err(Error::data(&run.checkpoint_dir(), "holds no checkpoint")
            .expected("at least one")
            .fix(format!(
                "train first: stratagram train … --out {}",
                run.root().display()
            )));
    }
    let _lock = wait_for_analysis(run, observer)?;
    if force {
        run.remove_analysis()?;
    }
    let result = Plan::new(run, data, observer)
        .and_then(|plan| all(&plan, &checkpoints))
        .and_then(|()| finish(run.root(), RunFile::TrainChecksums))
        .and_then(|()| finish(run.root(), RunFile::AnalysisChecksums));
    match &result {
        Ok(()) => run.set_status(Status::Complete)?,
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) => {
            // The first error is the one to report; on a full disk this write fails too.
            let _ = run.set_failed(error);
        }
    }
    result
}

fn all(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    let run = plan.run;
    let stamp = Stamp::of(plan.experiment);
    let joined = Joined::of(plan, checkpoints, &stamp)?;
    let is_drawn = pictures::are_drawn(run, checkpoints);
    let draw = || if is_drawn { Ok(()) } else { pictures::write(plan, checkpoints) };
    if !joined.is_whole() {
        run.set_status(Status::Analyzing)?;
        add(plan, (checkpoints, &joined), &stamp, draw)?;
    } else if !is_drawn {
        run.set_status(Status::Analyzing)?;
        draw()?;
    }
    // A process that was ended after the sign that all is there may have left some.
    run.remove_files(&[RunFile::Part, RunFile::LayerPart], |_| true)?;
    write_phases(run)?;
    findings::write(run, &Source::of_plan(plan, checkpoints), plan.observer)
}

/// Reduces, joins and finishes what is not joined yet; `between` comes before the sign that
/// all is there.
pub(crate) fn add(
    plan: &Plan,
    (checkpoints, joined): (&[Checkpoint], &Joined),
    stamp: &Stamp,
    between: impl FnOnce() -> Result<()>,
) -> Result<()> {
    reduce_all(plan, (checkpoints, joined), stamp)?;
    findings::remove(plan.run)?;
    join(plan, (checkpoints, joined), stamp)?;
    between()?;
    joined::finish(plan.run, checkpoints)
}

/// Writes a part for every checkpoint of which something is wanted that no part holds.
fn reduce_all(
    plan: &Plan,
    (checkpoints, joined): (&[Checkpoint], &Joined),
    stamp: &Stamp,
) -> Result<()> {
    for (done, checkpoint) in checkpoints.iter().enumerate() {
        plan.observer.progress(&Progress {
            stage: "analyze",
            done: done as u64,
            total: checkpoints.len() as u64,
            detail: format!("epoch {}", epoch_label(checkpoint.epoch)),
        });
        let (wanted, path) = (joined.wanted(done), plan.run.part(checkpoint.step));
        if wanted.is_nothing() || store::holds(&path, stamp, plan, &wanted) {
            continue;
        }
        if plan.observer.should_stop() {
            let found = format!("stopped before epoch {}", epoch_label(checkpoint.epoch));
            return Err(Error::new(ErrorKind::Interrupted, "analysis", found));
        }
        let previous = done.checked_sub(1).map(|i| &checkpoints[i]);
        let part = reduce(plan, (&wanted, stamp), (checkpoint, previous))?;
        store::write(&path, stamp, part)?;
        plan.run.remove_files(&[RunFile::LayerPart], |found| {
            found.step() == checkpoint.step
        })?;
    }
    Ok(())
}

/// Perfect fit and double descent of the run's history → `phases.json`.
pub(crate) fn write_phases(run: &RunDir) -> Result<()> {
    let phases = Phases::of(&run.curves()?);
    let text = serde_json::to_string_pretty(&phases).expect("phases are plain numbers");
    write_file(&run.phases(), (text + "\n").as_bytes())
}

/// Takes the right to analyze. A follower of a training that has ended is about to end too
/// and is waited for; one that waits for training is not.
pub(crate) fn wait_for_analysis(
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
                    observer.note("another process analyzes this run; waiting for it");
                    is_noted = true;
                }
                wait(observer)?;
            }
            taken => return taken,
        }
    }
}

/// Waits for a moment, unless the observer asks to stop.
pub(crate) fn wait(observer: &dyn Observer) -> Result<()> {
    if observer.should_stop() {
        return Err(Error::new(ErrorKind::Interrupted, "analysis", "stopped waiting"));
    }
    sleep(INTERVAL);
    Ok(())
}
