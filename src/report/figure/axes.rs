//! Axes: epochs on ln(1 + epoch), fractions on a linear scale, and the extent of a matrix
//! cell in time.

use super::svg::Area;
pub(crate) use crate::observer::epoch_label;

/// A horizontal or vertical axis of epochs, placed on ln(1 + epoch): epoch 0 lies at
/// `start`, the last epoch at `start + length` (`length` is negative for an axis that runs
/// upwards).
#[derive(Debug, Clone, Copy)]
pub(crate) struct EpochAxis {
    /// ln(1 + last epoch), at least ln 2 so that the axis has a length.
    pub(crate) end: f64,
    /// Position of epoch 0.
    pub(crate) start: f64,
    /// Signed distance from epoch 0 to the last epoch.
    pub(crate) length: f64,
}

impl EpochAxis {
    /// The axis that ends at `last` epochs.
    pub(crate) fn new(last: f64, start: f64, length: f64) -> Self {
        Self { end: last.max(1.0).ln_1p(), start, length }
    }

    /// Where an epoch lies.
    pub(crate) fn at(&self, epoch: f64) -> f64 {
        self.at_log(epoch.ln_1p())
    }

    /// Where u = ln(1 + epoch) lies.
    pub(crate) fn at_log(&self, u: f64) -> f64 {
        self.start + self.length * u / self.end
    }

    /// The epochs 0, 1, 2, 5, 10, … that fit with at least `gap` between neighbours, and
    /// half of `digit` more for each digit of either. Powers of ten come first, then fives,
    /// then twos, so that what stays is regular.
    pub(crate) fn ticks(&self, gap: f64, digit: f64) -> Vec<f64> {
        let apart = |a: f64, b: f64| {
            let digits = epoch_label(a).len() + epoch_label(b).len();
            (self.at(a) - self.at(b)).abs() >= gap + digit * digits as f64 / 2.0
        };
        let mut kept = vec![0.0];
        for factor in [1.0, 5.0, 2.0] {
            let mut epoch: f64 = factor;
            while epoch.ln_1p() <= self.end + 1e-9 {
                if kept.iter().all(|&other| apart(other, epoch)) {
                    kept.push(epoch);
                }
                epoch *= 10.0;
            }
        }
        kept.sort_by(f64::total_cmp);
        kept
    }
}

/// The edges of the cells of a matrix in ln(1 + epoch): the inner ones lie halfway between
/// neighbouring checkpoints, the outer ones at the first and the last checkpoint, so that
/// checkpoint i covers `[edges[i], edges[i + 1]]`. A single checkpoint covers a quarter on
/// either side.
pub(crate) fn cell_edges(epochs: &[f64]) -> Vec<f64> {
    let places: Vec<f64> = epochs.iter().map(|epoch| epoch.ln_1p()).collect();
    let (Some(&first), Some(&last)) = (places.first(), places.last()) else {
        return vec![];
    };
    if places.len() == 1 {
        return vec![(first - 0.25).max(0.0), last + 0.25];
    }
    let halfway = places.windows(2).map(|pair| pair[0].midpoint(pair[1]));
    std::iter::once(first).chain(halfway).chain([last]).collect()
}

/// A linear axis from the value `from` at `start` to `end` at `start + length`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinearAxis {
    /// The value at the start.
    pub(crate) from: f64,
    /// The value at the end.
    pub(crate) end: f64,
    /// Position of `from`.
    pub(crate) start: f64,
    /// Signed distance from there to `end`.
    pub(crate) length: f64,
}

impl LinearAxis {
    /// The axis that stands at the left of an area, upwards.
    pub(crate) fn up(area: Area, from: f64, end: f64) -> Self {
        Self { from, end, start: area.bottom(), length: -area.height }
    }

    /// Where a value lies.
    pub(crate) fn at(&self, value: f64) -> f64 {
        self.start + self.length * (value - self.from) / (self.end - self.from)
    }

    /// Multiples of 1, 2 or 5 times a power of ten: at most `most` steps on the axis.
    pub(crate) fn ticks(&self, most: usize) -> Vec<f64> {
        let step = nice_step((self.end - self.from) / most.max(1) as f64);
        let first = (self.from / step - 1e-9).ceil() as i64;
        let last = (self.end / step + 1e-9).floor() as i64;
        (first..=last).map(|index| index as f64 * step).collect()
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let fits = |factor: &&f64| **factor * power >= least * (1.0 - 1e-9);
    factors.iter().find(fits).unwrap_or(&10.0) * power
}

/// An upper end for an axis that shall hold `largest` with some room: a multiple of a tenth
/// of the next power of ten, at least 0.01 and at most 1.
pub(crate) fn ceiling(largest: f64) -> f64 {
    if !largest.is_finite() || largest >= 0.9 {
        return 1.0;
    }
    let wanted = (largest * 1.12).max(0.01);
    let unit = 10f64.powf(wanted.log10().floor()) / 2.0;
    ((wanted / unit - 1e-9).ceil() * unit).min(1.0)
}

/// A tick value as text, with no more decimals than it has (at most 3).
pub(crate) fn tick_label(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0".into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_zero_is_at_the_left_edge_and_the_last_at_the_right() {
        let axis = EpochAxis::new(400.0, 30.0, 200.0);
        assert!((axis.at(0.0) - 30.0).abs() < 1e-12);
        assert!((axis.at(400.0) - 230.0).abs() < 1e-12);
        let e_minus_1 = std::f64::consts::E - 1.0;
        assert!((axis.at(e_minus_1) - 30.0 - 200.0 / 401f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn ticks_are_one_two_five_where_they_fit() {
        let axis = EpochAxis::new(400.0, 0.0, 300.0);
        assert_eq!(
            axis.ticks(12.0, 0.0),
            [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0]
        );
        assert_eq!(axis.ticks(40.0, 0.0), [0.0, 2.0, 10.0, 100.0]);
        let upwards = EpochAxis::new(400.0, 300.0, -300.0);
        assert_eq!(upwards.ticks(12.0, 0.0), axis.ticks(12.0, 0.0));
    }

    #[test]
    fn an_untrained_run_still_has_an_axis() {
        assert_eq!(EpochAxis::new(0.0, 0.0, 10.0).ticks(2.0, 0.0), [0.0, 1.0]);
    }

    #[test]
    fn cells_meet_halfway_in_log_epoch() {
        let edges = cell_edges(&[0.0, 1.0, 3.0]);
        let (ln2, ln4) = (2f64.ln(), 4f64.ln());
        assert_eq!(edges, [0.0, ln2 / 2.0, f64::midpoint(ln2, ln4), ln4]);
        assert_eq!(cell_edges(&[]), [0f64; 0]);
        assert_eq!(cell_edges(&[0.0]), [0.0, 0.25]);
    }

    #[test]
    fn linear_ticks_and_ceiling() {
        let ticks = LinearAxis { from: 0.0, end: 0.15, start: 0.0, length: 1.0 }.ticks(3);
        assert_eq!(ticks, [0.0, 0.05, 0.1, 0.150_000_000_000_000_02]);
        let ticks = LinearAxis { from: 0.7, end: 1.0, start: 0.0, length: 1.0 }.ticks(3);
        assert_eq!(ticks.len(), 4);
        assert!((ceiling(0.124) - 0.15).abs() < 1e-12);
        assert!((ceiling(0.316) - 0.4).abs() < 1e-12);
        assert!((ceiling(0.95) - 1.0).abs() < 1e-12);
        assert!((ceiling(0.0) - 0.01).abs() < 1e-12);
        assert!((ceiling(f64::NAN) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(epoch_label(70.0), "70");
        assert_eq!(epoch_label(0.25), "0.25");
        assert_eq!(epoch_label(0.5), "0.5");
        assert_eq!(tick_label(0.150_000_000_2), "0.15");
        assert_eq!(tick_label(0.0), "0");
        assert_eq!(tick_label(1.0), "1");
    }
}
