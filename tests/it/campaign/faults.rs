//! Every call by which training, analysis, page and import reach the disk, made to fail or to be
//! the process's last: it ends with a message, what was there before is intact, and the same
//! command then gives the bytes of one that nothing disturbed. By `strace`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Random, Tally, copy, differences, made, steady, times};
use crate::support::runs::{Files, command, program, succeed, texts};

/// What is done before, the command, and the folder that it writes.
const COMMANDS: &[(&[&str], &str)] = &[
    (&[], "train f.toml --out r"),
    (&["train f.toml --out r"], "analyze r"),
    (&["train f.toml --out r", "analyze r"], "report r"),
    (&[], "import --activations x --out r"),
];

/// System calls and what happens at them.
const FAULTS: &[(&str, &[&str])] = &[
    ("write", &["error=ENOSPC", "error=EIO", "error=EINTR", "signal=KILL"]),
    ("fsync", &["error=EIO", "error=ENOSPC", "signal=KILL"]),
    ("rename", &["error=EIO", "error=ENOSPC", "signal=KILL"]),
    ("unlink", &["error=EIO", "error=EACCES", "signal=KILL"]),
    ("openat", &["error=EMFILE", "error=EACCES", "error=ENOSPC", "signal=KILL"]),
    ("mkdir", &["error=ENOSPC", "signal=KILL"]),
    ("flock", &["error=ENOLCK"]),
    ("clone3", &["error=EAGAIN"]),
];

/// The program under `strace`.
fn traced(root: &Path, options: &[String], arguments: &str, log: &Path) -> Command {
    let mut command = Command::new("strace");
    command
        .current_dir(root)
        .args(["-f", "-qq", "-o"])
        .arg(log)
        .args(options)
        .arg(program())
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn has_strace() -> bool {
    Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success())
}

/// Names what cannot be done here, for the list at the end of `scripts/check`.
fn skip(what: &str) {
    use std::io::Write;
    println!("SKIP {what}");
    if let Some(list) = std::env::var_os("STRATAGRAM_SKIPS") {
        let mut list =
            fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        writeln!(list, "{what}").unwrap();
    }
}

#[test]
#[ignore = "many runs: scripts/check --all"]
fn faults_of_the_system_lose_nothing() {
    if !has_strace() {
        return skip("faults of the system: strace is not installed");
    }
    let mut wrong = vec![];
    for (before, arguments) in COMMANDS {
        wrong.extend(faults_of(before, arguments, times(4, 40)));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Injects each fault at `cap` calls of each kind; what was wrong.
fn faults_of(before: &[&str], arguments: &str, cap: usize) -> Vec<String> {
    let start = made(before);
    let reference = tempfile::tempdir().unwrap();
    copy(start.path(), reference.path());
    succeed(reference.path(), arguments);
    let expected = steady(&reference.path().join("r"));
    let (mut tally, mut wrong) = (Tally::default(), vec![]);
    for (call, faults) in FAULTS {
        let n = calls(start.path(), arguments, call);
        for fault in *faults {
            for at in chosen(n, cap) {
                let option = format!("inject={call}:{fault}:when={at}");
                match trial(start.path(), arguments, &option, &expected) {
                    Ok(what) => tally.count(what),
                    Err(found) => wrong.push(format!("{arguments}, {option}: {found}")),
                }
            }
        }
    }
    tally.say(arguments);
    println!("{}", wrong.join("\n"));
    wrong
}

/// How many calls of a kind the command makes.
fn calls(start: &Path, arguments: &str, call: &str) -> usize {
    let work = tempfile::tempdir().unwrap();
    copy(start, work.path());
    let log = work.path().join("calls");
    let options = ["-e".to_owned(), format!("trace={call}")];
    traced(work.path(), &options, arguments, &log).output().unwrap();
    let text = fs::read_to_string(&log).unwrap_or_default();
    text.lines().filter(|line| line.contains(&format!("{call}("))).count()
}

/// At most `cap` of the numbers from 1 to `n`, the first and the last among them.
fn chosen(n: usize, cap: usize) -> Vec<usize> {
    if n <= cap {
        return (1..=n).collect();
    }
    let mut random = Random(n as u64);
    let mut all: Vec<usize> =
        (2..cap).map(|_| 1 + random.below(n)).chain([1, n]).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What became of one fault.
fn trial(
    start: &Path,
    arguments: &str,
    option: &str,
    expected: &Files,
) -> Result<&'static str, String> {
    let work = tempfile::tempdir().unwrap();
    copy(start, work.path());
    let log = tempfile::NamedTempFile::new().unwrap();
    let call = option.split(['=', ':']).nth(1).unwrap();
    let options = ["-e", &format!("trace={call}"), "-e", option].map(str::to_owned);
    let output = traced(work.path(), &options, arguments, log.path()).output().unwrap();
    let [_, error] = texts(&output);
    let is_killed = option.contains("KILL") && output.status.code().is_none_or(|c| c > 2);
    if error.contains("panicked") {
        return Err(format!("panics: {error}"));
    }
    if output.status.success() {
        let found = differences(&work.path().join("r"), expected);
        return if found.is_empty() { Ok("unharmed") } else { Err(found.join(", ")) };
    }
    // A fault before the program's own first line is its loader's to tell.
    if !is_killed && !error.contains("error") {
        return Err(format!("{:?} without a message: {error}", output.status));
    }
    let again = command(work.path(), arguments).output().unwrap();
    if !again.status.success() {
        return Err(format!("does not continue: {}", texts(&again)[1]));
    }
    let found = differences(&work.path().join("r"), expected);
    match found.is_empty() {
        true if is_killed => Ok("killed and continued"),
        true => Ok("refused and continued"),
        false => Err(format!("continued, but {}", found.join(", "))),
    }
}
