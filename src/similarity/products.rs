//! Inner products of signatures: all pairs of epochs in products of matrices.
//!
//! Epochs come in tiles of sixteen, so that a pair's sum does not depend on how many epochs
//! there are: a matrix that has grown holds the bits of one made at once.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Entries of signatures whose products are summed in f32. Signatures of few distinct values,
/// such as those of labels, round each sum the same way, so fewer than elsewhere.
pub(super) const TERMS: usize = 256;
/// At most so many partial matrices are held at once.
const PARTS: usize = 64;
/// Epochs along each side of one product.
const TILE: usize = 16;

/// Which inner products of m rows are worked out: those of the rows from `first` on with all
/// before them, and of every row with itself (with some more, since tiles are whole).
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub m: usize,
    pub first: usize,
}

impl Wanted {
    pub(super) fn all(m: usize) -> Self {
        Self { m, first: 0 }
    }

    /// The side of the square that holds the products: whole tiles.
    pub(super) fn side(self) -> usize {
        self.m.next_multiple_of(TILE)
    }

    /// Sets the tiles that will be added to 0.
    pub(super) fn clear(self, sums: &mut [f64]) {
        let side = self.side();
        for (i, j) in self.tiles() {
            for row in i..i + TILE {
                sums[row * side + j..][..TILE].fill(0.0);
            }
        }
    }

    /// First row and column of each tile.
    fn tiles(self) -> impl Iterator<Item = (usize, usize)> {
        let (count, first) = (self.side() / TILE, self.first / TILE);
        (0..count)
            .flat_map(|i| (0..=i).map(move |j| (i, j)))
            .filter(move |(i, j)| *i >= first || i == j)
            .map(|(i, j)| (i * TILE, j * TILE))
    }
}

/// The inner products of pairs of rows over the entries `range`: the lower triangle of an
/// m × m matrix, 0 where not wanted.
///
/// Cost m²·len/2 multiply-adds, f32 in blocks of 256 that are added in f64 in a fixed order.
///
/// # Panics
/// If a row is shorter than the range.
pub(super) fn inner_products(
    rows: &[&[f32]],
    range: Range<usize>,
    wanted: Wanted,
) -> Vec<f64> {
    let (m, side) = (wanted.m, wanted.side());
    // The parts depend on the sizes alone, so that the sums do too.
    let blocks = range.len().div_ceil(TERMS);
    let part = blocks.div_ceil(PARTS).max(8) * TERMS;
    let parts: Vec<Vec<f64>> = (0..range.len().div_ceil(part))
        .into_par_iter()
        .map(|k| {
            let start = range.start + k * part;
            part_of_products(rows, start, (start + part).min(range.end), wanted)
        })
        .collect();
    let mut products = vec![0.0; m * m];
    for part in parts {
        for (to, from) in products.chunks_mut(m.max(1)).zip(part.chunks(side.max(1))) {
            to.iter_mut().zip(from).for_each(|(sum, part)| *sum += part);
        }
    }
    products
}

/// Inner products over the entries from `start` to `end`, `[side, side]`.
fn part_of_products(
    rows: &[&[f32]],
    start: usize,
    end: usize,
    wanted: Wanted,
) -> Vec<f64> {
    let side = wanted.side();
    let mut sums = vec![0.0; side * side];
    // Rows beyond the last stay 0.
    let mut panel = vec![0.0f32; side * TERMS];
    for first in (start..end).step_by(TERMS) {
        let terms = TERMS.min(end - first);
        for (to, from) in panel.chunks_exact_mut(TERMS).zip(rows) {
            to[..terms].copy_from_slice(&from[first..first + terms]);
        }
        let panel = MatRef::from_row_major_slice_with_stride(&panel, side, TERMS, TERMS);
        add_products(panel.subcols(0, terms), wanted, &mut sums);
    }
    sums
}

/// Adds the wanted tiles of P·Pᵀ.
///
/// *Shapes* `panel: [side, terms]`, `sums: [side, side]`.
pub(super) fn add_products(panel: MatRef<'_, f32>, wanted: Wanted, sums: &mut [f64]) {
    let side = wanted.side();
    let mut product = [0.0f32; TILE * TILE];
    for (i, j) in wanted.tiles() {
        // [TILE, terms] · [terms, TILE] -> [TILE, TILE]
        matmul(
            MatMut::from_row_major_slice_mut(&mut product, TILE, TILE),
            Accum::Replace,
            panel.subrows(i, TILE),
            panel.subrows(j, TILE).transpose(),
            1.0,
            Par::Seq,
        );
        for (row, from) in product.chunks_exact(TILE).enumerate() {
            let to = &mut sums[(i + row) * side + j..][..TILE];
            to.iter_mut().zip(from).for_each(|(sum, x)| *sum += f64::from(*x));
        }
    }
}
