//! The examples of minibatch estimators: consecutive batches of one size.

use std::ops::Range;

/// Cuts n examples into ⌊n/size⌋ consecutive batches; a remainder joins the last one, so that
/// no batch is short.
///
/// # Panics
/// If `size < 4`: the unbiased estimator divides by b(b − 3).
pub(super) fn batches(n: usize, size: usize) -> Vec<Range<usize>> {
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
