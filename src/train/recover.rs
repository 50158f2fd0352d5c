//! Where a training continues whose `state/last.safetensors` is missing: at the newest checkpoint
//! that the next step can be made from.

use super::plan::Plan;
use super::state::{self, State, has_memory};
use crate::array_file::{NamedArrays, read_safetensors};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::observer::Observer;
use crate::run_dir::{RunDir, checked, write_file};

/// The state that was saved, or the one that the newest checkpoint with its optimizer buffers
/// gives; nothing where training has not passed its first step.
///
/// # Errors
/// If a file is damaged, or checkpoints are there and none has the buffers.
pub(super) fn saved_state(
    experiment: &Experiment,
    run: &RunDir,
    plan: &Plan,
    observer: &dyn Observer,
) -> Result<Option<State>> {
    if let Some(saved) = state::read(&run.state())? {
        return Ok(Some(saved));
    }
    let mut steps = run.checkpoint_steps()?;
    steps.retain(|step| *step > plan.inherited.unwrap_or(0));
    if steps.is_empty() {
        return Ok(None);
    }
    let path = run.state();
    for step in steps.into_iter().rev() {
        let optimizer = match state::read(&run.optimizer_state(step))? {
            Some(buffers) => buffers.optimizer,
            None if has_memory(&experiment.optimizer) => continue,
            None => NamedArrays::default(),
        };
        let weights = read_safetensors(checked(&run.checkpoint(step))?)?;
        observer.note(&format!(
            "{} is missing: training continues from the checkpoint of epoch {}",
            path.display(),
            plan.epoch(step)
        ));
        let state = State { step, weights, optimizer };
        write_file(&path, &state::state_bytes(&state))?;
        return Ok(Some(state));
    }
    Err(Error::data(&path, "is missing")
        .expected(
            "the state that training left, or the optimizer's buffers of a checkpoint",
        )
        .fix("restore it from a backup, or start over with --fresh"))
}
