//! The panels of the page, one file each.

pub(crate) mod depth;
pub(crate) mod geometry;
pub(crate) mod headline;
pub(crate) mod penalty;
pub(crate) mod probes;
pub(crate) mod regions;
pub(crate) mod settings;
pub(crate) mod strips;
