//! A noise floor: what the choice of examples alone makes of an epoch matrix.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::similarity::gram::batches::batches_of;
use crate::similarity::gram::products::{TERMS, Wanted, add_products};
use crate::similarity::gram::triangle::packed_len;
use crate::similarity::{Estimator, Undefined};

/// Examples of a half whose rows are one unit of parallel work.
const ROWS: usize = 16;

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
/// Cost E²n²/8 multiply-adds.
///
/// # Panics
/// If the signatures are not those of n examples with that estimator.
pub fn noise_floor(
    signatures: &[Result<&[f32], Undefined>],
    n: usize,
    estimator: Estimator,
) -> f64 {
    if batches_of(n, estimator).iter().any(|batch| batch.len() < 8) {
        return f64::NAN;
    }
    let rows: Vec<&[f32]> = signatures.iter().filter_map(|s| s.ok()).collect();
    let m = rows.len();
    floor_of(m, &[0, 1].map(|parity| half_products(&rows, n, estimator, parity)))
}

/// The floor from the inner products of m epochs on each half: lower triangles `[m, m]`.
pub(crate) fn floor_of(m: usize, [even, odd]: &[Vec<f64>; 2]) -> f64 {
    let cosine = |half: &[f64], a: usize, b: usize| {
        half[a * m + b] / (half[a * m + a] * half[b * m + b]).sqrt()
    };
    // An epoch whose half is undefined has the product 0 with itself.
    let pairs = (0..m).flat_map(|a| (0..a).map(move |b| (a, b)));
    let squares: Vec<f64> = pairs
        .map(|(a, b)| (cosine(even, a, b) - cosine(odd, a, b)).powi(2))
        .filter(|square| !square.is_nan())
        .collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt() / 2.0
}

/// The inner products of the centred Gram matrices of every second example: lower triangle
/// `[E, E]`.
fn half_products(
    signatures: &[&[f32]],
    n: usize,
    estimator: Estimator,
    parity: usize,
) -> Vec<f64> {
    let m = signatures.len();
    let batches = batches_of(n, estimator);
    let mut total = vec![0.0; m * m];
    let mut start = 0;
    for batch in &batches {
        let range = start..start + packed_len(batch.len());
        start = range.end;
        let own: Vec<&[f32]> = signatures.iter().map(|s| &s[range.clone()]).collect();
        let h = ((batch.len() + 1 - parity) / 2) as f64;
        let weight = if batches.len() == 1 { 1.0 } else { (h * (h - 3.0)).recip() };
        let half =
            Half { n: batch.len(), parity, biased: estimator == Estimator::Biased };
        let products = half.centred_products(&own);
        total.iter_mut().zip(products).for_each(|(sum, x)| *sum += weight * x);
    }
    total
}

/// Every second of n examples.
#[derive(Clone, Copy)]
struct Half {
    n: usize,
    parity: usize,
    biased: bool,
}

/// What one unit of work finds.
struct Part {
    /// Inner products of the entries, `[E, E]`.
    products: Vec<f64>,
    /// Sums of the half's rows, `[E, h]`.
    sums: Vec<f64>,
}

impl Half {
    /// The number of its examples.
    fn len(self) -> usize {
        (self.n + 1 - self.parity) / 2
    }

    /// ⟨H·K·H, H·L·H⟩ = ⟨K, L⟩ − 2/h·Σ r·s + ΣrΣs/h² with the row sums r and s, or of
    /// U-centred matrices, without the diagonal,
    /// ⟨K, L⟩ − 2/(h−2)·Σ r·s + ΣrΣs/((h−1)(h−2)); 0 for what is left of rounding.
    ///
    /// *Shapes* `triangles: [E]`, packed; result `[E, E]`, lower triangle.
    fn centred_products(self, triangles: &[&[f32]]) -> Vec<f64> {
        let (m, h) = (triangles.len(), self.len());
        let parts: Vec<Part> = (0..h.div_ceil(ROWS))
            .into_par_iter()
            .map(|part| self.part(triangles, part * ROWS))
            .collect();
        let mut products = vec![0.0; m * m];
        let mut sums = vec![0.0; m * h];
        for part in parts {
            products.iter_mut().zip(part.products).for_each(|(sum, x)| *sum += x);
            sums.iter_mut().zip(part.sums).for_each(|(sum, x)| *sum += x);
        }
        let before: Vec<f64> = (0..m).map(|a| products[a * m + a]).collect();
        let size = h as f64;
        let (of_rows, of_all) = if self.biased {
            (2.0 / size, size.powi(-2))
        } else {
            (2.0 / (size - 2.0), ((size - 1.0) * (size - 2.0)).recip())
        };
        let row = |a: usize| &sums[a * h..][..h];
        let whole: Vec<f64> = (0..m).map(|a| row(a).iter().sum()).collect();
        for (a, b) in (0..m).flat_map(|a| (0..=a).map(move |b| (a, b))) {
            let dot: f64 = row(a).iter().zip(row(b)).map(|(r, s)| r * s).sum();
            products[a * m + b] += of_all * whole[a] * whole[b] - of_rows * dot;
        }
        // Signatures are f32: what is below is their rounding.
        let nothing: Vec<bool> =
            (0..m).map(|a| products[a * m + a] <= 1e-10 * before[a]).collect();
        for (a, b) in (0..m).flat_map(|a| (0..=a).map(move |b| (a, b))) {
            if nothing[a] || nothing[b] {
                products[a * m + b] = 0.0;
            }
        }
        products
    }

    /// The rows of up to [`ROWS`] examples from the half's `first` on.
    fn part(self, triangles: &[&[f32]], first: usize) -> Part {
        let (m, h) = (triangles.len(), self.len());
        let last = (first + ROWS).min(h);
        let len: usize = (first..last).map(|k| h - k).sum();
        // [E, len]: the entries from the diagonal on
        let mut entries = vec![0.0f32; m * len.next_multiple_of(TERMS)];
        let len = len.next_multiple_of(TERMS);
        let mut sums = vec![0.0; m * h];
        for (epoch, triangle) in triangles.iter().enumerate() {
            let sums = &mut sums[epoch * h..][..h];
            let mut to = &mut entries[epoch * len..][..len];
            for k in first..last {
                let i = 2 * k + self.parity;
                let from = &triangle[packed_len(self.n) - packed_len(self.n - i)..];
                let (own, rest) = to.split_at_mut(h - k);
                to = rest;
                own[0] = if self.biased { from[0] } else { 0.0 };
                sums[k] += f64::from(own[0]);
                // Entry (i, i+2) is the third of the row.
                sums[k] += Arch::new().dispatch(EverySecond {
                    from: from.get(2..self.n - i).unwrap_or_default(),
                    to: &mut own[1..],
                    sums: &mut sums[k + 1..],
                });
            }
        }
        let rows: Vec<&[f32]> = entries.chunks_exact(len).collect();
        let mut products = vec![0.0; m * m];
        add_products(&rows, Wanted::all(m), &mut products);
        Part { products, sums }
    }
}

/// Every second entry of a row is copied, and added to the sums of its row and column without
/// the √2 that it carries.
struct EverySecond<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
    sums: &'a mut [f64],
}

// Compiled for the vector registers of this machine, which takes inlining.
#[allow(clippy::inline_always)]
impl WithSimd for EverySecond<'_> {
    /// The sum of the row.
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let (pairs, odd_one) = self.from.as_chunks::<2>();
        let (to, last) = self.to.split_at_mut(pairs.len());
        to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
        last.iter_mut().zip(odd_one).for_each(|(to, from)| *to = *from);
        let mut parts = [0.0; 8];
        let (entries, rest) = self.to.as_chunks::<8>();
        let (sums, of_rest) = self.sums.split_at_mut(8 * entries.len());
        for (entries, sums) in entries.iter().zip(sums.as_chunks_mut::<8>().0) {
            for ((part, sum), entry) in parts.iter_mut().zip(sums).zip(entries) {
                let entry = f64::from(*entry) * std::f64::consts::FRAC_1_SQRT_2;
                *part += entry;
                *sum += entry;
            }
        }
        let mut total: f64 = parts.iter().sum();
        for (sum, entry) in of_rest.iter_mut().zip(rest) {
            let entry = f64::from(*entry) * std::f64::consts::FRAC_1_SQRT_2;
            total += entry;
            *sum += entry;
        }
        total
    }
}
