//! How much a representation's kernel is that of the labels: with the true ones it shows
//! learning, with the noisy ones memorization.

use crate::similarity::gram::products::{Wanted, inner_products};
use crate::similarity::measures::cka;
use crate::similarity::{Estimator, Undefined};

/// The signature of the labels' kernel, 1 for examples of one class and 0 for others.
///
/// # Errors
/// Fewer than 4 examples, one class alone, or (debiased) no two examples of one class.
///
/// # Panics
/// On minibatches of fewer than 4 examples.
pub fn label_signature(
    labels: &[u8],
    estimator: Estimator,
) -> Result<Vec<f32>, Undefined> {
    let p = labels.iter().max().map_or(1, |largest| usize::from(*largest) + 1);
    let one_hot: Vec<f32> = labels
        .iter()
        .flat_map(|label| (0..p).map(|c| f32::from(usize::from(*label) == c)))
        .collect();
    cka::signature(&one_hot, labels.len(), p, estimator)
}

/// Kernel alignment with the labels: the CKA of a representation and one-hot labels.
///
/// *Shapes* `signature`, `labels`: of [`cka::signature`] and [`label_signature`], for the
/// same examples and estimator.
///
/// # Panics
/// If they differ in length.
///
/// # Example
/// ```
/// use stratagram::similarity::{Estimator, alignment, cka};
/// let labels = alignment::label_signature(&[0, 0, 0, 1, 1, 1], Estimator::Debiased)?;
/// // One feature that tells the classes apart.
/// let x = cka::signature(&[5.0f32, 5.0, 5.0, 2.0, 2.0, 2.0], 6, 1, Estimator::Debiased)?;
/// assert!((alignment::alignment(&x, &labels) - 1.0).abs() < 1e-6);
/// # Ok::<(), stratagram::similarity::Undefined>(())
/// ```
pub fn alignment(signature: &[f32], labels: &[f32]) -> f64 {
    assert_eq!(signature.len(), labels.len(), "signatures of one length");
    // The lower triangle is filled; norms are 1 but for the rounding of f32.
    let products = inner_products(&[signature, labels], 0..labels.len(), Wanted::all(2));
    products[2] / (products[0] * products[3]).sqrt()
}
