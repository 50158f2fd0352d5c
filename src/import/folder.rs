//! What of a folder are checkpoints: files; folders that hold one each, as the Hugging Face
//! Trainer and Accelerate write them; and weights in several files with their index.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::checkpoint::{Beside, Checkpoint};
use super::one_file::read_checkpoint;
use crate::array_file::{NamedArrays, printable};
use crate::error::{Error, Result};

/// The files that may be checkpoints, by the end of their names.
const ENDINGS: [&str; 7] =
    [".safetensors", ".pt", ".pth", ".th", ".bin", ".ckpt", ".pth.tar"];

/// What trainers save beside the weights, by the beginning of its name.
const BESIDE: [&str; 8] = [
    "optimizer",
    "scheduler",
    "scaler",
    "rng_state",
    "random_states",
    "training_args",
    "sampler",
    "trainer_state",
];

/// The weights in the folder of one checkpoint, the likeliest first.
pub(super) const WEIGHTS: [&str; 5] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "model.pt",
];

/// The end of the name of an index of weights in several files.
pub(super) const INDEX: &str = ".index.json";

/// The largest index or state that is read.
const MAX_JSON: u64 = 64 << 20;

/// Where a checkpoint is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    /// The file of its weights, or their index.
    pub(super) path: PathBuf,
    /// The file or folder whose name says its time.
    pub(super) named: PathBuf,
    /// Where it came from, if that is not a path: `OWNER/NAME@step1000/model.safetensors`.
    pub(super) address: Option<String>,
}

impl Candidate {
    fn of(path: PathBuf, named: PathBuf) -> Self {
        Self { path, named, address: None }
    }
}

/// What of `trainer_state.json` is of use.
#[derive(Debug, Deserialize)]
struct TrainerState {
    epoch: Option<f64>,
    global_step: Option<u64>,
    train_batch_size: Option<u64>,
}

/// The index of weights in several files.
#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The checkpoints in a folder, in the order of their names; or the one file, or the one that a
/// folder is.
pub(super) fn candidates(path: &Path) -> Result<Vec<Candidate>> {
    if !path.is_dir() {
        return Ok(vec![Candidate::of(path.to_owned(), path.to_owned())]);
    }
    let mut found = vec![];
    for entry in entries(path)? {
        if entry.is_dir() {
            let own = weights_in(&entry).filter(|_| !is_hidden(&entry));
            found.extend(own.map(|weights| Candidate::of(weights, entry)));
        } else if is_checkpoint(&entry) {
            found.push(Candidate::of(entry.clone(), entry));
        }
    }
    // Beside the folders of checkpoints the trainer's own weights are the last or the best.
    if found.iter().any(|one| one.path != one.named) {
        found.retain(|one| one.path != one.named || !is_of_trainer(&one.path));
    } else if path.join("trainer_state.json").is_file() || !has_times(&found) {
        let whole = weights_in(path);
        let whole = whole.map(|weights| vec![Candidate::of(weights, path.into())]);
        found = whole.unwrap_or(found);
    }
    if found.is_empty() {
        return Err(Error::data(path, "holds no checkpoint").expected(format!(
            "files that end in {}, or folders with {}",
            ENDINGS.join(", "),
            WEIGHTS[0]
        )));
    }
    Ok(found)
}

/// Whether there are files beside shards and the weights of a trainer.
fn has_times(found: &[Candidate]) -> bool {
    found.iter().any(|one| !is_of_trainer(&one.path))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = |error| Error::io(folder, "cannot be read", error);
    let mut entries = vec![];
    for entry in fs::read_dir(folder).map_err(cannot)? {
        entries.push(entry.map_err(cannot)?.path());
    }
    entries.sort();
    Ok(entries)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Files of the system, such as `._epoch-1.pt`.
fn is_hidden(path: &Path) -> bool {
    name(path).starts_with('.')
}

fn is_checkpoint(path: &Path) -> bool {
    let name = name(path).to_ascii_lowercase();
    let is_beside = BESIDE.iter().any(|start| name.starts_with(start));
    !is_hidden(path) && !is_beside && ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Weights under a trainer's name for them, whole or one of several files.
fn is_of_trainer(path: &Path) -> bool {
    let name = name(path);
    let is_shard = name.contains("-of-")
        && (name.starts_with("model-") || name.starts_with("pytorch_model-"));
    is_shard || WEIGHTS.contains(&&*name)
}

/// A checkpoint's name among others: its file's, behind its folder's where that tells them
/// apart.
pub(super) fn shown(path: &Path) -> String {
    match path.parent() {
        Some(folder) if WEIGHTS.contains(&&*name(path)) && !name(folder).is_empty() => {
            format!("{}/{}", name(folder), name(path))
        }
        _ => name(path),
    }
}

fn weights_in(folder: &Path) -> Option<PathBuf> {
    WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The files that hold a checkpoint's weights: one, or those that its index lists.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !name(path).ends_with(INDEX) {
        return Ok(vec![path.to_owned()]);
    }
    let index: Index = json(path)?;
    let names: BTreeSet<&String> = index.weight_map.values().collect();
    let is_beside = |name: &str| !name.contains(['/', '\\']) && name != "..";
    if let Some(wrong) = names.iter().find(|name| !is_beside(name)) {
        return Err(Error::data(path, format!("lists the file `{}`", printable(wrong)))
            .expected("files of its own folder"));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Reads a checkpoint, of all its files, and what a trainer says beside it.
pub(super) fn read(path: &Path, key: Option<&str>) -> Result<Checkpoint> {
    let mut checkpoint = if name(path).ends_with(INDEX) {
        read_indexed(path, key)?
    } else {
        read_checkpoint(path, key)?
    };
    let state = path.with_file_name("trainer_state.json");
    if WEIGHTS.contains(&&*name(path)) && state.is_file() {
        let TrainerState { epoch, global_step, train_batch_size } = json(&state)?;
        checkpoint.beside = Beside {
            epoch,
            step: global_step,
            batch_size: train_batch_size.filter(|size| *size > 0),
            counts_steps: true,
            counts_from_zero: false,
        };
    }
    Ok(checkpoint)
}

fn read_indexed(path: &Path, key: Option<&str>) -> Result<Checkpoint> {
    let Index { weight_map } = json(path)?;
    let mut weights = NamedArrays::default();
    for file in files(path)? {
        for (tensor, array) in read_checkpoint(&file, key)?.weights.0 {
            let listed = weight_map.get(&tensor);
            if listed.is_none_or(|own| *own != name(&file)) {
                let found = format!("holds `{}`", printable(&tensor));
                return Err(Error::data(&file, found)
                    .expected(format!("the tensors that {} lists for it", name(path))));
            }
            weights.push(tensor, array);
        }
    }
    if weights.0.len() < weight_map.len() {
        let is_there = |tensor: &&String| weights.get(tensor).is_some();
        let missing = weight_map.keys().find(|tensor| !is_there(tensor));
        let missing = printable(missing.map_or("", String::as_str));
        return Err(Error::data(path, format!("lists `{missing}`, which no file holds")));
    }
    let (key, notes) = (String::new(), vec![]);
    Ok(Checkpoint { weights, key, beside: Beside::default(), notes })
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let cannot = |error| Error::io(path, "cannot be read", error);
    if fs::metadata(path).map_err(cannot)?.len() > MAX_JSON {
        return Err(Error::data(path, format!("is over {} MiB", MAX_JSON >> 20)));
    }
    let text = fs::read_to_string(path).map_err(cannot)?;
    // Python writes losses that are no numbers so, which JSON has not.
    let text = text.replace("-Infinity", "null");
    let text = text.replace("Infinity", "null").replace("NaN", "null");
    serde_json::from_str(&text).map_err(|error| {
        Error::data(path, format!("is not valid JSON of its kind ({error})"))
    })
}
