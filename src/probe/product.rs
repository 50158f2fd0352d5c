//! Products of a tall matrix with the few columns of a classifier, X·W and Xᵀ·R.
//!
//! Ten classes make library products slow (they pack both sides), so the columns are padded
//! to blocks of 16 that stay in registers while four rows stream past. Sums run over at
//! most 256 terms in the matrix's own precision; these partial sums are added in f64 in a
//! fixed order, and rows are shared out in blocks of 1,024, so that a value depends neither
//! on the number of threads nor on the other rows.
#![allow(clippy::inline_always)] // Vector code must be inlined where it is dispatched.

use std::borrow::Cow;

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::traits::RealField;
use faer::{Accum, Mat, MatRef, Par};
use pulp::Simd;
use rayon::prelude::*;

/// Columns of a block: classes are padded with zeros to a multiple of this.
pub(super) const LANES: usize = 16;
/// Rows that stream past together.
const ROWS: usize = 4;
/// Terms of a sum in the matrix's own precision.
const TERMS: usize = 256;
/// Rows of one unit of work.
pub(super) const BLOCK: usize = 1024;

/// The precision of the products: f32 in the pipeline, f64 in the `probe` verb.
pub trait Scalar: RealField + Copy + Send + Sync + Default + Vectors + 'static {
    /// Rounds to this precision.
    fn from_f64(value: f64) -> Self;
    /// Widens.
    fn to_f64(self) -> f64;
}

/// The vector instructions that the products need.
pub trait Vectors: Sized {
    /// One register.
    type Vector<S: Simd>: Copy;
    /// Values as registers, as many as fill up.
    fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>];
    /// As [`Vectors::vectors`], to write to.
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Vector<S>];
    /// One value in all lanes.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// a·b + c, fused where the instruction set has it.
    fn multiply_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
}

macro_rules! scalar {
    ($t:ident, $vector:ident, $slice:ident, $slice_mut:ident, $splat:ident, $fma:ident) => {
        impl Scalar for $t {
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
        }

        impl Vectors for $t {
            type Vector<S: Simd> = S::$vector;
            #[inline(always)]
            fn vectors<S: Simd>(values: &[Self]) -> &[S::$vector] {
                S::$slice(values).0
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [S::$vector] {
                S::$slice_mut(values).0
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }
            #[inline(always)]
            fn multiply_add<S: Simd>(
                simd: S,
                a: S::$vector,
                b: S::$vector,
                c: S::$vector,
            ) -> S::$vector {
                simd.$fma(a, b, c)
            }
        }
    };
}

scalar!(f32, f32s, as_simd_f32s, as_mut_simd_f32s, splat_f32s, mul_add_e_f32s);
scalar!(f64, f64s, as_simd_f64s, as_mut_simd_f64s, splat_f64s, mul_add_e_f64s);

/// A row-major matrix `[n_rows, n_columns]`, perhaps with zeros beyond a diagonal.
#[derive(Debug, Clone)]
pub(super) struct Matrix<'a, T: Clone> {
    pub(super) n_rows: usize,
    pub(super) n_columns: usize,
    pub(super) values: Cow<'a, [T]>,
    /// Row i is zero from column i + `diagonal` on.
    pub(super) diagonal: usize,
}

/// `[n_rows, n_classes]` in f64, padded: `blocks` × `[n_rows][LANES]`.
pub(super) type Columns = Vec<[f64; LANES]>;

/// Blocks of [`LANES`] columns that hold `n_classes` columns.
pub(super) fn n_blocks(n_classes: usize) -> usize {
    n_classes.div_ceil(LANES)
}

impl<'a, T: Scalar> Matrix<'a, T> {
    pub(super) fn dense(
        n_rows: usize,
        n_columns: usize,
        values: impl Into<Cow<'a, [T]>>,
    ) -> Self {
        let values = values.into();
        assert_eq!(values.len(), n_rows * n_columns, "{n_rows} × {n_columns} values");
        Self { n_rows, n_columns, values, diagonal: n_columns }
    }

    /// Columns of row i that may differ from zero.
    fn length(&self, row: usize) -> usize {
        self.n_columns.min(row + self.diagonal)
    }

    pub(super) fn row(&self, row: usize) -> &[T] {
        &self.values[row * self.n_columns..(row + 1) * self.n_columns]
    }

    /// The given columns of a row.
    #[inline(always)]
    fn part(&self, row: usize, columns: &std::ops::Range<usize>) -> &[T] {
        let start = row * self.n_columns;
        &self.values[start + columns.start..start + columns.end]
    }

    /// A·W for W `[n_columns, n_classes]`: `[n_rows, n_classes]`, both padded.
    pub(super) fn times(&self, weights: &[[f64; LANES]]) -> Columns {
        let rounded: Vec<[T; LANES]> =
            weights.iter().map(|row| row.map(T::from_f64)).collect();
        let mut out = vec![[0.0; LANES]; weights.len() / self.n_columns * self.n_rows];
        let work = out.chunks_mut(self.n_rows.max(1)).zip(rounded.chunks(self.n_columns));
        for (out, weights) in work {
            out.par_chunks_mut(BLOCK).enumerate().for_each(|(block, out)| {
                let first = block * BLOCK;
                pulp::Arch::new().dispatch(Times { matrix: self, first, weights, out });
            });
        }
        out
    }

    /// Aᵀ·R for R `[n_rows, n_classes]`: `[n_columns, n_classes]`, both padded.
    pub(super) fn transposed_times(&self, right: &[[f64; LANES]]) -> Columns {
        let mut out = vec![[0.0; LANES]; right.len() / self.n_rows * self.n_columns];
        let work = out.chunks_mut(self.n_columns).zip(right.chunks(self.n_rows));
        for (out, right) in work {
            let partial: Vec<Vec<[T; LANES]>> = right
                .par_chunks(BLOCK)
                .enumerate()
                .map(|(block, right)| {
                    let right: Vec<[T; LANES]> =
                        right.iter().map(|row| row.map(T::from_f64)).collect();
                    let mut out = vec![[T::default(); LANES]; self.n_columns];
                    pulp::Arch::new().dispatch(TransposedTimes {
                        matrix: self,
                        first: block * BLOCK,
                        right: &right,
                        out: &mut out,
                    });
                    out
                })
                .collect();
            for partial in &partial {
                for (out, partial) in out.iter_mut().zip(partial) {
                    for (out, partial) in out.iter_mut().zip(partial) {
                        *out += partial.to_f64();
                    }
                }
            }
        }
        out
    }

    /// Σᵢ wᵢ·aᵢ·aᵢᵀ over the rows aᵢ: lower triangle of `[n_columns, n_columns]`.
    pub(super) fn weighted_gram(&self, weights: &[f64]) -> Mat<T> {
        let mut gram = Mat::<T>::zeros(self.n_columns, self.n_columns);
        let work = self.values.chunks(BLOCK * self.n_columns).zip(weights.chunks(BLOCK));
        for (rows, weights) in work {
            let mut scaled = Vec::with_capacity(rows.len());
            for (row, w) in rows.chunks(self.n_columns).zip(weights) {
                let root = T::from_f64(w.sqrt());
                scaled.extend(row.iter().map(|&value| value * root));
            }
            add_gram(&scaled, &mut gram);
        }
        gram
    }
}

/// `gram` += Σᵢ aᵢ·aᵢᵀ over the rows aᵢ, in its lower triangle.
pub(super) fn add_gram<T: Scalar>(rows: &[T], gram: &mut Mat<T>) {
    let n_columns = gram.nrows();
    let rows = MatRef::from_row_major_slice(rows, rows.len() / n_columns, n_columns);
    matmul(
        gram.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Add,
        rows.transpose(),
        BlockStructure::Rectangular,
        rows,
        BlockStructure::Rectangular,
        T::from_f64(1.0),
        Par::Seq,
    );
}

/// `out` = A·W over the rows from `first` on.
struct Times<'a, T: Scalar> {
    matrix: &'a Matrix<'a, T>,
    first: usize,
    weights: &'a [[T; LANES]],
    out: &'a mut [[f64; LANES]],
}

impl<T: Scalar> pulp::WithSimd for Times<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match size_of::<[T; LANES]>() / size_of::<T::Vector<S>>() {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            8 => self.run::<S, 8>(simd),
            _ => self.run::<S, LANES>(simd),
        }
    }
}

impl<T: Scalar> Times<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { matrix, first, weights, out } = self;
        for start in (0..matrix.n_columns).step_by(TERMS) {
            let mut row = first;
            for out in out.chunks_mut(ROWS) {
                let length = matrix.length(row + out.len() - 1);
                let terms = start..(start + TERMS).min(length).max(start);
                let weights = &weights[terms.clone()];
                if out.len() == ROWS {
                    let [a, b, c, d] = [row, row + 1, row + 2, row + 3];
                    let rows = [
                        matrix.part(a, &terms),
                        matrix.part(b, &terms),
                        matrix.part(c, &terms),
                        matrix.part(d, &terms),
                    ];
                    add_rows::<S, T, ROWS, V>(simd, rows, weights, out);
                } else {
                    for (r, out) in out.chunks_mut(1).enumerate() {
                        let rows = [matrix.part(row + r, &terms)];
                        add_rows::<S, T, 1, V>(simd, rows, weights, out);
                    }
                }
                row += ROWS;
            }
        }
    }
}

/// `out` += Aᵀ·R over the rows from `first` on, at most [`BLOCK`] of them.
struct TransposedTimes<'a, T: Scalar> {
    matrix: &'a Matrix<'a, T>,
    first: usize,
    right: &'a [[T; LANES]],
    out: &'a mut [[T; LANES]],
}

impl<T: Scalar> pulp::WithSimd for TransposedTimes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match size_of::<[T; LANES]>() / size_of::<T::Vector<S>>() {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            8 => self.run::<S, 8>(simd),
            _ => self.run::<S, LANES>(simd),
        }
    }
}

impl<T: Scalar> TransposedTimes<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { matrix, first, right, out } = self;
        // Parts of the output that stay in the first-level cache.
        for start in (0..matrix.n_columns).step_by(TERMS) {
            let mut row = first;
            for right in right.chunks(ROWS) {
                let length = matrix.length(row + right.len() - 1);
                let terms = start..(start + TERMS).min(length).max(start);
                let out = &mut out[terms.clone()];
                if let [a, b, c, d] = *right {
                    let rows = [
                        matrix.part(row, &terms),
                        matrix.part(row + 1, &terms),
                        matrix.part(row + 2, &terms),
                        matrix.part(row + 3, &terms),
                    ];
                    spread_rows::<S, T, ROWS, V>(simd, rows, [a, b, c, d], out);
                } else {
                    for (r, &right) in right.iter().enumerate() {
                        let rows = [matrix.part(row + r, &terms)];
                        spread_rows::<S, T, 1, V>(simd, rows, [right], out);
                    }
                }
                row += ROWS;
            }
        }
    }
}

/// `out[r]` += Σₖ `rows[r][k]`·`weights[k]`, a row of weights in V registers.
#[inline(always)]
fn add_rows<S: Simd, T: Scalar, const R: usize, const V: usize>(
    simd: S,
    rows: [&[T]; R],
    weights: &[[T; LANES]],
    out: &mut [[f64; LANES]],
) {
    let (weights, _) = T::vectors::<S>(weights.as_flattened()).as_chunks::<V>();
    let rows = rows.map(|row| &row[..weights.len()]);
    let mut sums = [[T::splat(simd, T::default()); V]; R];
    for (k, weights) in weights.iter().enumerate() {
        for r in 0..R {
            let value = T::splat(simd, rows[r][k]);
            for v in 0..V {
                sums[r][v] = T::multiply_add(simd, value, weights[v], sums[r][v]);
            }
        }
    }
    for (out, sums) in out.iter_mut().zip(sums) {
        let mut lanes = [T::default(); LANES];
        T::vectors_mut::<S>(&mut lanes).copy_from_slice(&sums);
        for (out, sum) in out.iter_mut().zip(lanes) {
            *out += sum.to_f64();
        }
    }
}

/// `out[k]` += Σᵣ `rows[r][k]`·`right[r]`, a row of `right` in V registers.
#[inline(always)]
fn spread_rows<S: Simd, T: Scalar, const R: usize, const V: usize>(
    simd: S,
    rows: [&[T]; R],
    right: [[T; LANES]; R],
    out: &mut [[T; LANES]],
) {
    let (out, _) = T::vectors_mut::<S>(out.as_flattened_mut()).as_chunks_mut::<V>();
    let rows = rows.map(|row| &row[..out.len()]);
    let mut lanes = [[T::splat(simd, T::default()); V]; R];
    for (lanes, right) in lanes.iter_mut().zip(&right) {
        lanes.copy_from_slice(T::vectors::<S>(right));
    }
    for (k, out) in out.iter_mut().enumerate() {
        let mut sums = *out;
        for r in 0..R {
            let value = T::splat(simd, rows[r][k]);
            for v in 0..V {
                sums[v] = T::multiply_add(simd, value, lanes[r][v], sums[v]);
            }
        }
        *out = sums;
    }
}
