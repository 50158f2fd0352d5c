//! Many seeds at once: each run has the bytes that it has alone, whatever happens to the
//! others.

use std::fs;
use std::path::Path;

use crate::support::runs::{
    Files, assert_same, command, files, promised, succeed, texts,
};
use crate::support::time::wait_for;

const EXPERIMENT: &str = "
data = { kind = 'digits', n_train = 150, n_test = 60, augment = ['crop'] }
noise = { rate = 0.3 }
net = { kind = 'cnn5', width = 2 }
optimizer = { lr = 0.05, momentum = 0.9 }
train = { epochs = 4, batch_size = 32, checkpoints = [0, 2, 4] }
analysis = { n_examples = 16, layers = ['relu1', 'pool4', 'fc'], drs = { triplets = 4, resolution = 8 } }
";

fn new_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("e.toml"), EXPERIMENT).unwrap();
    directory
}

/// Each seed alone, in a directory of the name that it has among many.
fn alone(root: &Path, verb: &str, seeds: std::ops::Range<u64>) -> Vec<Files> {
    let of_seed = |seed: u64| {
        let out = format!("alone/seed-{seed}");
        succeed(root, &format!("{verb} e.toml seed={seed} --out {out}"));
        promised(&root.join(out))
    };
    seeds.map(of_seed).collect()
}

fn assert_each(many: &Path, expected: &[Files], how: &str) {
    for (seed, files) in expected.iter().enumerate() {
        assert_same(
            &many.join(format!("seed-{seed}")),
            files,
            &format!("seed {seed} {how}"),
        );
    }
}

#[test]
fn each_seed_has_the_bytes_of_its_run_alone() {
    let directory = new_directory();
    let root = directory.path();
    let expected = alone(root, "run", 0..4);
    // One after another, two or three at a time, and each on all of more threads.
    for threads in [1, 2, 3, 5] {
        let out = format!("many-{threads}");
        let arguments =
            format!("run e.toml --seeds 0..3 --threads {threads} --out {out}");
        let [runs, _] = succeed(root, &arguments);
        let lines: Vec<&str> = runs.lines().collect();
        for (line, seed) in lines[1..].iter().zip(0..4) {
            let start = format!("{out}/seed-{seed}  CNN5 of width ");
            assert!(line.starts_with(&start) && line.contains("  complete  "), "{runs}");
        }
        assert_eq!(lines[6], format!("comparison: {out}/comparison/index.html"));
        assert_eq!(lines[7], format!("next: stratagram open {out}/seed-0"));
        assert_each(&root.join(out), &expected, &format!("on {threads} threads"));
    }
    // The same command leaves the comparison as it is, and only the directory's name is in it.
    let before = files(&root.join("many-2/comparison"));
    assert_eq!(before.len(), 3);
    succeed(root, "run e.toml --seeds 0..3 --threads 1 --out many-2");
    assert!(files(&root.join("many-2/comparison")) == before, "once more");
    let [pages, _] = succeed(root, "train e.toml --seeds 0..3 --threads 2 --out many-2");
    assert_eq!(pages.lines().next(), Some("many-2/seed-0/history.csv"));
    assert_each(&root.join("many-2"), &expected, "once more");
}

#[test]
fn a_seed_that_fails_does_not_stop_the_others() {
    let directory = new_directory();
    let root = directory.path();
    let expected = alone(root, "train", 0..3);
    // Somebody's file where seed 1 would go.
    fs::create_dir_all(root.join("many/seed-1")).unwrap();
    fs::write(root.join("many/seed-1/notes.txt"), "x").unwrap();
    for threads in [1, 2] {
        let arguments =
            format!("train e.toml --seeds 0..2 --threads {threads} --out many");
        let output = command(root, &arguments).output().unwrap();
        let [stdout, error] = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert_eq!(stdout, "many/seed-0/history.csv\nmany/seed-2/history.csv\n");
        assert!(error.contains("seed-1: many/seed-1 is not empty"), "{error}");
        assert!(error.contains("1 of 3 runs failed: seed-1"), "{error}");
        for seed in [0, 2] {
            let run = root.join(format!("many/seed-{seed}"));
            assert_same(&run, &expected[seed], "beside a failure");
        }
    }
    fs::remove_file(root.join("many/seed-1/notes.txt")).unwrap();
    succeed(root, "train e.toml --seeds 0..2 --threads 2 --out many");
    assert_each(&root.join("many"), &expected, "after the failure");
}

#[test]
fn diverging_seeds_are_named_and_the_runs_marked_as_failed() {
    let directory = new_directory();
    let root = directory.path();
    let wild = "optimizer.lr=1e30 optimizer.momentum=0.99";
    let arguments = format!("train e.toml {wild} --seeds 3..5 --threads 2 --out many");
    let output = command(root, &arguments).output().unwrap();
    let [_, error] = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("3 of 3 runs failed: seed-3, seed-4, seed-5"), "{error}");
    for seed in 3..6 {
        let manifest = root.join(format!("many/seed-{seed}/run.json"));
        let manifest = fs::read_to_string(manifest).unwrap();
        assert!(manifest.contains("\"status\": \"failed\""), "{manifest}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_all_seeds_and_the_same_command_continues_them() {
    let directory = new_directory();
    let root = directory.path();
    let long = "train.epochs=60 train.checkpoints=[0,60] train.history=every";
    for seed in 0..4 {
        let out = format!("alone/seed-{seed}");
        succeed(root, &format!("train e.toml {long} seed={seed} --out {out}"));
    }
    let expected: Vec<Files> =
        (0..4).map(|seed| promised(&root.join(format!("alone/seed-{seed}")))).collect();
    let again = format!("train e.toml {long} --seeds 0..3 --threads 2 --out many");
    let mut child = command(root, &again).spawn().unwrap();
    let state = |seed| root.join(format!("many/seed-{seed}/state/last.safetensors"));
    wait_for("a state", &mut child, || state(0).exists() && state(1).exists());
    let id = child.id().to_string();
    let killed = std::process::Command::new("kill").args(["-INT", &id]).status();
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let [_, error] = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let command = "stratagram train e.toml train.epochs=60 'train.checkpoints=[0,60]' \
         train.history=every --seeds 0..3 --out many --threads 2";
    assert!(error.contains(&format!("continue with: {command}\n")), "{error}");
    assert!(!state(3).exists(), "no further seed begins");
    succeed(root, &again);
    assert_each(&root.join("many"), &expected, "after an interrupt");
}

#[test]
fn a_dry_run_says_how_many_runs_go_on_at_a_time() {
    let directory = new_directory();
    let root = directory.path();
    let [plan, _] = succeed(root, "run e.toml --seeds 0..3 --threads 2 --dry-run");
    assert!(plan.contains("runs      4, 2 at a time"), "{plan}");
    assert!(plan.contains("on one thread"), "{plan}");
    let [plan, _] = succeed(root, "run e.toml --seeds 0..1 --threads 3 --dry-run");
    assert!(plan.contains("runs      2, 1 at a time"), "{plan}");
    assert!(plan.contains("on 3 threads"), "{plan}");
}
