//! Many runs: those of a sweep file, each a process of its own, and those that differ in
//! nothing but their seed, each on a thread of its own.
//!
//! A sweep's [`Plan`] is a checked experiment per combination of its axes; [`Plan::jobs`] turns
//! them into processes of this program, [`run`] runs them side by side and [`gather()`] leaves
//! `sweep.csv`; [`compared()`] sets finished runs side by side. [`Seeds`] are runs of one
//! experiment within this process. Both give the bytes of each run alone, and a run that fails
//! stops no other.
//!
//! [`units`] are a sweep for many machines: pieces of work in a file, which [`schedulers`] start.

mod compared;
mod gather;
mod jobs;
mod local;
mod log;
mod one;
mod plan;
pub mod schedulers;
mod seeds;
mod slots;
mod status;
pub mod units;

pub use compared::compared;
pub use gather::gather;
pub use jobs::{Job, Target};
pub use local::{end_with_parent, run};
pub use one::OneRun;
pub use plan::{Plan, Planned};
pub use seeds::{Failed, Results, SeedRun, Seeds};
pub use slots::{Slots, Times};
pub use status::{Report, State};
