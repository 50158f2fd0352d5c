//! A plan on this machine: processes of this program, some at a time.

use super::status::described;
use crate::cli::output::print_result;
use crate::cli::progress::Terminal;
use crate::cli::sweep_output::data_flag;
use crate::error::{Error, ErrorKind, Result};
use crate::shell::quoted;
use crate::sweep::units::{UnitKind, UnitPlan, UnitState, UnitStatus, statuses, work};
use crate::sweep::{Job, Slots, run as run_jobs};

/// Does what is left of a plan: all trainings, then all analyses, then the table.
pub(super) fn run(plan: &UnitPlan, at_once: Option<usize>) -> Result<()> {
    let slots = Slots::new(at_once, plan.runs.len());
    let logs = plan.folder.join("logs");
    std::fs::create_dir_all(&logs)
        .map_err(|error| Error::io(&logs, "cannot be made", error))?;
    let program = std::env::current_exe()
        .map_err(|error| Error::io("this program".as_ref(), "cannot be found", error))?;
    let path = quoted(&plan.folder.display().to_string());
    let terminal = Terminal::new(&format!("stratagram sweep submit {path} --on local"));
    for kind in [UnitKind::Train, UnitKind::Analyze] {
        let units = statuses(plan);
        // An analysis whose training failed would fail for that alone.
        let is_due = |unit: &&UnitStatus| {
            unit.kind == kind
                && (kind == UnitKind::Train
                    || units[unit.index - plan.runs.len()].state == UnitState::Done)
        };
        let of_kind = units.iter().filter(is_due);
        let jobs: Vec<Job> =
            of_kind.filter_map(|unit| job(plan, unit, slots.threads)).collect();
        run_jobs(&program, &jobs, slots.at_once, &terminal);
    }
    let gathered = work(plan, plan.units.len() - 1, &terminal, &|| false);
    drop(terminal);
    print_result(&described(plan, &statuses(plan), false))?;
    match gathered {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            Err(error.fix("start the same command again to resume"))
        }
        other => other.map(|_| ()),
    }
}

/// The process of a unit of a run.
fn job(plan: &UnitPlan, unit: &UnitStatus, threads: usize) -> Option<Job> {
    let name = unit.run.clone()?;
    let index = unit.index.to_string();
    let threads = threads.to_string();
    let path = plan.path().display().to_string();
    let words =
        ["unit", "run", "--plan", &path, "--index", &index, "--threads", &threads];
    let mut arguments: Vec<String> = words.map(str::to_owned).to_vec();
    arguments.extend(data_flag());
    Some(Job {
        root: plan.folder.join(&name),
        log: plan.folder.join("logs").join(format!("{name}.log")),
        arguments,
        done: unit.state == UnitState::Done,
        failed: None,
        name,
    })
}
