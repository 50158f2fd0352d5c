//! A sweep: every combination is a run of its own, a failing one stops no other, and the
//! same command again does what is left.

use std::fs;
use std::path::Path;

use crate::support::runs::answer;

const BASE: &str = r#"
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

const SWEEP: &str = r#"
experiment = "base.toml"
[axes]
"net.width" = [2, 3]
[axes.optimizer]
sgd = { "optimizer.lr" = 0.02 }
wild = { "optimizer.lr" = 1e30, "optimizer.momentum" = 0.0 }
"#;

const DONE: [&str; 2] = ["net.width-2_optimizer-sgd", "net.width-3_optimizer-sgd"];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("base.toml"), BASE).unwrap();
    fs::write(folder.path().join("s.toml"), SWEEP).unwrap();
    folder
}

fn log_lines(folder: &Path, name: &str) -> usize {
    let text =
        fs::read_to_string(folder.join(format!("runs/s/logs/{name}.log"))).unwrap();
    text.lines().filter(|line| line.starts_with("# stratagram run")).count()
}

#[test]
fn a_failing_run_stops_no_other_and_the_same_command_continues() {
    let folder = folder();
    let path = folder.path();
    let output = answer(&["sweep", "s.toml", "--jobs", "2"], path);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("2 of 4 runs are done, 2 failed"), "{stderr}");
    for name in DONE {
        assert!(path.join("runs/s").join(name).join("report/index.html").exists());
        assert!(stdout.contains(&format!("{name}   done    ")), "{stdout}");
    }
    let wild = "net.width-3_optimizer-wild";
    let line = stdout.lines().find(|line| line.starts_with(wild)).unwrap();
    assert!(
        line.contains("failed") && line.contains("expected a finite number"),
        "{line}"
    );
    let table = fs::read_to_string(path.join("runs/s/sweep.csv")).unwrap();
    assert!(
        table.starts_with(
            "run,state,test_error,train_error,verdict,fit_epoch,error\nnet.width-2_optimizer-sgd,done,0."
        ),
        "{table}"
    );

    // What succeeded is set side by side; what failed is named there.
    assert!(stdout.contains("comparison: runs/s/comparison/index.html\n"), "{stdout}");
    let comparison =
        || fs::read_to_string(path.join("runs/s/comparison/findings.json")).unwrap();
    let findings: serde_json::Value = serde_json::from_str(&comparison()).unwrap();
    let arms = findings["arms"].as_array().unwrap();
    let names: Vec<&str> = arms.iter().map(|arm| arm["name"].as_str().unwrap()).collect();
    assert_eq!(names[..2], DONE);
    assert_eq!(names[3], wild);
    let why = arms[3]["left_out"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("failed: "), "{why}");
    let (page, before) = (path.join("runs/s/comparison/index.html"), comparison());
    let drawn = fs::read(&page).unwrap();

    // Again: what is done is not begun again, and what failed only when it is asked for.
    for (flags, n_wild) in [(&[][..], 1), (&["--retry-failed"], 2)] {
        let words = ["sweep", "s.toml", "--jobs", "2", "--json"];
        let again = answer(&[&words, flags].concat(), path);
        assert_eq!(again.status.code(), Some(1));
        let reports: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
        assert_eq!(reports[0]["state"], "done");
        assert!(reports[0]["test_error"].as_f64().unwrap() < 1.0, "{reports}");
        assert_eq!(reports[1]["state"], "failed");
        let error = reports[1]["error"].as_str().unwrap();
        assert!(error.contains("expected a finite number"), "{error}");
        assert_eq!((log_lines(path, DONE[0]), log_lines(path, wild)), (1, n_wild));
        let said = String::from_utf8_lossy(&again.stderr);
        assert!(said.contains("--retry-failed") && said.contains("comparison: runs/s/"));
        assert!(comparison() == before && fs::read(&page).unwrap() == drawn);
    }
}

#[test]
fn a_run_of_a_sweep_is_the_run_itself_and_a_whole_sweep_succeeds() {
    let folder = folder();
    let path = folder.path();
    let sweep = SWEEP.replace("1e30", "0.001");
    fs::write(path.join("s.toml"), sweep).unwrap();
    let output = answer(&["sweep", "s.toml"], path);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let arguments =
        ["run", "base.toml", "net.width=3", "optimizer.lr=0.02", "--out", "one"];
    assert!(answer(&arguments, path).status.success());
    for file in ["history.csv", "experiment.toml", "phases.json", "matrices.csv"] {
        let read = |run: &str| fs::read(path.join(run).join(file)).unwrap();
        assert_eq!(read("one"), read("runs/s/net.width-3_optimizer-sgd"), "{file}");
    }
    // A changed base file is another experiment: refused in the directories that are there.
    fs::write(path.join("base.toml"), BASE.replace("rate = 0.2", "rate = 0.4")).unwrap();
    let output = answer(&["sweep", "s.toml"], path);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("noise.rate"), "{output:?}");
}

#[test]
fn a_dry_run_lists_the_runs_and_makes_nothing() {
    let folder = folder();
    let output = answer(&["sweep", "s.toml", "--dry-run"], folder.path());
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stdout.lines().count(), 6, "{stdout}");
    assert!(stdout.lines().last().unwrap().starts_with("4 runs, "), "{stdout}");
    assert!(!folder.path().join("runs").exists());
    let wrong = answer(&["sweep", "s.toml", "net.widht=3"], folder.path());
    assert_eq!(wrong.status.code(), Some(2));
    let error = String::from_utf8_lossy(&wrong.stderr);
    assert!(
        error.starts_with("error: s.toml: run net.width-2_optimizer-sgd: "),
        "{error}"
    );
    assert!(!folder.path().join("runs").exists());
}
