//! Comparing runs with seeds as the unit (section 7), and errors over examples (8.1): exact
//! sign flips and splits, corrections over a family of statements, verdicts.
//!
//! No t and no bootstrap-t: with 3 to 8 seeds and skewed differences they cover 79 to 91 % at a
//! nominal 95 %.

mod family;
mod flips;
mod jackknife;
mod permutations;
mod splits;
mod verdict;

pub use family::{holm, slope};
pub use flips::{equivalent_p, flip_interval, flip_p};
pub use jackknife::{jackknife, jackknife_curve};
pub use permutations::{Tracking, tracking};
pub use splits::{split_interval, split_p};
pub use verdict::{Direction, Judgement, Statement, Variant, Verdict, verdict};
