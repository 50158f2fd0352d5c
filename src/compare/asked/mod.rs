//! What is asked of runs: by a comparison file, or of all endpoints by groups.

mod file;
mod groups;
mod statement;

pub use file::ComparisonFile;
pub(crate) use groups::{against_first, arms_alike, arms_by, exploratory};
pub(crate) use statement::{Asked, Subject};
