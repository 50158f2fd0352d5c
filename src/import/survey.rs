//! The checkpoints of a run: found, read and checked against the net.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::architecture;
use super::checkpoint::{Beside, Checkpoint};
use super::folder::{self, Candidate};
use super::names::{self, NameMap};
use super::time::{self, Named, Time};
use crate::array_file::{NamedArrays, printable};
use crate::error::{Error, Result};
use crate::net::{Net, NetConfig};

/// How to read a run's checkpoints.
#[derive(Debug)]
pub struct Source<'a> {
    /// The dictionary of tensors, where a checkpoint has several.
    pub key: Option<&'a str>,
    /// Names onto ours; without it the codes we know are tried.
    pub names: Option<&'a NameMap>,
}

/// A checkpoint that fits the net.
#[derive(Debug, Clone)]
pub struct Fitting {
    /// Its file, or the index of its files.
    pub path: PathBuf,
    /// Where it came from, if that is not a path.
    pub address: Option<String>,
    /// When it was saved.
    pub time: Time,
    /// What it says of that itself.
    pub beside: Beside,
    /// SHA-256 of the file, or of its files one after the other, in hexadecimal.
    pub sha256: String,
    /// What was done to its names.
    pub notes: Vec<String>,
}

/// Reads one checkpoint as `net` needs it; gives notes on what was done to its names.
///
/// # Errors
/// As [`read_checkpoint`](super::read_checkpoint), or if a name or shape does not fit.
pub fn read_fitting(
    path: &Path,
    source: &Source<'_>,
    (net, config): (&Net, &NetConfig),
) -> Result<(NamedArrays, Vec<String>)> {
    let checkpoint = folder::read(path, source.key)?;
    let of_config = architecture::check(path, config)?;
    let fitted = names::fit(checkpoint.weights, net, config, source.names, path)?;
    Ok((fitted.weights, fitted.notes.into_iter().chain(of_config).collect()))
}

/// The checkpoints in a folder, or the one file, with the times that their names say; `epoch` is
/// that of a single one.
///
/// # Errors
/// If there are none, or a name can be read in two ways.
pub(super) fn in_folder(
    path: &Path,
    epoch: Option<f64>,
) -> Result<Vec<(Candidate, Option<Named>)>> {
    let candidates = folder::candidates(path)?;
    let names: Vec<PathBuf> = candidates.iter().map(|one| one.named.clone()).collect();
    let times = time::of_names(&names, epoch)?;
    Ok(candidates.into_iter().zip(times).collect())
}

/// Checks the checkpoints of a run against the net; writes nothing.
///
/// A file that is the best or the last by its name and says no time is left out where others
/// say theirs.
///
/// # Errors
/// If one cannot be read or does not fit, or does not say when it was saved.
pub(super) fn survey(
    candidates: Vec<(Candidate, Option<Named>)>,
    source: &Source<'_>,
    net: (&Net, &NetConfig),
) -> Result<Vec<Fitting>> {
    let (mut out, mut left_out) = (vec![], vec![]);
    for (candidate, named) in candidates {
        let checkpoint = folder::read(&candidate.path, source.key)?;
        match time::of(&candidate.named, named, &checkpoint.beside) {
            Some(time) => out.push(fitting(candidate, checkpoint, time, source, net)?),
            None => left_out.push(candidate.named),
        }
    }
    if let Some(file) = left_out.iter().find(|f| out.is_empty() || !time::is_chosen(f)) {
        return Err(time::unsaid(file));
    }
    if let Some(first) = out.first_mut() {
        first.notes.extend(left_out.iter().map(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            format!(
                "`{}` does not say when it was saved and is left out",
                printable(&name)
            )
        }));
    }
    Ok(out)
}

/// A checkpoint that is checked against the net.
fn fitting(
    candidate: Candidate,
    checkpoint: Checkpoint,
    (time, of_time): (Time, Option<String>),
    source: &Source<'_>,
    (net, config): (&Net, &NetConfig),
) -> Result<Fitting> {
    let Candidate { path, address, .. } = candidate;
    let mut sum = Sha256::new();
    for file in folder::files(&path)? {
        let bytes = fs::read(&file).map_err(|e| Error::io(&file, "cannot be read", e))?;
        sum.update(&bytes);
    }
    let Checkpoint { weights, key, beside, notes: of_reading } = checkpoint;
    let mut notes: Vec<String> = of_time.into_iter().collect();
    if !key.is_empty() {
        notes.push(format!("the tensors are those of `{}`", printable(&key)));
    }
    notes.extend(of_reading);
    notes.extend(architecture::check(&path, config)?);
    let fitted = names::fit(weights, net, config, source.names, &path)?;
    notes.extend(fitted.notes);
    let sha256 = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Fitting { path, address, time, beside, sha256, notes })
}
