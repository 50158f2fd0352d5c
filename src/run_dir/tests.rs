use std::fs;
use std::path::Path;

use super::lock::{LOCK, take_lock};
use super::*;
use crate::error::ErrorKind;
use crate::experiment::Experiment;

fn experiment(overrides: &[&str]) -> Experiment {
    let text = "[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 4\n";
    let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
    Experiment::parse("test", text, ".".as_ref(), &overrides).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_run_is_marked_and_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("runs/a");
    let run = RunDir::create_or_open(&root, &experiment(&["seed=7"]), false).unwrap();
    assert_eq!(names(&root), ["checksums", "experiment.toml", "lock", "run.json"]);
    let manifest = run.manifest().unwrap();
    assert_eq!(manifest.seeds, Seeds { seed: 7, data: 1, noise: 1 });
    assert_eq!(manifest.status, Status::Training);
    drop(run);
    let run = RunDir::open(&root).unwrap();
    assert_eq!(*run.experiment(), experiment(&["seed=7"]));
    // The mark alone is what a process leaves that ends before the second file.
    fs::remove_file(run.experiment_toml()).unwrap();
    assert!(RunDir::open(&root).is_err());
    let run = RunDir::create_or_open(&root, &experiment(&["seed=7"]), false).unwrap();
    assert!(RunDir::open(&root).is_ok());
    // And the locks alone what one leaves that ends just after it emptied the directory.
    fs::remove_dir_all(root.join("checksums")).unwrap();
    for file in [run.experiment_toml(), run.run_json()] {
        fs::remove_file(file).unwrap();
    }
    drop(run);
    assert_eq!(names(&root), ["analysis.lock", "lock"]);
    RunDir::create_or_open(&root, &experiment(&["seed=7"]), false).unwrap();
    assert!(RunDir::open(&root).is_ok());
}

#[test]
fn another_experiment_is_refused_with_the_keys_that_differ() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a");
    let open = |overrides: &[&str], fresh| {
        RunDir::create_or_open(&root, &experiment(overrides), fresh)
    };
    open(&["train.epochs=5"], false).unwrap();
    // Nothing was trained, so nothing is lost.
    let run = open(&["train.epochs=10"], false).unwrap();
    write_atomic(&run.state(), b"x").unwrap();
    drop(run);
    let error = open(&["train.epochs=10", "net.width=8", "seed=3"], false).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("seed = 0 there, 3 here"), "{message}");
    assert!(message.contains("net.width = 4 there, 8 here"), "{message}");
    assert_eq!(error.exit_code(), 2);
    // Training may grow and not shrink.
    open(&["train.epochs=20"], false).unwrap();
    assert_eq!(
        *RunDir::open(&root).unwrap().experiment(),
        experiment(&["train.epochs=20"])
    );
    open(&["train.epochs=10"], false).unwrap_err();
    drop(open(&["net.width=8"], true).unwrap());
    assert_eq!(*RunDir::open(&root).unwrap().experiment(), experiment(&["net.width=8"]));
}

#[test]
fn what_others_wrote_is_never_touched() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::write(root.join("thesis.tex"), "x").unwrap();
    for fresh in [false, true] {
        let error = RunDir::create_or_open(root, &experiment(&[]), fresh).unwrap_err();
        assert!(error.to_string().contains("is not empty and holds no run"), "{error}");
    }
    assert_eq!(names(root), ["thesis.tex"]);
    let error = RunDir::create_or_open(&root.join("thesis.tex"), &experiment(&[]), false);
    assert!(error.unwrap_err().to_string().contains("is a file"));
    fs::write(root.join("run.json"), "{}").unwrap();
    let error = RunDir::create_or_open(root, &experiment(&[]), true).unwrap_err();
    assert!(error.to_string().contains("not ours"), "{error}");
    assert_eq!(names(root), ["lock", "run.json", "thesis.tex"]);
}

#[test]
fn fresh_removes_our_files_alone_and_goes_on_when_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let run = RunDir::create_or_open(root, &experiment(&[]), false).unwrap();
    write_atomic(&run.checkpoint(8), b"x").unwrap();
    let of_layer = [("measure", "drs"), ("group", "test"), ("layer", "fc")];
    let of_step = [("step", "step-000000008"), ("figure", "probes")];
    let parts = [&of_layer[..], &of_step].concat();
    let is_kept =
        |file: &RunFile| file.is(Mark::Kept) || file.about().writer == Writer::Recorder;
    for file in RunFile::ALL.into_iter().filter(|file| !is_kept(file)) {
        if !file.path_of(root, &parts).exists() {
            write_atomic(&file.path_of(root, &parts), b"x").unwrap();
        }
    }
    fs::write(root.join("notes.txt"), "mine").unwrap();
    drop(run);
    drop(RunDir::create_or_open(root, &experiment(&[]), true).unwrap());
    assert_eq!(
        names(root),
        [
            "analysis.lock",
            "checksums",
            "experiment.toml",
            "lock",
            "notes.txt",
            "run.json"
        ]
    );
    // A process that ended while emptying: the next one empties, even without `fresh`.
    let run = RunDir::create_or_open(root, &experiment(&[]), false).unwrap();
    write_atomic(&run.checkpoint(8), b"x").unwrap();
    run.set_status(Status::Emptying).unwrap();
    fs::remove_file(run.experiment_toml()).unwrap();
    drop(run);
    let run = RunDir::create_or_open(root, &experiment(&["seed=1"]), false).unwrap();
    assert!(run.checkpoint_steps().unwrap().is_empty());
    assert_eq!(run.manifest().unwrap().status, Status::Training);
}

#[test]
fn a_second_process_is_told_who_holds_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let run = RunDir::create_or_open(root, &experiment(&[]), false).unwrap();
    for error in [
        RunDir::create_or_open(root, &experiment(&[]), true).unwrap_err(),
        RunDir::open_to_write(root).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Busy);
        let pid = format!("process {} on ", std::process::id());
        assert!(error.to_string().contains(&pid), "{error}");
    }
    RunDir::open(root).unwrap();
    drop(run);
    RunDir::open_to_write(root).unwrap();
}

#[test]
fn checkpoints_are_listed_in_the_order_of_steps() {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::create_or_open(directory.path(), &experiment(&[]), false).unwrap();
    assert!(run.checkpoints().is_err());
    run.record(|manifest| manifest.steps_per_epoch = Some(8)).unwrap();
    assert!(run.checkpoints().unwrap().is_empty());
    for step in [1_000_000_000, 12, 0] {
        write_atomic(&run.checkpoint(step), b"").unwrap();
    }
    fs::write(run.checkpoint_dir().join("step-7.safetensors"), b"").unwrap();
    let found = run.checkpoints().unwrap();
    let steps: Vec<u64> = found.iter().map(|checkpoint| checkpoint.step).collect();
    assert_eq!(steps, [0, 12, 1_000_000_000]);
    assert!((found[1].epoch - 1.5).abs() < 1e-12);
    assert!(found[1].path.ends_with("checkpoints/step-000000012.safetensors"));
}

#[test]
fn unfinished_files_are_removed_on_opening() {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::create_or_open(directory.path(), &experiment(&[]), false).unwrap();
    write_atomic(&run.checkpoint(0), b"").unwrap();
    let stale = run.checkpoint_dir().join(".stratagram-tmp-1-0-x");
    fs::write(&stale, b"").unwrap();
    drop(run);
    RunDir::open_to_write(directory.path()).unwrap();
    assert!(!stale.exists());
}

#[test]
fn a_copy_of_the_open_file_does_not_hold_a_lock() {
    let folder = tempfile::tempdir().unwrap();
    let lock = take_lock(folder.path(), LOCK).unwrap();
    let copy = lock.0.try_clone().unwrap();
    let error = take_lock(folder.path(), LOCK).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    drop(lock);
    take_lock(folder.path(), LOCK).unwrap();
    drop(copy);
}
