//! How distinct the phases of a layer are (section 1.6): distinctness Λ, the contrast that a
//! matrix shows and what a smooth path of the same speed shows, and other detectors of
//! blocks.

mod detectors;
mod distinctness;
mod visible;

pub use detectors::{Detectors, concordance};
pub use distinctness::Distinctness;
pub(super) use distinctness::prominence_of_drift;
pub use visible::{
    Contrast, best_blocks, block_contrast, drift_matrix, visible_contrast,
};
