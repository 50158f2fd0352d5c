//! Linear CKA where the signatures of [`cka`](super::cka) do not fit in memory, or cost more
//! than the features themselves.

mod blocked;
mod feature_space;
mod streamed;

pub use blocked::blocked_matrix;
pub use feature_space::{
    FeatureSignature, MOST_FEATURES, feature_matrix, feature_noise_floor,
};
pub use streamed::{Columns, streamed_signature};
