//! Class probabilities of a block of examples and the derivatives of the log loss.
#![allow(clippy::inline_always)] // Vector code must be inlined where it is dispatched.

use pulp::Simd;
use rayon::prelude::*;

use super::product::{Columns, LANES, n_blocks};

/// Examples of one unit of work.
const BLOCK: usize = 1024;

/// What the classifier is to predict: labels and the weight of each example in the mean.
#[derive(Debug, Clone)]
pub(super) struct Targets<'a> {
    /// Class of each example.
    pub(super) labels: &'a [u8],
    /// Weights of the examples, 0 for those held out; their sum is 1.
    pub(super) weights: Vec<f64>,
    /// 1 for classes that have an example, 0 for others and for the padding.
    pub(super) active: Vec<[f64; LANES]>,
    pub(super) n_classes: usize,
}

impl<'a> Targets<'a> {
    /// Equal weights for the examples that are `included`.
    pub(super) fn new(
        labels: &'a [u8],
        n_classes: usize,
        included: impl Fn(usize) -> bool,
    ) -> Self {
        let mut active = vec![[0.0; LANES]; n_blocks(n_classes)];
        let count = (0..labels.len()).filter(|&i| included(i)).count();
        let weights = (0..labels.len())
            .map(|i| if included(i) { 1.0 / count as f64 } else { 0.0 })
            .collect();
        for (i, &label) in labels.iter().enumerate() {
            if included(i) {
                active[usize::from(label) / LANES][usize::from(label) % LANES] = 1.0;
            }
        }
        Self { labels, weights, active, n_classes }
    }

    /// Whether `class` has an example.
    pub(super) fn is_active(&self, class: usize) -> bool {
        self.active[class / LANES][class % LANES] > 0.0
    }

    /// exp(zᵢc)/Σ exp(zᵢ·) over the active classes, for logits padded `[n, n_classes]`.
    pub(super) fn probabilities(&self, logits: &Columns) -> Columns {
        let n = self.labels.len();
        let mut out = logits.clone();
        if let [active] = self.active[..] {
            out.par_chunks_mut(BLOCK)
                .for_each(|rows| pulp::Arch::new().dispatch(Softmax { rows, active }));
        } else {
            for i in 0..n {
                self.wide_softmax(i, &mut out);
            }
        }
        out
    }

    /// As [`Softmax`] where the classes need several blocks.
    fn wide_softmax(&self, i: usize, out: &mut Columns) {
        let n = self.labels.len();
        let mut largest = f64::NEG_INFINITY;
        for (block, active) in self.active.iter().enumerate() {
            largest = largest.max(maximum(&out[block * n + i], active));
        }
        let mut sum = 0.0;
        for (block, active) in self.active.iter().enumerate() {
            let row = &mut out[block * n + i];
            exponentials(row, active, largest);
            sum += row.iter().sum::<f64>();
        }
        for block in 0..self.active.len() {
            for p in &mut out[block * n + i] {
                *p /= sum;
            }
        }
    }

    /// ωᵢ·(pᵢ − yᵢ): the derivative of the loss by the logits.
    pub(super) fn residuals(&self, mut probabilities: Columns) -> Columns {
        let n = self.labels.len();
        for (i, &label) in self.labels.iter().enumerate() {
            probabilities[usize::from(label) / LANES * n + i]
                [usize::from(label) % LANES] -= 1.0;
        }
        for rows in probabilities.chunks_mut(n) {
            for (row, weight) in rows.iter_mut().zip(&self.weights) {
                for value in row {
                    *value *= weight;
                }
            }
        }
        probabilities
    }

    /// ωᵢ·mean over the classes of p·(1 − p): one curvature for each example.
    pub(super) fn curvatures(&self, probabilities: &Columns) -> Vec<f64> {
        let n = self.labels.len();
        let mut out = vec![0.0; n];
        for rows in probabilities.chunks(n) {
            for ((out, row), weight) in out.iter_mut().zip(rows).zip(&self.weights) {
                let sum: f64 = row.iter().map(|p| p * (1.0 - p)).sum();
                *out += weight * sum / self.n_classes as f64;
            }
        }
        out
    }

    /// First and second derivative of the loss along `direction`, in logits.
    pub(super) fn along(&self, probabilities: &Columns, direction: &Columns) -> [f64; 2] {
        let n = self.labels.len();
        let (mut first, mut second) = (0.0, 0.0);
        for (i, (&label, &weight)) in self.labels.iter().zip(&self.weights).enumerate() {
            let (mut mean, mut square) = (0.0, 0.0);
            for block in 0..self.active.len() {
                let p = &probabilities[block * n + i];
                let d = &direction[block * n + i];
                for lane in 0..LANES {
                    mean += p[lane] * d[lane];
                    square += p[lane] * d[lane] * d[lane];
                }
            }
            let label = usize::from(label);
            let own = direction[label / LANES * n + i][label % LANES];
            first += weight * (mean - own);
            second += weight * (square - mean * mean);
        }
        [first, second]
    }

    /// Σᵢ ωᵢ·(log Σ exp zᵢ· − zᵢ,label).
    pub(super) fn loss(&self, logits: &Columns) -> f64 {
        let n = self.labels.len();
        let mut loss = 0.0;
        for (i, (&label, &weight)) in self.labels.iter().zip(&self.weights).enumerate() {
            if weight == 0.0 {
                continue;
            }
            let value = |class: usize| logits[class / LANES * n + i][class % LANES];
            let active = (0..self.n_classes).filter(|&class| self.is_active(class));
            let largest = active.clone().map(value).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = active.map(|class| (value(class) - largest).exp()).sum();
            loss += weight * (sum.ln() + largest - value(usize::from(label)));
        }
        loss
    }
}

/// The softmax of rows of one block, in place.
struct Softmax<'a> {
    rows: &'a mut [[f64; LANES]],
    active: [f64; LANES],
}

impl pulp::WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.rows {
            let largest = maximum(row, &self.active);
            exponentials(row, &self.active, largest);
            let sum = sum(row);
            for p in row {
                *p /= sum;
            }
        }
    }
}

#[inline(always)]
fn maximum(row: &[f64; LANES], active: &[f64; LANES]) -> f64 {
    let mut lanes = [f64::NEG_INFINITY; LANES];
    for lane in 0..LANES {
        lanes[lane] = if active[lane] > 0.0 { row[lane] } else { f64::NEG_INFINITY };
    }
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            let other = lanes[lane + half];
            lanes[lane] = if other > lanes[lane] { other } else { lanes[lane] };
        }
    }
    lanes[0]
}

#[inline(always)]
fn sum(row: &[f64; LANES]) -> f64 {
    let mut lanes = *row;
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
    }
    lanes[0]
}

#[inline(always)]
fn exponentials(row: &mut [f64; LANES], active: &[f64; LANES], largest: f64) {
    for lane in 0..LANES {
        row[lane] = active[lane] * exponential(row[lane] - largest);
    }
}

/// eˣ for x ≤ 0 to 2·10⁻¹⁶ (below −708: e⁻⁷⁰⁸), in plain arithmetic, so that the compiler
/// makes vector code of it and all platforms agree.
///
/// x = k·ln 2 + r with |r| ≤ ln 2/2, eʳ by its Taylor polynomial of degree 13.
#[inline(always)]
fn exponential(x: f64) -> f64 {
    const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    // Adding 1.5·2⁵² rounds to an integer, found in the low bits of the sum.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let x = if x > -708.0 { x } else { -708.0 };
    let x = if x < 0.0 { x } else { 0.0 };
    let shifted = x * std::f64::consts::LOG2_E + SHIFT;
    let k = shifted - SHIFT;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    let mut sum = 1.0 / 6_227_020_800.0;
    let inverse_factorials = [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    for coefficient in inverse_factorials {
        sum = sum * r + coefficient;
    }
    let exponent = shifted.to_bits().wrapping_add(1023) << 52;
    sum * f64::from_bits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_agrees_with_the_library() {
        for i in 0..70_000 {
            let x = -0.01 * f64::from(i) - 0.003;
            let relative = exponential(x) / x.exp() - 1.0;
            assert!(relative.abs() < 4e-16, "e^{x}: off by {relative}");
        }
        assert_eq!(exponential(0.0).to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn probabilities_of_twenty_classes_are_those_of_the_definition() {
        // Two blocks; class 3 has no example and gets no probability.
        let labels: Vec<u8> = (0..20).filter(|&c| c != 3).collect();
        let targets = Targets::new(&labels, 20, |_| true);
        let n = labels.len();
        let mut logits = vec![[0.0; LANES]; 2 * n];
        let value = |i: usize, c: usize| ((i * 7 + c * 3) % 11) as f64 - 5.0;
        for i in 0..n {
            for c in 0..20 {
                logits[c / LANES * n + i][c % LANES] = value(i, c);
            }
        }
        let p = targets.probabilities(&logits);
        for i in 0..n {
            let total: f64 = (0..20).filter(|&c| c != 3).map(|c| value(i, c).exp()).sum();
            for c in 0..20 {
                let expected = if c == 3 { 0.0 } else { value(i, c).exp() / total };
                let found = p[c / LANES * n + i][c % LANES];
                assert!((found - expected).abs() < 1e-15, "{i} {c}: {found} {expected}");
            }
        }
    }
}
