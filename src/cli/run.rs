//! `stratagram run`: train → analyze → report in one go.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::dry_run::{Part, describe};
use super::experiment_arguments::ExperimentArguments;
use super::ls::listed;
use super::many::{Work, comparison_line};
use super::output::print_result;
use super::quantities::rounded;
use crate::error::Result;
use crate::observer::Observer;
use crate::report::terminal::Summary;
use crate::shell::verb_on;
use crate::sweep::{OneRun, SeedRun};

/// Train, analyze and report in one go; re-run the same command to resume.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram run                                   # the embedded quickstart\n  \
    stratagram run experiment.toml net.width=8 --seeds 0..7\n  \
    stratagram run --from runs/quickstart@10 train.freeze='[conv4, bn4]'")]
pub(super) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    /// Print the plan with estimates of time, memory and disk, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let experiment = &arguments.experiment;
    let seeds = experiment.plan()?;
    experiment.threads.apply()?;
    if arguments.dry_run {
        return print_result(&describe(&seeds, Part::All)?);
    }
    let work = Work {
        stages: &["train", "analyze"],
        command: experiment.continuation("run"),
        on_one: |run: &OneRun, observer: &dyn Observer| run.complete(observer),
        ending: &|written, time| ending(&seeds.runs, written, time),
    };
    work.on(&seeds)
}

/// What the runs gave, and what to do next: of one run in sentences, of several in a table.
fn ending(runs: &[SeedRun], written: &[PathBuf], time: Duration) -> Result<String> {
    let [run] = runs else {
        let found = runs.iter().filter_map(|run| Summary::of(&run.out).ok());
        let listed = listed(&found.collect::<Vec<_>>());
        let all: Vec<PathBuf> = runs.iter().map(|run| run.out.clone()).collect();
        let out = all[0].parent().unwrap_or(Path::new("."));
        let comparison = comparison_line(out, &all);
        let next = next(&runs[0].out);
        return Ok(format!("{listed}time: {}\n{comparison}{next}", rounded(time)));
    };
    let page = written.iter().map(|page| ("page", page.display().to_string()));
    let lines: Vec<_> = std::iter::once(("time", rounded(time))).chain(page).collect();
    Ok(Summary::of(&run.out)?.lines(&lines) + &next(&run.out))
}

fn next(run: &Path) -> String {
    format!("next: {}\n", verb_on("open", run))
}
