//! The training loss while the test error peaks.

use super::parts::{Holds, TrainBump};
use super::smooth::{MIN_CHANGE, NOISE_FACTOR, median, noise, smooth};
use crate::phases::curves::{Curves, Series};

/// Share of the training loss before a peak by which it must rise to count as a bump.
const LOSS_SHARE: f64 = 0.1;

/// The training loss of a log, or its training error where it has no loss.
pub(super) struct TrainCurve {
    column: &'static str,
    series: Series,
    smoothed: Vec<f64>,
    noise: f64,
}

impl TrainCurve {
    pub(super) fn of(curves: &Curves) -> Self {
        let loss = curves.train_loss.as_ref().map(|loss| curves.finite(loss));
        let (column, series) = match loss.filter(|loss| !loss.row.is_empty()) {
            Some(loss) => ("train_loss", loss),
            None => ("train_error", curves.finite(&curves.train_error)),
        };
        Self { column, smoothed: smooth(&series), noise: noise(&series.value), series }
    }

    /// Compares the values while the test error peaks with the lowest before; none where no
    /// value is known before or during the peak.
    pub(super) fn bump(&self, peak: Holds) -> Option<TrainBump> {
        let epoch = &self.series.epoch;
        let first = epoch.partition_point(|e| *e < peak.from);
        let end = epoch.partition_point(|e| *e <= peak.to);
        let before = self.smoothed[..first].iter().copied().reduce(f64::min)?;
        let at_peak = median(self.series.value[first..end].to_vec());
        let threshold =
            MIN_CHANGE.max(LOSS_SHARE * before.abs()).max(NOISE_FACTOR * self.noise);
        let bumps = at_peak - before > threshold;
        let column = self.column;
        at_peak.is_finite().then_some(TrainBump {
            column,
            before,
            at_peak,
            threshold,
            bumps,
        })
    }
}
