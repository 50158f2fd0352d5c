//! The argument that names a plan.

use std::path::PathBuf;

/// The plan of a sweep.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArgument {
    /// The plan, or the directory that it is in.
    #[arg(add = crate::cli::complete::directories())]
    pub(super) plan: PathBuf,
}
