//! Forks: `--from RUN@EPOCH` continues a run from one of its checkpoints, unchanged or with
//! something changed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use stratagram::array_file::{NamedArrays, read_npz, read_safetensors};
use stratagram::experiment::TrainLabels;
use stratagram::run_dir::{RunFile, read_findings};
use stratagram::{RunDir, net};

use crate::support::runs::{Files, assert_same_files, command, promised, succeed, texts};
use crate::support::shared::shared;
use crate::support::time::within;

/// Seven steps an epoch; checkpoints inside epochs too.
const EXPERIMENT: &str = "
seed = 5
data = { kind = 'digits', n_train = 200, n_test = 60, augment = ['crop'] }
noise = { rate = 0.3 }
net = { kind = 'cnn5', width = 3 }
optimizer = { lr = 0.05, momentum = 0.9, schedule = { kind = 'cosine' } }
train = { epochs = 8, batch_size = 32, checkpoints = [0, 1, 2.5, 5, 8] }
analysis = { n_examples = 16, drs = { triplets = 4, resolution = 8 } }
";

/// A directory with an experiment and its run in `p/run`, trained with the verb.
fn parent(verb: &str, changes: &str) -> tempfile::TempDir {
    shared(EXPERIMENT, &format!("{verb} e.toml --out p/run {changes}"))
}

/// That a run has the bytes of another, but for the page, which names the parent of a fork.
fn assert_same(run: &Path, expected: &Files, how: &str) {
    let unnamed = |files: &Files| -> Files {
        let names = ["report/index.html", "checksums/report.csv"];
        let is_unnamed = |(name, _): &&(String, Vec<u8>)| !names.contains(&name.as_str());
        files.iter().filter(is_unnamed).cloned().collect()
    };
    assert_same_files(&unnamed(&promised(run)), &unnamed(expected), how);
}

fn arrays(run: &Path, step: u64) -> NamedArrays {
    read_safetensors(&RunDir::open(run).unwrap().checkpoint(step)).unwrap()
}

/// The rows of a history up to and after a step, without the header.
fn rows(run: &Path, step: u64) -> [Vec<String>; 2] {
    let text = fs::read_to_string(run.join("history.csv")).unwrap();
    let is_before =
        |row: &String| row.split(',').next().unwrap().parse::<u64>().unwrap() <= step;
    let (before, after) = text.lines().skip(1).map(str::to_owned).partition(is_before);
    [before, after]
}

#[test]
fn an_unchanged_fork_has_the_bytes_of_its_parent_down_to_the_figures() {
    let directory = parent("run", "");
    let root = directory.path();
    let expected = promised(&root.join("p/run"));
    assert!(expected.iter().any(|(name, _)| name == "report/index.html"));
    // 2.5 is checkpoint 17 or 18 of 56 steps: its epoch is a fraction of sevenths.
    let epochs: Vec<f64> = RunDir::open(&root.join("p/run"))
        .unwrap()
        .checkpoints()
        .unwrap()
        .iter()
        .map(|checkpoint| checkpoint.epoch)
        .collect();
    // At every epoch what training leaves, from the middle the rest too.
    let of_training = |files: &Files| -> Files {
        let parts = [
            "checkpoints/",
            "state/",
            "labels.npz",
            "history.csv",
            "updates",
            "experiment",
            "checksums/train",
        ];
        let is_of = |name: &str| parts.iter().any(|part| name.starts_with(part));
        files.iter().filter(|(name, _)| is_of(name)).cloned().collect()
    };
    for epoch in epochs {
        let out = format!("at-{epoch}/run");
        succeed(root, &format!("train --from p/run@{epoch} --out {out}"));
        let how = format!("forked at epoch {epoch}");
        assert_same(&root.join(&out), &of_training(&expected), &how);
    }
    succeed(root, "run --from p/run@2.5714285714285716 --out middle/run");
    assert_same(&root.join("middle/run"), &expected, "forked in the middle");
    // The same from the file instead of the parent's experiment, and once more.
    for _ in 0..2 {
        let [page, _] = succeed(root, "run e.toml --from p/run@1 --out file/run");
        assert!(page.contains(" file/run/report/index.html\n"), "{page}");
        assert_same(&root.join("file/run"), &expected, "forked with the file");
    }
    let manifest = fs::read_to_string(root.join("file/run/run.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["fork"]["step"], 7);
    assert!(manifest["fork"]["run"].as_str().unwrap().ends_with("p/run"));
}

#[test]
fn an_unchanged_fork_of_every_optimizer_has_the_bytes_of_its_parent() {
    for changes in [
        "optimizer.momentum=0",
        "optimizer.nesterov=true optimizer.clip_norm=1",
        "optimizer.kind=adam optimizer.lr=0.01",
        "optimizer.kind=adamw optimizer.lr=0.01 net.kind=resnet18 net.width=1",
        "train.freeze=conv1 train.labels=clean",
    ] {
        let directory = parent("train", changes);
        let root = directory.path();
        let expected = promised(&root.join("p/run"));
        succeed(root, "train --from p/run@5 --out c/run");
        assert_same(&root.join("c/run"), &expected, changes);
    }
}

#[test]
fn a_fork_that_is_killed_again_and_again_ends_with_the_same_bytes() {
    let directory = parent("train", "");
    let root = directory.path();
    let expected = promised(&root.join("p/run"));
    let again = "train --from p/run@1 --out c/run";
    // Ever later, until a whole fork is there: kills while it is made and after.
    let state = root.join("c/run/state/last.safetensors");
    let mut kills = 0;
    while !state.exists() || kills < 12 {
        let mut child = command(root, again).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(5 + 4 * kills));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!texts(&output)[1].contains("error:"), "after {kills} kills: {output:?}");
        kills += 1;
    }
    // A fork that was begun needs --from until its first state is there, and never again.
    fs::remove_file(state).unwrap();
    let manifest = fs::read_to_string(root.join("c/run/run.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let fork = manifest["fork"]["step"].as_u64().unwrap();
    for found in RunFile::Checkpoint.list(&root.join("c/run")).unwrap() {
        if found.step() > fork {
            fs::remove_file(found.path).unwrap();
        }
    }
    let output =
        command(root, "train p/run/experiment.toml --out c/run").output().unwrap();
    assert!(
        texts(&output)[1].contains("repeat the command with its --from"),
        "{output:?}"
    );
    succeed(root, again);
    assert_same(&root.join("c/run"), &expected, "killed");
}

#[test]
fn a_fork_needs_nothing_of_its_parent_and_may_be_moved() {
    let directory = parent("run", "");
    let root = directory.path();
    let expected = promised(&root.join("p/run"));
    succeed(root, "train --from p/run@2.5714285714285716 --out c/run");
    fs::remove_dir_all(root.join("p")).unwrap();
    fs::create_dir(root.join("elsewhere")).unwrap();
    fs::rename(root.join("c/run"), root.join("elsewhere/run")).unwrap();
    succeed(root, "analyze elsewhere/run");
    succeed(root, "report elsewhere/run");
    assert_same(&root.join("elsewhere/run"), &expected, "moved");
    // And it has children of its own, at epochs of its parent too.
    succeed(root, "run --from elsewhere/run@1 --out d/run");
    assert_same(&root.join("d/run"), &expected, "a child's child");
}

#[test]
fn frozen_layers_stay_with_their_statistics_and_history_goes_on() {
    let directory = parent("train", "");
    let root = directory.path();
    let frozen = ["conv1", "bn1", "conv4", "bn4", "fc"];
    succeed(root, "train --from p/run@5 train.freeze=[*1,conv4,bn4,fc] --out c");
    let (parent, child) = (root.join("p/run"), root.join("c"));
    let (before, after) = (arrays(&parent, 35), arrays(&child, 56));
    for ((name, before), (_, after)) in before.0.iter().zip(&after.0) {
        let stays = frozen.contains(&name.split('.').next().unwrap());
        // Biases before a BatchNorm have no gradient but rounding, which may move nothing.
        if stays || !name.starts_with("conv") || name.ends_with("weight") {
            assert_eq!(before == after, stays, "{name}");
        }
    }
    assert_eq!(rows(&child, 35)[0], rows(&parent, 35)[0]);
    assert_ne!(rows(&child, 35)[1], rows(&parent, 35)[1]);
    assert_eq!(rows(&child, 35)[1].len(), 3);
    for step in [0, 7, 18, 35] {
        assert_eq!(arrays(&child, step), arrays(&parent, step));
    }
}

#[test]
fn layers_start_anew_from_the_childs_seed_with_an_empty_memory() {
    let directory = parent("train", "optimizer.kind=adam optimizer.lr=0.01");
    let root = directory.path();
    // Ends where it begins: the state is that of the first step.
    let here = "train.epochs=5 train.checkpoints=[0,5] train.history=[0]";
    succeed(
        root,
        &format!("train --from p/run@5 train.reinit=[fc,bn4] {here} --out same"),
    );
    succeed(
        root,
        &format!("train --from p/run@5 train.reinit=fc {here} --out new seed=6"),
    );
    let parent = arrays(&root.join("p/run"), 35);
    let state = |run: &str| {
        read_safetensors(&root.join(run).join("state/last.safetensors")).unwrap()
    };
    let input = net::Shape { channels: 1, height: 8, width: 8 };
    let net = net::NetConfig::cnn5(3).build(input, 10);
    for (run, seed, anew) in [("same", 5, &["fc", "bn4"][..]), ("new", 6, &["fc"])] {
        let (state, initial) = (state(run), net::initial_weights(&net, seed));
        for (name, before) in &parent.0 {
            let is_new = anew.contains(&name.split('.').next().unwrap());
            let expected = if is_new { initial.get(name).unwrap() } else { before };
            let found = state.get(&format!("weights/{name}")).unwrap();
            assert_eq!(found, expected, "{run} {name}");
            for buffer in ["exp_avg", "exp_avg_sq", "step"] {
                let name = format!("optimizer/{buffer}/{name}");
                let Some(buffer) = state.get(&name) else { continue };
                let is_empty = buffer.to_f64().iter().all(|value| *value == 0.0);
                assert_eq!(is_empty, is_new, "{run} {name}");
            }
        }
        // Checkpoint and row of the fork are the parent's: what was there before the change.
        assert_eq!(arrays(&root.join(run), 35), parent);
    }
    // A child of the child does not start its layers anew once more.
    succeed(
        root,
        "train --from same@5 train.epochs=6 train.checkpoints=[0,6] --out third",
    );
    let text = fs::read_to_string(root.join("third/experiment.toml")).unwrap();
    assert!(!text.contains("reinit"), "{text}");
}

#[test]
fn clean_labels_keep_the_corrupted_examples_as_a_group() {
    let directory = parent("train", "");
    let root = directory.path();
    let [_, notes] =
        succeed(root, "train --from p/run@2.5714285714285716 noise.rate=0 --out c");
    assert!(notes.contains("the corrupted examples stay a group"), "{notes}");
    let (parent, child) = (root.join("p/run"), root.join("c"));
    let experiment = RunDir::open(&child).unwrap().experiment().clone();
    assert_eq!(experiment.train.labels, TrainLabels::Clean);
    let labels = |run: &Path| read_npz(&run.join("labels.npz")).unwrap();
    assert_eq!(labels(&child), labels(&parent));
    let [before, after] = rows(&child, 18);
    assert_eq!(before, rows(&parent, 18)[0]);
    assert!(after.len() >= 5);
    for row in after {
        let fields: Vec<&str> = row.split(',').collect();
        // train_error and train_error_true; memorized is still of the noisy labels.
        assert_eq!(fields[4], fields[5], "{row}");
        assert!(!fields[8].is_empty() && fields[7] != fields[6], "{row}");
    }
    // The same command continues it.
    succeed(root, "train --from p/run@2.5714285714285716 noise.rate=0 --out c");
}

#[test]
fn another_optimizer_starts_without_memory_and_says_so() {
    let directory = parent("train", "");
    let root = directory.path();
    let change = "optimizer.kind=adam optimizer.lr=0.01";
    let [_, notes] = succeed(root, &format!("train --from p/run@5 {change} --out c"));
    assert!(notes.contains("the optimizer was sgd and is adam now"), "{notes}");
    let state = read_safetensors(&root.join("c/state/last.safetensors")).unwrap();
    let steps = state.get("optimizer/step/fc.weight").unwrap().to_i64().unwrap();
    assert_eq!(steps, [21]);
    assert!(state.get("optimizer/momentum/fc.weight").is_none());
    let [_, notes] = succeed(root, "train --from p/run@5 data.seed=2 --out other");
    assert!(notes.contains("the fork has other data or label noise"), "{notes}");
    // Another rate alone keeps it, and nothing is said.
    let [_, notes] = succeed(root, "train --from p/run@5 optimizer.lr=0.001 --out d");
    assert!(!notes.contains("note:"), "{notes}");
}

#[test]
fn without_kept_optimizers_forks_start_at_the_ends_alone() {
    let directory = parent("train", "train.save_optimizer=false");
    let root = directory.path();
    let expected = promised(&root.join("p/run"));
    assert!(!expected.iter().any(|(name, _)| name.starts_with("state/step")));
    for epoch in [0, 8] {
        succeed(root, &format!("train --from p/run@{epoch} --out at-{epoch}"));
        assert_same(&root.join(format!("at-{epoch}")), &expected, "the ends");
    }
    let output = command(root, "train --from p/run@5 --out c").output().unwrap();
    let [_, error] = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("has no optimizer state"), "{error}");
    assert!(error.contains("train.save_optimizer=true"), "{error}");
    assert!(!root.join("c").exists());
    // Nothing is missing where nothing is taken over.
    succeed(root, "train --from p/run@5 optimizer.momentum=0 --out c");
}

#[test]
fn a_fork_begins_at_an_event_of_the_findings() {
    let changes = "noise.rate=0 train.epochs=20 train.checkpoints=[0,1,2.5,5,11,15,20]";
    let directory = parent("run", changes);
    let root = directory.path();
    let findings = read_findings(&root.join("p/run")).unwrap();
    let learned = findings.events.iter().find(|event| event.name == "clean-learned");
    let learned = learned.and_then(|event| event.epoch).expect("an epoch");
    succeed(root, "train --from p/run@clean-learned --out c");
    let fork = RunDir::open(&root.join("c")).unwrap().manifest().unwrap().fork.unwrap();
    let near = RunDir::open(&root.join("p/run")).unwrap().checkpoints().unwrap();
    let apart = |epoch: f64| ((1.0 + epoch) / (1.0 + learned)).ln().abs();
    assert!(
        near.iter().all(|c| apart(fork.epoch) <= apart(c.epoch)),
        "{fork:?}, {learned}"
    );

    for (from, part) in [
        ("p/run@minimum", "an epoch, or one of: clean-learned, memorizing"),
        ("p/run@perfect-fit", "perfect-fit was not found in this run"),
    ] {
        let output =
            command(root, &format!("train --from {from} --out d")).output().unwrap();
        let [_, error] = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn many_seeds_fork_from_one_checkpoint() {
    let directory = parent("train", "");
    let root = directory.path();
    succeed(root, "train --from p/run@5 --seeds 5..6 --out c --threads 2");
    assert_same(&root.join("c/seed-5"), &promised(&root.join("p/run")), "its own seed");
    assert_ne!(arrays(&root.join("c/seed-6"), 56), arrays(&root.join("c/seed-5"), 56));
    assert_eq!(arrays(&root.join("c/seed-6"), 35), arrays(&root.join("c/seed-5"), 35));
}

#[test]
fn what_cannot_be_forked_is_refused_before_a_directory_is_made() {
    let directory = parent("train", "");
    let root = directory.path();
    let cases = [
        ("--from nowhere@5", "nowhere is not a run directory"),
        ("--from p/run", "expected RUN@EPOCH"),
        ("--from p/run@", "expected RUN@EPOCH"),
        ("--from p/run@-1", "expected RUN@EPOCH"),
        ("--from p/run@3", "the nearest are 2.57 and 5"),
        ("--from p/run@9", "the nearest are 8"),
        ("--from p/run@5 net.width=4", "`conv1.weight` has shape [3, 1, 3, 3]"),
        ("--from p/run@5 net.kind=resnet18", "keep the parent's net"),
        ("--from p/run@5 train.freeze=pool9", "`train.freeze` names `pool9`"),
        ("--from p/run@5 train.freeze=*", "`train.freeze` names every layer"),
        ("--from p/run@5 train.reinit=relu1", "expected names and globs among conv1 bn1"),
        ("--from p/run@5 train.batch_size=64", "has 7 steps an epoch; expected 4"),
        (
            "--from p/run@5 train.epochs=4 train.checkpoints=every",
            "ends at epoch 4; expected at least 5",
        ),
        ("e.toml train.reinit=fc", "`train.reinit` is given without a run to fork"),
    ];
    for (arguments, part) in cases {
        for verb in ["train", "run", "run --dry-run"] {
            let output = command(root, &format!("{verb} --out c {arguments}")).output();
            let output = output.unwrap();
            let [_, error] = texts(&output);
            assert_eq!(output.status.code(), Some(2), "{verb} {arguments}: {error}");
            assert!(error.contains(part), "{verb} {arguments}: {error}");
            assert!(!root.join("c").exists(), "{verb} {arguments}");
        }
    }
    // The parent itself, above all where it would be emptied first.
    let expected = promised(&root.join("p/run"));
    for arguments in
        ["--from p/run@5 --out p/run", "--from p/run@5 --out p/../p/run --fresh"]
    {
        let output = command(root, &format!("train {arguments}")).output().unwrap();
        let [_, error] = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("p/run is the run to fork"), "{error}");
        assert_same(&root.join("p/run"), &expected, arguments);
    }
    // A directory with another run, or a fork of another checkpoint.
    succeed(root, "train e.toml --out alone");
    succeed(root, "train --from p/run@1 --out c");
    for (arguments, part) in [
        ("--from p/run@5 --out c", "holds a fork of"),
        ("--from p/run@5 --out alone", "holds a run that is no fork"),
        (
            "--from p/run@1 --out c optimizer.lr=0.1",
            "optimizer.lr = 0.05 there, 0.1 here",
        ),
    ] {
        let output = command(root, &format!("train {arguments}")).output().unwrap();
        let [_, error] = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {error}");
        assert!(error.contains(part), "{arguments}: {error}");
    }
}

#[test]
fn a_fork_costs_little_disk_and_a_dry_run_says_how_much() {
    let directory = parent("train", "");
    let root = directory.path();
    let [plan, _] = succeed(root, "run --from p/run@5 --dry-run");
    assert!(plan.contains("21 steps, 4 history rows, 5 checkpoints"), "{plan}");
    assert!(plan.contains("from      p/run at epoch 5"), "{plan}");
    assert!(plan.contains("of it the optimizer at each checkpoint"), "{plan}");
    assert!(plan.contains("run       runs/run-from-5"), "{plan}");
    within(Duration::from_secs(6), "a fork of no step", || {
        succeed(root, "train --from p/run@8 --out c")
    });
}
