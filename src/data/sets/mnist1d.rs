//! MNIST-1D (Greydanus 2020, arXiv:2011.14439): ten hand-drawn curves of 12 points, varied
//! until they are as hard to tell apart as they are short.
//!
//! A signal is its class's curve, padded with 36 to 60 zeros, stretched to 72 points, scaled
//! by .8 to 1.2, rotated by 0 to 47 points, with correlated noise where it is zero and
//! independent noise everywhere, sheared, and sampled at 40 points; all signals together are
//! standardized. This is the published recipe with random streams of our own, so the signals
//! are not those of the published file.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::digits;
use super::set::{Origin, Set};
use crate::data::sample::permutation;
use crate::data::{ImageSet, Pixels};
use crate::net::Shape;
use crate::seed;

pub(in crate::data) const SET: Set = Set {
    name: "mnist1d",
    title: "MNIST-1D",
    images: "MNIST-1D signals",
    classes: digits::CLASSES,
    counts: COUNTS,
    shape: [1, 1, POINTS],
    source: "the recipe of Greydanus 2020, arXiv:2011.14439",
    origin: Origin::Made(generate),
};

/// Training and test signals.
const COUNTS: [usize; 2] = [4000, 1000];

/// Points of a signal.
const POINTS: usize = 40;

/// The curves before they are standardized.
const CURVES: [[f64; 12]; 10] = [
    [5.0, 6.0, 6.5, 6.75, 7.0, 7.0, 7.0, 7.0, 6.75, 6.5, 6.0, 5.0],
    [5.0, 3.0, 3.0, 3.4, 3.8, 4.2, 4.6, 5.0, 5.4, 5.8, 5.0, 5.0],
    [5.0, 6.0, 6.5, 6.5, 6.0, 5.25, 4.75, 4.0, 3.5, 3.5, 4.0, 5.0],
    [5.0, 6.0, 6.5, 6.5, 6.0, 5.0, 5.0, 6.0, 6.5, 6.5, 6.0, 5.0],
    [5.0, 4.4, 3.8, 3.2, 2.6, 2.6, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0],
    [5.0, 3.0, 3.0, 3.0, 3.0, 5.0, 6.0, 6.5, 6.5, 6.0, 4.5, 5.0],
    [5.0, 4.0, 3.5, 3.25, 3.0, 3.0, 3.0, 3.0, 3.25, 3.5, 4.0, 5.0],
    [5.0, 7.0, 7.0, 6.6, 6.2, 5.8, 5.4, 5.0, 4.6, 4.2, 5.0, 5.0],
    [5.0, 4.0, 3.5, 3.5, 4.0, 5.0, 5.0, 4.0, 3.5, 3.5, 4.0, 5.0],
    [5.0, 4.0, 3.5, 3.5, 4.0, 5.0, 5.0, 5.0, 5.0, 4.7, 4.3, 5.0],
];

/// Points of a padded curve after it is stretched: 12 and the longest padding.
const LONG: usize = 72;

/// What a curve's points are divided by, beside their standard deviation.
const HEIGHT: f64 = 6.0;

/// Added to a curve, so that its points are never the zeros of the padding.
const NOT_ZERO: f64 = 1e-8;

/// Standard deviations: of the correlated noise before and of the filter that makes it so,
/// and of the independent noise.
const CORRELATED: f64 = 0.25;
const FILTER: f64 = 2.0;
const INDEPENDENT: f64 = 0.02;

/// Where the filter ends: at four standard deviations.
const RADIUS: usize = 8;

/// What is drawn for one signal.
#[derive(Debug)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct Draws {
    /// Zeros behind the curve.
    padding: usize,
    scale: f64,
    rotation: usize,
    /// Standard normal numbers.
    correlated: Vec<f64>,
    independent: Vec<f64>,
    shear: f64,
}

impl Draws {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        Self {
            padding: rng.random_range(36..=60_u64) as usize,
            scale: rng.random_range(0.8..1.2),
            rotation: rng.random_range(0..48_u64) as usize,
            correlated: normal(rng, LONG),
            independent: normal(rng, LONG),
            shear: rng.random_range(-0.375..0.375),
        }
    }

    /// The signal of a curve.
    fn signal(&self, curve: &[f64]) -> Vec<f64> {
        let mut padded: Vec<f64> = curve.iter().map(|x| x + NOT_ZERO).collect();
        padded.resize(curve.len() + self.padding, 0.0);
        let mut signal = sample(&padded, LONG);
        signal.rotate_right(self.rotation);
        let correlated = filtered(&self.correlated);
        for (i, x) in signal.iter_mut().enumerate() {
            let is_curve = *x != 0.0;
            *x = if is_curve { *x * self.scale } else { CORRELATED * correlated[i] };
            let along = i as f64 / (LONG - 1) as f64 - 0.5;
            *x += INDEPENDENT * self.independent[i] - self.shear * along;
        }
        sample(&signal, POINTS)
    }
}

/// Independent standard normal numbers (Box and Muller).
fn normal(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut values = Vec::with_capacity(n + 1);
    while values.len() < n {
        // u in (0, 1], so that the logarithm is finite.
        let [u, v] = [(); 2].map(|()| rng.random_range(0.0..1.0_f64));
        let (sin, cos) = (std::f64::consts::TAU * v).sin_cos();
        let radius = (-2.0 * (1.0 - u).ln()).sqrt();
        values.extend([radius * cos, radius * sin]);
    }
    values.truncate(n);
    values
}

/// `n` points at even distances, from the first to the last, on the line through the values.
fn sample(values: &[f64], n: usize) -> Vec<f64> {
    let last = values.len() - 1;
    let point = |i: usize| {
        let at = (i * last) as f64 / (n - 1) as f64;
        let left = ((i * last) / (n - 1)).min(last - 1);
        values[left] + (values[left + 1] - values[left]) * (at - left as f64)
    };
    (0..n).map(point).collect()
}

/// The values under a Gaussian filter; beyond the ends they are mirrored.
fn filtered(values: &[f64]) -> Vec<f64> {
    let weight = |k: usize| (-0.5 * (k as f64 / FILTER).powi(2)).exp();
    let total: f64 = weight(0) + 2.0 * (1..=RADIUS).map(weight).sum::<f64>();
    let n = values.len();
    // Values n, n+1, … from the left end of the mirrored sequence of period 2n.
    let mirrored = |at: usize| if at % (2 * n) < n { at % n } else { n - 1 - at % n };
    let point = |i: usize| -> f64 {
        let around = (1..=RADIUS).map(|k| {
            weight(k) * (values[mirrored(i + k)] + values[mirrored(2 * n + i - k)])
        });
        (weight(0) * values[i] + around.sum::<f64>()) / total
    };
    (0..n).map(point).collect()
}

/// A class's curve, standardized, from 0 to 0.
fn curve(class: usize) -> Vec<f64> {
    let points = &CURVES[class];
    let n = points.len() as f64;
    let mean = points.iter().sum::<f64>() / n;
    let variance = points.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    points.iter().map(|x| (x - points[0]) / variance.sqrt() / HEIGHT).collect()
}

/// Training and test signals under a seed, as images of one row.
fn generate(seed: u64) -> (ImageSet, ImageSet) {
    let [n_train, n_test] = COUNTS;
    let n = n_train + n_test;
    let curves: Vec<_> = (0..CURVES.len()).map(curve).collect();
    let class = |i: usize| i * curves.len() / n;
    let signals = (0..n).map(|i| {
        let mut rng = seed::stream(seed, "data/mnist1d", i as u64);
        Draws::new(&mut rng).signal(&curves[class(i)])
    });
    let signals: Vec<Vec<f64>> = signals.collect();
    let count = (n * POINTS) as f64;
    let mean = signals.iter().flatten().sum::<f64>() / count;
    let variance = signals.iter().flatten().map(|x| (x - mean).powi(2)).sum::<f64>();
    let std = (variance / count).sqrt();
    let order = permutation(seed, "data/mnist1d/order", n);
    let set = |order: &[usize]| {
        let values = order.iter().flat_map(|&i| &signals[i]);
        ImageSet {
            shape: Shape { channels: 1, height: 1, width: POINTS },
            pixels: Pixels::F32(values.map(|x| ((x - mean) / std) as f32).collect()),
            labels: order.iter().map(|&i| class(i) as u8).collect(),
        }
    };
    (set(&order[..n_train]), set(&order[n_train..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        class: usize,
        draws: Draws,
        signal: Vec<f64>,
    }

    #[test]
    fn signals_are_those_of_the_recipe_in_numpy_and_scipy() {
        let text = include_str!("../../../tests/reference/mnist1d.json");
        let cases: Vec<Case> = serde_json::from_str(text).unwrap();
        assert_eq!(cases.len(), 20);
        for (number, case) in cases.iter().enumerate() {
            let found = case.draws.signal(&curve(case.class));
            assert_eq!(found.len(), case.signal.len());
            for (found, expected) in found.iter().zip(&case.signal) {
                assert!((found - expected).abs() < 1e-12, "case {number}");
            }
        }
    }

    #[test]
    fn a_seed_gives_4000_and_1000_standardized_signals_of_ten_classes() {
        let (train, test) = generate(1);
        assert_eq!([train.len(), test.len()], COUNTS);
        let values = |set: &ImageSet| -> Vec<f64> {
            (0..set.len()).flat_map(|i| set.channel(i, 0)).map(f64::from).collect()
        };
        let all = [values(&train), values(&test)].concat();
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let variance = all.iter().map(|x| x * x).sum::<f64>() / n - mean * mean;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
        let mut counts = [0; 10];
        let labels = train.labels.iter().chain(&test.labels);
        labels.for_each(|&label| counts[usize::from(label)] += 1);
        assert_eq!(counts, [500; 10]);
        // In no order: the first hundred have most classes.
        let mut first = train.labels[..100].to_vec();
        first.sort_unstable();
        first.dedup();
        assert!(first.len() >= 9);
    }

    #[test]
    fn draws_lie_in_the_ranges_of_the_recipe() {
        let mut rng = seed::stream(3, "test", 0);
        let draws: Vec<_> = (0..2000).map(|_| Draws::new(&mut rng)).collect();
        let ends = |value: &dyn Fn(&Draws) -> f64| {
            let values = draws.iter().map(value);
            values.fold([f64::MAX, f64::MIN], |[a, b], x| [a.min(x), b.max(x)])
        };
        assert_eq!(ends(&|d| d.padding as f64).map(|x| x as usize), [36, 60]);
        assert_eq!(ends(&|d| d.rotation as f64).map(|x| x as usize), [0, 47]);
        let [least, most] = ends(&|d| d.scale);
        assert!((0.8..0.801).contains(&least) && (1.199..1.2).contains(&most));
        let numbers: Vec<f64> = draws.iter().flat_map(|d| d.correlated.clone()).collect();
        let n = numbers.len() as f64;
        let moment = |k: i32| numbers.iter().map(|x| x.powi(k)).sum::<f64>() / n;
        // 144,000 numbers: standard errors .003, .004 and .026.
        assert!(moment(1).abs() < 0.01);
        assert!((moment(2) - 1.0).abs() < 0.015);
        assert!((moment(4) - 3.0).abs() < 0.11);
    }
}
