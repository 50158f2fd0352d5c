//! Arguments of the verbs that start from an experiment file.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::engine::EngineArguments;
use super::threads::Threads;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::observer::epoch_label;
use crate::shell;
use crate::sweep::Seeds;
use crate::train::Fork;

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
    /// Start from a checkpoint of another run, with its weights and optimizer state; without an
    /// experiment file the changes are to that run's experiment. An event of its findings may stand
    /// for the epoch: `RUN@min`, `RUN@perfect-fit`.
    #[arg(long, value_name = "RUN@EPOCH")]
    from: Option<String>,
    /// One run for each of these values of `seed`, both ends included: `0..7`. Where there are
    /// as many as threads, each thread works on a run of its own.
    #[arg(long, value_name = "FIRST..LAST", value_parser = parse_seeds)]
    seeds: Option<RangeInclusive<u64>>,
    /// Delete the existing run and start over.
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    pub(super) threads: Threads,
}

impl ExperimentArguments {
    /// Reads and checks everything that the arguments name.
    pub(super) fn plan(&self) -> Result<Seeds> {
        let fork = self.from.as_deref().map(Fork::open).transpose()?;
        let mut experiment = self.read(fork.as_ref())?;
        if let Some(fork) = &fork {
            experiment = fork.adapt(experiment);
        }
        let out = self.out(fork.as_ref());
        let seeds = Seeds::new(out, experiment, self.seeds.clone());
        Ok(Seeds { fork, fresh: self.fresh, ..seeds })
    }

    /// The experiment file, if one is named.
    fn file(&self) -> Option<&Path> {
        self.words.first().filter(|word| !word.contains('=')).map(Path::new)
    }

    /// The `a.b=value` changes.
    fn overrides(&self) -> &[String] {
        &self.words[usize::from(self.file().is_some())..]
    }

    /// Reads and checks the experiment.
    fn read(&self, fork: Option<&Fork>) -> Result<Experiment> {
        if let Some(stray) = self.overrides().iter().find(|word| !word.contains('=')) {
            return Err(Error::usage(format!("`{stray}`"), "is a second file")
                .expected("one experiment file, then changes such as net.width=8"));
        }
        let changes = [self.overrides(), &self.engine.changes()].concat();
        match (self.file(), fork) {
            (Some(file), _) => Experiment::read(file, &changes),
            (None, Some(fork)) => {
                let place = fork.parent().experiment_toml().display().to_string();
                Experiment::parse(&place, &fork.base(), ".".as_ref(), &changes)
            }
            (None, None) => {
                Experiment::parse("quickstart", QUICKSTART, ".".as_ref(), &changes)
            }
        }
    }

    /// The run directory.
    fn out(&self, fork: Option<&Fork>) -> PathBuf {
        if let Some(out) = &self.out {
            return out.clone();
        }
        let stem = |path: Option<&std::ffi::OsStr>| {
            path.map(|stem| stem.to_string_lossy().into_owned())
        };
        let name = match (self.file(), fork) {
            (Some(file), _) => stem(file.file_stem()),
            (None, Some(fork)) => stem(fork.parent().root().file_name())
                .map(|parent| format!("{parent}-from-{}", epoch_label(fork.epoch()))),
            (None, None) => None,
        };
        Path::new("runs").join(name.unwrap_or_else(|| "quickstart".to_owned()))
    }

    /// The command that continues this one: the same without `--fresh`.
    pub(super) fn continuation(&self, verb: &str) -> String {
        let mut words = vec![verb.to_owned()];
        words.extend(self.words.iter().cloned());
        if let Some(from) = &self.from {
            words.extend(["--from".to_owned(), from.clone()]);
        }
        if let Some(seeds) = &self.seeds {
            let range = format!("{}..{}", seeds.start(), seeds.end());
            words.extend(["--seeds".to_owned(), range]);
        }
        if let Some(out) = &self.out {
            words.extend(["--out".to_owned(), out.display().to_string()]);
        }
        words.extend(self.engine.words());
        if let Some(threads) = self.threads.threads {
            words.extend(["--threads".to_owned(), threads.to_string()]);
        }
        shell::command(&words)
    }
}

fn parse_seeds(text: &str) -> std::result::Result<RangeInclusive<u64>, String> {
    let seeds = match text.split_once("..") {
        Some((first, last)) => first.parse().ok().zip(last.parse().ok()),
        None => text.parse().ok().map(|seed| (seed, seed)),
    };
    match seeds {
        Some((first, last)) if first <= last => Ok(first..=last),
        _ => Err("expected FIRST..LAST with FIRST ≤ LAST, such as 0..7".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_include_both_ends() {
        assert_eq!(parse_seeds("0..7"), Ok(0..=7));
        assert_eq!(parse_seeds("3"), Ok(3..=3));
        assert!(parse_seeds("7..0").is_err() && parse_seeds("a..b").is_err());
    }
}
