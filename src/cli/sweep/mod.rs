//! `stratagram sweep`: many runs from one file.

mod jobs;
mod plan;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::progress::Terminal;
use super::{dry_run, print_result};
use crate::error::{Error, ErrorKind, Result};
use crate::run_dir::{RunDir, Status, write_atomic};
use jobs::{Job, Report, State};
use plan::{Plan, Planned};

/// Do all runs of a sweep: train, analyze and report each; the same command again continues.
#[derive(Debug, clap::Args)]
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
    stratagram sweep widths.toml --jobs 2 --out runs/widths")]
pub(super) struct Arguments {
    /// Sweep file, and changes to all its runs such as `train.epochs=10`.
    #[arg(value_name = "SWEEP.toml|KEY=VALUE", required = true)]
    words: Vec<String>,
    /// Directory of the runs [default: `runs/` and the stem of the file].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs at a time [default: one a core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Print the runs with estimates of their time, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Start every run anew, emptying its directory first.
    #[arg(long)]
    fresh: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let file = Path::new(&arguments.words[0]);
    let plan = Plan::read(file, &arguments.words[1..])?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let at_once = arguments.jobs.map_or(cores, usize::from).min(plan.runs.len());
    let threads = (cores / at_once).max(1);
    if arguments.dry_run {
        return print_result(&estimate(&plan.runs, at_once, threads)?);
    }
    let stem = file.file_stem().unwrap_or("sweep".as_ref());
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("runs").join(stem));
    let logs = out.join("logs");
    std::fs::create_dir_all(&logs)
        .map_err(|error| Error::io(&logs, "cannot be made", error))?;
    let jobs: Vec<Job> = plan
        .runs
        .iter()
        .map(|run| job(run, &plan.file, &out, threads, arguments))
        .collect();
    let program = std::env::current_exe()
        .map_err(|error| Error::io("this program".as_ref(), "cannot be found", error))?;
    let terminal = Terminal::new(&continuation(arguments));
    let reports = jobs::run(&program, &jobs, at_once, &terminal);
    drop(terminal);
    write_atomic(&out.join("sweep.csv"), csv(&reports).as_bytes())?;
    if arguments.json {
        let text =
            serde_json::to_string_pretty(&reports).expect("reports have a JSON form");
        print_result(&(text + "\n"))?;
    } else {
        print_result(&table(&reports))?;
    }
    verdict(&reports, &out)
}

/// The error of a sweep that is not done.
fn verdict(reports: &[Report], out: &Path) -> Result<()> {
    let count =
        |state: State| reports.iter().filter(|report| report.state == state).count();
    let (done, failed) = (count(State::Done), count(State::Failed));
    if done == reports.len() {
        return Ok(());
    }
    let kind = if failed > 0 { ErrorKind::Data } else { ErrorKind::Interrupted };
    let found = format!("{done} of {} runs are done, {failed} failed", reports.len());
    Err(Error::new(kind, out.display().to_string(), found)
        .fix("the same command again continues; messages are in `logs/`"))
}

/// The process of one run.
fn job(
    run: &Planned,
    file: &Path,
    out: &Path,
    threads: usize,
    arguments: &Arguments,
) -> Job {
    let root = out.join(&run.name);
    let mut words = vec!["run".to_owned(), file.display().to_string()];
    words.extend(run.overrides.iter().cloned());
    words.extend(["--out".to_owned(), root.display().to_string()]);
    words.extend(["--threads".to_owned(), threads.to_string()]);
    if arguments.fresh {
        words.push("--fresh".to_owned());
    }
    if let Some(directory) = crate::data::chosen_data_directory() {
        words.extend(["--data".to_owned(), directory.display().to_string()]);
    }
    Job {
        done: !arguments.fresh && is_done(&root, run),
        name: run.name.clone(),
        arguments: words,
        log: out.join("logs").join(format!("{}.log", run.name)),
    }
}

/// Whether the run is there, of this experiment, complete and with its page.
fn is_done(root: &Path, run: &Planned) -> bool {
    RunDir::open(root).is_ok_and(|there| {
        *there.experiment() == run.experiment
            && there.manifest().is_ok_and(|manifest| manifest.status == Status::Complete)
            && root.join("report/index.html").exists()
    })
}

fn continuation(arguments: &Arguments) -> String {
    let mut words = vec!["stratagram sweep".to_owned()];
    words.extend(arguments.words.iter().cloned());
    if let Some(out) = &arguments.out {
        words.push(format!("--out {}", out.display()));
    }
    if let Some(jobs) = arguments.jobs {
        words.push(format!("--jobs {jobs}"));
    }
    words.join(" ")
}

/// The runs with their estimated times, each measured with as many threads as it will have.
fn estimate(runs: &[Planned], at_once: usize, threads: usize) -> Result<String> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| {
        Error::usage("`--jobs`", format!("leaves no threads: {error}"))
    })?;
    let width = runs.iter().map(|run| run.name.len()).max().unwrap_or(0);
    let mut total = Duration::ZERO;
    let mut text = String::new();
    for run in runs {
        let time = pool.install(|| dry_run::time_of(&run.experiment))?;
        total += time;
        let _ = writeln!(text, "{:<width$}  {}", run.name, dry_run::rounded(time));
    }
    let threads = dry_run::counted(threads);
    let _ = writeln!(
        text,
        "{} runs, {at_once} at a time on {threads} each: about {}",
        runs.len(),
        dry_run::rounded(total / at_once as u32)
    );
    Ok(text)
}

fn word(state: State) -> &'static str {
    match state {
        State::Done => "done",
        State::Failed => "failed",
        State::Stopped => "stopped",
        State::Waiting => "waiting",
    }
}

/// One run a line: name, state, time, error.
fn table(reports: &[Report]) -> String {
    let width = reports.iter().map(|report| report.name.len()).max().unwrap_or(0).max(3);
    let mut text = format!("{:<width$}  STATE    TIME\n", "RUN");
    for report in reports {
        let time = match report.seconds {
            0.0 => "-".to_owned(),
            seconds => dry_run::rounded(Duration::from_secs_f64(seconds)),
        };
        let error = report.error.as_deref().unwrap_or_default();
        let line = format!(
            "{:<width$}  {:<7}  {time:<7}  {error}",
            report.name,
            word(report.state)
        );
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The same as `sweep.csv`, without times: the same bytes for the same states.
fn csv(reports: &[Report]) -> String {
    let mut text = "run,state,error\n".to_owned();
    for report in reports {
        let error = report.error.as_deref().unwrap_or_default().replace('"', "\"\"");
        let error = if error.is_empty() { error } else { format!("\"{error}\"") };
        let _ = writeln!(text, "{},{},{error}", report.name, word(report.state));
    }
    text
}
