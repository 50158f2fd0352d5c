//! Deconfounded CKA (Cui et al. 2022): how alike two representations are beyond what both
//! take from the examples themselves.

use crate::similarity::Undefined;

/// Where less than this of a signature's norm is left, the rest is the rounding of f32.
const NOTHING_BELOW: f64 = 1e-4;

/// A signature of [`crate::similarity::measures::cka`] or [`crate::similarity::measures::rbf`] less what a confounder explains of it,
/// such as the similarity of the inputs: a signature again, to compare, to estimate errors
/// and noise floors from as from any other.
///
/// dK = K − α·K₀ with α = ⟨K, K₀⟩/⟨K₀, K₀⟩ for centred (debiased: U-centred) Grams, and
/// dCKA(K, L) = ⟨dK, dL⟩/(‖dK‖·‖dL‖): the partial correlation of kernels. The authors' code
/// regresses uncentred Grams with an intercept, and may clip negative eigenvalues; here
/// neither. Errors over examples keep α, which costs nothing in the first order: residuals
/// are orthogonal to K₀.
///
/// *Shapes* `signature`, `confounder`: of one length, for the same examples and estimator.
///
/// # Errors
/// If the confounder explains all of it.
///
/// # Panics
/// If the lengths differ.
///
/// # Example
/// ```
/// use stratagram::similarity::{Estimator, Undefined, cka, without};
/// let signature = |x: &[f32]| cka::signature(x, 6, 1, Estimator::Biased).unwrap();
/// let x = signature(&[1.0, 2.0, 0.0, 5.0, 3.0, 1.0]);
/// let other = signature(&[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
/// assert!(without(&x, &other).is_ok());
/// assert_eq!(without(&x, &x), Err(Undefined::Confounded));
/// ```
pub fn without(signature: &[f32], confounder: &[f32]) -> Result<Vec<f32>, Undefined> {
    assert_eq!(signature.len(), confounder.len(), "signatures of one length");
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    };
    let slope = dot(signature, confounder) / dot(confounder, confounder);
    let pairs = || signature.iter().zip(confounder);
    let left = |(x, y): (&f32, &f32)| f64::from(*x) - slope * f64::from(*y);
    let norm = pairs().map(|pair| left(pair).powi(2)).sum::<f64>().sqrt();
    if norm < NOTHING_BELOW {
        return Err(Undefined::Confounded);
    }
    Ok(pairs().map(|pair| (left(pair) / norm) as f32).collect())
}
