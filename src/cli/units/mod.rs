//! A sweep on many machines: its plan, the work on its units, how far they are, and schedulers
//! that start them.

mod local;
mod plan;
mod plan_argument;
mod signals;
mod status;
mod submit;
mod unit;

pub(super) use unit::{Arguments, run};

use crate::error::Result;

/// What there is to do with a plan.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Action {
    Plan(plan::Arguments),
    Submit(submit::Submit),
    Resubmit(submit::Resubmit),
    Export(submit::Export),
    Status(status::Arguments),
    Gather(status::Gather),
}

impl Action {
    pub(super) fn run(&self) -> Result<()> {
        match self {
            Self::Plan(arguments) => plan::run(arguments),
            Self::Submit(arguments) => submit::submit(arguments),
            Self::Resubmit(arguments) => submit::resubmit(arguments),
            Self::Export(arguments) => submit::export(arguments),
            Self::Status(arguments) => status::run(arguments),
            Self::Gather(arguments) => status::gather(arguments),
        }
    }
}
