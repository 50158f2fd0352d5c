//! Logs as training tools write them: each gives the curve that is in it, or is refused with
//! the line and the fix.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use stratagram::phases::{Axis, Phases, Verdict};
use stratagram::run_dir::{Curve, Log, LogOptions, history_text, read_log};

fn oracle(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/phases/logs").join(name)
}

fn read(path: &Path) -> Log {
    read_log(Some(path), &LogOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads a text as a log.
fn log_of(text: &str, options: &LogOptions) -> Result<Log, stratagram::Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.csv");
    std::fs::write(&path, text).unwrap();
    read_log(Some(&path), options)
}

fn found(text: &str) -> Log {
    let log = log_of(text, &LogOptions::default());
    log.unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    let error = log_of(text, &LogOptions::default()).unwrap_err();
    format!("{error} | {}", error.help().unwrap_or_default())
}

fn named(names: &[(Curve, &str)]) -> LogOptions {
    let named = names.iter().map(|(curve, name)| (*curve, (*name).to_owned())).collect();
    LogOptions { named, steps_per_epoch: None }
}

/// The curve that every file of the folder holds in its own way.
fn plain() -> Log {
    read(&oracle("tab.tsv"))
}

fn assert_same_errors(log: &Log, name: &str) {
    let plain = plain();
    assert_eq!(log.curves.epoch(), plain.curves.epoch(), "{name}");
    for (ours, others) in [
        (log.curves.test_error(), plain.curves.test_error()),
        (log.curves.train_error(), plain.curves.train_error()),
    ] {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9;
        assert!(ours.iter().zip(others).all(near), "{name}: {ours:?}");
    }
}

#[test]
fn every_tool_s_file_has_the_same_curve() {
    let derived = "test_error = 1 − `";
    for (name, note) in [
        ("semicolon.csv", ""),
        ("utf16.csv", ""),
        ("lightning-joined.csv", derived),
        ("lightning-metrics.csv", "60 rows merged"),
        ("lightning-names.csv", "test_error = 1 − `val_acc`"),
        ("keras_names.csv", "train_error = 1 − `accuracy`"),
        ("training.csv", "the header is repeated"),
        ("resumed.csv", "training was resumed at 20: 10 rows of before"),
        ("wandb-wandb_export.csv", "test_error = `run-7 - test_error`"),
    ] {
        let log = read(&oracle(name));
        assert_same_errors(&log, name);
        assert!(log.notes.join("\n").contains(note), "{name}: {:?}", log.notes);
        let found = Phases::of(&log.curves).double_descent;
        assert_eq!(found.verdict, Some(Verdict::DoubleDescent), "{name}");
        assert_eq!((found.min, found.peak), (Some(8.0), Some(17.0)), "{name}");
    }
    assert!(plain().notes.is_empty());
}

#[test]
fn one_tag_of_tensorboard_is_named_by_the_person() {
    let path = oracle("wandb-tensorboard.csv");
    let error = read_log(Some(&path), &LogOptions::default()).unwrap_err();
    assert!(error.to_string().contains("one tag of TensorBoard"), "{error}");
    assert!(error.help().unwrap().contains("--test-error"), "{:?}", error.help());
    let place = path.to_str().unwrap();
    let log = read_log(None, &named(&[(Curve::TestError, place)])).unwrap();
    assert_eq!(log.curves.test_error(), plain().curves.test_error());
    assert_eq!(log.curves.axis(), Axis::Step);
    assert!(
        log.notes.join("\n").contains("a perfect fit is not known"),
        "{:?}",
        log.notes
    );
    let both = named(&[(Curve::TestError, place), (Curve::TrainAccuracy, place)]);
    let both = read_log(None, &both).unwrap();
    assert_eq!(both.curves.train_error()[0], 0.1);
    let per_epoch = LogOptions { steps_per_epoch: Some(2.0), ..both_of(place) };
    let halved = read_log(None, &per_epoch).unwrap().curves;
    assert_eq!((halved.axis(), halved.epoch()[3]), (Axis::Epoch, 1.5));
    let lacks = read_log(None, &named(&[(Curve::TrainError, place)])).unwrap_err();
    assert!(lacks.to_string().contains("no test error"), "{lacks}");
    let other = oracle("tab.tsv");
    let other = named(&[(Curve::TestError, other.to_str().unwrap())]);
    let error = read_log(None, &other).unwrap_err().to_string();
    assert!(error.contains("Wall time, Step, Value"), "{error}");
}

fn both_of(place: &str) -> LogOptions {
    named(&[(Curve::TestError, place), (Curve::TrainError, place)])
}

/// The plain curve under other names, in other units, among other columns.
#[test]
fn names_units_and_company_do_not_matter() {
    let curves = plain().curves;
    let rows = || {
        let errors = curves.train_error().iter().zip(curves.test_error());
        curves
            .epoch()
            .iter()
            .zip(errors)
            .map(|(epoch, (train, test))| (*epoch, *train, *test))
    };
    let table = |header: &str, row: fn(f64, f64, f64) -> String| {
        let mut text = format!("{header}\n");
        rows().for_each(|(epoch, train, test)| {
            writeln!(text, "{}", row(epoch, train, test)).unwrap();
        });
        text
    };
    let texts = [
        table("Epoch,Training Accuracy,Validation Accuracy", |t, a, b| {
            format!("{t},{},{}", 1.0 - a, 1.0 - b)
        }),
        table("eval/accuracy,train/accuracy,lr,epoch", |t, a, b| {
            format!("{},{},0.1,{t}", 100.0 * (1.0 - b), 100.0 * (1.0 - a))
        }),
        table("epoch;Train Acc@1 (%);Test Acc@1 (%);Test Acc@5 (%)", |t, a, b| {
            format!("{t};{};{};99", 100.0 * (1.0 - a), 100.0 * (1.0 - b))
                .replace('.', ",")
        }),
        table("step,epoch,valErr,trainErr,note", |t, a, b| {
            format!("{},{t},{b},{a},\"a, b\"", 8.0 * t)
        }),
        table("epoch\tacc\tval_acc\tloss\tval_loss", |t, a, b| {
            format!("{t}\t{}\t{}\t0.5\tnan", 1.0 - a, 1.0 - b)
        }),
        table("epoch,valid_error_rate,train_error_rate,test_acc", |t, a, b| {
            let last = if t == 59.0 { "0.9" } else { "" };
            format!("{t},{:.4}%,{:.4}%,{last}", 100.0 * b, 100.0 * a)
        }),
        table("epoch,train_acc_step,train_acc_epoch,val_acc", |t, a, b| {
            format!("{t},0.5,{},{}\n{t},0.25,,", 1.0 - a, 1.0 - b)
        }),
        table(
            "Step,run-7 - _step,epoch,run-7 - val_acc,run-7 - val_acc__MAX,run-7 - train_acc",
            |t, a, b| format!("{0},{0},{t},{1},0.5,{2}", 8.0 * t, 1.0 - b, 1.0 - a),
        ),
        // Newest first, and a last line that was being written.
        table("epoch,train_error,test_error", |t, a, b| format!("{t},{a},{b}"))
            + "60,0.0",
    ];
    for text in &texts {
        assert_same_errors(&found(text), text.lines().next().unwrap());
    }
    let mut lines: Vec<&str> = texts[3].lines().collect();
    lines[1..].reverse();
    assert_same_errors(&found(&lines.join("\n")), "newest first");
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_fix() {
    for (text, parts) in [
        (
            "epoch,a - test_error,b - test_error\n0,1,1\n1,.5,.5\n",
            &[
                "several test errors: `a - test_error`, `b - test_error`",
                "--test-error 'a - test_error'",
            ][..],
        ),
        (
            "epoch,val_acc,eval_acc\n0,.1,.1\n1,.5,.5\n",
            &["`val_acc`, `eval_acc`", "--test-accuracy"],
        ),
        (
            "epoch,accuracy\n0,.5\n",
            &["no column `test_error`", "--test-accuracy 'accuracy'"],
        ),
        (
            "epoch,train_acc,lr\n0,.5,1\n",
            &["no column `test_error`; it has epoch, train_acc, lr"],
        ),
        ("train_error,test_error\n.5,.5\n", &["no column `epoch`", "--time"]),
        (
            "epoch,train_error,test_error\n1,.5,.5\n1,.4,.4\n",
            &[
                "epoch 1 in lines 2 and 3, with train_error 0.5 and 0.4",
                "a column `step`",
            ],
        ),
        (
            "epoch,train_error,test_error\n1,.5,134.5\n",
            &["134.5 under `test_error` in line 2"],
        ),
        ("epoch,train_error,test_error\n1,.5,34.5\n", &["at most 0.5 in `train_error`"]),
        ("epoch,train_error,test_error\n1,.5,-1\n", &["-1 under `test_error` in line 2"]),
        ("epoch,train_error,test_error\n-1,.5,.5\n", &["epoch -1 in line 2"]),
        (
            "epoch,train_error,test_error\n1,.5,.5\n2,high,.5\n",
            &["`high` under `train_error` in line 3"],
        ),
        ("epoch,train_error,test_error\n1,.5\n2,.5,.5\n", &["has 2 fields in line 2"]),
        ("epoch,train_error,test_error\n\"1,024\",.5,.5\n", &["`1,024` under `epoch`"]),
        ("epoch,train_error,test_error\n", &["a header but no rows"]),
        ("", &["is empty"]),
    ] {
        let message = refused(text);
        for part in parts {
            assert!(message.contains(part), "{text:?}: {message}");
        }
        assert!(message.contains("log.csv"), "{message}");
    }
}

#[test]
fn a_person_chooses_among_columns() {
    let text = "epoch,a - val_acc,b - val_acc,mine\n0,.1,.2,3\n1,.5,.6,4\n";
    let chosen = log_of(text, &named(&[(Curve::TestAccuracy, "b - val_acc")])).unwrap();
    assert_eq!(chosen.curves.test_error(), [0.8, 0.4]);
    let by_mine = named(&[(Curve::TestAccuracy, "a - val_acc"), (Curve::Time, "mine")]);
    assert_eq!(log_of(text, &by_mine).unwrap().curves.epoch(), [3.0, 4.0]);
    let error = log_of(text, &named(&[(Curve::TestAccuracy, "val_acc")])).unwrap_err();
    assert!(error.to_string().contains("no column `val_acc`"), "{error}");
}

#[test]
fn several_rows_of_an_epoch_are_at_their_steps() {
    let text =
        "epoch,step,train_acc,val_acc\n0,10,.1,.1\n0,20,.2,.2\n1,30,.3,.3\n1,40,.4,.4\n";
    let log = found(text);
    assert_eq!(
        (log.curves.axis(), log.curves.epoch()),
        (Axis::Step, &[10., 20., 30., 40.][..])
    );
    assert!(log.notes.join("\n").contains("their steps are the axis"), "{:?}", log.notes);
    let options = LogOptions { named: vec![], steps_per_epoch: Some(20.0) };
    let log = log_of(text, &options).unwrap();
    assert_eq!(
        (log.curves.axis(), log.curves.epoch()),
        (Axis::Epoch, &[0.5, 1., 1.5, 2.][..])
    );
    let steps = found("global_step,val_acc\n8,.1\n16,.5\n");
    assert_eq!(steps.curves.axis(), Axis::Step);
    assert!(Phases::of(&steps.curves).to_string().contains("no row has this error"));
}

/// A log without one test error gives no verdict and says why.
#[test]
fn no_verdict_is_made_from_nothing() {
    let log = found("epoch,train_error,test_error\n0,.5,\n1,.4,nan\n2,.3,None\n");
    let phases = Phases::of(&log.curves);
    assert_eq!(phases.double_descent.verdict, None);
    let text = phases.to_string();
    assert!(text.contains("no verdict: no row has a test error"), "{text}");
    assert!(!text.contains("undefined"), "{text}");
}

#[test]
fn the_program_says_what_it_did() {
    let program = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stratagram"));
        let output = command.arg("phases").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let path = oracle("lightning-metrics.csv");
    let text = program(&[path.to_str().unwrap()]);
    assert!(text.contains("note: test_error = 1 − `test_acc`\n"), "{text}");
    let json: Value =
        serde_json::from_str(&program(&[path.to_str().unwrap(), "--json"])).unwrap();
    assert_eq!(json["axis"], "epoch");
    assert_eq!(json["notes"].as_array().unwrap().len(), 3, "{json}");
    let tag = oracle("wandb-tensorboard.csv");
    let text = program(&["--test-error", tag.to_str().unwrap()]);
    assert!(text.contains("(step 17)"), "{text}");
}

#[test]
fn a_history_for_imports_has_epochs() {
    let text = history_text(&oracle("lightning-names.csv")).unwrap();
    assert!(
        text.starts_with("epoch,train_error,test_error\n0,0.9,0.9\n1,0.828,0.6639\n"),
        "{text}"
    );
    let plain = oracle("min_mono.csv");
    assert_eq!(history_text(&plain).unwrap(), std::fs::read_to_string(&plain).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let steps = directory.path().join("steps.csv");
    std::fs::write(&steps, "step,train_error,test_error\n1,.5,.5\n2,.4,.4\n").unwrap();
    let error = history_text(&steps).unwrap_err().to_string();
    assert!(error.contains("counts steps"), "{error}");
}
