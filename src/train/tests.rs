use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::array_file::{read_npz, read_safetensors};
use crate::engine::Engine;
use crate::net::initial_weights;
use crate::observer::{Progress, Silent};
use crate::phases::Phases;
use crate::run_dir::EarlyEnd;

/// A net and data set small enough for hundreds of trainings: 97 images of 8×8 pixels in 6
/// steps an epoch (the last batch of 16 takes the one image that is left over).
const SMALL: &str = "
    seed = 3
    data = { kind = 'digits', n_train = 97, n_test = 60 }
    noise = { rate = 0.3 }
    net = { kind = 'cnn5', width = 2 }
    optimizer = { kind = 'sgd', lr = 0.05, momentum = 0.9 }
    train = { epochs = 3, batch_size = 16, checkpoints = [0, 0.5, 1, 2, 3] }
    analysis = { n_examples = 16, drs = { triplets = 4 } }
";

fn experiment(overrides: &[&str]) -> Experiment {
    let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
    Experiment::parse("test", SMALL, ".".as_ref(), &overrides).unwrap()
}

/// Asks to stop after some calls.
struct StopAfter(AtomicU64);

impl StopAfter {
    fn new(steps: u64) -> Self {
        Self(AtomicU64::new(steps))
    }
}

impl Observer for StopAfter {
    fn progress(&self, _: &Progress) {}

    fn should_stop(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) == 1
    }

    fn note(&self, _: &str) {}
}

fn train_in(
    root: &Path,
    experiment: &Experiment,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let data = Data::load(experiment)?;
    let run = RunDir::create_or_open(root, experiment, false)?;
    train(experiment, &data, &run, observer)
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
            } else if !["timing.csv", "run.json", "lock"].contains(&name.as_str()) {
                files.push((name, fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn assert_same(actual: &Path, expected: &[(String, Vec<u8>)], how: &str) {
    let actual = promised(actual);
    let names = |files: &[(String, Vec<u8>)]| {
        files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&actual), names(expected), "{how}");
    for ((name, actual), (_, expected)) in actual.iter().zip(expected) {
        assert!(actual == expected, "{name} differs, {how}");
    }
}

/// Trains without a stop, and again with a stop after every number of steps.
fn assert_same_bytes_split_anywhere(overrides: &[&str]) {
    let experiment = experiment(overrides);
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole");
    let outcome = train_in(&whole, &experiment, &Silent).unwrap();
    assert_eq!(outcome, Outcome { continued_from: 0, steps: 18 });
    let expected = promised(&whole);
    for steps in 1..18 {
        let root = directory.path().join(format!("split-{steps}"));
        let error = train_in(&root, &experiment, &StopAfter::new(steps)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
        let outcome = train_in(&root, &experiment, &Silent).unwrap();
        assert_eq!(outcome.continued_from, steps);
        assert_same(
            &root,
            &expected,
            &format!("split after step {steps} of {overrides:?}"),
        );
    }
    // And with a stop after every single step.
    let root = directory.path().join("steps");
    for _ in 1..18 {
        train_in(&root, &experiment, &StopAfter::new(1)).unwrap_err();
    }
    train_in(&root, &experiment, &Silent).unwrap();
    assert_same(&root, &expected, "stopped after every step");
}

#[test]
fn sgd_with_momentum_gives_the_same_bytes_split_anywhere() {
    assert_same_bytes_split_anywhere(&["optimizer.schedule={kind='cosine'}"]);
}

#[test]
fn adam_with_augmentation_gives_the_same_bytes_split_anywhere() {
    assert_same_bytes_split_anywhere(&[
        "optimizer.kind=adam",
        "optimizer.lr=0.002",
        "data.augment=[crop, flip]",
        "net={kind='resnet18', width=1}",
    ]);
}

#[test]
fn nesterov_and_adamw_give_the_same_bytes_split_anywhere() {
    assert_same_bytes_split_anywhere(&[
        "optimizer.nesterov=true",
        "optimizer.weight_decay=0.01",
    ]);
    assert_same_bytes_split_anywhere(&[
        "optimizer.kind=adamw",
        "optimizer.weight_decay=0.1",
        "optimizer.schedule={kind='inverse-sqrt', period=4}",
        "evaluation.batchnorm=running",
    ]);
}

/// A transformer of 5 tokens with everything random that training has.
const VIT: [&str; 4] = [
    "net={kind='vit', dim=8, depth=2, heads=2, mlp_dim=12, dropout=0.2}",
    "train.label_smoothing=0.1",
    "data.augment=[crop, flip]",
    "optimizer.kind=adamw",
];

#[test]
fn a_transformer_with_dropout_gives_the_same_bytes_split_anywhere() {
    assert_same_bytes_split_anywhere(&VIT);
    let mut sgd = VIT;
    sgd[3] = "optimizer.nesterov=true";
    assert_same_bytes_split_anywhere(&sgd);
}

#[test]
fn smoothing_and_dropout_change_training_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let train = |name: &str, dropout: &str, smoothing: &str| {
        let mut overrides = VIT.to_vec();
        overrides.extend([dropout, smoothing]);
        let root = directory.path().join(name);
        train_in(&root, &experiment(&overrides), &Silent).unwrap();
        let text = fs::read_to_string(root.join("history.csv")).unwrap();
        let lines: Vec<String> = text.lines().map(String::from).collect();
        lines
    };
    let both = train("both", "net.dropout=0.2", "train.label_smoothing=0.1");
    let dropout = train("dropout", "net.dropout=0.2", "train.label_smoothing=0");
    let smoothing = train("smoothing", "net.dropout=0", "train.label_smoothing=0.1");
    // The row of epoch 0 is plain cross-entropy without dropout.
    assert_eq!(both[1], dropout[1]);
    assert_eq!(both[1], smoothing[1]);
    assert_ne!(both[2], dropout[2]);
    assert_ne!(both[2], smoothing[2]);
}

#[test]
fn threads_change_no_bytes() {
    threads_change_no_bytes_of(&["net.width=4"]);
    threads_change_no_bytes_of(&VIT);
}

fn threads_change_no_bytes_of(overrides: &[&str]) {
    let experiment = experiment(overrides);
    let directory = tempfile::tempdir().unwrap();
    let mut expected = None;
    for threads in [1, 2, 3, 4, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let root = directory.path().join(threads.to_string());
        pool.install(|| train_in(&root, &experiment, &Silent)).unwrap();
        let files = promised(&root);
        assert_same(&root, expected.get_or_insert(files), &format!("{threads} threads"));
    }
}

#[test]
fn a_run_has_the_files_of_the_format() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a");
    let experiment = experiment(&["train.history=[0, 1.5]"]);
    train_in(&root, &experiment, &Silent).unwrap();
    let run = RunDir::open(&root).unwrap();
    let names: Vec<String> = promised(&root).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "checkpoints/step-000000000.safetensors",
            "checkpoints/step-000000003.safetensors",
            "checkpoints/step-000000006.safetensors",
            "checkpoints/step-000000012.safetensors",
            "checkpoints/step-000000018.safetensors",
            "checksums/train.csv",
            "experiment.toml",
            "history.csv",
            "labels.npz",
            "state/last.safetensors",
            "state/step-000000003.safetensors",
            "state/step-000000006.safetensors",
            "state/step-000000012.safetensors",
            "state/step-000000018.safetensors",
            "updates.csv",
        ]
    );
    let epochs: Vec<f64> = run.checkpoints().unwrap().iter().map(|c| c.epoch).collect();
    assert_eq!(epochs, [0.0, 0.5, 1.0, 2.0, 3.0]);
    let history = fs::read_to_string(run.history()).unwrap();
    let epochs: Vec<&str> =
        history.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(epochs, ["0", "0.5", "1", "1.5", "2", "3"]);
    let manifest = run.manifest().unwrap();
    assert_eq!(manifest.status, Status::Trained);
    assert_eq!(manifest.steps_per_epoch, Some(6));
    // The first checkpoint is the initialization.
    let weights = read_safetensors(&run.checkpoint(0)).unwrap();
    let data = Data::load(&experiment).unwrap();
    let net = experiment.net.build(data.train.shape, data.n_classes);
    for (name, array) in initial_weights(&net, 3).0 {
        assert_eq!(weights.get(&name), Some(&array), "{name}");
    }
}

#[test]
fn history_is_what_the_checkpoints_give() {
    let directory = tempfile::tempdir().unwrap();
    let experiment =
        experiment(&["net.width=4", "train.epochs=30", "train.checkpoints=[30]"]);
    train_in(directory.path(), &experiment, &Silent).unwrap();
    let run = RunDir::open(directory.path()).unwrap();
    let mut table = csv::Reader::from_path(run.history()).unwrap();
    let header = table.headers().unwrap().clone();
    let last = table.records().last().unwrap().unwrap();
    let value = |name: &str| -> f64 {
        last[header.iter().position(|column| column == name).unwrap()].parse().unwrap()
    };
    // The same numbers, recomputed from the checkpoint and labels.npz alone.
    let labels = read_npz(&run.labels()).unwrap();
    let column = |name: &str| labels.get(name).unwrap().to_i64().unwrap();
    let (truth, noisy, corrupted) =
        (column("true"), column("noisy"), column("corrupted"));
    let data = Data::load(&experiment).unwrap();
    let net = experiment.net.build(data.train.shape, data.n_classes);
    let weights = read_safetensors(&run.checkpoint(180)).unwrap();
    let mut engine = Engine::new(&net, &weights).unwrap();
    let images = data.batch(&data.train, &(0..97).collect::<Vec<_>>());
    let statistics = engine.recompute_statistics([images.as_slice()].into_iter());
    let output = [net.nodes.len() - 1];
    let logits = engine.evaluate(&images, &statistics, &output).remove(0);
    let mut counts = [0.0; 5]; // noisy, true, clean, memorized, recovered
    let mut loss = 0.0;
    for (i, row) in logits.chunks(10).enumerate() {
        let rank = |class: i64| row.iter().filter(|z| **z > row[class as usize]).count();
        let exponentials = row.iter().map(|z| f64::from(*z).exp());
        loss += exponentials.sum::<f64>().ln() - f64::from(row[noisy[i] as usize]);
        let (is_noisy, is_true) = (rank(noisy[i]) == 0, rank(truth[i]) == 0);
        let hits = [
            is_noisy,
            is_true,
            is_noisy && corrupted[i] == 0,
            is_noisy && corrupted[i] == 1,
            is_true && corrupted[i] == 1,
        ];
        for (count, hit) in counts.iter_mut().zip(hits) {
            *count += f64::from(u8::from(hit));
        }
    }
    let n_corrupted = corrupted.iter().sum::<i64>() as f64;
    assert!(n_corrupted > 15.0);
    let close = |name: &str, expected: f64| {
        let actual = value(name);
        assert!((actual - expected).abs() < 1e-6, "{name}: {actual} is not {expected}");
    };
    close("train_loss", loss / 97.0);
    close("train_error", 1.0 - counts[0] / 97.0);
    close("train_error_true", 1.0 - counts[1] / 97.0);
    close("train_error_clean", 1.0 - counts[2] / (97.0 - n_corrupted));
    close("train_error_corrupted", 1.0 - counts[3] / n_corrupted);
    close("memorized", counts[3] / n_corrupted);
    close("recovered", counts[4] / n_corrupted);
    // Thirty epochs fit more than chance.
    assert!(value("train_error") < 0.5, "{}", value("train_error"));
}

#[test]
fn a_complete_training_is_left_as_it_is_and_may_grow() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("grown");
    train_in(&root, &experiment(&[]), &Silent).unwrap();
    let before =
        fs::metadata(root.join("state/last.safetensors")).unwrap().modified().unwrap();
    let outcome = train_in(&root, &experiment(&[]), &Silent).unwrap();
    assert_eq!(outcome, Outcome { continued_from: 18, steps: 18 });
    let after =
        fs::metadata(root.join("state/last.safetensors")).unwrap().modified().unwrap();
    assert_eq!(before, after);
    // Three epochs more end where five at once do.
    let longer =
        experiment(&["train.epochs=5", "train.checkpoints=[0, 0.5, 1, 2, 3, 5]"]);
    let at_once = directory.path().join("at-once");
    train_in(&at_once, &longer, &Silent).unwrap();
    let error = train_in(&root, &longer, &Silent).unwrap_err();
    assert!(error.to_string().contains("train.checkpoints"), "{error}");
    let rule = |epochs: &str| experiment(&[epochs, "train.checkpoints=every"]);
    let (root, at_once) = (directory.path().join("b"), directory.path().join("c"));
    train_in(&root, &rule("train.epochs=3"), &Silent).unwrap();
    train_in(&root, &rule("train.epochs=5"), &Silent).unwrap();
    train_in(&at_once, &rule("train.epochs=5"), &Silent).unwrap();
    assert_same(&root, &promised(&at_once), "grown from 3 to 5 epochs");
}

#[test]
fn a_diverging_training_stops_and_keeps_the_last_good_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let experiment = experiment(&["optimizer.lr=1e30", "optimizer.momentum=0.99"]);
    let error = train_in(root, &experiment, &Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NonFinite);
    assert!(error.to_string().contains("epoch"), "{error}");
    assert!(error.to_string().contains("step"), "{error}");
    let run = RunDir::open(root).unwrap();
    let manifest = run.manifest().unwrap();
    assert_eq!(manifest.status, Status::Failed);
    assert_eq!(manifest.message, Some(error.to_string()));
    for checkpoint in run.checkpoints().unwrap() {
        for (name, array) in read_safetensors(&checkpoint.path).unwrap().0 {
            assert!(array.to_f64().iter().all(|v| v.is_finite()), "{name}");
        }
    }
    assert!(!fs::read_to_string(run.history()).unwrap().contains("NaN"));
    // The same command meets the same end.
    let again = train_in(root, &experiment, &Silent).unwrap_err();
    assert_eq!(again.to_string(), error.to_string());
}

#[test]
fn missing_and_damaged_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a");
    let experiment = experiment(&[]);
    let start = || {
        let _ = fs::remove_dir_all(&root);
        train_in(&root, &experiment, &StopAfter::new(10)).unwrap_err();
    };
    let refused = |part: &str| {
        let error = train_in(&root, &experiment, &Silent).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.help().is_some(), "{error}");
    };
    start();
    let state = root.join("state/last.safetensors");
    let mut bytes = fs::read(&state).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::remove_file(&state).unwrap();
    fs::write(&state, &bytes).unwrap();
    refused("last.safetensors is not as it was written");
    start();
    let own = fs::read(&state).unwrap();
    let other = Experiment { seed: 4, ..experiment.clone() };
    let elsewhere = directory.path().join("b");
    train_in(&elsewhere, &other, &StopAfter::new(10)).unwrap_err();
    fs::copy(elsewhere.join("state/last.safetensors"), &state).unwrap();
    assert_ne!(fs::read(&state).unwrap(), own);
    refused("last.safetensors is not as it was written");
    start();
    fs::remove_file(root.join("checkpoints/step-000000003.safetensors")).unwrap();
    refused("step-000000003");
    start();
    fs::write(root.join("history.csv"), COLUMNS_LINE).unwrap();
    refused("history.csv");
    start();
    let text = fs::read_to_string(root.join("run.json")).unwrap();
    let (text, _) = text.split_once(",\n  \"checksum\"").unwrap();
    let text = format!("{text}\n}}\n");
    let at = text.find("\"data_sha256\": \"").unwrap() + 16;
    let other = format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..]);
    fs::write(root.join("run.json"), other).unwrap();
    refused("other data");
}

const COLUMNS_LINE: &str = "step,epoch,lr,train_loss,train_error,train_error_true,\
    train_error_clean,train_error_corrupted,memorized,recovered,test_loss,test_error,\
    test_error_running_bn\n";

#[test]
fn weights_from_a_file_are_the_initialization() {
    let directory = tempfile::tempdir().unwrap();
    let first = directory.path().join("first");
    train_in(&first, &experiment(&[]), &Silent).unwrap();
    let file = RunDir::open(&first).unwrap().checkpoint(18);
    let from_file = format!("init.weights='{}'", file.display());
    let second = directory.path().join("second");
    train_in(&second, &experiment(&[&from_file]), &Silent).unwrap();
    let start = RunDir::open(&second).unwrap().checkpoint(0);
    assert_eq!(fs::read(start).unwrap(), fs::read(file).unwrap());
    // Another net's weights: an error, and no training begins.
    let third = directory.path().join("third");
    let wider = experiment(&[&from_file, "net.width=3"]);
    assert!(train_in(&third, &wider, &Silent).is_err());
    train_in(&third, &experiment(&[]), &Silent).unwrap();
}

/// Trains up to 60 epochs of 3 steps; the labels are fitted at about the seventh.
fn fitting(until: Option<&str>) -> Experiment {
    let mut overrides = vec![
        "data.n_train=48",
        "data.n_test=30",
        "noise.rate=0",
        "net.width=4",
        "train.epochs=60",
        "train.history=every",
        "train.checkpoints=log-spaced",
    ];
    overrides.extend(until);
    experiment(&overrides)
}

/// The last epoch of a run's history.
fn last_epoch(root: &Path) -> f64 {
    *RunDir::open(root).unwrap().curves().unwrap().epoch().last().unwrap()
}

#[test]
fn until_ends_with_the_first_checkpoint_past_the_perfect_fits() {
    let directory = tempfile::tempdir().unwrap();
    let [whole, early] = ["whole", "early"].map(|name| directory.path().join(name));
    train_in(&whole, &fitting(None), &Silent).unwrap();
    let run = RunDir::open(&whole).unwrap();
    let fit = Phases::of(&run.curves().unwrap()).perfect_fit.epoch.unwrap();
    let checkpoints = run.checkpoints().unwrap();
    let end = checkpoints.iter().find(|c| c.epoch >= 3.0 * fit).unwrap();
    assert!(end.epoch < 60.0 && end.epoch > fit + 5.0, "{fit}: {end:?}");

    let outcome =
        train_in(&early, &fitting(Some("train.until='3 x perfect-fit'")), &Silent)
            .unwrap();
    assert_eq!(outcome, Outcome { continued_from: 0, steps: end.step });
    let run = RunDir::open(&early).unwrap();
    let manifest = run.manifest().unwrap();
    let expected = EarlyEnd { step: end.step, epoch: end.epoch, perfect_fit: fit };
    assert_eq!((manifest.ended, manifest.status), (Some(expected), Status::Trained));
    // Up to there nothing is other than without the key.
    let history =
        |root: &Path| fs::read_to_string(RunDir::open(root).unwrap().history()).unwrap();
    assert!(history(&whole).starts_with(&history(&early)));
    let kept: Vec<u64> = run.checkpoints().unwrap().iter().map(|c| c.step).collect();
    let all = checkpoints.iter().map(|c| c.step);
    assert_eq!(kept, all.filter(|step| *step <= end.step).collect::<Vec<_>>());
    for step in kept {
        let bytes = |root: &Path| fs::read(RunDir::open(root).unwrap().checkpoint(step));
        assert_eq!(bytes(&whole).unwrap(), bytes(&early).unwrap(), "step {step}");
    }
    // It is complete, and a net that has not fitted yet trains to its last epoch.
    let again =
        train_in(&early, &fitting(Some("train.until='3 x perfect-fit'")), &Silent);
    let nothing = Outcome { continued_from: end.step, steps: end.step };
    assert_eq!(again.unwrap(), nothing);
    let late = directory.path().join("late");
    train_in(&late, &fitting(Some("train.until='100 x perfect-fit'")), &Silent).unwrap();
    assert_eq!(last_epoch(&late), 60.0);
    assert_eq!(RunDir::open(&late).unwrap().manifest().unwrap().ended, None);
}

#[test]
fn a_training_with_until_is_split_anywhere_and_continued_to_a_later_end() {
    let directory = tempfile::tempdir().unwrap();
    let [twice, later] =
        ["train.until='2 x perfect-fit'", "train.until='3 x perfect-fit'"]
            .map(|until| fitting(Some(until)));
    let of = |name: &str| directory.path().join(name);
    let steps = train_in(&of("twice"), &twice, &Silent).unwrap().steps;
    let expected = promised(&of("twice"));
    for at in 1..steps {
        let root = of(&format!("split-{at}"));
        train_in(&root, &twice, &StopAfter::new(at)).unwrap_err();
        train_in(&root, &twice, &Silent).unwrap();
        assert_same(&root, &expected, &format!("split after step {at}"));
    }
    // Killed between its last state and run.json, it ends where it is.
    let root = of("split-1");
    let run = RunDir::open_to_write(&root).unwrap();
    run.record(|manifest| manifest.ended = None).unwrap();
    drop(run);
    assert_eq!(train_in(&root, &twice, &Silent).unwrap().steps, steps);
    assert_same(&root, &expected, "without its end in run.json");

    assert!(train_in(&of("later"), &later, &Silent).unwrap().steps > steps);
    train_in(&of("twice"), &later, &Silent).unwrap();
    assert_same(&of("twice"), &promised(&of("later")), "continued to a later end");
    train_in(&of("twice"), &twice, &Silent).unwrap_err();
    train_in(&of("twice"), &fitting(None), &Silent).unwrap();
    assert_eq!(last_epoch(&of("twice")), 60.0);
}
