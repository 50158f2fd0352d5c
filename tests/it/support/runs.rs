//! Runs of the program, and the files of theirs that the same-bytes promise covers.
#![allow(dead_code)] // Each test uses a part.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Names and contents of files.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// The program as it is when the tests begin, under a name that no later build replaces: long
/// campaigns compare bytes of one program.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_stratagram"));
        let modified = built.metadata().unwrap().modified().unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
        remove_old(&folder);
        let time = modified.duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let own = folder.join(time.to_string()).join(built.file_name().unwrap());
        fs::create_dir_all(own.parent().unwrap()).unwrap();
        if !own.exists() && fs::hard_link(built, &own).is_err() && !own.exists() {
            fs::copy(built, &own).unwrap();
        }
        own
    });
    &PROGRAM
}

/// Removes programs of builds that are a week old.
fn remove_old(folder: &Path) {
    let week = Duration::from_hours(7 * 24);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let nanoseconds = entry.file_name().to_string_lossy().parse().unwrap_or(0);
        let built = UNIX_EPOCH + Duration::from_nanos(nanoseconds);
        if SystemTime::now().duration_since(built).is_ok_and(|age| age > week) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The program with these arguments, separated by spaces, in `directory`.
pub(crate) fn command(directory: &Path, arguments: &str) -> Command {
    let mut command = Command::new(program());
    command
        .current_dir(directory)
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What the program answers to these arguments in `directory`; it may fail.
pub(crate) fn answer(arguments: &[&str], directory: &Path) -> Output {
    command(directory, "").args(arguments).output().unwrap()
}

/// What the program writes to stdout and stderr; it must succeed.
pub(crate) fn succeed(directory: &Path, arguments: &str) -> [String; 2] {
    let output = command(directory, arguments).output().unwrap();
    let texts = texts(&output);
    assert!(output.status.success(), "{arguments}: {:?}: {}", output.status, texts[1]);
    texts
}

#[track_caller]
pub(crate) fn assert_success(output: &Output) {
    assert!(output.status.success(), "{:?}: {}", output.status, texts(output)[1]);
}

/// Stdout and stderr.
pub(crate) fn texts(output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr]
        .map(|text| String::from_utf8_lossy(text).into_owned())
}

/// All files that the same-bytes promise covers.
pub(crate) fn promised(root: &Path) -> Files {
    const OTHERS: [&str; 4] = ["timing.csv", "run.json", "lock", "analysis.lock"];
    let mut files = files(root);
    files.retain(|(name, _)| !OTHERS.contains(&name.as_str()));
    files
}

/// All files below a folder, sorted by name.
pub(crate) fn files(root: &Path) -> Files {
    let mut files = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push((name, fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn assert_same(actual: &Path, expected: &Files, how: &str) {
    assert_same_files(&promised(actual), expected, how);
}

pub(crate) fn assert_same_files(actual: &Files, expected: &Files, how: &str) {
    let names = |files: &Files| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(actual), names(expected), "{how}");
    for ((name, actual), (_, expected)) in actual.iter().zip(expected) {
        assert!(actual == expected, "{name} differs, {how}");
    }
}
