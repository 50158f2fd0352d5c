//! How similar a layer's representations are at all pairs of epochs: plain arrays in, an
//! epoch × epoch matrix out.
//!
//! Every measure factors in two steps, as the paper's two do: each (layer, epoch) is
//! reduced once to a *signature*, and all signatures are compared. The rows of all
//! representations are the same examples in the same order. One measure a file in
//! [`measures`]: the paper's are [`cka`] for Gram matrices of the activations and [`drs`] for
//! the decision regions of linear classifiers on them; [`Measure`] lists the others. This
//! module reads and writes no files.

mod collapse;
mod dimension;
mod dominant;
mod epoch_matrix;
mod errors;
mod estimator;
mod feature;
mod gram;
mod matrix_kind;
mod measure;
pub mod measures;
pub mod regions;
mod routes;
mod undefined;

pub use collapse::{Collapse, Labelled};
pub use dimension::Dimensions;
pub use dominant::{Dominance, without_dominant};
pub use epoch_matrix::EpochMatrix;
pub use errors::{noise_floor, without_groups};
pub use estimator::Estimator;
pub use feature::Feature;
pub use gram::{GramScale, exact_cosines, without};
pub use matrix_kind::MatrixKind;
pub(crate) use matrix_kind::{AGREEMENT, IMAGES};
pub use measure::{Invariance, Properties, Setting, Settings};
pub use measures::{Measure, alignment, cka, neighbours, procrustes, pwcca, rbf, rsa};
pub use regions::{drs, geometry};
pub use routes::{
    Columns, FeatureSignature, MOST_FEATURES, blocked_matrix, feature_matrix,
    feature_noise_floor, streamed_signature,
};
pub use undefined::Undefined;
