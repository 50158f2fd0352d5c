//! Log time: which checkpoints are used, their weights, and the windows around cuts
//! (sections 0 and 1.1).
//!
//! Time is x = ln(1 + epoch). A *cut* c lies between the checkpoints c − 1 and c.

use std::ops::Range;

use super::defaults::MIN_GAP;

/// What rounding may add to a window's length, or change of an epoch.
const ROUNDING: f64 = 1e-9;

/// x = ln(1 + epoch).
pub fn log_time(epoch: &[f64]) -> Vec<f64> {
    epoch.iter().map(|e| e.ln_1p()).collect()
}

/// The epoch of a log time; a whole one where it differs from that by rounding alone.
pub fn epoch_of(x: f64) -> f64 {
    let epoch = x.exp_m1();
    let whole = epoch.round();
    if (epoch - whole).abs() <= ROUNDING * whole { whole } else { epoch }
}

/// The checkpoints that are used: from the last one backwards, those that are `defined` and
/// at least [`MIN_GAP`] of log time before the next one kept. Of epochs 299 and 300, 299 is
/// dropped: the distance between two so near is almost all scatter.
///
/// # Panics
/// If the lengths differ.
///
/// # Example
/// ```
/// use stratagram::findings::axis::used_checkpoints;
/// let defined = [true, true, false, true, true];
/// assert_eq!(used_checkpoints(&[0., 1., 50., 299., 300.], &defined), [0, 1, 4]);
/// ```
pub fn used_checkpoints(epoch: &[f64], defined: &[bool]) -> Vec<usize> {
    assert_eq!(epoch.len(), defined.len(), "epochs and whether they are defined");
    let x = log_time(epoch);
    let mut kept: Vec<usize> = vec![];
    for i in (0..x.len()).rev().filter(|&i| defined[i]) {
        if kept.last().is_none_or(|&next| x[next] - x[i] >= MIN_GAP) {
            kept.push(i);
        }
    }
    kept.reverse();
    kept
}

/// Differences of neighbours: central ones halved, at the ends the only one.
///
/// # Panics
/// With fewer than two values.
pub fn gradient(x: &[f64]) -> Vec<f64> {
    let last = x.len() - 1;
    (0..=last)
        .map(|i| match i {
            0 => x[1] - x[0],
            _ if i == last => x[last] - x[last - 1],
            _ => (x[i + 1] - x[i - 1]) / 2.0,
        })
        .collect()
}

/// Trapezoid weights in log time: half the distance of the neighbours, at the ends half that
/// to the only one. They make a sum over checkpoints an integral over log time.
///
/// # Panics
/// With fewer than two values.
pub fn weights(x: &[f64]) -> Vec<f64> {
    let mut weights = gradient(x);
    weights[0] /= 2.0;
    *weights.last_mut().expect("two values") /= 2.0;
    weights
}

/// The checkpoints on both sides of a cut: `start..cut` before it, `cut..end` after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Window {
    pub start: usize,
    pub cut: usize,
    pub end: usize,
}

impl Window {
    /// The checkpoints before the cut.
    pub fn before(self) -> Range<usize> {
        self.start..self.cut
    }

    /// The checkpoints after the cut.
    pub fn after(self) -> Range<usize> {
        self.cut..self.end
    }

    /// The cut's time: the middle between the checkpoints beside it.
    pub fn time(self, x: &[f64]) -> f64 {
        f64::midpoint(x[self.cut - 1], x[self.cut])
    }
}

/// The windows of all cuts with at least `least` checkpoints on both sides: each side as long
/// as fits into `h` of log time, but at least `least` checkpoints. Cost O(T·window).
pub fn windows(x: &[f64], h: f64, least: usize) -> Vec<Window> {
    let n = x.len();
    let around = |cut: usize| {
        let (mut start, mut end) = (cut - 1, cut + 1);
        while start > 0
            && (x[cut - 1] - x[start - 1] <= h + ROUNDING || cut - start < least)
        {
            start -= 1;
        }
        while end < n && (x[end] - x[cut] <= h + ROUNDING || end - cut < least) {
            end += 1;
        }
        Window { start, cut, end }
    };
    (least..(n + 1).saturating_sub(least)).map(around).collect()
}

/// The times of the cuts of `windows`.
pub fn cut_times(x: &[f64], windows: &[Window]) -> Vec<f64> {
    windows.iter().map(|window| window.time(x)).collect()
}

/// The piecewise linear function through (`x`, `y`) at `at`; constant beyond its ends.
pub(super) fn interpolate(at: f64, x: &[f64], y: &[f64]) -> f64 {
    let right = x.partition_point(|&x| x <= at);
    match right {
        0 => y[0],
        _ if right == x.len() => y[right - 1],
        _ => {
            let share = (at - x[right - 1]) / (x[right] - x[right - 1]);
            y[right - 1] + share * (y[right] - y[right - 1])
        }
    }
}

/// Position of the value nearest to `at`, the first among equals.
///
/// # Panics
/// Without values.
pub(super) fn nearest(x: &[f64], at: f64) -> usize {
    let distance = |&i: &usize| (x[i] - at).abs();
    (0..x.len())
        .min_by(|i, j| distance(i).total_cmp(&distance(j)))
        .expect("a value to be nearest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_at_h_but_hold_the_least_number() {
        let x = [0.0, 1.0, 1.3, 1.6, 1.9, 4.0];
        let window = |start, cut, end| Window { start, cut, end };
        assert_eq!(
            windows(&x, 0.7, 2),
            [window(0, 2, 5), window(1, 3, 5), window(1, 4, 6)]
        );
    }

    #[test]
    fn weights_sum_to_the_length_of_the_axis() {
        let x = [0.0, 0.7, 1.1, 3.0];
        assert!((weights(&x).iter().sum::<f64>() - 3.0).abs() < 1e-15);
        assert_eq!(gradient(&x), [0.7, 0.55, 1.15, 1.9]);
    }

    #[test]
    fn interpolation_is_constant_beyond_the_ends() {
        let (x, y) = ([1.0, 2.0, 4.0], [3.0, 5.0, 1.0]);
        let at = |at| interpolate(at, &x, &y);
        assert_eq!([at(0.0), at(1.0), at(1.5), at(3.0), at(9.0)], [3., 3., 4., 3., 1.]);
    }
}
