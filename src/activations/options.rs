//! What a comparison is asked to do.

use std::path::PathBuf;

use super::inputs::Reading;
use super::policy::Policy;
use crate::error::{Error, Result};
use crate::similarity::{Estimator, Measure, Setting, Settings};

/// How saved activations are compared.
#[derive(Debug, Clone)]
pub struct Options {
    /// The measure of similarity.
    pub measure: Measure,
    /// Estimator and numbers of the measure; whether errors are computed.
    pub settings: Settings,
    /// What maps and tokens become.
    pub policy: Policy,
    /// The first axis of every array counts representations: `[epochs, examples, …]`.
    pub stacked: bool,
    /// Files or folders to compare with (columns) instead of all pairs.
    pub against: Vec<PathBuf>,
    /// Activations of the same examples; what they explain is taken out first.
    pub confounder: Option<PathBuf>,
    /// Rows of the Gram matrices held at a time, for more examples than fit in memory.
    pub block: Option<usize>,
    /// Fraction of the examples to leave out, those of largest norm.
    pub drop_dominant: f64,
    /// Values with every digit that signatures have, as findings need them (`cka`, `cka-rbf`).
    pub exact: bool,
}

impl Options {
    /// All pairs by `measure` with its default settings, every number a feature.
    pub fn new(measure: Measure) -> Self {
        Self {
            measure,
            settings: Settings::default(),
            policy: Policy::default(),
            stacked: false,
            against: vec![],
            confounder: None,
            block: None,
            drop_dominant: 0.0,
            exact: false,
        }
    }

    /// Checks numbers and combinations; errors name the flags of `stratagram similarity`.
    pub(super) fn check(&self) -> Result<()> {
        self.check_numbers()?;
        let meaningless = |flag: &str, of: &str, expected: &str| {
            Err(Error::usage(format!("`{flag}`"), format!("has no meaning for {of}"))
                .expected(expected))
        };
        if self.confounder.is_some() && !self.measure.has_estimator() {
            let known = format!("one of {}", Measure::that_read(Setting::Estimator));
            return meaningless("--confounder", self.measure.name(), &known);
        }
        if self.block.is_some() && (self.measure != Measure::Cka || self.has_batches()) {
            return meaningless("--block", "these signatures", "cka, debiased or biased");
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<()> {
        let Settings { estimator, threshold, variance, neighbours, .. } = self.settings;
        let batch = match estimator {
            Estimator::Minibatch { size } => size,
            _ => Estimator::BATCH,
        };
        let drop = self.drop_dominant;
        let checks: [(bool, &str, String, &str); 7] = [
            (batch >= 4, "--batch-size", batch.to_string(), "at least 4"),
            (neighbours >= 1, "--neighbours", "0".into(), "at least 1"),
            (self.policy.side >= 1, "--grid", "0".into(), "at least 1"),
            (
                threshold > 0.0 && threshold.is_finite(),
                "--threshold",
                threshold.to_string(),
                "a number above 0",
            ),
            (
                variance > 0.0 && variance <= 1.0,
                "--variance",
                variance.to_string(),
                "a number above 0, at most 1",
            ),
            (
                (0.0..1.0).contains(&drop),
                "--drop-dominant",
                drop.to_string(),
                "a fraction from 0 to below 1",
            ),
            (self.block != Some(0), "--block", "0".into(), "at least 1"),
        ];
        match checks.into_iter().find(|(is_right, ..)| !is_right) {
            None => Ok(()),
            Some((_, flag, value, expected)) => {
                Err(Error::usage(format!("`{flag}`"), format!("is {value}"))
                    .expected(expected))
            }
        }
    }

    fn has_batches(&self) -> bool {
        matches!(self.settings.estimator, Estimator::Minibatch { .. })
    }

    /// How files are read for it.
    pub(super) fn reading(&self) -> Reading {
        Reading {
            stacked: self.stacked,
            policy: self.policy,
            may_stream: self.measure == Measure::Cka
                && !self.has_batches()
                && !self.stacked
                && self.policy.is_flat()
                && self.drop_dominant == 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_meaning_is_refused_by_its_flag() {
        let options = || Options::new(Measure::Cka);
        let settings = Settings::default();
        let of = |settings: Settings| Options { settings, ..options() };
        let minibatch = |size| Settings {
            estimator: Estimator::Minibatch { size },
            ..Settings::default()
        };
        for (wrong, message) in [
            (of(minibatch(3)), "`--batch-size` is 3; expected at least 4"),
            (of(Settings { neighbours: 0, ..settings }), "`--neighbours` is 0"),
            (
                of(Settings { threshold: f64::INFINITY, ..settings }),
                "`--threshold` is inf",
            ),
            (of(Settings { variance: 1.5, ..settings }), "`--variance` is 1.5"),
            (Options { drop_dominant: 1.0, ..options() }, "`--drop-dominant` is 1"),
            (Options { block: Some(0), ..options() }, "`--block` is 0"),
            (
                Options { block: Some(8), ..of(minibatch(8)) },
                "`--block` has no meaning for these signatures",
            ),
            (
                Options {
                    confounder: Some("x.npy".into()),
                    ..Options::new(Measure::Procrustes)
                },
                "`--confounder` has no meaning for procrustes; expected one of cka, cka-rbf",
            ),
        ] {
            let error = wrong.check().unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().starts_with(message), "{error}");
        }
        options().check().unwrap();
        of(minibatch(4)).check().unwrap();
    }
}
