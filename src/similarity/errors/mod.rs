//! Standard errors over examples, and the noise floor: how much a value depends on which
//! examples there are.

pub(crate) mod groups;
pub(crate) mod halves;
pub(crate) mod influence;
pub(crate) mod jackknife;

pub use groups::without_groups;
pub use halves::noise_floor;
