//! What cannot be compared is refused, naming the first difference; runs that are not done are
//! left out, with reasons.

use std::fs;
use std::path::Path;

use stratagram::compare::{ComparisonFile, Results, compare};
use stratagram::findings::{
    Geometry, LayerFindings, LayerInput, Matrix, Replicates, RunContext,
};
use stratagram::run_dir::{RunFile, Status};
use stratagram::{Error, ErrorKind};

use super::fixture::{EPOCHS, Planted, write_file};

const TEXT: &str = "arms = { a = 'a-*', b = 'b-*' }\n[[statements]]\nid = 'P3'\nplus = 'a'\n\
    minus = 'b'\n";

fn compared(root: &Path, text: &str) -> Result<Results, Error> {
    compare(&ComparisonFile::read(&write_file(root, text)).unwrap())
}

/// The error of a comparison of `a` with `b`.
fn refused(a: &[Planted], b: &[Planted], text: &str) -> Error {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for (name, runs) in [("a", a), ("b", b)] {
        for (at, run) in runs.iter().enumerate() {
            run.write(&root.join(format!("{name}-{at}")));
        }
    }
    let error = compared(root, text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    error
}

fn with(settings: &str) -> Planted {
    Planted { settings: vec![settings.into()], ..Planted::default() }
}

#[track_caller]
fn assert_says(error: &Error, parts: &[&str]) {
    let text = format!("{error}; fix: {}", error.help().unwrap_or_default());
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn other_checkpoints_are_refused() {
    let mut other = with("optimizer.kind=adam");
    other.epochs[12] = 16.0;
    let error = refused(&[Planted::default()], &[other.clone()], TEXT);
    assert_says(
        &error,
        &[
            "comparison.toml: P3 compares runs with different checkpoints: number 13 is epoch 15",
            "and epoch 16",
            "expected the same epochs within 2 %",
            "fix: train both with the same `train.checkpoints`",
        ],
    );
    other.epochs.remove(12);
    assert_says(
        &refused(&[Planted::default()], &[other], TEXT),
        &["is epoch 15", "epoch 18"],
    );
}

#[test]
fn epochs_within_two_percent_are_the_same_and_longer_runs_are_cut() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for seed in 0..2 {
        let long = Planted::of_seed(seed);
        long.write(&root.join(format!("a-{seed}")));
        let mut short = Planted { settings: vec!["optimizer.kind=adam".into()], ..long };
        // 90.5 for 90, and nothing beyond.
        short.epochs.truncate(22);
        short.epochs[21] = 90.5;
        short.write(&root.join(format!("b-{seed}")));
    }
    let text = "arms = { a = 'a-*', b = 'b-*' }\n[[statements]]\nid = 'depth-contrast'\n\
        plus = 'a'\nminus = 'b'\n[[statements]]\nid = 'distinctness'\nplus = 'a'\nminus = 'b'\n";
    let results = compared(root, text).unwrap();
    assert_eq!(results.statements[0].n, 2);
    assert!(results.statements[0].mean.unwrap().abs() < 1e-3);
    // Λ of a run that is cut is computed again, and is not the planted 0.5.
    let circle = &Planted::default().layers[0];
    let cut = Matrix::from_fn(22, |i, j| circle.similarity([i, j], 22.0));
    let layer = LayerInput {
        layer: "conv1",
        depth: 0,
        measure: "cka",
        group: "test",
        geometry: Geometry::Vectors,
        epoch: &EPOCHS[..22],
        similarity: &cut,
        replicates: Replicates::Missing("not needed"),
        weights: None,
    };
    let found = LayerFindings::of(&layer, &RunContext::default());
    let expected = found.distinctness.unwrap().value;
    for row in &results.statements[1].values {
        assert_eq!(row.minus, Some(0.5));
        assert!((row.plus.unwrap() - expected).abs() < 0.1, "{row:?} for {expected}");
        assert!((row.plus.unwrap() - 0.5).abs() > 0.01);
    }
}

#[test]
fn other_layers_are_refused() {
    let mut other = with("optimizer.kind=adam");
    other.layers[2].name = "pool3";
    let error = refused(&[Planted::default()], &[other], TEXT);
    assert_says(
        &error,
        &[
            "with different layers: number 3 is conv3 in",
            "and pool3 in",
            "layers = [\"…\"]",
        ],
    );
}

#[test]
fn settings_that_differ_without_being_compared_are_refused() {
    let other = Planted {
        settings: vec!["optimizer.kind=adam".into(), "train.batch_size=16".into()],
        ..Planted::default()
    };
    let error = refused(&[Planted::default()], std::slice::from_ref(&other), TEXT);
    assert_says(
        &error,
        &[
            "compares runs that differ in `train.batch_size`: 32 in",
            "and 16 in",
            "expected equal settings but for optimizer.*",
            "differ = [\"train.batch_size\"]",
        ],
    );
    let error = refused(
        &[Planted::default(), Planted { seed: 1, ..with("optimizer.lr=0.3") }],
        &[with("optimizer.kind=adam")],
        TEXT,
    );
    assert_says(
        &error,
        &["differ in `optimizer.lr`: 0.02 in", "and 0.3 in", "data.seed"],
    );
    let text = format!("differ = 'train.batch_size'\n{TEXT}");
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    Planted::default().write(&root.join("a-0"));
    other.write(&root.join("b-0"));
    assert!(compared(root, &text).is_ok());
}

#[test]
fn two_runs_of_one_seed_are_refused() {
    let error = refused(
        &[Planted::default(), with("net.width=8")],
        &[with("optimizer.kind=adam")],
        TEXT,
    );
    assert_says(
        &error,
        &["has two runs of seed 0 in `a`", "a-0", "a-1", "they differ in `net.width`"],
    );
}

#[test]
fn a_pattern_of_layers_that_means_none_is_refused() {
    let text = format!("layers = ['conv*', 'blocks.*']\n{TEXT}");
    let error = refused(&[Planted::default()], &[with("optimizer.kind=adam")], &text);
    assert_says(&error, &["`blocks.*` means no layer", "among conv1 conv2 conv3 conv4"]);
}

#[test]
fn runs_that_are_not_done_are_left_out_with_reasons() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let other = |seed| Planted { seed, ..with("optimizer.kind=adam") };
    for seed in 0..5 {
        other(seed).write(&root.join(format!("b-{seed}")));
    }
    Planted::of_seed(0).write(&root.join("a-0"));
    drop(Planted::of_seed(1).write_without_findings(&root.join("a-1")));
    let failed = Planted::of_seed(2).write_without_findings(&root.join("a-2"));
    let error = Error::new(ErrorKind::NonFinite, "the training loss", "is NaN at step 7");
    failed.set_failed(&error).unwrap();
    drop(failed);
    let analyzing = Planted::of_seed(3).write_without_findings(&root.join("a-3"));
    analyzing.set_status(Status::Complete).unwrap();
    drop(analyzing);
    let results = compared(root, TEXT).unwrap();
    let why: Vec<&str> =
        results.arms[0].left_out.iter().map(|left_out| left_out.why.as_str()).collect();
    assert_eq!(why[0], "not finished: training");
    assert_eq!(why[1], "failed: the training loss is NaN at step 7");
    assert!(why[2].starts_with("no findings: stratagram analyze "), "{why:?}");
    let found = &results.statements[0];
    assert_eq!((found.n, &found.seeds[..]), (1, &["0".to_owned()][..]));
    let counterpart = found.left_out.iter().find(|run| run.run.ends_with("b-4")).unwrap();
    assert_eq!(counterpart.why, "no run of seed 4 in arm a");
    assert!(results.lines().contains("a-2: failed: the training loss is NaN"));
}

/// A quarter of the seeds may lack the endpoint, no more; and a seed that is disturbed counts.
#[test]
fn instability_is_left_out_and_counts_as_missing() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for seed in 0..9 {
        let run = Planted { seed, ..with("noise.rate=0.2") };
        let path = run.write(&root.join(format!("a-{seed}")));
        if seed < 3 {
            // The training loss rises with the test error.
            let history = RunFile::History.path(&path);
            let text = fs::read_to_string(&history).unwrap();
            let bump = |line: &str| {
                let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
                if ["12", "15", "18"].contains(&cells[1].as_str()) {
                    cells[3] = "2.5".into();
                }
                cells.join(",") + "\n"
            };
            fs::write(&history, text.lines().map(bump).collect::<String>()).unwrap();
            fs::remove_dir_all(path.join("checksums")).unwrap();
        }
        let control = Planted { descent: None, ..Planted::of_seed(seed) };
        control.write(&root.join(format!("b-{seed}")));
    }
    let text = "arms = { a = 'a-*', b = 'b-*' }\n[[statements]]\nid = 'P1'\nplus = 'a'\n\
        minus = 'b'\narms = ['a', 'a', 'b']\n";
    let found = &compared(root, text).unwrap().statements[0];
    assert_eq!((found.n, found.left_out.len()), (6, 3));
    assert!(found.left_out[0].why.starts_with("instability: "), "{:?}", found.left_out);
    assert!(found.reason.ends_with("3 of 9 seeds lack the endpoint"), "{}", found.reason);
}

#[test]
fn damaged_files_and_directories_without_a_run_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for name in ["a-0", "b-0"] {
        with(if name == "b-0" { "optimizer.kind=adam" } else { "seed=0" })
            .write(&root.join(name));
    }
    let path = RunFile::Findings.path(&root.join("b-0"));
    fs::write(&path, "{").unwrap();
    let error = compared(root, TEXT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("b-0"), "{error}");
}
