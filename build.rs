//! Tells the program its git commit: that of the variable `STRATAGRAM_GIT_HASH`, for those who
//! build without a repository, or else that of the repository that this is.

use std::path::Path;
use std::process::Command;

const VARIABLE: &str = "STRATAGRAM_GIT_HASH";

fn main() {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-changed=build.rs");
    let given = std::env::var(VARIABLE).ok().filter(|hash| !hash.is_empty());
    if let Some(hash) = given.or_else(commit) {
        println!("cargo::rustc-env={VARIABLE}={hash}");
    }
}

/// The commit of the sources, with a mark where they have been changed since; none in a folder
/// that is no repository of its own, such as an unpacked crate.
fn commit() -> Option<String> {
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let here = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    let same =
        Path::new(&top).canonicalize().ok()? == Path::new(&here).canonicalize().ok()?;
    if !same {
        return None;
    }
    // What a changed source needs anyway: the crate is built again, and this with it.
    for path in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let names =
        ["HEAD".to_owned()].into_iter().chain(git(&["symbolic-ref", "-q", "HEAD"]));
    for path in names.filter_map(|name| git(&["rev-parse", "--git-path", &name])) {
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let hash = git(&["rev-parse", "HEAD"])?;
    let changes =
        git(&["status", "--porcelain", "--", "src", "Cargo.toml", "Cargo.lock"])?;
    Some(if changes.is_empty() { hash } else { format!("{hash}, with changes") })
}

/// What git answers; none where there is no git, or it refuses.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
