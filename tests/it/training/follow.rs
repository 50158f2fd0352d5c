//! `stratagram analyze --follow`: the analysis beside a training in another process.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use stratagram::RunDir;
use stratagram::run_dir::Status;

const EXPERIMENT: &str = "
seed = 5
data = { kind = 'digits', n_train = 200, n_test = 100 }
noise = { rate = 0.3 }
net = { kind = 'cnn5', width = 2 }
optimizer = { lr = 0.05 }
train = { epochs = 8, batch_size = 32, history = 'every', checkpoints = 'every' }
analysis = { n_examples = 16, layers = ['pool2', 'fc'], drs = { triplets = 3 } }
";

fn stratagram(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stratagram"));
    command
        .current_dir(directory)
        .args(arguments)
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

#[track_caller]
fn assert_success(output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {error}", output.status);
}

/// What the analysis writes, by name.
fn analysis(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![];
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let other = ["lock", "run.json", "timing.csv", "report"];
            if path.is_dir() {
                directories.push(path);
            } else if !other.iter().any(|part| name.contains(part)) {
                files.push((name, fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn assert_same(actual: &Path, expected: &Path) {
    let (actual, expected) = (analysis(actual), analysis(expected));
    let names = |files: &[(String, Vec<u8>)]| {
        files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&actual), names(&expected));
    assert!(names(&actual).iter().any(|name| name.contains("matrices")));
    for ((name, actual), (_, expected)) in actual.iter().zip(&expected) {
        assert!(actual == expected, "{name} differs");
    }
}

/// Waits until `condition` holds.
#[track_caller]
fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_mins(1), "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
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
    let (apart, beside) =
        (directory.path().join("apart"), directory.path().join("beside"));
    let run = ["run", "experiment.toml", "--out", "apart"];
    assert_success(&stratagram(directory.path(), &run).output().unwrap());
    // The whole pipeline in one process, a follower in the other: whoever comes first
    // analyses, and both end well.
    let run = ["run", "experiment.toml", "--out", "beside"];
    let training = stratagram(directory.path(), &run).spawn().unwrap();
    wait_for("the run", || beside.join("experiment.toml").exists());
    let follow = ["analyze", "beside", "--follow"];
    let follower = stratagram(directory.path(), &follow).spawn().unwrap();
    finish(training);
    finish(follower);
    assert_same(&beside, &apart);
    let status = RunDir::open(&beside).unwrap().manifest().unwrap().status;
    assert_eq!(status, Status::Complete);
    // And the report was drawn from it.
    assert!(beside.join("report/index.html").exists());
}

#[test]
fn rows_appear_while_training_holds_the_run() {
    let directory = new_directory();
    let root = directory.path().join("run");
    let train = ["train", "experiment.toml", "--out", "run"];
    assert_success(&stratagram(directory.path(), &train).output().unwrap());
    let whole = directory.path().join("whole");
    copy(&root, &whole);
    assert_success(
        &stratagram(directory.path(), &["analyze", "whole"]).output().unwrap(),
    );

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
    let arguments = ["analyze", "run", "--follow"];
    let follower = stratagram(directory.path(), &arguments).spawn().unwrap();
    wait_for("epoch 3", || rows(&root) == 4);

    // One follower is enough, and an analysis does not wait for a training.
    let second = stratagram(directory.path(), &arguments).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(error.contains("is in use by process"), "{error}");

    let next = &checkpoints[4];
    fs::rename(hidden.join(next.file_name().unwrap()), next).unwrap();
    wait_for("epoch 4", || rows(&root) == 5);
    for later in &checkpoints[5..] {
        fs::rename(hidden.join(later.file_name().unwrap()), later).unwrap();
    }
    training.set_status(Status::Trained).unwrap();
    drop(training);
    finish(follower);
    assert_same(&root, &whole);
    let status = RunDir::open(&root).unwrap().manifest().unwrap().status;
    assert_eq!(status, Status::Complete);
}

#[test]
fn a_killed_follower_leaves_what_any_analysis_continues() {
    let directory = new_directory();
    let root = directory.path().join("run");
    let train = ["train", "experiment.toml", "--out", "run"];
    assert_success(&stratagram(directory.path(), &train).output().unwrap());
    let whole = directory.path().join("whole");
    copy(&root, &whole);
    assert_success(
        &stratagram(directory.path(), &["analyze", "whole"]).output().unwrap(),
    );
    let follow = ["analyze", "run", "--follow"];
    for delay in [20, 60, 120, 200] {
        let mut follower = stratagram(directory.path(), &follow).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        follower.kill().unwrap();
        follower.wait().unwrap();
    }
    assert_success(&stratagram(directory.path(), &["analyze", "run"]).output().unwrap());
    assert_same(&root, &whole);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}
