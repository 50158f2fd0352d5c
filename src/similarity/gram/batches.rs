//! The examples of minibatch estimators: consecutive batches of one size.

use std::ops::Range;

use crate::similarity::Estimator;

/// The batches whose Gram matrices an estimator centres: all examples, or minibatches.
pub(crate) fn batches_of(n: usize, estimator: Estimator) -> Vec<Range<usize>> {
    match estimator {
        Estimator::Debiased | Estimator::Biased => batches(n, n.max(4)),
        Estimator::Minibatch { size } => batches(n, size),
    }
}

/// Cuts n examples into ⌊n/size⌋ consecutive batches; a remainder joins the last one, so that
/// no batch is short.
///
/// # Panics
/// If `size < 4`: the unbiased estimator divides by b(b − 3).
fn batches(n: usize, size: usize) -> Vec<Range<usize>> {
    assert!(size >= 4, "batches of {size} examples; at least 4 are needed");
    let count = (n / size).max(1);
    (0..count)
        .map(|k| k * size..if k + 1 == count { n } else { (k + 1) * size })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remainder_joins_the_last_batch() {
        assert_eq!(batches(12, 6), [0..6, 6..12]);
        assert_eq!(batches(14, 4), [0..4, 4..8, 8..14]);
        assert_eq!(batches(3, 4), [Range { start: 0, end: 3 }]);
    }
}
