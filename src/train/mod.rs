//! Training with records: the loop, and what makes it continue exactly.
//!
//! The paper's nets are trained far past the perfect fitting of noisy labels; the history
//! shows when that happens and what becomes of the corrupted examples, the checkpoints are
//! what the analysis compares. Reads nothing but a run directory's own files; writes
//! `labels.npz`, `history.csv`, `timing.csv`, `checkpoints/` and `state/`. A [`Fork`] makes a
//! directory in which training continues from another run's checkpoint.
//!
//! More than a dozen files: each is one table or state that a training writes, or one decision about
//! where it begins and ends.

mod fork;
mod history;
mod imported;
mod labels;
mod loss;
mod nodes;
mod plan;
mod recover;
mod state;
#[cfg(test)]
mod tests;
mod training;
mod until;
mod updates;

use std::path::Path;

use crate::data::Data;
use crate::engine::Device;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::Experiment;
use crate::observer::Observer;
use crate::run_dir::{EngineSpan, RunDir, RunFile, Status, finish};

use labels::training_labels;
use plan::Plan;
use training::Training;

pub use fork::Fork;
pub use imported::record_imported;
pub use labels::write_labels;
pub use nodes::check_nodes;

/// What [`train`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Steps that were there before.
    pub continued_from: u64,
    /// Steps in all.
    pub steps: u64,
}

/// Trains the net of `experiment` on `data` into `run`, continuing where an earlier process
/// stopped; a complete training is left as it is.
///
/// However often it is interrupted, and with whatever number of threads, every file but
/// `timing.csv` and `run.json` gets the same bytes. At a step with records the order is:
/// checkpoint, history row, state; what is later than the state is removed and made again.
///
/// Cost: one forward and backward pass a step; a history row takes a forward pass over both
/// sets and, with recomputed `BatchNorm` statistics, one more over each. Both sets
/// are held as they are stored; batches are normalized when they are needed.
///
/// # Errors
/// [`ErrorKind::Interrupted`] when the observer asks to stop; [`ErrorKind::NonFinite`] when a
/// loss or weight is NaN or infinite, with the last good checkpoint kept; if `run` holds
/// another data set's training or damaged files; if the operating system refuses.
pub fn train(
    experiment: &Experiment,
    data: &Data,
    run: &RunDir,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let fork = run.manifest()?.fork;
    let plan = Plan::new(experiment, data, fork.map(|fork| fork.step));
    let saved = recover::saved_state(experiment, run, &plan, observer)?;
    check_beginning(experiment, run, &plan, saved.as_ref())?;
    let continued_from = saved.as_ref().map_or(0, |saved| saved.step);
    record_start(run, data, &plan)?;
    if saved.is_some() && is_over(experiment, run, continued_from, &plan)? {
        finish(run.root(), RunFile::TrainChecksums)?;
        return Ok(Outcome { continued_from, steps: continued_from });
    }
    let labels = training_labels(experiment, data);
    let device = Device::open(&experiment.engine, data, labels)?;
    record_device(run, &device.title()?, experiment, continued_from, observer)?;
    run.set_status(Status::Training)?;
    data.notes.iter().for_each(|note| observer.note(note));
    let of_run = (experiment, data);
    let result = Training::start(of_run, (run, &plan), saved.as_ref(), &device, observer)
        .and_then(|mut training| training.finish())
        .and_then(|steps| finish(run.root(), RunFile::TrainChecksums).map(|()| steps));
    match &result {
        Ok(_) => run.set_status(Status::Trained)?,
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) => {
            // The first error is the one to report; on a full disk this write fails too.
            let _ = run.set_failed(error);
        }
    }
    result.map(|steps| Outcome { continued_from, steps })
}

/// Whether nothing is left to be trained after a step, by what `run.json` says of an early end.
fn is_over(
    experiment: &Experiment,
    run: &RunDir,
    step: u64,
    plan: &Plan,
) -> Result<bool> {
    let ended = run.manifest()?.ended.zip(experiment.train.until);
    let is_early = ended.is_some_and(|(end, until)| {
        end.step == step && until.is_reached(end.epoch, end.perfect_fit)
    });
    Ok(is_early || step >= plan.total)
}

/// That a run which is to begin at its first step is no fork, and asks for nothing that only
/// forks can do.
fn check_beginning(
    experiment: &Experiment,
    run: &RunDir,
    plan: &Plan,
    saved: Option<&state::State>,
) -> Result<()> {
    if saved.is_some() {
        return Ok(());
    }
    if plan.inherited.is_some() {
        return Err(Error::data(run.root(), "is a fork that was not begun to its end")
            .expected("the state that it starts from")
            .fix("repeat the command with its --from, or start over with --fresh"));
    }
    check_no_fork(experiment)
}

/// Checks that a run in `out` can begin where it is to: at the fork, or at the first step.
///
/// # Errors
/// As [`Fork::check`]; a usage error if `train.freeze` or `train.reinit` name no layer, or
/// layers are to be re-initialized without a fork.
pub fn check_start(
    fork: Option<&Fork>,
    out: &Path,
    experiment: &Experiment,
    data: &Data,
) -> Result<()> {
    check_nodes(experiment, data)?;
    match fork {
        Some(fork) => fork.check(experiment, data, out),
        // A fork that is there continues without its parent.
        None if RunFile::Manifest.path(out).exists() => Ok(()),
        None => check_no_fork(experiment),
    }
}

/// That the experiment asks for nothing that only a fork can do.
fn check_no_fork(experiment: &Experiment) -> Result<()> {
    if experiment.train.reinit.is_empty() {
        return Ok(());
    }
    Err(Error::usage("`train.reinit`", "is given without a run to fork")
        .expected("none: every layer starts from `seed`")
        .fix("name the run and epoch with --from RUN@EPOCH"))
}

/// Puts what this process knows into `run.json`, and checks what an earlier one put there.
fn record_start(run: &RunDir, data: &Data, plan: &Plan) -> Result<()> {
    let manifest = run.manifest()?;
    if manifest.data_sha256.as_ref().is_some_and(|sha256| *sha256 != data.sha256) {
        return Err(Error::data(run.root(), "holds a training on other data")
            .expected("data with the SHA-256 that run.json names")
            .fix("put the data back, choose another --out, or start over with --fresh"));
    }
    run.record(|manifest| {
        manifest.data = Some(data.name.clone());
        manifest.data_sha256 = Some(data.sha256.clone());
        manifest.noise_rate = Some(data.noise_rate());
        manifest.steps_per_epoch = Some(plan.steps_per_epoch);
        manifest.threads = Some(rayon::current_num_threads());
    })
}

/// Puts into `run.json` what trains the net from `step` on, and says where that changes.
fn record_device(
    run: &RunDir,
    title: &str,
    experiment: &Experiment,
    step: u64,
    observer: &dyn Observer,
) -> Result<()> {
    const NATIVE: &str = "native";
    let engine = if experiment.engine.is_native() { NATIVE } else { title };
    let manifest = run.manifest()?;
    let before = manifest.engines.last().map_or(NATIVE, |span| &span.engine).to_owned();
    let changes = before != engine;
    if changes && step > 0 {
        observer.note(&format!(
            "from step {step} on, training is on another engine: {engine}, before {before}; \
             results are the same but for rounding"
        ));
    }
    if let Some(before) = manifest.device.filter(|own| own != title && !changes) {
        observer.note(&format!(
            "this run was worked on with {before} instructions and goes on with {title}: from \
             here on its numbers may differ in their last digits"
        ));
    }
    run.record(|manifest| {
        manifest.device = Some(title.to_owned());
        if !changes {
            return;
        }
        let span =
            |from_step, engine: &str| EngineSpan { from_step, engine: engine.into() };
        // A step that was trained again leaves no trace of what trained it first.
        manifest.engines.retain(|span| span.from_step < step);
        if manifest.engines.is_empty() && step > 0 {
            manifest.engines.push(span(0, NATIVE));
        }
        manifest.engines.push(span(step, engine));
    })
}
