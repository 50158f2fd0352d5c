//! Mutual nearest neighbours (Huh et al. 2024): how many of an example's k nearest
//! neighbours are the same in two representations.

use rayon::prelude::*;

use crate::similarity::gram::centred::Centred;
use crate::similarity::gram::dot;
use crate::similarity::measure::{
    Definition, Epochs, Procedure, Properties, Setting, Settings,
};
use crate::similarity::{EpochMatrix, Feature, Invariance, Undefined};

/// What makes two examples near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Nearness {
    Cosine,
    /// Of the features as they are: examples of large norm are near to many.
    InnerProduct,
}

/// Mutual k nearest neighbors.
pub(super) const MUTUAL_KNN: Definition<Shared> = Definition {
    properties: Properties {
        name: "mutual-knn",
        title: "mutual kNN",
        summary: "share of common nearest neighbors by cosine (Huh et al. 2024)",
        invariances: INVARIANCES,
        settings: &[Setting::Neighbours],
        error: "sd/√n of the examples' overlaps: 0.6 to 0.85 of the spread over draws",
        signature: "nearest neighbors, `[n, k]`",
        ..Properties::SIMILARITY
    },
    procedure: Shared,
};

/// What neighborhoods by cosine do not depend on.
pub(super) const INVARIANCES: &[Invariance] =
    &[Invariance::Scaling, Invariance::FeatureOrder, Invariance::Orthogonal];

/// The share of neighbors that both representations have.
pub(super) struct Shared;

impl Procedure for Shared {
    fn signature<T: Feature>(
        &self,
        features: &[T],
        n: usize,
        p: usize,
        settings: &Settings,
    ) -> Result<Vec<f32>, Undefined> {
        signature(features, n, p, settings.neighbours, Nearness::Cosine)
    }

    fn signature_len(&self, n: usize, _p: usize, settings: &Settings) -> usize {
        n * settings.neighbours
    }

    fn compare(&self, epochs: &Epochs<'_>) -> EpochMatrix {
        epochs.pairwise(|a, b| compare(a, b, epochs.n))
    }
}

/// Every example's k nearest others, `[n, k]`: their positions, nearest first; of equally
/// near ones the lower position. Whole numbers below 2²⁴, so exact as f32.
///
/// Features are not centred: a common offset makes all examples alike in cosine, which is a
/// property of the representation.
///
/// *Shapes* `features: [n, p]`, row-major.
///
/// Cost n²p/2 multiply-adds in f64, and n²·ln n to sort.
///
/// # Errors
/// Not more than k examples, fewer than 4, a feature that is not finite, a dead layer, or
/// (cosine) an example whose features are all 0.
///
/// # Panics
/// If `features.len() != n * p`, `k == 0`, or there are more than 2²⁴ examples.
pub fn signature<T: Feature>(
    features: &[T],
    n: usize,
    p: usize,
    k: usize,
    nearness: Nearness,
) -> Result<Vec<f32>, Undefined> {
    let near = Nearby::of(features, n, p, k, nearness)?;
    let nearest = (0..n).into_par_iter().flat_map_iter(|i| near.nearest(i));
    Ok(nearest.map(|j| j as f32).collect())
}

/// How near all pairs of examples are.
pub(super) struct Nearby {
    n: usize,
    k: usize,
    /// The upper triangle without the diagonal, row by row.
    products: Vec<f64>,
}

impl Nearby {
    /// # Errors
    /// As [`signature`].
    ///
    /// # Panics
    /// As [`signature`].
    pub(super) fn of<T: Feature>(
        features: &[T],
        n: usize,
        p: usize,
        k: usize,
        nearness: Nearness,
    ) -> Result<Self, Undefined> {
        assert!(k > 0 && n <= 1 << 24, "{k} neighbors of {n} examples");
        Centred::of(features, n, p)?;
        if n <= k {
            return Err(Undefined::TooFewNeighbours { n, k });
        }
        let mut rows: Vec<f64> = features.iter().map(|&x| x.into()).collect();
        let largest = rows.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        for row in rows.chunks_mut(p) {
            // Divided first, so that no square leaves the range of f64.
            row.iter_mut().for_each(|x| *x /= largest);
            if nearness == Nearness::Cosine {
                let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                if norm == 0.0 {
                    return Err(Undefined::ZeroExample);
                }
                row.iter_mut().for_each(|x| *x /= norm);
            }
        }
        Ok(Self { n, k, products: dot::upper_products(&rows, n, p) })
    }

    /// The product of two different examples.
    pub(super) fn product(&self, i: usize, j: usize) -> f64 {
        // Row i of the packed triangle begins here.
        let start = |i: usize| i * (2 * self.n - i - 1) / 2;
        let (low, high) = (i.min(j), i.max(j));
        self.products[start(low) + high - low - 1]
    }

    /// The k others that are nearest to example i, nearest first.
    pub(super) fn nearest(&self, i: usize) -> Vec<usize> {
        let mut others: Vec<usize> = (0..self.n).filter(|j| *j != i).collect();
        let order = |a: &usize, b: &usize| {
            self.product(i, *b).total_cmp(&self.product(i, *a)).then(a.cmp(b))
        };
        if self.k < others.len() {
            others.select_nth_unstable_by(self.k - 1, order);
        }
        others.truncate(self.k);
        others.sort_unstable_by(order);
        others
    }
}

/// For each of n examples how many of its neighbors two signatures share.
pub(super) fn common(a: &[f32], b: &[f32], n: usize) -> Vec<usize> {
    let k = a.len() / n;
    let count = |(a, b): (&[f32], &[f32])| a.iter().filter(|x| b.contains(x)).count();
    a.chunks(k).zip(b.chunks(k)).map(count).collect()
}

/// The mean over examples of `|N_k(i) ∩ M_k(i)|/k`, and its standard error over examples,
/// sd/√n. As examples share neighbors their overlaps vary together, which it does not count: on
/// simulated examples (80 to 500, of 5 to 60 features) it was 0.6 to 0.85 times the spread over
/// draws.
///
/// Cost n·k² comparisons.
pub(crate) fn compare(a: &[f32], b: &[f32], n: usize) -> (f64, f64) {
    let k = a.len() / n;
    let counts = common(a, b, n);
    let sum: usize = counts.iter().sum();
    let squares: usize = counts.iter().map(|c| c * c).sum();
    // n·Σc² − (Σc)² = n·(n−1)·variance, in whole numbers.
    let spread = (n * squares - sum * sum) as f64;
    let error = (spread / (n as f64 - 1.0)).sqrt() / n as f64;
    (sum as f64 / (n * k) as f64, error / k as f64)
}
