//! Cross-entropy and predictions from logits.

/// Sum over the rows of −ln softmax(z)_y = ln `Σ_c` `exp(z_c` − m) + m − `z_y`, m = max z, in f64.
///
/// *Shapes* `logits`: `[n, n_classes]`, `labels`: `[n]`. NaN if a logit is NaN or +∞.
pub(super) fn cross_entropy_sum(logits: &[f32], n_classes: usize, labels: &[u8]) -> f64 {
    assert_eq!(
        logits.len(),
        n_classes * labels.len(),
        "logits of {} labels",
        labels.len()
    );
    let rows = logits.chunks_exact(n_classes).zip(labels);
    rows.map(|(row, &label)| {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let largest = f64::from(largest);
        let sum: f64 = row.iter().map(|&z| (f64::from(z) - largest).exp()).sum();
        sum.ln() + largest - f64::from(row[usize::from(label)])
    })
    .sum()
}

/// The class with the largest logit of each row; of equal ones the lowest.
pub(super) fn predictions(
    logits: &[f32],
    n_classes: usize,
) -> impl Iterator<Item = u8> + '_ {
    logits.chunks_exact(n_classes).map(|row| {
        let mut best = 0;
        for (class, logit) in row.iter().enumerate() {
            if *logit > row[best] {
                best = class;
            }
        }
        best as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_is_that_of_the_formula() {
        // ln(e¹ + e² + e³) = 3.4076059644443806
        let loss = cross_entropy_sum(&[1.0, 2.0, 3.0], 3, &[0]);
        assert!((loss - 2.407_605_964_444_380_6).abs() < 1e-14, "{loss}");
        // Shifted logits neither overflow nor change it.
        let loss = cross_entropy_sum(&[1e4 + 1.0, 1e4 + 2.0, 1e4 + 3.0], 3, &[0]);
        assert!((loss - 2.407_605_964_444_380_6).abs() < 1e-12, "{loss}");
        let uniform = cross_entropy_sum(&[0.0; 20], 10, &[3, 9]);
        assert!((uniform - 2.0 * 10_f64.ln()).abs() < 1e-14, "{uniform}");
    }

    #[test]
    fn undefined_logits_give_no_number() {
        for bad in [f32::NAN, f32::INFINITY] {
            assert!(!cross_entropy_sum(&[bad, 0.0], 2, &[0]).is_finite());
            assert!(!cross_entropy_sum(&[bad, 0.0], 2, &[1]).is_finite());
        }
    }

    #[test]
    fn the_lowest_of_equal_classes_is_predicted() {
        let logits = [0.0, 1.0, 1.0, 2.0, 2.0, 2.0, -1.0, -3.0, 0.5];
        assert_eq!(predictions(&logits, 3).collect::<Vec<_>>(), [1, 0, 2]);
    }
}
