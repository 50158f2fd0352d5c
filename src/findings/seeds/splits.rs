//! Unpaired groups of seeds: exact splits (section 7).

use rand::seq::SliceRandom;

use super::flips::{ROUNDING, lowest_not_rejected};
use crate::findings::defaults::ALPHA;
use crate::seed;

/// Up to this many splits all are counted; beyond it so many random ones.
const MOST: usize = 200_000;

/// One-sided p-value of mean(a) − mean(b) > `delta`: the share of all splits of the pooled
/// values, `a` less `delta`, whose difference of means is at least the observed one.
///
/// More than 200,000 splits: of 200,000 random ones and the observed one.
///
/// # Panics
/// If a group is empty.
pub fn split_p(a: &[f64], b: &[f64], delta: f64) -> f64 {
    assert!(!a.is_empty() && !b.is_empty(), "two groups of seeds");
    let pooled: Vec<f64> = a.iter().map(|a| a - delta).chain(b.iter().copied()).collect();
    let (k, n) = (a.len(), pooled.len());
    let total: f64 = pooled.iter().sum();
    let size: f64 = pooled.iter().map(|z| z.abs()).sum();
    let difference = |sum: f64| sum / k as f64 - (total - sum) / (n - k) as f64;
    let observed = difference(pooled[..k].iter().sum()) - ROUNDING * size;
    let reaches = |sum: f64| difference(sum) >= observed;
    if splits(n, k) > MOST as f64 {
        let mut rng = seed::stream(0, "findings/splits", 0);
        let mut order = pooled;
        let reached = (0..MOST)
            .filter(|_| reaches(order.partial_shuffle(&mut rng, k).0.iter().sum()))
            .count();
        return (1 + reached) as f64 / (MOST + 1) as f64;
    }
    let mut reached = 0_usize;
    each_sum(&pooled, k, 0.0, &mut |sum| reached += usize::from(reaches(sum)));
    reached as f64 / splits(n, k)
}

/// Number of ways to choose `k` of `n`.
fn splits(n: usize, k: usize) -> f64 {
    (0..k).fold(1.0, |ways, i| (ways * (n - i) as f64 / (i + 1) as f64).round())
}

/// Calls `each` with `sum` plus the sum of every choice of `k` values.
fn each_sum(values: &[f64], k: usize, sum: f64, each: &mut impl FnMut(f64)) {
    if k == 0 {
        return each(sum);
    }
    for (at, value) in values.iter().enumerate().take(values.len() + 1 - k) {
        each_sum(&values[at + 1..], k - 1, sum + value, each);
    }
}

/// The 95 % interval of mean(a) − mean(b): all shifts that [`split_p`] rejects on neither side
/// at 2.5 %. None where there are too few splits for one to exist.
///
/// # Panics
/// If a group is empty.
pub fn split_interval(a: &[f64], b: &[f64]) -> Option<[f64; 2]> {
    if 1.0 / splits(a.len() + b.len(), a.len()) > ALPHA / 2.0 {
        return None;
    }
    let mean = |z: &[f64]| z.iter().sum::<f64>() / z.len() as f64;
    let least = |z: &[f64]| z.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |z: &[f64]| z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lower = |a: &[f64], b: &[f64]| {
        // Shifted so far, all of a lie above all of b.
        let low = least(a) - most(b) - 1e-9;
        lowest_not_rejected(low, mean(a) - mean(b), |shift| split_p(a, b, shift))
    };
    let negative = |z: &[f64]| z.iter().map(|z| -z).collect::<Vec<f64>>();
    Some([lower(a, b), -lower(&negative(a), &negative(b))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_splits_agree_with_all_of_them() {
        let a: Vec<f64> = (0..10).map(|i| 0.3 + f64::from(i * 7 % 10) / 10.0).collect();
        let b: Vec<f64> = (0..10).map(|i| f64::from(i * 3 % 10) / 10.0).collect();
        let exact = split_p(&a, &b, 0.0); // 184,756 splits
        let more = [&a[..], &[0.75, 0.75]].concat();
        assert!(splits(22, 12) > MOST as f64);
        let random = split_p(&more, &b, 0.0);
        assert!((exact - random).abs() < 0.02 && exact < 0.05, "{exact} {random}");
    }

    #[test]
    fn an_interval_moves_with_the_difference() {
        let a = [0.5, 0.7, 0.9, 0.4];
        let b = [0.3, 0.2, 0.6, 0.1];
        let [low, high] = split_interval(&a, &b).unwrap();
        assert!(low < 0.325 && high > 0.325, "{low} {high}");
        let shifted = a.map(|a| a + 1.0);
        let [low_shifted, _] = split_interval(&shifted, &b).unwrap();
        assert!((low_shifted - low - 1.0).abs() < 1e-9);
        assert_eq!(split_interval(&a[..2], &b[..2]), None);
    }
}
