//! `stratagram sweep submit`, `resubmit` and `export`: what is left of a plan, for a scheduler.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::local;
use super::plan_argument::PlanArgument;
use crate::cli::output::print_result;
use crate::cli::sweep_output::data_flag;
use crate::disk::open_own;
use crate::error::{Error, ErrorKind, Result};
use crate::shell::quoted;
use crate::sweep::schedulers::{Scheduler, Script, Submission, scheduler};
use crate::sweep::units::{UnitPlan, batches, statuses};

/// The scheduler that is this program itself.
const LOCAL: &str = "local";

/// Hand a plan over to a scheduler.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram sweep submit runs/widths --on slurm --dry-run -- --partition=cpu --time=2:00:00\n  \
    stratagram sweep submit runs/widths --on slurm --pack 4 -- --partition=cpu --mem=2G\n  \
    stratagram sweep submit runs/widths --on local\n\n\
    What comes after -- are the scheduler's own options. The scripts lie beside the plan.")]
pub(in crate::cli) struct Submit {
    #[command(flatten)]
    plan: PlanArgument,
    #[command(flatten)]
    how: How,
}

/// Hand over again what failed or is missing, and nothing else.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram sweep resubmit runs/widths --on slurm -- --partition=cpu --time=8:00:00")]
pub(in crate::cli) struct Resubmit {
    #[command(flatten)]
    plan: PlanArgument,
    #[command(flatten)]
    how: How,
}

/// Print the commands that hand what is left over to a scheduler, to read, change and run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram sweep export runs/widths --to hq -- --cpus=4\n  \
    stratagram sweep export runs/widths --to parallel")]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    plan: PlanArgument,
    /// Scheduler: `slurm`, `hq` (`HyperQueue`) or `parallel` (GNU parallel).
    #[arg(long, value_name = "NAME")]
    to: String,
    #[command(flatten)]
    share: Share,
}

#[derive(Debug, clap::Args)]
struct How {
    /// Scheduler: `slurm`, `hq` (`HyperQueue`), `parallel` (GNU parallel), or `local` for
    /// processes on this machine.
    #[arg(long, value_name = "NAME")]
    on: String,
    /// Print the scripts, and do nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    share: Share,
}

#[derive(Debug, clap::Args)]
struct Share {
    /// Units of each task, one after the other.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pack: u32,
    /// Tasks of an array that may run at a time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    at_once: Option<u32>,
    /// Options of the scheduler.
    #[arg(value_name = "OPTION", last = true)]
    options: Vec<String>,
}

pub(super) fn submit(arguments: &Submit) -> Result<()> {
    let plan = UnitPlan::read(&arguments.plan.plan)?;
    let jobs = plan.folder.join(&arguments.how.on).join("jobs");
    if jobs.exists() && !arguments.how.dry_run {
        let path = quoted(&arguments.plan.plan.display().to_string());
        let on = &arguments.how.on;
        return Err(Error::usage(
            plan.path().display().to_string(),
            "was submitted before",
        )
        .expected(format!("a plan without {}", jobs.display()))
        .fix(format!(
            "submit what is left: stratagram sweep resubmit {path} --on {on}"
        )));
    }
    arguments.how.hand_over(&plan)
}

pub(super) fn resubmit(arguments: &Resubmit) -> Result<()> {
    arguments.how.hand_over(&UnitPlan::read(&arguments.plan.plan)?)
}

pub(super) fn export(arguments: &Export) -> Result<()> {
    let plan = UnitPlan::read(&arguments.plan.plan)?;
    let scripts = arguments.share.scripts(&plan, scheduler(&arguments.to)?)?;
    // One alone is printed as it is, so that `| sh` runs it.
    match &scripts[..] {
        [script] => print_result(&script.text),
        scripts => print_result(&shown(scripts)),
    }
}

impl How {
    fn hand_over(&self, plan: &UnitPlan) -> Result<()> {
        if self.on == LOCAL {
            if self.dry_run {
                let found = "makes no scripts that could be shown";
                return Err(Error::usage("`--on local`", found)
                    .fix("see what is left: stratagram sweep status PLAN"));
            }
            return local::run(plan, self.share.at_once.map(|n| n as usize));
        }
        let scheduler = scheduler(&self.on)
            .map_err(|error| error.fix("`--on local` runs the plan on this machine"))?;
        let scripts = self.share.scripts(plan, scheduler)?;
        if self.dry_run {
            return print_result(&shown(&scripts));
        }
        scripts.iter().try_for_each(Script::write)?;
        run(plan, scheduler, &scripts[0])
    }
}

impl Share {
    /// The scripts for what is left of a plan.
    fn scripts(&self, plan: &UnitPlan, scheduler: &Scheduler) -> Result<Vec<Script>> {
        let pack = self.pack as usize;
        let batches = batches(plan, &statuses(plan), pack, (scheduler.most_tasks)());
        Ok((scheduler.scripts)(&Submission {
            plan,
            batches: &batches,
            pack,
            at_once: self.at_once.map(|n| n as usize),
            options: &self.options,
            program: &program()?,
        }))
    }
}

/// The words that start this program elsewhere.
fn program() -> Result<Vec<String>> {
    let program = std::env::current_exe()
        .map_err(|error| Error::io("this program".as_ref(), "cannot be found", error))?;
    let mut words = vec![program.display().to_string()];
    words.extend(data_flag());
    Ok(words)
}

/// The files one after the other, each under its name.
fn shown(scripts: &[Script]) -> String {
    let show =
        |script: &Script| format!("# {}\n{}\n", script.path.display(), script.text);
    scripts.iter().map(show).collect()
}

/// Runs a script; what it prints are the jobs, which are kept in the file `jobs` beside it.
fn run(plan: &UnitPlan, scheduler: &Scheduler, script: &Script) -> Result<()> {
    let mut shell = Command::new("sh");
    let output = shell.arg(&script.path).stderr(Stdio::inherit()).output();
    let output =
        output.map_err(|error| Error::io("sh".as_ref(), "cannot be started", error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    keep_jobs(&plan.folder.join(scheduler.name).join("jobs"), &text)?;
    print_result(&text)?;
    if output.status.success() {
        return Ok(());
    }
    let place = script.path.display().to_string();
    Err(Error::new(ErrorKind::Io, place, "failed; its messages are above").fix(
        "jobs that it has named are submitted; resubmit what is left once it can work",
    ))
}

fn keep_jobs(path: &Path, text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let folder = path.parent().expect("it is in a folder");
    fs::create_dir_all(folder)
        .map_err(|error| Error::io(folder, "cannot be made", error))?;
    let written = open_own(OpenOptions::new().append(true), path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Error::io(path, "cannot be written", error))
}
