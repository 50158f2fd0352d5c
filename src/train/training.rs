//! The loop: steps, records where they are due, and the state from which it continues.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::history::Evaluator;
use super::labels::training_labels;
use super::plan::Plan;
use super::state::{Records, State};
use super::updates::Before;
use super::{nodes, until, write_labels};
use crate::array_file::{NamedArrays, read_safetensors};
use crate::data::{Data, epoch_batches};
use crate::engine::{Device, Recipe, Session, Step, Update};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{Experiment, OptimizerConfig, OptimizerKind};
use crate::net::initial_weights;
use crate::observer::{Observer, epoch_label};
use crate::run_dir::{EarlyEnd, RunDir};
use crate::seed;

/// The state is saved after this time even where no checkpoint is due.
const SAVE_INTERVAL: Duration = Duration::from_secs(20);

/// A training under way.
pub(super) struct Training<'a> {
    experiment: &'a Experiment,
    data: &'a Data,
    run: &'a RunDir,
    plan: &'a Plan,
    observer: &'a dyn Observer,
    session: Session<'a>,
    evaluator: Evaluator<'a>,
    records: Records<'a>,
    step: u64,
    /// Where `train.until` ends the training, once it is there.
    end: Option<EarlyEnd>,
    last_saved: Instant,
}

impl<'a> Training<'a> {
    /// A training that continues from the saved state, or begins: with labels, a row and a
    /// checkpoint of the first weights.
    pub(super) fn start(
        (experiment, data): (&'a Experiment, &'a Data),
        (run, plan): (&'a RunDir, &'a Plan),
        saved: Option<&State>,
        device: &Device,
        observer: &'a dyn Observer,
    ) -> Result<Self> {
        let mut training = Self {
            experiment,
            data,
            run,
            plan,
            observer,
            session: start_session(saved, experiment, data, device)?,
            evaluator: Evaluator::new(experiment, data),
            records: Records::open(run, plan, saved.map(|saved| saved.step))?,
            step: saved.map_or(0, |saved| saved.step),
            end: None,
            last_saved: Instant::now(),
        };
        if saved.is_some() {
            training.end = training.end_here()?;
        } else {
            if !run.labels().exists() {
                write_labels(experiment, data, run)?;
            }
            training.record()?;
            training.save()?;
        }
        Ok(training)
    }

    /// Trains to the end, and says after which step that was.
    pub(super) fn finish(&mut self) -> Result<u64> {
        let plan = self.plan;
        while !self.is_over() {
            let epoch = self.step / plan.steps_per_epoch;
            let done = (self.step % plan.steps_per_epoch) as usize;
            let (n, batch_size) =
                (self.data.noisy.len(), self.experiment.train.batch_size);
            let batches = epoch_batches(self.experiment.seed, epoch, n, batch_size);
            let mut left = &batches[done..];
            while !self.is_over() && !left.is_empty() {
                let together = plan.together(self.step, self.session.pace());
                let (now, later) = left.split_at(together.min(left.len()));
                self.make_steps(epoch, now)?;
                self.keep()?;
                left = later;
            }
        }
        self.save()?;
        self.tell_end()?;
        Ok(self.step)
    }

    fn is_over(&self) -> bool {
        self.end.is_some() || self.step >= self.plan.total
    }

    fn end_here(&self) -> Result<Option<EarlyEnd>> {
        until::end_at(self.step, self.experiment.train.until, (self.run, self.plan))
    }

    /// Puts into `run.json` whether and where `train.until` ended the training, and says it.
    fn tell_end(&self) -> Result<()> {
        let Some(until) = self.experiment.train.until else { return Ok(()) };
        let epoch = epoch_label(self.plan.epoch(self.step));
        self.observer.note(&match self.end {
            Some(EarlyEnd { perfect_fit, .. }) => format!(
                "train.until = \"{until}\" ends training at epoch {epoch}; the perfect fit was at {}",
                epoch_label(perfect_fit)
            ),
            None => format!(
                "train.until = \"{until}\" was not reached by epoch {epoch}, the last one"
            ),
        });
        self.run.record(|manifest| manifest.ended = self.end)
    }

    /// Makes a step with each of the batches. Where a row of the history is due after a step,
    /// it is the only one.
    fn make_steps(&mut self, epoch: u64, batches: &[Vec<usize>]) -> Result<()> {
        let (experiment, plan) = (self.experiment, self.plan);
        let started = Instant::now();
        let is_recorded = plan.history.binary_search(&(self.step + 1)).is_ok();
        let before = is_recorded.then(|| Before::of(&self.session)).transpose()?;
        let recipe = Recipe {
            epoch,
            seed: experiment.seed,
            augment: &experiment.data.augment,
            clip_norm: experiment.optimizer.clip_norm,
            label_smoothing: experiment.train.label_smoothing,
            keep_gradients: is_recorded,
        };
        let step = |(at, batch): (u64, &'_ Vec<usize>)| {
            let rate = experiment.optimizer.rate(at, plan.steps_per_epoch);
            let update = update(&experiment.optimizer, rate);
            (update, dropout_key(experiment, at), batch.len())
        };
        let settings: Vec<_> = (self.step..).zip(batches).map(step).collect();
        let steps: Vec<Step<'_>> = settings
            .iter()
            .zip(batches)
            .map(|(&(update, dropout_key, _), batch)| Step { batch, update, dropout_key })
            .collect();
        for loss in self.session.train(&recipe, &steps)? {
            plan.check_finite("the training loss", loss, self.step)?;
            self.step += 1;
        }
        if let Some(before) = before {
            let at = (self.step, plan.epoch(self.step));
            let rows = before.rows(at, &self.session, &experiment.optimizer)?;
            self.records.append_updates(&rows)?;
        }
        let examples = batches.iter().map(Vec::len).sum();
        self.records.trained(examples, started.elapsed());
        Ok(())
    }

    /// Writes what is due after a step, and stops where that is asked for.
    fn keep(&mut self) -> Result<()> {
        let checkpoint = self.record()?;
        self.session.notes().iter().for_each(|note| self.observer.note(note));
        let is_last = self.is_over();
        let stop = !is_last && self.observer.should_stop();
        if checkpoint || stop || self.last_saved.elapsed() >= SAVE_INTERVAL {
            self.save()?;
            self.last_saved = Instant::now();
        }
        if stop {
            return Err(interrupted(self.step, self.plan));
        }
        if !is_last {
            self.observer.progress(&self.records.progress(self.step));
        }
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        self.records.save_state(self.step, &self.session)
    }

    /// Writes a row of the history and a checkpoint where they are due. Says whether there was
    /// a checkpoint.
    fn record(&mut self) -> Result<bool> {
        let (plan, step) = (self.plan, self.step);
        let checkpoint = plan.checkpoints.binary_search(&step).is_ok();
        // Every checkpoint has a row.
        if plan.history.binary_search(&step).is_err() {
            return Ok(false);
        }
        let row = self.evaluator.evaluate(&mut self.session)?;
        for (quantity, loss) in
            [("the training loss", row.train_loss.0), ("the test loss", row.test_loss.0)]
        {
            plan.check_finite(quantity, loss, step)?;
        }
        if checkpoint {
            self.records.write_checkpoint(step, &self.session)?;
            if self.experiment.train.save_optimizer {
                self.records.save_optimizer(step, &self.session)?;
            }
        }
        let rate = self.experiment.optimizer.rate(step, plan.steps_per_epoch);
        self.records.append_row(step, rate, &row)?;
        self.observer.progress(&self.records.progress(step));
        if checkpoint {
            self.end = self.end_here()?;
        }
        Ok(checkpoint)
    }
}

fn start_session<'a>(
    saved: Option<&State>,
    experiment: &'a Experiment,
    data: &'a Data,
    device: &Device,
) -> Result<Session<'a>> {
    let net = experiment.net.build(data.train.shape, data.n_classes);
    let frozen = nodes::frozen(&net, &experiment.train)?;
    let scales = nodes::rate_scales(&net, &experiment.optimizer)?;
    let settings = (&frozen[..], &scales[..]);
    let of_run = (data, training_labels(experiment, data));
    let start = |weights: &NamedArrays| device.start(of_run, &net, weights, settings);
    match (saved, &experiment.init) {
        (Some(saved), _) => {
            let mut session = start(&saved.weights)?;
            session.set_optimizer_state(&saved.optimizer)?;
            Ok(session)
        }
        (None, Some(init)) => start(&read_safetensors(&init.weights)?),
        (None, None) => start(&initial_weights(&net, experiment.seed)),
    }
}

/// The key of a step's dropout: a function of seed and step alone, so that a continued training
/// drops the same values.
fn dropout_key(experiment: &Experiment, step: u64) -> u64 {
    seed::stream(experiment.seed, "dropout", step).random()
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
