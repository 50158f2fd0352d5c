//! How data sets are stored: one reader a format.

pub(in crate::data) mod cifar;
pub(in crate::data) mod folder;
pub(in crate::data) mod idx;
pub(in crate::data) mod npz;
pub(in crate::data) mod parquet;
mod picture;
pub(in crate::data) mod stored;
mod tar;
