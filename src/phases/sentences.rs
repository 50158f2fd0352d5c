//! Phases in a few plain sentences, each on its line.

use std::fmt;

use super::{Axis, DoubleDescent, PerfectFit, Phases, Verdict};

impl fmt::Display for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.perfect_fit.tell(f, self.axis)?;
        writeln!(f)?;
        let fit = match self.perfect_fit.epoch {
            Some(_) => [" at the perfect fit", " away from the perfect fit"],
            None => [
                " where the training error reaches 1 %",
                " away from where the training error reaches 1 %",
            ],
        };
        self.double_descent.tell(f, self.axis, fit)
    }
}

impl PerfectFit {
    fn tell(&self, f: &mut fmt::Formatter<'_>, axis: Axis) -> fmt::Result {
        let axis = axis.name();
        match (self.epoch, &self.reason) {
            (Some(epoch), _) => {
                write!(f, "perfect fit at {axis} {epoch} (train error ≤ {}", self.eps)?;
                if self.rows_after < Some(self.window) {
                    let rows = self.rows_after.unwrap_or(0);
                    write!(f, "; only {rows} later rows to confirm it")?;
                }
                write!(f, ")")?;
            }
            (None, Some(reason)) => write!(f, "no perfect fit: {reason}")?,
            (None, None) => write!(f, "no perfect fit")?,
        }
        match self.corrupted.as_ref().map(|t| t.epoch) {
            Some(Some(epoch)) => write!(f, "; corrupted labels fitted at {axis} {epoch}"),
            Some(None) => write!(f, "; corrupted labels never fitted"),
            None => Ok(()),
        }
    }
}

impl DoubleDescent {
    /// `fit`: what is said of a peak near the fit of the training labels, and of one far from it.
    fn tell(
        &self,
        f: &mut fmt::Formatter<'_>,
        axis: Axis,
        fit: [&str; 2],
    ) -> fmt::Result {
        let Some(verdict) = self.verdict else {
            return write!(f, "no verdict: {}", self.reason);
        };
        let near_fit = match self.near_fit {
            Some(true) => fit[0],
            Some(false) => fit[1],
            None => "",
        };
        writeln!(
            f,
            "test error {}: {}{near_fit}",
            self.course(verdict, axis),
            verdict.name()
        )?;
        write!(f, "{} ({}{} rows", self.reason, self.sizes(), self.rows)?;
        match self.skipped {
            0 => write!(f, ")")?,
            skipped => write!(f, ", {skipped} without a test error passed over)")?,
        }
        for peak in &self.rejected {
            write!(
                f,
                "\npassed over a peak at {} {}: {}",
                axis.name(),
                peak.epoch,
                peak.reason
            )?;
        }
        Ok(())
    }

    /// "falls to about 0.044 (epoch 4), rises to …".
    fn course(&self, verdict: Verdict, axis: Axis) -> String {
        let point = |error: Option<f64>, epoch: Option<f64>| {
            let (error, epoch) = (error?, epoch?);
            Some(format!("about {error:.3} ({} {epoch})", axis.name()))
        };
        let three = [
            ("falls to", point(self.error.min, self.min)),
            ("rises to", point(self.error.peak, self.peak)),
            ("falls to", point(self.error.second_min, self.second_min)),
        ];
        let told = if verdict == Verdict::UShape { 2 } else { 3 };
        let clauses: Vec<String> = three[..told]
            .iter()
            .filter_map(|(verb, point)| point.as_ref().map(|p| format!("{verb} {p}")))
            .collect();
        if clauses.is_empty() { "does not rise".into() } else { clauses.join(", ") }
    }

    /// "rise 0.114 against a threshold of 0.031, fall …", where they are known.
    fn sizes(&self) -> String {
        let size = |name: &str, value: Option<f64>, threshold: Option<f64>| {
            let (value, threshold) = (value?, threshold?);
            Some(format!("{name} {value:.3} against a threshold of {threshold:.3}, "))
        };
        let rise = size("rise", self.rise, self.rise_threshold);
        let fall = size("fall", self.fall, self.fall_threshold);
        rise.into_iter().chain(fall).collect()
    }
}
