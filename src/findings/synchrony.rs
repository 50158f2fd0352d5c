//! Do layers change in step? (section 4)

use super::axis::gradient;
use super::curves::speed;

/// F(ξ): the share of a layer's drift done by each cut.
pub fn shares(v2: &[f64], times: &[f64]) -> Vec<f64> {
    let mut done = 0.0;
    let mut along: Vec<f64> = speed(v2)
        .iter()
        .zip(gradient(times))
        .map(|(v, dx)| {
            done += v * dx;
            done
        })
        .collect();
    along.iter_mut().for_each(|share| *share /= done);
    along
}

/// All pairs i < j of `n`.
fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |i| (i + 1..n).map(move |j| (i, j)))
}

/// How far apart in log time layers move: the mean over pairs of layers of the distance
/// (Wasserstein-1) between their shares,
///
/// ```text
/// mean_{l<l′} ∫ |F_l − F_l′| dx
/// ```
///
/// 0: in step; 0.1: typically displaced by a factor of 1.1 in time. It needs no detector and
/// no unit. NaN with fewer than two layers.
///
/// *Shapes* `v2: [layers, cuts]`. Cost O(layers²·cuts).
pub fn asynchrony(v2: &[&[f64]], times: &[f64]) -> f64 {
    let shares: Vec<Vec<f64>> = v2.iter().map(|v2| shares(v2, times)).collect();
    let widths = gradient(times);
    let apart = |(i, j): (usize, usize)| -> f64 {
        let both = shares[i].iter().zip(&shares[j]).zip(&widths);
        both.map(|((a, b), dx)| (a - b).abs() * dx).sum()
    };
    let n = v2.len();
    pairs(n).map(apart).sum::<f64>() / (n * n.saturating_sub(1) / 2) as f64
}

/// Asynchrony over how spread out the drift of all layers is:
///
/// ```text
/// asynchrony / 2∫F̄(1 − F̄)dx        F̄: mean of F_l over layers
/// ```
///
/// from the cut at or after log time `from` on, F counted from there. The divisor is the Gini
/// mean difference of the pooled share; without it, unrelated layers that all move early
/// look in step. NaN with fewer than two layers or three cuts.
pub fn relative_asynchrony(v2: &[&[f64]], times: &[f64], from: f64) -> f64 {
    let first = times.partition_point(|&time| time < from);
    let times = &times[first..];
    if times.len() < 3 || v2.is_empty() {
        return f64::NAN;
    }
    let v2: Vec<&[f64]> = v2.iter().map(|v2| &v2[first..]).collect();
    let mut sums = vec![0.0; times.len()];
    for v2 in &v2 {
        sums.iter_mut().zip(shares(v2, times)).for_each(|(sum, share)| *sum += share);
    }
    let n = v2.len() as f64;
    let spread: f64 = sums
        .iter()
        .zip(gradient(times))
        .map(|(sum, dx)| 2.0 * (sum / n) * (1.0 - sum / n) * dx)
        .sum();
    asynchrony(&v2, times) / spread
}

/// What a quadratic in log time leaves of a layer's log speed, with unit norm; none where it
/// leaves nothing.
pub fn residual(y: &[f64], times: &[f64]) -> Option<Vec<f64>> {
    let n = times.len() as f64;
    let mean = times.iter().sum::<f64>() / n;
    let length = times.last()? - times.first()?;
    let t: Vec<f64> = times.iter().map(|time| (time - mean) / length).collect();
    let powers =
        [0, 1, 2].map(|power| t.iter().map(|t| t.powi(power)).collect::<Vec<_>>());
    let mut basis: Vec<Vec<f64>> = vec![];
    for power in powers {
        basis.push(unit(without(&power, &basis))?);
    }
    let size: f64 = y.iter().map(|y| y * y).sum::<f64>().sqrt();
    let rest = without(y, &basis);
    let left = rest.iter().map(|r| r * r).sum::<f64>().sqrt();
    if left <= 1e-12 * size { None } else { unit(rest) }
}

/// `y` without its projections on an orthonormal basis, removed twice against rounding.
fn without(y: &[f64], basis: &[Vec<f64>]) -> Vec<f64> {
    let mut rest = y.to_vec();
    for direction in basis.iter().chain(basis) {
        let along = dot(&rest, direction);
        rest.iter_mut().zip(direction).for_each(|(r, d)| *r -= along * d);
    }
    rest
}

fn unit(mut y: Vec<f64>) -> Option<Vec<f64>> {
    let length = dot(&y, &y).sqrt();
    y.iter_mut().for_each(|y| *y /= length);
    (length > 0.0).then_some(y)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Mean correlation of the [`residual`]s of different layers. NaN with fewer than two.
///
/// *Shapes* `residuals: [layers, cuts]`.
pub fn coherence(residuals: &[Vec<f64>]) -> f64 {
    coherence_across(residuals, residuals)
}

/// Mean correlation of the residuals of layer l of one run with those of layers l′ ≠ l of
/// another.
pub fn coherence_across(one: &[Vec<f64>], other: &[Vec<f64>]) -> f64 {
    let n = one.len().min(other.len());
    let different =
        (0..n).flat_map(|i| (0..n).filter(move |&j| j != i).map(move |j| (i, j)));
    let sum: f64 = different.map(|(i, j)| dot(&one[i], &other[j])).sum();
    sum / (n * n.saturating_sub(1)) as f64
}

/// Coherence within runs beyond that across seeds of the same arm: the mean over runs of
/// [`coherence`] less the mean over ordered pairs of runs of [`coherence_across`].
///
/// The rate schedule, the axis and the common decay are shared by seeds and cancel. Positive:
/// layers move together beyond anything that repeats over seeds. Zero does not refute
/// synchrony that repeats. NaN with fewer than two runs.
///
/// *Shapes* `runs: [seeds, layers, cuts]`.
pub fn excess_coherence(runs: &[Vec<Vec<f64>>]) -> f64 {
    let n = runs.len();
    let within = runs.iter().map(|run| coherence(run)).sum::<f64>() / n as f64;
    let across: f64 = (0..n)
        .flat_map(|a| (0..n).filter(move |&b| b != a).map(move |b| (a, b)))
        .map(|(a, b)| coherence_across(&runs[a], &runs[b]))
        .sum();
    within - across / (n * n.saturating_sub(1)) as f64
}

/// Standard deviation (n − 1) of values over layers; none of fewer than two.
pub fn spread(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_of_all_drift_is_the_asynchrony() {
        let times: Vec<f64> = (0..60).map(|i| 0.1 * f64::from(i)).collect();
        let bump = |at: f64| -> Vec<f64> {
            times.iter().map(|t| (-((t - at) / 0.4).powi(2)).exp().powi(2)).collect()
        };
        let (early, late) = (bump(2.0), bump(2.5));
        let apart = asynchrony(&[&early, &late], &times);
        assert!((apart - 0.5).abs() < 0.01, "{apart}");
        assert!(asynchrony(&[&early, &early], &times) < 1e-15);
        assert!(asynchrony(&[&early], &times).is_nan());
    }

    #[test]
    fn relative_asynchrony_does_not_change_with_the_time_scale() {
        let times: Vec<f64> = (0..60).map(|i| 0.1 * f64::from(i)).collect();
        let slow: Vec<f64> = times.iter().map(|t| 2.0 * t).collect();
        let v2: Vec<Vec<f64>> = [1.5, 2.5, 3.0]
            .map(|at| times.iter().map(|t| (-((t - at) / 0.5).powi(2)).exp()).collect())
            .to_vec();
        let v2: Vec<&[f64]> = v2.iter().map(Vec::as_slice).collect();
        let [one, two] = [(&times, 1.0), (&slow, 2.0)]
            .map(|(times, from)| relative_asynchrony(&v2, times, from));
        assert!((one - two).abs() < 1e-12 && one > 0.1, "{one} {two}");
        assert!(relative_asynchrony(&v2, &times, 5.85).is_nan());
    }

    #[test]
    fn what_repeats_over_seeds_is_no_excess_coherence() {
        let times: Vec<f64> = (0..30).map(|i| 0.2 * f64::from(i)).collect();
        let wave = |phase: f64| {
            let y: Vec<f64> = times.iter().map(|t| (5.0 * t + phase).sin()).collect();
            residual(&y, &times).unwrap()
        };
        let run = |phase: f64| vec![wave(phase), wave(phase + 0.1)];
        assert!(excess_coherence(&[run(0.0), run(0.0)]).abs() < 0.02);
        assert!(excess_coherence(&[run(0.0), run(1.57)]) > 0.8);
        let parabola: Vec<f64> = times.iter().map(|t| t * t - t).collect();
        assert_eq!(residual(&parabola, &times), None);
    }
}
