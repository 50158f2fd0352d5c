//! Gram matrices of centred representations, and the arithmetic on them.

pub(crate) mod bases;
pub(crate) mod batches;
pub(crate) mod centred;
mod deconfounded;
pub(crate) mod dot;
pub(crate) mod exact;
pub(crate) mod matrix;
pub(crate) mod products;
mod rows;
mod scale;
pub(crate) mod spare;
pub(crate) mod triangle;

pub use deconfounded::without;
pub use exact::exact_cosines;
pub use scale::GramScale;
