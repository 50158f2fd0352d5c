//! `stratagram ls`: the runs below a directory.

use std::path::PathBuf;

use super::output::{print_json, print_result};
use super::runs::find;
use super::table::table;
use crate::error::{Error, Result};
use crate::report::terminal::Summary;

/// List runs: network, data, seed, state, final errors, verdict.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram ls\n  \
    stratagram ls runs/widths --json\n\n\
    TEST and TRAIN are the last errors, FIT is the epoch of the perfect fit.")]
pub(super) struct Arguments {
    /// A run, or a directory of runs.
    #[arg(default_value = "runs", add = super::complete::directories())]
    directory: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let directory = &arguments.directory;
    if !directory.is_dir() {
        return Err(Error::usage(directory.display().to_string(), "is not a directory")
            .expected("a run, or a directory of runs"));
    }
    let summaries: Vec<Result<Summary>> =
        find(directory).iter().map(|root| Summary::of(root)).collect();
    let (found, damaged): (Vec<_>, Vec<_>) =
        summaries.into_iter().partition(std::result::Result::is_ok);
    let found: Vec<Summary> = found.into_iter().flatten().collect();
    damaged.iter().filter_map(|damaged| damaged.as_ref().err()).for_each(|error| {
        super::output::print_error(error);
    });
    if arguments.json {
        return print_json(&found);
    }
    if found.is_empty() {
        return print_result(&format!("no runs in {}\n", directory.display()));
    }
    print_result(&listed(&found))
}

/// One run per line.
pub(super) fn listed(summaries: &[Summary]) -> String {
    let row = |summary: &Summary| {
        let [test, train, fit, verdict] = summary.outcome.cells();
        let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let day = summary.updated.as_deref().and_then(|time| time.split('T').next());
        [
            summary.run.display().to_string(),
            or_dash(summary.net.as_deref()),
            or_dash(summary.data.as_deref()),
            summary.seed.map_or_else(|| "-".to_owned(), |seed| seed.to_string()),
            summary.state.name().to_owned(),
            test,
            train,
            fit,
            verdict,
            or_dash(day),
        ]
    };
    let head = [
        "RUN", "NET", "DATA", "SEED", "STATE", "TEST", "TRAIN", "FIT", "VERDICT", "DATE",
    ];
    table(head, &summaries.iter().map(row).collect::<Vec<_>>())
}
