//! The program killed, stopped and refused at random: the same command again must end with
//! the bytes of a run that nothing disturbed.
#![allow(clippy::print_stdout)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const EXPERIMENT: &str = "
seed = 5
data = { kind = 'digits', n_train = 200, n_test = 100, augment = ['crop'] }
noise = { rate = 0.3 }
net = { kind = 'cnn5', width = 4 }
optimizer = { lr = 0.05, momentum = 0.9, schedule = { kind = 'cosine' } }
train = { epochs = 40, batch_size = 32, history = 'every', checkpoints = 'every' }
analysis = { n_examples = 16, drs = { triplets = 4 } }
";

/// Kills in the storm.
const N_KILLS: usize = 60;

/// Changes that make the whole of `run` as short as training alone.
const SHORT: [&str; 3] =
    ["train.epochs=6", "train.checkpoints=[0,1,3,6]", "train.history=[0,1,3,6]"];

fn command(directory: &Path, out: &str, extra: &[&str]) -> Command {
    verb("train", directory, out, extra)
}

fn verb(verb: &str, directory: &Path, out: &str, extra: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stratagram"));
    command
        .current_dir(directory)
        .args([verb, "experiment.toml", "--out", out])
        .args(extra)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn new_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("experiment.toml"), EXPERIMENT).unwrap();
    directory
}

fn assert_success(output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {error}", output.status);
}

/// Names and contents of all files that the same-bytes promise covers.
fn promised(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                directories.push(path);
            } else if !["timing.csv", "run.json", "lock", "analysis.lock"]
                .contains(&name.as_str())
            {
                files.push((name, fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn assert_same(actual: &Path, expected: &[(String, Vec<u8>)]) {
    let actual = promised(actual);
    let names = |files: &[(String, Vec<u8>)]| {
        files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&actual), names(expected));
    for ((name, actual), (_, expected)) in actual.iter().zip(expected) {
        assert!(actual == expected, "{name} differs");
    }
}

/// A cheap generator (splitmix64): the test's kills should differ and be repeatable.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Waits until the process ends or the time is up; true if it ended.
fn ended_within(child: &mut Child, time: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < time {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    false
}

#[test]
fn random_kills_of_training_change_no_bytes() {
    storm("train", &[]);
}

#[test]
fn random_kills_of_the_whole_pipeline_change_no_bytes() {
    storm("run", &SHORT);
}

/// Kills the verb at random until it was killed often enough, always continuing with the same
/// command, and compares every finished run with an undisturbed one.
fn storm(verb_name: &str, changes: &[&str]) {
    let directory = new_directory();
    let root = directory.path().join("storm");
    let start_child = |threads: &str| {
        let mut extra = changes.to_vec();
        extra.extend(["--threads", threads]);
        verb(verb_name, directory.path(), "storm", &extra)
    };
    let start = Instant::now();
    assert_success(&start_child("2").output().unwrap());
    let duration = start.elapsed();
    let expected = promised(&root);
    assert!(expected.iter().any(|(name, _)| name.starts_with("checkpoints")));
    let analysed = expected.iter().any(|(name, _)| name == "matrices.csv");
    assert_eq!(analysed, verb_name == "run");
    fs::remove_dir_all(&root).unwrap();

    let mut random = Random(2024);
    let (mut kills, mut finished) = (0, 0);
    while kills < N_KILLS {
        let mut child = start_child(["1", "2", "3"][kills % 3]).spawn().unwrap();
        // Up to the time of a whole run, most of them early, so that beginnings are hit too.
        let fraction = random.below(1000) * random.below(1000);
        let time = duration.mul_f64(fraction as f64 / 1e6);
        if ended_within(&mut child, time) {
            assert_success(&child.wait_with_output().unwrap());
            assert_same(&root, &expected);
            fs::remove_dir_all(&root).unwrap();
            finished += 1;
        } else {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
    }
    assert_success(&start_child("2").output().unwrap());
    assert_same(&root, &expected);
    println!("{kills} kills, {} runs finished, all with the same bytes", finished + 1);
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_the_step_and_names_the_command_that_continues() {
    let directory = new_directory();
    assert_success(&command(directory.path(), "whole", &[]).output().unwrap());
    let expected = promised(&directory.path().join("whole"));
    let child = command(directory.path(), "a", &[]).spawn().unwrap();
    let state = directory.path().join("a/state/last.safetensors");
    let start = Instant::now();
    while !state.exists() {
        assert!(start.elapsed() < Duration::from_mins(1), "no state appears");
        std::thread::sleep(Duration::from_millis(1));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let again = "continue with: stratagram train experiment.toml --out a";
    assert!(error.contains(again), "{error}");
    assert_success(&command(directory.path(), "a", &[]).output().unwrap());
    assert_same(&directory.path().join("a"), &expected);
}

#[test]
fn two_processes_do_not_share_a_directory() {
    let directory = new_directory();
    let long = ["train.epochs=100000", "train.history=[0]", "train.checkpoints=[0]"];
    let mut first = command(directory.path(), "a", &long).spawn().unwrap();
    let state = directory.path().join("a/state/last.safetensors");
    let start = Instant::now();
    while !state.exists() {
        assert!(start.elapsed() < Duration::from_mins(1), "no state appears");
        std::thread::sleep(Duration::from_millis(1));
    }
    for extra in [&long[..], &["--fresh"]] {
        let second = command(directory.path(), "a", extra).output().unwrap();
        let error = String::from_utf8_lossy(&second.stderr);
        assert_eq!(second.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("in use by process {}", first.id())), "{error}");
    }
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock of a killed process is free at once.
    let different = command(directory.path(), "a", &["net.width=2"]).output().unwrap();
    let error = String::from_utf8_lossy(&different.stderr);
    assert_eq!(different.status.code(), Some(2), "{error}");
    assert!(error.contains("net.width = 4 there, 2 here"), "{error}");
    let fresh = ["net.width=2", "train.epochs=2", "--fresh"];
    assert_success(&command(directory.path(), "a", &fresh).output().unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn refused_writes_lose_nothing() {
    let directory = new_directory();
    let whole = command(directory.path(), "whole", &[]).output().unwrap();
    assert_success(&whole);
    let expected = promised(&directory.path().join("whole"));
    let largest = expected.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
    // The shell's limit on a file's size, in blocks of 512 or 1,024 bytes, from far too
    // small to nearly enough; beyond it a write fails as on a full disk.
    let program = env!("CARGO_BIN_EXE_stratagram");
    let mut refused = 0;
    for blocks in [1, 2, 4, 8, largest / 2048, largest / 1024 - 1] {
        let script = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {program} train experiment.toml --out a"
        );
        let output = Command::new("bash")
            .current_dir(directory.path())
            .args(["-c", &script])
            .output()
            .unwrap();
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{error}");
            assert!(error.contains("cannot be written"), "{error}");
            refused += 1;
        }
    }
    assert!(refused >= 5, "{refused}");
    assert_success(&command(directory.path(), "a", &[]).output().unwrap());
    assert_same(&directory.path().join("a"), &expected);
}

#[test]
fn a_file_in_the_way_is_named() {
    let directory = new_directory();
    fs::write(directory.path().join("taken"), "x").unwrap();
    for out in ["taken", "taken/below"] {
        let output = command(directory.path(), out, &[]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(error.contains("taken"), "{error}");
    }
    assert_eq!(fs::read(directory.path().join("taken")).unwrap(), b"x");
    let mine = directory.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("notes.txt"), "x").unwrap();
    for extra in [&[][..], &["--fresh"]] {
        let output = command(directory.path(), "mine", extra).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
    }
    assert_eq!(fs::read_dir(&mine).unwrap().count(), 1);
}
