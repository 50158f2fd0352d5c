//! A checkpoint as another program wrote it.

use crate::array_file::NamedArrays;

/// A checkpoint of another program.
#[derive(Debug)]
pub struct Checkpoint {
    /// Its tensors, under the names of that program.
    pub weights: NamedArrays,
    /// Where in the file they were, such as `state_dict`; empty if alone.
    pub key: String,
    /// The epoch that it says it is of.
    pub epoch: Option<f64>,
    /// The step that it says it is of.
    pub step: Option<u64>,
}
