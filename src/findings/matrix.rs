//! Square matrices over checkpoints and their cumulative sums, which give the mean over any
//! block in four operations (section 1.1).

use std::ops::Range;

use super::axis::Window;

/// A square matrix, row by row: similarities S or squared distances D² of T checkpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    n: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// A matrix of `n` rows.
    ///
    /// # Panics
    /// If there are not `n`² values.
    pub fn new(n: usize, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), n * n, "values of a matrix of {n} rows");
        Self { n, values }
    }

    /// The matrix with `value(i, j)` in row `i` and column `j`.
    pub fn from_fn(n: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let values = (0..n * n).map(|at| value(at / n, at % n)).collect();
        Self { n, values }
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The value in row `i` and column `j`.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.n + j]
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.n..(i + 1) * self.n]
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The given rows and the same columns.
    #[must_use]
    pub fn keep(&self, rows: &[usize]) -> Self {
        Self::from_fn(rows.len(), |i, j| self.at(rows[i], rows[j]))
    }

    /// Squared distances of unit vectors from their similarities: D²ᵢⱼ = 2(1 − Sᵢⱼ).
    ///
    /// Exact algebra for CKA (of signatures), for the agreement of decisions (one-hot
    /// vectors) and for RBF; formal for the shape metric and κ.
    #[must_use]
    pub fn distances(&self) -> Self {
        Self::from_fn(self.n, |i, j| 2.0 * (1.0 - self.at(i, j)))
    }

    /// Whether every value is finite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }
}

/// Cumulative sums of a matrix over both axes.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    n: usize,
    values: Vec<f64>,
}

impl Sums {
    /// The sums of `matrix`. Cost O(T²).
    pub(super) fn of(matrix: &Matrix) -> Self {
        let n = matrix.n + 1;
        let mut values = vec![0.0; n * n];
        for i in 1..n {
            let mut along = 0.0;
            for j in 1..n {
                along += matrix.at(i - 1, j - 1);
                values[i * n + j] = values[(i - 1) * n + j] + along;
            }
        }
        Self { n, values }
    }

    /// Sum over the first `i` rows and the first `j` columns.
    pub(super) fn first(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.n + j]
    }

    /// Sum over a block.
    pub(super) fn block(&self, rows: Range<usize>, columns: Range<usize>) -> f64 {
        self.first(rows.end, columns.end)
            - self.first(rows.start, columns.end)
            - self.first(rows.end, columns.start)
            + self.first(rows.start, columns.start)
    }

    /// Mean over a block.
    pub(super) fn mean(&self, rows: Range<usize>, columns: Range<usize>) -> f64 {
        let n = rows.len() * columns.len();
        self.block(rows, columns) / n as f64
    }

    /// Squared distance between the means of both sides of a window, of D² with zeros on its
    /// diagonal:
    ///
    /// ```text
    /// U = mean_{i before, j after} D²ᵢⱼ − ½ mean_{i≠i′ before} D²ᵢᵢ′ − ½ mean_{j≠j′ after} D²ⱼⱼ′
    /// ```
    ///
    /// Leaving out i = i′ removes what scatters from checkpoint to checkpoint without bias
    /// (the U-statistic of a squared maximum mean discrepancy); U may be negative.
    pub(super) fn between_means(&self, window: Window) -> f64 {
        let (before, after) = (window.before(), window.after());
        let own = |side: Range<usize>| {
            let n = side.len();
            self.block(side.clone(), side) / (n * (n - 1)) as f64
        };
        self.mean(before.clone(), after.clone()) - 0.5 * own(before) - 0.5 * own(after)
    }
}
