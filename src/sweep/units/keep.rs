//! Which checkpoints stay on disk once a run is analyzed. Signatures, tables and pages always do.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::run_dir::{RunDir, RunFile, finish};

/// Which checkpoints of an analyzed run stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// None, and not the state from which training would continue either.
    None,
    /// The last one, with what is needed to train on.
    Last,
    /// All.
    #[default]
    All,
}

impl Keep {
    /// Removes what does not stay. The run is open to write, complete and has its page.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(super) fn apply(self, run: &RunDir) -> Result<()> {
        let files = [RunFile::Checkpoint, RunFile::OptimizerState];
        match self {
            Self::All => return Ok(()),
            Self::Last => {
                let last = run.checkpoint_steps()?.last().copied();
                run.remove_files(&files, |found| Some(found.step()) != last)?;
            }
            Self::None => {
                run.remove_files(&files, |_| true)?;
                run.remove_files(&[RunFile::State], |_| true)?;
            }
        }
        finish(run.root(), RunFile::TrainChecksums)
    }
}
