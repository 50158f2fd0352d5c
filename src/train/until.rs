//! The end of a training that `train.until` ends before its last step.
//!
//! It lies at a checkpoint of the schedule, and is a function of the history up to there. So the
//! schedule stays what it is, a killed run ends where an undisturbed one does, and runs of several
//! seeds have their epochs in common.

use super::plan::Plan;
use crate::error::Result;
use crate::experiment::Until;
use crate::phases::{Curves, Phases};
use crate::run_dir::tables::HistoryRow;
use crate::run_dir::{EarlyEnd, RunDir};

/// The end of the training in `run`, if it is at `step`.
///
/// # Errors
/// If the history cannot be read.
pub(super) fn end_at(
    step: u64,
    until: Option<Until>,
    (run, plan): (&RunDir, &Plan),
) -> Result<Option<EarlyEnd>> {
    let Some(until) = until else { return Ok(None) };
    // A fork trains at least to a checkpoint of its own.
    let is_own = plan.inherited.is_none_or(|inherited| step > inherited);
    if !is_own || plan.checkpoints.binary_search(&step).is_err() {
        return Ok(None);
    }
    let rows = run.rows::<HistoryRow>()?;
    let column =
        |of: fn(&HistoryRow) -> f64| -> Vec<f64> { rows.iter().map(of).collect() };
    let curves = Curves::new(
        column(|row| row.epoch.0),
        column(|row| row.train_error.0),
        column(|row| row.test_error.0),
    )?;
    let epoch = plan.epoch(step);
    // Before it is settled, later rows could still move it.
    let fit = Phases::of(&curves).perfect_fit.settled();
    let fit = fit.filter(|fit| until.is_reached(epoch, *fit));
    Ok(fit.map(|perfect_fit| EarlyEnd { step, epoch, perfect_fit }))
}
