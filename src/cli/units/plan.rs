//! `stratagram sweep plan`: a sweep file → `plan.json`.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::engine::EngineArguments;
use crate::cli::output::print_result;
use crate::cli::quantities::rounded;
use crate::cli::sweep_output::directory;
use crate::error::Result;
use crate::shell::quoted;
use crate::sweep::Plan;
use crate::sweep::units::{Keep, UnitPlan};

/// Write the plan of a sweep: its units of work, which any scheduler can start.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram sweep plan widths.toml\n  \
    stratagram sweep plan widths.toml train.epochs=300 --out runs/long --keep checkpoints=last")]
pub(in crate::cli) struct Arguments {
    /// Sweep file, and changes to all its runs such as `train.epochs=10`.
    #[arg(value_name = "SWEEP.toml|KEY=VALUE", required = true)]
    words: Vec<String>,
    /// Directory of the plan and its runs [default: `runs/` and the stem of the file]. All
    /// machines must see it under this path.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArguments,
    /// What stays on disk once a run is analyzed beside signatures, tables and page:
    /// `checkpoints=none`, `checkpoints=last` or `checkpoints=all`.
    #[arg(long, value_name = "WHAT", default_value = "checkpoints=all", value_parser = parse_keep)]
    keep: Keep,
    /// Seconds between two signs of life of a process that works on a unit; after eight that
    /// are missing another one takes over.
    #[arg(long, value_name = "SECONDS", default_value_t = 15.0, value_parser = parse_seconds)]
    heartbeat: f64,
    /// Replace another plan that is there; its jobs must be canceled. Runs that are there are
    /// kept.
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let file = PathBuf::from(&arguments.words[0]);
    let changes = [&arguments.words[1..], &arguments.engine.changes()].concat();
    let sweep = Plan::read(&file, &changes)?;
    let out = directory(&file, arguments.out.as_deref());
    let plan = UnitPlan::new(&sweep, &out, arguments.keep, arguments.heartbeat)?;
    plan.write(arguments.replace)?;
    let seconds = plan.units.iter().map(|unit| unit.seconds).sum();
    let out = out.display().to_string();
    print_result(&format!(
        "{} runs, {} units, about {} on one thread of this machine: {}\n\
         next: stratagram sweep submit {} --on slurm -- --partition=… --time=…\n",
        plan.runs.len(),
        plan.units.len(),
        rounded(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        plan.path().display(),
        quoted(&out),
    ))
}

fn parse_keep(text: &str) -> std::result::Result<Keep, String> {
    match text {
        "checkpoints=none" => Ok(Keep::None),
        "checkpoints=last" => Ok(Keep::Last),
        "checkpoints=all" => Ok(Keep::All),
        _ => Err("expected checkpoints=none, checkpoints=last or checkpoints=all".into()),
    }
}

fn parse_seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds =
        text.parse::<f64>().ok().filter(|seconds| (0.01..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "expected 0.01 to 3600 seconds".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_and_signs_of_life_are_checked() {
        assert_eq!(parse_keep("checkpoints=last"), Ok(Keep::Last));
        assert!(parse_keep("last").is_err() && parse_keep("pages=none").is_err());
        assert!(parse_seconds("0.5").is_ok_and(|seconds| seconds > 0.4));
        assert!(
            ["0", "-1", "nan", "inf", "x"]
                .map(parse_seconds)
                .iter()
                .all(std::result::Result::is_err)
        );
    }
}
