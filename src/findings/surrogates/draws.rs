//! Draws of surrogate paths and the fluctuations of their curves (section 1.3, step 5).

use rayon::prelude::*;

use super::model::PathModel;
use super::normals::Normals;
use crate::findings::curves::{Speedometer, log_speed, roughness2};
use crate::findings::defaults::H;
use crate::findings::matrix::Matrix;

/// What a path without boundaries shows around its own mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Fluctuations {
    /// Of the log speed: one series over the cuts per draw.
    pub log_speed: Vec<Vec<f64>>,
    /// Of the log roughness: one series over the checkpoints 1 … T − 2 per draw.
    pub log_roughness: Vec<Vec<f64>>,
    /// The model that they are drawn from.
    pub model: PathModel,
}

/// Draws surrogates of the path with squared distances `d2` at log times `x`.
///
/// The random numbers are those of the stream named `stream`, standard normals in the order
/// draw, checkpoint, coordinate: first the jitter of all draws, then their drift. Results are
/// the same bytes at any number of threads. `inflate` multiplies the fluctuations: 1 for CKA
/// and RBF, 1.3 for decision regions, by simulation.
///
/// Cost: `draws`·T·2d normal numbers and `draws`·T²·d multiply-adds; T = 41, d = 200 and 399
/// draws take about 0.2 s on one core.
///
/// # Panics
/// With fewer than eight checkpoints, or where a distance is not finite.
pub fn fluctuations(
    d2: &Matrix,
    x: &[f64],
    stream: &str,
    draws: usize,
    inflate: f64,
) -> Fluctuations {
    assert!(d2.is_finite(), "surrogates of a path whose distances are all defined");
    let model = PathModel::of(d2, x);
    let path = Paths::new(&model, stream, draws);
    let speedometer = Speedometer::new(x, H, model.hurst);
    let curves: Vec<(Vec<f64>, Vec<f64>)> = (0..draws)
        .into_par_iter()
        .map(|draw| {
            let distances = path.distances(draw);
            let y = log_speed(&speedometer.speed2(&distances));
            let r2 = roughness2(&distances, x);
            (y, r2.iter().map(|r2| 0.5 * r2.ln()).collect())
        })
        .collect();
    let (y, z): (Vec<_>, Vec<_>) = curves.into_iter().unzip();
    Fluctuations {
        log_speed: around_mean(y, inflate),
        log_roughness: around_mean(z, inflate),
        model,
    }
}

/// Subtracts the mean over all series from each, and multiplies by `inflate`.
fn around_mean(mut series: Vec<Vec<f64>>, inflate: f64) -> Vec<Vec<f64>> {
    let mut mean = vec![0.0; series.first().map_or(0, Vec::len)];
    for one in &series {
        mean.iter_mut().zip(one).for_each(|(mean, value)| *mean += value);
    }
    let n = series.len() as f64;
    for one in &mut series {
        for (value, mean) in one.iter_mut().zip(&mean) {
            *value = inflate * (*value - mean / n);
        }
    }
    series
}

/// Random paths of a model.
struct Paths<'a> {
    model: &'a PathModel,
    /// Cholesky factor of the drift's covariance per coordinate, row by row.
    factor: Vec<f64>,
    normals: Normals,
    draws: usize,
}

impl<'a> Paths<'a> {
    fn new(model: &'a PathModel, stream: &str, draws: usize) -> Self {
        let (covariance, n) = (&model.covariance, model.covariance.n());
        let trace: f64 = (0..n).map(|i| covariance.at(i, i)).sum();
        // The first checkpoint does not move, and a straight line has rank one.
        let ridge = 1e-8 * trace / n as f64 + 1e-12;
        let mut factor = cholesky(covariance, ridge);
        let per_coordinate = (model.drift_dimension as f64).sqrt();
        factor.iter_mut().for_each(|value| *value /= per_coordinate);
        Self { model, factor, normals: Normals::new(stream), draws }
    }

    /// Squared distances between the checkpoints of path number `draw`.
    fn distances(&self, draw: usize) -> Matrix {
        let path = self.path(draw);
        let d = self.model.jitter_dimension;
        let n = path.len() / d;
        let mut distances = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..i {
                let between = squared_distance(&path[i * d..][..d], &path[j * d..][..d]);
                (distances[i * n + j], distances[j * n + i]) = (between, between);
            }
        }
        Matrix::new(n, distances)
    }

    /// The path of one draw: jitter in d coordinates, and drift in the first d₁ of them.
    ///
    /// *Shapes* result: `[T, d]`.
    fn path(&self, draw: usize) -> Vec<f64> {
        let (n, d) = (self.model.jitter2.len(), self.model.jitter_dimension);
        let drift = self.model.drift_dimension;
        let mut path = vec![0.0; n * d];
        self.normals.fill(draw * n * d, &mut path);
        for (row, jitter2) in path.chunks_mut(d).zip(&self.model.jitter2) {
            let sd = (jitter2 / d as f64).sqrt();
            row.iter_mut().for_each(|value| *value *= sd);
        }
        let mut steps = vec![0.0; n * drift];
        self.normals.fill((self.draws * d + draw * drift) * n, &mut steps);
        for (i, row) in path.chunks_mut(d).enumerate() {
            // [1, i + 1] · [i + 1, d₁] -> [1, d₁]
            for (weight, step) in
                self.factor[i * n..=i * n + i].iter().zip(steps.chunks(drift))
            {
                for (value, step) in row.iter_mut().zip(step) {
                    *value += weight * step;
                }
            }
        }
        path
    }
}

/// Lower triangular L with L Lᵀ = A + `ridge`·1, row by row. Cost O(T³).
fn cholesky(a: &Matrix, ridge: f64) -> Vec<f64> {
    let n = a.n();
    let mut l = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            let rest = a.at(i, j) + if i == j { ridge } else { 0.0 } - dot;
            l[i * n + j] = if i == j { rest.sqrt() } else { rest / l[j * n + j] };
        }
    }
    l
}

/// ‖a − b‖² in eight partial sums, which vector registers add side by side.
fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 =
        a.remainder().iter().zip(b.remainder()).map(|(a, b)| (a - b).powi(2)).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += (a[lane] - b[lane]).powi(2);
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_the_covariance_of_their_model() {
        const DRAWS: usize = 10_000;
        let (n, d) = (9, 5);
        let model = PathModel {
            hurst: 0.5,
            covariance: Matrix::from_fn(n, |i, j| 0.1 * i.min(j) as f64),
            jitter2: (0..n).map(|i| 0.05 + 0.02 * i as f64).collect(),
            drift_dimension: 3,
            jitter_dimension: d,
        };
        let paths = Paths::new(&model, "covariance", DRAWS);
        let mut sums = vec![[0.0; 2]; n * n];
        for draw in 0..DRAWS {
            let path = paths.path(draw);
            for (at, sum) in sums.iter_mut().enumerate() {
                let (a, b) = (&path[at / n * d..][..d], &path[at % n * d..][..d]);
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                *sum = [sum[0] + product, sum[1] + product * product];
            }
        }
        for (at, [sum, squares]) in sums.into_iter().enumerate() {
            let (i, j) = (at / n, at % n);
            let jitter = if i == j { model.jitter2[i] } else { 0.0 };
            let expected = model.covariance.at(i, j) + jitter;
            let mean = sum / DRAWS as f64;
            let se = ((squares / DRAWS as f64 - mean * mean) / DRAWS as f64).sqrt();
            assert!(
                (mean - expected).abs() < 4.0 * se,
                "{i}, {j}: {mean}, not {expected}"
            );
        }
    }
}
