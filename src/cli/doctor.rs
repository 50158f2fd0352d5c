//! `stratagram doctor`: what this build and machine can do.

use super::output::print_result;
use crate::engine::isa_name;
use crate::error::Result;
use crate::similarity::Measure;

/// Say what this build and this machine can do.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments) -> Result<()> {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let rows = [
        ("stratagram", env!("CARGO_PKG_VERSION").to_string()),
        (
            "commit",
            option_env!("STRATAGRAM_GIT_HASH").unwrap_or("not recorded").to_string(),
        ),
        ("kernels", format!("{} (STRATAGRAM_ISA chooses others)", isa_name()?)),
        ("threads", format!("{} of {available} cores", rayon::current_num_threads())),
        ("nets", "cnn5, resnet18".to_string()),
        ("optimizers", "sgd, adam, adamw".to_string()),
        ("measures", format!("drs, {}", Measure::NAMES.join(", "))),
        ("data", "see `stratagram data list`".to_string()),
    ];
    let lines = rows.map(|(name, value)| format!("{name:<11} {value}\n"));
    print_result(&lines.concat())
}
