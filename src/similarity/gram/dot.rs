//! Products of matrices in f64, in blocks of fixed size.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Rows of one unit of parallel work.
const ROWS: usize = 128;

/// `⟨x_i, x_j⟩` of all pairs i < j of rows: (0,1), (0,2) … (1,2) ….
///
/// *Shapes* `rows: [n, p]`.
pub(crate) fn upper_products(rows: &[f64], n: usize, p: usize) -> Vec<f64> {
    let rows = MatRef::from_row_major_slice(rows, n, p);
    let blocks: Vec<Vec<f64>> = (0..n.div_ceil(ROWS))
        .into_par_iter()
        .map(|block| {
            let first = block * ROWS;
            let height = ROWS.min(n - first);
            // [height, p] · [p, n − first] -> [height, n − first]
            let others = rows.subrows(first, n - first);
            let product = product_transposed(rows.subrows(first, height), others);
            let row = |i: usize| (i + 1..n - first).map(move |j| (i, j));
            (0..height).flat_map(row).map(|(i, j)| product[i * (n - first) + j]).collect()
        })
        .collect();
    blocks.concat()
}

/// A·Bᵀ, row-major.
///
/// *Shapes* `a: [m, p]`, `b: [k, p]`.
pub(crate) fn product_transposed(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Vec<f64> {
    let (m, k) = (a.nrows(), b.nrows());
    let mut product = vec![0.0; m * k];
    let to = MatMut::from_row_major_slice_mut(&mut product, m, k);
    matmul(to, Accum::Replace, a, b.transpose(), 1.0, Par::Seq);
    product
}

/// Aᵀ·B.
///
/// *Shapes* `a: [n, r]`, `b: [n, s]`.
pub(crate) fn transposed_product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(a.ncols(), b.ncols());
    matmul(&mut product, Accum::Replace, a.transpose(), b, 1.0, Par::Seq);
    product
}

/// A signature's numbers as an `[n, r]` matrix in f64.
pub(crate) fn widened(signature: &[f32], n: usize) -> Mat<f64> {
    let r = signature.len() / n;
    assert_eq!(signature.len(), n * r, "a signature of {n} examples");
    Mat::from_fn(n, r, |i, j| f64::from(signature[i * r + j]))
}

/// The numbers of a matrix row by row, rounded.
pub(crate) fn narrowed(matrix: MatRef<'_, f64>) -> Vec<f32> {
    (0..matrix.nrows())
        .flat_map(|i| (0..matrix.ncols()).map(move |j| matrix[(i, j)] as f32))
        .collect()
}
