//! `stratagram analyze --follow`: the analysis beside a training in another process.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::OnceLock;
use std::time::Duration;

use stratagram::RunDir;
use stratagram::run_dir::Status;

use crate::support::runs::{
    Files, assert_same_files, assert_success, command, files, succeed, texts,
};
use crate::support::shared::shared;
use crate::support::time::wait_for;

const EXPERIMENT: &str = "
seed = 5
data = { kind = 'digits', n_train = 200, n_test = 100 }
noise = { rate = 0.3 }
net = { kind = 'cnn5', width = 2 }
optimizer = { lr = 0.05 }
train = { epochs = 8, batch_size = 32, history = 'every', checkpoints = 'every' }
analysis = { n_examples = 16, layers = ['pool2', 'fc'], drs = { triplets = 3, resolution = 8 } }
";

/// A directory with an experiment and its training in `run`.
fn trained() -> tempfile::TempDir {
    shared(EXPERIMENT, "train e.toml --out run")
}

/// What an analysis after the training writes.
fn expected() -> &'static Files {
    static WHOLE: OnceLock<Files> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let directory = trained();
        succeed(directory.path(), "analyze run");
        analysis(&directory.path().join("run"))
    })
}

fn new_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("e.toml"), EXPERIMENT).unwrap();
    directory
}

/// What the analysis writes, by name.
fn analysis(root: &Path) -> Files {
    const OTHERS: [&str; 4] = ["lock", "run.json", "timing.csv", "report"];
    let mut files = files(root);
    files.retain(|(name, _)| !OTHERS.iter().any(|other| name.contains(other)));
    assert!(files.iter().any(|(name, _)| name.contains("matrices")));
    files
}

fn assert_expected(root: &Path) {
    assert_same_files(&analysis(root), expected(), "followed");
}

fn rows(root: &Path) -> usize {
    let axis = fs::read_to_string(root.join("matrices/axis.csv")).unwrap_or_default();
    axis.lines().count().saturating_sub(1)
}

fn finish(child: Child) {
    assert_success(&child.wait_with_output().unwrap());
}

#[test]
fn a_follower_beside_training_gives_the_bytes_of_an_analysis_after_it() {
    let directory = new_directory();
    let beside = directory.path().join("beside");
    // The whole pipeline in one process, a follower in the other: whoever comes first
    // analyzes, and both end well.
    let run = "run e.toml --out beside";
    let mut training = command(directory.path(), run).spawn().unwrap();
    wait_for("the run", &mut training, || beside.join("experiment.toml").exists());
    let follower = command(directory.path(), "analyze beside --follow").spawn().unwrap();
    finish(training);
    finish(follower);
    assert_expected(&beside);
    let status = RunDir::open(&beside).unwrap().manifest().unwrap().status;
    assert_eq!(status, Status::Complete);
    // And the report was drawn from it.
    assert!(beside.join("report/index.html").exists());
}

#[test]
fn rows_appear_while_training_holds_the_run() {
    let directory = trained();
    let root = directory.path().join("run");
    // A training that has come to epoch 3, and holds the lock.
    let hidden = directory.path().join("hidden");
    fs::create_dir(&hidden).unwrap();
    let mut checkpoints: Vec<_> = fs::read_dir(root.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    checkpoints.sort();
    assert_eq!(checkpoints.len(), 9);
    for later in &checkpoints[4..] {
        fs::rename(later, hidden.join(later.file_name().unwrap())).unwrap();
    }
    let training = RunDir::open_to_write(&root).unwrap();
    training.set_status(Status::Training).unwrap();
    let arguments = "analyze run --follow";
    let mut follower = command(directory.path(), arguments).spawn().unwrap();
    wait_for("epoch 3", &mut follower, || rows(&root) == 4);

    // One follower is enough, and an analysis does not wait for a training.
    let second = command(directory.path(), arguments).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let [_, error] = texts(&second);
    assert!(error.contains("is in use by process"), "{error}");

    let next = &checkpoints[4];
    fs::rename(hidden.join(next.file_name().unwrap()), next).unwrap();
    wait_for("epoch 4", &mut follower, || rows(&root) == 5);
    for later in &checkpoints[5..] {
        fs::rename(hidden.join(later.file_name().unwrap()), later).unwrap();
    }
    training.set_status(Status::Trained).unwrap();
    drop(training);
    finish(follower);
    assert_expected(&root);
    let status = RunDir::open(&root).unwrap().manifest().unwrap().status;
    assert_eq!(status, Status::Complete);
}

#[test]
fn a_killed_follower_leaves_what_any_analysis_continues() {
    let directory = trained();
    for delay in [20, 60, 120, 200] {
        let mut follower =
            command(directory.path(), "analyze run --follow").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        follower.kill().unwrap();
        follower.wait().unwrap();
    }
    succeed(directory.path(), "analyze run");
    assert_expected(&directory.path().join("run"));
}
