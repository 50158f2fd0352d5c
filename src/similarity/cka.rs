//! Linear centred kernel alignment (Kornblith et al. 2019), the paper's first measure.
//!
//! CKA(K, L) = HSIC(K, L)/√(HSIC(K, K)·HSIC(L, L)) for the Gram matrices K = X·Xᵀ and
//! L = Y·Yᵀ of two representations of the same examples. HSIC is an inner product of
//! centred Grams, so CKA is the cosine between them: centring, packing and normalizing each
//! Gram once makes the matrix of all epochs a single product.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::centred::Centred;
use super::gram::Gram;
use super::{EpochMatrix, Estimator, Feature, Undefined};

/// Where U-centring leaves less than this of a Gram matrix, f32 products have lost too many
/// digits, and they are worked out again in f64.
const F64_BELOW: f64 = 1.0 / 32.0;
/// Where it leaves less than this of f64 products, what is left is their rounding.
const NOTHING_BELOW: f64 = 1e-11;
/// Entries of signatures whose products are summed in f32.
const TERMS: usize = 1024;
/// At most so many partial matrices are held at once.
const PARTS: usize = 64;

/// The packed Gram matrix of one representation: upper triangle row by row, off-diagonal
/// entries times √2, unit norm; `n(n+1)/2` numbers.
///
/// Features are centred in f64 and scaled by a power of two before any product, so offsets
/// and units cost no digits. Biased: H·K·H with H = I − 11ᵀ/n. Debiased: the U-centred Gram
/// of Székely and Rizzo, with which ⟨U(K), U(L)⟩ = n(n−3)·HSIC₁(K, L), the unbiased
/// estimator of Song et al. (2012), equation 5.
///
/// A representation of rank one is defined like any other, but for one that a single
/// example alone excites: its U-centred Gram matrix is 0.
///
/// *Shapes* `features: [n, p]`, row-major, one row an example.
///
/// Cost n²p/2 multiply-adds.
///
/// # Errors
/// Why the representation has no CKA with any: fewer than 4 examples, a feature that is not
/// finite, no feature that varies, or (debiased) a U-centred Gram matrix of 0.
///
/// # Panics
/// If `features.len() != n * p`.
///
/// # Example
/// ```
/// use stratagram::similarity::{Estimator, cka};
/// // 12 examples; X has 4 features, Y has 3.
/// let x: Vec<f32> = (0..12 * 4)
///     .map(|k| (k / 4, k % 4))
///     .map(|(i, j)| ((7 * i + 3 * j + i * j) % 11) as f32 / 10.0)
///     .collect();
/// let y: Vec<f32> = (0..12 * 3)
///     .map(|k| (k / 3, k % 3))
///     .map(|(i, j)| ((5 * i + 8 * j + i * i) % 13) as f32 / 12.0)
///     .collect();
/// let x = cka::signature(&x, 12, 4, Estimator::Biased)?;
/// let y = cka::signature(&y, 12, 3, Estimator::Biased)?;
/// let matrix = cka::matrix(&[Ok(&x), Ok(&y)]);
/// assert!((matrix.value(0, 1) - 0.135041240642).abs() < 1e-6);
/// assert!((matrix.value(0, 0) - 1.0).abs() < 1e-6);
/// # Ok::<(), stratagram::similarity::Undefined>(())
/// ```
pub fn signature<T: Feature>(
    features: &[T],
    n: usize,
    p: usize,
    estimator: Estimator,
) -> Result<Vec<f32>, Undefined> {
    let centred = Centred::of(features, n, p)?;
    // H·K·H is the Gram matrix of centred features.
    let gram = Gram::of::<T, f32>(&centred);
    if estimator == Estimator::Biased {
        return Ok(gram.to_signature(gram.norm()));
    }
    let mut left = gram.u_centred();
    if left.remainder < F64_BELOW {
        left = Gram::of::<T, f64>(&centred).u_centred();
        if left.remainder < NOTHING_BELOW {
            return Err(Undefined::OrthogonalExamples);
        }
    }
    Ok(left.matrix.to_signature(left.norm))
}

/// The CKA of all pairs of epochs: the inner products of their signatures.
///
/// An epoch without a signature makes its row and column NaN, with its reason; where both
/// epochs of a pair have none, with that of the earlier.
///
/// *Shapes* `signatures: [E]` of one length S.
///
/// Cost E²S/2 multiply-adds, f32 in blocks of 1,024 that are added in f64 in a fixed order.
///
/// # Panics
/// If the signatures differ in length.
pub fn matrix(signatures: &[Result<&[f32], Undefined>]) -> EpochMatrix {
    let n_epochs = signatures.len();
    let mut values = vec![f64::NAN; n_epochs * n_epochs];
    let mut reasons = vec![None; n_epochs * n_epochs];
    for i in 0..n_epochs {
        for j in 0..n_epochs {
            let first = signatures[i.min(j)].err();
            reasons[i * n_epochs + j] = first.or(signatures[i.max(j)].err());
        }
    }
    let defined: Vec<(usize, &[f32])> = signatures
        .iter()
        .enumerate()
        .filter_map(|(epoch, signature)| signature.ok().map(|s| (epoch, s)))
        .collect();
    let rows: Vec<&[f32]> = defined.iter().map(|&(_, signature)| signature).collect();
    let products = inner_products(&rows);
    for (a, &(i, _)) in defined.iter().enumerate() {
        for (b, &(j, _)) in defined.iter().enumerate() {
            values[i * n_epochs + j] = products[a.max(b) * rows.len() + a.min(b)];
        }
    }
    EpochMatrix { n_epochs, values, se: None, reasons }
}

/// The inner products of all pairs of rows: the lower triangle of an m × m matrix.
fn inner_products(rows: &[&[f32]]) -> Vec<f64> {
    let m = rows.len();
    let len = rows.first().map_or(0, |row| row.len());
    for row in rows {
        assert_eq!(row.len(), len, "signatures of one length");
    }
    // The parts depend on the sizes alone, so that the sums do too.
    let blocks = len.div_ceil(TERMS);
    let part = blocks.div_ceil(PARTS).max(8) * TERMS;
    let parts: Vec<Vec<f64>> = (0..len.div_ceil(part))
        .into_par_iter()
        .map(|k| part_of_products(rows, k * part, ((k + 1) * part).min(len)))
        .collect();
    let mut products = vec![0.0; m * m];
    for part in parts {
        products.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    products
}

/// Inner products over the entries from `start` to `end`.
fn part_of_products(rows: &[&[f32]], start: usize, end: usize) -> Vec<f64> {
    let m = rows.len();
    let mut sums = vec![0.0; m * m];
    let mut panel = vec![0.0f32; m * TERMS];
    let mut product = vec![0.0f32; m * m];
    for first in (start..end).step_by(TERMS) {
        let terms = TERMS.min(end - first);
        let panel = &mut panel[..m * terms];
        for (to, from) in panel.chunks_exact_mut(terms).zip(rows) {
            to.copy_from_slice(&from[first..first + terms]);
        }
        let panel = MatRef::from_row_major_slice(&*panel, m, terms);
        // [m, terms] · [terms, m] -> the lower triangle of [m, m]
        triangular::matmul(
            MatMut::from_row_major_slice_mut(&mut product, m, m),
            BlockStructure::TriangularLower,
            Accum::Replace,
            panel,
            BlockStructure::Rectangular,
            panel.transpose(),
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        for (sum, x) in sums.iter_mut().zip(&product) {
            *sum += f64::from(*x);
        }
    }
    sums
}
