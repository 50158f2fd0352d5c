//! Gram matrices K = X·Xᵀ of centred representations, their U-centring, and their packing
//! into vectors whose inner product is that of the matrices.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};
use pulp::Arch;
use rayon::prelude::*;

use crate::similarity::Feature;
use crate::similarity::gram::centred::Centred;
use crate::similarity::gram::rows::{AddRow, AddTo, Sums, WriteRow};
use crate::similarity::gram::spare;
use crate::similarity::gram::triangle::{Strip, packed_len, strips, strips_mut};

/// Where U-centring leaves less than this of a Gram matrix, f32 products have lost too many
/// digits, and they are computed again in f64.
pub(crate) const F64_BELOW: f64 = 1.0 / 32.0;
/// Where it leaves less than this of f64 products, what is left is their rounding.
pub(crate) const NOTHING_BELOW: f64 = 1e-11;
/// Features whose products are summed in the type of the product; blocks of so many are
/// added in f64, in order.
pub(crate) const TERMS: usize = 1024;
/// Blocks of features that are held at once, centred.
const BLOCKS: usize = 4;
/// Features that are held at once.
pub(crate) const PANEL: usize = BLOCKS * TERMS;
/// Space between rows in a block: rows a power of two apart share their lines of the cache.
const GAP: usize = 16;
/// Columns of the Gram matrix that are worked out at once.
const TILE: usize = 512;

/// A symmetric n × n matrix: its upper triangle, packed row by row.
///
/// Entries are `f32` where they are the sums of one block of f32 products: then no digits are
/// lost, and half the memory is moved.
pub(crate) struct Gram<S: Feature = f64> {
    n: usize,
    packed: Vec<S>,
}

impl<S: Feature> Drop for Gram<S> {
    fn drop(&mut self) {
        spare::keep(std::mem::take(&mut self.packed));
    }
}

/// What U-centring leaves of a matrix.
pub(crate) struct UCentred<S: Feature = f64> {
    /// The matrix as it was.
    pub matrix: Gram<S>,
    /// What U-centring takes from entry (i, j) is the sum of the entries i and j; the diagonal
    /// becomes 0.
    pub means: Vec<f64>,
    /// The Frobenius norm of what is left.
    pub norm: f64,
    /// The norm after U-centring over the norm before it, diagonals left out: the smaller,
    /// the more digits of the products cancelled.
    pub remainder: f64,
}

impl<S: Feature> Gram<S> {
    /// A matrix of zeros.
    pub(crate) fn zero(n: usize) -> Self {
        Self { n, packed: spare::zeros(packed_len(n)) }
    }

    /// `K_ij = ⟨x_i, x_j⟩` for centred and scaled rows x, with products in `F`.
    ///
    /// Cost n²p/2 multiply-adds.
    pub(crate) fn of<T, F>(centred: &Centred<'_, T>) -> Self
    where
        T: Feature,
        F: Feature + faer::traits::ComplexField,
    {
        let mut gram = Self::zero(centred.n);
        gram.add::<T, F>(centred, 1.0);
        gram
    }

    /// Adds `factor·⟨x_i, x_j⟩` for centred and scaled rows x, with products in `F`.
    pub(crate) fn add<T, F>(&mut self, centred: &Centred<'_, T>, factor: f64)
    where
        T: Feature,
        F: Feature + faer::traits::ComplexField,
    {
        let n = centred.n;
        with_panels::<T, F>(centred, |blocks| {
            // Strips fall in length: whichever thread is free takes the next.
            let strips = strips_mut(n, &mut self.packed).into_iter().par_bridge();
            strips.for_each(|strip| add_strip(blocks, strip, factor));
        });
    }

    /// The U-centred matrix of Székely and Rizzo: diagonal 0, and for i ≠ j
    /// `K_ij − m_i − m_j` with `m_j = Σ_i K_ij/(n−2) − Σ_ij K_ij/(2(n−1)(n−2))`, sums
    /// without the diagonal. Its rows sum to 0, and `n(n−3)·HSIC₁(K, L) = ⟨U(K), U(L)⟩`.
    pub(crate) fn u_centred(self) -> UCentred<S> {
        let (mut means, before) = self.off_diagonal_sums();
        let n = self.n as f64;
        let (sum, squares) = sums(&means);
        let half = sum / (2.0 * (n - 1.0) * (n - 2.0));
        for mean in &mut means {
            *mean = *mean / (n - 2.0) - half;
        }
        // What centring takes from the sum of squares, unless that is nearly all of it.
        let mut after = before - squares / (n - 2.0) + sum * half;
        if after < F64_BELOW * F64_BELOW * before {
            let parts: Vec<f64> = strips(self.n, &self.packed)
                .into_par_iter()
                .map(|strip| squares_less_means(&strip, &means))
                .collect();
            after = parts.iter().sum();
        }
        let remainder = if before > 0.0 { (after / before).sqrt() } else { 0.0 };
        UCentred { norm: (2.0 * after).sqrt(), remainder, means, matrix: self }
    }

    /// The Frobenius norm.
    pub(crate) fn norm(&self) -> f64 {
        let squares: Vec<f64> = strips(self.n, &self.packed)
            .into_par_iter()
            .map(|strip| {
                let square = |row: &[S]| row[0].into().powi(2) + 2.0 * sums(&row[1..]).1;
                strip.rows().map(square).sum()
            })
            .collect();
        squares.iter().sum::<f64>().sqrt()
    }

    /// The entries on the diagonal.
    pub(crate) fn diagonal(&self) -> Vec<f64> {
        let start = |i: usize| packed_len(self.n) - packed_len(self.n - i);
        (0..self.n).map(|i| self.packed[start(i)].into()).collect()
    }

    /// Writes the packed matrix divided by its norm, off-diagonal entries times √2: the
    /// inner product of two such vectors is ⟨K, L⟩/(‖K‖·‖L‖). With `means`, those of
    /// [`UCentred`], it is U-centred.
    pub(crate) fn write_signature(
        &self,
        norm: f64,
        means: Option<&[f64]>,
        signature: &mut [f32],
    ) {
        let diagonal = norm.recip();
        let beside = diagonal * std::f64::consts::SQRT_2;
        strips_mut(self.n, signature)
            .into_par_iter()
            .zip(strips(self.n, &self.packed))
            .for_each(|(mut to, from)| {
                let first = to.first;
                for (i, (to, from)) in to.rows_mut().zip(from.rows()).enumerate() {
                    to[0] = means.map_or((from[0].into() * diagonal) as f32, |_| 0.0);
                    let means = means.map(|means| &means[first + i..]);
                    let (from, to) = (&from[1..], &mut to[1..]);
                    Arch::new().dispatch(WriteRow { from, means, factor: beside, to });
                }
            });
    }

    /// Sum of each row without its diagonal entry, and the sum of squares of the upper
    /// triangle without the diagonal.
    fn off_diagonal_sums(&self) -> (Vec<f64>, f64) {
        let partial: Vec<(Vec<f64>, f64)> = strips(self.n, &self.packed)
            .into_par_iter()
            .map(|strip| strip_sums(&strip))
            .collect();
        let mut sums = vec![0.0; self.n];
        for (part, _) in &partial {
            let first = self.n - part.len();
            for (sum, part) in sums[first..].iter_mut().zip(part) {
                *sum += part;
            }
        }
        (sums, partial.iter().map(|(_, squares)| squares).sum())
    }
}

impl Gram {
    /// Sums of rows and columns taken away, diagonal included: H·K·H.
    pub(crate) fn doubly_centred(mut self) -> Self {
        let n = self.n as f64;
        let (mut means, _) = self.off_diagonal_sums();
        let mut strips = strips_mut(self.n, &mut self.packed);
        let rows = strips.iter_mut().flat_map(Strip::rows_mut);
        means.iter_mut().zip(rows).for_each(|(sum, row)| *sum = (*sum + row[0]) / n);
        let half = means.iter().sum::<f64>() / n / 2.0;
        means.iter_mut().for_each(|mean| *mean -= half);
        strips.into_par_iter().for_each(|mut strip| {
            let first = strip.first;
            for (i, row) in strip.rows_mut().enumerate() {
                let means = &means[first + i..];
                for (k, mean) in row.iter_mut().zip(means) {
                    *k -= means[0] + mean;
                }
            }
        });
        self
    }

    /// Entry (i, j), i ≤ j.
    pub(crate) fn entry(&self, i: usize, j: usize) -> f64 {
        self.packed[packed_len(self.n) - packed_len(self.n - i) + j - i]
    }

    /// The upper triangle row by row.
    pub(crate) fn packed_mut(&mut self) -> &mut [f64] {
        &mut self.packed
    }
}

/// Gives the centred and scaled features panel by panel, each as blocks `[n, terms]` whose
/// products may be summed in `F`.
pub(crate) fn with_panels<T, F>(
    centred: &Centred<'_, T>,
    mut work: impl FnMut(&[MatRef<'_, F>]),
) where
    T: Feature,
    F: Feature + faer::traits::ComplexField,
{
    let (n, p) = (centred.n, centred.p);
    let stride = TERMS.min(p) + GAP;
    let size = n * stride;
    let mut panel = spare::take::<F>(size * BLOCKS.min(p.div_ceil(TERMS)));
    for first in (0..p).step_by(PANEL) {
        let columns = |k: usize| {
            let start = first + k * TERMS;
            start..(start + TERMS).min(p)
        };
        let n_blocks = (p - first).min(PANEL).div_ceil(TERMS);
        for (k, block) in panel.chunks_exact_mut(size).take(n_blocks).enumerate() {
            centred.fill(columns(k), block, stride);
        }
        let blocks: Vec<MatRef<'_, F>> = panel
            .chunks_exact(size)
            .take(n_blocks)
            .enumerate()
            .map(|(k, block)| {
                let terms = columns(k).len();
                MatRef::from_row_major_slice_with_stride(block, n, terms, stride)
            })
            .collect();
        work(&blocks);
    }
    spare::keep(panel);
}

/// Adds to a strip of the Gram matrix the products over the features of a panel, tile by
/// tile, so that what is added up stays in the cache.
///
/// *Shapes* `blocks: [n, terms]` each.
fn add_strip<F, S: Feature>(
    blocks: &[MatRef<'_, F>],
    mut strip: Strip<&mut [S]>,
    factor: f64,
) where
    F: Feature + faer::traits::ComplexField,
{
    let (first, height) = (strip.first, strip.n_rows());
    let n = first + strip.width();
    // The last block is added with what the others have summed up to.
    let (last, others) = blocks.split_last().expect("at least one block");
    let largest = height * TILE.max(height);
    let mut product = spare::take::<F>(largest);
    let mut sum = spare::take::<f64>(if others.is_empty() { 0 } else { largest });
    let mut start = first;
    while start < n {
        // The first tile is the square on the diagonal.
        let width = if start == first { height } else { TILE.min(n - start) };
        let product = &mut product[..height * width];
        let sum = (!others.is_empty()).then(|| &mut sum[..height * width]);
        let of_block = |block: &MatRef<'_, F>, product: &mut [F]| {
            let (rows, columns) =
                (block.subrows(first, height), block.subrows(start, width));
            let product = MatMut::from_row_major_slice_mut(product, height, width);
            multiply(product, rows, columns, start == first);
        };
        let sum = sum.map(|sum| {
            sum.fill(0.0);
            for block in others {
                of_block(block, product);
                Arch::new().dispatch(AddTo { sum, terms: &*product });
            }
            &*sum
        });
        of_block(last, product);
        for (i, row) in strip.rows_mut().enumerate() {
            // Row i begins at column first + i.
            let from = if start == first { i } else { 0 };
            let at = start + from - first - i;
            let own = i * width + from..(i + 1) * width;
            let sum = sum.map(|sum| &sum[own.clone()]);
            let (product, row) = (&product[own], &mut row[at..]);
            Arch::new().dispatch(AddRow { product, others: sum, factor, row });
        }
        start += width;
    }
    spare::keep(product);
    spare::keep(sum);
}

/// [height, terms] · [terms, width] -> [height, width], or its upper triangle.
fn multiply<F: Feature + faer::traits::ComplexField>(
    product: MatMut<'_, F>,
    rows: MatRef<'_, F>,
    columns: MatRef<'_, F>,
    on_diagonal: bool,
) {
    let one = F::nearest(1.0);
    if !on_diagonal {
        matmul(product, Accum::Replace, rows, columns.transpose(), one, Par::Seq);
        return;
    }
    triangular::matmul(
        product,
        BlockStructure::TriangularUpper,
        Accum::Replace,
        rows,
        BlockStructure::Rectangular,
        columns.transpose(),
        BlockStructure::Rectangular,
        one,
        Par::Seq,
    );
}

/// A strip's part of [`Gram::off_diagonal_sums`], rows from the strip's first on.
fn strip_sums<S: Feature>(strip: &Strip<&[S]>) -> (Vec<f64>, f64) {
    let mut sums = vec![0.0; strip.width()];
    let mut squares = 0.0;
    for (i, row) in strip.rows().enumerate() {
        let row = &row[1..];
        let (own, others) = sums[i..].split_first_mut().expect("the row's own");
        let (of_row, of_squares) = self::sums(row);
        *own += of_row;
        squares += of_squares;
        Arch::new().dispatch(AddTo { sum: others, terms: row });
    }
    (sums, squares)
}

/// Σ over a strip, without the diagonal, of `(K_ij − m_i − m_j)²`.
fn squares_less_means<S: Feature>(strip: &Strip<&[S]>, means: &[f64]) -> f64 {
    let first = strip.first;
    let mut squares = 0.0;
    for (i, row) in strip.rows().enumerate() {
        let means = &means[first + i..];
        let own = means[0];
        let (row, others) = (&row[1..], &means[1..]);
        let mut parts = [0.0; 8];
        let (chunks, rest) = row.as_chunks::<8>();
        let (means, rest_means) = others.as_chunks::<8>();
        for (chunk, means) in chunks.iter().zip(means) {
            for ((part, &k), mean) in parts.iter_mut().zip(chunk).zip(means) {
                let left = k.into() - (own + mean);
                *part += left * left;
            }
        }
        let rest = rest
            .iter()
            .zip(rest_means)
            .map(|(&k, mean)| (k.into() - (own + mean)).powi(2));
        squares += parts.iter().sum::<f64>() + rest.sum::<f64>();
    }
    squares
}

/// Σ x and Σ x².
fn sums<S: Feature>(row: &[S]) -> (f64, f64) {
    Arch::new().dispatch(Sums { row })
}
