//! A noise floor: what the choice of examples alone makes of an epoch matrix.

use rayon::prelude::*;

use super::gram::Gram;
use super::kernel::{self, Piece, batches_of};
use super::products::{Wanted, inner_products};
use super::triangle::packed_len;
use super::{Estimator, Undefined};

/// The noise floor of CKA over all pairs of epochs: √(mean (A − B)²)/2, where A and B are the
/// similarities on the examples at even and at odd positions.
///
/// Each half has twice the variance of all examples, and A − B that of both, so half the root
/// mean square estimates the standard deviation of a cell under another draw of examples.
/// Differences between cells below it are not differences between epochs. NaN with fewer
/// than two defined epochs or 8 examples.
///
/// The halves' Gram matrices are parts of the signatures', centred anew: no features are
/// needed. With minibatches every batch is halved.
///
/// Cost E·n²/2 + E²n²/8 multiply-adds.
///
/// # Panics
/// If the signatures are not those of n examples with that estimator.
pub fn noise_floor(
    signatures: &[Result<&[f32], Undefined>],
    n: usize,
    estimator: Estimator,
) -> f64 {
    let whole = batches_of(n, estimator);
    if whole.iter().any(|batch| batch.len() < 8) {
        return f64::NAN;
    }
    let half = |parity: usize| -> Vec<Option<Vec<f32>>> {
        signatures
            .par_iter()
            .map(|signature| half_signature((*signature).ok()?, n, estimator, parity))
            .collect()
    };
    let (even, odd) = (half(0), half(1));
    let defined: Vec<usize> = (0..signatures.len())
        .filter(|&epoch| even[epoch].is_some() && odd[epoch].is_some())
        .collect();
    let products = |halves: &[Option<Vec<f32>>]| {
        let rows: Vec<&[f32]> =
            defined.iter().filter_map(|&epoch| halves[epoch].as_deref()).collect();
        let length = rows.first().map_or(0, |row| row.len());
        inner_products(&rows, 0..length, Wanted::all(rows.len()))
    };
    let (even, odd) = (products(&even), products(&odd));
    let m = defined.len();
    let pairs = (0..m).flat_map(|a| (0..a).map(move |b| a * m + b));
    let squares: f64 = pairs.map(|at| (even[at] - odd[at]).powi(2)).sum();
    (squares / (m * (m.max(1) - 1) / 2) as f64).sqrt() / 2.0
}

/// The signature of every second example, or nothing where it is undefined.
fn half_signature(
    signature: &[f32],
    n: usize,
    estimator: Estimator,
    parity: usize,
) -> Option<Vec<f32>> {
    let (mut pieces, mut halves) = (vec![], vec![]);
    let mut rest = signature;
    let mut end = 0;
    for batch in batches_of(n, estimator) {
        let (own, after) = rest.split_at(packed_len(batch.len()));
        rest = after;
        let gram = every_second(own, batch.len(), parity);
        let size = (batch.len() + 1 - parity) / 2;
        halves.push(end..end + size);
        end += size;
        let before = gram.norm();
        let piece = if estimator == Estimator::Biased {
            Piece::centred(gram.doubly_centred())
        } else {
            gram.u_centred().into()
        };
        // Signatures are f32: what is below is their rounding.
        pieces.push(if piece.norm > 1e-5 * before { piece } else { Piece::zero(size) });
    }
    kernel::to_signature(&pieces, &halves).ok()
}

/// The Gram matrix of the examples of one parity, from a packed triangle.
fn every_second(triangle: &[f32], n: usize, parity: usize) -> Gram {
    let mut gram = Gram::zero((n + 1 - parity) / 2);
    let mut to = gram.packed_mut().iter_mut();
    let mut rest = triangle;
    for i in 0..n {
        let (row, after) = rest.split_at(n - i);
        rest = after;
        if i % 2 != parity {
            continue;
        }
        for (k, &x) in row.iter().enumerate().step_by(2) {
            let to = to.next().expect("as many entries as the half has");
            let scale = if k == 0 { 1.0 } else { std::f64::consts::FRAC_1_SQRT_2 };
            *to = f64::from(x) * scale;
        }
    }
    gram
}
