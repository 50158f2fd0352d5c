//! The ridge classifier: least squares on ±1 targets with an L2 penalty, in closed form.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, Par};

use super::product::{Columns, LANES, Scalar, n_blocks};
use super::softmax::Targets;
use super::solver::{Problem, Solution, dot};

/// Minimizes, for each class c on its own,
///
/// ```text
/// ½·Σᵢ ωᵢ·(aᵢ·θ_c − y_ic)² + λ/2·‖w_c‖²,   y_ic = 1 where the label is c, else −1
/// ```
/// with the bias free, by one Cholesky factorization of Aᵀ·diag(ω)·A + λ for all classes.
/// It is `sklearn.linear_model.RidgeClassifier` with α = n·λ. A matrix that rounding has
/// made indefinite (λ of 10⁻¹⁵ of the features' size) leaves θ = 0, not converged.
///
/// *Cost* n·k² + k³/3 multiply-adds in f64 for k columns.
pub(super) fn solve<T: Scalar>(problem: &Problem<'_, T>) -> Solution {
    let (a, targets) = (problem.features, &problem.targets);
    let (n, k, n_classes) = (a.n_rows, a.n_columns, targets.n_classes);
    let root: Vec<f64> = targets.weights.iter().map(|weight| weight.sqrt()).collect();
    let rows = Mat::from_fn(n, k, |i, j| a.values[i * k + j].to_f64() * root[i]);
    let wanted = Mat::from_fn(n, n_classes, |i, c| target(targets, i, c) * root[i]);
    let mut normal = Mat::<f64>::zeros(k, k);
    matmul(
        normal.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        rows.transpose(),
        BlockStructure::Rectangular,
        &rows,
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
    for j in 1..k {
        normal[(j, j)] += problem.l2;
    }
    let factor = normal.llt(faer::Side::Lower);
    let mut theta: Columns = vec![[0.0; LANES]; n_blocks(n_classes) * k];
    if let Ok(factor) = &factor {
        let right = faer::linalg::matmul::matmul;
        let mut product = Mat::<f64>::zeros(k, n_classes);
        right(product.as_mut(), Accum::Replace, rows.transpose(), &wanted, 1.0, Par::Seq);
        factor.solve_in_place(&mut product);
        for class in (0..n_classes).filter(|&class| targets.is_active(class)) {
            for j in 0..k {
                theta[class / LANES * k + j][class % LANES] = product[(j, class)];
            }
        }
    }
    end(problem, theta, factor.is_ok())
}

fn target(targets: &Targets<'_>, i: usize, class: usize) -> f64 {
    if usize::from(targets.labels[i]) == class { 1.0 } else { -1.0 }
}

/// Objective and gradient at θ, over the classes that have an example.
fn end<T: Scalar>(problem: &Problem<'_, T>, theta: Columns, solved: bool) -> Solution {
    let targets = &problem.targets;
    let (n, k) = (problem.features.n_rows, problem.features.n_columns);
    let logits = problem.features.times(&theta);
    let mut residuals = vec![[0.0; LANES]; logits.len()];
    let mut objective = 0.0;
    for class in (0..targets.n_classes).filter(|&class| targets.is_active(class)) {
        let (block, lane) = (class / LANES, class % LANES);
        for i in 0..n {
            let residual = logits[block * n + i][lane] - target(targets, i, class);
            residuals[block * n + i][lane] = targets.weights[i] * residual;
            objective += 0.5 * targets.weights[i] * residual * residual;
        }
    }
    let gradient = problem.gradient(&theta, &residuals);
    for block in theta.chunks(k) {
        objective += 0.5 * problem.l2 * dot(&block[1..], &block[1..]);
    }
    Solution { theta, logits, gradient, objective, iterations: 1, converged: solved }
}
