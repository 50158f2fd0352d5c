//! Simulated paths of representations: [T, n, p] with known boundaries, or none.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stratagram::findings::Matrix;
use stratagram::similarity::{Estimator, cka};

/// Examples and features of a representation.
pub(super) const N: usize = 80;
pub(super) const P: usize = 24;
/// Points of the fine time axis on which speeds are integrated.
const FINE: usize = 2001;

pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(super) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    pub(super) fn normals(&mut self, n: usize) -> Vec<f64> {
        let mut values = vec![];
        while values.len() < n {
            let (u, v): (f64, f64) = (1.0 - self.0.random::<f64>(), self.0.random());
            let (sin, cos) = (std::f64::consts::TAU * v).sin_cos();
            let radius = (-2.0 * u.ln()).sqrt();
            values.extend([radius * cos, radius * sin]);
        }
        values.truncate(n);
        values
    }
}

/// The 41 checkpoints of the tool's list up to epoch 300: 0 … 10, then by a factor 1.12.
pub(super) fn epochs() -> Vec<f64> {
    let mut list: Vec<u32> = (0..=10).collect();
    list.extend((1..).map(|i| (10.0 * 1.12_f64.powi(i)) as u32).take_while(|&e| e < 300));
    list.push(300);
    list.dedup();
    if (301.0 / f64::from(list[list.len() - 2] + 1)).ln() < 0.03 {
        list.remove(list.len() - 2);
    }
    list.into_iter().map(f64::from).collect()
}

/// How far along its path a layer is at each log time: the integral of `speed`, from 0 to 1.
pub(super) fn along(x: &[f64], speed: impl Fn(f64) -> f64) -> Vec<f64> {
    let (first, last) = (x[0], x[x.len() - 1]);
    let dx = (last - first) / (FINE - 1) as f64;
    let mut sums = vec![0.0];
    for k in 1..FINE {
        let at = first + (k as f64 - 0.5) * dx;
        sums.push(sums[k - 1] + speed(at) * dx);
    }
    let total = sums[FINE - 1];
    x.iter().map(|x| sums[((x - first) / dx).round() as usize] / total).collect()
}

/// A Gaussian path at positions `s` in `q` random directions: fractional Brownian motion of
/// the given Hurst exponent (0.5: diffusion).
fn motion(s: &[f64], hurst: f64, q: usize, random: &mut Random) -> Vec<Vec<f64>> {
    let power = |t: f64| t.abs().powf(2.0 * hurst);
    let n = s.len();
    let covariance = |i: usize, j: usize| {
        let ridge = if i == j { 1e-10 } else { 0.0 };
        0.5 * (power(s[i]) + power(s[j]) - power(s[i] - s[j])) + ridge
    };
    let mut l = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            let rest: f64 = covariance(i, j) - dot;
            l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
        }
    }
    let z: Vec<Vec<f64>> = (0..n).map(|_| random.normals(q)).collect();
    let coordinate = |row: &[f64], k: usize| {
        row.iter().zip(&z).map(|(l, z)| l * z[k]).sum::<f64>() / (q as f64).sqrt()
    };
    l.iter().map(|row| (0..q).map(|k| coordinate(row, k)).collect()).collect()
}

/// Representations [N, P] that start at a random one of rank 8 and move as `coordinates` say
/// in random directions, with independent jitter of size `jitter` at each checkpoint; lengths
/// relative to the first representation.
fn representations(
    coordinates: &[Vec<f64>],
    jitter: &[f64],
    random: &mut Random,
) -> Vec<Vec<f32>> {
    let size = N * P;
    let unit = |mut v: Vec<f64>| {
        let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
        v.iter_mut().for_each(|v| *v /= length);
        v
    };
    let (left, right) = (random.normals(N * 8), random.normals(8 * P));
    let low_rank = |i: usize, j: usize| -> f64 {
        (0..8).map(|k| left[i * 8 + k] * right[k * P + j]).sum()
    };
    let base = unit((0..size).map(|at| low_rank(at / P, at % P)).collect());
    let q = coordinates[0].len();
    let directions: Vec<Vec<f64>> = (0..q).map(|_| unit(random.normals(size))).collect();
    let rows = coordinates.iter().zip(jitter).map(|(coordinates, jitter)| {
        let mut x = random.normals(size);
        let scatter = jitter / (size as f64).sqrt();
        x.iter_mut().zip(&base).for_each(|(x, base)| *x = *x * scatter + base);
        for (c, direction) in coordinates.iter().zip(&directions) {
            x.iter_mut().zip(direction).for_each(|(x, d)| *x += c * d);
        }
        x.into_iter().map(|x| x as f32).collect::<Vec<f32>>()
    });
    rows.collect()
}

/// Their debiased CKA.
fn cka_of(coordinates: &[Vec<f64>], jitter: &[f64], random: &mut Random) -> Matrix {
    similarity(&representations(coordinates, jitter, random), N, P)
}

/// Debiased CKA of representations [n, p].
pub(super) fn similarity(rows: &[Vec<f32>], n: usize, p: usize) -> Matrix {
    let signatures: Vec<_> =
        rows.iter().map(|x| cka::signature(x, n, p, Estimator::Debiased)).collect();
    let signatures: Vec<_> =
        signatures.iter().map(|s| s.as_deref().map_err(|&reason| reason)).collect();
    let matrix = cka::matrix(&signatures, n, Estimator::Debiased);
    Matrix::new(matrix.n_epochs, matrix.values)
}

/// N2: Brownian motion of constant speed.
pub(super) fn constant_diffusion(x: &[f64], random: &mut Random) -> Matrix {
    similarity(&drifting(x, random), N, P)
}

/// The representations of N2.
pub(super) fn drifting(x: &[f64], random: &mut Random) -> Vec<Vec<f32>> {
    let path = motion(&along(x, |_| 1.0), 0.5, 200, random);
    representations(&path, &vec![0.0; x.len()], random)
}

/// N4: fractional Brownian motion (0.75) in 20 dimensions, its speed decaying.
pub(super) fn decaying_persistence(x: &[f64], random: &mut Random) -> Matrix {
    let rate = random.uniform(0.2, 0.7);
    let path = motion(&along(x, |x| (-rate * x).exp()), 0.75, 20, random);
    cka_of(&path, &vec![0.0; x.len()], random)
}

/// A1: two switches at random times (log time), a fifth of the path as slow diffusion.
pub(super) fn two_switches(x: &[f64], random: &mut Random) -> (Matrix, [f64; 2]) {
    let (rows, at) = switching(x, random);
    (similarity(&rows, N, P), at)
}

/// The representations of A1.
pub(super) fn switching(x: &[f64], random: &mut Random) -> (Vec<Vec<f32>>, [f64; 2]) {
    let at = two_times(x, random);
    let passed = |x: f64| at.iter().filter(|&&at| x > at).count() as f64;
    let span = x[x.len() - 1] - x[0];
    let s: Vec<f64> = x.iter().map(|x| 0.2 * x / span + 0.4 * passed(*x)).collect();
    let path = motion(&s, 0.5, 200, random);
    (representations(&path, &vec![0.05; x.len()], random), at)
}

/// N7: a straight path of decaying speed whose jitter falls twelvefold at a random time.
pub(super) fn settling(x: &[f64], random: &mut Random) -> (Matrix, f64) {
    let at = random.uniform(x[0] + 1.5, x[x.len() - 1] - 1.2);
    let rate = random.uniform(0.2, 0.7);
    let path: Vec<Vec<f64>> =
        along(x, |x| (-rate * x).exp()).into_iter().map(|s| vec![s]).collect();
    let jitter: Vec<f64> =
        x.iter().map(|&x| if x < at { 0.2 } else { 0.2 / 12.0 }).collect();
    (cka_of(&path, &jitter, random), at)
}

/// Two random times, away from the ends and from each other.
fn two_times(x: &[f64], random: &mut Random) -> [f64; 2] {
    let (first, last) = (x[0] + 1.2, x[x.len() - 1] - 0.9);
    loop {
        let mut at = [(); 2].map(|()| random.uniform(first, last));
        at.sort_by(f64::total_cmp);
        if at[1] - at[0] > 1.2 {
            return at;
        }
    }
}
