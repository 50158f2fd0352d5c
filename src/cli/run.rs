//! `stratagram run`: train → analyze → report in one go.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::experiment_arguments::ExperimentArguments;
use super::progress::Terminal;
use super::{dry_run, print_result, train};
use crate::error::Result;
use crate::experiment::Experiment;

/// Train, analyze and report in one go; the same command again continues where it stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram run                                   the embedded quickstart\n  \
    stratagram run experiment.toml net.width=8 --seeds 0..7")]
pub(super) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    /// One run for each of these values of `seed`, both ends included: `0..7`.
    #[arg(long, value_name = "FIRST..LAST", value_parser = parse_seeds)]
    seeds: Option<RangeInclusive<u64>>,
    /// Print the plan with estimates of time, memory and disk, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let experiment = arguments.experiment.read()?;
    let out = arguments.experiment.out();
    let runs = match &arguments.seeds {
        None => vec![(out, experiment)],
        Some(seeds) => {
            seeds.clone().map(|seed| one_of(&out, &experiment, seed)).collect()
        }
    };
    if arguments.dry_run {
        return print_result(&dry_run::describe(&runs)?);
    }
    super::use_threads(arguments.experiment.threads)?;
    let terminal = Terminal::new(&arguments.experiment.continuation("run"));
    for (out, experiment) in &runs {
        let page = run_one(out, experiment, arguments.experiment.fresh, &terminal)?;
        print_result(&format!("{}\n", page.display()))?;
    }
    Ok(())
}

/// Trains, analyses and reports one run; returns its page.
fn run_one(
    out: &Path,
    experiment: &Experiment,
    fresh: bool,
    terminal: &Terminal,
) -> Result<PathBuf> {
    let (run, data) = train::train(out, experiment, fresh, terminal)?;
    crate::analyze::analyze(&run, &data, false, terminal)?;
    let written = crate::report::write(run.root())?;
    Ok(written.into_iter().next().expect("the page is written first"))
}

/// The run of one seed, in its own folder.
fn one_of(out: &Path, experiment: &Experiment, seed: u64) -> (PathBuf, Experiment) {
    (out.join(format!("seed-{seed}")), Experiment { seed, ..experiment.clone() })
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
