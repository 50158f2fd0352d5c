//! A terminal that has gone away and a full disk behind stdout or stderr: the work is done all
//! the same, and the exit code says whether the result could be told.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{differences, made, steady};
use crate::support::runs::command;

const VERBS: [&str; 12] = [
    "train f.toml --out r",
    "run f.toml --out r",
    "analyze r --force",
    "report r --force",
    "show r",
    "show r fc",
    "findings r",
    "phases r",
    "export r --to csv --out e",
    "run f.toml train.epochs=1 --seeds 0..1 --out s",
    "doctor",
    "run f.toml --dry-run",
];

/// A pipe whose reader has gone.
fn broken() -> Stdio {
    let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
    let pipe = reader.stdin.take().unwrap();
    reader.wait().unwrap();
    pipe.into()
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// Opened to read: a write to it is refused.
fn unwritable() -> Stdio {
    File::open("/dev/null").unwrap().into()
}

fn status(directory: &Path) -> String {
    let text = fs::read_to_string(directory.join("r/run.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["status"].as_str().unwrap().to_owned()
}

#[test]
fn lost_outputs_end_no_work_and_the_exit_code_tells() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let expected = made(&["run f.toml --out r"]);
    let expected = steady(&expected.path().join("r"));
    for lost in [broken, full, unwritable] {
        let folder = made(&[]);
        let root = folder.path();
        for verb in VERBS {
            let mut quiet = command(root, verb);
            let code = quiet.stderr(lost()).output().unwrap().status.code();
            assert_eq!(code, Some(0), "{verb} without stderr");
            let output = command(root, verb).stdout(lost()).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{verb}: {error}");
            assert!(!error.contains("panicked"), "{verb}: {error}");
            let is_told = output.status.success() || error.contains("error: stdout");
            assert!(is_told, "{verb}: {error}");
            let both = command(root, verb).stdout(lost()).stderr(lost()).output();
            let code = both.unwrap().status.code();
            assert!(matches!(code, Some(0 | 1)), "{verb} without both: {code:?}");
        }
        assert_eq!(status(root), "complete");
        let found = differences(&root.join("r"), &expected);
        assert!(found.is_empty(), "{found:?}");
    }
}
