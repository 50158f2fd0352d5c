//! The order in which an epoch visits the training examples.

use super::sample::indexed_permutation;
use crate::experiment::steps_per_epoch;

/// The batches of epoch `epoch` (0 is the first): a random order of 0…n−1 that depends on
/// `seed` and `epoch` alone, cut into batches of `batch_size`. The last, short batch is used;
/// a remainder of a single example joins the batch before it.
///
/// # Panics
/// If `batch_size` is 0.
///
/// # Example
/// ```
/// let batches = stratagram::data::epoch_batches(0, 7, 257, 128);
/// assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [128, 129]);
/// ```
pub fn epoch_batches(
    seed: u64,
    epoch: u64,
    n: usize,
    batch_size: usize,
) -> Vec<Vec<usize>> {
    let steps = steps_per_epoch(n, batch_size) as usize;
    let order = indexed_permutation(seed, "batches", epoch, n);
    let batch = |step: usize| {
        let end = if step + 1 == steps { n } else { (step + 1) * batch_size };
        order[step * batch_size..end].to_vec()
    };
    (0..steps).map(batch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_visited_once_an_epoch() {
        for (n, batch_size) in
            [(1000, 128), (257, 128), (129, 128), (5, 1), (7, 100), (256, 128)]
        {
            let batches = epoch_batches(1, 2, n, batch_size);
            assert_eq!(batches.len() as u64, steps_per_epoch(n, batch_size));
            assert!(
                batches.iter().all(|b| batch_size == 1 || b.len() > 1),
                "{n} {batch_size}"
            );
            let mut visited = batches.concat();
            visited.sort_unstable();
            assert_eq!(visited, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn orders_differ_by_seed_and_epoch_and_can_be_drawn_again() {
        let first = epoch_batches(1, 2, 100, 10);
        assert_eq!(first, epoch_batches(1, 2, 100, 10));
        assert_ne!(first, epoch_batches(1, 3, 100, 10));
        assert_ne!(first, epoch_batches(2, 2, 100, 10));
    }
}
