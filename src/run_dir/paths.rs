//! Where each file of a run directory is. `docs/FORMAT.md` describes what is in them.

use std::path::PathBuf;

use super::{RunDir, RunFile};
use crate::error::{Error, Result};

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
    /// If a name fails [`check_name`].
    pub fn signatures(&self, measure: &str, group: &str, layer: &str) -> PathBuf {
        self.layer_file(RunFile::Signatures, measure, group, layer)
    }

    /// The signatures of all layers at one checkpoint, kept until they are joined.
    pub fn part(&self, step: u64) -> PathBuf {
        self.file(RunFile::Part, &[("step", &step_name(step))])
    }

    /// The directory of the parts.
    pub fn parts_dir(&self) -> PathBuf {
        self.root.join("signatures/.parts")
    }

    /// All matrices with every digit, for when they grow.
    pub(crate) fn known_matrices(&self) -> PathBuf {
        RunFile::KnownMatrices.path(&self.root)
    }

    /// The epoch matrix of one layer, `[E, E]`.
    ///
    /// # Panics
    /// If a name fails [`check_name`].
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

    /// Label alignment and dimensions of every representation.
    pub fn representations_table(&self) -> PathBuf {
        RunFile::Representations.path(&self.root)
    }

    /// The noise floors of the matrices.
    pub fn noise_table(&self) -> PathBuf {
        RunFile::Noise.path(&self.root)
    }

    /// The shapes of decision regions.
    pub fn geometry_table(&self) -> PathBuf {
        RunFile::Geometry.path(&self.root)
    }

    /// Agreement of the layers' decision regions with each other.
    pub fn layers_table(&self) -> PathBuf {
        RunFile::Layers.path(&self.root)
    }

    /// Agreement of probes of one representation on two bootstrap samples.
    pub fn floor_table(&self) -> PathBuf {
        RunFile::Floor.path(&self.root)
    }

    /// Intersection over union of each class's region, `[C, E, E]`.
    ///
    /// # Panics
    /// If a name fails [`check_name`].
    pub fn class_iou(&self, group: &str, layer: &str) -> PathBuf {
        self.file(RunFile::ClassIou, &[("group", group), ("layer", layer)])
    }

    /// The linear probe of a layer at a checkpoint.
    ///
    /// # Panics
    /// If the layer's name fails [`check_name`].
    pub fn probe(&self, layer: &str, step: u64) -> PathBuf {
        self.file(RunFile::Probe, &[("layer", layer), ("step", &step_name(step))])
    }

    /// The probes' rows and votes of one layer at one checkpoint, kept until the checkpoint
    /// is done.
    ///
    /// # Panics
    /// If the layer's name fails [`check_name`].
    pub fn layer_part(&self, layer: &str, step: u64) -> PathBuf {
        self.file(RunFile::LayerPart, &[("layer", layer), ("step", &step_name(step))])
    }

    /// The directory of these.
    pub fn layer_parts(&self, step: u64) -> PathBuf {
        self.parts_dir().join(step_name(step))
    }

    /// The prediction depth of training images.
    pub fn prediction_depth_table(&self) -> PathBuf {
        RunFile::PredictionDepth.path(&self.root)
    }

    /// Accuracies of all probes.
    pub fn probes_table(&self) -> PathBuf {
        RunFile::Probes.path(&self.root)
    }

    /// Pictures of a layer's decision regions.
    ///
    /// # Panics
    /// If the layer's name fails [`check_name`].
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

/// `step-000000336`.
pub(super) fn step_name(step: u64) -> String {
    format!("step-{step:09}")
}

/// The step of a name that [`step_name`] gave.
pub(super) fn parse_step_name(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (step_name(step) == name).then_some(step)
}

/// Checks that `name` may be a part of a path: 1 to 80 of the characters A-Z a-z 0-9 . _ -,
/// beginning with no dot, and no device of Windows. The names of nets' nodes are such; names
/// that come from files are checked by this where they enter.
///
/// # Errors
/// If it is not.
///
/// # Example
/// ```
/// use stratagram::run_dir::check_name;
/// assert!(check_name("layer3.1.conv2").is_ok());
/// assert!(check_name("../../home").is_err());
/// ```
pub fn check_name(name: &str) -> Result<()> {
    if is_plain(name) && name.len() <= 80 && !is_reserved(name) {
        return Ok(());
    }
    let shown: String = name.chars().take(80).flat_map(char::escape_default).collect();
    Err(Error::usage(format!("the name `{shown}`"), "cannot be a file name").expected(
        "1 to 80 of the characters A-Z a-z 0-9 . _ - (not beginning with a dot)",
    ))
}

/// Whether a name has the characters of [`check_name`].
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

/// Names that stand for devices on Windows, with any extension.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let numbered = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || numbered.is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_names_go_both_ways() {
        for step in [0, 336, 999_999_999, 1_000_000_000] {
            assert_eq!(parse_step_name(&step_name(step)), Some(step));
        }
        for name in
            ["step-", "step-1", "step-00000000x", "step-+00000001", "xstep-000000001"]
        {
            assert_eq!(parse_step_name(name), None, "{name}");
        }
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        for name in ["layer3.1.conv2", "fc", "cka-biased", "A_b-9", "conv", "com"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let long = "x".repeat(81);
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "/etc",
            "a\0b",
            "ä",
            "a b",
            "\u{202e}x",
            "\x1b[31m",
            "con",
            "NUL.npy",
            "com1",
            "lpt9.x",
            ".hidden",
            &long,
        ] {
            let error = check_name(name).unwrap_err();
            assert!(!error.to_string().contains(['\0', '\x1b']), "{error}");
        }
    }
}
