//! Linear CKA without Gram matrices, for many examples of few features: ⟨K, L⟩ is `‖XᵀY‖²_F`,
//! so that n·p·q multiply-adds a pair stand instead of n² numbers a representation.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::similarity::epoch_matrix::Pairs;
use crate::similarity::errors::halves::floor_of;
use crate::similarity::gram::centred::Centred;
use crate::similarity::gram::matrix::NOTHING_BELOW;
use crate::similarity::{EpochMatrix, Estimator, Feature, Undefined};

/// Examples whose products are summed in f32; blocks of so many are added in f64, in order.
const TERMS: usize = 256;
/// The most features: products over them are summed in f32.
pub const MOST_FEATURES: usize = 1024;

/// A representation for [`feature_matrix`]: its centred features, and its product with itself.
#[derive(Debug, Clone)]
pub struct FeatureSignature {
    estimator: Estimator,
    n: usize,
    p: usize,
    features: Vec<f32>,
    /// Squared norms of the examples.
    squares: Vec<f64>,
    own: Product,
}

/// ⟨K, L⟩ of centred or U-centred Grams, and the same without each example.
#[derive(Debug, Clone, Default)]
struct Product {
    total: f64,
    without: Vec<f64>,
}

impl FeatureSignature {
    /// Centres the features.
    ///
    /// *Shapes* `features: [n, p]`, row-major.
    ///
    /// Cost 2n·p² multiply-adds.
    ///
    /// # Errors
    /// As [`crate::similarity::measures::cka::signature`].
    ///
    /// # Panics
    /// If `features.len() != n * p`, `p` > [`MOST_FEATURES`], or on minibatches.
    pub fn of<T: Feature>(
        features: &[T],
        n: usize,
        p: usize,
        estimator: Estimator,
    ) -> Result<Self, Undefined> {
        assert!(p <= MOST_FEATURES, "{p} features, at most {MOST_FEATURES}");
        let batches = matches!(estimator, Estimator::Minibatch { .. });
        assert!(!batches, "minibatches have Gram matrices");
        let centred = Centred::of(features, n, p)?;
        let mut features = vec![0.0; n * p];
        centred.fill(0..p, &mut features, p);
        let square = |row: &[f32]| row.iter().map(|&x| f64::from(x).powi(2)).sum();
        let squares = features.chunks(p).map(square).collect();
        let mut signature =
            Self { estimator, n, p, features, squares, own: Product::default() };
        let own = signature.product(&signature);
        let scale: f64 = signature.squares.iter().sum();
        if own.total <= NOTHING_BELOW * scale * scale {
            return Err(Undefined::OrthogonalExamples);
        }
        signature.own = own;
        Ok(signature)
    }

    /// The centred features, `[n, p]`, from which Gram matrices can still be made.
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// The number of features.
    pub fn n_features(&self) -> usize {
        self.p
    }

    fn rows(&self) -> MatRef<'_, f32> {
        MatRef::from_row_major_slice(&self.features, self.n, self.p)
    }

    /// Debiased: d = ‖XᵀY‖² − n/(n−2)·s·t + ΣsΣt/((n−1)(n−2)) with the squared norms s and t
    /// of centred examples, which is ⟨U(K), U(L)⟩.
    fn product(&self, other: &Self) -> Product {
        let n = self.n as f64;
        let cross = self.cross(other);
        let total = self.total(&cross, other);
        let through = self.through(&cross, other);
        let (s, t) = (&self.squares, &other.squares);
        if self.estimator == Estimator::Biased {
            let without = through.iter().zip(s.iter().zip(t)).map(|(rho, (s, t))| {
                let own = s * t;
                total - 2.0 * rho + own - 2.0 * (rho - own) / (n - 1.0)
                    + own / (n - 1.0).powi(2)
            });
            return Product { total, without: without.collect() };
        }
        // Rows of a centred Gram matrix sum to 0, so without their diagonal to −s.
        let means = |s: &[f64]| -> Vec<f64> {
            let half = sum(s) / (2.0 * (n - 1.0) * (n - 2.0));
            s.iter().map(|s| half - s / (n - 2.0)).collect()
        };
        let (a, b) = (means(s), means(t));
        // Σ_i K_im·b_i = x_m · Σ_i b_i·x_i.
        let (with_b, with_a) = (self.weighted(&b), other.weighted(&a));
        let (products, sums) = (dot(&a, &b), (sum(&a), sum(&b)));
        let without = (0..self.n).map(|m| {
            let off_diagonal = through[m] - s[m] * t[m];
            let of_first = with_b[m] - 2.0 * s[m] * b[m];
            let of_second = with_a[m] - 2.0 * t[m] * a[m];
            let of_means =
                products + a[m] * sums.1 + b[m] * sums.0 + (n - 4.0) * a[m] * b[m];
            let rho = off_diagonal - of_first - of_second + of_means;
            total - 2.0 * rho * (n - 2.0) / (n - 3.0)
        });
        Product { total, without: without.collect() }
    }

    /// ⟨K, L⟩ or ⟨U(K), U(L)⟩ from `XᵀY`.
    fn total(&self, cross: &[f64], other: &Self) -> f64 {
        let n = self.n as f64;
        let norm: f64 = cross.iter().map(|c| c * c).sum();
        if self.estimator == Estimator::Biased {
            return norm;
        }
        let (s, t) = (&self.squares, &other.squares);
        norm - n / (n - 2.0) * dot(s, t) + sum(s) * sum(t) / ((n - 1.0) * (n - 2.0))
    }

    /// Every second example, centred anew; what it lacks to be a signature of its own is
    /// undefined.
    fn half(&self, parity: usize) -> Result<Self, Undefined> {
        let rows = self.features.chunks(self.p).skip(parity).step_by(2);
        let features: Vec<f32> = rows.flatten().copied().collect();
        Self::of(&features, features.len() / self.p, self.p, self.estimator)
    }

    /// `XᵀY`, `[p, q]`.
    fn cross(&self, other: &Self) -> Vec<f64> {
        let size = self.p * other.p;
        let (mut product, mut sums) = (vec![0.0f32; size], vec![0.0; size]);
        for first in (0..self.n).step_by(TERMS) {
            let terms = TERMS.min(self.n - first);
            // [p, terms] · [terms, q] -> [p, q]
            matmul(
                MatMut::from_row_major_slice_mut(&mut product, self.p, other.p),
                Accum::Replace,
                self.rows().subrows(first, terms).transpose(),
                other.rows().subrows(first, terms),
                1.0,
                Par::Seq,
            );
            sums.iter_mut().zip(&product).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        sums
    }

    /// `x_m·C·y_m` for every example m.
    fn through(&self, cross: &[f64], other: &Self) -> Vec<f64> {
        let rounded: Vec<f32> = cross.iter().map(|c| *c as f32).collect();
        let cross = MatRef::from_row_major_slice(&rounded, self.p, other.p);
        let mut turned = vec![0.0f32; TERMS * other.p];
        let mut values = Vec::with_capacity(self.n);
        for first in (0..self.n).step_by(TERMS) {
            let terms = TERMS.min(self.n - first);
            let turned = &mut turned[..terms * other.p];
            // [terms, p] · [p, q] -> [terms, q]
            matmul(
                MatMut::from_row_major_slice_mut(turned, terms, other.p),
                Accum::Replace,
                self.rows().subrows(first, terms),
                cross,
                1.0,
                Par::Seq,
            );
            let rows = other.features[first * other.p..].chunks(other.p);
            values.extend(turned.chunks(other.p).zip(rows).map(|(z, y)| {
                z.iter().zip(y).map(|(z, y)| f64::from(*z) * f64::from(*y)).sum::<f64>()
            }));
        }
        values
    }

    /// `x_m · Σ_i w_i·x_i` for every example m.
    fn weighted(&self, weights: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.p];
        for (row, weight) in self.features.chunks(self.p).zip(weights) {
            sum.iter_mut().zip(row).for_each(|(s, x)| *s += weight * f64::from(*x));
        }
        let dot =
            |row: &[f32]| row.iter().zip(&sum).map(|(x, s)| f64::from(*x) * s).sum();
        self.features.chunks(self.p).map(dot).collect()
    }

    /// CKA, and with `errors` its jackknife standard error, else NaN.
    fn compare(&self, other: &Self, errors: bool) -> (f64, f64) {
        assert_eq!((self.n, self.estimator), (other.n, other.estimator), "signatures");
        if !errors {
            let total = self.total(&self.cross(other), other);
            return (total / (self.own.total * other.own.total).sqrt(), f64::NAN);
        }
        let product = self.product(other);
        let value = product.total / (self.own.total * other.own.total).sqrt();
        let (mut sum, mut squares) = (0.0, 0.0);
        let owns = self.own.without.iter().zip(&other.own.without);
        for (without, (a, b)) in product.without.iter().zip(owns) {
            let deviation = without / (a * b).sqrt() - value;
            sum += deviation;
            squares += deviation * deviation;
        }
        let n = self.n as f64;
        let spread = squares - sum * sum / n;
        // Of a sum of squares at most its rounding is negative.
        let spread = if spread < 0.0 { 0.0 } else { spread };
        (value, if self.n < 5 { f64::NAN } else { ((n - 1.0) / n * spread).sqrt() })
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sum(a: &[f64]) -> f64 {
    a.iter().sum()
}

/// The noise floor that [`crate::similarity::noise_floor`] gives for Gram matrices, by this route.
///
/// Cost n·p·q multiply-adds a pair, and what the signatures of two halves cost.
pub fn feature_noise_floor(signatures: &[Result<&FeatureSignature, Undefined>]) -> f64 {
    let all: Vec<&FeatureSignature> = signatures.iter().filter_map(|s| s.ok()).collect();
    let m = all.len();
    if all.first().is_none_or(|signature| signature.n < 8) {
        return f64::NAN;
    }
    floor_of(
        m,
        &[0, 1].map(|parity| {
            let halves: Vec<_> = all.par_iter().map(|own| own.half(parity)).collect();
            let product = |at: usize| match (at / m, at % m) {
                (a, b) if b > a => 0.0,
                (a, b) => match (&halves[a], &halves[b]) {
                    (Ok(a), Ok(b)) => a.total(&a.cross(b), b),
                    // A half without a similarity has the product 0 with itself.
                    _ => 0.0,
                },
            };
            (0..m * m).into_par_iter().map(product).collect()
        }),
    )
}

/// The CKA of all pairs of epochs, and with `errors` their jackknife standard errors over
/// examples: what [`crate::similarity::measures::cka::matrix`] gives, by another route.
///
/// Cost n·p·q multiply-adds a pair, with errors 2n·p·q, and n·p numbers an epoch.
///
/// # Panics
/// If the signatures differ in examples or estimator.
pub fn feature_matrix(
    signatures: &[Result<&FeatureSignature, Undefined>],
    errors: bool,
) -> EpochMatrix {
    let compare = |a: &FeatureSignature, b: &FeatureSignature| a.compare(b, errors);
    EpochMatrix::pairwise(signatures, Pairs::Mirrored, None, compare)
}
