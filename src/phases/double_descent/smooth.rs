//! Running medians of a logged curve, and its noise as a whole.

use crate::phases::curves::Series;

/// No rise or fall of at most this much counts, however smooth the curve.
pub(super) const MIN_CHANGE: f64 = 0.01;
/// Rises and falls must exceed this multiple of their standard error.
pub(super) const NOISE_FACTOR: f64 = 3.0;
/// Half-width of the smoothing window as a share of the epoch.
const WINDOW: f64 = 0.12;

/// Median over the rows within 12 % of each row's epoch, its own row included.
///
/// Epochs increase, so both ends of the window only move forward. Cost O(n log n).
pub(super) fn smooth(series: &Series) -> Vec<f64> {
    let n = series.value.len();
    let near = |i: usize, j: usize| {
        (series.epoch[j] - series.epoch[i]).abs() <= WINDOW * series.epoch[i]
    };
    let mut inside = Ranks::of(&series.value);
    let (mut low, mut high) = (0, 0);
    (0..n)
        .map(|i| {
            while high < n && (high <= i || near(i, high)) {
                inside.add(high);
                high += 1;
            }
            while !near(i, low) {
                inside.remove(low);
                low += 1;
            }
            inside.median()
        })
        .collect()
}

/// A changing selection of some values, whose median is known at any time: counts of the
/// selected ranks in a Fenwick tree. Every operation costs O(log n).
struct Ranks {
    sorted: Vec<f64>,
    rank: Vec<usize>,
    /// Selected values by rank, summed over power-of-two ranges.
    counts: Vec<usize>,
    n: usize,
}

impl Ranks {
    fn of(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let mut rank = vec![0; values.len()];
        order.iter().enumerate().for_each(|(at, &i)| rank[i] = at);
        let counts = vec![0; values.len().next_power_of_two() + 1];
        Self { sorted: order.iter().map(|&i| values[i]).collect(), rank, counts, n: 0 }
    }

    fn add(&mut self, value: usize) {
        self.n += 1;
        self.change(value, |count| count + 1);
    }

    fn remove(&mut self, value: usize) {
        self.n -= 1;
        self.change(value, |count| count - 1);
    }

    fn change(&mut self, value: usize, change: impl Fn(usize) -> usize) {
        let mut at = self.rank[value] + 1;
        while at < self.counts.len() {
            self.counts[at] = change(self.counts[at]);
            at += at & at.wrapping_neg();
        }
    }

    /// The selected value with `k` selected ones before it.
    fn nth(&self, k: usize) -> f64 {
        let (mut at, mut left) = (0, k);
        let mut step = self.counts.len() - 1;
        while step > 0 {
            if at + step < self.counts.len() && self.counts[at + step] <= left {
                at += step;
                left -= self.counts[at];
            }
            step /= 2;
        }
        self.sorted[at]
    }

    fn median(&self) -> f64 {
        let upper = self.nth(self.n / 2);
        if self.n % 2 == 1 {
            upper
        } else {
            f64::midpoint(self.nth(self.n / 2 - 1), upper)
        }
    }
}

/// The median, the mean of the middle two of an even number; NaN of none. Cost O(n).
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let middle = values.len() / 2;
    let odd = values.len() % 2 == 1;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if odd {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(lower, upper)
}

/// 1.05·median of the absolute differences of neighbors; 0 for fewer than two rows.
pub(super) fn noise(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    1.05 * median(values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_medians_are_those_of_each_window() {
        let epoch: Vec<f64> =
            (0..300).map(|i| f64::from(i) + f64::from(i % 3) / 4.0).collect();
        let value: Vec<f64> = (0..300).map(|i| f64::from(i * 37 % 101) / 7.0).collect();
        let row = (0..300).collect();
        let axis = crate::phases::Axis::Epoch;
        let series = Series { axis, row, epoch: epoch.clone(), value };
        for (i, found) in smooth(&series).into_iter().enumerate() {
            let near = |e: f64| (e - epoch[i]).abs() <= WINDOW * epoch[i];
            let window = (0..300).filter(|&j| near(epoch[j])).map(|j| series.value[j]);
            assert_eq!(found, median(window.collect()), "row {i}");
        }
    }
}
