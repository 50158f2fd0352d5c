//! `stratagram sweep`: many runs from one file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::engine::EngineArguments;
use super::many::comparison_line;
use super::output::{print_json, print_result, say};
use super::progress::Terminal;
use super::quantities::{counted, rounded};
use super::sweep_output::{directory, listed};
use super::table::table;
use super::units::Action;
use crate::error::{Error, Result};
use crate::shell;
use crate::sweep::{
    Job, Plan, Planned, Report, Slots, State, Target, gather, run as run_jobs,
};

/// Run every combination in a sweep: train, analyze and report each; re-run the same command
/// to resume. On many machines: plan, submit, status.
#[allow(clippy::struct_excessive_bools)] // flags
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "A sweep file:\n  \
    experiment = \"base.toml\"\n  \
    set = { \"train.epochs\" = 300 }      changes for all runs\n  \
    [axes]                              one run for every combination\n  \
    \"net.width\" = [4, 8, 16]\n  \
    seed = \"0..2\"\n  \
    [axes.optimizer]                    named settings of several keys\n  \
    sgd = { \"optimizer.kind\" = \"sgd\", \"optimizer.lr\" = 0.05 }\n  \
    adam = { \"optimizer.kind\" = \"adam\", \"optimizer.lr\" = 1e-3 }\n\n\
    Examples:\n  \
    stratagram sweep widths.toml --dry-run\n  \
    stratagram sweep widths.toml --jobs 2 --out runs/widths\n  \
    stratagram sweep widths.toml --retry-failed\n  \
    stratagram sweep plan widths.toml                # units for a cluster")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Sweep file, and changes to all its runs such as `train.epochs=10`.
    #[arg(value_name = "SWEEP.toml|KEY=VALUE", required = true)]
    words: Vec<String>,
    /// Directory of the runs [default: `runs/` and the stem of the file].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Number of parallel runs [default: number of cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Print the runs with estimates of their time, and do nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    engine: EngineArguments,
    /// Delete the existing runs and start over.
    #[arg(long)]
    fresh: bool,
    /// Try runs again that failed before.
    #[arg(long)]
    retry_failed: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(action) = &arguments.action {
        return action.run();
    }
    let file = Path::new(&arguments.words[0]);
    let changes = [&arguments.words[1..], &arguments.engine.changes()].concat();
    let plan = Plan::read(file, &changes)?;
    let slots = Slots::new(arguments.jobs.map(usize::from), plan.runs.len());
    if arguments.dry_run {
        return print_result(&estimate(&plan, slots)?);
    }
    let out = directory(file, arguments.out.as_deref());
    let Slots { at_once, threads } = slots;
    let Arguments { fresh, retry_failed, .. } = *arguments;
    let jobs = plan.jobs(Target { out: &out, threads, fresh, retry_failed })?;
    let program = std::env::current_exe()
        .map_err(|error| Error::io("this program".as_ref(), "cannot be found", error))?;
    let terminal = Terminal::new(&continuation(arguments));
    let reports = run_jobs(&program, &jobs, at_once, &terminal);
    drop(terminal);
    gather(&out, &reports)?;
    let comparison = comparison(&out, &jobs, &reports);
    if arguments.json {
        print_json(&reports)?;
        comparison.lines().for_each(say);
    } else {
        print_result(&(listed(&reports) + &comparison))?;
    }
    Report::verdict(&reports, &out)
}

/// What the runs give together, as soon as none is left to be done.
fn comparison(out: &Path, jobs: &[Job], reports: &[Report]) -> String {
    let is_left =
        |report: &Report| matches!(report.state, State::Stopped | State::Waiting);
    if reports.iter().any(is_left) {
        return String::new();
    }
    let runs: Vec<PathBuf> = jobs.iter().map(|job| job.root.clone()).collect();
    comparison_line(out, &runs)
}

fn continuation(arguments: &Arguments) -> String {
    let mut words = vec!["sweep".to_owned()];
    words.extend(arguments.words.iter().cloned());
    if let Some(out) = &arguments.out {
        words.extend(["--out".to_owned(), out.display().to_string()]);
    }
    words.extend(arguments.engine.words());
    if let Some(jobs) = arguments.jobs {
        words.extend(["--jobs".to_owned(), jobs.to_string()]);
    }
    shell::command(&words)
}

/// The runs with their estimated times.
fn estimate(plan: &Plan, slots: Slots) -> Result<String> {
    let times = slots.times(&plan.runs)?;
    let row = |(run, time): (&Planned, &Duration)| [run.name.clone(), rounded(*time)];
    let rows: Vec<_> = plan.runs.iter().zip(&times.runs).map(row).collect();
    let mut text = table(["RUN", "TIME"], &rows);
    let _ = writeln!(
        text,
        "{} runs, {} at a time on {} each: about {}",
        plan.runs.len(),
        slots.at_once,
        counted(slots.threads),
        rounded(times.all)
    );
    Ok(text)
}
