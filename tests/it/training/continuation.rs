//! The program killed, stopped and refused at random: the same command again must end with
//! the bytes of a run that nothing disturbed.
#![allow(clippy::print_stdout)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::support::runs::{
    Files, assert_same, assert_success, command, promised, succeed, texts,
};
use crate::support::time::wait_for;

const EXPERIMENT: &str = "
seed = 5
data = { kind = 'digits', n_train = 200, n_test = 100, augment = ['crop'] }
noise = { rate = 0.3 }
net = { kind = 'cnn5', width = 4 }
optimizer = { lr = 0.05, momentum = 0.9, schedule = { kind = 'cosine' } }
train = { epochs = 40, batch_size = 32, history = 'every', checkpoints = 'every' }
analysis = { n_examples = 16, layers = ['relu1', 'pool4', 'fc'], drs = { triplets = 4, resolution = 8 } }
";

/// Changes that make the whole of `run` as short as training alone.
const SHORT: &str = "train.epochs=6 train.checkpoints=[0,1,3,6] train.history=[0,1,3,6]";

fn train(directory: &Path, out: &str, changes: &str) -> Command {
    command(directory, &format!("train experiment.toml --out {out} {changes}"))
}

fn new_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("experiment.toml"), EXPERIMENT).unwrap();
    directory
}

/// What an undisturbed training leaves, made once for all tests of this file.
fn whole() -> &'static Files {
    static WHOLE: OnceLock<Files> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let directory = new_directory();
        succeed(directory.path(), "train experiment.toml --out whole");
        promised(&directory.path().join("whole"))
    })
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
fn a_few_random_kills_change_no_bytes() {
    storm("run", SHORT, 8);
}

#[test]
fn a_few_random_kills_with_rates_per_layer_change_no_bytes() {
    storm("train", "optimizer.lr_scale={conv1=0.5,'bn*'=0,'conv4'=0.1}", 6);
}

#[test]
#[ignore = "a storm: scripts/check --all"]
fn random_kills_of_training_change_no_bytes() {
    storm("train", "", 60);
}

#[test]
#[ignore = "a storm: scripts/check --all"]
fn random_kills_of_the_whole_pipeline_change_no_bytes() {
    storm("run", SHORT, 60);
}

/// Kills the verb at random until it was killed often enough, always continuing with the same
/// command, and compares every finished run with an undisturbed one.
fn storm(verb: &str, changes: &str, n_kills: usize) {
    let directory = new_directory();
    let root = directory.path().join("storm");
    let arguments = |threads: usize| {
        format!("{verb} experiment.toml --out storm --threads {threads} {changes}")
    };
    let start = Instant::now();
    succeed(directory.path(), &arguments(2));
    let duration = start.elapsed();
    let expected = promised(&root);
    assert!(expected.iter().any(|(name, _)| name.starts_with("checkpoints")));
    let analyzed = expected.iter().any(|(name, _)| name == "matrices.csv");
    assert_eq!(analyzed, verb == "run");
    fs::remove_dir_all(&root).unwrap();

    let mut random = Random(2024);
    let (mut kills, mut finished) = (0, 0);
    while kills < n_kills {
        let mut child =
            command(directory.path(), &arguments(1 + kills % 3)).spawn().unwrap();
        // Up to the time of a whole run, most of them early, so that beginnings are hit too.
        let fraction = random.below(1000) * random.below(1000);
        let time = duration.mul_f64(fraction as f64 / 1e6);
        if ended_within(&mut child, time) {
            assert_success(&child.wait_with_output().unwrap());
            assert_same(&root, &expected, "after kills");
            fs::remove_dir_all(&root).unwrap();
            finished += 1;
        } else {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
    }
    succeed(directory.path(), &arguments(2));
    assert_same(&root, &expected, "after kills");
    println!("{kills} kills, {} runs finished, all with the same bytes", finished + 1);
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_the_step_and_names_the_command_that_continues() {
    let directory = new_directory();
    let mut child = train(directory.path(), "a", "").spawn().unwrap();
    let state = directory.path().join("a/state/last.safetensors");
    wait_for("a state", &mut child, || state.exists());
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let [_, error] = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let again = "continue with: stratagram train experiment.toml --out a";
    assert!(error.contains(again), "{error}");
    succeed(directory.path(), "train experiment.toml --out a");
    assert_same(&directory.path().join("a"), whole(), "after an interrupt");
}

#[test]
fn two_processes_do_not_share_a_directory() {
    let directory = new_directory();
    let long = "train.epochs=100000 train.history=[0] train.checkpoints=[0]";
    let mut first = train(directory.path(), "a", long).spawn().unwrap();
    let state = directory.path().join("a/state/last.safetensors");
    wait_for("a state", &mut first, || state.exists());
    for changes in [long, "--fresh"] {
        let second = train(directory.path(), "a", changes).output().unwrap();
        let [_, error] = texts(&second);
        assert_eq!(second.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("in use by process {}", first.id())), "{error}");
    }
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock of a killed process is free at once.
    let different = train(directory.path(), "a", "net.width=2").output().unwrap();
    let [_, error] = texts(&different);
    assert_eq!(different.status.code(), Some(2), "{error}");
    assert!(error.contains("net.width = 4 there, 2 here"), "{error}");
    let fresh = train(directory.path(), "a", "net.width=2 train.epochs=2 --fresh");
    assert_success(&{ fresh }.output().unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn refused_writes_lose_nothing() {
    let directory = new_directory();
    let largest = whole().iter().map(|(_, bytes)| bytes.len()).max().unwrap();
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
            let [_, error] = texts(&output);
            assert_eq!(output.status.code(), Some(1), "{error}");
            assert!(error.contains("cannot be written"), "{error}");
            refused += 1;
        }
    }
    assert!(refused >= 5, "{refused}");
    succeed(directory.path(), "train experiment.toml --out a");
    assert_same(&directory.path().join("a"), whole(), "after refused writes");
}

#[test]
fn a_file_in_the_way_is_named() {
    let directory = new_directory();
    fs::write(directory.path().join("taken"), "x").unwrap();
    for out in ["taken", "taken/below"] {
        let output = train(directory.path(), out, "").output().unwrap();
        let [_, error] = texts(&output);
        assert!(!output.status.success());
        assert!(error.contains("taken"), "{error}");
    }
    assert_eq!(fs::read(directory.path().join("taken")).unwrap(), b"x");
    let mine = directory.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("notes.txt"), "x").unwrap();
    for changes in ["", "--fresh"] {
        let output = train(directory.path(), "mine", changes).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
    }
    assert_eq!(fs::read_dir(&mine).unwrap().count(), 1);
}
