//! What training leaves on disk besides labels: checkpoints, tables, and the state from which
//! it continues.

use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::plan::Plan;
use crate::array_file::{
    Array, NamedArrays, Values, npy_bytes, read_safetensors, safetensors_bytes,
};
use crate::engine::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{OptimizerConfig, OptimizerKind};
use crate::observer::{Progress, epoch_label};
use crate::run_dir::tables::{HistoryRow, TimingRow, UpdateRow};
use crate::run_dir::{
    Fixed, Maybe, MaybeStep, Number, RunDir, TableLog, checked, remove_file, write_file,
};

/// Prefixes of the names in `state/last.safetensors`.
const WEIGHTS: &str = "weights/";
const OPTIMIZER: &str = "optimizer/";

/// A position in training, with everything that the next step depends on.
#[derive(Debug, PartialEq)]
pub(super) struct State {
    pub(super) step: u64,
    pub(super) weights: NamedArrays,
    pub(super) optimizer: NamedArrays,
}

/// Reads a state, if there is one.
///
/// # Errors
/// If the file is damaged: its checksum covers every bit.
pub(super) fn read(path: &Path) -> Result<Option<State>> {
    if !path.exists() {
        return Ok(None);
    }
    let mut arrays = read_safetensors(checked(path)?)?;
    let damaged = |found: &str| {
        Error::data(path, found).expected("the state as it was written").fix(
            "restore the file from a backup, or start over with --fresh; the checkpoints \
             and tables are intact",
        )
    };
    let take = |arrays: &mut NamedArrays, name: &str| {
        let at = arrays.0.iter().position(|(own, _)| own == name)?;
        Some(arrays.0.remove(at).1)
    };
    let stored = take(&mut arrays, "sha256").ok_or_else(|| damaged("has no checksum"))?;
    if stored.values != Values::U8(checksum(&arrays)) {
        return Err(damaged("does not match its checksum"));
    }
    let step = take(&mut arrays, "step").and_then(|step| step.to_i64());
    let Some(&[step]) = step.as_deref() else { return Err(damaged("has no step")) };
    let mut state = State {
        step: u64::try_from(step).map_err(|_| damaged("has a negative step"))?,
        weights: NamedArrays::default(),
        optimizer: NamedArrays::default(),
    };
    for (name, array) in arrays.0 {
        if let Some(name) = name.strip_prefix(WEIGHTS) {
            state.weights.push(name, array);
        } else if let Some(name) = name.strip_prefix(OPTIMIZER) {
            state.optimizer.push(name, array);
        } else {
            return Err(damaged("has an unknown tensor"));
        }
    }
    Ok(Some(state))
}

/// Whether an optimizer keeps buffers from step to step.
pub(super) fn has_memory(optimizer: &OptimizerConfig) -> bool {
    optimizer.kind != OptimizerKind::Sgd || optimizer.momentum > 0.0
}

pub(super) fn state_bytes(state: &State) -> Vec<u8> {
    let mut arrays = NamedArrays::default();
    arrays.push("step", Array::i64(&[], vec![state.step as i64]));
    for (prefix, part) in [(WEIGHTS, &state.weights), (OPTIMIZER, &state.optimizer)] {
        for (name, array) in &part.0 {
            arrays.push(format!("{prefix}{name}"), array.clone());
        }
    }
    let sum = checksum(&arrays);
    arrays.push("sha256", Array::u8(&[sum.len()], sum));
    safetensors_bytes(&arrays)
}

/// SHA-256 over names, types, shapes and elements, in the order of names.
fn checksum(arrays: &NamedArrays) -> Vec<u8> {
    let mut sorted: Vec<&(String, Array)> = arrays.0.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut hash = Sha256::new();
    for (name, array) in sorted {
        let bytes = npy_bytes(array);
        for part in [name.as_bytes(), &bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().to_vec()
}

/// The files that grow with training.
pub(super) struct Records<'a> {
    pub(super) plan: &'a Plan,
    run: &'a RunDir,
    history: TableLog<HistoryRow>,
    timing: TableLog<TimingRow>,
    updates: TableLog<UpdateRow>,
    examples: usize,
    seconds: Duration,
    detail: String,
}

impl<'a> Records<'a> {
    /// Opens the tables; what is later than the saved step, or all of it without one, is
    /// removed.
    pub(super) fn open(
        run: &'a RunDir,
        plan: &'a Plan,
        saved: Option<u64>,
    ) -> Result<Self> {
        for step in run.checkpoint_steps()? {
            if saved.is_none_or(|saved| step > saved) {
                remove_file(&run.checkpoint(step))?;
                remove_file(&run.optimizer_state(step))?;
            }
        }
        let history = match saved {
            None => TableLog::create(run.root())?,
            Some(step) => TableLog::continue_after(run.root(), step)?,
        };
        let timing = match saved {
            Some(step) if run.timing().exists() => {
                TableLog::continue_after(run.root(), step)?
            }
            _ => TableLog::create(run.root())?,
        };
        let updates = match saved {
            Some(step) if run.updates().exists() => {
                TableLog::continue_after(run.root(), step)?
            }
            _ => TableLog::create(run.root())?,
        };
        if let Some(saved) = saved {
            check_complete(run, plan, &history, saved)?;
        }
        Ok(Self {
            plan,
            run,
            history,
            timing,
            updates,
            examples: 0,
            seconds: Duration::ZERO,
            detail: String::new(),
        })
    }

    /// Counts a step.
    pub(super) fn trained(&mut self, examples: usize, time: Duration) {
        self.examples += examples;
        self.seconds += time;
    }

    pub(super) fn write_checkpoint(
        &self,
        step: u64,
        session: &Session<'_>,
    ) -> Result<()> {
        let weights = session.weights()?;
        self.check_weights(&weights, step)?;
        write_file(&self.run.checkpoint(step), &safetensors_bytes(&weights))
    }

    /// Keeps the optimizer's buffers at a checkpoint, where there are any.
    pub(super) fn save_optimizer(&self, step: u64, session: &Session<'_>) -> Result<()> {
        let optimizer = session.optimizer_state()?;
        if optimizer.0.is_empty() {
            return Ok(());
        }
        let state = State { step, weights: NamedArrays::default(), optimizer };
        write_file(&self.run.optimizer_state(step), &state_bytes(&state))
    }

    /// Appends what a step did to each layer.
    pub(super) fn append_updates(&mut self, rows: &[UpdateRow]) -> Result<()> {
        self.updates.append_all(rows)
    }

    /// Appends a row to the history, and one to the timing where steps were made.
    pub(super) fn append_row(
        &mut self,
        step: u64,
        rate: f64,
        row: &HistoryRow,
    ) -> Result<()> {
        let epoch = self.plan.epoch(step);
        self.detail = format!(
            "epoch {}  train error {:.3}  test {:.3}",
            epoch_label(epoch),
            row.train_error.0,
            row.test_error.0
        );
        self.history.append(&HistoryRow {
            step: MaybeStep(Some(step)),
            epoch: Number(epoch),
            // Of imported checkpoints the rate is unknown.
            lr: Maybe(rate),
            ..*row
        })?;
        if self.examples > 0 {
            let seconds = self.seconds.as_secs_f64();
            let speed = self.examples as f64 / seconds.max(1e-9);
            self.timing.append(&TimingRow {
                step,
                seconds: Fixed(seconds),
                examples_per_second: Fixed(speed),
            })?;
            (self.examples, self.seconds) = (0, Duration::ZERO);
        }
        Ok(())
    }

    /// Saves the state, after the tables up to it are on disk.
    pub(super) fn save_state(&mut self, step: u64, session: &Session<'_>) -> Result<()> {
        let state = State {
            step,
            weights: session.weights()?,
            optimizer: session.optimizer_state()?,
        };
        self.check_weights(&state.weights, step)?;
        self.history.sync()?;
        self.timing.sync()?;
        self.updates.sync()?;
        write_file(&self.run.state(), &state_bytes(&state))
    }

    pub(super) fn progress(&self, step: u64) -> Progress {
        Progress {
            stage: "train",
            done: step,
            total: self.plan.total,
            detail: self.detail.clone(),
        }
    }

    /// A state that cannot be continued must not replace one that can.
    fn check_weights(&self, weights: &NamedArrays, step: u64) -> Result<()> {
        for (name, array) in &weights.0 {
            let Values::F32(values) = &array.values else { continue };
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return self.plan.check_finite(
                    &format!("`{name}`"),
                    f64::from(*value),
                    step,
                );
            }
        }
        Ok(())
    }
}

/// That no file is missing which training up to the saved step has written.
fn check_complete(
    run: &RunDir,
    plan: &Plan,
    history: &TableLog<HistoryRow>,
    saved: u64,
) -> Result<()> {
    let missing = |path: &Path, step: u64| {
        Error::new(
            ErrorKind::Data,
            path.display().to_string(),
            "is missing or lacks a row",
        )
        .expected(format!("what training left at step {step}"))
        .fix("restore it from a backup, or start over with --fresh")
    };
    // What a fork has taken over follows its parent's plan.
    let own = |step: &u64| *step <= saved && plan.inherited.is_none_or(|i| *step > i);
    let until = |steps: &[u64]| steps.iter().copied().filter(own).collect::<Vec<_>>();
    for step in until(&plan.history) {
        if history.steps().binary_search(&step).is_err() {
            return Err(missing(&run.history(), step));
        }
    }
    for step in until(&plan.checkpoints) {
        if !run.checkpoint(step).exists() {
            return Err(missing(&run.checkpoint(step), step));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_back_and_every_flipped_bit_is_noticed() {
        let arrays =
            |name: &str| NamedArrays(vec![(name.into(), Array::f32(&[1], vec![0.5]))]);
        let state =
            State { step: 9, weights: arrays("w"), optimizer: arrays("momentum/w") };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("last.safetensors");
        assert_eq!(read(&path).unwrap(), None);
        let bytes = state_bytes(&state);
        write_file(&path, &bytes).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), state);
        for bit in 0..8 * bytes.len() {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &damaged).unwrap();
            // Bits of the header's metadata and padding are no part of the state.
            if let Ok(read) = read(&path) {
                assert_eq!(read.unwrap(), state, "bit {bit}");
            }
        }
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(read(&path).is_err(), "{length} bytes");
        }
    }
}
