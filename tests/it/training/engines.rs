//! The PyTorch engine where there is none: one error, and nothing of the run is lost. With PyTorch,
//! `tests/python/check_engine.py` trains and analyzes on it.

use std::fs;
use std::path::Path;

use crate::support::runs::{command, succeed, texts};

const EXPERIMENT: &str = "data = { kind = 'digits', n_train = 60, n_test = 40 }
net = { kind = 'cnn5', width = 1 }
train = { epochs = 2, batch_size = 20, checkpoints = [0, 2] }
";

/// What a training on PyTorch says whose interpreter is `python`.
fn refused(folder: &Path, python: &str, code: i32) -> String {
    let arguments = "train a.toml train.epochs=3 --engine torch --device cpu --out run";
    let output = command(folder, arguments).env("STRATAGRAM_PYTHON", python).output();
    let output = output.unwrap();
    let [_, message] = texts(&output);
    assert_eq!(output.status.code(), Some(code), "{message}");
    message
}

#[test]
fn without_pytorch_one_error_says_what_to_install_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), EXPERIMENT).unwrap();
    succeed(folder.path(), "train a.toml --out run");
    let message = refused(folder.path(), "/nowhere/python", 2);
    for words in ["/nowhere/python", "pip install 'stratagram[torch]'", "--engine native"]
    {
        assert!(message.contains(words), "{words}: {message}");
    }
    succeed(folder.path(), "train a.toml train.epochs=3 --out run");
    let manifest = fs::read_to_string(folder.path().join("run/run.json")).unwrap();
    assert!(!manifest.contains("engines"), "{manifest}");
}

#[test]
#[cfg(unix)]
fn a_worker_that_ends_is_quoted() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), EXPERIMENT).unwrap();
    let python = folder.path().join("python");
    for (script, code, words) in [
        ("echo out of order >&2; exit 3", 1, ["out of order", "exit status: 3"]),
        ("echo this is no frame; cat >/dev/null", 1, ["ended during `hello`", "nothing"]),
        (
            "echo \"No module named 'stratagram'\" >&2",
            1,
            ["No module named", "pip install"],
        ),
    ] {
        fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        let message = refused(folder.path(), python.to_str().unwrap(), code);
        assert_eq!(message.matches("error:").count(), 1, "{message}");
        for words in words {
            assert!(message.contains(words), "{words}: {message}");
        }
    }
}
