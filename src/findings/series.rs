//! The shape of a series: its peaks and the monotone and valley-shaped series nearest to it
//! (section 1.4), and medians.

use std::iter::repeat_n;

/// A local maximum and its topographic prominence: how far one must descend from it before
/// one can climb higher.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Position; of a plateau the middle, rounded down.
    pub at: usize,
    /// Height above the higher of the two valleys beside it.
    pub prominence: f64,
}

/// The interior local maxima, most prominent first (ties: the first). Cost O(n·peaks).
///
/// # Example
/// ```
/// use stratagram::findings::series::{Peak, peaks};
/// let found = peaks(&[0.0, 2.0, 1.0, 5.0, 5.0, 3.0]);
/// assert_eq!(found[0], Peak { at: 3, prominence: 2.0 });
/// assert_eq!(found[1], Peak { at: 1, prominence: 1.0 });
/// ```
pub fn peaks(y: &[f64]) -> Vec<Peak> {
    let mut found = vec![];
    let mut i = 1;
    while i + 1 < y.len() {
        if y[i - 1] < y[i] {
            let mut end = i;
            while end + 1 < y.len() && y[end + 1].total_cmp(&y[i]).is_eq() {
                end += 1;
            }
            if end + 1 < y.len() && y[end + 1] < y[i] {
                let at = usize::midpoint(i, end);
                found.push(Peak { at, prominence: prominence(y, at) });
            }
            i = end;
        }
        i += 1;
    }
    found.sort_by(|a, b| b.prominence.total_cmp(&a.prominence));
    found
}

fn prominence(y: &[f64], at: usize) -> f64 {
    let lowest = |lowest: f64, value: &f64| lowest.min(*value);
    let below = |value: &&f64| **value <= y[at];
    let left = y[..=at].iter().rev().take_while(below).fold(y[at], lowest);
    let right = y[at..].iter().take_while(below).fold(y[at], lowest);
    y[at] - left.max(right)
}

/// Prominence of the most prominent peak; 0 without peaks.
pub(super) fn highest_prominence(y: &[f64]) -> f64 {
    peaks(y).first().map_or(0.0, |peak| peak.prominence)
}

/// Mean, weight and number of neighbours that are pooled into one value.
#[derive(Clone, Copy)]
struct Pool {
    mean: f64,
    weight: f64,
    n: usize,
}

impl Pool {
    fn with(self, other: Self) -> Self {
        let weight = self.weight + other.weight;
        let mean = (self.mean * self.weight + other.mean * other.weight) / weight;
        Self { mean, weight, n: self.n + other.n }
    }
}

/// Pools adjacent violators: the series without `wrong(before, after)` neighbours nearest to
/// the given (mean, weight, number) in weighted least squares. Cost O(n).
fn pooled(
    points: impl Iterator<Item = (f64, f64, usize)>,
    wrong: impl Fn(f64, f64) -> bool,
) -> Vec<f64> {
    let mut pools: Vec<Pool> = vec![];
    for (mean, weight, n) in points {
        let mut last = Pool { mean, weight, n };
        while let Some(before) = pools.pop_if(|before| wrong(before.mean, last.mean)) {
            last = before.with(last);
        }
        pools.push(last);
    }
    pools.into_iter().flat_map(|pool| repeat_n(pool.mean, pool.n)).collect()
}

/// The non-increasing series nearest to `y` in least squares.
pub fn falling(y: &[f64]) -> Vec<f64> {
    pooled(y.iter().map(|&y| (y, 1.0, 1)), |before, after| before < after)
}

/// The non-decreasing series nearest to `y` in least squares.
pub fn rising(y: &[f64]) -> Vec<f64> {
    let mut fit = falling(&y.iter().rev().copied().collect::<Vec<_>>());
    fit.reverse();
    fit
}

/// The non-decreasing series nearest to groups of points, given as (mean, weight, number of
/// points), in weighted least squares; one value per point.
pub(super) fn rising_groups(groups: &[(f64, f64, usize)]) -> Vec<f64> {
    pooled(groups.iter().copied(), |before, after| before > after)
}

/// The series nearest to `y` in least squares among those that fall up to some position and
/// rise after it (ties: the first position; rising throughout last).
///
/// It is the null of the first burst: constant, decaying, growing and U-shaped speeds have
/// no peak. Cost O(n²).
pub fn valley_fit(y: &[f64]) -> Vec<f64> {
    let turns_at = |k: usize| [falling(&y[..k]), rising(&y[k..])].concat();
    let squares = |fit: &[f64]| -> f64 {
        fit.iter().zip(y).map(|(fit, y)| (fit - y).powi(2)).sum()
    };
    let fits = (1..=y.len()).chain([0]).map(turns_at);
    let nearest = fits
        .map(|fit| (squares(&fit), fit))
        .reduce(|best, next| if next.0 < best.0 - 1e-12 { next } else { best });
    nearest.map_or_else(Vec::new, |(_, fit)| fit)
}

/// A smooth series with no peak but those at `modes` (positions in increasing order): from
/// one mode it falls to the lowest value before the next, then rises to it. Without modes
/// [`valley_fit`].
pub fn null_fit(y: &[f64], modes: &[usize]) -> Vec<f64> {
    if modes.is_empty() {
        return valley_fit(y);
    }
    let mut fit = vec![0.0; y.len()];
    let ends: Vec<usize> =
        [0].iter().chain(modes).chain(&[y.len() - 1]).copied().collect();
    for pair in ends.windows(2).filter(|pair| pair[0] < pair[1]) {
        let (from, to) = (pair[0], pair[1]);
        let lowest = from + position_of_lowest(&y[from..=to]);
        fit[from..=lowest].copy_from_slice(&falling(&y[from..=lowest]));
        let floor = if lowest > from { fit[lowest] } else { f64::NEG_INFINITY };
        for (fit, up) in fit[lowest..=to].iter_mut().zip(rising(&y[lowest..=to])) {
            *fit = up.max(floor);
        }
    }
    for &mode in modes {
        fit[mode] = y[mode];
    }
    fit
}

/// Position of the least value, the first among equals.
///
/// # Panics
/// Without values.
pub(super) fn position_of_lowest(y: &[f64]) -> usize {
    (0..y.len()).min_by(|&i, &j| y[i].total_cmp(&y[j])).expect("a least value")
}

/// Position of the value farthest from zero, the first among equals.
///
/// # Panics
/// Without values.
pub(super) fn position_of_largest(y: &[f64]) -> usize {
    let sizes: Vec<f64> = y.iter().map(|y| -y.abs()).collect();
    position_of_lowest(&sizes)
}

/// The median, the mean of the middle two of an even number; NaN of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Running median of five, of three and four at the ends, after repeating the first and the
/// last value `repeat` times.
pub(super) fn median_of_five(values: &[f64], repeat: usize) -> Vec<f64> {
    let Some((&first, &last)) = values.first().zip(values.last()) else {
        return vec![];
    };
    let padded: Vec<f64> = repeat_n(first, repeat)
        .chain(values.iter().copied())
        .chain(repeat_n(last, repeat))
        .collect();
    let n = padded.len();
    (0..n).map(|i| median(&padded[i.saturating_sub(2)..(i + 3).min(n)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wavy series with a tie.
    fn wavy() -> Vec<f64> {
        (0..40).map(|i| f64::from(i * i % 17) + 0.1 * f64::from(i)).collect()
    }

    #[test]
    fn a_null_fit_has_no_peak_but_the_accepted() {
        let y = wavy();
        let mut modes: Vec<usize> = vec![];
        for peak in peaks(&y).into_iter().take(4) {
            let found = peaks(&null_fit(&y, &modes));
            assert_eq!(found.len(), modes.len(), "with the modes {modes:?}");
            assert!(found.iter().all(|peak| modes.contains(&peak.at)), "{found:?}");
            modes.push(peak.at);
            modes.sort_unstable();
        }
    }

    #[test]
    fn reversing_a_series_reverses_its_peaks() {
        let y = wavy();
        let reversed: Vec<f64> = y.iter().rev().copied().collect();
        let mut forth: Vec<_> =
            peaks(&y).iter().map(|p| (p.at, p.prominence.to_bits())).collect();
        let mut back: Vec<_> = peaks(&reversed)
            .iter()
            .map(|p| (y.len() - 1 - p.at, p.prominence.to_bits()))
            .collect();
        forth.sort_unstable();
        back.sort_unstable();
        assert_eq!(forth, back);
    }

    #[test]
    fn medians_at_the_ends_take_what_is_there() {
        assert_eq!(median_of_five(&[9., 1., 2., 8.], 0), [2., 5., 5., 2.]);
        assert_eq!(median_of_five(&[9., 1.], 1), [9., 5., 5., 1.]);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
