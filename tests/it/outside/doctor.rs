//! What the program says of itself.

use std::fs;
use std::process::Command;

use crate::support::runs::{answer, command, succeed, texts};

/// The value of a line of `doctor` or of the long version.
fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(name));
    line.unwrap_or_else(|| panic!("{name} in {text}"))[name.len()..].trim()
}

/// The commit of the repository that this is, without the mark of changes.
fn commit() -> Option<String> {
    let mut git = Command::new("git");
    let output = git.args(["rev-parse", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = output.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn doctor_and_version_tell_the_commit_and_the_instruction_set() {
    let folder = tempfile::tempdir().unwrap();
    let [doctor, _] = succeed(folder.path(), "doctor");
    let [version, _] = succeed(folder.path(), "--version");
    let [short, _] = succeed(folder.path(), "-V");
    assert_eq!(short, format!("stratagram {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(version.lines().next(), short.lines().next());
    let kernels = value(&version, "kernels");
    assert!(value(&doctor, "kernels").starts_with(kernels), "{doctor}");
    assert_eq!(value(&version, "commit"), value(&doctor, "commit"));
    if let Some(commit) = commit() {
        assert!(value(&doctor, "commit").starts_with(&commit), "{doctor}");
    }
    let portable =
        command(folder.path(), "--version").env("STRATAGRAM_ISA", "portable").output();
    assert_eq!(value(&texts(&portable.unwrap())[0], "kernels"), "portable");
}

#[test]
fn doctor_names_what_experiments_can_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    let [doctor, _] = succeed(folder.path(), "doctor");
    for (name, key) in [
        ("nets", "net.kind"),
        ("optimizers", "optimizer.kind"),
        ("measures", "analysis.measures"),
    ] {
        // The names are those that the message about a wrong one lists.
        let text = "data = { kind = 'digits' }\nnet = { kind = 'cnn5', width = 4 }";
        fs::write(folder.path().join("a.toml"), text).unwrap();
        let wrong = if key == "analysis.measures" { "['none']" } else { "'none'" };
        let change = format!("{key}={wrong}");
        let output = answer(&["run", "a.toml", &change, "--dry-run"], folder.path());
        let [_, message] = texts(&output);
        let listed: Vec<&str> = message.split('"').skip(1).step_by(2).collect();
        assert!(listed.len() > 2, "{message}");
        let own: Vec<&str> = value(&doctor, name).split([',', ' ']).collect();
        for listed in listed.iter().filter(|listed| **listed != "none") {
            assert!(own.contains(listed), "{listed} in {own:?}");
        }
    }
    assert!(value(&doctor, "data ready").starts_with("digits, mnist1d"), "{doctor}");
    assert!(!value(&doctor, "python").is_empty());
}

#[test]
fn the_citation_and_the_wheel_have_the_version_of_the_crate() {
    let file = |name: &str| {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(root.join(name)).unwrap()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert!(file("CITATION.cff").contains(&format!("\nversion: {version}\n")));
    let wheel = file("pyproject.toml");
    assert!(wheel.contains("dynamic = [\"version\"]") && !wheel.contains("\nversion"));
}
