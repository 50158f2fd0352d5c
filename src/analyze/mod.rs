//! The pipeline after training: checkpoints → signatures → matrices → phases.
//!
//! It reads as a line. The `plan` says what is compared; `reduce` makes of each checkpoint
//! a `part`, once: the representation of each layer for CKA, the decisions of its linear
//! probe for DRS; `store` keeps parts in files; `join` makes signatures, matrices and
//! tables of them. Interrupted work continues where it stopped, and a run that has grown adds
//! rows.

mod across;
mod change;
mod findings;
mod follow;
mod join;
mod part;
mod pictures;
mod pipeline;
mod plan;
mod probe_file;
mod reasons;
mod recording;
mod reduce;
mod store;
mod work;

pub use across::regions::compare_runs;
pub use across::representations::{
    AtEpoch, Between, Which, compare_all_epochs, compare_representations, has_signatures,
};
pub use change::{change, change_recording};
pub use findings::straight_line;
pub use follow::follow;
pub use pictures::{View, draw_regions};
pub use pipeline::analyze;
pub(crate) use plan::Plan;
pub use plan::{INPUT, OUTPUT};
pub use recording::analyze_recording;
pub use work::Work;
