//! What may be held at once: `analysis.memory`.

use std::ops::Range;

use crate::experiment::AnalysisConfig;

/// The limit in bytes.
pub(crate) fn bytes(config: &AnalysisConfig) -> u64 {
    config.memory as u64 * 1024 * 1024
}

/// Runs of layers whose `sizes` and the work on as many of them as there are threads, each
/// `work` bytes, fit the limit together; a layer that does not fit alone is taken alone.
///
/// The results of a layer do not depend on which others it is held with.
pub(crate) fn batches(sizes: &[u64], work: u64, limit: u64) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = vec![];
    for at in 0..sizes.len() {
        match batches.last_mut() {
            Some(last) if held(sizes, last.start..at + 1, work) <= limit => {
                last.end = at + 1;
            }
            _ => batches.push(at..at + 1),
        }
    }
    batches
}

/// Bytes that a run of layers takes.
pub(crate) fn held(sizes: &[u64], batch: Range<usize>, work: u64) -> u64 {
    let at_work = rayon::current_num_threads().min(batch.len()) as u64;
    sizes[batch].iter().sum::<u64>() + at_work * work
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_every_layer_once_and_fit_where_they_can() {
        let sizes = [3, 3, 3, 20, 1, 1];
        assert_eq!(batches(&sizes, 0, 7), [0..2, 2..3, 3..4, 4..6]);
        assert_eq!(batches(&sizes, 0, 1000), vec![0..sizes.len()]);
        assert_eq!(batches(&sizes, 9, 1), [0..1, 1..2, 2..3, 3..4, 4..5, 5..6]);
        assert!(batches(&[], 1, 1).is_empty());
    }
}
