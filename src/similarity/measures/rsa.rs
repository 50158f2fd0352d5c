//! Representational similarity analysis (Kriegeskorte et al. 2008): the correlation of two
//! representations' dissimilarities of examples.

use rayon::prelude::*;

use crate::similarity::errors::jackknife::Rule;
use crate::similarity::gram::triangle::packed_len;
use crate::similarity::measure::{Definition, Epochs, Procedure, Properties, Settings};
use crate::similarity::measures::kernel;
use crate::similarity::{EpochMatrix, Feature, Invariance, Undefined};

/// How two matrices of dissimilarities are correlated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Correlation {
    Pearson,
    /// Of the ranks; equal dissimilarities share the mean of their ranks.
    Spearman,
}

const BASE: Properties = Properties {
    invariances: &[Invariance::Scaling, Invariance::FeatureOrder],
    ..Properties::SIMILARITY
};

/// RSA by ranks.
pub(super) const RSA: Definition<Correlation> = Definition {
    properties: Properties {
        name: "rsa",
        title: "RSA",
        summary: "Spearman correlation of dissimilarities (Kriegeskorte et al. 2008)",
        error: "delete-one jackknife with the ranks of all examples kept",
        signature: "ranks of dissimilarities, packed, mean 0, unit norm, `n(n+1)/2`",
        ..BASE
    },
    procedure: Correlation::Spearman,
};

/// RSA by the dissimilarities themselves.
pub(super) const RSA_PEARSON: Definition<Correlation> = Definition {
    properties: Properties {
        name: "rsa-pearson",
        title: "RSA by Pearson’s correlation",
        summary: "Pearson correlation of dissimilarities (Kriegeskorte et al. 2008)",
        error: "delete-one jackknife",
        signature: "dissimilarities, packed, mean 0, unit norm, `n(n+1)/2`",
        ..BASE
    },
    procedure: Correlation::Pearson,
};

impl Procedure for Correlation {
    fn signature<T: Feature>(
        &self,
        features: &[T],
        n: usize,
        p: usize,
        _settings: &Settings,
    ) -> Result<Vec<f32>, Undefined> {
        signature(features, n, p, *self)
    }

    fn signature_len(&self, n: usize, _p: usize, _settings: &Settings) -> usize {
        packed_len(n)
    }

    fn compare(&self, epochs: &Epochs<'_>) -> EpochMatrix {
        grown(epochs.known, epochs.signatures, epochs.n, epochs.settings.errors)
    }
}

/// The dissimilarities 1 − r of all pairs of examples, r the Pearson correlation of their
/// features; or their ranks; with mean 0 and unit norm, as a packed upper triangle of
/// `n(n+1)/2` numbers whose diagonal is 0.
///
/// *Shapes* `features: [n, p]`, row-major.
///
/// Cost n²p/2 multiply-adds in f64, and sorting n²/2 numbers for ranks.
///
/// # Errors
/// Fewer than 4 examples, a feature that is not finite, a dead layer, an example whose
/// features are all equal (it correlates with none), or dissimilarities that are all equal.
///
/// # Panics
/// If `features.len() != n * p`.
pub fn signature<T: Feature>(
    features: &[T],
    n: usize,
    p: usize,
    correlation: Correlation,
) -> Result<Vec<f32>, Undefined> {
    crate::similarity::gram::centred::Centred::of(features, n, p)?;
    let rows = standardized_rows(features, n, p)?;
    let mut dissimilarities: Vec<f64> =
        crate::similarity::gram::dot::upper_products(&rows, n, p)
            .into_iter()
            .map(|r| 1.0 - r)
            .collect();
    if correlation == Correlation::Spearman {
        dissimilarities = ranks(&dissimilarities);
    }
    let count = dissimilarities.len() as f64;
    let mean = dissimilarities.iter().sum::<f64>() / count;
    dissimilarities.iter_mut().for_each(|d| *d -= mean);
    let norm = dissimilarities.iter().map(|d| d * d).sum::<f64>().sqrt();
    // What is below is the rounding of equal numbers.
    if norm <= 1e-12 * count.sqrt() * mean.abs().max(1.0) {
        return Err(Undefined::EqualDissimilarities);
    }
    let mut signature = vec![0.0; packed_len(n)];
    let (mut to, mut from) = (&mut signature[..], &dissimilarities[..]);
    for i in 0..n {
        let (row, after) = to.split_at_mut(n - i);
        let (own, rest) = from.split_at(n - i - 1);
        row[1..].iter_mut().zip(own).for_each(|(s, d)| *s = (d / norm) as f32);
        (to, from) = (after, rest);
    }
    Ok(signature)
}

/// The correlations of all pairs of epochs, with jackknife standard errors over examples
/// (for Spearman with the ranks of all examples kept).
///
/// Cost as [`crate::similarity::measures::cka::matrix`].
///
/// # Panics
/// If the signatures are not those of n examples.
pub fn matrix(signatures: &[Result<&[f32], Undefined>], n: usize) -> EpochMatrix {
    grown(None, signatures, n, true)
}

/// [`matrix`], where the cells of the first epochs may be known; `errors` says whether
/// standard errors are worked out.
pub(crate) fn grown(
    known: Option<&EpochMatrix>,
    signatures: &[Result<&[f32], Undefined>],
    n: usize,
    errors: bool,
) -> EpochMatrix {
    let whole = 0..n;
    kernel::matrix(signatures, &[whole], Rule::Correlation, known, errors)
}

/// Every row less its mean, with unit norm, in f64.
fn standardized_rows<T: Feature>(
    features: &[T],
    n: usize,
    p: usize,
) -> Result<Vec<f64>, Undefined> {
    let mut rows = vec![0.0; n * p];
    let constant = rows
        .par_chunks_mut(p)
        .zip(features.par_chunks(p))
        .map(|(to, from)| {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from.into());
            let mean = to.iter().sum::<f64>() / p as f64;
            let largest = to.iter().fold(0.0, |m: f64, x| m.max((x - mean).abs()));
            if largest <= T::SPACING.max(p as f64 * f64::EPSILON) * mean.abs() {
                return true;
            }
            // Divided by the largest first, so that no square leaves the range of f64.
            to.iter_mut().for_each(|x| *x = (*x - mean) / largest);
            let norm = to.iter().map(|x| x * x).sum::<f64>().sqrt();
            to.iter_mut().for_each(|x| *x /= norm);
            false
        })
        .reduce(|| false, |a, b| a || b);
    if constant { Err(Undefined::ConstantExample) } else { Ok(rows) }
}

/// Ranks from 1 on; equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0.0;
    for equal in order.chunk_by(|&a, &b| values[a].total_cmp(&values[b]).is_eq()) {
        // Ranks of equal values are consecutive: their mean is that of the ends.
        let mean = start + f64::midpoint(1.0, equal.len() as f64);
        equal.iter().for_each(|&at| ranks[at] = mean);
        start += equal.len() as f64;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_mean_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0, 3.0]), [4.0, 1.0, 4.0, 2.0, 4.0]);
    }
}
