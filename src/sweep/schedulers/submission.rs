//! What a scheduler is, and what is handed over to it.

use std::path::PathBuf;

use crate::error::Result;
use crate::run_dir::write_atomic;
use crate::sweep::units::{Batch, UnitPlan};

/// A scheduler.
#[derive(Debug, Clone, Copy)]
pub struct Scheduler {
    /// Its name on the command line.
    pub name: &'static str,
    /// In a few words.
    pub about: &'static str,
    /// How many tasks one of its arrays may have.
    pub most_tasks: fn() -> usize,
    /// The files to write; the first is the one to run.
    pub scripts: fn(&Submission) -> Vec<Script>,
}

/// What is handed over.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The plan.
    pub plan: &'a UnitPlan,
    /// The job arrays.
    pub batches: &'a [Batch],
    /// Units of each task.
    pub pack: usize,
    /// How many tasks may go on at a time, if that is limited.
    pub at_once: Option<usize>,
    /// The user's own options for the scheduler.
    pub options: &'a [String],
    /// The words that start this program.
    pub program: &'a [String],
}

/// A file of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its path.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

impl Script {
    /// Writes the file.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn write(&self) -> Result<()> {
        write_atomic(&self.path, self.text.as_bytes())
    }
}

impl Submission<'_> {
    /// The number of the unit that puts all runs together.
    pub(super) fn last_unit(&self) -> usize {
        self.plan.units.len() - 1
    }

    /// The words that start `unit run` on this plan.
    pub(super) fn unit_run(&self) -> Vec<String> {
        let plan = self.plan.path().display().to_string();
        let words = ["unit".to_owned(), "run".to_owned(), "--plan".to_owned(), plan];
        self.program.iter().cloned().chain(words).collect()
    }

    /// The flags of `unit run` that name a batch's units.
    pub(super) fn flags(&self, batch: &Batch) -> Vec<String> {
        let units = format!("{}..{}", batch.units.start(), batch.units.end());
        let pack = self.pack.to_string();
        vec!["--units".to_owned(), units, "--pack".to_owned(), pack]
    }
}
