//! How similar a layer's representations are at all pairs of epochs: plain arrays in, an
//! epoch × epoch matrix out.
//!
//! Every measure factors in two steps, as the paper's two do: each (layer, epoch) is
//! reduced once to a *signature*, and all signatures are compared. The rows of all
//! representations are the same examples in the same order. One measure a file: the paper's
//! are [`cka`] for Gram matrices of the activations and [`drs`] for the decision regions of
//! linear classifiers on them; [`Measure`] lists the others. This module reads and writes no
//! files.

pub mod alignment;
mod bases;
mod batches;
mod blocked;
pub mod cca;
mod centred;
pub mod cka;
mod deconfounded;
mod dimension;
mod dominant;
mod dot;
pub mod drs;
mod epoch_matrix;
mod equal;
mod estimator;
mod feature_space;
pub mod geometry;
mod gram;
mod halves;
mod influence;
mod jackknife;
mod kernel;
mod measure;
pub mod neighbours;
pub mod procrustes;
mod products;
pub mod pwcca;
pub mod rbf;
pub mod regions;
mod rows;
pub mod rsa;
mod spare;
mod streamed;
mod triangle;
mod undefined;

pub use blocked::blocked_matrix;
pub use centred::Feature;
pub use deconfounded::without;
pub use dimension::Dimensions;
pub use dominant::Dominance;
pub use epoch_matrix::EpochMatrix;
pub use estimator::Estimator;
pub use feature_space::{
    FeatureSignature, MOST_FEATURES, feature_matrix, feature_noise_floor,
};
pub use halves::noise_floor;
pub use measure::{Invariance, Measure, Settings};
pub use streamed::{Columns, streamed_signature};
pub use undefined::Undefined;
