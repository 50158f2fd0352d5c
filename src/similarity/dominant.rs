//! Leaving out the examples of largest norm: a few of them can make a similarity (Nguyen et
//! al. 2022; Davari et al. 2022).

use rayon::prelude::*;

use super::{Estimator, Feature, GramScale, Undefined};

/// The largest norm of each example over the representations seen so far.
///
/// Matrices compare the same examples at all epochs, so the norms of one example are combined:
/// an example counts by its largest norm over the representations, each relative to the root
/// mean square of that representation's centred examples. Norms are of centred features.
///
/// # Example
/// ```
/// use stratagram::similarity::Dominance;
/// let mut dominance = Dominance::new(5);
/// dominance.add(&[1.0f32, -1.0, 2.0, 40.0, 0.0]);
/// assert_eq!(dominance.kept(0.2), [0, 1, 2, 4]);
/// ```
#[derive(Debug, Clone)]
pub struct Dominance {
    largest: Vec<f64>,
}

impl Dominance {
    /// Of n examples, none seen yet.
    pub fn new(n: usize) -> Self {
        Self { largest: vec![0.0; n] }
    }

    /// Adds a representation `[n, p]`, row-major. Cost 2n·p.
    ///
    /// # Panics
    /// If its length is no multiple of n.
    pub fn add<T: Feature>(&mut self, features: &[T]) {
        self.add_squares(&centred_squares(features, self.largest.len()));
    }

    /// Adds a representation by the squared norms of its centered examples, `[n]`.
    pub(crate) fn add_squares(&mut self, squares: &[f64]) {
        let mean = squares.iter().sum::<f64>() / squares.len() as f64;
        for (largest, square) in self.largest.iter_mut().zip(squares) {
            // A dead or broken representation (0/0, NaN) says nothing of examples.
            let relative = square / mean;
            if relative > *largest {
                *largest = relative;
            }
        }
    }

    /// The examples that stay when the fraction `q` of largest norm is left out, in their
    /// order: ⌈q·n⌉ go, of equal norms the later.
    ///
    /// # Panics
    /// If `q` is not in [0, 1).
    pub fn kept(&self, q: f64) -> Vec<usize> {
        assert!((0.0..1.0).contains(&q), "the fraction {q} of examples");
        keep_smallest(&self.largest, q)
    }
}

/// The CKA of all pairs of epochs without the fraction `q` of examples of largest norm at any of
/// them: their rows are taken out of the Gram matrices, which are centered again. None where a
/// Gram matrix does not follow from what is stored (minibatches, rows of an earlier version) or
/// fewer than 4 examples stay.
///
/// *Shapes* `signatures`, `scales`: `[E]`; result `[E, E]`, NaN where an epoch has no signature.
///
/// Cost E²n²/4 multiply-adds in f64, in a fixed order; memory E·n²/2 numbers.
///
/// # Panics
/// If signatures and scales are of different examples, or `q` is not in [0, 1).
pub fn without_dominant(
    signatures: &[Result<&[f32], Undefined>],
    scales: &[Option<GramScale>],
    estimator: Estimator,
    q: f64,
) -> Option<Vec<f64>> {
    let n = scales.iter().flatten().next()?.squared_norms.len();
    let mut dominance = Dominance::new(n);
    scales.iter().flatten().for_each(|scale| dominance.add_squares(&scale.squared_norms));
    let kept = dominance.kept(q);
    if kept.len() < 4 {
        return None;
    }
    let of_epoch =
        |(signature, scale): (&Result<&[f32], Undefined>, &Option<GramScale>)| {
            let Ok(signature) = signature else { return Some(vec![]) };
            let gram = scale.as_ref()?.gram(signature, estimator)?;
            let entry =
                |at: usize| gram[kept[at / kept.len()] * n + kept[at % kept.len()]];
            let rest = (0..kept.len().pow(2)).map(entry).collect();
            Some(centred(rest, kept.len(), estimator == Estimator::Biased))
        };
    let rows: Vec<Vec<f64>> =
        signatures.par_iter().zip(scales).map(of_epoch).collect::<Option<_>>()?;
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norms: Vec<f64> = rows.iter().map(|row| dot(row, row).sqrt()).collect();
    let epochs = rows.len();
    let cosine = |at: usize| {
        let (i, j) = (at / epochs, at % epochs);
        // An epoch without a signature has the norm 0.
        if i > j { f64::NAN } else { dot(&rows[i], &rows[j]) / (norms[i] * norms[j]) }
    };
    let upper: Vec<f64> = (0..epochs * epochs).into_par_iter().map(cosine).collect();
    let value = |at: usize| {
        let (i, j) = (at / epochs, at % epochs);
        upper[i.min(j) * epochs + i.max(j)]
    };
    Some((0..epochs * epochs).map(value).collect())
}

/// A Gram matrix `[n, n]` doubly centered, or U-centered, as its upper triangle, entries beside
/// the diagonal times √2.
fn centred(mut gram: Vec<f64>, n: usize, is_biased: bool) -> Vec<f64> {
    if !is_biased {
        (0..n).for_each(|i| gram[i * n + i] = 0.0);
    }
    let size = n as f64;
    let (of_row, of_all) =
        if is_biased { (size, 2.0 * size) } else { (size - 2.0, 2.0 * (size - 1.0)) };
    let mut means: Vec<f64> =
        gram.chunks(n).map(|row| row.iter().sum::<f64>() / of_row).collect();
    let common = means.iter().sum::<f64>() / of_all;
    means.iter_mut().for_each(|mean| *mean -= common);
    let entry = |i: usize, j: usize| match (i == j, is_biased) {
        (true, false) => 0.0,
        (true, true) => gram[i * n + i] - 2.0 * means[i],
        _ => (gram[i * n + j] - means[i] - means[j]) * std::f64::consts::SQRT_2,
    };
    (0..n).flat_map(|i| (i..n).map(move |j| (i, j))).map(|(i, j)| entry(i, j)).collect()
}

/// All but the ⌈q·n⌉ positions of largest value.
fn keep_smallest(values: &[f64], q: f64) -> Vec<usize> {
    let n = values.len();
    let left_out = (q * n as f64).ceil() as usize;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    order.truncate(n - left_out);
    order.sort_unstable();
    order
}

/// Squared norms of centred examples.
fn centred_squares<T: Feature>(features: &[T], n: usize) -> Vec<f64> {
    let p = features.len() / n;
    assert_eq!(features.len(), n * p, "features of {n} examples");
    let mut means = vec![0.0; p];
    for row in features.chunks(p) {
        means.iter_mut().zip(row).for_each(|(mean, &x)| *mean += x.into());
    }
    means.iter_mut().for_each(|mean| *mean /= n as f64);
    let square = |row: &[T]| {
        row.iter().zip(&means).map(|(&x, mean)| (x.into() - mean).powi(2)).sum()
    };
    features.chunks(p).map(square).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::cka;

    #[test]
    fn an_example_counts_by_its_largest_norm_at_any_epoch() {
        let mut dominance = Dominance::new(5);
        dominance.add(&[9.0f32, 0.0, 0.0, 0.1, -0.1]);
        assert_eq!(dominance.kept(0.0), [0, 1, 2, 3, 4]);
        // ⌈0.01·5⌉ = 1
        assert_eq!(dominance.kept(0.01), [1, 2, 3, 4]);
        dominance.add(&[0.0f32, 0.1, -0.1, 0.0, 700.0]);
        assert_eq!(dominance.kept(0.4), [1, 2, 3]);
    }

    #[test]
    fn similarities_without_dominant_examples_are_those_of_the_others() {
        let (n, p) = (30, 4);
        // Example 7 is far away at one epoch, 20 at another.
        let layer = |shift: usize, far: usize| -> Vec<f64> {
            let entry = |k: usize| ((k * k + shift * k) % 101) as f64 / 101.0;
            let far = |k: usize| if k / p == far { 30.0 } else { 1.0 };
            (0..n * p).map(|k| far(k) * entry(k + 3)).collect()
        };
        let layers = [layer(1, 7), layer(2, 20), layer(5, 7)];
        for estimator in [Estimator::Debiased, Estimator::Biased] {
            let reduced =
                layers.each_ref().map(|x| cka::reduced(x, n, p, estimator).unwrap());
            let mut signatures: Vec<Result<&[f32], Undefined>> =
                reduced.iter().map(|(signature, _)| Ok(&signature[..])).collect();
            let mut scales: Vec<Option<GramScale>> =
                reduced.iter().map(|(_, scale)| Some(scale.clone())).collect();
            signatures.insert(1, Err(Undefined::DeadLayer));
            scales.insert(1, None);
            // ⌈0.05·30⌉ = 2
            let found = without_dominant(&signatures, &scales, estimator, 0.05).unwrap();
            let rest = layers.each_ref().map(|x| {
                let kept = (0..n).filter(|i| *i != 7 && *i != 20);
                let rows: Vec<f64> =
                    kept.flat_map(|i| x[i * p..][..p].to_vec()).collect();
                cka::signature(&rows, n - 2, p, estimator).unwrap()
            });
            let rest: Vec<_> = rest.iter().map(|row| Ok(&row[..])).collect();
            let expected = cka::matrix(&rest, n - 2, estimator);
            for (i, j) in [(0, 0), (0, 1), (0, 2), (1, 2)] {
                let [a, b] = [i, j].map(|k| if k > 0 { k + 1 } else { 0 });
                let error = found[a * 4 + b] - expected.value(i, j);
                assert!(error.abs() < 1e-5, "{estimator:?} {i}, {j}: {error}");
                assert_eq!(found[a * 4 + b].to_bits(), found[b * 4 + a].to_bits());
            }
            assert!(found[1].is_nan() && found[5].is_nan());
            scales[0] = None;
            assert_eq!(without_dominant(&signatures, &scales, estimator, 0.05), None);
        }
    }
}
