//! `ls`, `open`, `completions`, `man`, `--color`, `--dry-run`, and what wrong commands say.

use std::fs;

use crate::support::runs::{answer, command, succeed, texts};

use super::{quickstart, with_experiment, with_sweeps};

#[test]
fn one_mistake_has_one_exit_code_and_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for name in ["empty", "missing"] {
        for verb in
            ["analyze", "report", "show", "findings", "open", "export --to csv --out x"]
        {
            let mut words = verb.split(' ');
            let first = words.next().unwrap();
            let arguments: Vec<&str> = [first, name].into_iter().chain(words).collect();
            let output = answer(&arguments, folder.path());
            let [_, error] = texts(&output);
            assert_eq!(output.status.code(), Some(2), "{verb} {name}: {error}");
            let start = format!("error: {name} is not a run directory");
            assert!(error.starts_with(&start), "{verb} {name}: {error}");
        }
    }
    let output = answer(&["phases", "empty"], folder.path());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn what_chooses_a_matrix_is_blamed_for_itself() {
    let folder = quickstart();
    for (arguments, part) in [
        ("fc2", "has no layer `fc2`; expected one of relu1, "),
        (
            "fc --measure rsa",
            "has no matrix of `--measure rsa`; expected one of agreement, cka, ",
        ),
        (
            "fc --group tset",
            "has no matrix of fc on `--group tset`; expected one of test, train-clean",
        ),
        (
            "fc --measure drs --group train-clean",
            "has no `drs` of fc on `--group train-clean`; expected one of test\n",
        ),
        ("--group test", "`--group` stands without a layer"),
        ("--measure cka", "`--measure` stands without a layer"),
    ] {
        let output =
            command(folder.path(), &format!("show runs/quickstart {arguments}")).output();
        let output = output.unwrap();
        let [_, error] = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(part), "{arguments}: {error}");
    }
}

#[test]
fn the_nearest_checkpoint_is_shown_and_said() {
    let folder = quickstart();
    let arguments = "show runs/quickstart fc --regions --epoch 10 --epoch 11.4 --epoch 99 \
                     --resolution 4 --out strip.svg";
    let [_, said] = succeed(folder.path(), arguments);
    assert!(
        said.contains("no checkpoint at epoch 11.4: the nearest, at epoch 11, is shown"),
        "{said}"
    );
    assert!(
        said.contains("no checkpoint at epoch 99: the nearest, at epoch 12, is shown"),
        "{said}"
    );
    assert!(!said.contains("at epoch 10:"), "{said}");
    let output =
        command(folder.path(), &arguments.replace("99", "nan")).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn runs_are_listed_with_their_state_and_errors() {
    let folder = with_sweeps();
    let root = folder.path();
    // A run that was interrupted, and one whose file is damaged.
    fs::create_dir(root.join("runs/old")).unwrap();
    for file in ["run.json", "experiment.toml"] {
        fs::copy(
            root.join("runs/quickstart").join(file),
            root.join("runs/old").join(file),
        )
        .unwrap();
    }
    let manifest = root.join("runs/old/run.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let (text, _) = text.split_once(",\n  \"checksum\"").unwrap();
    let text = text.replace("\"complete\"", "\"training\"") + "\n}\n";
    fs::write(&manifest, text).unwrap();
    fs::create_dir(root.join("runs/zz")).unwrap();
    fs::write(root.join("runs/zz/run.json"), "{}").unwrap();
    let [listed, error] = succeed(root, "ls");
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 1 + 1 + 1 + 2 + 4 + 2, "{listed}");
    assert!(lines[0].starts_with("RUN "), "{listed}");
    let of = |name: &str| {
        let line = lines.iter().find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name}: {listed}"))
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("runs/quickstart")[1..5],
        ["CNN5 of width 2", "digits", "0", "complete"]
    );
    assert_eq!(of("runs/old")[4..9], ["stopped", "-", "-", "-", "-"]);
    assert_eq!(of("runs/widths/net.width-1")[1], "CNN5 of width 1");
    assert!(error.contains("runs/zz/run.json is not ours"), "{error}");
    let [json, _] = succeed(root, "ls runs/quickstart --json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["state"], "complete");
    let error = json[0]["test_error"].as_f64().unwrap();
    assert_eq!(of("runs/quickstart")[5], format!("{error:.3}"));
    assert_eq!(answer(&["ls", "nowhere"], root).status.code(), Some(2));
}

#[test]
fn open_prints_the_page_where_there_is_no_display() {
    let folder = quickstart();
    let mut open = command(folder.path(), "open runs/quickstart");
    let output =
        open.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").output().unwrap();
    assert_eq!(texts(&output)[0], "runs/quickstart/report/index.html\n");
    // A page that is missing is made.
    fs::remove_dir_all(folder.path().join("runs/quickstart/report")).unwrap();
    succeed(folder.path(), "open runs/quickstart --print");
    assert!(folder.path().join("runs/quickstart/report/index.html").is_file());
}

#[cfg(target_os = "linux")]
#[test]
fn open_hands_the_page_to_the_program_of_the_system() {
    use std::os::unix::fs::PermissionsExt;
    let folder = quickstart();
    let programs = folder.path().join("bin");
    fs::create_dir(&programs).unwrap();
    let program = programs.join("xdg-open");
    fs::write(&program, "#!/bin/sh\nprintf %s \"$1\" > opened\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut open = command(folder.path(), "open runs/quickstart");
    open.env("PATH", format!("{}:/bin:/usr/bin", programs.display()))
        .env("DISPLAY", ":9");
    assert!(open.output().unwrap().status.success());
    let opened = fs::read_to_string(folder.path().join("opened")).unwrap();
    assert!(
        opened.starts_with('/') && opened.ends_with("/runs/quickstart/report/index.html"),
        "{opened}"
    );
}

#[test]
fn shells_are_offered_runs_and_layers() {
    let folder = quickstart();
    for shell in ["bash", "zsh", "fish"] {
        let [script, _] = succeed(folder.path(), &format!("completions {shell}"));
        assert!(script.contains("COMPLETE") && script.contains("stratagram"), "{script}");
    }
    let offered = |words: &[&str]| {
        let mut ask = command(folder.path(), "--");
        ask.args(words).env("COMPLETE", "fish");
        texts(&ask.output().unwrap())[0]
            .lines()
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(offered(&["stratagram", "sho"]).contains(&"show".to_owned()));
    assert_eq!(offered(&["stratagram", "show", "runs/q"]), ["runs/quickstart"]);
    assert_eq!(
        offered(&["stratagram", "show", "runs/quickstart", "pool"]),
        ["pool2", "pool3", "pool4"]
    );
    assert!(offered(&["stratagram", "open", "--pr"]).contains(&"--print".to_owned()));
}

#[test]
fn manual_pages_are_written_for_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    let [page, _] = succeed(folder.path(), "man");
    assert!(page.contains(".TH stratagram 1"), "{page}");
    succeed(folder.path(), "man --out pages/man1");
    let page =
        fs::read_to_string(folder.path().join("pages/man1/stratagram-show.1")).unwrap();
    assert!(page.contains("decision regions"), "{page}");
}

#[test]
fn color_is_a_choice_and_no_color_is_heeded() {
    let folder = quickstart();
    let is_colored = |arguments: &str, variables: &[(&str, &str)]| {
        let mut run = command(folder.path(), arguments);
        let output = run.envs(variables.iter().copied()).output().unwrap();
        let [text, error] = texts(&output);
        (text + &error).contains('\u{1b}')
    };
    for arguments in ["show missing", "show runs/quickstart fc --measure cka", "shwo"] {
        assert!(!is_colored(arguments, &[]), "a file gets no colors: {arguments}");
        let always = format!("--color always {arguments}");
        assert!(is_colored(&always, &[]), "{always}");
        assert!(
            is_colored(&always, &[("NO_COLOR", "1")]),
            "what is asked for goes before"
        );
        assert!(!is_colored(&format!("--color never {arguments}"), &[]));
    }
    assert_eq!(answer(&["--color", "blue", "ls"], folder.path()).status.code(), Some(2));
}

#[test]
fn dry_runs_of_training_and_analysis_make_nothing() {
    let folder = with_experiment();
    let root = folder.path();
    let [text, _] = succeed(root, "train experiment.toml --dry-run --seeds 0..2");
    let names = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(
        names(&text),
        ["run", "data", "net", "train", "time", "disk", "runs"],
        "{text}"
    );
    assert!(!root.join("runs/experiment").exists());
    let before = crate::support::runs::files(&root.join("runs"));
    let [text, _] = succeed(root, "analyze runs/quickstart --dry-run");
    assert_eq!(
        names(&text),
        ["run", "data", "epochs", "analyze", "time", "memory", "disk"],
        "{text}"
    );
    assert!(text.contains("13 checkpoints, 0 to analyze\n"), "{text}");
    let [text, _] =
        succeed(root, "analyze runs/quickstart --dry-run analysis.drs.triplets=5");
    assert!(text.contains("13 to analyze at most, with these changes"), "{text}");
    assert!(text.contains("5 planes"), "{text}");
    assert!(before == crate::support::runs::files(&root.join("runs")), "nothing changed");
    assert_eq!(
        answer(&["analyze", "runs/quickstart", "--dry-run", "analysis.x=1"], root)
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn a_run_ends_with_what_it_found_and_what_to_do_next() {
    let folder = with_experiment();
    let [text, _] = succeed(folder.path(), "run experiment.toml --out my-runs/a=b");
    let lines: Vec<&str> = text.lines().collect();
    for (line, start) in lines.iter().zip([
        "verdict ",
        "perfect fit ",
        "errors       test 0.",
        "time ",
        "page         my-runs/a=b/report/index.html",
    ]) {
        assert!(line.starts_with(start), "{text}");
    }
    assert_eq!(lines[5..], ["next: stratagram open my-runs/a=b"], "{text}");
}
