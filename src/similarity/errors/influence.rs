//! Standard errors of functions of singular values: the infinitesimal jackknife.
//!
//! Leaving an example out moves a similarity θ by about its influence over n, the derivative
//! of θ by the example's weight. Influences of all examples come from one singular value
//! decomposition, where the delete-one jackknife takes n of them; and they stay right where
//! there are not many more examples than features, where the jackknife of canonical
//! correlations is several times too large (`tests/it/measures/errors.rs`).

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use crate::similarity::gram::dot::transposed_product;

/// Singular values below this fraction of the largest are the rounding of f32 signatures:
/// their directions have no derivative.
const NOTHING_BELOW: f64 = f32::EPSILON as f64;

/// Two representations' examples along the directions that match each other.
pub(crate) struct Matched {
    /// Singular values σ of `AᵀB`, falling, those of rounding left out; `[k]`.
    pub values: Vec<f64>,
    /// All singular values summed, and the sum of their squares.
    pub sums: (f64, f64),
    /// A·W, B·Z for the singular vectors W, Z: `[n, k]` each.
    pub first: Mat<f64>,
    pub second: Mat<f64>,
    /// W, those of rounding too, `[p, min(p, q)]`.
    pub directions: Mat<f64>,
}

/// The singular values of `AᵀB`.
///
/// *Shapes* `a: [n, p]`, `b: [n, q]`.
///
/// # Panics
/// If the decomposition does not converge on finite numbers.
pub(crate) fn singular_values(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Vec<f64> {
    transposed_product(a, b).singular_values().expect("those of a finite matrix")
}

impl Matched {
    /// *Shapes* `a: [n, p]`, `b: [n, q]`.
    ///
    /// Cost 2n·p·q + n·q² multiply-adds (p ≥ q) and a singular value decomposition `[p, q]`.
    ///
    /// # Panics
    /// If the decomposition does not converge on finite numbers.
    pub(crate) fn of(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Self {
        let svd = transposed_product(a, b)
            .thin_svd()
            .expect("a decomposition of a finite matrix");
        let all: Vec<f64> = svd.S().column_vector().iter().copied().collect();
        let least = all.first().map_or(0.0, |largest| largest * NOTHING_BELOW);
        let k = all.iter().take_while(|value| **value > least).count();
        let along = |x: MatRef<'_, f64>, directions: MatRef<'_, f64>| {
            // [n, p] · [p, k] -> [n, k]
            let mut turned = Mat::zeros(x.nrows(), k);
            let directions = directions.subcols(0, k);
            matmul(&mut turned, Accum::Replace, x, directions, 1.0, Par::Seq);
            turned
        };
        let sums = (all.iter().sum(), all.iter().map(|value| value * value).sum());
        let (first, second) = (along(a, svd.U()), along(b, svd.V()));
        let directions = svd.U().to_owned();
        Self { values: all[..k].to_vec(), sums, first, second, directions }
    }

    /// For each example `Σ_i f(i, h_i, g_i)` over the directions, h and g its coordinates.
    pub(crate) fn per_example(&self, f: impl Fn(usize, f64, f64) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.first.nrows()];
        for i in 0..self.values.len() {
            let columns = self.first.col(i).iter().zip(self.second.col(i).iter());
            for (sum, (&h, &g)) in sums.iter_mut().zip(columns) {
                *sum += f(i, h, g);
            }
        }
        sums
    }
}

/// The influence over n of an example with canonical variates h and g of unit norm on their
/// correlation ρ (Romanazzi 1992).
pub(crate) fn on_correlation(rho: f64, h: f64, g: f64) -> f64 {
    h * g - rho * f64::midpoint(h * h, g * g)
}

/// The standard error over n examples whose influences over n are given: √(n/(n−1)·Σφ²) for
/// these φ, whose sum is 0.
pub(crate) fn standard_error(influences: &[f64]) -> f64 {
    let n = influences.len() as f64;
    (influences.iter().map(|f| f * f).sum::<f64>() * n / (n - 1.0)).sqrt()
}
