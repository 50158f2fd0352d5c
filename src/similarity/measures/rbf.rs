//! CKA with a Gaussian kernel (Kornblith et al. 2019): near examples count, far ones do not.

use crate::similarity::gram::batches::batches_of;
use crate::similarity::gram::centred::Centred;
use crate::similarity::gram::matrix::Gram;
use crate::similarity::gram::matrix::NOTHING_BELOW;
use crate::similarity::measure::{
    Definition, Epochs, Procedure, Properties, Setting, Settings,
};
use crate::similarity::measures::kernel::{self, Piece};
use crate::similarity::{EpochMatrix, Estimator, Feature, Undefined};

/// CKA with a Gaussian kernel.
pub(super) const CKA_RBF: Definition<Gaussian> = Definition {
    properties: Properties {
        name: "cka-rbf",
        title: "Gaussian CKA",
        summary: "CKA with a Gaussian kernel (Kornblith et al. 2019)",
        settings: &[Setting::Estimator, Setting::Threshold],
        error: "delete-one jackknife",
        signature: "centered Gram matrix, packed, `n(n+1)/2`",
        ..Properties::SIMILARITY
    },
    procedure: Gaussian,
};

/// The Gaussian kernel.
pub(super) struct Gaussian;

impl Procedure for Gaussian {
    fn signature<T: Feature>(
        &self,
        features: &[T],
        n: usize,
        p: usize,
        settings: &Settings,
    ) -> Result<Vec<f32>, Undefined> {
        signature(features, n, p, settings.estimator, settings.threshold)
    }

    fn signature_len(&self, n: usize, _p: usize, settings: &Settings) -> usize {
        kernel::signature_len(n, settings.estimator)
    }

    fn compare(&self, epochs: &Epochs<'_>) -> EpochMatrix {
        kernel::compare(epochs)
    }

    fn noise_floor(&self, epochs: &Epochs<'_>) -> Option<f64> {
        Some(kernel::noise_floor(epochs))
    }
}

/// The packed, centred Gram matrix of one representation under
/// k(x, y) = exp(−‖x−y‖²/(2t²·median)), off-diagonal entries times √2, unit norm.
///
/// The median is over all n² squared distances, the zero diagonal included, as in the public
/// code of Kornblith et al.; `threshold` is t. With minibatches each batch has its own median.
/// Products are in f64: far from each other the examples have kernels of nearly one value,
/// and centring leaves little. Compared by [`crate::similarity::measures::cka::matrix`].
///
/// *Shapes* `features: [n, p]`, row-major.
///
/// Cost n²p/2 multiply-adds in f64 and n²/2 exponentials.
///
/// # Errors
/// As [`crate::similarity::measures::cka::signature`], or if half of the examples coincide, so that the median is 0.
///
/// # Panics
/// If `features.len() != n * p`, `threshold ≤ 0`, or on batches of fewer than 4 examples.
pub fn signature<T: Feature>(
    features: &[T],
    n: usize,
    p: usize,
    estimator: Estimator,
    threshold: f64,
) -> Result<Vec<f32>, Undefined> {
    assert!(threshold > 0.0, "a bandwidth of {threshold} medians");
    Centred::of(features, n, p)?;
    let batches = batches_of(n, estimator);
    let mut pieces = vec![];
    for batch in &batches {
        let rows = &features[batch.start * p..batch.end * p];
        let kernel = gaussian(&Centred::of(rows, batch.len(), p)?, threshold)?;
        pieces.push(if estimator == Estimator::Biased {
            Piece::centred(kernel.doubly_centred())
        } else {
            let left = kernel.u_centred();
            let is_nothing = left.remainder < NOTHING_BELOW;
            if is_nothing { Piece::zero(batch.len()) } else { left.into() }
        });
    }
    kernel::to_signature(&pieces, &batches)
}

/// The Gaussian kernel of all pairs of examples.
fn gaussian<T: Feature>(
    centred: &Centred<'_, T>,
    threshold: f64,
) -> Result<Gram, Undefined> {
    let n = centred.n;
    let mut gram = Gram::of::<T, f64>(centred);
    let squares: Vec<f64> = (0..n).map(|i| gram.entry(i, i)).collect();
    let mut distances = Vec::with_capacity(n * (n - 1) / 2);
    let mut rest = gram.packed_mut();
    for i in 0..n {
        let (row, after) = rest.split_at_mut(n - i);
        rest = after;
        row[0] = 0.0;
        for (k, square) in row[1..].iter_mut().zip(&squares[i + 1..]) {
            // A squared distance below 0 is the rounding of one that is 0.
            let distance = squares[i] + square - 2.0 * *k;
            *k = if distance < 0.0 { 0.0 } else { distance };
        }
        distances.extend_from_slice(&row[1..]);
    }
    let median = median_with_diagonal(distances, n);
    if median == 0.0 {
        return Err(Undefined::CoincidingExamples);
    }
    let scale = -1.0 / (2.0 * threshold * threshold * median);
    gram.packed_mut().iter_mut().for_each(|d| *d = (*d * scale).exp());
    Ok(gram)
}

/// The median of n zeros and of every distance twice.
fn median_with_diagonal(mut distances: Vec<f64>, n: usize) -> f64 {
    distances.sort_by(f64::total_cmp);
    let at = |k: usize| if k < n { 0.0 } else { distances[(k - n) / 2] };
    let count = n * n;
    f64::midpoint(at((count - 1) / 2), at(count / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_counts_the_diagonal_and_both_triangles() {
        // 0 0 0 1 1 2 2 5 5
        assert!((median_with_diagonal(vec![5.0, 1.0, 2.0], 3) - 1.0).abs() < 1e-15);
        // 0 0 3 3
        assert!((median_with_diagonal(vec![3.0], 2) - 1.5).abs() < 1e-15);
    }
}
