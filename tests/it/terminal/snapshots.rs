//! The output of every verb, as files of commands and what they print.
//!
//! `STRATAGRAM_SNAPSHOTS=write cargo test --release --test it terminal::snapshots` rewrites the
//! output below each command in the files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::runs::{answer, command, texts};

use super::with_sweeps;

/// Before a command.
const PROMPT: &str = "$ stratagram ";
/// Before a line of stderr.
const ERROR: &str = "! ";
/// Words that begin lines of progress: how many there are depends on the time.
const PROGRESS: [&str; 7] =
    ["train", "analyze", "compare", "draw", "findings", "sweep", "seed-"];
/// Lines of `doctor` and `--version` about this machine and build.
const MACHINE: [&str; 7] =
    ["commit", "kernels", "threads", "data ready", "data from", "python", "engines"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/terminal/snapshots")
}

#[test]
fn every_verb_prints_what_its_snapshot_holds() {
    let writes = std::env::var_os("STRATAGRAM_SNAPSHOTS").is_some();
    let mut differing = vec![];
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths {
        let expected = fs::read_to_string(path).unwrap();
        let commands = expected.lines().filter_map(|line| line.strip_prefix(PROMPT));
        let world = with_sweeps();
        let actual: String = commands.map(|line| printed(world.path(), line)).collect();
        if writes {
            fs::write(path, actual).unwrap();
        } else if actual != expected {
            differing.push(difference(path, &expected, &actual));
        }
    }
    assert!(paths.len() > 12, "{paths:?}");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn every_verb_has_a_snapshot() {
    let world = tempfile::tempdir().unwrap();
    let [help, _] = texts(&answer(&["--help"], world.path()));
    let listed =
        help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let verbs =
        listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    for verb in verbs.map(|line| line.split_whitespace().next().unwrap()) {
        // Their output is the parser's, not ours.
        if ["help", "completions", "man"].contains(&verb) {
            continue;
        }
        let path = folder().join(format!("{verb}.txt"));
        assert!(path.is_file(), "no snapshot {}", path.display());
    }
}

/// The command and what it prints.
fn printed(world: &Path, line: &str) -> String {
    let mut run = command(world, line);
    let output = run.env("STRATAGRAM_ISA", "portable").output().unwrap();
    let [text, error] = texts(&output);
    let is_progress = |line: &&str| PROGRESS.iter().any(|word| line.starts_with(word));
    let errors = error.lines().filter(|line| !is_progress(line));
    let mut shown = format!("{PROMPT}{line}\n");
    for line in text.lines() {
        shown += &redacted(line);
    }
    for line in errors {
        shown += &format!("{ERROR}{}", redacted(line));
    }
    if let Some(code @ 1..) = output.status.code() {
        shown += &format!("[exit code {code}]\n");
    }
    shown + "\n"
}

/// A line without times, dates, and what is of this machine.
fn redacted(line: &str) -> String {
    let line = line.replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
    if let Some(name) = MACHINE.iter().find(|name| line.starts_with(**name)) {
        return format!("{name} [OF THIS MACHINE]\n");
    }
    let words: Vec<&str> = line.split(' ').collect();
    let unit = |word: Option<&&str>| {
        let unit = word.map(|word| word.trim_end_matches([',', ')', ';']))?;
        matches!(unit, "s" | "min" | "h" | "ms").then(|| unit.to_owned())
    };
    let is_number = |word: &str| word.trim_start_matches('(').parse::<f64>().is_ok();
    let hidden = |(at, word): (usize, &&str)| {
        if is_number(word) && unit(words.get(at + 1)).is_some() {
            return word.replace(word.trim_start_matches('('), "[N]");
        }
        // On a slow machine seconds are minutes.
        if let Some(slow @ ("min" | "h")) = unit(Some(word)).as_deref()
            && words[..at].last().is_some_and(|before| is_number(before))
        {
            return word.replace(slow, "s");
        }
        let digits = |range: std::ops::Range<usize>| {
            word.get(range).is_some_and(|part| part.chars().all(|c| c.is_ascii_digit()))
        };
        if word.len() == 10 && digits(0..4) && digits(5..7) && digits(8..10) {
            return "[DATE]".to_owned();
        }
        (*word).to_owned()
    };
    words.iter().enumerate().map(hidden).collect::<Vec<_>>().join(" ") + "\n"
}

/// The first line that differs.
fn difference(path: &Path, expected: &str, actual: &str) -> String {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (expected, actual) = (lines(expected), lines(actual));
    let same = expected.iter().zip(&actual).take_while(|(a, b)| a == b).count();
    let at =
        |lines: &[String]| lines.get(same).cloned().unwrap_or_else(|| "(end)".into());
    format!(
        "{}:{}: expected\n  {}\nis\n  {}",
        path.display(),
        same + 1,
        at(&expected),
        at(&actual)
    )
}
