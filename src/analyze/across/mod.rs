//! The same layer of two runs at the same epochs.

pub(crate) mod regions;
pub(crate) mod representations;
