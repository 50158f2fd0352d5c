//! What a signature of linear CKA leaves out of its Gram matrix: the diagonal and the scale.

use super::triangle::packed_len;
use crate::similarity::Estimator;

/// The squared norms of the centered examples, and what the signature was divided by. With
/// them the centered Gram matrix follows from a signature, and so do all distances between
/// examples, biased CKA, and which examples dominate.
///
/// # Example
/// ```
/// use stratagram::similarity::{Estimator, cka};
/// // Six examples with two features; the mean is (1, 2).
/// let x = [3.0, 2.0, -1.0, 2.0, 1.0, 5.0, 1.0, -1.0, 2.0, 3.0, 0.0, 1.0];
/// let (signature, scale) = cka::reduced(&x, 6, 2, Estimator::Debiased)?;
/// assert_eq!(scale.squared_norms[0], 4.0);
/// let gram = scale.gram(&signature, Estimator::Debiased).unwrap();
/// assert!((gram[1] - -4.0).abs() < 1e-5); // ⟨(2, 0), (−2, 0)⟩
/// # Ok::<(), stratagram::similarity::Undefined>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GramScale {
    /// ‖xᵢ − x̄‖² of each example; of minibatches x̄ is the mean of its batch.
    pub squared_norms: Vec<f64>,
    /// The Frobenius norm of the centered (debiased: U-centered) Gram matrix; of minibatches
    /// that of all batches' with their weights.
    pub scale: f64,
}

impl GramScale {
    /// The norms, then the scale: n + 1 numbers, as they are stored.
    pub fn to_numbers(&self) -> Vec<f64> {
        self.squared_norms.iter().copied().chain([self.scale]).collect()
    }

    /// From [`GramScale::to_numbers`]; none where the signature is undefined, or without
    /// numbers.
    pub fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let (scale, squared_norms) = numbers.split_last()?;
        let is_defined = numbers.iter().all(|number| number.is_finite());
        let squared_norms = squared_norms.to_vec();
        is_defined.then_some(Self { squared_norms, scale: *scale })
    }

    /// The Gram matrix of the centered examples, `[n, n]`:
    ///
    /// ```text
    /// biased:    Kᵢⱼ = s·Aᵢⱼ
    /// debiased:  Kᵢⱼ = s·Aᵢⱼ + mᵢ + mⱼ,  mᵢ = Σ_k d_k/(2(n−1)(n−2)) − dᵢ/(n−2),  Kᵢᵢ = dᵢ
    /// ```
    ///
    /// A the signature's entries without their √2, s the scale, d the squared norms: rows of K
    /// sum to 0, so U-centering took from an entry what the diagonal says. None of minibatches,
    /// which hold no products between batches.
    ///
    /// # Panics
    /// If the signature is not of n examples.
    pub fn gram(&self, signature: &[f32], estimator: Estimator) -> Option<Vec<f64>> {
        let d = &self.squared_norms;
        let n = d.len();
        assert_eq!(signature.len(), packed_len(n), "signature of {n} examples");
        let means = match estimator {
            Estimator::Biased => vec![0.0; n],
            Estimator::Debiased => {
                let size = n as f64;
                let half = d.iter().sum::<f64>() / (2.0 * (size - 1.0) * (size - 2.0));
                d.iter().map(|d| half - d / (size - 2.0)).collect()
            }
            Estimator::Minibatch { .. } => return None,
        };
        let mut gram = vec![0.0; n * n];
        let mut entries = signature.iter();
        let beside = self.scale * std::f64::consts::FRAC_1_SQRT_2;
        for i in 0..n {
            for j in i..n {
                let entry = f64::from(*entries.next().expect("the length is checked"));
                let value =
                    if i == j { d[i] } else { beside * entry + means[i] + means[j] };
                (gram[i * n + j], gram[j * n + i]) = (value, value);
            }
        }
        Some(gram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::cka;

    /// Gram matrix of centered features by definition.
    fn plain(x: &[f64], p: usize) -> Vec<f64> {
        let n = x.len() / p;
        let mean = |c: usize| x.iter().skip(c).step_by(p).sum::<f64>() / n as f64;
        let means: Vec<f64> = (0..p).map(mean).collect();
        let product = |i: usize, j: usize| -> f64 {
            (0..p).map(|c| (x[i * p + c] - means[c]) * (x[j * p + c] - means[c])).sum()
        };
        (0..n * n).map(|at| product(at / n, at % n)).collect()
    }

    #[test]
    fn the_gram_matrix_follows_from_what_is_stored() {
        for (n, p, unit) in [(12, 5, 1.0), (40, 3, 1e-9), (25, 1500, 1e6)] {
            let entry = |k: usize| unit * (((k * k + 3 * k) % 89) as f64 + 200.0);
            let x: Vec<f64> = (0..n * p).map(entry).collect();
            let expected = plain(&x, p);
            let largest = expected.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
            for estimator in [Estimator::Debiased, Estimator::Biased] {
                let (signature, scale) = cka::reduced(&x, n, p, estimator).unwrap();
                assert_eq!(Ok(&signature), cka::signature(&x, n, p, estimator).as_ref());
                let scale = GramScale::from_numbers(&scale.to_numbers()).unwrap();
                let gram = scale.gram(&signature, estimator).unwrap();
                for (found, expected) in gram.iter().zip(&expected) {
                    let error = (found - expected).abs() / largest;
                    assert!(error < 3e-6, "{estimator:?}, {n}: {found} for {expected}");
                }
            }
            let minibatch = Estimator::Minibatch { size: 6 };
            let (signature, scale) = cka::reduced(&x, n, p, minibatch).unwrap();
            assert_eq!(scale.squared_norms.len(), n);
            assert!(signature.len() < packed_len(n));
        }
        assert_eq!(GramScale::from_numbers(&[f64::NAN; 4]), None);
    }
}
