//! The pipeline after training: checkpoints → signatures → matrices → phases.
//!
//! Each checkpoint is reduced once to its signatures — the representation of each layer for
//! CKA, the decisions of its linear probe for DRS — and all pairs of epochs are compared at
//! the end. Finished checkpoints are kept as parts, so interrupted work continues where it
//! stopped, and a run that has grown adds rows.

mod across;
mod checkpoint;
mod decisions;
mod depth;
mod floor;
mod follow;
mod join;
mod joined;
mod memory;
mod plan;
mod plane_set;
mod probes;
mod recorded;
mod regions;
mod runs;
mod tables;
mod work;

use crate::array_file::npz_bytes;
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::observer::{Observer, Progress};
use crate::phases::Phases;
use crate::run_dir::{Checkpoint, RunDir, Status, write_atomic};

use plan::Plan;

pub use across::{AtEpoch, Which, compare_representations, has_signatures};
pub use follow::follow;
pub use recorded::analyze_recording;
pub use regions::{View, draw_regions};
pub use runs::compare_runs;
pub use work::Work;

/// The DRS layer that stands for the network's own decisions.
pub const OUTPUT: &str = "output";

/// The node of the pixels: the baseline among the probes.
pub const INPUT: &str = "input";

/// Compares every layer of a trained run with itself over the epochs, and writes signatures,
/// probes, matrices, pictures of decision regions and phases into its directory.
///
/// What is there already is kept, unless `force` asks for all of it anew. Cost: one forward
/// pass over training images, test images and plane points, one Gram matrix a (layer, group)
/// and one probe a layer for each checkpoint.
///
/// # Errors
/// If a checkpoint is damaged or missing, a file cannot be written, another process analyses
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
    let _lock = follow::wait_for_analysis(run, observer)?;
    if force {
        joined::remove(run)?;
    }
    let result = analyze_checkpoints(run, data, &checkpoints, observer);
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

fn analyze_checkpoints(
    run: &RunDir,
    data: &Data,
    checkpoints: &[Checkpoint],
    observer: &dyn Observer,
) -> Result<()> {
    let is_joined = joined::steps(run)? == steps_of(checkpoints);
    let is_drawn = regions::are_drawn(run, checkpoints);
    if !(is_joined && is_drawn) {
        run.set_status(Status::Analyzing)?;
        let plan = Plan::new(run, data, observer)?;
        if !is_joined {
            reduce_all(&plan, checkpoints)?;
            join::join(&plan, checkpoints)?;
        }
        regions::write(&plan, checkpoints)?;
        if !is_joined {
            joined::finish(run, checkpoints)?;
        }
    }
    write_phases(run)
}

fn steps_of(checkpoints: &[Checkpoint]) -> Vec<u64> {
    checkpoints.iter().map(|checkpoint| checkpoint.step).collect()
}

/// Writes a part for every checkpoint that has neither a part nor rows in the joined files.
fn reduce_all(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    let joined = joined::steps(plan.run)?;
    for (done, checkpoint) in checkpoints.iter().enumerate() {
        plan.observer.progress(&Progress {
            stage: "analyze",
            done: done as u64,
            total: checkpoints.len() as u64,
            detail: format!("epoch {}", checkpoint.epoch),
        });
        let path = plan.run.part(checkpoint.step);
        if joined.contains(&checkpoint.step) || path.exists() {
            continue;
        }
        if plan.observer.should_stop() {
            return Err(Error::new(
                ErrorKind::Interrupted,
                "analysis",
                format!("stopped before epoch {}", checkpoint.epoch),
            ));
        }
        let previous = done.checked_sub(1).map(|i| &checkpoints[i]);
        let part = checkpoint::reduce(plan, checkpoint, previous)?;
        write_atomic(&path, &npz_bytes(&part))?;
        probes::forget(plan, checkpoint)?;
    }
    Ok(())
}

/// Perfect fit and double descent of the run's history → `phases.json`.
fn write_phases(run: &RunDir) -> Result<()> {
    let phases = Phases::of(&run.curves()?);
    let text = serde_json::to_string_pretty(&phases).expect("phases are plain numbers");
    write_atomic(&run.phases(), (text + "\n").as_bytes())
}
