//! `stratagram unit run`: what schedulers start.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use super::signals::{Heard, Signals};
use crate::cli::output::{print_error, say};
use crate::cli::progress::Terminal;
use crate::cli::threads::Threads;
use crate::error::{Error, ErrorKind, Result};
use crate::sweep::schedulers::slurm;
use crate::sweep::units::{Done, Share, UnitPlan, task_number, work};

/// How long a unit that is told to end waits for the scheduler to end it.
const PATIENCE: Duration = Duration::from_mins(10);

/// Work on units of a sweep's plan, as schedulers start them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram unit run --plan runs/widths --index 0\n  \
    stratagram unit run --plan runs/widths --units 2..3 --pack 2 --index 0\n\n\
    A task does the units FIRST + K·N to FIRST + K·N + K − 1. Start it as often and as many \
    times at once as you like: units that are done are left alone, and units that another \
    process works on are waited for.")]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Do the units of one task; start it again to resume.
    Run(Run),
}

#[derive(Debug, clap::Args)]
struct Run {
    /// The plan, or the directory that it is in.
    #[arg(long, value_name = "PLAN")]
    plan: PathBuf,
    /// Number of the task, from 0 [default: the first of `HQ_TASK_ID`,
    /// `SLURM_ARRAY_TASK_ID`, `JOB_COMPLETION_INDEX`, `AWS_BATCH_JOB_ARRAY_INDEX` and
    /// `PBS_ARRAY_INDEX`].
    #[arg(long, value_name = "N")]
    index: Option<usize>,
    /// Units that all tasks do together, both ends included [default: all].
    #[arg(long, value_name = "FIRST..LAST", value_parser = parse_units)]
    units: Option<RangeInclusive<usize>>,
    /// Units of each task.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pack: u32,
    #[command(flatten)]
    threads: Threads,
}

/// Runs the verb.
pub(in crate::cli) fn run(arguments: &Arguments) -> Result<()> {
    let Action::Run(arguments) = &arguments.action;
    let plan = UnitPlan::read(&arguments.plan)?;
    let units = arguments.of_task(&plan)?;
    arguments.threads.apply()?;
    let signals = Signals::catch();
    let terminal = Terminal::for_unit();
    let heard = Heard { terminal: &terminal, signals: &signals };
    let mut failed = Vec::new();
    for index in units {
        let title = plan.title(plan.unit(index)?);
        match work(&plan, index, &heard, &|| signals.is_time_up()) {
            Ok(Done::Now) => say(&format!("unit {index}, {title}: done")),
            Ok(Done::Before) => say(&format!("unit {index}, {title}: done before")),
            Err(error) if error.kind() == ErrorKind::Interrupted && signals.has_any() => {
                return leave(&signals, error);
            }
            Err(error) => failed.push((index, error)),
        }
    }
    verdict(failed)
}

impl Run {
    /// The units of this task.
    fn of_task(&self, plan: &UnitPlan) -> Result<RangeInclusive<usize>> {
        let task = task_number(self.index, variable)?;
        let last = plan.units.len() - 1;
        let units = self.units.clone().unwrap_or(0..=last);
        plan.unit(*units.end())?;
        Share { units, pack: self.pack as usize }.of_task(task)
    }
}

/// Ends a unit that was asked to stop and has saved: in a job of Slurm whose time is over, back
/// into the queue; if it is to be ended, not before Slurm does it, which takes a task that ends
/// by itself for a failed one.
fn leave(signals: &Signals, error: Error) -> Result<()> {
    if slurm::is_in_job(variable) {
        say(&error.to_string());
        if signals.is_time_up() {
            slurm::requeue(variable)?;
            say("put back into the queue");
        } else {
            sleep(PATIENCE);
        }
    }
    Err(error)
}

/// The error of a task whose units are not all done.
fn verdict(mut failed: Vec<(usize, Error)>) -> Result<()> {
    if failed.len() > 1 {
        failed.iter().for_each(|(_, error)| print_error(error));
        let units: Vec<String> =
            failed.iter().map(|(index, _)| index.to_string()).collect();
        let found = format!("failed: {}", units.join(", "));
        return Err(Error::new(ErrorKind::Data, "units", found));
    }
    failed.pop().map_or(Ok(()), |(_, error)| Err(error))
}

/// A variable of the environment; what is not Unicode is no number.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn parse_units(text: &str) -> std::result::Result<RangeInclusive<usize>, String> {
    let ends = text.split_once("..");
    let ends =
        ends.and_then(|(a, b)| a.parse::<usize>().ok().zip(b.parse::<usize>().ok()));
    match ends {
        Some((first, last)) if first <= last => Ok(first..=last),
        _ => Err("expected FIRST..LAST with FIRST ≤ LAST, such as 0..99".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_both_ends() {
        assert_eq!(parse_units("0..7"), Ok(0..=7));
        assert!(parse_units("7..0").is_err() && parse_units("3").is_err());
    }

    #[test]
    fn a_failure_of_several_units_names_them() {
        let error = |text: &str| Error::usage("`x`", text);
        verdict(vec![]).unwrap();
        assert_eq!(
            verdict(vec![(3, error("is 0"))]).unwrap_err().to_string(),
            "`x` is 0"
        );
        let both = verdict(vec![(3, error("is 0")), (5, error("is 1"))]).unwrap_err();
        assert_eq!(both.to_string(), "units failed: 3, 5");
    }
}
