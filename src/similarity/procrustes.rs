//! Orthogonal Procrustes: how far one representation, turned as well as can be, is from
//! another (Ding et al. 2021; the angular shape metric of Williams et al. 2021).

use super::centred::Centred;
use super::dot::{narrowed, transposed_product, widened};
use super::{Feature, Undefined, bases};

/// What is made of the nuclear norm ‖`XᵀY`‖₊ of centred features with ‖X‖ = ‖Y‖ = 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The norm itself: 1 where a rotation takes one to the other.
    Similarity,
    /// √(2 − 2‖XᵀY‖₊), the least distance over all rotations.
    Distance,
    /// arccos ‖`XᵀY`‖₊ in [0, π/2], a metric.
    Angle,
}

/// Centred features of unit Frobenius norm, in at most n dimensions: `[n, min(n, p)]`.
///
/// *Shapes* `features: [n, p]`, row-major.
///
/// Cost n·p; where p > n, 2n²p multiply-adds in f64.
///
/// # Errors
/// Fewer than 4 examples, a feature that is not finite, or a dead layer.
///
/// # Panics
/// If `features.len() != n * p`.
pub fn signature<T: Feature>(
    features: &[T],
    n: usize,
    p: usize,
) -> Result<Vec<f32>, Undefined> {
    let mut compact = bases::compact(&Centred::of(features, n, p)?);
    let norm = compact.norm_l2();
    compact *= faer::Scale(norm.recip());
    Ok(narrowed(compact.as_ref()))
}

/// Compares two signatures of n examples.
///
/// Cost n·p·q multiply-adds and the singular values of a `[p, q]` matrix, in f64.
///
/// # Panics
/// If the decomposition does not converge on finite numbers.
pub(super) fn compare(a: &[f32], b: &[f32], n: usize, form: Form) -> f64 {
    let (a, b) = (widened(a, n), widened(b, n));
    let norms = a.norm_l2() * b.norm_l2();
    let values = transposed_product(a.as_ref(), b.as_ref()).singular_values();
    let sum: f64 = values.expect("singular values of a finite matrix").iter().sum();
    let cosine = sum / norms;
    // The norm is at most 1; what is above is rounding.
    let square = 2.0 - 2.0 * cosine;
    let square = if square < 0.0 { 0.0 } else { square };
    match form {
        Form::Similarity => cosine,
        Form::Distance => square.sqrt(),
        // 2·asin(d/2) = arccos(1 − d²/2), with more digits near 0.
        Form::Angle => 2.0 * (square.sqrt() / 2.0).asin(),
    }
}
