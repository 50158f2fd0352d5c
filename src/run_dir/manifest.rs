//! `run.json`: what made a run, and how far it is.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::version;

/// The version of the run directory's format that this build writes and reads.
const FORMAT: u32 = 1;

/// `run.json` is small; anything longer is not ours.
const MAX_SIZE: u64 = 1 << 20;

/// The content of `run.json`. It stands outside the same-bytes promise: times, threads and
/// device differ from run to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the run directory's format.
    pub format: u32,
    /// Version of the program that made the run. This key is the mark by which a directory
    /// is known as ours.
    pub stratagram: String,
    /// Commit it was built from, where that is known.
    pub git: Option<String>,
    /// The experiment's three seeds.
    pub seeds: Seeds,
    /// What the images are, such as "CIFAR-10 (JPEG)", once loaded.
    #[serde(default)]
    pub data: Option<String>,
    /// SHA-256 of the data set's pixels and labels, once loaded.
    pub data_sha256: Option<String>,
    /// The fraction of training labels that are wrong, once drawn.
    #[serde(default)]
    pub noise_rate: Option<f64>,
    /// Steps of one epoch, once known: epoch = step/`steps_per_epoch`.
    pub steps_per_epoch: Option<u64>,
    /// Threads of the last process that worked on the run.
    pub threads: Option<usize>,
    /// What it computed on: its processor's instruction set, or PyTorch's version and device.
    pub device: Option<String>,
    /// What trained the net, where that was not the program's own engine throughout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engines: Vec<EngineSpan>,
    /// What computed the net in the analysis, if another engine than the program's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzed_on: Option<String>,
    /// When the run was made, UTC.
    pub created: String,
    /// When this file was last written, UTC.
    pub updated: String,
    /// How far the run is.
    pub status: Status,
    /// Why it failed.
    pub message: Option<String>,
    /// Where `train.until` ended the training, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EarlyEnd>,
    /// Where the run began, if it is a fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Origin>,
    /// The files that the checkpoints were read from, if another program trained them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Vec<ImportedFile>>,
}

/// What trained the net from a step on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineSpan {
    /// Steps that were trained before.
    pub from_step: u64,
    /// `native`, or PyTorch's version, the device and its precision.
    pub engine: String,
}

/// The end of a training that `train.until` ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EarlyEnd {
    /// Step of the last checkpoint.
    pub step: u64,
    /// Its epoch.
    pub epoch: f64,
    /// Epoch of the perfect fit.
    pub perfect_fit: f64,
}

/// A checkpoint of another program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedFile {
    /// The file's name.
    pub file: String,
    /// The step that it is of.
    pub step: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// The checkpoint that a fork began from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The parent's directory at that time.
    pub run: String,
    /// Epoch of the checkpoint.
    pub epoch: f64,
    /// Step of the checkpoint.
    pub step: u64,
    /// SHA-256 of the checkpoint's file, in hexadecimal.
    pub checkpoint_sha256: String,
}

/// The seeds of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeds {
    /// Initialization, batch order, augmentation.
    pub seed: u64,
    /// Subset, split, analysis examples, triplets.
    pub data: u64,
    /// Label noise.
    pub noise: u64,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Training is under way, or was when the process ended.
    Training,
    /// Training is complete.
    Trained,
    /// The analysis is under way, or was when the process ended.
    Analyzing,
    /// Everything is there.
    Complete,
    /// The last process met an error; `message` says which.
    Failed,
    /// `--fresh` is emptying the directory.
    Emptying,
}

impl Manifest {
    pub(super) fn new(experiment: &Experiment) -> Self {
        let now = utc_now();
        Self {
            format: FORMAT,
            stratagram: version::VERSION.into(),
            git: version::COMMIT.map(str::to_owned),
            seeds: Seeds {
                seed: experiment.seed,
                data: experiment.data.seed,
                noise: experiment.noise.seed,
            },
            data: None,
            data_sha256: None,
            noise_rate: None,
            steps_per_epoch: None,
            threads: None,
            device: None,
            engines: vec![],
            analyzed_on: None,
            created: now.clone(),
            updated: now,
            status: Status::Training,
            message: None,
            ended: None,
            fork: None,
            imported: None,
        }
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        let value = read_json(path)?;
        if value["source"].is_string() {
            return Err(foreign(path, "is that of a recording, which has no experiment"));
        }
        serde_json::from_value(value)
            .map_err(|error| foreign(path, &format!("is malformed ({error})")))
    }

    pub(super) fn write(&mut self, path: &Path) -> Result<()> {
        self.updated = utc_now();
        let value = serde_json::to_value(self).expect("a manifest has a JSON form");
        write_json(path, &value)
    }
}

/// The key of the SHA-256 of the file itself, which is taken with zeros in its place.
const CHECKSUM: &str = "\"checksum\": \"";
/// Digits of a SHA-256.
const DIGITS: usize = 64;

/// Writes a `run.json` of any kind, with its own checksum as the last key.
pub(super) fn write_json(path: &Path, value: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).expect("a value has a JSON form");
    let open = text.strip_suffix("\n}").expect("a map with keys");
    let zeros = "0".repeat(DIGITS);
    let text = format!("{open},\n  {CHECKSUM}{zeros}\"\n}}\n");
    let sum = sha256(text.as_bytes());
    write_atomic(path, text.replace(&zeros, &sum).as_bytes())
}

/// That a `run.json`, where there is one, is as it was written.
pub(super) fn check(path: &Path) -> Result<()> {
    let cannot = |error| Error::io(path, "cannot be read", error);
    match fs::metadata(path) {
        Ok(file) if file.len() <= MAX_SIZE => {
            check_sum(path, &fs::read(path).map_err(cannot)?)
        }
        _ => Ok(()),
    }
}

/// That the content is the one whose checksum it names; one of an earlier version names none.
fn check_sum(path: &Path, bytes: &[u8]) -> Result<()> {
    let key = CHECKSUM.as_bytes();
    let found = bytes.windows(key.len()).rposition(|window| window == key);
    let Some(start) = found.map(|at| at + key.len()) else { return Ok(()) };
    let end = (start + DIGITS).min(bytes.len());
    let expected = String::from_utf8_lossy(&bytes[start..end]).into_owned();
    let mut zeroed = bytes.to_vec();
    zeroed[start..end].fill(b'0');
    let sum = sha256(&zeroed);
    if sum == expected {
        return Ok(());
    }
    Err(Error::data(path, format!("is not as it was written: its SHA-256 is {sum}"))
        .expected(format!("{}, as it says itself", expected.escape_default()))
        .fix("restore it from a backup; if it was changed on purpose, remove `checksum`"))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a `run.json` as far as all kinds of runs share it.
pub(super) fn read_json(path: &Path) -> Result<serde_json::Value> {
    let cannot = |error| Error::io(path, "cannot be read", error);
    if fs::metadata(path).map_err(cannot)?.len() > MAX_SIZE {
        return Err(foreign(path, "is too long"));
    }
    let bytes = fs::read(path).map_err(cannot)?;
    check_sum(path, &bytes)?;
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| foreign(path, &format!("is malformed ({error})")))?;
    if !value["stratagram"].is_string() || !value["format"].is_u64() {
        return Err(foreign(path, "is not ours"));
    }
    // The version first: another one may have other fields.
    if value["format"] != FORMAT {
        let found = format!("has format version {}", value["format"]);
        return Err(Error::data(path, found)
            .expected(format!("version {FORMAT}"))
            .fix("use the version of stratagram that made the run"));
    }
    Ok(value)
}

/// What a new `run.json` of any kind begins with.
pub(super) fn mark() -> serde_json::Value {
    serde_json::json!({
        "format": FORMAT,
        "stratagram": env!("CARGO_PKG_VERSION"),
        "created": utc_now(),
    })
}

fn foreign(path: &Path, found: &str) -> Error {
    Error::data(path, found)
        .expected("the run.json of a run directory")
        .fix("choose another directory with --out")
}

fn utc_now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    utc(now.map_or(0, |time| time.as_secs()))
}

/// RFC 3339 of a Unix time. The date is the inverse of the days since 1 March 0000, where
/// leap days end the years (the Gregorian calendar repeats every 146,097 days).
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // from March
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 400 * era + year + carry;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }

    #[test]
    fn other_files_and_versions_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.json");
        let refused = |text: &str, part: &str| {
            fs::write(&path, text).unwrap();
            let error = Manifest::read(&path).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        };
        refused("", "malformed");
        refused("[]", "not ours");
        refused(r#"{"format": 1}"#, "not ours");
        refused(r#"{"format": 2, "stratagram": "9"}"#, "version 2");
        refused(r#"{"format": 1, "stratagram": "9"}"#, "malformed");
        refused(&" ".repeat(2 << 20), "too long");
    }

    #[test]
    fn every_flipped_bit_is_found_or_makes_the_checksum_no_checksum() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.json");
        let written = mark();
        write_json(&path, &written).unwrap();
        let bytes = fs::read(&path).unwrap();
        let mut read = read_json(&path).unwrap();
        read.as_object_mut().unwrap().remove("checksum");
        assert_eq!(read, written);
        let key = bytes.len() - DIGITS - CHECKSUM.len() - 5;
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            let in_key = (key..key + CHECKSUM.len() + 2).contains(&(bit / 8));
            assert!(in_key || read_json(&path).is_err(), "bit {bit}");
        }
    }
}
