//! How much layers move within a window, and whether deep ones move more (section 5).

use super::axis::weights;
use super::matrix::Matrix;

/// What rounding may add to a window.
const ROUNDING: f64 = 1e-9;
/// Layers up to this relative depth are shallow; those from one minus this on are deep.
const QUARTER: f64 = 0.25;

/// Movement of a layer between log times `lo` and `hi`: the mean angle between its
/// checkpoints in the window, in radians,
///
/// ```text
/// Σ_{i<j} wᵢwⱼ arccos Sᵢⱼ / Σ_{i<j} wᵢwⱼ          S clipped to [0, 1]
/// ```
///
/// with the weights of the whole axis. A metric, comparable between layers of any dimension
/// for debiased CKA. NaN with fewer than two checkpoints in the window. Cost O(T²).
pub fn movement(s: &Matrix, x: &[f64], lo: f64, hi: f64) -> f64 {
    let w = weights(x);
    let inside = lo - ROUNDING..=hi + ROUNDING;
    let rows: Vec<usize> = (0..x.len()).filter(|&i| inside.contains(&x[i])).collect();
    let (mut angles, mut total) = (0.0, 0.0);
    for (at, &i) in rows.iter().enumerate() {
        for &j in &rows[at + 1..] {
            angles += w[i] * w[j] * s.at(i, j).clamp(0.0, 1.0).acos();
            total += w[i] * w[j];
        }
    }
    angles / total
}

/// Mean of `values` over the first and over the deepest quarter of the layers, which are
/// evenly spaced in depth.
///
/// # Panics
/// Without layers.
pub fn shallow_and_deep(values: &[f64]) -> [f64; 2] {
    assert!(!values.is_empty(), "layers in the order of depth");
    let last = (values.len() - 1).max(1) as f64;
    let mean = |inside: &dyn Fn(f64) -> bool| {
        let chosen: Vec<f64> = values
            .iter()
            .enumerate()
            .filter(|(l, _)| inside(*l as f64 / last))
            .map(|(_, value)| *value)
            .collect();
        chosen.iter().sum::<f64>() / chosen.len() as f64
    };
    [
        mean(&|depth| depth <= QUARTER + ROUNDING),
        mean(&|depth| depth >= 1.0 - QUARTER - ROUNDING),
    ]
}

/// C: the mean over the deepest quarter of the layers less that over the first.
///
/// # Panics
/// Without layers.
pub fn depth_contrast(values: &[f64]) -> f64 {
    let [shallow, deep] = shallow_and_deep(values);
    deep - shallow
}

/// Do deep layers move more than in a control, and beyond proportion?
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DepthEffect {
    /// C of the run less C of the control, in radians. It rises with certainty if *all*
    /// layers move more by the same factor.
    pub contrast: f64,
    /// L = ln(deep/deep control) − ln(shallow/shallow control), which does not.
    pub beyond_proportion: f64,
}

impl DepthEffect {
    /// *Shapes* `run`, `control`: `[layers]`, in the order of depth.
    ///
    /// # Panics
    /// Without layers.
    pub fn of(run: &[f64], control: &[f64]) -> Self {
        let [a, b] = [run, control].map(shallow_and_deep);
        let ratio = |at: usize| (a[at] / b[at]).ln();
        Self {
            contrast: (a[1] - a[0]) - (b[1] - b[0]),
            beyond_proportion: ratio(1) - ratio(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_factor_raises_the_contrast_but_not_beyond_proportion() {
        let control = [0.1, 0.12, 0.2, 0.3, 0.4];
        let run = control.map(|movement| 1.4 * movement);
        let effect = DepthEffect::of(&run, &control);
        assert!(effect.contrast > 0.05);
        assert!(effect.beyond_proportion.abs() < 1e-12);
    }
}
