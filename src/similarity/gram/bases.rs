//! Orthogonal bases of what a representation spans over the examples.

use faer::{Mat, MatRef};

use crate::similarity::gram::centred::Centred;
use crate::similarity::{Feature, Undefined};

/// The left singular vectors of centred features, and their singular values.
pub(crate) struct Basis {
    /// `[n, r]`, r = min(n, p).
    pub vectors: Mat<f64>,
    /// Falling, `[r]`; up to a common factor.
    pub values: Vec<f64>,
    /// How many of them are above the rounding of the features.
    pub rank: usize,
}

impl Basis {
    /// # Errors
    /// As [`Centred::of`], or if the decomposition does not converge.
    pub(crate) fn of<T: Feature>(centred: &Centred<'_, T>) -> Result<Self, Undefined> {
        let svd = compact(centred).thin_svd().map_err(|_| Undefined::NoDecomposition)?;
        let values: Vec<f64> = svd.S().column_vector().iter().copied().collect();
        // Rounding of n·p features moves a singular value by about this much.
        let largest = centred.n.max(centred.p) as f64;
        let least = values[0] * T::SPACING * largest.sqrt();
        let rank = values.iter().take_while(|value| **value > least).count();
        Ok(Self { vectors: svd.U().to_owned(), values, rank })
    }
}

/// A matrix `[n, min(n, p)]` with the Gram matrix of the centred features: the features
/// themselves, or what is left of them once their coordinates are turned into the at most n
/// dimensions that they span.
pub(crate) fn compact<T: Feature>(centred: &Centred<'_, T>) -> Mat<f64> {
    let (n, p) = (centred.n, centred.p);
    let features = centred.to_f64();
    let features = MatRef::from_row_major_slice(&features, n, p);
    if p <= n {
        return features.to_owned();
    }
    // Xᵀ = Q·R, so X = Rᵀ·Qᵀ, and Qᵀ is a rotation.
    features.transpose().qr().thin_R().transpose().to_owned()
}
