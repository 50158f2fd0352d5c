//! Several statements at once, and slopes (section 7).

/// Holm's adjusted p-values of a family of statements, in the order given.
///
/// # Example
/// ```
/// use stratagram::findings::seeds::holm;
/// assert_eq!(holm(&[0.25, 0.125, 0.5]), [0.5, 0.375, 0.5]);
/// ```
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut last = 0.0_f64;
    for (rank, &at) in order.iter().enumerate() {
        last = last.max(((p.len() - rank) as f64 * p[at]).min(1.0));
        adjusted[at] = last;
    }
    adjusted
}

/// Slope of y on x by least squares; NaN where all x are equal.
///
/// # Panics
/// If the lengths differ.
pub fn slope(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len(), "points of a line");
    let mean = |z: &[f64]| z.iter().sum::<f64>() / z.len() as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let across: f64 = x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    across / x.iter().map(|x| (x - mean_x).powi(2)).sum::<f64>()
}
