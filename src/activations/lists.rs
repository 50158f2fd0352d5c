//! The files that are compared, and what comparing them gives.

use std::path::Path;

use super::examples::Examples;
use crate::similarity::EpochMatrix;

/// The files of one list, and behind them those that it is compared against.
pub(super) struct Lists<'a> {
    pub(super) all: Vec<&'a Path>,
    /// How many of them are of the first list.
    pub(super) n_first: usize,
}

/// A matrix over the representations of some files.
pub(super) struct Compared {
    pub(super) examples: Vec<Examples>,
    /// How many of them are of the first list.
    pub(super) n_rows: usize,
    pub(super) matrix: EpochMatrix,
    pub(super) floor: Option<f64>,
}
