//! The peaks of a smoothed curve, one after the other: their minima, what they hold, and the
//! curve without them.

use super::parts::Holds;
use crate::phases::curves::Series;

/// A climb of this much ends the foot of a bump: something else begins.
const CLIMB: f64 = 0.01;

/// A minimum, the top after it and the minimum after that, as rows of a series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) min: usize,
    pub(super) top: usize,
    pub(super) second_min: usize,
}

impl Shape {
    /// The peak with the largest min(rise, fall); the first among equals.
    pub(super) fn most_prominent(s: &[f64]) -> Self {
        let left = minimum_so_far(s);
        let right = minimum_from_here(s);
        let height = |t: usize| (s[t] - s[left[t]]).min(s[t] - s[right[t]]);
        let higher = |best, t| if height(t) > height(best) { t } else { best };
        let top = (0..s.len()).fold(0, higher);
        Self { min: left[top], top, second_min: right[top] }
    }

    /// The largest climb from the lowest row on.
    pub(super) fn climb(s: &[f64]) -> Self {
        let lower = |best: usize, t: usize| if s[t] < s[best] { t } else { best };
        let higher = |best: usize, t: usize| if s[t] > s[best] { t } else { best };
        let min = (0..s.len()).fold(0, lower);
        let top = (min..s.len()).fold(min, higher);
        Self { min, top, second_min: (top..s.len()).fold(top, lower) }
    }

    /// The smaller of rise and fall.
    pub(super) fn height(self, s: &[f64]) -> f64 {
        s[self.top] - s[self.min].max(s[self.second_min])
    }
}

/// Row of the running minimum at each row, the first among equals.
fn minimum_so_far(s: &[f64]) -> Vec<usize> {
    let mut lowest = 0;
    let update = |i: usize| {
        if s[i] < s[lowest] {
            lowest = i;
        }
        lowest
    };
    (0..s.len()).map(update).collect()
}

/// Row of the minimum from each row on, the first among equals.
fn minimum_from_here(s: &[f64]) -> Vec<usize> {
    let mut lowest = s.len() - 1;
    let update = |i: usize| {
        if s[i] <= s[lowest] {
            lowest = i;
        }
        lowest
    };
    let mut rows: Vec<usize> = (0..s.len()).rev().map(update).collect();
    rows.reverse();
    rows
}

/// The unbroken run of rows around `top` that are at least half-way up a peak of `height`.
pub(super) fn held(s: &[f64], top: usize, height: f64) -> [usize; 2] {
    let up = |&i: &usize| s[i] >= s[top] - height / 2.0;
    let first = (0..=top).rev().take_while(up).last().unwrap_or(top);
    let last = (top..s.len()).take_while(up).last().unwrap_or(top);
    [first, last]
}

/// The same as epochs.
pub(super) fn holds(series: &Series, [first, last]: [usize; 2]) -> Holds {
    Holds { from: series.epoch[first], to: series.epoch[last], rows: last - first + 1 }
}

/// Replaces a bump that holds these rows by a straight line in log time between its feet: on
/// each side the lowest row before the curve climbs again by 0.01. Cost O(n).
pub(super) fn remove(s: &mut [f64], epoch: &[f64], [first, last]: [usize; 2]) {
    let left = foot(s, (0..=first).rev());
    let right = foot(s, last..s.len());
    let (start, end) = (epoch[left].ln_1p(), epoch[right].ln_1p());
    let (from, to) = (s[left], s[right]);
    if right > left + 1 {
        let between = left + 1..right;
        for (value, epoch) in s[between.clone()].iter_mut().zip(&epoch[between]) {
            let share = (epoch.ln_1p() - start) / (end - start);
            *value = from + share * (to - from);
        }
    }
}

fn foot(s: &[f64], rows: impl Iterator<Item = usize> + Clone) -> usize {
    let mut lowest = rows.clone().next().expect("a bump holds a row");
    for row in rows {
        if s[row] < s[lowest] {
            lowest = row;
        } else if s[row] > s[lowest] + CLIMB {
            break;
        }
    }
    lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_without_a_bump_has_the_next_one() {
        let mut s = [0.9, 0.5, 0.3, 0.8, 0.2, 0.1, 0.15, 0.3, 0.25, 0.2];
        let epoch: Vec<f64> = (0..10).map(f64::from).collect();
        let first = Shape::most_prominent(&s);
        assert_eq!((first.min, first.top, first.second_min), (2, 3, 5));
        let rows = held(&s, first.top, first.height(&s));
        assert_eq!(rows, [3, 3]);
        remove(&mut s, &epoch, rows);
        assert!(s[3] < 0.3 && s[3] > 0.1 && s[5] == 0.1, "{s:?}");
        let second = Shape::most_prominent(&s);
        assert_eq!((second.min, second.top, second.second_min), (5, 7, 9));
    }
}
