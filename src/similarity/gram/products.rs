//! Inner products of signatures: all pairs of epochs, a few rows against a few at a time.
//!
//! A pair's sum is the same whichever pairs are worked out beside it, so a matrix that has
//! grown holds the bits of one made at once.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Entries of signatures whose products are summed in f32, lane by lane of a vector register:
/// at most 256 in one sum with 4 lanes.
pub(crate) const TERMS: usize = 1024;
/// At most so many partial matrices are held at once.
const PARTS: usize = 64;
/// Rows on either side of the products that are summed in registers at once.
const SIDE: usize = 4;

/// Which inner products of m rows are worked out: those of the rows from `first` on with all
/// before them, and of every row with itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub m: usize,
    pub first: usize,
}

impl Wanted {
    pub(crate) fn all(m: usize) -> Self {
        Self { m, first: 0 }
    }
}

/// The inner products of pairs of rows over the entries `range`: the lower triangle of an
/// m × m matrix, 0 where not wanted.
///
/// Cost m²·len/2 multiply-adds, of one new row m·len; f32 in blocks of 1,024 that are added
/// in f64 in a fixed order.
///
/// # Panics
/// If a row is shorter than the range.
pub(crate) fn inner_products(
    rows: &[&[f32]],
    range: Range<usize>,
    wanted: Wanted,
) -> Vec<f64> {
    let m = wanted.m;
    // The parts depend on the sizes alone, so that the sums do too.
    let part = range.len().div_ceil(TERMS).div_ceil(PARTS).max(2) * TERMS;
    let parts: Vec<Vec<f64>> = (0..range.len().div_ceil(part))
        .into_par_iter()
        .map(|k| {
            let start = range.start + k * part;
            let own = start..(start + part).min(range.end);
            let rows: Vec<&[f32]> = rows.iter().map(|row| &row[own.clone()]).collect();
            let mut sums = vec![0.0; m * m];
            add_products(&rows, wanted, &mut sums);
            sums
        })
        .collect();
    let mut products = vec![0.0; m * m];
    for part in parts {
        products.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    products
}

/// Adds the wanted inner products of rows of one length.
///
/// *Shapes* `rows: [m]`, `sums: [m, m]`.
pub(crate) fn add_products(rows: &[&[f32]], wanted: Wanted, sums: &mut [f64]) {
    assert_eq!(rows.len(), wanted.m, "rows");
    let len = rows.first().map_or(0, |row| row.len());
    let mut block = Vec::with_capacity(rows.len());
    for first in (0..len).step_by(TERMS) {
        let terms = first..(first + TERMS).min(len);
        block.clear();
        block.extend(rows.iter().map(|row| &row[terms.clone()]));
        Arch::new().dispatch(Products { rows: &block, first: wanted.first, sums });
    }
}

/// The products over one block of entries.
struct Products<'a> {
    rows: &'a [&'a [f32]],
    first: usize,
    sums: &'a mut [f64],
}

// Compiled for the vector registers of this machine, which takes inlining.
#[allow(clippy::inline_always)]
impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, first, sums } = self;
        let m = rows.len();
        for a in (0..first).step_by(SIDE) {
            let own = some::<SIDE>(rows, a);
            let products = with_themselves::<S>(simd, own);
            for (a, product) in (a..first).zip(products) {
                sums[a * m + a] += f64::from(product);
            }
        }
        let mut a = first;
        while a < m {
            let height = if m - a < SIDE { 1 } else { SIDE };
            for b in (0..a + height).step_by(SIDE) {
                let others = some::<SIDE>(rows, b);
                if height == 1 {
                    let products = tile::<S, 1>(simd, some(rows, a), others);
                    add(&products, (a, b), m, sums);
                } else {
                    let products = tile::<S, SIDE>(simd, some(rows, a), others);
                    add(&products, (a, b), m, sums);
                }
            }
            a += height;
        }
    }
}

/// The rows from `first` on; beyond the last the last again.
#[allow(clippy::inline_always)]
#[inline(always)]
fn some<'a, const N: usize>(rows: &[&'a [f32]], first: usize) -> [&'a [f32]; N] {
    let mut some = [rows[first]; N];
    for (k, row) in some.iter_mut().enumerate() {
        *row = rows[(first + k).min(rows.len() - 1)];
    }
    some
}

/// Adds to the lower triangle.
fn add<const A: usize>(
    products: &[[f32; SIDE]; A],
    (first, column): (usize, usize),
    m: usize,
    sums: &mut [f64],
) {
    for (a, products) in (first..m).zip(products) {
        for (b, product) in (column..=a).zip(products) {
            sums[a * m + b] += f64::from(*product);
        }
    }
}

/// Inner products of each of A rows with each of [`SIDE`].
#[allow(clippy::inline_always)]
#[inline(always)]
fn tile<S: Simd, const A: usize>(
    simd: S,
    a: [&[f32]; A],
    b: [&[f32]; SIDE],
) -> [[f32; SIDE]; A] {
    let count = a[0].len() / S::F32_LANES;
    let whole = count * S::F32_LANES;
    let mut heads_a = [S::as_simd_f32s(&a[0][..whole]).0; A];
    for (head, row) in heads_a.iter_mut().zip(&a) {
        *head = &S::as_simd_f32s(&row[..whole]).0[..count];
    }
    let mut heads_b = [heads_a[0]; SIDE];
    for (head, row) in heads_b.iter_mut().zip(&b) {
        *head = &S::as_simd_f32s(&row[..whole]).0[..count];
    }
    let mut sums = [[simd.splat_f32s(0.0); SIDE]; A];
    for k in 0..count {
        let others = [heads_b[0][k], heads_b[1][k], heads_b[2][k], heads_b[3][k]];
        for (sums, head) in sums.iter_mut().zip(&heads_a) {
            let own = head[k];
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum = simd.mul_add_e_f32s(own, other, *sum);
            }
        }
    }
    let mut products = [[0.0; SIDE]; A];
    for (i, products) in products.iter_mut().enumerate() {
        let own = simd.partial_load_f32s(&a[i][whole..]);
        for (j, product) in products.iter_mut().enumerate() {
            let other = simd.partial_load_f32s(&b[j][whole..]);
            *product = simd.reduce_sum_f32s(simd.mul_add_e_f32s(own, other, sums[i][j]));
        }
    }
    products
}

/// Inner products of rows with themselves, in the order of [`tile`].
#[allow(clippy::inline_always)]
#[inline(always)]
fn with_themselves<S: Simd>(simd: S, rows: [&[f32]; SIDE]) -> [f32; SIDE] {
    let mut products = [0.0; SIDE];
    for (product, row) in products.iter_mut().zip(rows) {
        *product = tile::<S, 1>(simd, [row], [row; SIDE])[0][0];
    }
    products
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_f64_and_do_not_depend_on_what_is_wanted() {
        for (m, len) in [(1, 3), (5, 40), (9, 1500), (14, 2100)] {
            let rows: Vec<Vec<f32>> = (0..m)
                .map(|a| {
                    (0..len).map(move |k| ((a * 7 + k * 13 + a * k) % 31) as f32 / 31.0)
                })
                .map(Iterator::collect)
                .collect();
            let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
            let all = inner_products(&rows, 1..len, Wanted::all(m));
            for first in 0..=m {
                let some = inner_products(&rows, 1..len, Wanted { m, first });
                for (a, b) in (0..m).flat_map(|a| (0..=a).map(move |b| (a, b))) {
                    let product: f64 = rows[a][1..]
                        .iter()
                        .zip(&rows[b][1..])
                        .map(|(x, y)| f64::from(*x) * f64::from(*y))
                        .sum();
                    let at = a * m + b;
                    assert!((all[at] - product).abs() < 1e-6 * product, "{a}, {b}");
                    if a >= first || a == b {
                        assert_eq!(some[at].to_bits(), all[at].to_bits(), "{a}, {b}");
                    }
                }
            }
        }
    }
}
