//! The two curves of a layer over log time, speed and roughness, and jitter (section 1.2).
//!
//! All are exact algebra on squared distances D²ᵢⱼ of unit vectors gᵢ; the vectors
//! themselves are never needed.

use super::axis::{Window, cut_times, windows};
use super::matrix::{Matrix, Sums};

/// Cuts have at least this many checkpoints on both sides.
const LEAST: usize = 2;
/// Squared distances from a line below this are rounding.
const ROUNDING: f64 = 1e-12;
/// Share of the mean squared speed below which a layer is at rest: a tenth of the root mean
/// square.
const FLOOR: f64 = 0.01;

/// Measures squared speeds on one time axis: the windows of its cuts, and what a path that
/// moves by |xᵢ − xⱼ|ᴴ gives in each of them.
///
/// # Example
/// A straight path of speed 3 has exactly that speed at every cut, whatever the spacing:
/// ```
/// use stratagram::findings::{Matrix, curves::Speedometer};
/// let x = [0.0, 0.7, 1.1, 1.2, 1.9, 2.5];
/// let d2 = Matrix::from_fn(6, |i, j| (3.0 * (x[i] - x[j]) as f64).powi(2));
/// let v2 = Speedometer::new(&x, 0.7, 1.0).speed2(&d2);
/// assert!(v2.iter().all(|v2| (v2 - 9.0).abs() < 1e-12));
/// ```
#[derive(Debug, Clone)]
pub struct Speedometer {
    windows: Vec<Window>,
    times: Vec<f64>,
    units: Vec<f64>,
}

impl Speedometer {
    /// For the log times `x`, windows of length `h` and paths of Hurst exponent `hurst`
    /// (1: straight; 0.5: diffusive). Cost O(T²).
    pub fn new(x: &[f64], h: f64, hurst: f64) -> Self {
        let windows = windows(x, h, LEAST);
        let unit = Matrix::from_fn(x.len(), |i, j| (x[i] - x[j]).abs().powf(2.0 * hurst));
        let sums = Sums::of(&unit);
        let units = windows.iter().map(|&w| sums.between_means(w)).collect();
        Self { times: cut_times(x, &windows), windows, units }
    }

    /// The times of the cuts.
    pub fn cut_times(&self) -> &[f64] {
        &self.times
    }

    /// The windows of the cuts.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Squared drift speed per unit of log time at each cut:
    ///
    /// ```text
    /// v²(c) = U(D²)(c) / U(|xᵢ − xⱼ|²ᴴ)(c)
    /// U(A)  = mean_{before × after} A − ½ mean_{i≠i′ before} A − ½ mean_{j≠j′ after} A
    /// ```
    ///
    /// U is the squared distance of the two windows' means without what scatters from
    /// checkpoint to checkpoint; it may be negative. Cost O(T²).
    pub fn speed2(&self, d2: &Matrix) -> Vec<f64> {
        let sums = Sums::of(d2);
        let pairs = self.windows.iter().zip(&self.units);
        pairs.map(|(&window, unit)| sums.between_means(window) / unit).collect()
    }
}

/// √max(v², 0) of each: the speed that is shown.
pub fn speed(v2: &[f64]) -> Vec<f64> {
    v2.iter().map(|v2| v2.max(0.0).sqrt()).collect()
}

/// y = ½ ln(max(v², 0) + 0.01·mean max(v², 0)): speeds below a tenth of the root mean square
/// are all "at rest".
pub fn log_speed(v2: &[f64]) -> Vec<f64> {
    let mean = v2.iter().map(|v2| v2.max(0.0)).sum::<f64>() / v2.len() as f64;
    v2.iter().map(|v2| 0.5 * (v2.max(0.0) + FLOOR * mean + 1e-300).ln()).collect()
}

/// A checkpoint i between those `lag` before and after it: where the line between the two
/// stands at its time, and what scatter and diffusion add to its distance from that line.
#[derive(Debug, Clone, Copy)]
struct Bend {
    at: usize,
    lag: usize,
    /// α, the weight of the earlier neighbor; β = 1 − α is that of the later one.
    alpha: f64,
    /// f = 1 + α² + β²: the factor of scatter.
    scatter: f64,
    /// b = LR/(L + R): the factor of diffusion, the variance of a Brownian bridge.
    bridge: f64,
}

impl Bend {
    /// All checkpoints that have neighbors at `lag`.
    fn all(x: &[f64], lag: usize) -> impl Iterator<Item = Self> {
        (lag..x.len() - lag).map(move |at| {
            let (left, right) = (x[at] - x[at - lag], x[at + lag] - x[at]);
            let (alpha, beta) = (right / (left + right), left / (left + right));
            let scatter = 1.0 + alpha.powi(2) + beta.powi(2);
            Self { at, lag, alpha, scatter, bridge: left * right / (left + right) }
        })
    }

    /// eᵢ = ‖gᵢ − (α gᵢ₋ₖ + β gᵢ₊ₖ)‖² = α Dᵢ,ᵢ₋ₖ + β Dᵢ,ᵢ₊ₖ − αβ Dᵢ₋ₖ,ᵢ₊ₖ, at least 10⁻¹².
    fn off_line(self, d2: &Matrix) -> f64 {
        let (before, after) = (self.at - self.lag, self.at + self.lag);
        let (alpha, beta) = (self.alpha, 1.0 - self.alpha);
        let e = alpha * d2.at(self.at, before) + beta * d2.at(self.at, after)
            - alpha * beta * d2.at(before, after);
        // Not `max`, which would turn an undefined distance into rounding.
        if e < ROUNDING { ROUNDING } else { e }
    }
}

/// Roughness ρ²ᵢ of the checkpoints 1 … T − 2: the squared distance from the line between the
/// neighbors, over what independent scatter gives.
///
/// ```text
/// ρ²ᵢ = ‖gᵢ − (α gᵢ₋₁ + β gᵢ₊₁)‖² / (1 + α² + β²)
/// α   = (xᵢ₊₁ − xᵢ)/(xᵢ₊₁ − xᵢ₋₁),  β = 1 − α
/// ```
///
/// It is the scatter per checkpoint plus what diffusion and curvature add between neighbors.
/// Cost O(T).
///
/// # Panics
/// With fewer than three checkpoints.
pub fn roughness2(d2: &Matrix, x: &[f64]) -> Vec<f64> {
    Bend::all(x, 1).map(|bend| bend.off_line(d2) / bend.scatter).collect()
}

/// uᵢ = bᵢ/fᵢ of the checkpoints 1 … T − 2: by how much a diffusion of unit variance per unit
/// of log time raises ρ²ᵢ.
///
/// # Panics
/// With fewer than three checkpoints.
pub fn diffusion_factor(x: &[f64]) -> Vec<f64> {
    Bend::all(x, 1).map(|bend| bend.bridge / bend.scatter).collect()
}

/// Jitter τ²ᵢ of the checkpoints 2 … T − 3: the scatter that does not grow with the time
/// step, from lags 1 and 2, at least 0.
///
/// ```text
/// e₁ = f₁ τ² + b₁ σ²,  e₂ = f₂ τ² + b₂ σ²   ⇒   τ² = (e₁b₂ − e₂b₁)/(f₁b₂ − f₂b₁)
/// ```
///
/// # Panics
/// With fewer than five checkpoints.
pub fn jitter2(d2: &Matrix, x: &[f64]) -> Vec<f64> {
    let near = Bend::all(x, 1).skip(1);
    near.zip(Bend::all(x, 2))
        .map(|(near, far)| {
            let (e1, e2) = (near.off_line(d2), far.off_line(d2));
            let scatter = e1 * far.bridge - e2 * near.bridge;
            let unit = near.scatter * far.bridge - far.scatter * near.bridge;
            if scatter / unit < 0.0 { 0.0 } else { scatter / unit }
        })
        .collect()
}
