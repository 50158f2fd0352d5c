//! Centred kernel alignment on any kernel: Gram matrices → signatures → epoch matrix.
//!
//! The linear kernel is [`crate::similarity::measures::cka`], the Gaussian one [`crate::similarity::measures::rbf`]; both are this file
//! with a Gram matrix of their own.

use std::ops::Range;

use crate::similarity::errors::halves;
use crate::similarity::errors::jackknife::{Rule, Triangles};
use crate::similarity::gram::batches::batches_of;
use crate::similarity::gram::matrix::{Gram, UCentred};
use crate::similarity::gram::products::{Wanted, inner_products};
use crate::similarity::gram::triangle::packed_len;
use crate::similarity::measure::Epochs;
use crate::similarity::{EpochMatrix, Estimator, Feature, GramScale, Undefined};

/// The length of a signature of n examples.
pub(crate) fn signature_len(n: usize, estimator: Estimator) -> usize {
    batches_of(n, estimator).iter().map(|batch| packed_len(batch.len())).sum()
}

/// The Gram matrix of one batch, its norm once centred, and what both are to be multiplied
/// with.
pub(crate) struct Piece<S: Feature = f64> {
    pub matrix: Gram<S>,
    /// Those of [`UCentred`], where the matrix is still to be U-centred.
    pub means: Option<Vec<f64>>,
    pub norm: f64,
    pub factor: f64,
}

impl<S: Feature> Piece<S> {
    /// A matrix that is centred already.
    pub(crate) fn centred(matrix: Gram<S>) -> Self {
        Self { norm: matrix.norm(), means: None, matrix, factor: 1.0 }
    }

    /// What has no similarity with anything.
    pub(crate) fn zero(n: usize) -> Self {
        Self { matrix: Gram::zero(n), means: None, norm: 0.0, factor: 1.0 }
    }
}

impl<S: Feature> From<UCentred<S>> for Piece<S> {
    fn from(left: UCentred<S>) -> Self {
        let UCentred { matrix, means, norm, .. } = left;
        Self { matrix, means: Some(means), norm, factor: 1.0 }
    }
}

/// Packs centred Grams, one a batch, into a signature of unit norm.
///
/// U-centred Grams of several batches get weight 1/√(b(b−3)): a product of signatures is then
/// the mean of HSIC₁ over batches (Nguyen et al. 2020, eq. 2).
///
/// # Errors
/// If all of them are 0.
pub(crate) fn to_signature<S: Feature>(
    pieces: &[Piece<S>],
    batches: &[Range<usize>],
) -> Result<Vec<f32>, Undefined> {
    let (factors, norm) = factors_and_norm(pieces, batches);
    if norm == 0.0 {
        return Err(Undefined::OrthogonalExamples);
    }
    let length = batches.iter().map(|batch| packed_len(batch.len())).sum();
    let mut signature = vec![0.0; length];
    let mut rest = &mut signature[..];
    for ((piece, batch), factor) in pieces.iter().zip(batches).zip(factors) {
        let (own, after) = rest.split_at_mut(packed_len(batch.len()));
        rest = after;
        if piece.norm > 0.0 {
            piece.matrix.write_signature(norm / factor, piece.means.as_deref(), own);
        }
    }
    Ok(signature)
}

/// What each piece is multiplied with, and the norm of all of them together.
fn factors_and_norm<S: Feature>(
    pieces: &[Piece<S>],
    batches: &[Range<usize>],
) -> (Vec<f64>, f64) {
    let weight = |batch: &Range<usize>| {
        let b = batch.len() as f64;
        if batches.len() == 1 { 1.0 } else { (b * (b - 3.0)).sqrt().recip() }
    };
    let factors: Vec<f64> = pieces
        .iter()
        .zip(batches)
        .map(|(piece, batch)| piece.factor * weight(batch))
        .collect();
    let square = |(piece, factor): (&Piece<S>, &f64)| (piece.norm * factor).powi(2);
    // With one batch the norm itself, without the rounding of a square's root.
    let norm = match pieces {
        [piece] => piece.norm * factors[0],
        _ => pieces.iter().zip(&factors).map(square).sum::<f64>().sqrt(),
    };
    (factors, norm)
}

/// What the signature of these pieces leaves out, in units in which features are multiplied
/// by `unit`.
pub(crate) fn scale_of<S: Feature>(
    pieces: &[Piece<S>],
    batches: &[Range<usize>],
    unit: f64,
) -> GramScale {
    let (_, norm) = factors_and_norm(pieces, batches);
    let of_piece = |piece: &Piece<S>| {
        let factor = piece.factor / unit.powi(2);
        piece.matrix.diagonal().into_iter().map(move |square| square * factor)
    };
    let squared_norms = pieces.iter().flat_map(of_piece).collect();
    GramScale { squared_norms, scale: norm / unit.powi(2) }
}

/// The similarity of all pairs of epochs: inner products of signatures, and with `errors`
/// their jackknife over examples.
///
/// An epoch without a signature makes its row and column NaN, with its reason; where both
/// epochs of a pair have none, with that of the earlier.
///
/// *Shapes* `signatures: [E]` of one length S.
///
/// With `known`, the cells of the first epochs are taken from there, and the others have the
/// same bits as without.
///
/// Cost 3E²S/2 multiply-adds, of which the errors take E²S; for one epoch beside those known E
/// inner products and their errors; f32 in blocks of at most 1,024 that are added in f64 in a
/// fixed order.
///
/// # Panics
/// If the signatures are not those of n examples.
pub(crate) fn matrix(
    signatures: &[Result<&[f32], Undefined>],
    batches: &[Range<usize>],
    rule: Rule,
    known: Option<&EpochMatrix>,
    errors: bool,
) -> EpochMatrix {
    let length: usize = batches.iter().map(|batch| packed_len(batch.len())).sum();
    let mut matrix = EpochMatrix::undefined(signatures);
    let defined: Vec<(usize, &[f32])> = signatures
        .iter()
        .enumerate()
        .filter_map(|(epoch, signature)| signature.ok().map(|s| (epoch, s)))
        .collect();
    let rows: Vec<&[f32]> = defined.iter().map(|&(_, signature)| signature).collect();
    for row in &rows {
        assert_eq!(row.len(), length, "signatures of one length");
    }
    // Without errors a matrix is not known whole.
    let known = known.filter(|known| known.se.is_some() || !errors);
    let n_known = known.map_or(0, |known| known.n_epochs);
    let first = defined.partition_point(|(epoch, _)| *epoch < n_known);
    let wanted = Wanted { m: rows.len(), first };
    let mut start = 0;
    let products: Vec<Vec<f64>> = batches
        .iter()
        .map(|batch| {
            let range = start..start + packed_len(batch.len());
            start = range.end;
            inner_products(&rows, range, wanted)
        })
        .collect();
    let triangles =
        Triangles { rule, signatures: &rows, batches, products: &products, wanted };
    let m = rows.len();
    let errors = if errors { triangles.standard_errors() } else { vec![f64::NAN; m * m] };
    let epochs: Vec<usize> = defined.iter().map(|&(epoch, _)| epoch).collect();
    fill(&mut matrix, &epochs, &triangles.total(), &errors);
    if let Some(known) = known {
        matrix.take_known(known);
    }
    matrix
}

/// The CKA of all pairs of epochs.
pub(crate) fn compare(epochs: &Epochs<'_>) -> EpochMatrix {
    let Epochs { signatures, n, settings, known, .. } = *epochs;
    let rule = match settings.estimator {
        Estimator::Biased => Rule::Centred,
        Estimator::Debiased | Estimator::Minibatch { .. } => Rule::UCentred,
    };
    matrix(signatures, &batches_of(n, settings.estimator), rule, known, settings.errors)
}

/// The noise floor of CKA, from halves of the examples.
pub(crate) fn noise_floor(epochs: &Epochs<'_>) -> f64 {
    let Epochs { signatures, n, settings, .. } = *epochs;
    halves::noise_floor(signatures, n, settings.estimator)
}

/// Fills in the cells of the defined `epochs` from their inner products and standard errors.
///
/// *Shapes* `total`, `errors`: lower triangles `[m, m]` for m epochs.
pub(crate) fn fill(
    matrix: &mut EpochMatrix,
    epochs: &[usize],
    total: &[f64],
    errors: &[f64],
) {
    let (m, n_epochs) = (epochs.len(), matrix.n_epochs);
    let mut se = vec![f64::NAN; n_epochs * n_epochs];
    for (a, &i) in epochs.iter().enumerate() {
        for (b, &j) in epochs.iter().enumerate() {
            let at = a.max(b) * m + a.min(b);
            // Signatures have norm 1 but for the rounding of f32.
            let norms = (total[a * m + a] * total[b * m + b]).sqrt();
            matrix.values[i * n_epochs + j] = total[at] / norms;
            se[i * n_epochs + j] = errors[at];
        }
    }
    matrix.se = Some(se);
}
