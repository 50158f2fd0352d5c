//! Arguments of the verbs that start from an experiment file.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::experiment::Experiment;

/// The experiment that runs without a file.
const QUICKSTART: &str = include_str!("../../experiments/quickstart.toml");

/// An experiment, changes to it, and where its run goes.
#[derive(Debug, clap::Args)]
pub(super) struct ExperimentArguments {
    /// Experiment file (without one: the embedded quickstart), and changes such as
    /// `net.width=8`.
    #[arg(value_name = "EXPERIMENT.toml|KEY=VALUE")]
    words: Vec<String>,
    /// Run directory [default: `runs/` and the stem of the file].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Start anew, emptying the run directory first.
    #[arg(long)]
    pub(super) fresh: bool,
    /// Threads [default: all cores]; the results do not depend on it.
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
}

impl ExperimentArguments {
    /// The experiment file, if one is named.
    fn file(&self) -> Option<&Path> {
        self.words.first().filter(|word| !word.contains('=')).map(Path::new)
    }

    /// The `a.b=value` changes.
    fn overrides(&self) -> &[String] {
        &self.words[usize::from(self.file().is_some())..]
    }

    /// Reads and checks the experiment.
    pub(super) fn read(&self) -> Result<Experiment> {
        if let Some(stray) = self.overrides().iter().find(|word| !word.contains('=')) {
            return Err(Error::usage(format!("`{stray}`"), "is a second file")
                .expected("one experiment file, then changes such as net.width=8"));
        }
        match self.file() {
            Some(file) => Experiment::read(file, self.overrides()),
            None => Experiment::parse(
                "quickstart",
                QUICKSTART,
                ".".as_ref(),
                self.overrides(),
            ),
        }
    }

    /// The run directory.
    pub(super) fn out(&self) -> PathBuf {
        let stem = self.file().and_then(Path::file_stem).unwrap_or("quickstart".as_ref());
        self.out.clone().unwrap_or_else(|| Path::new("runs").join(stem))
    }

    /// The command that continues this one: the same without `--fresh`.
    pub(super) fn continuation(&self, verb: &str) -> String {
        let mut words = vec!["stratagram".to_owned(), verb.to_owned()];
        words.extend(self.words.iter().cloned());
        if let Some(out) = &self.out {
            words.extend(["--out".to_owned(), out.display().to_string()]);
        }
        if let Some(threads) = self.threads {
            words.extend(["--threads".to_owned(), threads.to_string()]);
        }
        words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
