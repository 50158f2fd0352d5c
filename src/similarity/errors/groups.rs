//! CKA without each of several groups of examples: what a delete-group jackknife of anything
//! that is made of epoch matrices needs.
//!
//! The Gram matrices of the other examples are parts of the signatures', centered again. With
//! the entries of signature A between a group G and the rest R,
//!
//! ```text
//! ⟨A_RR, B_RR⟩ = ⟨A, B⟩ − ⟨A_GG, B_GG⟩ − 2⟨A_GR, B_GR⟩,   Σ_{k∈R} A_jk = −Σ_{i∈G} A_ij
//! ```
//!
//! because rows of a centered Gram matrix sum to 0. So all groups together cost as much as two
//! matrices of epochs, and no Gram matrix is made again.

use rayon::prelude::*;

use crate::similarity::gram::exact::exact_products;
use crate::similarity::gram::triangle::packed_len;
use crate::similarity::{Estimator, Undefined};

/// What is left of an epoch's own product below this share of the whole is rounding.
const NOTHING_BELOW: f64 = 1e-10;

/// The CKA of all pairs of epochs without each of `n_groups` groups of the examples; example i
/// belongs to group i mod `n_groups`. None for minibatches, whose signatures hold no products
/// between batches, or where fewer than 4 examples stay.
///
/// *Shapes* `signatures: [E]` of one length, for n examples; result `[n_groups]` of `[E, E]`,
/// NaN where an epoch has no signature.
///
/// Cost 2E²n² multiply-adds in f64, in a fixed order.
///
/// # Panics
/// If the signatures are not those of n examples, or without groups.
///
/// # Example
/// ```
/// use stratagram::similarity::{Estimator, cka, without_groups};
/// let x: Vec<f64> = (0..60).map(|k| f64::from(k * k % 17)).collect(); // 20 examples
/// let y: Vec<f64> = (0..60).map(|k| f64::from(k * k * k % 13)).collect();
/// let of = |x: &[f64], n: usize| cka::signature(x, n, 3, Estimator::Debiased).unwrap();
/// let whole = [of(&x, 20), of(&y, 20)];
/// let signatures = [Ok(&whole[0][..]), Ok(&whole[1][..])];
/// let without = without_groups(&signatures, 20, Estimator::Debiased, 5).unwrap();
/// let rest = |x: &[f64]| -> Vec<f64> { // without the examples 0, 5, 10, 15
///     x.chunks(3).enumerate().filter(|(i, _)| i % 5 != 0).flat_map(|(_, r)| r.to_vec()).collect()
/// };
/// let pair = [of(&rest(&x), 16), of(&rest(&y), 16)];
/// let expected = cka::matrix(&[Ok(&pair[0][..]), Ok(&pair[1][..])], 16, Estimator::Debiased);
/// assert!((without[0][1] - expected.value(0, 1)).abs() < 1e-6);
/// ```
pub fn without_groups(
    signatures: &[Result<&[f32], Undefined>],
    n: usize,
    estimator: Estimator,
    n_groups: usize,
) -> Option<Vec<Vec<f64>>> {
    assert!(n_groups > 0, "groups of examples");
    let biased = match estimator {
        Estimator::Biased => true,
        Estimator::Debiased => false,
        Estimator::Minibatch { .. } => return None,
    };
    if n < n.div_ceil(n_groups) + 4 {
        return None;
    }
    let defined: Vec<usize> =
        (0..signatures.len()).filter(|&epoch| signatures[epoch].is_ok()).collect();
    let rows: Vec<&[f32]> = signatures.iter().filter_map(|s| s.ok()).collect();
    assert!(rows.iter().all(|row| row.len() == packed_len(n)), "signatures of {n}");
    let whole = exact_products(&rows);
    let without = (0..n_groups).into_par_iter().map(|group| {
        let group = Group { n, first: group, step: n_groups, biased };
        cosines(
            &group.products_without(&rows, &whole),
            &whole,
            &defined,
            signatures.len(),
        )
    });
    Some(without.collect())
}

/// Every `step`-th of n examples, from example `first` on.
#[derive(Clone, Copy)]
struct Group {
    n: usize,
    first: usize,
    step: usize,
    biased: bool,
}

/// Entries of a triangle that touch the group.
struct Entries {
    /// Between the group's examples, every one times √2, `[g, g]`.
    within: Vec<f32>,
    /// Between it and the rest, `[g, n − g]`.
    beside: Vec<f32>,
}

impl Group {
    fn members(self) -> impl Iterator<Item = usize> {
        (self.first..self.n).step_by(self.step)
    }

    /// The number of its examples.
    fn len(self) -> usize {
        self.members().count()
    }

    /// The inner products of the centered Gram matrices of the other examples: lower triangle
    /// `[E, E]`.
    ///
    /// *Shapes* `triangles: [E]`, packed; `whole: [E, E]`, their products.
    fn products_without(self, triangles: &[&[f32]], whole: &[f64]) -> Vec<f64> {
        let (m, own) = (triangles.len(), self.len());
        let rest = self.n - own;
        let entries: Vec<Entries> =
            triangles.iter().map(|triangle| self.entries(triangle)).collect();
        let rows = |of: fn(&Entries) -> &Vec<f32>| -> Vec<&[f32]> {
            entries.iter().map(|own| &of(own)[..]).collect()
        };
        let within = exact_products(&rows(|own| &own.within));
        let beside = exact_products(&rows(|own| &own.beside));
        let sums: Vec<Vec<f64>> =
            entries.iter().map(|own| sums_of_columns(&own.beside, rest)).collect();
        let totals: Vec<f64> = sums.iter().map(|sums| sums.iter().sum()).collect();
        let size = rest as f64;
        let (of_rows, of_all) = if self.biased {
            (2.0 / size, size.powi(-2))
        } else {
            (2.0 / (size - 2.0), ((size - 1.0) * (size - 2.0)).recip())
        };
        let mut products = vec![0.0; m * m];
        for (a, b) in (0..m).flat_map(|a| (0..=a).map(move |b| (a, b))) {
            let at = a * m + b;
            // Entries beside the diagonal carry √2, and those within the group stand twice.
            let left = whole[at] - within[at] / 2.0 - beside[at];
            let dot: f64 = sums[a].iter().zip(&sums[b]).map(|(r, s)| r * s).sum();
            products[at] = left - of_rows * dot + of_all * totals[a] * totals[b];
        }
        products
    }

    fn entries(self, triangle: &[f32]) -> Entries {
        let (n, own) = (self.n, self.len());
        let mut within = Vec::with_capacity(own * own);
        let mut beside = Vec::with_capacity(own * (n - own));
        let start = |i: usize| packed_len(n) - packed_len(n - i);
        let starts: Vec<usize> = (0..n).map(start).collect();
        for i in self.members() {
            let mut put =
                |j: usize, entry: f32| match (j % self.step == self.first, i == j) {
                    (true, true) => within.push(entry * std::f32::consts::SQRT_2),
                    (true, false) => within.push(entry),
                    (false, _) => beside.push(entry),
                };
            (0..i).for_each(|j| put(j, triangle[starts[j] + i - j]));
            let row = &triangle[starts[i]..][..n - i];
            row.iter().enumerate().for_each(|(k, &entry)| put(i + k, entry));
        }
        Entries { within, beside }
    }
}

/// The row sums of what is left, but for their sign: the sums of the columns of the entries
/// between the group and the rest, without the √2 that these carry.
fn sums_of_columns(beside: &[f32], rest: usize) -> Vec<f64> {
    let mut sums = vec![0.0; rest];
    for row in beside.chunks_exact(rest) {
        sums.iter_mut().zip(row).for_each(|(sum, &entry)| *sum += f64::from(entry));
    }
    sums.iter_mut().for_each(|sum| *sum *= std::f64::consts::FRAC_1_SQRT_2);
    sums
}

/// The cosines of `products` at the `defined` epochs of all.
///
/// *Shapes* `products`, `whole`: lower triangles `[m, m]`; result `[n_epochs, n_epochs]`.
fn cosines(
    products: &[f64],
    whole: &[f64],
    defined: &[usize],
    n_epochs: usize,
) -> Vec<f64> {
    let m = defined.len();
    let norm = |a: usize| {
        let own = products[a * m + a];
        if own > NOTHING_BELOW * whole[a * m + a] { own.sqrt() } else { f64::NAN }
    };
    let norms: Vec<f64> = (0..m).map(norm).collect();
    let mut values = vec![f64::NAN; n_epochs * n_epochs];
    for (a, &i) in defined.iter().enumerate() {
        for (b, &j) in defined[..=a].iter().enumerate() {
            let cosine = products[a * m + b] / (norms[a] * norms[b]);
            values[i * n_epochs + j] = cosine;
            values[j * n_epochs + i] = cosine;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::cka;

    fn features(n: usize, p: usize, shift: usize) -> Vec<f64> {
        let entry = |k: usize| ((k * k + shift * k) % 101) as f64 / 101.0;
        (0..n * p).map(entry).collect()
    }

    #[test]
    fn each_matrix_is_that_of_the_other_examples() {
        let (n, p, n_groups) = (45, 7, 8);
        for estimator in [Estimator::Debiased, Estimator::Biased] {
            let layers: Vec<Vec<f64>> =
                (0..3).map(|shift| features(n, p, shift)).collect();
            let of = |x: &[f64], n: usize| cka::signature(x, n, p, estimator).unwrap();
            let whole: Vec<Vec<f32>> = layers.iter().map(|x| of(x, n)).collect();
            let mut signatures: Vec<Result<&[f32], Undefined>> =
                whole.iter().map(|s| Ok(&s[..])).collect();
            signatures.insert(1, Err(Undefined::NonFinite));
            let without = without_groups(&signatures, n, estimator, n_groups).unwrap();
            for (group, found) in without.iter().enumerate() {
                let rest = |x: &Vec<f64>| {
                    let rows = x.chunks(p).enumerate();
                    let kept = rows.filter(|(i, _)| i % n_groups != group);
                    let rows: Vec<f64> = kept.flat_map(|(_, row)| row.to_vec()).collect();
                    of(&rows, rows.len() / p)
                };
                let rest: Vec<Vec<f32>> = layers.iter().map(rest).collect();
                let rest: Vec<_> = rest.iter().map(|s| Ok(&s[..])).collect();
                let left = n - (group..n).step_by(n_groups).count();
                let expected = cka::matrix(&rest, left, estimator);
                for (i, j) in [(0, 1), (0, 2), (1, 2)] {
                    let [a, b] = [i, j].map(|k| if k > 0 { k + 1 } else { 0 });
                    let error = found[a * 4 + b] - expected.value(i, j);
                    assert!(error.abs() < 1e-5, "{group}: {i}, {j}: {error}");
                }
                assert!(found[1].is_nan() && (found[0] - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn minibatches_and_too_few_examples_have_none() {
        let few: [Result<&[f32], Undefined>; 0] = [];
        assert!(without_groups(&few, 5, Estimator::Debiased, 2).is_none());
        let minibatch = Estimator::Minibatch { size: 4 };
        assert!(without_groups(&few, 64, minibatch, 4).is_none());
    }
}
