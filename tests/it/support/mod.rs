//! What several tests share.

pub(crate) mod fixture;
pub(crate) mod layers;
pub(crate) mod runs;
pub(crate) mod shared;
pub(crate) mod similarity;
pub(crate) mod time;
pub(crate) mod torch;
