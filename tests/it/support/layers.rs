//! Made-up layers, and helpers of the tests of measures; each test uses some of them.
#![allow(dead_code)]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stratagram::similarity::{EpochMatrix, Measure, Settings};

/// Tolerance of f32 features and products against f64.
pub(crate) const TOLERANCE: f64 = 1e-5;

#[track_caller]
pub(crate) fn assert_close(actual: f64, expected: f64, tolerance: f64, what: &str) {
    let difference = (actual - expected).abs();
    assert!(
        difference <= tolerance,
        "{what}: {actual} is not {expected}; they differ by {difference:e} > {tolerance:e}"
    );
}

pub(crate) fn compare(
    layers: &[&[f32]],
    n: usize,
    measure: Measure,
    settings: &Settings,
) -> EpochMatrix {
    let signatures: Vec<_> =
        layers.iter().map(|x| measure.signature(x, n, x.len() / n, settings)).collect();
    let signatures: Vec<_> =
        signatures.iter().map(|s| s.as_deref().map_err(|&reason| reason)).collect();
    measure.matrix(&signatures, n, settings)
}

/// X, Y and W of the golden example of docs/CONFORMANCE.md, values computed in f64.
pub(crate) fn golden() -> [Vec<f64>; 3] {
    let at = |p: usize, f: fn(usize, usize) -> f64| -> Vec<f64> {
        (0..12 * p).map(|k| f(k / p, k % p)).collect()
    };
    [
        at(4, |i, j| ((7 * i + 3 * j + i * j) % 11) as f64 / 10.0),
        at(3, |i, j| ((5 * i + 8 * j + i * i) % 13) as f64 / 12.0),
        at(5, |i, j| ((3 * i + 5 * j + i * i * j) % 7) as f64 / 6.0),
    ]
}

pub(crate) fn gaussian(n: usize, p: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    (0..n * p).map(|_| normal()).collect()
}

/// Two related representations of unequal variances, [n, p] each.
pub(crate) fn related(n: usize, p: usize) -> [Vec<f64>; 2] {
    let x: Vec<f64> = gaussian(n, p, 1)
        .iter()
        .enumerate()
        .map(|(k, x)| x * (1.0 + (k % p) as f64))
        .collect();
    let noise = gaussian(n, p, 2);
    let y = x.iter().zip(noise).map(|(x, e)| x + 3.0 * e).collect();
    [x, y]
}

pub(crate) fn rounded(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

/// √((n−1)/n · Σ (`θ_m` − mean)²).
pub(crate) fn jackknife(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    ((n - 1.0) / n * squares).sqrt()
}

/// Song et al.'s estimator in three terms.
pub(crate) fn hsic1(x: &[f32], y: &[f32], n: usize) -> f64 {
    let gram = |x: &[f32]| -> Vec<f64> {
        let p = x.len() / n;
        let at = |i: usize, c: usize| f64::from(x[i * p + c]);
        (0..n * n)
            .map(|k| {
                let (i, j) = (k / n, k % n);
                if i == j { 0.0 } else { (0..p).map(|c| at(i, c) * at(j, c)).sum() }
            })
            .collect()
    };
    let (k, l) = (gram(x), gram(y));
    let size = n as f64;
    let row = |m: &[f64], i: usize| m[i * n..][..n].iter().sum::<f64>();
    let trace: f64 = k.iter().zip(&l).map(|(a, b)| a * b).sum();
    let rows: f64 = (0..n).map(|i| row(&k, i) * row(&l, i)).sum();
    let sums = k.iter().sum::<f64>() * l.iter().sum::<f64>();
    (trace + sums / ((size - 1.0) * (size - 2.0)) - 2.0 / (size - 2.0) * rows)
        / (size * (size - 3.0))
}

/// X·M for M [p, q].
pub(crate) fn times(x: &[f64], m: &[f64], p: usize) -> Vec<f64> {
    let q = m.len() / p;
    x.chunks(p)
        .flat_map(|row| {
            (0..q).map(move |c| row.iter().zip(m.chunks(q)).map(|(x, m)| x * m[c]).sum())
        })
        .collect()
}

/// A random orthogonal matrix, by Gram-Schmidt.
pub(crate) fn orthogonal(p: usize) -> Vec<f64> {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for draw in gaussian(p, p, 3).chunks(p) {
        let mut row = draw.to_vec();
        for _ in 0..2 {
            for other in &rows {
                let along: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let norm = row.iter().map(|a| a * a).sum::<f64>().sqrt();
        rows.push(row.iter().map(|a| a / norm).collect());
    }
    rows.concat()
}
