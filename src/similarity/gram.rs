//! Gram matrices K = X·Xᵀ of centred representations, their U-centring, and their packing
//! into vectors whose inner product is that of the matrices.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::Feature;
use super::centred::Centred;
use super::triangle::{Strip, packed_len, strips, strips_mut};

/// Features whose products are summed in the type of the product; blocks of so many are
/// added in f64, in order.
const TERMS: usize = 1024;

/// A symmetric n × n matrix: its upper triangle, packed row by row.
pub(super) struct Gram {
    n: usize,
    packed: Vec<f64>,
}

/// What U-centring leaves of a matrix.
pub(super) struct UCentred {
    /// The matrix, its diagonal 0.
    pub matrix: Gram,
    /// Its Frobenius norm.
    pub norm: f64,
    /// The norm after U-centring over the norm before it, diagonals left out: the smaller,
    /// the more digits of the products cancelled.
    pub remainder: f64,
}

impl Gram {
    /// `K_ij = ⟨x_i, x_j⟩` for centred rows x, with products in `F`.
    ///
    /// Cost n²p/2 multiply-adds.
    pub(super) fn of<T, F>(centred: &Centred<'_, T>) -> Self
    where
        T: Feature,
        F: Feature + faer::traits::ComplexField,
    {
        let (n, p) = (centred.n, centred.p);
        let mut packed = vec![0.0; packed_len(n)];
        let mut panel = vec![F::nearest(0.0); n * TERMS.min(p)];
        for first in (0..p).step_by(TERMS) {
            let columns = first..(first + TERMS).min(p);
            let panel = &mut panel[..n * columns.len()];
            centred.fill(columns, panel);
            let panel = &*panel;
            strips_mut(n, &mut packed).into_par_iter().for_each_init(
                Vec::new,
                |product, strip| {
                    add_strip(panel, strip, product);
                },
            );
        }
        Self { n, packed }
    }

    /// The U-centred matrix of Székely and Rizzo: diagonal 0, and for i ≠ j
    /// `K_ij − m_i − m_j` with `m_j = Σ_i K_ij/(n−2) − Σ_ij K_ij/(2(n−1)(n−2))`, sums
    /// without the diagonal. Its rows sum to 0, and `n(n−3)·HSIC₁(K, L) = ⟨U(K), U(L)⟩`.
    pub(super) fn u_centred(mut self) -> UCentred {
        let (mut means, before) = self.off_diagonal_sums();
        let n = self.n as f64;
        let half = means.iter().sum::<f64>() / (2.0 * (n - 1.0) * (n - 2.0));
        for mean in &mut means {
            *mean = *mean / (n - 2.0) - half;
        }
        let after: Vec<f64> = strips_mut(self.n, &mut self.packed)
            .into_par_iter()
            .map(|strip| subtract_means(strip, &means))
            .collect();
        let after: f64 = after.iter().sum();
        let remainder = if before > 0.0 { (after / before).sqrt() } else { 0.0 };
        UCentred { norm: (2.0 * after).sqrt(), remainder, matrix: self }
    }

    /// The Frobenius norm.
    pub(super) fn norm(&self) -> f64 {
        let squares: Vec<f64> = strips(self.n, &self.packed)
            .into_par_iter()
            .map(|strip| {
                let square =
                    |row: &[f64]| row[0] * row[0] + 2.0 * sum_of_squares(&row[1..]);
                strip.rows().map(square).sum()
            })
            .collect();
        squares.iter().sum::<f64>().sqrt()
    }

    /// The packed matrix divided by its norm, off-diagonal entries times √2: the inner
    /// product of two such vectors is ⟨K, L⟩/(‖K‖·‖L‖).
    pub(super) fn to_signature(&self, norm: f64) -> Vec<f32> {
        let diagonal = norm.recip();
        let beside = diagonal * std::f64::consts::SQRT_2;
        let mut signature = vec![0.0; self.packed.len()];
        strips_mut(self.n, &mut signature)
            .into_par_iter()
            .zip(strips(self.n, &self.packed))
            .for_each(|(mut to, from)| {
                for (to, from) in to.rows_mut().zip(from.rows()) {
                    to[0] = (from[0] * diagonal) as f32;
                    for (to, from) in to[1..].iter_mut().zip(&from[1..]) {
                        *to = (from * beside) as f32;
                    }
                }
            });
        signature
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

/// Adds to a strip of the Gram matrix the products over the features of a panel.
///
/// *Shapes* `panel: [n, terms]`; `product` is scratch.
fn add_strip<F>(panel: &[F], mut strip: Strip<&mut [f64]>, product: &mut Vec<F>)
where
    F: Feature + faer::traits::ComplexField,
{
    let (n_rows, width) = (strip.n_rows(), strip.width());
    let n = strip.first + width;
    let terms = panel.len() / n;
    product.resize(n_rows * width, F::nearest(0.0));
    // [width, terms], of which the first n_rows rows are the strip's own.
    let rows = MatRef::from_row_major_slice(&panel[strip.first * terms..], width, terms);
    let (own, others) = rows.split_at_row(n_rows);
    let to =
        MatMut::from_row_major_slice_mut(&mut product[..n_rows * width], n_rows, width);
    let (on, beside) = to.split_at_col_mut(n_rows);
    let one = F::nearest(1.0);
    // [n_rows, terms] · [terms, n_rows] -> the upper triangle of [n_rows, n_rows]
    triangular::matmul(
        on,
        BlockStructure::TriangularUpper,
        Accum::Replace,
        own,
        BlockStructure::Rectangular,
        own.transpose(),
        BlockStructure::Rectangular,
        one,
        Par::Seq,
    );
    // [n_rows, terms] · [terms, width − n_rows] -> [n_rows, width − n_rows]
    matmul(beside, Accum::Replace, own, others.transpose(), one, Par::Seq);
    for (i, row) in strip.rows_mut().enumerate() {
        for (k, &x) in row.iter_mut().zip(&product[i * width + i..]) {
            *k += x.into();
        }
    }
}

/// A strip's part of [`Gram::off_diagonal_sums`], rows from the strip's first on.
fn strip_sums(strip: &Strip<&[f64]>) -> (Vec<f64>, f64) {
    let mut sums = vec![0.0; strip.width()];
    let mut squares = 0.0;
    for (i, row) in strip.rows().enumerate() {
        let row = &row[1..];
        sums[i] += sum(row);
        squares += sum_of_squares(row);
        for (sum, k) in sums[i + 1..].iter_mut().zip(row) {
            *sum += k;
        }
    }
    (sums, squares)
}

/// Sets the diagonal to 0, takes `m_i + m_j` from the rest, and returns its sum of squares.
fn subtract_means(mut strip: Strip<&mut [f64]>, means: &[f64]) -> f64 {
    let first = strip.first;
    let mut squares = 0.0;
    for (i, row) in strip.rows_mut().enumerate() {
        let means = &means[first + i..];
        row[0] = 0.0;
        for (k, mean) in row[1..].iter_mut().zip(&means[1..]) {
            *k -= means[0] + mean;
        }
        squares += sum_of_squares(&row[1..]);
    }
    squares
}

/// Σ x, in eight interleaved parts so that it runs in vector registers.
fn sum(values: &[f64]) -> f64 {
    interleaved(values, |x| x)
}

/// Σ x², in eight interleaved parts.
fn sum_of_squares(values: &[f64]) -> f64 {
    interleaved(values, |x| x * x)
}

fn interleaved(values: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    let mut parts = [0.0; 8];
    let mut chunks = values.chunks_exact(8);
    for chunk in &mut chunks {
        for (part, &x) in parts.iter_mut().zip(chunk) {
            *part += term(x);
        }
    }
    let rest: f64 = chunks.remainder().iter().map(|&x| term(x)).sum();
    parts.iter().sum::<f64>() + rest
}
