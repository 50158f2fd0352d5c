//! Training with records: the loop, and what makes it continue exactly.
//!
//! The paper's nets are trained far past the perfect fitting of noisy labels; the history
//! shows when that happens and what becomes of the corrupted examples, the checkpoints are
//! what the analysis compares. Reads nothing but a run directory's own files; writes
//! `labels.npz`, `history.csv`, `timing.csv`, `checkpoints/` and `state/`. A [`Fork`] makes a
//! directory in which training continues from another run's checkpoint.

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
mod updates;

use std::path::Path;
use std::time::{Duration, Instant};

use rand::RngExt;

use crate::array_file::read_safetensors;
use crate::data::{Data, epoch_batches};
use crate::engine::{Engine, Regularization, Update, isa_name};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{Experiment, OptimizerConfig, OptimizerKind};
use crate::net::initial_weights;
use crate::observer::Observer;
use crate::run_dir::{RunDir, RunFile, Status, finish};
use crate::seed;

use history::Evaluator;
use labels::training_labels;
use plan::Plan;
use state::Records;
use updates::Before;

pub use fork::Fork;
pub use imported::record_imported;
pub use labels::write_labels;
pub use nodes::check_nodes;

/// The state is saved after this time even where no checkpoint is due.
const SAVE_INTERVAL: Duration = Duration::from_secs(20);

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
    let outcome = Outcome { continued_from, steps: plan.total };
    record_start(run, data, &plan, observer)?;
    if saved.is_some() && continued_from >= plan.total {
        finish(run.root(), RunFile::TrainChecksums)?;
        return Ok(outcome);
    }
    run.set_status(Status::Training)?;
    data.notes.iter().for_each(|note| observer.note(note));
    let result = train_from(saved.as_ref(), experiment, data, run, &plan, observer)
        .and_then(|()| finish(run.root(), RunFile::TrainChecksums));
    match &result {
        Ok(()) => run.set_status(Status::Trained)?,
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) => {
            // The first error is the one to report; on a full disk this write fails too.
            let _ = run.set_failed(error);
        }
    }
    result.map(|()| outcome)
}

fn train_from(
    saved: Option<&state::State>,
    experiment: &Experiment,
    data: &Data,
    run: &RunDir,
    plan: &Plan,
    observer: &dyn Observer,
) -> Result<()> {
    let n = data.noisy.len();
    let targets = training_labels(experiment, data);
    let mut engine = start_engine(saved, experiment, data)?;
    let mut evaluator = Evaluator::new(experiment, data);
    let mut records = Records::open(run, plan, saved.map(|saved| saved.step))?;
    let mut step = saved.map_or(0, |saved| saved.step);
    if saved.is_none() {
        if !run.labels().exists() {
            write_labels(experiment, data, run)?;
        }
        record(step, &mut engine, &mut evaluator, &mut records, experiment, observer)?;
        records.save_state(step, &engine)?;
    }
    let mut last_saved = Instant::now();
    while step < plan.total {
        let epoch = step / plan.steps_per_epoch;
        let done = (step % plan.steps_per_epoch) as usize;
        let batches =
            epoch_batches(experiment.seed, epoch, n, experiment.train.batch_size);
        for batch in &batches[done..] {
            let started = Instant::now();
            let augment = &experiment.data.augment;
            let images = data.training_batch(batch, epoch, experiment.seed, augment);
            let labels: Vec<u8> = batch.iter().map(|&i| targets[i]).collect();
            let loss = engine.regularized_gradients(
                &images,
                &labels,
                regularization(experiment, step),
            );
            plan.check_finite("the training loss", loss, step)?;
            if let Some(max_norm) = experiment.optimizer.clip_norm {
                engine.clip_gradients(max_norm);
            }
            let rate = experiment.optimizer.rate(step, plan.steps_per_epoch);
            let is_recorded = plan.history.binary_search(&(step + 1)).is_ok();
            let before = is_recorded.then(|| Before::of(&engine));
            engine.update(&update(&experiment.optimizer, rate));
            step += 1;
            if let Some(before) = before {
                let at = (step, plan.epoch(step));
                let rows = before.rows(at, &engine, &experiment.optimizer);
                records.append_updates(&rows)?;
            }
            records.trained(batch.len(), started.elapsed());

            let checkpoint = record(
                step,
                &mut engine,
                &mut evaluator,
                &mut records,
                experiment,
                observer,
            )?;
            let stop = step < plan.total && observer.should_stop();
            if checkpoint || stop || last_saved.elapsed() >= SAVE_INTERVAL {
                records.save_state(step, &engine)?;
                last_saved = Instant::now();
            }
            if stop {
                return Err(interrupted(step, plan));
            }
            if step == plan.total {
                break;
            }
            observer.progress(&records.progress(step));
        }
    }
    records.save_state(step, &engine)
}

/// Writes what is due at `step`: a row of the history and a checkpoint. Says whether there
/// was a checkpoint.
fn record(
    step: u64,
    engine: &mut Engine,
    evaluator: &mut Evaluator,
    records: &mut Records,
    experiment: &Experiment,
    observer: &dyn Observer,
) -> Result<bool> {
    let plan = records.plan;
    let checkpoint = plan.checkpoints.binary_search(&step).is_ok();
    // Every checkpoint has a row.
    if plan.history.binary_search(&step).is_err() {
        return Ok(false);
    }
    let row = evaluator.evaluate(engine);
    for (quantity, loss) in
        [("the training loss", row.train_loss.0), ("the test loss", row.test_loss.0)]
    {
        plan.check_finite(quantity, loss, step)?;
    }
    if checkpoint {
        records.write_checkpoint(step, engine)?;
        if experiment.train.save_optimizer {
            records.save_optimizer(step, engine)?;
        }
    }
    let rate = experiment.optimizer.rate(step, plan.steps_per_epoch);
    records.append_row(step, rate, &row)?;
    observer.progress(&records.progress(step));
    Ok(checkpoint)
}

fn start_engine(
    saved: Option<&state::State>,
    experiment: &Experiment,
    data: &Data,
) -> Result<Engine> {
    let net = experiment.net.build(data.train.shape, data.n_classes);
    let mut engine = match (saved, &experiment.init) {
        (Some(saved), _) => {
            let mut engine = Engine::new(&net, &saved.weights)?;
            engine.set_optimizer_state(&saved.optimizer)?;
            engine
        }
        (None, Some(init)) => Engine::new(&net, &read_safetensors(&init.weights)?)?,
        (None, None) => Engine::new(&net, &initial_weights(&net, experiment.seed))?,
    };
    engine.freeze(&nodes::frozen(&net, &experiment.train)?);
    engine.scale_rates(&nodes::rate_scales(&net, &experiment.optimizer)?);
    Ok(engine)
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
fn record_start(
    run: &RunDir,
    data: &Data,
    plan: &Plan,
    observer: &dyn Observer,
) -> Result<()> {
    let manifest = run.manifest()?;
    if manifest.data_sha256.as_ref().is_some_and(|sha256| *sha256 != data.sha256) {
        return Err(Error::data(run.root(), "holds a training on other data")
            .expected("data with the SHA-256 that run.json names")
            .fix("put the data back, choose another --out, or start over with --fresh"));
    }
    let device = isa_name()?;
    if let Some(before) = manifest.device.filter(|before| before != device) {
        observer.note(&format!(
            "this run was worked on with {before} instructions and goes on with {device}: from \
             here on its numbers may differ in their last digits"
        ));
    }
    run.record(|manifest| {
        manifest.data = Some(data.name.clone());
        manifest.data_sha256 = Some(data.sha256.clone());
        manifest.noise_rate = Some(data.noise_rate());
        manifest.steps_per_epoch = Some(plan.steps_per_epoch);
        manifest.threads = Some(rayon::current_num_threads());
        manifest.device = Some(device.to_owned());
    })
}

/// Smoothed labels, and the dropout of a step: its key is a function of seed and step alone,
/// so that a continued training drops the same values.
fn regularization(experiment: &Experiment, step: u64) -> Regularization {
    let dropout_key = seed::stream(experiment.seed, "dropout", step).random();
    Regularization { label_smoothing: experiment.train.label_smoothing, dropout_key }
}

fn update(config: &OptimizerConfig, lr: f64) -> Update {
    let &OptimizerConfig { momentum, nesterov, betas, eps, weight_decay, .. } = config;
    match config.kind {
        OptimizerKind::Sgd => Update::Sgd { lr, momentum, weight_decay, nesterov },
        OptimizerKind::Adam | OptimizerKind::Adamw => {
            let decoupled = config.kind == OptimizerKind::Adamw;
            Update::Adam { lr, betas, eps, weight_decay, decoupled }
        }
    }
}

fn interrupted(step: u64, plan: &Plan) -> Error {
    let found =
        format!("stopped after step {step} of {}; everything is on disk", plan.total);
    Error::new(ErrorKind::Interrupted, "training", found)
}
