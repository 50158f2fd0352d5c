//! Random orders and choices that are the same on every platform.

use rand::RngExt;

use crate::seed;

/// A random order of 0…n−1 (Fisher–Yates) from the stream `name` of `seed`.
pub(super) fn permutation(seed: u64, name: &str, n: usize) -> Vec<usize> {
    indexed_permutation(seed, name, 0, n)
}

/// [`permutation`] from stream number `index` of the name.
pub(crate) fn indexed_permutation(
    seed: u64,
    name: &str,
    index: u64,
    n: usize,
) -> Vec<usize> {
    let mut rng = seed::stream(seed, name, index);
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        order.swap(last, rng.random_range(0..=last as u64) as usize);
    }
    order
}

/// The places in `positions` of `count` randomly chosen images, rising.
///
/// Every image draws a number from its own stream, by its position in the stored data set,
/// and the smallest are chosen: the choice does not depend on the order of `positions`, and
/// a larger `count` keeps the smaller choice.
pub(super) fn choose(
    seed: u64,
    name: &str,
    positions: &[usize],
    count: usize,
) -> Vec<usize> {
    let number = |position: usize| {
        (seed::stream(seed, name, position as u64).random::<u64>(), position)
    };
    let mut drawn: Vec<_> =
        (0..positions.len()).map(|at| (number(positions[at]), at)).collect();
    drawn.sort_unstable();
    let mut chosen: Vec<usize> =
        drawn.into_iter().take(count).map(|(_, at)| at).collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_holds_every_number_once_and_all_orders_are_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            *counts.entry(permutation(seed, "test", 3)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // 1000 each, standard deviation 29.
        assert!(counts.values().all(|n| (880..1120).contains(n)), "{counts:?}");
        let mut order = permutation(1, "test", 1000);
        assert_ne!(order[..10], (0..10).collect::<Vec<_>>()[..]);
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_choice_belongs_to_images_not_to_their_order() {
        let positions: Vec<usize> = (100..300).collect();
        let reversed: Vec<usize> = positions.iter().rev().copied().collect();
        let images = |positions: &[usize], count| {
            let chosen = choose(7, "test", positions, count);
            let mut images: Vec<_> = chosen.iter().map(|&at| positions[at]).collect();
            images.sort_unstable();
            images
        };
        assert_eq!(images(&positions, 50), images(&reversed, 50));
        let larger = images(&positions, 80);
        assert!(images(&positions, 50).iter().all(|image| larger.contains(image)));
        assert_eq!(choose(7, "test", &positions, 500).len(), 200);
    }
}
