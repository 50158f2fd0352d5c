//! Delete-group jackknife: standard errors over examples (section 8.1).

/// √((G − 1)/G Σ(θᵢ − θ̄)²) of a value computed without each of G groups of examples; none of
/// fewer than two groups, or where a value is not finite.
///
/// # Example
/// ```
/// use stratagram::findings::seeds::jackknife;
/// let se = jackknife(&[1.0, 1.2, 0.9, 1.1]).unwrap();
/// assert!((se - 0.1936).abs() < 1e-4);
/// ```
pub fn jackknife(replicates: &[f64]) -> Option<f64> {
    let n = replicates.len() as f64;
    let mean = replicates.iter().sum::<f64>() / n;
    let squares: f64 = replicates.iter().map(|value| (value - mean).powi(2)).sum();
    let se = ((n - 1.0) / n * squares).sqrt();
    (replicates.len() > 1 && se.is_finite()).then_some(se)
}

/// The [`jackknife`] at each point of a curve.
///
/// *Shapes* `replicates: [groups, points]`.
pub fn jackknife_curve(replicates: &[Vec<f64>]) -> Option<Vec<f64>> {
    let points = replicates.first()?.len();
    let at = |point: usize| {
        jackknife(&replicates.iter().map(|curve| curve[point]).collect::<Vec<_>>())
    };
    (0..points).map(at).collect()
}
