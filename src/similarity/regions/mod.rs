//! How similar the decision regions of linear classifiers on a layer are, and their shape.

pub mod drs;
mod equal;
pub mod geometry;
mod points;

pub use points::{Comparison, Matrices, Points, Similarity};
