//! Canonical correlations of the spaces that two representations span over the examples:
//! their mean, and SVCCA (Raghu et al. 2017).

use super::bases::Basis;
use super::centred::Centred;
use super::dot::{transposed_product, widened};
use super::{Feature, Undefined};

/// An orthonormal basis of the leading directions of centred features, `[n, min(n, p)]`; the
/// columns beyond those kept are 0.
///
/// Kept are the fewest left singular vectors whose squared singular values make up `variance`
/// of their sum (0.99 for SVCCA), or with `variance = 1` all above rounding (plain CCA). With
/// about as many directions as examples everything correlates: use it for n ≫ directions.
///
/// *Shapes* `features: [n, p]`, row-major.
///
/// Cost about 4n·p·min(n, p) multiply-adds in f64.
///
/// # Errors
/// Fewer than 4 examples, a feature that is not finite, or a dead layer.
///
/// # Panics
/// If `features.len() != n * p`, or `variance` is not in (0, 1].
pub fn signature<T: Feature>(
    features: &[T],
    n: usize,
    p: usize,
    variance: f64,
) -> Result<Vec<f32>, Undefined> {
    assert!(variance > 0.0 && variance <= 1.0, "{variance} of the variance");
    let basis = Basis::of(&Centred::of(features, n, p)?)?;
    let kept = basis.kept(variance);
    let r = basis.values.len();
    Ok((0..n * r)
        .map(|k| if k % r < kept { basis.vectors[(k / r, k % r)] as f32 } else { 0.0 })
        .collect())
}

impl Basis {
    /// The fewest leading directions that make up `variance` of the sum of squares.
    fn kept(&self, variance: f64) -> usize {
        let squares = |count: usize| -> f64 {
            self.values[..count].iter().map(|value| value * value).sum()
        };
        let wanted = variance * squares(self.values.len());
        (1..self.rank).find(|&count| squares(count) >= wanted).unwrap_or(self.rank)
    }
}

/// The mean canonical correlation: the sum of the singular values of `UᵀV` over the smaller
/// number of directions.
///
/// Cost n·p·q multiply-adds and the singular values of a `[p, q]` matrix, in f64.
pub(super) fn compare(a: &[f32], b: &[f32], n: usize) -> f64 {
    let kept = |signature: &[f32]| {
        let r = signature.len() / n;
        let is_zero = |j: &usize| signature.iter().skip(*j).step_by(r).all(|x| *x == 0.0);
        (0..r).find(is_zero).unwrap_or(r)
    };
    let (k, l) = (kept(a), kept(b));
    let (a, b) = (widened(a, n), widened(b, n));
    let product = transposed_product(a.subcols(0, k), b.subcols(0, l));
    let values = product.singular_values().expect("singular values of a finite matrix");
    values.iter().sum::<f64>() / k.min(l) as f64
}
