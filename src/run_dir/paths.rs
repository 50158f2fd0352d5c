//! Where each file of a run directory is. `docs/FORMAT.md` describes what is in them.

use std::path::PathBuf;

use super::files::RunFile;
use super::names::step_name;
use super::run::RunDir;

impl RunDir {
    /// The experiment, resolved and complete.
    pub fn experiment_toml(&self) -> PathBuf {
        RunFile::Experiment.path(&self.root)
    }

    /// The manifest.
    pub fn run_json(&self) -> PathBuf {
        RunFile::Manifest.path(&self.root)
    }

    /// Losses and errors over training.
    pub fn history(&self) -> PathBuf {
        RunFile::History.path(&self.root)
    }

    /// Seconds and examples a second over training.
    pub fn timing(&self) -> PathBuf {
        RunFile::Timing.path(&self.root)
    }

    /// What steps do to each layer.
    pub fn updates(&self) -> PathBuf {
        RunFile::Updates.path(&self.root)
    }

    /// Labels, the corrupted ones, and the indices of analysis examples and triplets.
    pub fn labels(&self) -> PathBuf {
        RunFile::Labels.path(&self.root)
    }

    /// The directory of checkpoints.
    pub fn checkpoint_dir(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// The checkpoint after `step`.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.file(RunFile::Checkpoint, &[("step", &step_name(step))])
    }

    /// Weights, optimizer and position: what exact continuation needs.
    pub fn state(&self) -> PathBuf {
        RunFile::State.path(&self.root)
    }

    /// The optimizer's buffers after `step`: what a fork needs besides the checkpoint.
    pub fn optimizer_state(&self, step: u64) -> PathBuf {
        self.file(RunFile::OptimizerState, &[("step", &step_name(step))])
    }

    /// The signatures of one layer at all checkpoints, `[E, S]`.
    ///
    /// # Panics
    /// If a name fails [`check_name`](super::check_name).
    pub fn signatures(&self, measure: &str, group: &str, layer: &str) -> PathBuf {
        self.layer_file(RunFile::Signatures, measure, group, layer)
    }

    /// What the signatures of CKA of one layer leave out, `[E, n + 1]`.
    ///
    /// # Panics
    /// If a name fails [`check_name`](super::check_name).
    pub fn norms(&self, group: &str, layer: &str) -> PathBuf {
        self.file(RunFile::Norms, &[("group", group), ("layer", layer)])
    }

    /// The signatures of all layers at one checkpoint, kept until they are joined.
    pub fn part(&self, step: u64) -> PathBuf {
        self.file(RunFile::Part, &[("step", &step_name(step))])
    }

    /// All matrices with every digit, for when they grow.
    pub(crate) fn known_matrices(&self) -> PathBuf {
        RunFile::KnownMatrices.path(&self.root)
    }

    /// The epoch matrix of one layer, `[E, E]`.
    ///
    /// # Panics
    /// If a name fails [`check_name`](super::check_name).
    pub fn matrix(&self, measure: &str, group: &str, layer: &str) -> PathBuf {
        self.layer_file(RunFile::Matrix, measure, group, layer)
    }

    /// Step and epoch of each row and column of the matrices.
    pub fn axis_table(&self) -> PathBuf {
        RunFile::Axis.path(&self.root)
    }

    /// All matrices as one table.
    pub fn matrices_table(&self) -> PathBuf {
        RunFile::Matrices.path(&self.root)
    }

    /// Intersection over union of each class's region, `[C, E, E]`.
    ///
    /// # Panics
    /// If a name fails [`check_name`](super::check_name).
    pub fn class_iou(&self, group: &str, layer: &str) -> PathBuf {
        self.file(RunFile::ClassIou, &[("group", group), ("layer", layer)])
    }

    /// The linear probe of a layer at a checkpoint.
    ///
    /// # Panics
    /// If the layer's name fails [`check_name`](super::check_name).
    pub fn probe(&self, layer: &str, step: u64) -> PathBuf {
        self.file(RunFile::Probe, &[("layer", layer), ("step", &step_name(step))])
    }

    /// The probes' rows and votes of one layer at one checkpoint, kept until the checkpoint
    /// is done.
    ///
    /// # Panics
    /// If the layer's name fails [`check_name`](super::check_name).
    pub fn layer_part(&self, layer: &str, step: u64) -> PathBuf {
        self.file(RunFile::LayerPart, &[("layer", layer), ("step", &step_name(step))])
    }

    /// Pictures of a layer's decision regions.
    ///
    /// # Panics
    /// If the layer's name fails [`check_name`](super::check_name).
    pub fn regions(&self, layer: &str) -> PathBuf {
        self.file(RunFile::Regions, &[("layer", layer)])
    }

    /// The phases of the run.
    pub fn phases(&self) -> PathBuf {
        RunFile::Phases.path(&self.root)
    }

    fn layer_file(
        &self,
        kind: RunFile,
        measure: &str,
        group: &str,
        layer: &str,
    ) -> PathBuf {
        self.file(kind, &[("measure", measure), ("group", group), ("layer", layer)])
    }

    fn file(&self, kind: RunFile, names: &[(&str, &str)]) -> PathBuf {
        kind.path_of(&self.root, names)
    }
}
