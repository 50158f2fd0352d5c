//! What is being joined, and the tables that grow with it.

use super::joined::Joined;
use super::known::Known;
use super::matrices::Matrices;
use crate::analyze::part::Numbers;
use crate::analyze::plan::Plan;
use crate::analyze::store;
use crate::error::{Error, Result};
use crate::observer::Progress;
use crate::run_dir::{Checkpoint, Place, Row};

/// The checkpoints that are joined, what was joined earlier and what comes of it.
pub(crate) struct Join<'a> {
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) checkpoints: &'a [Checkpoint],
    pub(crate) joined: &'a Joined,
    pub(crate) matrices: Matrices<'a>,
    /// All matrices, for the next time.
    pub(crate) found: Known,
    /// What the parts say by themselves; none of a checkpoint without a part.
    numbers: Vec<Option<Numbers>>,
    n_done: u64,
}

impl<'a> Join<'a> {
    pub(super) fn new(
        plan: &'a Plan<'a>,
        checkpoints: &'a [Checkpoint],
        joined: &'a Joined,
    ) -> Result<Self> {
        let read = |(at, checkpoint): (usize, &Checkpoint)| {
            let wanted = joined.wanted(at);
            let has_numbers = wanted.representations || wanted.probes || wanted.decisions;
            let part = plan.run.part(checkpoint.step);
            has_numbers.then(|| store::numbers(&part)).transpose()
        };
        Ok(Self {
            plan,
            checkpoints,
            joined,
            matrices: Matrices::new(plan.run, checkpoints),
            found: Known::over(checkpoints.iter().map(|c| c.step).collect()),
            numbers: checkpoints.iter().enumerate().map(read).collect::<Result<_>>()?,
            n_done: 0,
        })
    }

    /// Says that a place is next.
    pub(super) fn progress(&mut self, place: Place<'_>) {
        self.plan.observer.progress(&Progress {
            stage: "compare",
            done: self.n_done,
            total: self.plan.n_places(),
            detail: place.to_string(),
        });
        self.n_done += 1;
    }

    /// The rows of a table: those of the first `n_joined` checkpoints as they are, then what
    /// `rows` makes of the other checkpoints' numbers.
    pub(super) fn table<R: Row>(
        &self,
        n_joined: usize,
        step: impl Fn(&R) -> u64,
        rows: impl Fn(&Checkpoint, &Numbers) -> Vec<R>,
    ) -> Result<Vec<R>> {
        let (earlier, new) = self.checkpoints.split_at(n_joined);
        let mut table = if n_joined > 0 { self.plan.run.rows::<R>()? } else { vec![] };
        table.retain(|row| earlier.iter().any(|checkpoint| checkpoint.step == step(row)));
        for (checkpoint, numbers) in new.iter().zip(&self.numbers[n_joined..]) {
            let numbers = numbers.as_ref().ok_or_else(|| {
                Error::data(&self.plan.run.part(checkpoint.step), "is missing")
                    .fix("analyze again with --force")
            })?;
            table.extend(rows(checkpoint, numbers));
        }
        Ok(table)
    }
}
