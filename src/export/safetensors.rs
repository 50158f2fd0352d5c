//! The checkpoints as PyTorch loads them, under their own names.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::source::Source;
use crate::error::Result;
use crate::run_dir::{checked, link_or_copy, remove_unfinished};

pub(super) const FORMAT: Format = Format {
    name: "safetensors",
    about: "Checkpoints, as PyTorch loads them",
    files: "the checkpoints",
    opened_by: "model.load_state_dict(safetensors.torch.load_file(\"OUT/step-000000336.safetensors\"))",
    takes_layers: false,
    takes_epochs: true,
    write,
};

/// Links where the file system allows it.
fn write(source: &Source, out: &Path) -> Result<Vec<PathBuf>> {
    let checkpoints = source.trained()?.checkpoints()?;
    let mut written = vec![];
    remove_unfinished(out);
    for checkpoint in checkpoints.iter().filter(|c| source.selection.has_epoch(c.epoch)) {
        let to = out.join(checkpoint.path.file_name().unwrap_or_default());
        link_or_copy(checked(&checkpoint.path)?, &to)?;
        written.push(to);
    }
    Ok(written)
}
