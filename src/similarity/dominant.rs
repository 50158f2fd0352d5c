//! Leaving out the examples of largest norm: a few of them can make a similarity (Nguyen et
//! al. 2022; Davari et al. 2022).

use super::Feature;

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
        let squares = centred_squares(features, self.largest.len());
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
}
