//! Rank correlation.

/// Spearman's correlation: Pearson's of the ranks, ties sharing their mean rank. None with fewer
/// than three values, or where all values of a side are equal.
pub(crate) fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let (a, b) = (ranks(a), ranks(b));
    let n = a.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let product = |p: &[f64], q: &[f64]| -> f64 {
        p.iter().zip(q).map(|(p, q)| (p - middle) * (q - middle)).sum()
    };
    let correlation = product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt();
    Some(correlation).filter(|value| n >= 3.0 && value.is_finite())
}

/// Ranks from 0, ties sharing their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let not_above = values.iter().filter(|other| *other <= value).count();
        (below + not_above - 1) as f64 / 2.0
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.spearmanr` 1.17 gives 0.8720815992723809 for these.
    #[test]
    fn ties_share_their_rank() {
        let rho = spearman(&[0., 1., 2., 3., 4.], &[2., 2., 5., 9., 7.]).unwrap();
        assert!((rho - 0.872_081_599_272_380_9).abs() < 1e-14, "{rho}");
        assert_eq!(spearman(&[0., 1., 2.], &[3., 2., 1.]), Some(-1.0));
        assert_eq!(spearman(&[0., 1., 2.], &[3., 3., 3.]), None);
        assert_eq!(spearman(&[0., 1.], &[3., 4.]), None);
    }
}
