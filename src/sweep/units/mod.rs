//! A sweep as units of work that any scheduler can start: a numbered list in `plan.json`, and
//! one command, `stratagram unit run --plan PLAN --index N`.
//!
//! Truth is the run directories, never the scheduler. A unit asks its run directory whether
//! anything is left to do, continues where the last process stopped, and writes what the
//! verbs `train`, `analyze` and `report` write, so it may be started twice, killed at any
//! moment and moved to another machine. A lease keeps two processes from
//! doing the same work at once; if both do, they write the same bytes.

mod costs;
mod holder;
mod index;
mod keep;
mod lease;
mod plan;
mod shares;
mod status;
mod work;

pub use index::{Share, TASK_VARIABLES, task_number};
pub use keep::Keep;
pub use plan::{Unit, UnitKind, UnitPlan, UnitRun};
pub use shares::{Batch, batches};
pub use status::{Counts, UnitState, UnitStatus, statuses, time_left};
pub use work::{Done, work};

#[cfg(test)]
pub(in crate::sweep) use shares::tests as shares_tests;
