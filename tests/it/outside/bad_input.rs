//! Wrong input gives one clear message — place, found, expected, fix — and exit code 1 or 2,
//! and loses nothing.

use std::fs;
use std::process::{Command, Output};

use crate::support::runs::answer;
use crate::support::shared::shared;

const EXPERIMENT: &str = r#"
[data]
kind = "digits"
n_train = 64
n_test = 40
[noise]
rate = 0.2
[net]
kind = "cnn5"
width = 2
[train]
epochs = 2
batch_size = 32
[analysis]
n_examples = 8
drs = { triplets = 3, resolution = 4 }
"#;

/// Asserts the exit code, that stderr names all of `parts`, and that there is one error.
fn assert_refused(output: &Output, code: i32, parts: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "`{part}` is missing in:\n{stderr}");
    }
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// A folder with the experiment and its finished run in `run/`.
fn folder_with_run() -> tempfile::TempDir {
    shared(EXPERIMENT, "run e.toml --out run")
}

#[test]
fn wrong_experiment_files_name_key_found_and_expected() {
    let folder = tempfile::tempdir().unwrap();
    let cases: &[(&str, &str, &[&str])] = &[
        ("width = 2", "widht = 2", &["`net.widht`", "width"]),
        ("width = 2", "width = \"wide\"", &["`net.width`", "wide", "whole number"]),
        ("width = 2", "width = 0", &["`net.width`", "is 0", "from 1"]),
        ("width = 2", "width = -4", &["`net.width`", "-4"]),
        ("\"digits\"", "\"digist\"", &["`data.kind`", "digist", "digits"]),
        ("\"cnn5\"", "\"cnn6\"", &["`net.kind`", "cnn6", "cnn5"]),
        ("rate = 0.2", "rate = 1.5", &["`noise.rate`", "1.5"]),
        ("epochs = 2", "epochs = ", &["e.toml:12", "TOML"]),
        ("n_train = 64", "n_train = 5000", &["`data.n_train`", "5000", "1797"]),
    ];
    for (from, to, parts) in cases {
        assert!(EXPERIMENT.contains(from));
        fs::write(folder.path().join("e.toml"), EXPERIMENT.replace(from, to)).unwrap();
        let output = answer(&["train", "e.toml", "--out", "run"], folder.path());
        assert_refused(&output, 2, parts);
        assert!(!folder.path().join("run").exists(), "{to}: nothing is written");
    }
}

#[test]
fn missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    assert_refused(&answer(&["run", "none.toml"], folder.path()), 1, &["none.toml"]);
    assert_refused(
        &answer(&["analyze", "none"], folder.path()),
        2,
        &["none", "run.json"],
    );
    assert_refused(&answer(&["report", "none"], folder.path()), 2, &["none", "run.json"]);
    assert_refused(&answer(&["phases", "none.csv"], folder.path()), 1, &["none.csv"]);
    let probe = answer(&["probe", "none.npz", "--l2", "1"], folder.path());
    assert_refused(&probe, 1, &["none.npz"]);
    let similarity = ["similarity", "--measure", "cka", "a.npy", "b.npy"];
    assert_refused(&answer(&similarity, folder.path()), 1, &["a.npy"]);
}

#[test]
fn unknown_overrides_and_stray_arguments_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("e.toml"), EXPERIMENT).unwrap();
    let run = |words: &[&str]| {
        let mut all = vec!["train", "e.toml", "--out", "run"];
        all.extend(words);
        answer(&all, folder.path())
    };
    assert_refused(&run(&["net.widht=8"]), 2, &["net.widht", "width"]);
    assert_refused(&run(&["other.toml"]), 2, &["other.toml"]);
    assert_refused(&run(&["analysis.layers=conv9"]), 2, &["analysis.layers", "conv9"]);
    assert!(!folder.path().join("run").exists());
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_others_are_kept() {
    let folder = folder_with_run();
    let checkpoints = folder.path().join("run/checkpoints");
    let mut files: Vec<_> =
        fs::read_dir(&checkpoints).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let bytes = fs::read(&files[1]).unwrap();
    fs::write(&files[1], &bytes[..bytes.len() / 2]).unwrap();
    let name = files[1].file_name().unwrap().to_str().unwrap();
    let output = answer(&["analyze", "run", "--force"], folder.path());
    assert_refused(&output, 1, &[name, "expected"]);
    assert_eq!(fs::read_dir(&checkpoints).unwrap().count(), files.len());
    fs::write(&files[1], &bytes).unwrap();
    let output = answer(&["analyze", "run"], folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_directory_of_another_experiment_is_refused_with_the_keys_that_differ() {
    let folder = folder_with_run();
    let before = fs::read(folder.path().join("run/history.csv")).unwrap();
    let other = ["run", "e.toml", "net.width=3", "--out", "run"];
    assert_refused(
        &answer(&other, folder.path()),
        2,
        &["net.width", "2", "3", "--fresh"],
    );
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/thesis.txt"), "precious").unwrap();
    let fresh = ["run", "e.toml", "--out", "mine", "--fresh"];
    assert_refused(&answer(&fresh, folder.path()), 2, &["mine", "holds no run"]);
    assert!(folder.path().join("mine/thesis.txt").exists());
    assert_eq!(fs::read(folder.path().join("run/history.csv")).unwrap(), before);
}

#[test]
fn a_run_directory_in_use_is_refused() {
    let folder = folder_with_run();
    let lock = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.path().join("run/lock"))
        .unwrap();
    lock.lock().unwrap();
    assert_refused(&answer(&["analyze", "run"], folder.path()), 1, &["run", "in use"]);
}

#[test]
fn divergence_stops_the_run_and_names_epoch_step_and_quantity() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("e.toml"), EXPERIMENT).unwrap();
    let words = ["train", "e.toml", "--out", "run", "optimizer.lr=1e30"];
    assert_refused(&answer(&words, folder.path()), 1, &["epoch", "step", "loss"]);
    assert!(folder.path().join("run/checkpoints/step-000000000.safetensors").exists());
}

/// A file system of 200 kB fills up in the middle of training; the run continues when it has
/// grown. Needs the right to mount; where that is missing the test says so.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_reported_and_the_run_continues_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("e.toml"), EXPERIMENT).unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |options: &str| {
        let arguments = ["-t", "tmpfs", "-o", options, "tmpfs"];
        let mount = Command::new("mount").args(arguments).arg(&disk).output();
        mount.is_ok_and(|output| output.status.success())
    };
    if !mount("size=60k") {
        eprintln!("SKIP full disk: this user may not mount a file system");
        return;
    }
    let train = ["train", "e.toml", "--out", "disk/run"];
    let full = answer(&train, folder.path());
    let grown = mount("remount,size=20m");
    let continued = answer(&train, folder.path());
    let _ = Command::new("umount").arg(&disk).output();
    assert_refused(&full, 1, &["disk/run", "No space left"]);
    assert!(grown && continued.status.success(), "{continued:?}");
}
