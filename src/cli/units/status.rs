//! `stratagram sweep status` and `sweep gather`: how far a plan is, and what its runs leave
//! together.

use std::fmt::Write as _;

use super::plan_argument::PlanArgument;
use crate::cli::output::{print_json, print_result};
use crate::cli::progress::Terminal;
use crate::cli::quantities::rounded;
use crate::cli::sweep_output::listed;
use crate::cli::table::table;
use crate::error::Result;
use crate::shell::quoted;
use crate::sweep::units::{
    Counts, UnitKind, UnitPlan, UnitState, UnitStatus, statuses, time_left, work,
};

/// Show how far the units of a plan are, from the files of its runs alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram sweep status runs/widths\n  \
    stratagram sweep status runs/widths --all --json")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    plan: PlanArgument,
    /// List all runs, also those that are done or not begun.
    #[arg(long)]
    all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Write `sweep.csv`, the table of all runs, as the last unit of a plan does.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  stratagram sweep gather runs/widths")]
pub(in crate::cli) struct Gather {
    #[command(flatten)]
    plan: PlanArgument,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let plan = UnitPlan::read(&arguments.plan.plan)?;
    let units = statuses(&plan);
    if arguments.json {
        return print_json(&units);
    }
    print_result(&described(&plan, &units, arguments.all))
}

pub(super) fn gather(arguments: &Gather) -> Result<()> {
    let plan = UnitPlan::read(&arguments.plan.plan)?;
    let terminal = Terminal::new(&format!(
        "stratagram sweep gather {}",
        quoted(&arguments.plan.plan.display().to_string())
    ));
    let gathered = work(&plan, plan.units.len() - 1, &terminal, &|| false);
    drop(terminal);
    print_result(&listed(&plan.reports()))?;
    gathered.map(|_| ())
}

/// The runs that are under way or met an error, or all, and how many units are how far.
pub(super) fn described(plan: &UnitPlan, units: &[UnitStatus], all: bool) -> String {
    let (training, rest) = units.split_at(plan.runs.len());
    let is_quiet =
        |unit: &UnitStatus| matches!(unit.state, UnitState::Done | UnitState::Waiting);
    let of_runs = plan.runs.iter().zip(training.iter().zip(rest));
    let shown = of_runs
        .filter(|(_, (train, analysis))| all || !is_quiet(train) || !is_quiet(analysis));
    let rows: Vec<[String; 4]> = shown
        .map(|(run, (train, analysis))| {
            let error = train.error.as_ref().or(analysis.error.as_ref());
            let [train, analysis] =
                [train, analysis].map(|unit| unit.state.name().to_owned());
            [run.name.clone(), train, analysis, error.cloned().unwrap_or_default()]
        })
        .collect();
    let mut text = String::new();
    if !rows.is_empty() {
        text += &table(["RUN", "TRAIN", "ANALYZE", "ERROR"], &rows);
    }
    for kind in [UnitKind::Train, UnitKind::Analyze] {
        text += &counted(kind, &Counts::of(units, kind));
    }
    if let Some(left) = time_left(units) {
        let _ =
            writeln!(text, "about {} left with as many at a time as now", rounded(left));
    }
    text
}

/// `train: 3 of 8 done, 2 running, 1 failed`.
fn counted(kind: UnitKind, counts: &Counts) -> String {
    let Counts { all, done, running, failed, stopped, waiting } = *counts;
    let others = [
        (running, "running"),
        (failed, "failed"),
        (stopped, "stopped"),
        (waiting, "waiting"),
    ];
    let others = others.iter().filter(|(n, _)| *n > 0);
    let others: String = others.map(|(n, word)| format!(", {n} {word}")).collect();
    format!("{}: {done} of {all} done{others}\n", kind.name())
}
