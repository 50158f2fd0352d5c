//! Rise and fall per image, at epochs chosen on other images.

use rand::seq::SliceRandom;

use crate::findings::series::{median, position_of_lowest};
use crate::seed;

/// Half-width of the smoothing window as a share of the epoch.
const WINDOW: f64 = 0.12;
/// No rise or fall of at most this counts.
pub(super) const LEAST: f64 = 0.01;
/// The mean standard error is 10 to 40 % below the spread, because halvings share images.
const SE_FACTOR: f64 = 1.2;

/// Which test images are answered wrongly at each checkpoint.
///
/// *Shape* `[T, n]`.
pub type Wrong = Vec<Vec<bool>>;

/// Positions of the first minimum m, the peak p and the second minimum q of `s`:
///
/// ```text
/// p = argmax min(s − lowest before, s − lowest after),  m, q = the lowest before and after p
/// ```
///
/// # Panics
/// Without values.
pub fn peak_of(s: &[f64]) -> [usize; 3] {
    let lower = |lowest: &mut f64, value: &f64| {
        *lowest = lowest.min(*value);
        Some(*lowest)
    };
    let before: Vec<f64> = s.iter().scan(f64::INFINITY, lower).collect();
    let mut after: Vec<f64> = s.iter().rev().scan(f64::INFINITY, lower).collect();
    after.reverse();
    let height: Vec<f64> =
        (0..s.len()).map(|t| -(s[t] - before[t]).min(s[t] - after[t])).collect();
    let p = position_of_lowest(&height);
    [position_of_lowest(&s[..=p]), p, p + position_of_lowest(&s[p..])]
}

/// The checkpoints within 12 % of each one's epoch.
fn near(epoch: &[f64]) -> Vec<Vec<usize>> {
    let close = |t: f64, e: f64| (e - t).abs() <= WINDOW * t + 1e-12;
    epoch
        .iter()
        .map(|&t| (0..epoch.len()).filter(|&i| close(t, epoch[i])).collect())
        .collect()
}

/// Share of `images` that are wrong at each checkpoint, smoothed by a running median.
fn smoothed_error(wrong: &Wrong, near: &[Vec<usize>], images: &[usize]) -> Vec<f64> {
    let error: Vec<f64> = wrong
        .iter()
        .map(|row| {
            images.iter().filter(|&&i| row[i]).count() as f64 / images.len() as f64
        })
        .collect();
    near.iter()
        .map(|rows| median(&rows.iter().map(|&t| error[t]).collect::<Vec<_>>()))
        .collect()
}

/// The first minimum m, the peak p and the second minimum q of the smoothed error on all
/// images: positions among the checkpoints.
///
/// *Shape* `wrong: [T, n]`.
///
/// # Panics
/// Without checkpoints or images.
pub fn points_of(wrong: &Wrong, epoch: &[f64]) -> [usize; 3] {
    let images: Vec<usize> = (0..wrong[0].len()).collect();
    peak_of(&smoothed_error(wrong, &near(epoch), &images))
}

/// Rise and fall of the error per image, averaged over the halvings.
#[derive(Debug, Clone, PartialEq)]
pub struct PerImage {
    /// Mean wrong at p less that at m.
    pub rise: Vec<f64>,
    /// Mean wrong at p less that at q.
    pub fall: Vec<f64>,
}

/// Measures the rise and fall of `others` at the epochs of `chooser`, image by image: for each
/// half, m, p and q are chosen on its error, and the other half is measured.
///
/// *Shapes* `chooser`, each of `others`: `[T, n]`; `halves`: the first half of each halving.
/// Cost O(halvings·T·n).
///
/// # Panics
/// If shapes differ, or a half is empty.
pub fn rise_and_fall(
    chooser: &Wrong,
    others: &[&Wrong],
    epoch: &[f64],
    halves: &[Vec<usize>],
) -> Vec<PerImage> {
    let n = chooser[0].len();
    let near = near(epoch);
    let mut sums =
        vec![PerImage { rise: vec![0.0; n], fall: vec![0.0; n] }; others.len()];
    let mut times = vec![0.0; n];
    for first in halves {
        let mut in_first = vec![false; n];
        first.iter().for_each(|&i| in_first[i] = true);
        let second: Vec<usize> = (0..n).filter(|&i| !in_first[i]).collect();
        for (choose, measure) in [(first, &second), (&second, first)] {
            let [m, p, q] = peak_of(&smoothed_error(chooser, &near, choose));
            measure.iter().for_each(|&i| times[i] += 1.0);
            for (sum, wrong) in sums.iter_mut().zip(others) {
                let at = |t: usize, i: usize| {
                    let count = near[t].iter().filter(|&&t| wrong[t][i]).count();
                    count as f64 / near[t].len() as f64
                };
                for &i in measure {
                    sum.rise[i] += at(p, i) - at(m, i);
                    sum.fall[i] += at(p, i) - at(q, i);
                }
            }
        }
    }
    for sum in &mut sums {
        sum.rise.iter_mut().zip(&times).for_each(|(rise, n)| *rise /= n);
        sum.fall.iter_mut().zip(&times).for_each(|(fall, n)| *fall /= n);
    }
    sums
}

/// Random halvings of images with these labels, balanced within each label; halving i is
/// drawn from stream `findings/halves` number i.
pub fn halvings(labels: &[u16], number: usize) -> Vec<Vec<usize>> {
    let halving = |index: usize| {
        let mut rng = seed::stream(0, "findings/halves", index as u64);
        let mut images: Vec<usize> = (0..labels.len()).collect();
        images.shuffle(&mut rng);
        images.sort_by_key(|&i| labels[i]); // stable: random within each label
        let mut first: Vec<usize> = images.into_iter().step_by(2).collect();
        first.sort_unstable();
        first
    };
    (0..number).map(halving).collect()
}

/// A mean over images and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanOverImages {
    /// The mean.
    pub mean: f64,
    /// sd/√n: paired by image, and so not a binomial variance.
    pub se: f64,
}

impl MeanOverImages {
    /// Of one value per image.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Self { mean, se: (squares / (n - 1.0)).sqrt() / n.sqrt() }
    }

    /// mean ± 1.96·1.2·se.
    pub fn interval(self) -> [f64; 2] {
        let half = 1.96 * SE_FACTOR * self.se;
        [self.mean - half, self.mean + half]
    }

    /// Whether the mean exceeds 0.01 and its interval lies above 0.
    pub(super) fn is_measured(self) -> bool {
        self.mean > LEAST && self.interval()[0] > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halvings_are_balanced_within_each_label_and_differ() {
        let labels: Vec<u16> = (0..200).map(|i| i % 7).collect();
        let halves = halvings(&labels, 5);
        assert_ne!(halves[0], halves[1]);
        for half in &halves {
            assert_eq!(half.len(), 100);
            for label in 0..7 {
                let all = labels.iter().filter(|l| **l == label).count();
                let here = half.iter().filter(|&&i| labels[i] == label).count();
                assert!(here.abs_diff(all - here) <= 2, "{here} of {all}");
            }
        }
    }
}
