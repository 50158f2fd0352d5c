//! A sweep as units that a scheduler starts: in any order, twice, killed at any moment, they
//! give the bytes of the sweep on one machine.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::runs::{answer, assert_success, command, promised, succeed, texts};

const BASE: &str = "
data = { kind = 'digits', n_train = 64, n_test = 40 }
noise = { rate = 0.2 }
net = { kind = 'cnn5', width = 2 }
train = { epochs = 2, batch_size = 32 }
analysis = { n_examples = 8, drs = { triplets = 3, resolution = 4 } }
";
/// Units of about a second, to be met by signals.
const LONG: &str =
    "train.epochs=6000 train.history=log-spaced train.checkpoints=[0,1,6000]";
const RUNS: [&str; 2] = ["net.width-3", "net.width-2"];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("base.toml"), BASE).unwrap();
    let sweep = "experiment = 'base.toml'\n[axes]\n'net.width' = [2, 3]\n";
    fs::write(folder.path().join("s.toml"), sweep).unwrap();
    folder
}

fn assert_same_runs(path: &Path, a: &str, b: &str) {
    for run in RUNS {
        let of = |sweep: &str| promised(&path.join("runs").join(sweep).join(run));
        let names =
            |sweep: &str| of(sweep).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(a), names(b), "{run}");
        for ((name, one), (_, other)) in of(a).into_iter().zip(of(b)) {
            assert!(one == other, "{run}/{name} differs");
        }
    }
    let table = |sweep: &str| {
        let text =
            fs::read_to_string(path.join("runs").join(sweep).join("sweep.csv")).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(table(a), table(b));
}

#[cfg(unix)]
fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
}

/// Starts a unit and waits until it has saved its first state.
fn training(path: &Path, sweep: &str, with: impl Fn(&mut Command)) -> Child {
    let mut unit =
        command(path, &format!("unit run --plan runs/{sweep} --index 0 --threads 1"));
    with(&mut unit);
    let child = unit.stdout(Stdio::null()).spawn().unwrap();
    let state =
        path.join("runs").join(sweep).join(RUNS[0]).join("state/last.safetensors");
    while !state.exists() {
        sleep(Duration::from_millis(5));
    }
    sleep(Duration::from_millis(50));
    child
}

#[test]
fn units_give_the_bytes_of_the_sweep_and_are_done_once() {
    let folder = folder();
    let path = folder.path();
    succeed(path, "sweep s.toml --out runs/whole");
    let [planned, _] = succeed(path, "sweep plan s.toml --out runs/units");
    assert!(planned.starts_with("2 runs, 5 units, about "), "{planned}");
    let [status, _] = succeed(path, "sweep status runs/units");
    assert_eq!(
        status,
        "train: 0 of 2 done, 2 waiting\nanalyze: 0 of 2 done, 2 waiting\n"
    );

    // The expensive run is first. Numbers come from the schedulers' variables.
    let variables =
        ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "AWS_BATCH_JOB_ARRAY_INDEX"];
    for (index, variable) in variables.into_iter().enumerate() {
        let mut unit = command(path, "unit run --plan runs/units/plan.json");
        let output = unit.env(variable, index.to_string()).output().unwrap();
        assert_success(&output);
        assert!(texts(&output)[1].contains(&format!("unit {index}, ")), "{output:?}");
    }
    let [status, _] = succeed(path, "sweep status runs/units --all");
    assert!(status.contains("net.width-3  done   done\n"), "{status}");
    assert!(status.contains("net.width-2  done   waiting\n"), "{status}");
    // A pack of two analyses, of which one is done, then what all leave together.
    let [_, notes] =
        succeed(path, "unit run --plan runs/units --units 2..3 --pack 2 --index 0");
    assert!(notes.contains("unit 2, analyze net.width-3: done before"), "{notes}");
    assert!(notes.contains("unit 3, analyze net.width-2: done\n"), "{notes}");
    succeed(path, "unit run --plan runs/units --index 4");
    assert_same_runs(path, "units", "whole");
    assert!(path.join("runs/units/comparison/index.html").exists());
    let [table, _] = succeed(path, "sweep gather runs/units");
    assert!(table.contains("net.width-2  done"), "{table}");
}

#[test]
fn doubled_units_do_no_harm() {
    let folder = folder();
    let path = folder.path();
    succeed(path, "sweep s.toml --out runs/whole");
    succeed(path, "sweep plan s.toml --out runs/units --heartbeat 0.5");
    for index in 0..5 {
        let unit = format!("unit run --plan runs/units --index {index} --threads 1");
        let children: Vec<Child> =
            (0..4).map(|_| command(path, &unit).spawn().unwrap()).collect();
        let outputs: Vec<_> =
            children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        outputs.iter().for_each(assert_success);
        if index < 4 {
            let now =
                outputs.iter().filter(|output| texts(output)[1].contains(": done\n"));
            assert_eq!(now.count(), 1, "{outputs:?}");
        }
    }
    assert_same_runs(path, "units", "whole");
}

#[cfg(unix)]
#[test]
fn killed_and_stopped_units_continue() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &format!("sweep s.toml {LONG} --out runs/whole"));
    succeed(path, &format!("sweep plan s.toml {LONG} --out runs/units"));
    let mut killed = training(path, "units", |_| {});
    let [status, _] = succeed(path, "sweep status runs/units");
    assert!(status.contains("net.width-3  running  waiting"), "{status}");
    assert!(status.contains("about "), "{status}");
    killed.kill().unwrap();
    killed.wait().unwrap();
    for asked in ["USR1", "TERM"] {
        let stopped = training(path, "units", |_| {});
        signal(&stopped, asked);
        let output = stopped.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{asked}");
        assert!(texts(&output)[1].contains("stopped after step"), "{asked}: {output:?}");
        let [status, _] = succeed(path, "sweep status runs/units");
        assert!(status.contains("net.width-3  stopped  waiting"), "{status}");
    }
    succeed(path, "sweep submit runs/units --on local");
    assert_same_runs(path, "units", "whole");
}

/// What Slurm sees of a unit: `scontrol requeue` by array and task, and no end before its own.
#[cfg(unix)]
#[test]
fn in_slurm_a_unit_is_put_back_and_waits_for_its_end() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("scontrol"), "#!/bin/sh\necho \"$@\" >>requeued\n").unwrap();
    fs::set_permissions(path.join("scontrol"), PermissionsExt::from_mode(0o755)).unwrap();
    let paths = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
    let in_slurm = |command: &mut Command| {
        let job = [("JOB_ID", "12"), ("ARRAY_JOB_ID", "12"), ("ARRAY_TASK_ID", "7")];
        command.envs(job.map(|(name, value)| (format!("SLURM_{name}"), value)));
        command.env("PATH", &paths);
    };
    succeed(path, &format!("sweep plan s.toml {LONG} --out runs/units"));
    let stopped = training(path, "units", in_slurm);
    signal(&stopped, "USR1");
    let output = stopped.wait_with_output().unwrap();
    assert!(texts(&output)[1].contains("put back into the queue"), "{output:?}");
    assert_eq!(fs::read_to_string(path.join("requeued")).unwrap(), "requeue 12_7\n");
    let mut preempted = training(path, "units", in_slurm);
    signal(&preempted, "TERM");
    while !succeed(path, "sweep status runs/units")[0].contains("net.width-3  stopped") {
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(200));
    assert!(preempted.try_wait().unwrap().is_none(), "it waits for its end");
    preempted.kill().unwrap();
    preempted.wait().unwrap();
}

#[test]
fn failures_are_told_and_only_they_are_submitted_again() {
    let folder = folder();
    let path = folder.path();
    let sweep = "experiment = 'base.toml'\n[axes.optimizer]\nsgd = { 'optimizer.lr' = 0.02 }\n\
        wild = { 'optimizer.lr' = 1e30, 'optimizer.momentum' = 0.0 }\n";
    fs::write(path.join("s.toml"), sweep).unwrap();
    succeed(path, "sweep plan s.toml --out runs/units");
    let output = answer(&["sweep", "submit", "runs/units", "--on", "local"], path);
    assert_eq!(output.status.code(), Some(1));
    let [stdout, stderr] = texts(&output);
    assert!(stderr.contains("1 of 2 runs are done, 1 failed"), "{stderr}");
    assert!(stdout.contains("optimizer-wild  failed  waiting"), "{stdout}");
    assert!(stdout.contains("expected a finite number"), "{stdout}");
    let table = fs::read_to_string(path.join("runs/units/sweep.csv")).unwrap();
    assert!(table.contains("optimizer-wild,failed"), "{table}");
    let [script, _] =
        succeed(path, "sweep resubmit runs/units --on slurm --dry-run -- --time=9");
    assert!(script.contains("--job-name=train --array=1 "), "{script}");
    assert!(script.contains("--job-name=analyze --array=1 "), "{script}");
    assert!(
        script.contains("--time=9") && !path.join("runs/units/slurm").exists(),
        "{script}"
    );
    let [script, _] = succeed(path, "sweep export runs/units --to parallel");
    assert!(script.contains("--index {} ::: 1\n"), "{script}");
    let wrong = answer(&["sweep", "submit", "runs/units", "--on", "pbs"], path);
    assert!(texts(&wrong)[1].contains("slurm, hq, parallel"), "{wrong:?}");
}

#[test]
fn checkpoints_go_where_they_are_not_kept_and_results_stay() {
    let folder = folder();
    let path = folder.path();
    for (keep, left) in [("none", 0), ("last", 1), ("all", 3)] {
        succeed(
            path,
            &format!("sweep plan s.toml --out runs/{keep} --keep checkpoints={keep}"),
        );
        succeed(path, &format!("sweep submit runs/{keep} --on local"));
        for run in RUNS {
            let root = path.join("runs").join(keep).join(run);
            let count = |folder: &str| {
                fs::read_dir(root.join(folder)).map_or(0, |entries| {
                    let named =
                        entries.flatten().map(|e| e.file_name().into_string().unwrap());
                    named.filter(|name| name.starts_with("step-")).count()
                })
            };
            assert_eq!(count("checkpoints"), left, "{keep}");
            assert!(
                root.join("report/index.html").exists()
                    && root.join("matrices.csv").exists()
            );
        }
        let [_, notes] = succeed(path, &format!("unit run --plan runs/{keep} --index 0"));
        assert!(notes.contains("done before"), "{notes}");
        let [_, notes] = succeed(path, &format!("unit run --plan runs/{keep} --index 2"));
        assert!(notes.contains("done before"), "{notes}");
        succeed(path, &format!("show runs/{keep}/net.width-2"));
        if keep != "none" {
            assert_same_tables(path, keep);
        }
    }
}

fn assert_same_tables(path: &Path, keep: &str) {
    for file in ["matrices.csv", "history.csv", "phases.json", "findings.json"] {
        let read = |sweep: &str| {
            fs::read(path.join("runs").join(sweep).join(RUNS[1]).join(file)).unwrap()
        };
        assert!(read(keep) == read("none"), "{file}");
    }
}
