//! Linear centred kernel alignment (Kornblith et al. 2019), the paper's first measure.
//!
//! CKA(K, L) = HSIC(K, L)/√(HSIC(K, K)·HSIC(L, L)) for the Gram matrices K = X·Xᵀ and
//! L = Y·Yᵀ of two representations of the same examples. HSIC is an inner product of
//! centred Grams, so CKA is the cosine between them: centring, packing and normalizing each
//! Gram once makes the matrix of all epochs a single product.

use std::ops::Range;

use crate::similarity::epoch_matrix::Pairs;
use crate::similarity::gram::batches::batches_of;
use crate::similarity::gram::centred::Centred;
use crate::similarity::gram::matrix::{F64_BELOW, Gram, NOTHING_BELOW, TERMS};
use crate::similarity::measure::{
    Definition, Epochs, Procedure, Properties, Setting, Settings,
};
use crate::similarity::measures::kernel::{self, Piece};
use crate::similarity::{EpochMatrix, Estimator, Feature, GramScale, Undefined};

/// Linear CKA.
pub(super) const CKA: Definition<Linear> = Definition {
    properties: Properties {
        name: "cka",
        title: "linear CKA",
        summary: "linear centered kernel alignment (Kornblith et al. 2019)",
        settings: &[Setting::Estimator],
        error: "delete-one jackknife",
        signature: "centered Gram matrix, packed, `n(n+1)/2`",
        ..Properties::SIMILARITY
    },
    procedure: Linear,
};

/// The linear kernel.
pub(super) struct Linear;

impl Procedure for Linear {
    fn signature<T: Feature>(
        &self,
        features: &[T],
        n: usize,
        p: usize,
        settings: &Settings,
    ) -> Result<Vec<f32>, Undefined> {
        signature(features, n, p, settings.estimator)
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

/// The packed Gram matrix of one representation: upper triangle row by row, off-diagonal
/// entries times √2, unit norm; `n(n+1)/2` numbers.
///
/// Features are centred in f64 and scaled by a power of two before any product, so offsets
/// and units cost no digits. Biased: H·K·H with H = I − 11ᵀ/n. Debiased: the U-centred Gram
/// of Székely and Rizzo, with which ⟨U(K), U(L)⟩ = n(n−3)·HSIC₁(K, L), the unbiased
/// estimator of Song et al. (2012), equation 5. Minibatch: the U-centred Grams of the
/// batches one after the other, each times 1/√(b(b−3)).
///
/// A representation of rank one is defined like any other, but for one that a single
/// example alone excites: its U-centred Gram matrix is 0.
///
/// *Shapes* `features: [n, p]`, row-major, one row an example.
///
/// Cost n²p/2 multiply-adds; minibatch n·size·p/2.
///
/// # Errors
/// Why the representation has no CKA with any: fewer than 4 examples, a feature that is not
/// finite, no feature that varies, or (debiased) a U-centred Gram matrix of 0.
///
/// # Panics
/// If `features.len() != n * p`, or on batches of fewer than 4 examples.
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
/// let matrix = cka::matrix(&[Ok(&x), Ok(&y)], 12, Estimator::Biased);
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
    reduced(features, n, p, estimator).map(|(signature, _)| signature)
}

/// The [`signature`] of a representation, and what it leaves out of the Gram matrix.
///
/// # Errors
/// As [`signature`].
///
/// # Panics
/// As [`signature`].
pub fn reduced<T: Feature>(
    features: &[T],
    n: usize,
    p: usize,
    estimator: Estimator,
) -> Result<(Vec<f32>, GramScale), Undefined> {
    let whole = Centred::of(features, n, p)?;
    let batches = batches_of(n, estimator);
    if batches.len() == 1 {
        if p <= TERMS
            && let Some(piece) = centred(Gram::<f32>::of::<T, f32>(&whole), estimator)
        {
            return finished(&[piece], &batches, whole.scale);
        }
        let piece = piece(&whole, estimator)?;
        return finished(&[piece], &batches, whole.scale);
    }
    let mut pieces = vec![];
    for batch in &batches {
        let rows = &features[batch.start * p..batch.end * p];
        // A dead batch, or one of orthogonal examples, has HSIC₁ 0 with all others.
        let mut own = Piece::zero(batch.len());
        if let Ok(centred) = Centred::of(rows, batch.len(), p) {
            own = piece(&centred, estimator).unwrap_or(own);
            // Every batch has a scale of its own.
            own.factor = (whole.scale / centred.scale).powi(2);
        }
        pieces.push(own);
    }
    finished(&pieces, &batches, whole.scale)
}

/// The signature of centred Gram matrices of features multiplied by `unit`, and the rest.
fn finished<S: Feature>(
    pieces: &[Piece<S>],
    batches: &[Range<usize>],
    unit: f64,
) -> Result<(Vec<f32>, GramScale), Undefined> {
    let signature = kernel::to_signature(pieces, batches)?;
    Ok((signature, kernel::scale_of(pieces, batches, unit)))
}

/// The centred Gram matrix of one batch.
fn piece<T: Feature>(
    centred: &Centred<'_, T>,
    estimator: Estimator,
) -> Result<Piece, Undefined> {
    let gram = Gram::of::<T, f32>(centred);
    finish(gram, estimator, || Gram::of::<T, f64>(centred))
}

/// Centres the Gram matrix of centred features; `again` gives it with products in f64.
pub(crate) fn finish(
    gram: Gram,
    estimator: Estimator,
    again: impl FnOnce() -> Gram,
) -> Result<Piece, Undefined> {
    if let Some(piece) = centred(gram, estimator) {
        return Ok(piece);
    }
    let left = again().u_centred();
    if left.remainder < NOTHING_BELOW {
        return Err(Undefined::OrthogonalExamples);
    }
    Ok(left.into())
}

/// Centres the Gram matrix of centred features, unless nearly all of it is taken away.
fn centred<S: Feature>(gram: Gram<S>, estimator: Estimator) -> Option<Piece<S>> {
    if estimator == Estimator::Biased {
        // H·K·H is the Gram matrix of centred features.
        return Some(Piece::centred(gram));
    }
    let left = gram.u_centred();
    (left.remainder >= F64_BELOW).then(|| left.into())
}

/// The CKA of all pairs of epochs, with jackknife standard errors over examples: the inner
/// products of their signatures.
///
/// An epoch without a signature makes its row and column NaN, with its reason; where both
/// epochs of a pair have none, with that of the earlier.
///
/// *Shapes* `signatures: [E]` of one length S, for n examples.
///
/// Cost 3E²S/2 multiply-adds, of which a third for the values; f32 in blocks of 1,024 that
/// are added in f64 in a fixed order.
///
/// # Panics
/// If the signatures are not those of n examples with that estimator.
pub fn matrix(
    signatures: &[Result<&[f32], Undefined>],
    n: usize,
    estimator: Estimator,
) -> EpochMatrix {
    let settings = Settings { estimator, ..Settings::default() };
    let pairs = Pairs::Mirrored;
    kernel::compare(&Epochs { signatures, n, settings: &settings, pairs, known: None })
}
