//! The checkpoints of a run: found, read and checked against the net.

use std::fs;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::checkpoint::Checkpoint;
use super::names::{self, NameMap};
use super::time::{self, Time};
use super::torch_file;
use crate::array_file::{NamedArrays, open, printable, read_safetensors};
use crate::error::{Error, Result};
use crate::net::{Net, NetConfig};

/// The files that may be checkpoints, by extension.
const EXTENSIONS: [&str; 6] = ["safetensors", "pt", "pth", "th", "bin", "ckpt"];

/// How to read a run's checkpoints.
#[derive(Debug)]
pub struct Source<'a> {
    /// A folder, or one file.
    pub path: &'a Path,
    /// The dictionary of tensors, where a checkpoint has several.
    pub key: Option<&'a str>,
    /// Names onto ours; without it the codes we know are tried.
    pub names: Option<&'a NameMap>,
    /// The epoch of a single file.
    pub epoch: Option<f64>,
}

/// A checkpoint that fits the net.
#[derive(Debug, Clone)]
pub struct Fitting {
    /// Its file.
    pub path: PathBuf,
    /// When it was saved.
    pub time: Time,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// What was done to its names.
    pub notes: Vec<String>,
}

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
        return Ok(Checkpoint { weights, key: String::new(), epoch: None, step: None });
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

/// Reads one checkpoint as `net` needs it; gives notes on what was done to its names.
///
/// # Errors
/// As [`read_checkpoint`], or if a name or shape does not fit.
pub fn read_fitting(
    path: &Path,
    source: &Source<'_>,
    (net, config): (&Net, &NetConfig),
) -> Result<(NamedArrays, Vec<String>)> {
    let checkpoint = read_checkpoint(path, source.key)?;
    let fitted = names::fit(checkpoint.weights, net, config, source.names, path)?;
    Ok((fitted.weights, fitted.notes))
}

/// Finds the checkpoints of a run and checks all of them against the net; writes nothing.
///
/// # Errors
/// If there are none, one cannot be read or does not fit, or one does not say when it was saved.
pub fn survey(source: &Source<'_>, net: (&Net, &NetConfig)) -> Result<Vec<Fitting>> {
    let files = files(source.path)?;
    let from_names = match source.epoch {
        Some(epoch) if files.len() == 1 => vec![Some(Time::Epoch(epoch))],
        Some(_) => {
            return Err(Error::usage(
                "`--epoch`",
                format!("is for {} files", files.len()),
            )
            .expected("one file"));
        }
        None => time::from_names(&files)?,
    };
    let mut out = vec![];
    for (path, from_name) in files.into_iter().zip(from_names) {
        let bytes = fs::read(&path).map_err(|e| Error::io(&path, "cannot be read", e))?;
        let sum = Sha256::digest(&bytes);
        drop(bytes);
        let checkpoint = read_checkpoint(&path, source.key)?;
        let time = time::of(&path, from_name, &checkpoint)?;
        let mut notes = vec![];
        if !checkpoint.key.is_empty() {
            notes.push(format!(
                "the tensors are those of `{}`",
                printable(&checkpoint.key)
            ));
        }
        let (net, config) = net;
        let fitted = names::fit(checkpoint.weights, net, config, source.names, &path)?;
        notes.extend(fitted.notes);
        let sha256 = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        out.push(Fitting { path, time, sha256, notes });
    }
    Ok(out)
}

/// The checkpoints in a folder, in the order of their names; or the one file.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let cannot = |error| Error::io(path, "cannot be read", error);
    let mut files = vec![];
    for entry in fs::read_dir(path).map_err(cannot)? {
        let file = entry.map_err(cannot)?.path();
        let known = extension(&file).is_some_and(|e| EXTENSIONS.contains(&&*e));
        if known && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::data(path, "holds no checkpoint")
            .expected(format!("files with the extensions {}", EXTENSIONS.join(", "))));
    }
    Ok(files)
}

fn extension(path: &Path) -> Option<String> {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase())
}
