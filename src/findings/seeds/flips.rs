//! Paired differences: exact sign flips (section 7).

use rand::RngExt;

use crate::findings::defaults::ALPHA;
use crate::seed;

/// Up to this many differences all 2ⁿ patterns are counted.
const MOST_EXACT: usize = 16;
/// Random patterns beyond that.
const RANDOM: usize = 200_000;
/// Relative rounding of a sum.
pub(super) const ROUNDING: f64 = 1e-12;
/// Halvings of a bracket.
pub(super) const BISECTIONS: usize = 60;

/// One-sided p-value of mean > `delta`: the share of the 2ⁿ sign patterns of d − delta whose
/// sum is at least the observed one. Exact for differences symmetric around `delta`.
///
/// More than 16 differences: of 200,000 random patterns and the observed one.
///
/// # Example
/// ```
/// use stratagram::findings::seeds::flip_p;
/// assert_eq!(flip_p(&[0.2, 0.1, 0.3, 0.05, 0.15], 0.0), 1.0 / 32.0);
/// ```
pub fn flip_p(d: &[f64], delta: f64) -> f64 {
    let z: Vec<f64> = d.iter().map(|d| d - delta).collect();
    let size: f64 = z.iter().map(|z| z.abs()).sum();
    let observed = z.iter().sum::<f64>() - ROUNDING * size;
    if z.len() > MOST_EXACT {
        return random_flip_p(&z, observed);
    }
    let patterns = 1_u32 << z.len();
    let sum = |pattern: u32| -> f64 {
        z.iter()
            .enumerate()
            .map(|(i, z)| if pattern >> i & 1 == 0 { *z } else { -z })
            .sum()
    };
    let reached = (0..patterns).filter(|&pattern| sum(pattern) >= observed).count();
    reached as f64 / f64::from(patterns)
}

fn random_flip_p(z: &[f64], observed: f64) -> f64 {
    let mut rng = seed::stream(0, "findings/flips", 0);
    let mut sum =
        || -> f64 { z.iter().map(|z| if rng.random::<bool>() { *z } else { -z }).sum() };
    let reached = (0..RANDOM).filter(|_| sum() >= observed).count();
    (1 + reached) as f64 / (RANDOM + 1) as f64
}

/// The 95 % interval of a mean difference: all delta that [`flip_p`] rejects on neither side
/// at 2.5 %. None with fewer than six differences, where no such interval exists.
pub fn flip_interval(d: &[f64]) -> Option<[f64; 2]> {
    if 0.5_f64.powi(d.len() as i32) > ALPHA / 2.0 {
        return None;
    }
    let lower = |z: &[f64]| {
        let least = z.iter().copied().fold(f64::INFINITY, f64::min);
        let most = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = z.iter().sum::<f64>() / z.len() as f64;
        lowest_not_rejected(least - (most - least) - 1e-9, mean, |at| flip_p(z, at))
    };
    let negative: Vec<f64> = d.iter().map(|d| -d).collect();
    Some([lower(d), -lower(&negative)])
}

/// The least value between `low` and `high` at which `p` exceeds 2.5 %, by bisection.
pub(super) fn lowest_not_rejected(low: f64, high: f64, p: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (low, high);
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if p(middle) > ALPHA / 2.0 {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// p-value of |mean| < `margin`: the larger of two one-sided sign-flip tests.
pub fn equivalent_p(d: &[f64], margin: f64) -> f64 {
    let negative: Vec<f64> = d.iter().map(|d| -d).collect();
    flip_p(d, -margin).max(flip_p(&negative, -margin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_differences_are_flipped_at_random() {
        let d: Vec<f64> = (0..20).map(|i| f64::from(i % 5) - 1.0).collect();
        let (p, opposite) = (flip_p(&d, 0.0), flip_p(&d, 2.0));
        assert!(p < 0.01 && opposite > 0.99, "{p} {opposite}");
    }

    #[test]
    fn an_interval_holds_what_is_not_rejected() {
        let d = [0.3, -0.1, 0.4, 0.2, 0.1, 0.25, 0.05];
        let [low, high] = flip_interval(&d).unwrap();
        assert!(flip_p(&d, low + 1e-6) > 0.025 && flip_p(&d, low - 1e-6) <= 0.025);
        let negative = d.map(|d| -d);
        assert!(flip_p(&negative, -high + 1e-6) > 0.025);
        assert_eq!(flip_interval(&d[..5]), None);
    }
}
