//! Centered kernel nearest-neighbor alignment (Huh et al. 2024, "The Platonic Representation
//! Hypothesis", appendix A): CKA that counts a pair of examples only where they are near to
//! each other in both representations.
//!
//! Align(K, L) = `Σ_i Σ_j α(i, j)·(K_ij − mean_l K_il)·(L_ij − mean_l L_il)`, α(i, j) = 1 where
//! j ≠ i is one of the k nearest neighbors of i in both representations, else 0, and
//! CKNNA(K, L) = Align(K, L)/√(Align(K, K)·Align(L, L)). As in the authors' evaluation, K is
//! the inner product of features of unit norm, and decides which examples are near.
//!
//! This is the definition of the paper. The published code (`cknna` in metrics.py of
//! minyoungg/platonic-rep) differs: it sets all other entries of K and L to 0 *before* it
//! centers, and then takes the unbiased HSIC of what is left. Masked matrices are not
//! symmetric, and the leading term of that estimator, tr(K·L), then counts only pairs of which
//! each is a neighbor of the other. It also adds 10⁻⁶ to the denominator. On the activations of
//! `tests/oracles/activations-offset` (k = 10) the first two epochs have 0.455 here and 0.251 by
//! that code.

use rayon::prelude::*;

use crate::similarity::errors::influence::standard_error;
use crate::similarity::measure::{
    Definition, Epochs, Procedure, Properties, Setting, Settings,
};
use crate::similarity::measures::neighbours::{INVARIANCES, Nearby, Nearness};
use crate::similarity::{EpochMatrix, Feature, Undefined};

/// Centered kernel nearest-neighbor alignment.
pub(super) const CKNNA: Definition<Aligned> = Definition {
    properties: Properties {
        name: "cknna",
        title: "CKNNA",
        summary: "CKA of nearest neighbors alone, by cosine (Huh et al. 2024)",
        invariances: INVARIANCES,
        settings: &[Setting::Neighbours],
        error: "infinitesimal jackknife with the neighbors kept: 0.6 to 0.85 of the spread over draws",
        signature: "nearest neighbors `[n, k]`, then their centered cosines `[n, k]`, unit norm",
        ..Properties::SIMILARITY
    },
    procedure: Aligned,
};

/// The alignment of kernels on common neighbors.
pub(super) struct Aligned;

impl Procedure for Aligned {
    /// # Errors
    /// As [`super::neighbours::signature`], or if all examples have one direction.
    fn signature<T: Feature>(
        &self,
        features: &[T],
        n: usize,
        p: usize,
        settings: &Settings,
    ) -> Result<Vec<f32>, Undefined> {
        let k = settings.neighbours;
        let nearby = Nearby::of(features, n, p, k, Nearness::Cosine)?;
        let rows: Vec<(Vec<usize>, Vec<f64>)> =
            (0..n).into_par_iter().map(|i| centered_row(&nearby, i, n)).collect();
        let squares = rows.iter().flat_map(|(_, centered)| centered).map(|x| x * x);
        let norm = squares.sum::<f64>().sqrt();
        // Cosines are at most 1: what is below is their rounding.
        if norm <= 1e-12 * ((n * k) as f64).sqrt() {
            return Err(Undefined::EqualDissimilarities);
        }
        let neighbors = rows.iter().flat_map(|(nearest, _)| nearest).map(|j| *j as f32);
        let centered = rows.iter().flat_map(|(_, centered)| centered);
        Ok(neighbors.chain(centered.map(|x| (x / norm) as f32)).collect())
    }

    fn signature_len(&self, n: usize, _p: usize, settings: &Settings) -> usize {
        2 * n * settings.neighbours
    }

    fn compare(&self, epochs: &Epochs<'_>) -> EpochMatrix {
        epochs.pairwise(|a, b| compare(a, b, epochs.n))
    }
}

/// The nearest neighbors of example i, and their cosines less the mean over all n examples,
/// itself included.
fn centered_row(nearby: &Nearby, i: usize, n: usize) -> (Vec<usize>, Vec<f64>) {
    let others = (0..n).filter(|j| *j != i).map(|j| nearby.product(i, j));
    let mean = (1.0 + others.sum::<f64>()) / n as f64;
    let nearest = nearby.nearest(i);
    let centered = nearest.iter().map(|j| nearby.product(i, *j) - mean).collect();
    (nearest, centered)
}

/// The alignment of two signatures of n examples, and its standard error over examples, by
/// the infinitesimal jackknife: neighbors and means are taken as given, so that an example
/// counts by its own row.
///
/// Cost n·k² comparisons.
fn compare(a: &[f32], b: &[f32], n: usize) -> (f64, f64) {
    let k = a.len() / (2 * n);
    let (near_a, near_b) = (&a[..n * k], &b[..n * k]);
    let (of_a, of_b) = (&a[n * k..], &b[n * k..]);
    let square = |row: &[f32]| row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    let shared = |i: usize| -> f64 {
        let row = i * k..(i + 1) * k;
        let others = &near_b[row.clone()];
        let found = row.clone().filter_map(|at| {
            let same = others.iter().position(|j| *j as usize == near_a[at] as usize)?;
            Some(f64::from(of_a[at]) * f64::from(of_b[row.start + same]))
        });
        found.sum()
    };
    let aligned: Vec<f64> = (0..n).map(shared).collect();
    let (own_a, own_b): (Vec<f64>, Vec<f64>) =
        of_a.chunks(k).zip(of_b.chunks(k)).map(|(a, b)| (square(a), square(b))).unzip();
    let (norm_a, norm_b) = (own_a.iter().sum::<f64>(), own_b.iter().sum::<f64>());
    let norms = (norm_a * norm_b).sqrt();
    let value = aligned.iter().sum::<f64>() / norms;
    let influences: Vec<f64> = (0..n)
        .map(|i| {
            let own = f64::midpoint(own_a[i] / norm_a, own_b[i] / norm_b);
            aligned[i] / norms - value * own
        })
        .collect();
    (value, standard_error(&influences))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::Measure;

    #[test]
    fn examples_of_one_direction_have_no_nearest() {
        let settings = Settings { neighbours: 2, ..Settings::default() };
        let ray: Vec<f32> = (1..9).flat_map(|t| [t as f32, 3.0 * t as f32]).collect();
        let reason = Measure::Cknna.signature(&ray, 8, 2, &settings).unwrap_err();
        assert_eq!(reason, Undefined::EqualDissimilarities);
    }

    #[test]
    fn no_common_neighbor_is_no_alignment() {
        let settings = Settings { neighbours: 1, ..Settings::default() };
        // Pairs along the axes: first the two of each half, then examples of both halves.
        let axis = |axes: [usize; 4]| -> Vec<f32> {
            let row = |axis: usize| [f32::from(axis == 0), f32::from(axis == 1)];
            axes.into_iter().flat_map(row).collect()
        };
        let (x, y) = (axis([0, 0, 1, 1]), axis([0, 1, 0, 1]));
        let [a, b] = [x, y].map(|x| Measure::Cknna.signature(&x, 4, 2, &settings));
        let (a, b) = (a.unwrap(), b.unwrap());
        let matrix = Measure::Cknna.matrix(&[Ok(&a), Ok(&b)], 4, &settings);
        assert!(matrix.value(0, 1).abs() < 1e-15);
        assert!((matrix.value(0, 0) - 1.0).abs() < 1e-12);
    }
}
