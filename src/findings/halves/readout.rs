//! Representation or readout: does the last layer's probe rise and fall as the net does?

use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::measure::{MeanOverImages, PerImage, Wrong};
use crate::seed;

/// Resamplings of the images for the interval of a share.
const RESAMPLINGS: usize = 999;

/// Representation or readout: what a linear probe of the last layer before the output does
/// at the epochs of the net's own rise and fall. It is trained to its optimum on the same
/// labels, so it is a readout without history, not an oracle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

impl Readout {
    pub(super) fn of(
        probe: ProbeAnswers<'_>,
        net: &PerImage,
        of_probe: &PerImage,
    ) -> Self {
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
