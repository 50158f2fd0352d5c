//! Double descent of the test error with images as the unit (section 6): the epochs are
//! chosen on one half of the test images and the error is measured on the other.

use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::Serialize;

use super::series::{median, position_of_lowest};
use crate::seed;

/// Half-width of the smoothing window as a share of the epoch.
const WINDOW: f64 = 0.12;
/// No rise or fall of at most this counts.
const LEAST: f64 = 0.01;
/// The mean standard error is 10 to 40 % below the spread, because halvings share images.
const SE_FACTOR: f64 = 1.2;
/// Halvings of the test images.
pub const HALVINGS: usize = 100;
/// Resamplings of the images for the interval of a share.
const RESAMPLINGS: usize = 999;

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
    /// sd/√n: paired by image, so McNemar's variance and not a binomial one.
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

    fn is_measured(self) -> bool {
        self.mean > LEAST && self.interval()[0] > 0.0
    }
}

/// The double descent of a run's test error, images as the unit. It says nothing about other
/// seeds.
///
/// The estimates are biased towards 0, because half the images choose worse.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoubleDescent {
    /// `split halves`, or `unpaired` where only the verdict on the curve is there.
    pub method: &'static str,
    /// Number of test images.
    pub n: Option<usize>,
    /// Number of halvings.
    pub halvings: Option<usize>,
    /// Error at the peak less that at the first minimum.
    pub rise: Option<f64>,
    /// Its standard error over images.
    pub rise_se: Option<f64>,
    /// Error at the peak less that at the second minimum.
    pub fall: Option<f64>,
    /// Its standard error over images.
    pub fall_se: Option<f64>,
    /// rise ± 1.96·1.2·se.
    pub interval_rise: Option<[f64; 2]>,
    /// fall ± 1.96·1.2·se.
    pub interval_fall: Option<[f64; 2]>,
    /// Whether both exceed 0.01 and both intervals lie above 0.
    pub measured: Option<bool>,
    /// Whether the verdict on the curve says the same.
    pub agrees: Option<bool>,
    /// The rise and fall of a probe at the same epochs.
    pub readout: Option<Readout>,
}

/// Representation or readout: what a linear probe of the last layer before the output does
/// at the epochs of the net's own rise and fall. It is trained to its optimum on the same
/// labels, so it is a readout without history, not an oracle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Readout {
    /// The layer.
    pub layer: String,
    /// `noisy` or `clean`: what the probe is trained on.
    pub labels: String,
    /// The probe's rise.
    pub rise: f64,
    /// The probe's fall.
    pub fall: f64,
    /// Probe's rise over the net's; none where the net's lower bound is at most 0.
    pub share_rise: Option<f64>,
    /// Probe's fall over the net's, likewise.
    pub share_fall: Option<f64>,
    /// Standard error of the probe's rise over images.
    pub rise_se: f64,
    /// Standard error of the probe's fall.
    pub fall_se: f64,
    /// Percentile interval of the share of the rise, images resampled.
    pub interval_share_rise: Option<[f64; 2]>,
    /// Percentile interval of the share of the fall.
    pub interval_share_fall: Option<[f64; 2]>,
}

/// The answers of a probe to the test images.
#[derive(Debug, Clone, Copy)]
pub struct ProbeAnswers<'a> {
    /// Its layer.
    pub layer: &'a str,
    /// `noisy` or `clean`.
    pub labels: &'a str,
    /// Which images it gets wrong at each checkpoint.
    pub wrong: &'a Wrong,
}

impl DoubleDescent {
    /// From the net's answers at each checkpoint to test images with these labels;
    /// `on_curve`: whether the verdict on the whole curve is a double descent.
    ///
    /// *Shapes* `wrong: [T, n]`, `labels: [n]`. Cost O(100·T·n).
    ///
    /// # Panics
    /// If shapes differ, or there are fewer than two images or no checkpoint.
    pub fn of(
        wrong: &Wrong,
        labels: &[u16],
        epoch: &[f64],
        on_curve: Option<bool>,
        probe: Option<ProbeAnswers<'_>>,
    ) -> Self {
        let halves = halvings(labels, HALVINGS);
        let measured: Vec<&Wrong> =
            [wrong].into_iter().chain(probe.map(|p| p.wrong)).collect();
        let per_image = rise_and_fall(wrong, &measured, epoch, &halves);
        let net = &per_image[0];
        let [rise, fall] = [&net.rise, &net.fall].map(|d| MeanOverImages::of(d));
        let both = rise.is_measured() && fall.is_measured();
        Self {
            method: "split halves",
            n: Some(labels.len()),
            halvings: Some(HALVINGS),
            rise: Some(rise.mean),
            rise_se: Some(rise.se),
            fall: Some(fall.mean),
            fall_se: Some(fall.se),
            interval_rise: Some(rise.interval()),
            interval_fall: Some(fall.interval()),
            measured: Some(both),
            agrees: on_curve.map(|on_curve| on_curve == both),
            readout: probe.map(|probe| Readout::of(probe, net, &per_image[1])),
        }
    }

    /// Where no answers per image are stored: the verdict on the curve alone stands.
    pub fn unpaired() -> Self {
        Self {
            method: "unpaired",
            n: None,
            halvings: None,
            rise: None,
            rise_se: None,
            fall: None,
            fall_se: None,
            interval_rise: None,
            interval_fall: None,
            measured: None,
            agrees: None,
            readout: None,
        }
    }
}

impl Readout {
    fn of(probe: ProbeAnswers<'_>, net: &PerImage, of_probe: &PerImage) -> Self {
        let [rise, fall] =
            [&of_probe.rise, &of_probe.fall].map(|d| MeanOverImages::of(d));
        let (share_rise, interval_share_rise) = share(&of_probe.rise, &net.rise);
        let (share_fall, interval_share_fall) = share(&of_probe.fall, &net.fall);
        Self {
            layer: probe.layer.to_string(),
            labels: probe.labels.to_string(),
            rise: rise.mean,
            fall: fall.mean,
            share_rise,
            share_fall,
            rise_se: rise.se,
            fall_se: fall.se,
            interval_share_rise,
            interval_share_fall,
        }
    }
}

/// Mean of `probe` over that of `net` and its percentile interval over resampled images
/// (stream `findings/readout`); none where the net's lower bound is at most 0.
fn share(probe: &[f64], net: &[f64]) -> (Option<f64>, Option<[f64; 2]>) {
    let whole = MeanOverImages::of(net);
    if whole.interval()[0] <= 0.0 {
        return (None, None);
    }
    let n = net.len();
    let ratio = |index: usize| {
        let mut rng = seed::stream(0, "findings/readout", index as u64);
        let (mut above, mut below) = (0.0, 0.0);
        for _ in 0..n {
            let image = rng.random_range(0..n);
            above += probe[image];
            below += net[image];
        }
        above / below
    };
    let mut ratios: Vec<f64> = (0..RESAMPLINGS).into_par_iter().map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    // Of 999 sorted values those at 25 and 975 of 1,000 leave 2.5 % on each side.
    let interval = [24, 974].map(|at| ratios[at]);
    (Some(MeanOverImages::of(probe).mean / whole.mean), Some(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with the given error at each checkpoint; image i is wrong while its threshold
    /// i/n lies below the error, so errors are nested and halves are alike.
    fn nested(error: &[f64], n: usize) -> Wrong {
        error
            .iter()
            .map(|e| (0..n).map(|i| (i as f64 + 0.5) / (n as f64) < *e).collect())
            .collect()
    }

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

    #[test]
    fn a_planted_rise_and_fall_is_measured_and_a_readout_told_apart() {
        let epoch: Vec<f64> = (0..20).map(|i| 1.5_f64.powi(i)).collect();
        let curve: Vec<f64> = (0..20)
            .map(|i| match i {
                0..6 => 0.6 - 0.08 * f64::from(i),
                6..11 => 0.2 + 0.03 * f64::from(i - 5),
                _ => 0.35 - 0.03 * f64::from(i - 10).min(5.0),
            })
            .collect();
        let flat: Vec<f64> =
            curve.iter().enumerate().map(|(i, e)| if i < 5 { *e } else { 0.2 }).collect();
        let labels: Vec<u16> = (0..400).map(|i| i % 10).collect();
        let (net, probe) = (nested(&curve, 400), nested(&flat, 400));
        let answers = ProbeAnswers { layer: "pool4", labels: "noisy", wrong: &probe };
        let found = DoubleDescent::of(&net, &labels, &epoch, Some(true), Some(answers));
        assert_eq!((found.measured, found.agrees), (Some(true), Some(true)));
        assert!((found.rise.unwrap() - 0.15).abs() < 0.02, "{found:?}");
        let readout = found.readout.unwrap();
        assert!(readout.interval_share_rise.unwrap()[1] < 0.2, "{readout:?}");
        let monotone = nested(&flat, 400);
        let none = DoubleDescent::of(&monotone, &labels, &epoch, Some(true), None);
        assert_eq!((none.measured, none.agrees), (Some(false), Some(false)));
    }
}
