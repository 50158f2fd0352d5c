//! Linear CKA of more examples than signatures fit in memory: the rows of all epochs' Gram
//! matrices a block at a time, each from features that are read again.

use std::io;
use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, Par};
use rayon::prelude::*;

use crate::similarity::errors::jackknife::Sums;
use crate::similarity::gram::centred::Centred;
use crate::similarity::gram::matrix::with_panels;
use crate::similarity::gram::matrix::{F64_BELOW, NOTHING_BELOW};
use crate::similarity::gram::products::{Wanted, add_products};
use crate::similarity::measures::kernel;
use crate::similarity::routes::streamed::panels;
use crate::similarity::{Columns, EpochMatrix, Estimator, Feature, Undefined};

/// Rows and columns of one unit of work in a block.
const ROWS: usize = 64;
const COLUMNS: usize = 512;

/// What centring takes from a Gram matrix.
struct Epoch {
    /// Its place in the list.
    at: usize,
    /// Squared norms of the examples.
    squares: Vec<f64>,
    /// Products in f64, where those in f32 lost too many digits.
    precise: bool,
}

/// The matrix that [`crate::similarity::measures::cka::matrix`] gives for the signatures of the same features, with
/// its standard errors, within the rounding of f32.
///
/// Of E epochs and n examples it holds `rows` rows of each Gram matrix and the products of
/// every example: 4·E·rows·n + 4·E²·n bytes, and a panel of 4,096 features (32,000·n) and a
/// block in f64 (8·rows·n). Signatures would take 2·E·n². Every representation is read
/// n/rows + 1 times; where U-centring takes nearly all of one away, twice as often.
///
/// Cost E·n²p + E²n² multiply-adds: no symmetry is used.
///
/// # Errors
/// If features cannot be read.
///
/// # Panics
/// On minibatches, representations of unequal numbers of examples, or blocks of no rows.
pub fn blocked_matrix<C: Columns>(
    sources: &mut [C],
    estimator: Estimator,
    rows: usize,
) -> io::Result<EpochMatrix> {
    let batches = matches!(estimator, Estimator::Minibatch { .. });
    assert!(!batches && rows > 0, "blocks of {rows} rows, {estimator:?}");
    let n = sources.first().map_or(0, |source| source.shape().0);
    let mut reasons: Vec<Result<(), Undefined>> = vec![Ok(()); sources.len()];
    let mut epochs = vec![];
    for (at, source) in sources.iter_mut().enumerate() {
        assert_eq!(source.shape().0, n, "examples of every representation");
        let mut squares = vec![0.0; n];
        reasons[at] =
            panels(source, |panel, factor| add_squares(panel, factor, &mut squares))?;
        if reasons[at].is_ok() {
            epochs.push(Epoch { at, squares, precise: false });
        }
    }
    loop {
        let products = products(sources, &epochs, estimator, rows)?;
        let m = epochs.len();
        let (mut again, mut nothing) = (false, vec![]);
        for (k, epoch) in epochs.iter_mut().enumerate() {
            if estimator == Estimator::Biased {
                continue;
            }
            let left: f64 = products.iter().map(|of_row| of_row[k * m + k]).sum();
            let remainder = (left / (left + taken(&epoch.squares))).sqrt();
            if epoch.precise && remainder < NOTHING_BELOW {
                nothing.push(epoch.at);
            }
            again |= !epoch.precise && remainder < F64_BELOW;
            epoch.precise |= remainder < F64_BELOW;
        }
        if !nothing.is_empty() {
            nothing
                .iter()
                .for_each(|at| reasons[*at] = Err(Undefined::OrthogonalExamples));
            epochs.retain(|epoch| !nothing.contains(&epoch.at));
        } else if !again {
            return Ok(assemble(&reasons, &epochs, &products, estimator));
        }
    }
}

/// Adds the squared norms of centred examples.
fn add_squares(panel: &Centred<'_, f32>, factor: f64, squares: &mut [f64]) {
    with_panels::<f32, f64>(panel, |blocks| {
        for block in blocks {
            for (square, row) in squares.iter_mut().zip(block.row_iter()) {
                *square += factor * row.squared_norm_l2();
            }
        }
    });
}

/// What U-centring takes from the sum of squares of a centred Gram matrix K over its trace,
/// diagonals left out: rows of K sum to 0, so without the diagonal to `−K_ii`.
fn taken(squares: &[f64]) -> f64 {
    let n = squares.len() as f64;
    let sum: f64 = squares.iter().sum();
    let dot: f64 = squares.iter().map(|s| (s / sum).powi(2)).sum();
    2.0 / (n - 2.0) * dot - 1.0 / ((n - 1.0) * (n - 2.0))
}

/// For every example `Σ_i K_im·L_im` of all pairs of epochs, K and L centred and divided by
/// their trace: lower triangles `[m, m]`.
fn products<C: Columns>(
    sources: &mut [C],
    epochs: &[Epoch],
    estimator: Estimator,
    rows: usize,
) -> io::Result<Vec<Vec<f64>>> {
    let m = epochs.len();
    let n = epochs.first().map_or(0, |epoch| epoch.squares.len());
    let mut products = Vec::with_capacity(n);
    for first in (0..n).step_by(rows) {
        let own = first..(first + rows).min(n);
        // [m][rows, n]
        let mut block = vec![];
        for epoch in epochs {
            block.push(epoch.rows(&mut sources[epoch.at], own.clone(), estimator)?);
        }
        let of_row = |row: usize| {
            let rows: Vec<&[f32]> = block.iter().map(|k| &k[row * n..][..n]).collect();
            let mut sums = vec![0.0; m * m];
            add_products(&rows, Wanted::all(m), &mut sums);
            sums
        };
        products.par_extend((0..own.len()).into_par_iter().map(of_row));
    }
    Ok(products)
}

impl Epoch {
    /// Rows of the centred Gram matrix, divided by its trace before centring: `[rows, n]`.
    fn rows(
        &self,
        source: &mut dyn Columns,
        own: Range<usize>,
        estimator: Estimator,
    ) -> io::Result<Vec<f32>> {
        let n = self.squares.len();
        let mut gram = vec![0.0; own.len() * n];
        // What is wrong with a representation was found when it was first read.
        let _ = panels(source, |panel, factor| {
            if self.precise {
                add_rows::<f64>(panel, factor, own.clone(), &mut gram);
            } else {
                add_rows::<f32>(panel, factor, own.clone(), &mut gram);
            }
        })?;
        let trace: f64 = self.squares.iter().sum();
        let size = n as f64;
        let half = trace / (2.0 * (size - 1.0) * (size - 2.0));
        let mean = |i: usize| half - self.squares[i] / (size - 2.0);
        let entry = |(at, k): (usize, f64)| {
            let (i, j) = (own.start + at / n, at % n);
            let centred = match estimator {
                Estimator::Biased => k,
                _ if i == j => 0.0,
                _ => k - mean(i) - mean(j),
            };
            (centred / trace) as f32
        };
        Ok(gram.into_iter().enumerate().map(entry).collect())
    }
}

/// Adds the rows `own` of a panel's Gram matrix.
///
/// *Shapes* `gram: [own.len(), n]`.
fn add_rows<F: Feature + faer::traits::ComplexField>(
    panel: &Centred<'_, f32>,
    factor: f64,
    own: Range<usize>,
    gram: &mut [f64],
) {
    let n = panel.n;
    with_panels::<f32, F>(panel, |blocks| {
        gram.par_chunks_mut(ROWS * n).enumerate().for_each(|(unit, gram)| {
            let (first, height) = (own.start + unit * ROWS, gram.len() / n);
            let mut product = vec![];
            for start in (0..n).step_by(COLUMNS) {
                let width = COLUMNS.min(n - start);
                product.resize(height * width, F::nearest(0.0));
                for block in blocks {
                    // [height, terms] · [terms, width] -> [height, width]
                    matmul(
                        MatMut::from_row_major_slice_mut(&mut product, height, width),
                        Accum::Replace,
                        block.subrows(first, height),
                        block.subrows(start, width).transpose(),
                        F::nearest(1.0),
                        Par::Seq,
                    );
                    add_tile(gram, n, start, &product, factor);
                }
            }
        });
    });
}

/// Adds a tile of `product.len()/height` columns that begins at column `start`.
fn add_tile<F: Feature>(
    gram: &mut [f64],
    n: usize,
    start: usize,
    product: &[F],
    factor: f64,
) {
    let width = product.len() / (gram.len() / n);
    for (row, product) in gram.chunks_mut(n).zip(product.chunks(width)) {
        for (k, &x) in row[start..start + width].iter_mut().zip(product) {
            *k += factor * x.into();
        }
    }
}

/// Values and delete-one jackknife errors from the products of every example, as
/// [`crate::similarity::errors::jackknife`] has them from packed triangles.
fn assemble(
    reasons: &[Result<(), Undefined>],
    epochs: &[Epoch],
    products: &[Vec<f64>],
    estimator: Estimator,
) -> EpochMatrix {
    let (m, n) = (epochs.len(), products.len());
    let mut total = vec![0.0; m * m];
    for of_row in products {
        total.iter_mut().zip(of_row).for_each(|(sum, x)| *sum += x);
    }
    let size = n as f64;
    let traces: Vec<f64> = epochs.iter().map(|e| e.squares.iter().sum()).collect();
    let mut sums = Sums::zero(m);
    let mut without = vec![0.0; m * m];
    for (i, of_row) in products.iter().enumerate() {
        let own = |a: usize| epochs[a].squares[i] / traces[a];
        for (a, b) in (0..m).flat_map(|a| (0..=a).map(move |b| (a, b))) {
            let (at, rho) = (a * m + b, of_row[a * m + b]);
            without[at] = if estimator == Estimator::Biased {
                let pair = own(a) * own(b);
                total[at] - 2.0 * rho + pair - 2.0 * (rho - pair) / (size - 1.0)
                    + pair / (size - 1.0).powi(2)
            } else {
                total[at] - 2.0 * rho * (size - 2.0) / (size - 3.0)
            };
        }
        sums.add_deviations(&total, &without, Wanted::all(m));
    }
    let errors = if n < 5 { vec![f64::NAN; m * m] } else { sums.standard_errors(n) };
    let mut matrix = EpochMatrix::undefined(reasons);
    let places: Vec<usize> = epochs.iter().map(|epoch| epoch.at).collect();
    kernel::fill(&mut matrix, &places, &total, &errors);
    matrix
}
