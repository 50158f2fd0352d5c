//! Bars, colors and Ctrl-C on a terminal: a pseudo-terminal that `script` makes.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::with_experiment;

/// A command in a terminal of 80 columns; None, said aloud, where there is no `script`.
fn start(directory: &Path, arguments: &str, variables: &[(&str, &str)]) -> Option<Child> {
    let program = env!("CARGO_BIN_EXE_stratagram");
    let line = format!("stty cols 80 rows 24; exec {program} {arguments}");
    let child = Command::new("script")
        .args(["-qefc", &line, "/dev/null"])
        .current_dir(directory)
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        // Where CI is set, any terminal counts as one with colors.
        .env_remove("CI")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    if child.is_err() {
        eprintln!("SKIP: `script` of util-linux is not installed");
    }
    child.ok()
}

/// All that a command writes to its terminal, and its exit code.
fn written(
    directory: &Path,
    arguments: &str,
    variables: &[(&str, &str)],
) -> Option<(String, i32)> {
    let mut child = start(directory, arguments, variables)?;
    let mut text = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut text).unwrap();
    let code = child.wait().unwrap().code().unwrap();
    Some((String::from_utf8_lossy(&text).into_owned(), code))
}

/// What a command writes until something stands there, or to its end.
fn read_until(child: &mut Child, is_there: impl Fn(&str) -> bool) -> String {
    let output = child.stdout.as_mut().unwrap();
    let (mut text, mut part) = (String::new(), [0; 4096]);
    while !is_there(&text) {
        match output.read(&mut part).unwrap_or(0) {
            0 => break,
            n => text += &String::from_utf8_lossy(&part[..n]),
        }
    }
    text
}

/// What stands in the lines of a terminal at one time or another, without control sequences.
fn lines(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' && characters.next_if_eq(&'[').is_some() {
            while characters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            plain.push('\n');
        } else {
            plain.push(if c == '\r' { '\n' } else { c });
        }
    }
    plain.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bars_fit_the_terminal_and_are_gone_at_the_end() {
    let folder = with_experiment();
    let run = "run experiment.toml train.epochs=200 --threads 1";
    let Some((text, code)) = written(folder.path(), run, &[]) else { return };
    assert_eq!(code, 0, "{text}");
    let lines = lines(&text);
    let bars: Vec<&String> = lines.iter().filter(|line| line.contains(" % ")).collect();
    assert!(bars.iter().any(|bar| bar.trim_start().starts_with("train ")), "{lines:?}");
    assert!(bars.iter().any(|bar| bar.contains(" left  epoch ")), "{bars:?}");
    for bar in bars {
        assert!(bar.chars().count() <= 80, "{bar}");
    }
    // Bars are erased; what was found stays.
    let end = text.rsplit("\u{1b}[").next().unwrap();
    assert!(end.contains("next: stratagram open runs/experiment"), "{end}");
}

#[test]
fn a_bar_tells_the_time_left_until_it_is_stopped() {
    let folder = with_experiment();
    let run = "train experiment.toml train.epochs=100000 train.checkpoints=[0]";
    let Some(mut child) = start(folder.path(), run, &[]) else { return };
    let text = read_until(&mut child, |text| text.matches(" left  epoch ").count() >= 5);
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    read_until(&mut child, |_| false);
    assert_eq!(child.wait().unwrap().code(), Some(1), "{text}");
}

#[test]
fn errors_are_colored_like_those_of_the_parser_where_the_terminal_has_colors() {
    let folder = with_experiment();
    let root = folder.path();
    let Some((ours, code)) = written(root, "show missing", &[]) else { return };
    assert_eq!(code, 2);
    let (parsers, _) = written(root, "shwo", &[]).unwrap();
    let start = |text: &str| text.split("error:").next().unwrap().to_owned();
    assert!(start(&ours).ends_with("\u{1b}[31m"), "{ours:?}");
    assert_eq!(start(&ours), start(&parsers));
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        let (text, _) = written(root, "show missing", &variables).unwrap();
        assert!(!text.contains('\u{1b}'), "{variables:?} {text:?}");
    }
    let (text, _) = written(root, "--color never show missing", &[]).unwrap();
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn pictures_fit_the_terminal_and_are_colored() {
    let folder = with_experiment();
    let shown = written(folder.path(), "show runs/quickstart fc --measure cka", &[]);
    let Some((text, code)) = shown else { return };
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\u{1b}[38;2;"), "{text:?}");
    let (text, _) = written(folder.path(), "show runs/quickstart", &[]).unwrap();
    let plain: Vec<String> =
        text.split("\r\n").map(|line| lines(line).concat()).collect();
    let picture: Vec<&String> = plain.iter().filter(|l| l.starts_with(' ')).collect();
    assert!(picture.len() > 10, "{plain:?}");
    assert!(picture.iter().all(|line| line.chars().count() <= 80), "{picture:?}");
}

#[test]
fn ctrl_c_says_the_command_that_continues_with_its_paths_quoted() {
    let folder = with_experiment();
    let run = "train experiment.toml train.epochs=20000 --out 'my runs/a'";
    let Some(mut child) = start(folder.path(), run, &[]) else { return };
    let before = read_until(&mut child, |text| text.contains("epoch "));
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    let text = before + &read_until(&mut child, |_| false);
    assert_eq!(child.wait().unwrap().code(), Some(1), "{text}");
    let expected = "continue with: stratagram train experiment.toml train.epochs=20000 --out 'my runs/a'";
    assert!(text.contains(expected), "{text}");
}
