//! Nets, the engine and training: values, determinism, continuation, changes, forks, seeds.
//!
//! More than a dozen files: one for each way in which a training may go.

mod changed_analysis;
mod continuation;
mod determinism;
mod engine_reference;
mod engines;
mod experiments;
mod follow;
mod forks;
mod lr_scale;
mod mlp;
mod panics;
mod schedules;
mod seeds;
mod sweep;
mod units;
mod updates;
