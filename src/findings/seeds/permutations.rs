//! Dates that belong to arms: whether other arms' dates would do as well (section 3, tracking).

use rand::seq::SliceRandom;

use crate::seed;

/// Up to this many arms all orders are counted.
const MOST_EXACT: usize = 8;
/// Random orders beyond that.
const RANDOM: usize = 50_000;
/// Relative rounding of a mean.
const ROUNDING: f64 = 1e-12;

/// What permuting the dates over arms says.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracking {
    /// Of each seed: the mean over arms of |time − date| with the dates of other arms, less that
    /// with each arm's own. Positive: times follow their own arm's dates.
    pub gain: Vec<f64>,
    /// The share of all orders of the arms whose mean |time − date| is at most the observed one.
    pub p: f64,
}

/// Permutes the dates over arms; a seed keeps its own dates, all seeds in the same order.
///
/// More than 8 arms: 50,000 random orders and the observed one.
///
/// *Shapes* `times`, `dates`: `[arms]` of `[seeds]`.
///
/// # Panics
/// If the shapes differ, or there are no arms or seeds.
///
/// # Example
/// ```
/// use stratagram::findings::seeds::tracking;
/// // Three arms, one seed: each settles where it fits. 1 of 3! orders is as near.
/// let found = tracking(&[vec![1.0], vec![2.0], vec![4.0]], &[vec![1.0], vec![2.0], vec![4.0]]);
/// assert_eq!(found.p, 1.0 / 6.0);
/// assert_eq!(found.gain, [2.0]); // 6 pairs of other arms, 12 in all
/// ```
pub fn tracking(times: &[Vec<f64>], dates: &[Vec<f64>]) -> Tracking {
    let (arms, seeds) = (times.len(), times.first().map_or(0, Vec::len));
    assert!(arms > 0 && seeds > 0 && dates.len() == arms, "times and dates of arms");
    let distance = |arm: usize, other: usize, seed: usize| {
        (times[arm][seed] - dates[other][seed]).abs()
    };
    // [arm of the time, arm of the date]: summed over seeds.
    let of_arms: Vec<f64> = (0..arms * arms)
        .map(|at| (0..seeds).map(|seed| distance(at / arms, at % arms, seed)).sum())
        .collect();
    let sum = |order: &[usize]| -> f64 {
        order.iter().enumerate().map(|(arm, &other)| of_arms[arm * arms + other]).sum()
    };
    let mut order: Vec<usize> = (0..arms).collect();
    let observed = sum(&order) * (1.0 + ROUNDING);
    let p = if arms > MOST_EXACT {
        let mut rng = seed::stream(0, "findings/tracking", 0);
        let mut near = 1_usize;
        for _ in 0..RANDOM {
            order.shuffle(&mut rng);
            near += usize::from(sum(&order) <= observed);
        }
        near as f64 / (RANDOM + 1) as f64
    } else {
        let (mut near, mut all) = (0_usize, 0_usize);
        each_order(&mut order, 0, &mut |order| {
            near += usize::from(sum(order) <= observed);
            all += 1;
        });
        near as f64 / all as f64
    };
    let gain = |seed: usize| {
        let own: f64 = (0..arms).map(|arm| distance(arm, arm, seed)).sum();
        let all = (0..arms * arms).map(|at| distance(at / arms, at % arms, seed));
        let others = (all.sum::<f64>() - own) / (arms - 1).max(1) as f64;
        (others - own) / arms as f64
    };
    Tracking { gain: (0..seeds).map(gain).collect(), p }
}

/// Calls `each` with every order of the positions from `from` on.
fn each_order(order: &mut [usize], from: usize, each: &mut impl FnMut(&[usize])) {
    if from + 1 >= order.len() {
        return each(order);
    }
    for at in from..order.len() {
        order.swap(from, at);
        each_order(order, from + 1, each);
        order.swap(from, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_up(arms: usize) -> [Vec<Vec<f64>>; 2] {
        let noise = |k: usize| ((k * 7919 + 13) % 101) as f64 / 101.0;
        let dates: Vec<Vec<f64>> = (0..arms)
            .map(|arm| {
                (0..3).map(|seed| arm as f64 + 0.1 * noise(arm * 3 + seed)).collect()
            })
            .collect();
        let moved = |(arm, of): (usize, &Vec<f64>)| -> Vec<f64> {
            of.iter()
                .enumerate()
                .map(|(s, x)| x + 0.4 * noise(50 + arm * 3 + s))
                .collect()
        };
        let times = dates.iter().enumerate().map(moved).collect();
        [times, dates]
    }

    #[test]
    fn times_that_follow_their_dates_are_nearer_than_in_any_other_order() {
        let [times, dates] = made_up(5);
        let found = tracking(&times, &dates);
        assert_eq!(found.p, 1.0 / 120.0);
        assert!(found.gain.iter().all(|gain| *gain > 1.0), "{found:?}");
        // Times that have nothing to do with the dates, and one arm's times in all.
        let same = vec![vec![2.0, 2.1, 2.2]; 5];
        let found = tracking(&same, &dates);
        assert_eq!(found.p, 1.0);
        assert!(found.gain.iter().all(|gain| gain.abs() < 1e-12), "{found:?}");
        let backwards: Vec<Vec<f64>> = times.iter().rev().cloned().collect();
        assert!(tracking(&backwards, &dates).p > 0.9);
    }

    #[test]
    fn random_orders_agree_with_the_size_of_all_of_them() {
        let [times, dates] = made_up(9);
        assert!(tracking(&times, &dates).p <= 2.0 / 50_001.0);
        let swapped: Vec<Vec<f64>> =
            (0..9).map(|arm| times[(arm + 4) % 9].clone()).collect();
        assert!(tracking(&swapped, &dates).p > 0.5);
    }
}
