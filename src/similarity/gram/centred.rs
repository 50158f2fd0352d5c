//! Representations with every feature's mean over the examples taken away.
//!
//! A Gram matrix of uncentred features loses its digits to the offsets, and the similarities
//! after it turn negative or NaN; none of the measures depends on translation, so features
//! are centred before any product.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::similarity::{Feature, Undefined};

/// Features whose means and deviations are worked out together.
const COLUMNS: usize = 512;
/// Examples of one unit of parallel work in filling a panel.
const ROWS: usize = 64;

/// A representation seen through scale·(x − mean); nothing is copied until a panel is filled.
///
/// The scale is a power of two that brings the largest deviation into [½, 1), so that
/// products neither underflow nor overflow, whatever the unit of the activations.
pub(crate) struct Centred<'a, T> {
    features: &'a [T], // [n, p]
    pub n: usize,
    pub p: usize,
    means: Vec<f64>, // [p]
    /// A power of two.
    pub scale: f64,
}

impl<'a, T: Feature> Centred<'a, T> {
    pub(crate) fn of(features: &'a [T], n: usize, p: usize) -> Result<Self, Undefined> {
        assert_eq!(features.len(), n * p, "features of shape [{n}, {p}]");
        if n < 4 {
            return Err(Undefined::TooFewExamples { n });
        }
        let blocks: Vec<(Vec<f64>, Vec<f64>)> = (0..p.div_ceil(COLUMNS))
            .into_par_iter()
            .map(|block| {
                let columns = block * COLUMNS..((block + 1) * COLUMNS).min(p);
                Arch::new().dispatch(MeansAndDeviations { features, p, columns })
            })
            .collect();
        let (means, deviations): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
        let (means, deviations) = (means.concat(), deviations.concat());
        // A NaN or an infinity of one example is one of the mean.
        if means.iter().chain(&deviations).any(|value| !value.is_finite()) {
            return Err(Undefined::NonFinite);
        }
        // A constant feature differs from its mean by at most the rounding of the two: the
        // spacing of its own type, and what summing n terms in f64 costs.
        let rounding = T::SPACING.max(n as f64 * f64::EPSILON);
        let alive = |(deviation, mean): (&f64, &f64)| *deviation > rounding * mean.abs();
        if !deviations.iter().zip(&means).any(alive) {
            return Err(Undefined::DeadLayer);
        }
        let largest = deviations.into_iter().fold(0.0, f64::max);
        Ok(Self { features, n, p, means, scale: power_of_two_below_inverse(largest) })
    }

    /// Writes the centred and scaled features of all examples, rows `stride` apart; what is
    /// between them stays as it is.
    ///
    /// *Shapes* `panel: [n, stride]`, of which `[n, columns.len()]` is written.
    pub(crate) fn fill<F: Feature>(
        &self,
        columns: Range<usize>,
        panel: &mut [F],
        stride: usize,
    ) {
        let p = self.p;
        assert!(columns.len() <= stride, "{} columns in {stride}", columns.len());
        assert_eq!(panel.len(), self.n * stride, "panel of shape [{}, {stride}]", self.n);
        let (means, scale) = (&self.means[columns.clone()], self.scale);
        let features = self.features.par_chunks(ROWS * p);
        panel.par_chunks_mut(ROWS * stride).zip(features).for_each(|(to, features)| {
            let columns = columns.clone();
            Arch::new().dispatch(Fill { features, p, columns, means, scale, to, stride });
        });
    }

    /// The centred and scaled features, `[n, p]`.
    pub(crate) fn to_f64(&self) -> Vec<f64> {
        let mut all = vec![0.0; self.n * self.p];
        self.fill(0..self.p, &mut all, self.p);
        all
    }
}

/// Mean of some features, and the largest deviation from it.
struct MeansAndDeviations<'a, T> {
    features: &'a [T],
    p: usize,
    columns: Range<usize>,
}

// The two loops over all features are compiled for the vector registers of this machine,
// which takes inlining; nothing is fused or reordered, so the numbers are those of plain code.
#[allow(clippy::inline_always)]
impl<T: Feature> WithSimd for MeansAndDeviations<'_, T> {
    type Output = (Vec<f64>, Vec<f64>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let columns = self.columns;
        let mut sums = vec![0.0; columns.len()];
        let mut low = self.features[columns.clone()].to_vec();
        let mut high = low.clone();
        for row in self.features.chunks_exact(self.p) {
            let ends = low.iter_mut().zip(&mut high);
            for ((sum, (low, high)), &x) in
                sums.iter_mut().zip(ends).zip(&row[columns.clone()])
            {
                *sum += x.into();
                *low = if x < *low { x } else { *low };
                *high = if x > *high { x } else { *high };
            }
        }
        let n = (self.features.len() / self.p) as f64;
        let means: Vec<f64> = sums.into_iter().map(|sum| sum / n).collect();
        let distance = |((mean, low), high): ((&f64, T), T)| {
            f64::max(mean - low.into(), high.into() - mean)
        };
        let deviations = means.iter().zip(low).zip(high).map(distance).collect();
        (means, deviations)
    }
}

/// to = scale·(features − means).
struct Fill<'a, T, F> {
    features: &'a [T],
    p: usize,
    columns: Range<usize>,
    means: &'a [f64],
    scale: f64,
    to: &'a mut [F],
    stride: usize,
}

#[allow(clippy::inline_always)]
impl<T: Feature, F: Feature> WithSimd for Fill<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.to.chunks_exact_mut(self.stride);
        for (to, from) in rows.zip(self.features.chunks_exact(self.p)) {
            let from = &from[self.columns.clone()];
            for ((to, &from), mean) in to.iter_mut().zip(from).zip(self.means) {
                *to = F::nearest((from.into() - mean) * self.scale);
            }
        }
    }
}

/// 2^−(e+1) for `value` in [2^e, 2^(e+1)).
fn power_of_two_below_inverse(value: f64) -> f64 {
    let exponent = ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    f64::from(-exponent - 1).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(features: &[f32], n: usize, p: usize) -> Vec<f64> {
        Centred::of(features, n, p).unwrap().to_f64()
    }

    #[test]
    fn panels_are_the_deviations_times_a_power_of_two() {
        // Means 3 and 0; the largest deviation, 6, is scaled by 1/8.
        let features = [1.0, 6.0, 2.0, -6.0, 4.0, 1.0, 5.0, -1.0];
        let expected = [-0.25, 0.75, -0.125, -0.75, 0.125, 0.125, 0.25, -0.125];
        assert_eq!(filled(&features, 4, 2), expected);
        let tiny: Vec<f32> = features.iter().map(|x| x * 2.0f32.powi(-100)).collect();
        assert_eq!(filled(&tiny, 4, 2), expected);
        let huge: Vec<f32> = features.iter().map(|x| x * 2.0f32.powi(100)).collect();
        assert_eq!(filled(&huge, 4, 2), expected);
    }

    #[test]
    fn columns_beyond_a_block_have_their_own_means() {
        let (n, p) = (5, COLUMNS + 3);
        let features: Vec<f32> =
            (0..n * p).map(|k| (k / p * (k % p + 1)) as f32).collect();
        let panel = filled(&features, n, p);
        // The largest deviation is 2p.
        let scale = (2 * p + 1).next_power_of_two() as f64;
        for (i, row) in panel.chunks(p).enumerate() {
            for (c, &x) in row.iter().enumerate() {
                let exact = (i as f64 - 2.0) * (c + 1) as f64 / scale;
                assert!((x - exact).abs() < 1e-15, "({i}, {c}): {x} is not {exact}");
            }
        }
    }

    #[test]
    fn a_layer_whose_features_differ_by_rounding_alone_is_dead() {
        let reason = |features: &[f32]| {
            Centred::of(features, features.len() / 2, 2).map(|_| ()).unwrap_err()
        };
        assert_eq!(reason(&[0.0; 10]), Undefined::DeadLayer);
        assert_eq!(reason(&[0.1; 10]), Undefined::DeadLayer);
        let next = 1000.0f32.next_up();
        let rounded = [1000.0, 3.0, next, 3.0, 1000.0, 3.0, 1000.0, 3.0];
        assert_eq!(reason(&rounded), Undefined::DeadLayer);
        // A second feature that does vary makes the layer alive, however large the first.
        let mut alive = rounded;
        alive[1] = 3.001;
        assert!(Centred::of(&alive, 4, 2).is_ok());
        assert!(
            Centred::of(&[] as &[f32], 5, 0).is_err_and(|r| r == Undefined::DeadLayer)
        );
    }

    #[test]
    fn constant_f64_features_are_dead_although_their_mean_is_rounded() {
        let features = vec![0.1f64; 3001];
        assert!(
            Centred::of(&features, 3001, 1).is_err_and(|r| r == Undefined::DeadLayer)
        );
    }

    #[test]
    fn one_nan_or_infinity_anywhere_is_found() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 7, 11] {
                let mut features: Vec<f32> = (0..12).map(|k| k as f32).collect();
                features[at] = bad;
                let result = Centred::of(&features, 4, 3).map(|_| ());
                assert_eq!(result, Err(Undefined::NonFinite), "{bad} at {at}");
            }
        }
    }
}
