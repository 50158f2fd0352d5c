//! The tensors of one file: `.safetensors`, or `torch.save` in both formats.

use std::io::{Read, Seek};
use std::path::Path;

use super::checkpoint::{Beside, Checkpoint};
use super::torch_file;
use crate::array_file::{open, read_safetensors};
use crate::error::{Error, Result};

/// Reads the tensors of a file, told apart by what it begins with; `key` names the dictionary of
/// tensors where it has several.
///
/// # Errors
/// If it is no `.safetensors` and no file of `torch.save`, is damaged, holds more than names and
/// tensors, or more than its length allows.
pub fn read_checkpoint(path: &Path, key: Option<&str>) -> Result<Checkpoint> {
    let cannot = |error| Error::io(path, "cannot be read", error);
    let (mut file, _) = open(path)?;
    let mut head = vec![];
    file.by_ref().take(15).read_to_end(&mut head).map_err(cannot)?;
    file.rewind().map_err(cannot)?;
    if extension(path).as_deref() == Some("safetensors") {
        let weights = read_safetensors(path)?;
        let (key, notes) = (String::new(), vec![]);
        return Ok(Checkpoint { weights, key, beside: Beside::default(), notes });
    }
    if head.starts_with(&torch_file::ZIP) {
        return torch_file::read_zip(file, path, key);
    }
    if head == torch_file::LEGACY {
        return torch_file::read_legacy(file, path, key);
    }
    let begin: Vec<String> =
        head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Err(Error::data(path, format!("begins with the bytes {}", begin.join(" ")))
        .expected(
            "a file of torch.save (zip, or the format before it) or a .safetensors file",
        )
        .fix("save the weights with torch.save(model.state_dict(), \"epoch-1.pt\")"))
}

fn extension(path: &Path) -> Option<String> {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase())
}
