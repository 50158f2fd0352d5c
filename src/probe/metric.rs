//! The metrics in which a probe's optimum is sought: positive definite matrices near the
//! Hessian of the objective.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::{DenseSolveCore, Llt};
use faer::{Accum, Mat, Par, Scale, Side};

use super::product::{BLOCK, Columns, LANES, Matrix, Scalar, add_gram};
use super::softmax::Targets;

/// Coefficients of a fit up to which its metric is the Hessian of all of them, which saves four
/// of five iterations in each of the fits that share it. The limit is from a count of
/// operations: the Hessian's grow with the square of the coefficients, an iteration's do not.
const FULL: usize = 1500;
/// Examples for each coefficient that such a Hessian is summed over: more bring the iteration
/// little, and it is the sum that costs.
const SAMPLED: usize = 2;
/// A λ so many times the largest entry of the matrix leaves its biases alone with each other.
const HOPELESS: f64 = 1e10;
/// No example's curvature counts as less, relative to its weight.
const LEAST_CURVATURE: f64 = 1e-6;

/// Bytes that the metric of a fit takes while it is made, for so many columns in f32.
pub(crate) fn metric_bytes(n_columns: usize, n_classes: usize) -> usize {
    match n_columns * n_classes {
        size @ ..=FULL => 16 * size * size + 4 * BLOCK * size,
        _ => 24 * n_columns * n_columns,
    }
}

/// The inverse of a metric M at some point.
#[derive(Debug, Clone)]
pub(super) struct Metric<T: Scalar> {
    inverse: Inverse<T>,
    /// Σ w, with wᵢ = ωᵢ·mean p(1 − p) over the classes.
    pub(super) curvature: f64,
}

#[derive(Debug, Clone)]
enum Inverse<T: Scalar> {
    /// M⁻¹ for the Hessian by all coefficients plus λ·I, class by class.
    Full { inverse: Mat<T>, n_columns: usize },
    /// L⁻¹ for M = L·Lᵀ = Aᵀ·diag(w)·A + λ·I, one for all classes: the Hessian with one
    /// curvature w for each example, nearly exact at W = 0.
    Shared(Matrix<'static, T>),
}

impl<T: Scalar> Metric<T> {
    /// M where the classes have the given probabilities, of a λ that is `damping` of its largest
    /// entry or more.
    pub(super) fn at(
        features: &Matrix<'_, T>,
        targets: &Targets<'_>,
        (l2, damping): (f64, f64),
        probabilities: &Columns,
    ) -> Self {
        let ridge = |matrix: &Mat<T>| l2.max(damping * largest_diagonal(matrix));
        let mut curvatures = targets.curvatures(probabilities);
        let inverse = if targets.n_classes * features.n_columns <= FULL {
            let hessian = hessian(features, targets, probabilities);
            let n_columns = features.n_columns;
            let inverse = cholesky(&hessian, n_columns, ridge(&hessian)).inverse();
            Inverse::Full { inverse, n_columns }
        } else {
            for (curvature, weight) in curvatures.iter_mut().zip(&targets.weights) {
                *curvature = curvature.max(LEAST_CURVATURE * weight);
            }
            let gram = features.weighted_gram(&curvatures);
            let factor = cholesky(&gram, features.n_columns, ridge(&gram));
            Inverse::Shared(inverse_factor(&factor))
        };
        Self { inverse, curvature: curvatures.iter().sum() }
    }

    /// Iterations after which it is built anew.
    pub(super) fn patience(&self) -> usize {
        match self.inverse {
            Inverse::Full { .. } => 20,
            Inverse::Shared(_) => 100,
        }
    }

    /// M⁻¹·q.
    pub(super) fn solve(&self, q: &Columns) -> Columns {
        match &self.inverse {
            Inverse::Full { inverse, n_columns } => times_all(inverse, *n_columns, q),
            Inverse::Shared(factor) => factor.transposed_times(&factor.times(q)),
        }
    }
}

/// The Hessian of the loss by the coefficients of all classes, lower triangle of `[C·k, C·k]`:
///
/// ```text
/// Σᵢ ωᵢ·(diag(pᵢ) − pᵢ·pᵢᵀ) ⊗ aᵢ·aᵢᵀ + κ·11ᵀ ⊗ e₀·e₀ᵀ
/// ```
/// over evenly spaced ones of the examples that count. The last term, of the size of the
/// largest entry, leaves no direction without curvature: probabilities do not change with a
/// number that is added to all biases, nor with the bias of a class without examples.
fn hessian<T: Scalar>(
    features: &Matrix<'_, T>,
    targets: &Targets<'_>,
    probabilities: &Columns,
) -> Mat<T> {
    let (n, k, n_classes) = (features.n_rows, features.n_columns, targets.n_classes);
    let size = n_classes * k;
    let weighted: Vec<usize> = (0..n).filter(|&i| targets.weights[i] > 0.0).collect();
    let stride = (weighted.len() / (SAMPLED * size)).max(1);
    let examples: Vec<usize> = weighted.into_iter().step_by(stride).collect();
    let total: f64 = examples.iter().map(|&i| targets.weights[i]).sum();
    let weight = |i: usize| targets.weights[i] / total;
    let p = |i: usize, c: usize| probabilities[c / LANES * n + i][c % LANES];
    // Σ ωᵢ·(vᵢ ⊗ aᵢ)·(vᵢ ⊗ aᵢ)ᵀ for vectors v of the given classes.
    let gram = |classes: Range<usize>, factor: &dyn Fn(usize, usize) -> f64| {
        let length = classes.len() * k;
        let mut gram = Mat::<T>::zeros(length, length);
        for examples in examples.chunks(BLOCK) {
            let mut rows = Vec::with_capacity(examples.len() * length);
            for &i in examples {
                for c in classes.clone() {
                    let factor = T::from_f64(factor(i, c));
                    rows.extend(features.row(i).iter().map(|&value| value * factor));
                }
            }
            add_gram(&rows, &mut gram);
        }
        gram
    };
    let mut hessian = gram(0..n_classes, &|i, c| weight(i).sqrt() * p(i, c));
    hessian *= Scale(-T::from_f64(1.0));
    for c in 0..n_classes {
        let own = gram(c..c + 1, &|i, c| (weight(i) * p(i, c)).sqrt());
        let mut block = hessian.as_mut().submatrix_mut(c * k, c * k, k, k);
        block += own;
    }
    let largest = (0..size).map(|j| hessian[(j, j)].to_f64()).fold(0.0, f64::max);
    let pin = T::from_f64(largest.max(LEAST_CURVATURE));
    for c in 0..n_classes {
        for other in 0..=c {
            if other == c || (targets.is_active(c) && targets.is_active(other)) {
                hessian[(c * k, other * k)] += pin;
            }
        }
    }
    hessian
}

/// The factor of `matrix` + λ·I, whose every `k`-th coefficient is a bias without penalty;
/// where rounding has made that indefinite, with a larger λ: any positive definite metric
/// leads to the same optimum.
///
/// Where all examples are fitted, the biases' curvature is a difference of two sums that cancel,
/// negative by rounding, and no λ on the weights mends that: then the biases get one, too.
fn cholesky<T: Scalar>(matrix: &Mat<T>, k: usize, l2: f64) -> Llt<T> {
    let n = matrix.nrows();
    let largest = largest_diagonal(matrix);
    let mut ridge = l2;
    loop {
        let mut matrix = matrix.clone();
        for j in 0..n {
            if j % k == 0 {
                matrix[(j, j)] *= T::from_f64(1.0 + 1e-6);
            } else {
                matrix[(j, j)] += T::from_f64(ridge);
            }
        }
        if let Ok(factor) = matrix.llt(Side::Lower) {
            return factor;
        }
        ridge = (10.0 * ridge).max(1e-7 * largest_diagonal(&matrix));
        if ridge.is_nan() || ridge > HOPELESS * largest {
            break;
        }
    }
    with_all_raised(matrix, l2.max(1e-7 * largest))
}

/// The factor of `matrix` + r·I for the first r = `ridge`, 10·`ridge`, … that has one; of the
/// identity where no multiple of it outweighs the entries.
fn with_all_raised<T: Scalar>(matrix: &Mat<T>, mut ridge: f64) -> Llt<T> {
    let n = matrix.nrows();
    while T::from_f64(ridge).to_f64().is_finite() {
        let mut matrix = matrix.clone();
        for j in 0..n {
            matrix[(j, j)] += T::from_f64(ridge);
        }
        if let Ok(factor) = matrix.llt(Side::Lower) {
            return factor;
        }
        ridge *= 10.0;
    }
    let identity = Mat::<T>::identity(n, n);
    identity.llt(Side::Lower).expect("the identity is positive definite")
}

fn largest_diagonal<T: Scalar>(matrix: &Mat<T>) -> f64 {
    let diagonal = (0..matrix.nrows()).map(|j| matrix[(j, j)].to_f64());
    diagonal.fold(f64::MIN_POSITIVE, f64::max)
}

/// L⁻¹ by rows.
fn inverse_factor<T: Scalar>(factor: &Llt<T>) -> Matrix<'static, T> {
    let n = factor.L().nrows();
    let mut inverse = Mat::<T>::zeros(n, n);
    faer::linalg::triangular_inverse::invert_lower_triangular(
        inverse.as_mut(),
        factor.L(),
        Par::Seq,
    );
    let values = (0..n * n).map(|at| inverse[(at / n, at % n)]).collect::<Vec<_>>();
    let mut inverse_factor = Matrix::dense(n, n, values);
    inverse_factor.diagonal = 1;
    inverse_factor
}

/// M⁻¹·q where M⁻¹ takes all classes at once, `k` coefficients each.
fn times_all<T: Scalar>(inverse: &Mat<T>, k: usize, q: &Columns) -> Columns {
    let place = |at: usize| (at / k / LANES * k + at % k, at / k % LANES);
    let n = inverse.nrows();
    let right = Mat::from_fn(n, 1, |at, _| {
        let (row, lane) = place(at);
        T::from_f64(q[row][lane])
    });
    let mut product = Mat::<T>::zeros(n, 1);
    matmul(product.as_mut(), Accum::Replace, inverse, right, T::from_f64(1.0), Par::Seq);
    let mut out = vec![[0.0; LANES]; q.len()];
    for at in 0..n {
        let (row, lane) = place(at);
        out[row][lane] = product[(at, 0)].to_f64();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve examples with three features and a first column of ones, of four classes of
    /// which the last has no example.
    fn problem() -> (Matrix<'static, f64>, Vec<u8>, Columns) {
        let (n, k) = (12, 4);
        let value = |i: usize, j: usize| ((5 * i + 3 * j) % 7) as f64 - 3.0;
        let values = (0..n * k)
            .map(|at| if at % k == 0 { 1.0 } else { value(at / k, at % k) })
            .collect::<Vec<f64>>();
        let labels = (0..n).map(|i| (i % 3) as u8).collect();
        let logits = (0..n)
            .map(|i| std::array::from_fn(|c| ((2 * i + c) % 5) as f64 / 2.0))
            .collect();
        (Matrix::dense(n, k, values), labels, logits)
    }

    #[test]
    fn the_hessian_is_that_of_the_definition() {
        let (a, labels, logits) = problem();
        let targets = Targets::new(&labels, 4, |i| i != 5);
        let p = targets.probabilities(&logits);
        let found = hessian(&a, &targets, &p);
        let expected = |row: usize, column: usize| -> f64 {
            let [(c, j), (d, l)] = [row, column].map(|at| (at / 4, at % 4));
            let terms = (0..12).map(|i| {
                let own = if c == d { p[i][c] } else { 0.0 };
                let curvature = own - p[i][c] * p[i][d];
                targets.weights[i] * curvature * a.row(i)[j] * a.row(i)[l]
            });
            terms.sum()
        };
        let largest = (0..16).map(|j| expected(j, j)).fold(0.0, f64::max);
        for row in 0..16 {
            for column in 0..=row {
                let are_biases = row % 4 == 0 && column % 4 == 0;
                let is_pinned = are_biases && (row < 12 || row == column);
                let pin = if is_pinned { largest } else { 0.0 };
                let error = found[(row, column)] - pin - expected(row, column);
                assert!(error.abs() < 1e-14, "{row}, {column}: off by {error}");
            }
        }
    }

    #[test]
    fn examples_that_are_left_out_are_not_sampled() {
        // Every fifth of 400 examples is left out, and every fifth would be taken.
        let (n, k) = (400, 10);
        let value =
            |at: usize| if at.is_multiple_of(k) { 1.0 } else { ((at * at) % 11) as f64 };
        let a = Matrix::dense(n, k, (0..n * k).map(value).collect::<Vec<f64>>());
        let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
        let targets = Targets::new(&labels, 4, |i| i % 5 > 0);
        let p = targets.probabilities(&vec![[0.0; LANES]; n]);
        let hessian = hessian(&a, &targets, &p);
        // The two classes have half of the probability each.
        assert!((hessian[(0, 0)] - hessian[(k, k)]).abs() < 1e-12);
        assert!(hessian[(0, 0)] > 0.25);
    }

    #[test]
    fn a_step_in_the_metric_of_all_classes_is_newtons() {
        // (H + λ)·x = q where x has weights alone, which are not pinned.
        let (a, labels, logits) = problem();
        let targets = Targets::new(&labels, 4, |_| true);
        let p = targets.probabilities(&logits);
        let metric = Metric::at(&a, &targets, (0.1, 0.0), &p);
        let hessian = hessian(&a, &targets, &p);
        let x = |at: usize| if at.is_multiple_of(4) { 0.0 } else { at as f64 };
        let mut q = vec![[0.0; LANES]; 4];
        for row in 0..16 {
            let terms = (0..16).map(|column| {
                let ridge = if row == column { 0.1 } else { 0.0 };
                (hessian[(row.max(column), row.min(column))] + ridge) * x(column)
            });
            q[row % 4][row / 4] = terms.sum();
        }
        let found = metric.solve(&q);
        for at in 0..16 {
            let found = found[at % 4][at / 4];
            assert!((found - x(at)).abs() < 1e-4, "{at}: {found}");
        }
    }
}
