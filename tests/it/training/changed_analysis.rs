//! `analyze RUN analysis.x=…`: a finished run becomes, to the byte, one that had the setting
//! from the start.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use stratagram::analyze::{analyze, change};
use stratagram::data::Data;
use stratagram::experiment::Experiment;
use stratagram::run_dir::Status;
use stratagram::train::train;
use stratagram::{ErrorKind, Observer, Progress, RunDir, Silent};

use crate::support::runs::{answer, assert_same, promised, texts};

const EXPERIMENT: &str = "
seed = 3
data = { kind = 'digits', n_train = 120, n_test = 60 }
noise = { rate = 0.3 }
net = { kind = 'cnn5', width = 2 }
train = { epochs = 2, batch_size = 30, checkpoints = 'every' }
[analysis]
n_examples = 16
layers = ['relu2', 'pool4', 'fc']
measures = ['cka', 'pwcca']
drs = { triplets = 2, resolution = 5 }
";

/// A run with these changes from the start, trained and analyzed.
fn from_the_start(root: &Path, changes: &[String]) -> (RunDir, Data) {
    let experiment =
        Experiment::parse("test", EXPERIMENT, ".".as_ref(), changes).unwrap();
    let data = Data::load(&experiment).unwrap();
    let run = RunDir::create_or_open(root, &experiment, false).unwrap();
    train(&experiment, &data, &run, &Silent).unwrap();
    analyze(&run, &data, false, &Silent).unwrap();
    (run, data)
}

fn words(changes: &str) -> Vec<String> {
    changes.split_whitespace().map(str::to_owned).collect()
}

/// Asks to stop the n-th time that it is asked.
struct StopAt {
    asked: AtomicU64,
    at: u64,
}

impl Observer for StopAt {
    fn progress(&self, _: &Progress) {}

    fn should_stop(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) + 1 == self.at
    }

    fn note(&self, _: &str) {}
}

#[test]
fn a_changed_run_has_the_bytes_of_one_that_had_the_setting_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (mut run, data) = from_the_start(&folder.path().join("run"), &[]);
    let probe = run.probe("fc", 0);
    let fitted = || fs::metadata(&probe).unwrap().modified().unwrap();
    let mut all = vec![];
    for (changes, refits) in [
        // Added, in an order of its own; removed; all others.
        ("analysis.measures=[cka,shape,mutual-knn,pwcca]", false),
        ("analysis.measures=[shape]", false),
        ("analysis.measures=[rsa,cka] analysis.dimensions=true", false),
        ("analysis.cka.estimator=biased analysis.features=average", false),
        ("analysis.memory=99", false),
        ("analysis.drs.triplets=3 analysis.drs.floor=all", false),
        ("analysis.probe.l2_also=[0.01] analysis.prediction_depth=false", true),
        ("analysis.n_examples=12 analysis.layers=[fc,relu2]", true),
    ] {
        let before = fitted();
        change(&mut run, &data, &words(changes)).unwrap();
        analyze(&run, &data, false, &Silent).unwrap();
        all.extend(words(changes));
        let expected = folder.path().join("expected");
        from_the_start(&expected, &all);
        assert_same(run.root(), &promised(&expected), changes);
        assert_eq!(before != fitted(), refits, "{changes}: probes");
        fs::remove_dir_all(&expected).unwrap();
        // The change is the run's own from now on.
        drop(run);
        run = RunDir::open_to_write(&folder.path().join("run")).unwrap();
        assert_eq!(run.manifest().unwrap().status, Status::Complete);
    }
}

#[test]
fn an_interrupted_change_is_continued_by_any_analysis() {
    let folder = tempfile::tempdir().unwrap();
    let (mut run, data) = from_the_start(&folder.path().join("run"), &[]);
    let changes = words("analysis.measures=[pwcca,rsa] analysis.drs.triplets=3");
    change(&mut run, &data, &changes).unwrap();
    for at in [1, 3] {
        let observer = StopAt { asked: AtomicU64::new(0), at };
        let error = analyze(&run, &data, false, &observer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
    // A part of another version, and one that is damaged, are made again.
    let [first, second] = [0, 4].map(|step| run.part(step));
    assert!(first.is_file() && second.is_file());
    fs::write(&second, b"PK").unwrap();
    analyze(&run, &data, false, &Silent).unwrap();
    let expected = folder.path().join("expected");
    from_the_start(&expected, &changes);
    assert_same(run.root(), &promised(&expected), "after interruptions");
}

#[test]
fn a_run_that_lost_what_it_knows_of_its_matrices_grows_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("run");
    let (run, _) = from_the_start(&root, &[]);
    // As those of earlier versions.
    fs::remove_file(root.join("signatures/.known.npz")).unwrap();
    drop(run);
    let (run, _) = from_the_start(&root, &[]);
    let before = promised(&root);
    drop(run);
    let (run, _) = from_the_start(&root, &[]);
    assert_same(&root, &before, "there is nothing to do");
    drop(run);
    let longer = words("train.epochs=3");
    from_the_start(&root, &longer);
    let expected = folder.path().join("expected");
    from_the_start(&expected, &longer);
    assert_same(&root, &promised(&expected), "grown");
}

#[test]
fn what_a_run_was_trained_with_cannot_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("run");
    drop(from_the_start(&root, &[]));
    let before = promised(&root);
    let refused = |changes: &[&str], parts: &[&str]| {
        let arguments = [&["analyze", "run"], changes].concat();
        let output = answer(&arguments, folder.path());
        let error = texts(&output)[1].clone();
        assert!(!output.status.success(), "{changes:?}");
        for part in parts {
            assert!(error.contains(part), "{changes:?}: {error}");
        }
        assert_same(&root, &before, "refused");
    };
    refused(
        &["net.width=3", "analysis.measures=[rsa]", "train.epochs=9"],
        &["`net.width=3`, `train.epochs=9`", "[analysis]", "--from run@EPOCH"],
    );
    refused(&["analysis.layers=[nonesuch]"], &["nonesuch"]);
    refused(&["analysis.measures=[ckka]"], &["analysis.measures", "ckka"]);
    refused(&["analysis.measure=[cka]"], &["did you mean `analysis.measures`?"]);
    refused(&["--follow", "analysis.measures=[rsa]"], &["cannot be used with"]);
    // `run` with another analysis says how it is added.
    fs::write(folder.path().join("other.toml"), EXPERIMENT).unwrap();
    let arguments = ["run", "other.toml", "analysis.measures=[rsa]", "--out", "run"];
    let error = texts(&answer(&arguments, folder.path()))[1].clone();
    assert!(
        error.contains("stratagram analyze run 'analysis.measures=[\"rsa\"]'"),
        "{error}"
    );
}
