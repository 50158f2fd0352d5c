//! The campaign against lost and silently wrong results: kills of every verb, faults of the
//! system at each call, damaged files, crafted inputs, mutated inputs of all parsers.
//!
//! `scripts/check --all` runs it short; `STRATAGRAM_CAMPAIGN=full` at the lengths of docs/LOG.md.
#![allow(clippy::print_stdout)]

mod bytes;
mod crafted;
#[cfg(unix)]
mod faults;
mod flips;
mod kills;
#[cfg(unix)]
mod lost_outputs;
mod parsers;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use stratagram::array_file::{Array, npy_bytes};

use crate::support::runs::{Files, promised, succeed};

/// How often something is tried: `short`, or `full` where the whole campaign is asked for.
fn times(short: usize, full: usize) -> usize {
    let is_full = std::env::var("STRATAGRAM_CAMPAIGN").is_ok_and(|value| value == "full");
    if is_full { full } else { short }
}

/// A run of a second with every kind of file that training and analysis leave.
const EXPERIMENT: &str = "
seed = 5
data = { kind = 'digits', n_train = 60, n_test = 30 }
noise = { rate = 0.3 }
net = { kind = 'cnn5', width = 2 }
optimizer = { lr = 0.05, momentum = 0.9 }
train = { epochs = 4, batch_size = 32, history = 'every', checkpoints = 'every' }
analysis = { layers = ['relu2', 'fc'], n_examples = 12, drs = { triplets = 1, resolution = 4 } }
";

/// A generator (splitmix64) that is the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Copies a folder, links as what they lead to.
fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The files below a folder whose bytes are promised, of one run or of several; none where
/// there is no folder.
fn steady(root: &Path) -> Files {
    if !root.is_dir() {
        return vec![];
    }
    let mut files = promised(root);
    files.retain(|(name, _)| {
        let own = name.rsplit('/').next().unwrap_or_default();
        let differs = ["timing.csv", "run.json", "lock", "analysis.lock"].contains(&own);
        !differs && !name.starts_with("logs/")
    });
    files
}

/// Where a folder differs from such files; the first few names.
fn differences(found: &Path, expected: &Files) -> Vec<String> {
    let found: BTreeMap<String, Vec<u8>> = steady(found).into_iter().collect();
    let expected: BTreeMap<&String, &Vec<u8>> =
        expected.iter().map(|(name, bytes)| (name, bytes)).collect();
    let missing = expected.keys().filter(|name| !found.contains_key(**name));
    let missing = missing.map(|name| format!("{name} is missing"));
    let other = found.iter().filter_map(|(name, bytes)| match expected.get(name) {
        None => Some(format!("{name} is left over")),
        Some(own) => (*own != bytes).then(|| format!("{name} differs")),
    });
    missing.chain(other).take(5).collect()
}

/// Saved activations of two layers at four epochs, in `x/LAYER/epoch-E.npy`.
fn save_activations(root: &Path) {
    let mut random = Random(3);
    for layer in ["conv", "fc"] {
        fs::create_dir_all(root.join("x").join(layer)).unwrap();
        for epoch in 0..4 {
            let values = (0..12 * 5).map(|_| random.below(1000) as f32 / 1e3).collect();
            let path = root.join("x").join(layer).join(format!("epoch-{epoch}.npy"));
            fs::write(path, npy_bytes(&Array::f32(&[12, 5], values))).unwrap();
        }
    }
}

/// A folder with the experiment in `f.toml`, activations in `x`, and what these commands leave
/// in it.
fn made(commands: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f.toml"), EXPERIMENT).unwrap();
    save_activations(folder.path());
    for command in commands {
        succeed(folder.path(), command);
    }
    folder
}

/// How often each thing happened, for one line at the end.
#[derive(Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    fn say(&self, title: &str) {
        let parts: Vec<String> =
            self.0.iter().map(|(what, n)| format!("{what} {n}")).collect();
        println!("{title}: {}", parts.join(", "));
    }
}
