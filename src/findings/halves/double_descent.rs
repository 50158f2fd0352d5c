//! The double descent of a run's test error, measured.

use serde::{Deserialize, Serialize};

use super::measure::{LEAST, MeanOverImages, Wrong, halvings, rise_and_fall};
use super::readout::{ProbeAnswers, Readout};
use crate::phases::{Phases, Verdict};

/// Halvings of the test images.
pub const HALVINGS: usize = 100;

/// How a double descent is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// Epochs are chosen on one half of the test images, the error is measured on the other.
    #[serde(rename = "split halves")]
    SplitHalves,
    /// No answers per image are stored: only the verdict on the curve is there.
    #[serde(rename = "unpaired")]
    Unpaired,
}

/// The double descent of a run's test error, images as the unit. It says nothing about other
/// seeds.
///
/// The estimates are biased towards 0, because half the images choose worse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DoubleDescent {
    /// How it was measured.
    pub method: Method,
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
            method: Method::SplitHalves,
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

    /// The verdict that stands, where that on the curve alone is `on_curve`: halves of the test
    /// images have the last word where they are measured. An instability remains one, because
    /// training itself was disturbed, and all images with it.
    pub fn last_word(&self, on_curve: Verdict) -> Verdict {
        let rises = self
            .rise
            .zip(self.interval_rise)
            .is_some_and(|(mean, [low, _])| mean > LEAST && low > 0.0);
        match (self.measured, on_curve) {
            (None, _) | (_, Verdict::Instability) => on_curve,
            (Some(true), _) => Verdict::DoubleDescent,
            (Some(false), Verdict::DoubleDescent) if rises => Verdict::UShape,
            (Some(false), Verdict::DoubleDescent) => Verdict::Monotone,
            (Some(false), _) => on_curve,
        }
    }

    /// The phases of a run in sentences: the verdict that stands, and below it what the curve
    /// alone says.
    pub fn with_phases(&self, phases: &Phases) -> String {
        let text = phases.to_string();
        let measured = self.sizes().zip(phases.double_descent.verdict);
        let (Some((sizes, on_curve)), Some((fit, curve))) =
            (measured, text.split_once('\n'))
        else {
            return text;
        };
        let verdict = self.last_word(on_curve).name();
        let alone = if self.agrees == Some(false) {
            "the curve alone says otherwise"
        } else {
            "the curve alone"
        };
        format!("{fit}\n{sizes}: {verdict}\n{alone}: {curve}")
    }

    /// How far the error rises and falls on halves of the test images; none where that is not
    /// measured.
    pub fn sizes(&self) -> Option<String> {
        let size = |mean: Option<f64>, interval: Option<[f64; 2]>| {
            let (mean, [low, high]) = mean.zip(interval)?;
            Some(format!("{mean:.3} ({low:.3} to {high:.3})"))
        };
        let rise = size(self.rise, self.interval_rise)?;
        let fall = size(self.fall, self.interval_fall)?;
        let n = self.n?;
        Some(format!(
            "on halves of {n} test images the error rises by {rise} and falls by {fall}"
        ))
    }

    /// Where no answers per image are stored: the verdict on the curve alone stands.
    pub fn unpaired() -> Self {
        Self {
            method: Method::Unpaired,
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
        let readout = found.readout.as_ref().unwrap();
        assert!(readout.interval_share_rise.unwrap()[1] < 0.2, "{readout:?}");
        let monotone = nested(&flat, 400);
        let words = |on_curve| found.last_word(on_curve);
        assert_eq!(words(Verdict::Monotone), Verdict::DoubleDescent);
        assert_eq!(words(Verdict::Instability), Verdict::Instability);
        assert!(
            found.sizes().unwrap().starts_with("on halves of 400 test images the error")
        );
        assert_eq!(DoubleDescent::unpaired().last_word(Verdict::UShape), Verdict::UShape);
        let none = DoubleDescent::of(&monotone, &labels, &epoch, Some(true), None);
        assert_eq!(none.last_word(Verdict::DoubleDescent), Verdict::Monotone);
        assert_eq!(none.last_word(Verdict::UShape), Verdict::UShape);
        assert_eq!((none.measured, none.agrees), (Some(false), Some(false)));
    }
}
